// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	kubescheme "k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/scheme"
	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	aivenv1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	aivencontroller "github.com/bailiwick-operator/bailiwick/pkg/controller/aiven"
	openbaocontroller "github.com/bailiwick-operator/bailiwick/pkg/controller/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/metrics"
	"github.com/bailiwick-operator/bailiwick/pkg/publish"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/token"
	"github.com/bailiwick-operator/bailiwick/pkg/version"
)

// knownKinds returns every kind that --controllers can name.
func knownKinds() []string {
	var out []string
	for _, k := range aivencontroller.Kinds() {
		out = append(out, k.Name)
	}
	return append(out, bootstrap.Kind, openbaocontroller.Selected)
}

// kindsOffByDefault returns the known kinds that --controllers has to name. What runs
// servers creates pods, which can act as any ServiceAccount of their namespace: it is
// meant for a process of its own.
func kindsOffByDefault() []string { return []string{openbaocontroller.Selected} }

// resourceOf returns where the API server serves a kind of Aiven.
func resourceOf(kind aivencontroller.Kind) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: aivenv1alpha1.GroupVersion.Group, Version: aivenv1alpha1.GroupVersion.Version, Resource: kind.Resource}
}

// operator is everything that works while this process leads.
type operator struct {
	engine *reconcile.Engine
	// bootstrapper is nil if its kind is not selected.
	bootstrapper *bootstrap.Controller
	// servers is nil if this process does not run the servers of OpenBao clusters.
	servers *openbaocontroller.Controller
	// These are nil if no kind of Aiven is selected.
	transport *aiven.Transport
	store     *aiven.Store
	tokens    *token.Cache
	published *secretWatch
	sources   *sourceWatch
	// sourceEvents tells sources of changes immediately, where that is allowed.
	sourceEvents *secretWatch

	recorder    record.EventRecorder
	broadcaster record.EventBroadcaster
}

// newOperator wires the selected controllers. It starts nothing that uses the
// network; close ends it.
func newOperator(ctx context.Context, o *Options, c *clients, gate *Gate, m *metrics.Metrics) (*operator, error) {
	selected, err := selectKinds(knownKinds(), kindsOffByDefault(), o.Controllers)
	if err != nil {
		return nil, err
	}
	op := &operator{}
	// Events are written until the last sync has ended.
	op.broadcaster = record.NewBroadcaster(record.WithContext(context.WithoutCancel(ctx)))
	op.broadcaster.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: c.events.CoreV1().Events("")})
	op.recorder = op.broadcaster.NewRecorder(eventScheme(), corev1.EventSource{Component: "bailiwick"})

	factories := newInformers(c.custom, o.watched())
	served := newResourceWaiter(c.kube.Discovery())
	op.engine = reconcile.NewEngine(reconcile.Options{
		Lanes:         reconcile.NewLanes(o.ConcurrentSyncs),
		Recorder:      op.recorder,
		PollInterval:  o.PollInterval,
		VisibleWithin: o.Aiven.VisibleWithin,
		Namespaces:    o.watched(),
		Await:         served.await,
		Absent:        served.absent,
	})
	resources := map[string]schema.GroupVersionResource{}
	for _, kind := range aivencontroller.Kinds() {
		if slices.Contains(selected, kind.Name) {
			resources[kind.Name] = resourceOf(kind)
		}
	}
	if len(resources) > 0 {
		err = op.addAiven(ctx, o, c, gate, m, factories, slices.Collect(maps.Values(resources)))
	}
	if err == nil && slices.Contains(selected, bootstrap.Kind) {
		resources[bootstrap.Kind] = bootstrap.Resource
		err = op.addBootstrapper(ctx, o, c, gate, m, factories, served)
	}
	if err == nil && slices.Contains(selected, openbaocontroller.Selected) {
		err = op.addServers(ctx, o, c, gate, m, factories, served)
	}
	if err == nil {
		err = m.Register(metrics.NewObjects(func() map[string][]any {
			out := make(map[string][]any, len(resources))
			for kind, resource := range resources {
				out[kind] = factories.objects(resource)
			}
			return out
		}))
	}
	if err != nil {
		op.close()
		return nil, err
	}
	return op, nil
}

// addAiven adds the tokens, the Aiven side and the controllers of resources.
func (op *operator) addAiven(ctx context.Context, o *Options, c *clients, gate *Gate, m *metrics.Metrics,
	factories informers, resources []schema.GroupVersionResource,
) error {
	tokenOptions := token.Options{
		Secrets:       m.TokenReads(c.kube.CoreV1()),
		DefaultValue:  o.DefaultToken.Value.Reveal(),
		ProbeInterval: o.PollInterval,
		Named: func(namespace, name string) bool {
			return op.engine.NamesCredential(aivencontroller.CredentialOf(namespace, name))
		},
		Operator: token.Operator{Namespace: o.Namespace, Deployment: o.Deployment, ServiceAccount: o.ServiceAccount},
	}
	if o.DefaultToken.SecretName != "" {
		tokenOptions.Default = token.Ref{Namespace: o.Namespace, Name: o.DefaultToken.SecretName, Key: o.DefaultToken.SecretKey}
	}
	var err error
	if op.tokens, err = token.New(tokenOptions); err != nil {
		return err
	}
	op.transport, err = aiven.NewTransport(aiven.TransportOptions{
		BaseURL:        o.Aiven.URL,
		Version:        version.Get().Version,
		RequestTimeout: o.Aiven.RequestTimeout,
		QPS:            o.Aiven.QPS,
		Burst:          o.Aiven.Burst,
		Concurrency:    o.Aiven.Concurrency,
		Gate:           gate.Check,
		OnRequest: func(r aiven.RequestInfo) {
			m.AivenRequest(r.Operation, r.Status, string(r.Class), r.Duration)
		},
	})
	if err != nil {
		return err
	}
	eventInterval := o.Aiven.EventLogInterval
	if eventInterval == 0 {
		eventInterval = -1
	}
	op.store, err = aiven.NewStore(aiven.StoreOptions{
		Transport:     op.transport,
		PollInterval:  o.PollInterval,
		EventInterval: eventInterval,
		// Half of the requests remain for writes.
		FetchConcurrency: max(o.Aiven.Concurrency/2, 1),
	})
	if err != nil {
		return err
	}
	publisher := publish.New(c.kube.CoreV1(), c.metadata)
	op.published = &secretWatch{
		otherwise:  "published Secrets are repaired at the poll",
		reviews:    c.kube.AuthorizationV1().SelfSubjectAccessReviews(),
		metadata:   c.metadata,
		namespaces: o.watched(),
		selector:   publish.Selector,
		trim:       publish.TrimMetadata,
		granted:    func(namespace string) { publisher.LabelIn(namespace, op.engine.Wake) },
		handler:    publisher.Handler(op.engine.Wake),
	}
	op.sources = newSourceWatch(c.metadata,
		func() []cache.ObjectName { return op.engine.Referenced(reconcile.KindSecret) },
		func(name cache.ObjectName) {
			op.engine.WakeReferrers(reconcile.Reference{Kind: reconcile.KindSecret, Name: name})
		})
	op.sourceEvents = &secretWatch{
		otherwise:  "changes of source Secrets are noticed within half a minute",
		reviews:    c.kube.AuthorizationV1().SelfSubjectAccessReviews(),
		metadata:   c.metadata,
		namespaces: o.watched(),
		trim:       trimToVersion,
		handler:    op.sources.handler(),
	}
	// All of them: one whose Ready condition is being written may be stopped too.
	op.tokens.OnRecovered(func(namespace, name string) {
		op.engine.WakeCredential(aivencontroller.CredentialOf(namespace, name))
	})
	op.tokens.OnProbe(func(namespace, name string) {
		op.engine.WakeOne(aivencontroller.CredentialOf(namespace, name), string(token.TokenRejected))
	})
	op.tokens.OnReleased(func(v token.Value) { op.transport.Forget(v.Reveal()) })
	for _, kind := range aivencontroller.Kinds() {
		if !slices.Contains(resources, resourceOf(kind)) {
			continue
		}
		kind.Add(ctx, op.engine, aivencontroller.Dependencies{
			Client:          c.custom.AivenV1alpha1(),
			Informer:        factories.of,
			Secrets:         c.kube.CoreV1(),
			SourceRead:      op.sources.read,
			SourcePublished: op.sources.published,
			Tokens:          op.tokens,
			Store:           op.store,
			Publisher:       publisher,
			PollInterval:    o.PollInterval,
		})
	}
	return nil
}

func (op *operator) addBootstrapper(ctx context.Context, o *Options, c *clients, gate *Gate, m *metrics.Metrics,
	factories informers, served *resourceWaiter,
) error {
	subject := func(name string) string { return authz.ServiceAccountSubject(o.Namespace, name) }
	legacy, err := bootstrap.ParseLegacyAudiences(o.OpenBao.LegacyAudiences)
	if err != nil {
		return err
	}
	op.bootstrapper, err = bootstrap.New(ctx, bootstrap.Options{
		Connect:               o.OpenBao.connectOpenBao,
		Clusters:              c.custom.OpenBaoV1alpha1(),
		Secrets:               c.kube.CoreV1(),
		ConfigMaps:            c.kube.CoreV1(),
		ServiceAccounts:       c.kube.CoreV1(),
		Informer:              func(namespace string) cache.SharedIndexInformer { return factories.of(bootstrap.Resource, namespace) },
		Namespaces:            o.watched(),
		Recorder:              op.recorder,
		Issuer:                bootstrap.APIServerIssuer(c.kube.Discovery().RESTClient()),
		NamespaceUID:          bootstrap.NamespaceUIDs(c.kube.CoreV1()),
		LegacyAudiences:       legacy,
		AllowLocalAddresses:   o.OpenBao.AllowLocalAddresses,
		DeclaresAuthorization: bootstrap.APIServerSchema(c.kube.Discovery().RESTClient()),
		OperatorSubject:       subject(o.ServiceAccount),
		ServersSubject:        subject(o.OpenBao.ServersServiceAccount),
		BootstrapperSubject:   subject(o.OpenBao.BootstrapperServiceAccount),
		DecoySubject:          subject(o.OpenBao.DecoyServiceAccount),
		Gate:                  gate.Check,
		Metrics:               m,
		RecheckInterval:       o.PollInterval,
		ProofInterval:         o.OpenBao.ProofInterval,
		Await:                 served.await,
	})
	if err != nil {
		return err
	}
	return m.Register(metrics.NewAuthorizations(func() []metrics.Authorization {
		return measure(factories.objects(bootstrap.Resource), time.Now(), o.OpenBao.ProofInterval)
	}))
}

// run works until drain is closed and all work has ended, or until ctx ends.
// What the controllers rely on ends after them.
func (op *operator) run(ctx context.Context, drain <-chan struct{}) error {
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	serving, stop := context.WithCancel(ctx)
	defer stop()
	var services, controllers goroutineGroup
	if op.store != nil {
		services.start("tokens", func() { op.tokens.Run(serving) })
		services.start("aiven", func() { op.store.Run(serving) })
		services.start("published secrets", func() { op.published.run(serving) })
		services.start("source secrets", func() { op.sources.run(serving) })
		services.start("events of source secrets", func() { op.sourceEvents.run(serving) })
	}
	// One that fails ends the others: the process starts again.
	start := func(name string, run work) {
		controllers.start(name, func() {
			if err := run(ctx, drain); err != nil {
				abort(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	start("controllers", op.engine.Run)
	if op.bootstrapper != nil {
		start(bootstrap.Name, op.bootstrapper.Run)
	}
	if op.servers != nil {
		start(openbaocontroller.Name, op.servers.Run)
	}
	controllers.wait(ctx, drain)
	stop()
	services.wait(ctx, drain)
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// unsynced names the caches that have not filled.
func (op *operator) unsynced() []string {
	var out []string
	for name, synced := range op.engine.Synced() {
		if !synced {
			out = append(out, name)
		}
	}
	if op.bootstrapper != nil && !op.bootstrapper.HasSynced() {
		out = append(out, bootstrap.Name)
	}
	if op.servers != nil && !op.servers.HasSynced() {
		out = append(out, openbaocontroller.Name)
	}
	slices.Sort(out)
	return out
}

// close gives back what newOperator made.
func (op *operator) close() {
	op.broadcaster.Shutdown()
	if op.transport != nil {
		op.transport.Close()
	}
}

// eventScheme knows every kind that events are about.
func eventScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(kubescheme.AddToScheme(s))
	utilruntime.Must(scheme.AddToScheme(s))
	return s
}
