// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	openbaov1alpha1client "github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/typed/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

const (
	// DefaultRecheckInterval is how often an object is looked at when nothing
	// asks for it: its server in the modes Observe and Enforce, and the signing
	// keys of the API server in all. Servers that Bailiwick runs are asked with the
	// proofs instead.
	DefaultRecheckInterval = 10 * time.Minute
	// DefaultProofInterval is how often every identity is proved.
	DefaultProofInterval = time.Hour
	// refusalInterval is how often wrong subjects and audiences are tried. Each
	// leaves a failed login in the audit log of the server.
	refusalInterval = 24 * time.Hour
)

// Options configures a Controller. All fields are required unless they say
// otherwise.
type Options struct {
	// Clusters writes the status, and the record where the status has no room
	// for it.
	Clusters openbaov1alpha1client.OpenBaoClustersGetter
	// Secrets reads the Secrets that objects name.
	Secrets corev1client.SecretsGetter
	// ConfigMaps writes the ConfigMaps for the first start of clusters.
	ConfigMaps corev1client.ConfigMapsGetter
	// ServiceAccounts makes tokens of ServiceAccounts.
	ServiceAccounts corev1client.ServiceAccountsGetter
	// Informer returns the informer of one namespace, or of all ("").
	Informer func(namespace string) cache.SharedIndexInformer
	// Namespaces to watch; none means all.
	Namespaces []string
	// Recorder writes events.
	Recorder record.EventRecorder
	// Issuer reads who signs the ServiceAccount tokens, and with which keys;
	// see APIServerIssuer.
	Issuer func(ctx context.Context) (Issuer, error)
	// NamespaceUID reads the UID of a namespace; see NamespaceUIDs.
	NamespaceUID func(ctx context.Context, name string) (types.UID, error)
	// DeclaresAuthorization reports whether the installed schema of the kind has
	// the fields of this operator; see APIServerSchema.
	DeclaresAuthorization func(ctx context.Context) (bool, error)

	// OperatorSubject is the sub claim of the operator identity unless an
	// object names another ServiceAccount.
	OperatorSubject string
	// ServersSubject is the sub claim of who runs the servers of OpenBaoClusters that
	// describe them.
	ServersSubject string
	// BootstrapperSubject is the sub claim of the identity that reads and repairs
	// servers.
	BootstrapperSubject string
	// DecoySubject is the sub claim of a ServiceAccount that no server may let in.
	DecoySubject string

	// LegacyAudiences are the audiences of an earlier version that may still be used
	// for an object whose roles accept nothing else yet. It is optional.
	LegacyAudiences map[cache.ObjectName]string

	// AllowLocalAddresses permits servers on this machine and its link.
	AllowLocalAddresses bool
	// Connect returns a client of a server. Nil means openbao.New.
	Connect func(opts openbao.Options) (openbao.Interface, error)
	// Gate returns an error when this process may no longer write. It is asked
	// before every write to a server. Nil lets all through.
	Gate func() error
	// Metrics counts logins and repairs. Nil counts nothing.
	Metrics Metrics
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// RecheckInterval and ProofInterval are optional; 0 means the default.
	RecheckInterval time.Duration
	ProofInterval   time.Duration
	// Await returns once the API server serves a resource, or with the error
	// of a context that ended first. Nil does not wait.
	Await func(ctx context.Context, resource schema.GroupVersionResource) error
}

// Metrics counts what happens on servers. *metrics.Metrics implements it.
type Metrics interface {
	// OpenBaoLogin counts a login. purpose is standing, proof or refusal, and
	// result ok, refused or error.
	OpenBaoLogin(purpose, result string)
	// OpenBaoRepair counts a change that brought a server back to its contract.
	// kind is config, policy or role.
	OpenBaoRepair(kind string)
}

type noMetrics struct{}

func (noMetrics) OpenBaoLogin(string, string) {}
func (noMetrics) OpenBaoRepair(string)        {}

// complete checks the options and fills in the defaults.
func (o *Options) complete() error {
	if o.Clusters == nil || o.Secrets == nil || o.ConfigMaps == nil || o.ServiceAccounts == nil || o.Informer == nil ||
		o.Recorder == nil || o.Issuer == nil || o.NamespaceUID == nil || o.DeclaresAuthorization == nil {
		return errors.New("the bootstrapper lacks a required option")
	}
	for _, subject := range []string{o.OperatorSubject, o.ServersSubject, o.BootstrapperSubject, o.DecoySubject} {
		if _, ok := accountOf(subject); !ok {
			return errors.New("the bootstrapper lacks the subject of one of its ServiceAccounts")
		}
	}
	if o.Gate == nil {
		o.Gate = func() error { return nil }
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.RecheckInterval = cmp.Or(o.RecheckInterval, DefaultRecheckInterval)
	o.ProofInterval = cmp.Or(o.ProofInterval, DefaultProofInterval)
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{metav1.NamespaceAll}
	}
	return nil
}
