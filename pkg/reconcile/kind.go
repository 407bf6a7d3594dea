// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// Object is what the engine needs of a custom resource. The pointers lead into
// the object itself: the engine writes through them on its own copy only.
type Object interface {
	runtime.Object
	metav1.Object
	// Conditions points at the conditions of the status.
	Conditions() *[]metav1.Condition
	// ObservedGeneration points at the observed generation of the status.
	ObservedGeneration() *int64
	// Adopted points at the mark of a remote that existed before the object.
	Adopted() *bool
}

// Handler makes a remote match its object. All verbs are idempotent
// and none waits until the remote is ready. obj is a private copy: a verb may
// set fields of its status and nothing else. Errors are Problems, ErrPending,
// or anything else, which means "try again with backoff".
type Handler[T Object, C any] interface {
	// Observe compares the remote with the spec and changes neither.
	Observe(ctx context.Context, client C, obj T) (Observation, error)
	// Create makes the remote. The error is ErrExists if there is one already, and
	// ErrOutcomeUnknown if the remote may have been created.
	Create(ctx context.Context, client C, obj T) error
	// Update makes the remote match the spec.
	Update(ctx context.Context, client C, obj T) error
	// Delete asks for the deletion of the remote and reports whether it is gone. A
	// remote that does not exist, or that is not the object's to delete, is gone.
	Delete(ctx context.Context, client C, obj T) (gone bool, err error)
}

// Observation is what Observe found.
type Observation struct {
	// Exists is false when there is no remote; the other fields but Recheck then
	// mean nothing.
	Exists bool
	// Differs names what Update has to change, in the spec's words and without
	// values. Empty means that the remote is up to date.
	Differs []string
	// Ready says that the remote can be used.
	Ready bool
	// PoweredOff says that Ready means "off, as asked".
	PoweredOff bool
	// Message tells a person what the remote is doing while it is not Ready.
	Message string
	// Note is what a person should know about a remote that is Ready. The Ready
	// condition carries it.
	Note string
	// Connection holds the connection details to publish, by full key. Nil
	// means that they are not known yet, or that there are none.
	Connection map[string][]byte
	// Again asks for another sync after this time, besides the poll; for changes
	// that wake nobody.
	Again time.Duration
	// Recheck has the remote read again, soon and at rising intervals, and the
	// object woken then. It is called while something that was created is not
	// visible yet; where it is nil Kind.Refresh is.
	Recheck func()
}

// Client is the part of a generated typed client that the engine uses. A is
// the pointer to the generated apply configuration.
type Client[T Object, A any] interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (T, error)
	Apply(ctx context.Context, a A, opts metav1.ApplyOptions) (T, error)
	ApplyStatus(ctx context.Context, a A, opts metav1.ApplyOptions) (T, error)
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (T, error)
}

// Kind binds a Handler to its generated client and informers. T is the object,
// C what the handler talks to the remote with, AC the struct of the generated
// apply configuration.
type Kind[T Object, C, AC any] struct {
	// Name is the controller's name in kebab case: "kafkatopic-controller".
	Name string
	// GVK is the kind of T.
	GVK schema.GroupVersionKind
	// Resource is where the API server serves T.
	Resource schema.GroupVersionResource
	// Informer returns the informer of one namespace, or of all ("").
	Informer func(namespace string) cache.SharedIndexInformer
	// Client returns the typed client of a namespace.
	Client func(namespace string) Client[T, *AC]
	// Handler holds the four verbs.
	Handler Handler[T, C]
	// Connect returns what the handler reaches the remote with. wake enqueues
	// the object and may be kept until Forget.
	Connect func(ctx context.Context, obj T, wake func()) (C, error)
	// Forget releases what Connect and Publish keep for an object that is gone.
	Forget func(name cache.ObjectName, uid types.UID)
	// Lane names the lane that an object's syncs run in: one per credential.
	Lane func(obj T) string
	// Credential is the value that an object is found by in IndexCredential.
	Credential func(obj T) string
	// Identity names the remote of an object over all kinds; "" means that it
	// has none that two objects could share.
	Identity func(obj T) string
	// Shares names the set of kinds whose objects can have the same Identity; ""
	// means that only those of this kind can.
	Shares string
	// Asked says what a create for obj asks for, in a form from which the handler
	// finds the remote after the spec has changed; it is kept in the CreateRecord.
	// Nil for kinds whose remotes are found by a name that can't change.
	Asked func(obj T) string
	// Refresh has the remote of an object read again soon. Nil where Observe always
	// reads it.
	Refresh func(obj T)
	// References names the objects, of any kind of the engine, that obj depends
	// on: obj is enqueued when one of them appears, changes or goes. Nil for kinds
	// that reference none. Engine.Object reads them.
	References func(obj T) []Reference
	// AnnotationsChanged is called, before the object is enqueued, when an
	// annotation of the user's differs between old and new.
	AnnotationsChanged func(ctx context.Context, old, new T)
	// CredentialUnused is called when the last object with the credential of obj has
	// gone or has another one now, and when that may have been so meanwhile. Nil
	// where nothing is kept of credentials.
	CredentialUnused func(obj T)
	// Publish writes connection details. Nil for kinds that have none.
	Publish func(ctx context.Context, obj T, data map[string][]byte) error
}
