// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	kubeinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	openbaocontroller "github.com/bailiwick-operator/bailiwick/pkg/controller/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/metrics"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// addServers adds the controller that runs the servers of OpenBao clusters.
func (op *operator) addServers(ctx context.Context, o *Options, c *clients, gate *Gate, m *metrics.Metrics,
	factories informers, served *resourceWaiter,
) error {
	subject := func(name string) string { return authz.ServiceAccountSubject(o.Namespace, name) }
	issuer := bootstrap.APIServerIssuer(c.kube.Discovery().RESTClient())
	declared := &reconcile.Answer[bool]{Valid: o.PollInterval, Ask: bootstrap.APIServerSchema(c.kube.Discovery().RESTClient())}
	addresses := &reconcile.Answer[[]netip.AddrPort]{Valid: o.PollInterval, Ask: func(ctx context.Context) ([]netip.AddrPort, error) {
		return apiServerAddresses(ctx, c.kube)
	}}
	kinds := &servedKinds{discovery: c.kube.Discovery(), valid: o.PollInterval}
	owned := newOwnedInformers(c.kube, o.watched())
	var err error
	op.servers, err = openbaocontroller.New(ctx, openbaocontroller.Options{
		Clusters: c.custom.OpenBaoV1alpha1(),
		Kube:     c.kube,
		Dynamic:  c.dynamic,
		Informer: func(namespace string) cache.SharedIndexInformer {
			return factories.of(openbaocontroller.Resource, namespace)
		},
		Owned:        owned.of,
		Namespaces:   o.watched(),
		Recorder:     op.recorder,
		NamespaceUID: bootstrap.NamespaceUIDs(c.kube.CoreV1()),
		Issuer: func(ctx context.Context) (string, []authz.Key, error) {
			found, err := issuer(ctx)
			return found.URL, found.Keys, err
		},
		Declared:            now(declared),
		APIServer:           now(addresses),
		Serves:              kinds.serves,
		JobImage:            jobImage(o, c.kube),
		Subject:             subject(o.OpenBao.ServersServiceAccount),
		BootstrapperSubject: subject(o.OpenBao.BootstrapperServiceAccount),
		AuthorizerAccount:   o.authorizerAccount(),
		NamespaceRole:       o.OpenBao.ServersClusterRole,
		AllowLocalAddresses: o.OpenBao.AllowLocalAddresses,
		Connect:             o.OpenBao.connectOpenBao,
		Probe:               o.OpenBao.probeNode,
		Gate:                gate.Check,
		CountLogin:          m.OpenBaoLogin,
		RecheckInterval:     o.PollInterval,
		ProofInterval:       o.OpenBao.ProofInterval,
		Await:               served.await,
	})
	if err != nil {
		return err
	}
	return errors.Join(
		m.Register(metrics.NewServers(func() []metrics.ServerCounts {
			return openbaocontroller.Measure(factories.objects(openbaocontroller.Resource))
		})),
		m.Register(metrics.NewBackups(func() []metrics.Backup {
			return openbaocontroller.MeasureBackups(factories.objects(openbaocontroller.Resource))
		})),
	)
}

// jobImage returns what finds the image that Jobs run: the one that a flag names, or else that
// of this process's pod, which has the program beside the operator.
func jobImage(o *Options, client kubernetes.Interface) func(context.Context) (string, error) {
	if image := o.OpenBao.JobImage; image != "" {
		return func(context.Context) (string, error) { return image, nil }
	}
	if o.OpenBao.PodName == "" || o.Namespace == "" {
		return func(context.Context) (string, error) {
			return "", errors.New("POD_NAME does not name the pod of this process")
		}
	}
	// The image of a pod can be changed, if rarely.
	return now(&reconcile.Answer[string]{Valid: o.PollInterval, Ask: func(ctx context.Context) (string, error) {
		// The right to list pods is there anyway, and that to get one is not.
		pods, err := client.CoreV1().Pods(o.Namespace).List(ctx, metav1.ListOptions{
			FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, o.OpenBao.PodName).String(),
		})
		if err != nil {
			return "", fmt.Errorf("read the pod of this process: %w", err)
		}
		for _, pod := range pods.Items {
			for _, container := range pod.Spec.Containers {
				if pod.Name == o.OpenBao.PodName && (container.Name == operatorContainer || len(pod.Spec.Containers) == 1) {
					return container.Image, nil
				}
			}
		}
		return "", fmt.Errorf("there is no pod %s/%s with a container %s", o.Namespace, o.OpenBao.PodName, operatorContainer)
	}})
}

// operatorContainer is the name of the container of this process in its pod.
const operatorContainer = "bailiwick"

// authorizerAccount is the account of the process that proves identities.
func (o *Options) authorizerAccount() string {
	return cmp.Or(o.OpenBao.AuthorizerServiceAccount, o.ServiceAccount)
}

// now has an answer asked for by the clock of the process.
func now[T any](a *reconcile.Answer[T]) func(ctx context.Context) (T, error) {
	return func(ctx context.Context) (T, error) { return a.Get(ctx, time.Now()) }
}

// servedKinds remembers which kinds the API server serves.
type servedKinds struct {
	discovery discovery.DiscoveryInterface
	valid     time.Duration

	mu    sync.Mutex
	kinds map[schema.GroupVersionKind]*reconcile.Answer[bool]
}

// serves reports whether the API server serves a kind.
func (s *servedKinds) serves(ctx context.Context, kind schema.GroupVersionKind) (bool, error) {
	s.mu.Lock()
	if s.kinds == nil {
		s.kinds = map[schema.GroupVersionKind]*reconcile.Answer[bool]{}
	}
	known := s.kinds[kind]
	if known == nil {
		known = &reconcile.Answer[bool]{Valid: s.valid, Ask: func(context.Context) (bool, error) {
			list, err := s.discovery.ServerResourcesForGroupVersion(kind.GroupVersion().String())
			if apierrors.IsNotFound(err) {
				return false, nil
			}
			if err != nil {
				return false, fmt.Errorf("ask the API server for %s: %w", kind.GroupVersion(), err)
			}
			return slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Kind == kind.Kind }), nil
		}}
		s.kinds[kind] = known
	}
	s.mu.Unlock()
	return known.Get(ctx, time.Now())
}

// apiServerAddresses returns the addresses at which pods reach the API server: that of
// its Service, and those behind it, since a NetworkPolicy may be enforced on either side
// of the translation.
func apiServerAddresses(ctx context.Context, client kubernetes.Interface) ([]netip.AddrPort, error) {
	slice, err := client.DiscoveryV1().EndpointSlices(metav1.NamespaceDefault).Get(ctx, "kubernetes", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		// Some hosted API servers keep it elsewhere. Their Service leads to them.
		slice, err = &discoveryv1.EndpointSlice{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the addresses of the API server: %w", err)
	}
	var addresses []netip.AddrPort
	add := func(host string, port int32) {
		if ip, err := netip.ParseAddr(host); err == nil {
			addresses = append(addresses, netip.AddrPortFrom(ip, uint16(port))) //nolint:gosec // A port.
		}
	}
	for _, endpoint := range slice.Endpoints {
		for _, host := range endpoint.Addresses {
			for _, port := range slice.Ports {
				if port.Port != nil {
					add(host, *port.Port)
				}
			}
		}
	}
	service, err := client.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, "kubernetes", metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the Service of the API server: %w", err)
	}
	for _, host := range service.Spec.ClusterIPs {
		for _, port := range service.Spec.Ports {
			add(host, port.Port)
		}
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("the Service %s/kubernetes has no address", metav1.NamespaceDefault)
	}
	slices.SortFunc(addresses, func(a, b netip.AddrPort) int { return a.Compare(b) })
	return slices.Compact(addresses), nil
}

// ownedInformers are the informers of the objects of OpenBao clusters.
type ownedInformers map[string]kubeinformers.SharedInformerFactory

func newOwnedInformers(client kubernetes.Interface, namespaces []string) ownedInformers {
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	out := ownedInformers{}
	for _, ns := range namespaces {
		out[ns] = kubeinformers.NewSharedInformerFactoryWithOptions(client, 0, kubeinformers.WithNamespace(ns),
			kubeinformers.WithTweakListOptions(func(options *metav1.ListOptions) { options.LabelSelector = openbaocontroller.ObjectSelector }),
			kubeinformers.WithTransform(trimOwned))
	}
	return out
}

func (i ownedInformers) of(resource schema.GroupVersionResource, namespace string) cache.SharedIndexInformer {
	informer, err := i[namespace].ForResource(resource)
	if err != nil {
		panic(err)
	}
	return informer.Informer()
}

// trimOwned drops what nobody reads. Of a pod, that is what it is made of.
func trimOwned(object any) (any, error) {
	if pod, ok := object.(*corev1.Pod); ok {
		pod.Spec = corev1.PodSpec{NodeName: pod.Spec.NodeName}
	}
	return dropManagedFields(object)
}
