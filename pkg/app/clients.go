// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned"
	"github.com/bailiwick-operator/bailiwick/generated/informers/externalversions"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/version"
)

// dialTimeout bounds how long a connection for the lease may take, which leaves
// time for another.
const dialTimeout = 5 * time.Second

// clients are the connections to the API server. They share limits but for
// those that must never wait behind the others.
type clients struct {
	custom   versioned.Interface
	kube     kubernetes.Interface
	metadata metadata.Interface
	dynamic  dynamic.Interface
	// leases renews the lease; events writes events.
	leases kubernetes.Interface
	events kubernetes.Interface
}

// newClients builds all clients. It sends no request. Before each write, but for
// that of the lease, yield is called.
func newClients(o *Options, yield func(context.Context) error) (*clients, error) {
	base, err := restConfig(o)
	if err != nil {
		return nil, err
	}
	shared := as(base, "controllers")
	shared.QPS, shared.Burst = o.KubeQPS, o.KubeBurst
	polite := func(next http.RoundTripper) http.RoundTripper { return &yielding{next: next, yield: yield} }
	shared.Wrap(polite)
	httpClient, err := rest.HTTPClientFor(shared)
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	leases := as(base, "leader-election")
	leases.Timeout = o.LeaderElection.RenewDeadline / 2 // a lost answer leaves time for another try
	// HTTP/1.1 ends a connection with the request that times out on it. With HTTP/2
	// each try would wait on the one that has gone silent, until client-go's pings
	// notice, after the lease.
	leases.NextProtos = []string{"http/1.1"}
	// A dialer of its own gives it a connection of its own: the others share one,
	// on which a renewal would wait for what they send and watch.
	if leases.Dial == nil {
		leases.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	events := as(base, "events")
	events.QPS, events.Burst = o.KubeQPS, o.KubeBurst
	events.Wrap(polite)

	c := &clients{}
	if c.custom, err = versioned.NewForConfigAndClient(shared, httpClient); err != nil {
		return nil, fmt.Errorf("make client of our kinds: %w", err)
	}
	if c.kube, err = kubernetes.NewForConfigAndClient(shared, httpClient); err != nil {
		return nil, fmt.Errorf("make client of core kinds: %w", err)
	}
	if c.metadata, err = metadata.NewForConfigAndClient(metadata.ConfigFor(shared), httpClient); err != nil {
		return nil, fmt.Errorf("make metadata client: %w", err)
	}
	if c.dynamic, err = dynamic.NewForConfigAndClient(shared, httpClient); err != nil {
		return nil, fmt.Errorf("make dynamic client: %w", err)
	}
	if c.leases, err = kubernetes.NewForConfig(leases); err != nil {
		return nil, fmt.Errorf("make client of leases: %w", err)
	}
	if c.events, err = kubernetes.NewForConfig(events); err != nil {
		return nil, fmt.Errorf("make client of events: %w", err)
	}
	return c, nil
}

// yielding lets writes wait for something more urgent.
type yielding struct {
	next  http.RoundTripper
	yield func(context.Context) error
}

// RoundTrip implements http.RoundTripper.
func (y *yielding) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		if err := y.yield(r.Context()); err != nil {
			if r.Body != nil {
				_ = r.Body.Close() // as a RoundTripper has to; the error is the one above
			}
			return nil, err
		}
	}
	return y.next.RoundTrip(r)
}

// WrappedRoundTripper lets client-go find the transport below.
func (y *yielding) WrappedRoundTripper() http.RoundTripper { return y.next }

func restConfig(o *Options) (*rest.Config, error) {
	if o.RESTConfig != nil {
		return o.RESTConfig, nil
	}
	// With an empty path the other function would use the service account of the pod,
	// too, and warn of it in the log of every pod.
	load := rest.InClusterConfig
	if o.Kubeconfig != "" {
		load = func() (*rest.Config, error) { return clientcmd.BuildConfigFromFlags("", o.Kubeconfig) }
	}
	config, err := load()
	if err != nil {
		return nil, fmt.Errorf("find the API server; set --kubeconfig outside of a pod: %w", err)
	}
	return config, nil
}

// as returns a copy of base whose requests say which component sent them.
func as(base *rest.Config, component string) *rest.Config {
	c := rest.CopyConfig(base)
	c.UserAgent = fmt.Sprintf("%s/%s (%s/%s) %s", filepath.Base(os.Args[0]), version.Get().Version, runtime.GOOS, runtime.GOARCH, component)
	return c
}

// connectOpenBao returns a client of a server, whose requests say who sent them.
func (o *OpenBaoOptions) connectOpenBao(opts openbao.Options) (openbao.Interface, error) {
	opts.Version, opts.Resolver = version.Get().Version, o.Resolver
	if o.Connect != nil {
		return o.Connect(opts)
	}
	return openbao.New(opts)
}

// probeNode asks one server what it is.
func (o *OpenBaoOptions) probeNode(ctx context.Context, opts openbao.Options) (openbao.Node, error) {
	opts.Version, opts.Resolver = version.Get().Version, o.Resolver
	if o.Probe != nil {
		return o.Probe(ctx, opts)
	}
	return openbao.ProbeNode(ctx, opts)
}

// informers are the shared informers of every watched namespace.
type informers map[string]externalversions.SharedInformerFactory

// newInformers returns informers for the namespaces, or for all if there are
// none. What nobody reads is not kept.
func newInformers(client versioned.Interface, namespaces []string) informers {
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	out := informers{}
	for _, ns := range namespaces {
		out[ns] = externalversions.NewSharedInformerFactoryWithOptions(client, 0,
			externalversions.WithNamespace(ns),
			externalversions.WithTransform(dropManagedFields),
		)
	}
	return out
}

// of returns the informer of a resource in one of the namespaces. Asking for
// what newInformers was not told of is a mistake in the wiring.
func (i informers) of(resource schema.GroupVersionResource, namespace string) cache.SharedIndexInformer {
	factory, ok := i[namespace]
	if !ok {
		panic(fmt.Sprintf("namespace %q is not watched", namespace))
	}
	informer, err := factory.ForResource(resource)
	if err != nil {
		panic(err)
	}
	return informer.Informer()
}

// objects returns what is cached of a resource, over all namespaces. The
// objects must not be changed.
func (i informers) objects(resource schema.GroupVersionResource) []any {
	var out []any
	for ns := range i {
		out = append(out, i.of(resource, ns).GetIndexer().List()...)
	}
	return out
}

// dropManagedFields makes cached objects about half as large. Whoever needs
// the fields reads the object live.
func dropManagedFields(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}
