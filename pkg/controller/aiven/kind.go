// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"

	clientset "github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/typed/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/publish"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/token"
)

// Dependencies is what the controllers of all kinds are built from. All fields
// are required.
type Dependencies struct {
	// Client writes objects and their status.
	Client clientset.AivenV1alpha1Interface
	// Informer returns the shared informer of a resource in one namespace, or
	// in all ("").
	Informer func(resource schema.GroupVersionResource, namespace string) cache.SharedIndexInformer
	// Secrets reads, live and by name, the Secrets that a spec names.
	Secrets corev1client.SecretsGetter
	// SourceRead takes note that a Secret which a spec names was read, and of the
	// version that SecretVersion gives it, or "" if it does not exist.
	SourceRead func(name cache.ObjectName, version string)
	// SourcePublished takes note that a Secret was published, which a spec may name.
	SourcePublished func(name cache.ObjectName)
	// Tokens resolves the token of an object.
	Tokens *token.Cache
	// Store reads and writes Aiven.
	Store *aiven.Store
	// Publisher writes connection details.
	Publisher *publish.Publisher
	// PollInterval is how often what only time can change is tried again.
	PollInterval time.Duration
}

// newKind builds a row of the table. The types follow from the handler and the
// method of the generated client that serves the kind.
func newKind[T v1alpha1.Object, AC any, I reconcile.Client[T, *AC]](
	kind, resource string, handler reconcile.Handler[T, *remote], client func(clientset.AivenV1alpha1Interface, string) I,
) Kind {
	add := func(ctx context.Context, engine *reconcile.Engine, d Dependencies) {
		gvr := v1alpha1.SchemeGroupVersion.WithResource(resource)
		problems := problems{resource: gvr.GroupResource().String(), poll: d.PollInterval, rejection: d.Tokens.Rejection}
		k := connector[T]{kind: kind, deps: d, engine: engine, problems: problems}
		var references func(T) []reconcile.Reference
		if r, ok := handler.(referrer[T]); ok {
			references = r.References
		}
		identify := func(obj T) string { return identity(kind, obj) }
		if i, ok := handler.(identifier[T]); ok {
			identify = i.Identity
		}
		if f, ok := handler.(forgetter); ok {
			k.forgetHandler = f.Forget
		}
		var asked func(T) string
		if a, ok := handler.(asker[T]); ok {
			asked = a.Asked
		}
		reconcile.New(ctx, engine, reconcile.Kind[T, *remote, AC]{
			Name:               strings.ToLower(kind) + "-controller",
			GVK:                v1alpha1.SchemeGroupVersion.WithKind(kind),
			Resource:           gvr,
			Informer:           func(namespace string) cache.SharedIndexInformer { return d.Informer(gvr, namespace) },
			Client:             func(namespace string) reconcile.Client[T, *AC] { return client(d.Client, namespace) },
			Handler:            classifyErrors[T]{handler: handler, problems: problems},
			Connect:            k.connect,
			Forget:             k.forget,
			Lane:               func(obj T) string { return refOf(obj).String() },
			Credential:         func(obj T) string { ref := refOf(obj); return CredentialOf(ref.Namespace, ref.Name) },
			Identity:           identify,
			Shares:             sharedIdentities[T](kind),
			Asked:              asked,
			Refresh:            func(obj T) { d.Store.Refresh(obj.ServiceRef()) },
			References:         references,
			AnnotationsChanged: k.annotationsChanged,
			CredentialUnused:   k.credentialUnused,
			Publish:            k.publish,
		})
	}
	return Kind{Name: kind, Resource: resource, Add: add}
}

// referrer is the handler of a kind whose objects name other objects.
type referrer[T v1alpha1.Object] interface {
	// References names them; the object is reconciled when one changes.
	References(obj T) []reconcile.Reference
}

// identifier is the handler of a kind whose remotes have other names, too: those
// of objects of another kind, or of objects that describe them in another way.
type identifier[T v1alpha1.Object] interface {
	// Identity names the remote, the same for all of these.
	Identity(obj T) string
}

// asker is the handler of a kind whose remotes have no name that the spec keeps.
type asker[T v1alpha1.Object] interface {
	// Asked says what a create for obj asks for; see reconcile.CreateRecord.
	Asked(obj T) string
}

// forgetter is a handler that remembers something of objects.
type forgetter interface {
	// Forget ends what is remembered of an object that is gone.
	Forget(uid types.UID)
}

// remote is what a handler reaches Aiven with, for one sync of one object.
type remote struct {
	*aiven.Client
	ref      token.Ref
	secrets  corev1client.SecretInterface
	sources  func(name string, version string)
	digester digester
	// object reads an object that References names; see Engine.Object.
	object func(reconcile.Reference) (reconcile.Object, error)
	// publish writes connection details before the sync ends, for what Aiven tells
	// only once.
	publish func(ctx context.Context, data map[string][]byte) error
	// claimed reports whether another object stands for the remote of that identity.
	claimed func(identity string) bool
}

// connector joins the objects of one kind to tokens, snapshots and Secrets.
type connector[T v1alpha1.Object] struct {
	kind   string
	deps   Dependencies
	engine *reconcile.Engine
	problems
	// forgetHandler ends what the handler remembers of an object; nil for one that
	// remembers nothing.
	forgetHandler func(types.UID)
}

// subscription identifies an object among the readers of snapshots.
type subscription struct {
	kind string
	name cache.ObjectName
}

// refOf names the token of an object: its own, or the operator's default.
func refOf(obj v1alpha1.Object) token.Ref {
	ref := obj.AuthSecret()
	if ref == nil {
		return token.Ref{}
	}
	return token.Ref{Namespace: obj.GetNamespace(), Name: ref.Name, Key: ref.Key}
}

// CredentialOf returns the value of the engine's credential index for the objects
// that name a Secret, or, with no name, for those that use the operator's default
// token.
func CredentialOf(namespace, name string) string {
	if name == "" {
		return "default"
	}
	return namespace + "/" + name
}

// identity names the remote of an object over all kinds. Services of all types
// share the names of a project.
func identity(kind string, obj v1alpha1.Object) string {
	project, service := obj.ServiceRef()
	if _, ok := obj.(v1alpha1.Service); ok {
		return project + "/" + service
	}
	return strings.Join([]string{project, service, strings.ToLower(kind), obj.RemoteName()}, "/")
}

const (
	kindProject             = "Project"
	kindOrganizationProject = "OrganizationProject"
)

// sharedIdentities names the set of kinds whose objects can have the same identity:
// services of all types, and the two kinds of projects. It is "" for other kinds.
func sharedIdentities[T v1alpha1.Object](kind string) string {
	var obj T
	if _, ok := any(obj).(v1alpha1.Service); ok {
		return "services"
	}
	if kind == kindProject || kind == kindOrganizationProject {
		return "projects"
	}
	return ""
}

func (c connector[T]) connect(ctx context.Context, obj T, wake func()) (*remote, error) {
	ref := refOf(obj)
	tok, err := c.deps.Tokens.Token(ctx, ref)
	if err != nil {
		return nil, c.of(err, obj, ref)
	}
	sub := aiven.Subscriber{ID: subscription{c.kind, cache.MetaObjectToName(obj)}, Notify: wake}
	return &remote{
		Client:   c.deps.Store.Client(source{c.deps.Tokens, ref}, credentialOf(tok), sub),
		ref:      ref,
		secrets:  c.deps.Secrets.Secrets(obj.GetNamespace()),
		digester: newDigester(tok.Value.Reveal(), obj.GetUID()),
		sources: func(name, version string) {
			c.deps.SourceRead(cache.NewObjectName(obj.GetNamespace(), name), version)
		},
		object:  c.engine.Object,
		publish: func(ctx context.Context, data map[string][]byte) error { return c.publish(ctx, obj, data) },
		claimed: func(identity string) bool { return c.engine.ClaimedByOther(identity, obj.GetUID()) },
	}, nil
}

func (c connector[T]) forget(name cache.ObjectName, uid types.UID) {
	c.deps.Store.Forget(subscription{c.kind, name})
	c.deps.Publisher.Forget(uid)
	if c.forgetHandler != nil {
		c.forgetHandler(uid)
	}
}

// annotationsChanged renews the tokens that the object named and names.
func (c connector[T]) annotationsChanged(_ context.Context, old, obj T) {
	for _, ref := range []token.Ref{refOf(old), refOf(obj)} {
		if !ref.Default() {
			c.deps.Tokens.Invalidate(ref.Namespace, ref.Name)
		}
	}
}

// credentialUnused ends the tokens of a Secret that no object names any more.
func (c connector[T]) credentialUnused(obj T) {
	if ref := refOf(obj); !ref.Default() {
		c.deps.Tokens.Forget(ref.Namespace, ref.Name)
	}
}

func (c connector[T]) publish(ctx context.Context, obj T, data map[string][]byte) error {
	publisher, ok := any(obj).(v1alpha1.Publisher)
	if !ok {
		return nil
	}
	target, disabled := publisher.ConnInfoTarget()
	if disabled {
		return nil
	}
	err := c.deps.Publisher.Publish(ctx, publish.Owner{
		GVK:       v1alpha1.SchemeGroupVersion.WithKind(c.kind),
		Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID(),
	}, publish.Target{Name: target.Name, Labels: target.Labels, Annotations: target.Annotations}, data)
	var conflict *publish.ConflictError
	if errors.As(err, &conflict) {
		return &reconcile.Problem{Reason: "SecretConflict", Message: conflict.Message, Phase: reconcile.PhaseConnInfoSecret, Err: err}
	}
	if err == nil {
		c.deps.SourcePublished(cache.NewObjectName(obj.GetNamespace(), target.Name))
	}
	return err
}
