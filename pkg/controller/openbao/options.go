// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	openbaov1alpha1client "github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/typed/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

const (
	// DefaultRecheckInterval is how often a cluster is looked at when nothing asks for
	// it. One look is a request to each server, and two to the leader.
	DefaultRecheckInterval = 10 * time.Minute
	// startInterval is how often it is looked at while the servers start.
	startInterval = time.Second
	// probeTimeout bounds a request to one server.
	probeTimeout = 3 * time.Second
)

// Options configures a Controller. All fields are required unless they say otherwise.
type Options struct {
	// Clusters writes the status.
	Clusters openbaov1alpha1client.OpenBaoClustersGetter
	// Kube reads and writes Secrets, and deletes the pod and the volume of a first start
	// that is begun again. It makes tokens of the own ServiceAccount.
	Kube kubernetes.Interface
	// Dynamic writes the other objects of a cluster.
	Dynamic dynamic.Interface
	// Informer returns the informer of the clusters of one namespace, or of all ("").
	Informer func(namespace string) cache.SharedIndexInformer
	// Owned returns the informer of the objects of clusters, one of WatchedResources.
	Owned func(resource schema.GroupVersionResource, namespace string) cache.SharedIndexInformer
	// Namespaces to watch; none means all.
	Namespaces []string
	// Recorder writes events.
	Recorder record.EventRecorder
	// Issuer reads who signs the ServiceAccount tokens, and with which keys.
	Issuer func(ctx context.Context) (url string, keys []authz.Key, err error)
	// NamespaceUID reads the UID of a namespace.
	NamespaceUID func(ctx context.Context, name string) (types.UID, error)
	// Declared reports whether the installed schema of the kind is this operator's. With
	// that of the openbao-operator, nothing is done: it runs the servers itself.
	Declared func(ctx context.Context) (bool, error)
	// APIServer returns the addresses at which pods reach the API server.
	APIServer func(ctx context.Context) ([]netip.AddrPort, error)
	// Serves reports whether the API server serves a kind.
	Serves func(ctx context.Context, kind schema.GroupVersionKind) (bool, error)
	// JobImage returns the image that Jobs run, which has cmd/bailiwick-job.
	JobImage func(ctx context.Context) (string, error)

	// Subject is the sub claim of the own ServiceAccount, and BootstrapperSubject that of
	// the identity that keeps the contract.
	Subject             string
	BootstrapperSubject string
	// AuthorizerAccount is the ServiceAccount whose process proves the identities, and
	// NamespaceRole the ClusterRole of this one in a namespace with servers, for the command
	// that lets both.
	AuthorizerAccount string
	NamespaceRole     string

	// AllowLocalAddresses permits servers on this machine and its link.
	AllowLocalAddresses bool
	// Connect returns a client of a server; nil means that of package openbao.
	Connect func(opts bao.Options) (bao.Interface, error)
	// Probe asks one server what it is; nil means that of package openbao.
	Probe func(ctx context.Context, opts bao.Options) (bao.Node, error)
	// Gate returns an error when this process may no longer write. Nil lets all through.
	Gate func() error
	// CountLogin counts a login by purpose and result. Nil counts nothing.
	CountLogin func(purpose, result string)
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// RecheckInterval is optional; 0 means the default.
	RecheckInterval time.Duration
	// ProofInterval is how often the bootstrapper proves the identities. It is optional; 0
	// means an hour.
	ProofInterval time.Duration
	// Await returns once the API server serves a resource, or with the error of a context
	// that ended first. Nil does not wait.
	Await func(ctx context.Context, resource schema.GroupVersionResource) error
}

// complete checks the options and fills in the defaults.
func (o *Options) complete() error {
	if o.Clusters == nil || o.Kube == nil || o.Dynamic == nil || o.Informer == nil || o.Owned == nil || o.Recorder == nil ||
		o.Issuer == nil || o.NamespaceUID == nil || o.Declared == nil || o.APIServer == nil || o.Serves == nil || o.JobImage == nil || o.AuthorizerAccount == "" || o.NamespaceRole == "" {
		return errors.New("the controller of OpenBao servers lacks a required option")
	}
	for _, subject := range []string{o.Subject, o.BootstrapperSubject} {
		if _, _, ok := authz.ParseSubject(subject); !ok {
			return errors.New("the controller of OpenBao servers lacks the subject of one of its ServiceAccounts")
		}
	}
	if o.Connect == nil {
		o.Connect = func(opts bao.Options) (bao.Interface, error) { return bao.New(opts) }
	}
	if o.Probe == nil {
		o.Probe = bao.ProbeNode
	}
	if o.Gate == nil {
		o.Gate = func() error { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.RecheckInterval = cmp.Or(o.RecheckInterval, DefaultRecheckInterval)
	o.ProofInterval = cmp.Or(o.ProofInterval, time.Hour)
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{metav1.NamespaceAll}
	}
	return nil
}
