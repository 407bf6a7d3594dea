// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"encoding/json"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kuberuntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	kubeinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	openbaoinformers "github.com/bailiwick-operator/bailiwick/generated/informers/externalversions/openbao/v1alpha1"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao/openbaotest"
)

const (
	namespaceUID = "11111111-2222-3333-4444-555555555555"
	// afterStart is longer than a first start takes whose servers answer immediately.
	afterStart = 2 * time.Minute
)

// running is a controller that runs, on an API server and servers in memory.
type running struct {
	*testing.T
	api     *apiServer
	servers *paperServers
	events  *record.FakeRecorder
	stop    func()
}

// run starts a controller, inside of a bubble of synctest.
func run(t *testing.T) *running {
	t.Helper()
	api := newAPIServer()
	w := &running{T: t, api: api, servers: &paperServers{api: api, clusters: map[string]*paperCluster{}}, events: record.NewFakeRecorder(10_000)}
	// A cache has objects of its own, as from a decoder.
	factory := kubeinformers.NewSharedInformerFactoryWithOptions(api.kube, 0, kubeinformers.WithTransform(decodedAgain))
	custom := openbaoinformers.NewOpenBaoClusterInformer(api.custom, metav1.NamespaceAll, 0, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	if err := custom.SetTransform(decodedAgain); err != nil {
		t.Fatal(err)
	}
	c, err := New(t.Context(), Options{
		Clusters: api.custom.OpenBaoV1alpha1(), Kube: api.kube, Dynamic: api.dynamic, Recorder: w.events,
		Informer: func(string) cache.SharedIndexInformer { return custom },
		Owned: func(resource schema.GroupVersionResource, _ string) cache.SharedIndexInformer {
			informer, err := factory.ForResource(resource)
			if err != nil {
				t.Fatal(err)
			}
			return informer.Informer()
		},
		Issuer: func(context.Context) (string, []authz.Key, error) {
			return "https://kubernetes.default.svc", []authz.Key{{ID: "a", Algorithm: "RS256", PEM: "-----BEGIN PUBLIC KEY-----\nQQ==\n-----END PUBLIC KEY-----"}}, nil
		},
		NamespaceUID: func(context.Context, string) (types.UID, error) { return namespaceUID, nil },
		Declared:     func(context.Context) (bool, error) { return true, nil },
		APIServer: func(context.Context) ([]netip.AddrPort, error) {
			return []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:443")}, nil
		},
		JobImage:            func(context.Context) (string, error) { return "bailiwick:test", nil },
		Serves:              func(context.Context, schema.GroupVersionKind) (bool, error) { return false, nil },
		Subject:             authz.ServiceAccountSubject("bailiwick-system", "bailiwick-servers"),
		BootstrapperSubject: authz.ServiceAccountSubject("bailiwick-system", "bailiwick-bootstrapper"), AuthorizerAccount: "bailiwick",
		NamespaceRole: "bailiwick-servers-namespace",
		Connect:       w.servers.connect, Probe: w.servers.probe,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	drain, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- c.Run(ctx, drain) }()
	w.stop = func() {
		close(drain)
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		cancel()
		synctest.Wait()
	}
	synctest.Wait()
	return w
}

func decodedAgain(object any) (any, error) {
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	made := reflect.New(reflect.TypeOf(object).Elem()).Interface()
	return made, json.Unmarshal(raw, made)
}

// create makes a cluster of three servers.
func (w *running) create(name string, change ...func(*openbaov1alpha1.OpenBaoCluster)) {
	w.Helper()
	c := development()
	c.Name, c.UID, c.Generation = name, "", 1
	for _, f := range change {
		f(c)
	}
	if _, err := w.api.put(Resource, c, c); err != nil {
		w.Fatal(err)
	}
}

func selfInit(c *openbaov1alpha1.OpenBaoCluster) {
	c.Spec.SelfInit = &openbaov1alpha1.SelfInitSpec{Enabled: true}
}

func (w *running) get(name string) *openbaov1alpha1.OpenBaoCluster {
	w.Helper()
	object, err := w.api.Get(Resource, "team-a", name)
	if err != nil {
		w.Fatal(err)
	}
	return object.(*openbaov1alpha1.OpenBaoCluster)
}

// has reports whether the API server has an object.
func (w *running) has(resource schema.GroupVersionResource, name string) bool {
	_, err := w.api.Get(resource, "team-a", name)
	return err == nil
}

// prove is what the bootstrapper writes once it has proved all identities.
func (w *running) prove(name string) {
	w.Helper()
	c := w.get(name).DeepCopy()
	c.Status.Authorization = &openbaov1alpha1.AuthorizationStatus{Identities: []openbaov1alpha1.IdentityStatus{{Role: "openbao-operator", State: openbaov1alpha1.Proved}}}
	meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{
		Type: openbaov1alpha1.ConditionAuthorizationReady, Status: metav1.ConditionTrue, Reason: "Applied", ObservedGeneration: c.Generation,
	})
	if _, err := w.api.put(Resource, c, c); err != nil {
		w.Fatal(err)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
}

func (w *running) want(name, conditionType string, status metav1.ConditionStatus, reason string) {
	w.Helper()
	c := meta.FindStatusCondition(w.get(name).Status.Conditions, conditionType)
	if c == nil || c.Status != status || c.Reason != reason {
		w.Errorf("%s of %s is %+v, want %s, %s", conditionType, name, c, status, reason)
	}
}

// TestFirstStart takes a new cluster all the way, and holds the order that makes it safe.
func TestFirstStart(t *testing.T) {
	for name, tc := range map[string]struct {
		change    func(*openbaov1alpha1.OpenBaoCluster)
		selfInits bool
	}{
		"by itself":    {selfInit, true},
		"by a request": {func(*openbaov1alpha1.OpenBaoCluster) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := run(t)
				defer w.stop()
				var replicas []int32
				w.api.before = func(verb, resource string, object kuberuntime.Object) {
					set, ok := object.(*appsv1.StatefulSet)
					if !ok {
						return
					}
					replicas = append(replicas, *set.Spec.Replicas)
					status := w.get("dev").Status
					if status.FirstStart == nil || status.FirstStart.BegunAt == nil {
						t.Errorf("%s %s before it is recorded that there was no volume", verb, resource)
					}
					for _, secret := range []string{"dev-unseal-key", "dev-tls-ca", "dev-tls-server"} {
						if !w.has(secretResource, secret) {
							t.Errorf("%s %s without the Secret %s", verb, resource, secret)
						}
					}
					further := *set.Spec.Replicas > 1
					if initialized := status.Initialized != nil && *status.Initialized; initialized != further {
						t.Errorf("%s of %d servers, and initialized is %t", verb, *set.Spec.Replicas, initialized)
					}
					if got := w.has(secretResource, "dev-initialize"); got != (tc.selfInits && !further) {
						t.Errorf("%s of %d servers, and the requests of the first start are there: %t", verb, *set.Spec.Replicas, got)
					}
				}
				w.create("dev", tc.change)
				time.Sleep(afterStart)
				synctest.Wait()

				if !slices.Equal(replicas, []int32{1, 3}) {
					t.Errorf("the StatefulSet was written with %v servers, want 1, then 3", replicas)
				}
				w.want("dev", openbaov1alpha1.ConditionClusterLifecycle, metav1.ConditionTrue, ReasonRunning)
				w.want("dev", openbaov1alpha1.ConditionTLSReady, metav1.ConditionTrue, ReasonCurrent)
				w.want("dev", openbaov1alpha1.ConditionAvailable, metav1.ConditionTrue, ReasonRunning)
				w.want("dev", openbaov1alpha1.ConditionReady, metav1.ConditionFalse, ReasonNotProved)
				status := w.get("dev").Status
				if start := status.FirstStart; start == nil || start.CompletedAt == nil || start.Attempts != 0 || start.VolumeUID == "" || (start.InitSentAt == nil) != tc.selfInits {
					t.Errorf("recorded of the first start is %+v", start)
				}
				if status.Initialized == nil {
					t.Fatalf("the status is %+v", status)
				}
				if status.ClusterID != "id-of-dev" || *status.SelfInitialized != tc.selfInits || status.ActiveLeader != "dev-0" || *status.ReadyReplicas != 3 || status.CurrentVersion != "2.6.2" {
					t.Errorf("the status is %+v", status)
				}
				var roles []openbaov1alpha1.ServerRole
				for _, s := range status.Servers {
					roles = append(roles, s.Role)
				}
				if !slices.Equal(roles, []openbaov1alpha1.ServerRole{openbaov1alpha1.ServerLeader, openbaov1alpha1.ServerVoter, openbaov1alpha1.ServerVoter}) {
					t.Errorf("the servers are %v", roles)
				}
				for _, resource := range []string{"services", "networkpolicies", "poddisruptionbudgets", "serviceaccounts", "rolebindings"} {
					if !slices.ContainsFunc(w.api.writes, func(s string) bool { return strings.HasPrefix(s, "create "+resource+" ") }) {
						t.Errorf("no %s were made", resource)
					}
				}
				cluster := w.servers.clusters["dev"]
				if cluster.root != "" || !cluster.contract[membershipRole] || !cluster.contract["openbao-operator"] {
					t.Errorf("the servers have the root token %q and the roles %v", cluster.root, cluster.contract)
				}
				if got := w.has(secretResource, "dev-recovery-keys"); got == tc.selfInits {
					t.Errorf("there are recovery keys: %t", got)
				} else if got {
					object, err := w.api.Get(secretResource, "team-a", "dev-recovery-keys")
					if err != nil || string(object.(*corev1.Secret).Data["share-1"]) != "share-of-dev-1" {
						t.Errorf("the recovery keys are %v, %v", object, err)
					}
				}

				w.prove("dev")
				w.want("dev", openbaov1alpha1.ConditionReady, metav1.ConditionTrue, ReasonReady)
				if got := w.get("dev").Status.Phase; got != openbaov1alpha1.PhaseRunning {
					t.Errorf("the phase is %s", got)
				}
				var said []string
				for len(w.events.Events) > 0 {
					said = append(said, <-w.events.Events)
				}
				for _, event := range []string{"Normal Initialized", "Normal Running", "Normal Ready"} {
					if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, event+" ") }) {
						t.Errorf("there is no event %q among %q", event, said)
					}
				}
				if i := slices.IndexFunc(said, func(s string) bool { return strings.HasPrefix(s, "Warning") && !strings.Contains(s, ReasonNotProved) }); i >= 0 {
					t.Errorf("a start without a fault warned: %s", said[i])
				}
			})
		})
	}
}

// TestAtRest has clusters whose servers are as they should be for a day: nothing is
// written, and few requests go to the servers, to which those of the test of the same name
// in pkg/bootstrap are added. The figures are in tests/bench/README.md.
func TestAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t)
		defer w.stop()
		names := []string{"a", "b", "c"}
		for _, name := range names {
			w.create(name, selfInit)
		}
		time.Sleep(afterStart)
		synctest.Wait()
		for _, name := range names {
			w.prove(name)
			w.want(name, openbaov1alpha1.ConditionReady, metav1.ConditionTrue, ReasonReady)
		}
		w.api.takeWrites()
		w.servers.count()
		const hours = 24
		time.Sleep(hours * time.Hour)
		synctest.Wait()
		for _, name := range names {
			for _, server := range w.get(name).Status.Servers {
				if server.Current == nil || !*server.Current {
					t.Errorf("the status does not say that the pod of %s is of the newest revision", server.Name)
				}
			}
		}
		writes, tokens := w.api.takeWrites()
		if len(writes) > 0 {
			t.Errorf("%d writes at rest, the first one: %s", len(writes), writes[0])
		}
		perHour := float64(w.servers.count()) / hours / float64(len(names))
		t.Logf("%.1f requests to the servers of a cluster, and %.2f tokens for it, in an hour", perHour, float64(tokens)/hours/float64(len(names)))
		// Fewer than these would be no looks at all: three servers, and the leader twice.
		if least := 5 * float64(time.Hour/DefaultRecheckInterval) / 2; perHour > openbaotest.ServersAtRest || perHour < least {
			t.Errorf("%.1f requests in an hour, want from %.0f to %d", perHour, least, openbaotest.ServersAtRest)
		}
	})
}

// mostMemory is what each further cluster may take.
const mostMemory = 100 << 10

// TestMemoryOfAClusterAtRest compares the heap with that after the end of the controller,
// which is what it kept: caches, sessions and memories.
func TestMemoryOfAClusterAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t)
		const clusters = 40
		for i := range clusters {
			name := "c" + string(rune('a'+i/26)) + string(rune('a'+i%26))
			w.create(name, selfInit)
			time.Sleep(afterStart)
			synctest.Wait()
			w.prove(name)
			w.want(name, openbaov1alpha1.ConditionReady, metav1.ConditionTrue, ReasonReady)
		}
		w.api.takeWrites()
		with := heap()
		w.stop()
		w.stop = nil
		w.api.takeWrites()
		kept := (with - heap()) / clusters
		t.Logf("%.1f KiB for each of %d clusters", float64(kept)/1024, clusters)
		if kept > mostMemory || kept < 1<<10 {
			t.Errorf("%d bytes for each cluster, want at most %d, and more than nothing", kept, mostMemory)
		}
		runtime.KeepAlive(w)
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // It fits.
}

// TestInitRefused: a server that refuses to be initialized did nothing, and is asked
// again. Nothing on its volume is taken for this cluster's, and nothing is deleted.
func TestInitRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t)
		defer w.stop()
		w.servers.clusters["dev"] = &paperCluster{
			name: "dev", namespace: "team-a", contract: map[string]bool{},
			refuse: refused(bao.Invalid, 400, "invalid recovery configuration: threshold must not be larger than the shares"),
		}
		cluster := w.servers.clusters["dev"]
		w.create("dev")
		time.Sleep(afterStart)
		synctest.Wait()
		w.want("dev", openbaov1alpha1.ConditionReady, metav1.ConditionFalse, ReasonInitRefused)
		w.want("dev", openbaov1alpha1.ConditionClusterLifecycle, metav1.ConditionFalse, ReasonInitRefused)
		if c := meta.FindStatusCondition(w.get("dev").Status.Conditions, openbaov1alpha1.ConditionReady); !strings.Contains(c.Message, "threshold must not be larger") {
			t.Errorf("the message is %s", c.Message)
		}
		status := w.get("dev").Status
		if start := status.FirstStart; start.InitSentAt != nil || start.Attempts != 0 || start.CompletedAt != nil || status.Initialized != nil && *status.Initialized {
			t.Errorf("recorded is %+v, initialized %v", start, status.Initialized)
		}
		if cluster.asked < 2 || cluster.asked > 12 {
			t.Errorf("asked %d times in %s", cluster.asked, afterStart)
		}
		object, err := w.api.Get(secretResource, "team-a", "dev-recovery-keys")
		if err != nil {
			t.Fatal(err)
		}
		if data := object.(*corev1.Secret).Data; len(data) > 0 {
			t.Errorf("there are recovery keys of nothing: %v", data)
		}
		writes, _ := w.api.takeWrites()
		for _, write := range writes {
			if strings.HasPrefix(write, "delete ") {
				t.Errorf("did: %s", write)
			}
		}

		// Whoever initializes it then has the keys, and the cluster is taken as it is.
		w.servers.mu.Lock()
		cluster.initialized, cluster.refuse = true, nil
		cluster.contract[membershipRole] = true
		w.servers.mu.Unlock()
		asked := cluster.asked
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		w.want("dev", openbaov1alpha1.ConditionClusterLifecycle, metav1.ConditionTrue, ReasonRunning)
		if got := w.get("dev").Status; !*got.Initialized || got.ClusterID != "id-of-dev" || cluster.asked != asked {
			t.Errorf("the status is %+v, and it was asked %d times more", got, cluster.asked-asked)
		}
	})
}

// TestInitRefusedAfterALostAnswer: where an answer was lost, the refusal may be that of a
// server which this operator has initialized, so the record that it was asked stays.
func TestInitRefusedAfterALostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t)
		defer w.stop()
		cluster := &paperCluster{
			name: "dev", namespace: "team-a", contract: map[string]bool{}, refuse: refused(bao.Unavailable, 0, "connection reset by peer"),
		}
		w.servers.clusters["dev"] = cluster
		w.create("dev")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		sent := w.get("dev").Status.FirstStart.InitSentAt
		if sent == nil || cluster.asked == 0 {
			t.Fatalf("recorded is %+v, and it was asked %d times", w.get("dev").Status.FirstStart, cluster.asked)
		}
		w.servers.mu.Lock()
		cluster.refuse = refused(bao.Invalid, 400, "Vault is already initialized")
		w.servers.mu.Unlock()
		time.Sleep(afterStart)
		synctest.Wait()
		w.want("dev", openbaov1alpha1.ConditionReady, metav1.ConditionFalse, ReasonInitRefused)
		if w.get("dev").Status.FirstStart.InitSentAt == nil {
			t.Error("the record that the server was asked is gone")
		}
	})
}
