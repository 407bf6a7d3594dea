// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2/ktesting"

	aivenac "github.com/bailiwick-operator/bailiwick/generated/applyconfiguration/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/fake"
	"github.com/bailiwick-operator/bailiwick/generated/informers/externalversions"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// world is a remote that holds names, and a handler that reaches it.
type world struct {
	// mu orders what a test changes with what the workers of a bubble see: a
	// timer that fires orders nothing.
	mu     sync.Mutex
	remote map[string]bool
	// invisible hides what was created from Observe.
	invisible bool
	observe   error
	create    error
	update    error
	connect   error
	differs   []string
	// stubborn keeps differing whatever Update does.
	stubborn bool
	calls    []string
	// connection and again are those of the Observation.
	connection map[string][]byte
	again      time.Duration
	// observed, if set, is told of every look; workers call it side by side.
	observed func(name string)
	// state is what Create puts into the status.
	state string
	// asked is Kind.Asked.
	asked func(*v1alpha1.KafkaTopic) string
	// throttled names the objects whose requests Aiven limits.
	throttled map[string]bool
	// refreshed counts the calls of Kind.Refresh.
	refreshed atomic.Int64
	// onRefresh is what being read again shows.
	onRefresh func()
	// onCreate sees the object as the API server has it when Create is called.
	onCreate func()
}

func (w *world) Observe(_ context.Context, _ struct{}, obj *v1alpha1.KafkaTopic) (Observation, error) {
	if w.observed != nil {
		w.observed(obj.Name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.throttled[obj.Name] {
		return Observation{}, Delayed(time.Second, "Throttled", "m", errors.New("429"))
	}
	if w.observe != nil {
		return Observation{}, w.observe
	}
	exists := w.remote[obj.Spec.TopicName] && !w.invisible
	return Observation{Exists: exists, Ready: exists, Differs: w.differs, Connection: w.connection, Again: w.again}, nil
}

func (w *world) Create(_ context.Context, _ struct{}, obj *v1alpha1.KafkaTopic) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, "create "+obj.Name)
	if w.onCreate != nil {
		w.onCreate()
	}
	if w.create == nil {
		w.remote[obj.Spec.TopicName] = true
		obj.Status.State = w.state
	}
	return w.create
}

func (w *world) Update(_ context.Context, _ struct{}, obj *v1alpha1.KafkaTopic) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, "update "+obj.Name)
	if !w.stubborn && w.update == nil {
		w.differs = nil
	}
	return w.update
}

func (w *world) Delete(_ context.Context, _ struct{}, obj *v1alpha1.KafkaTopic) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.remote[obj.Spec.TopicName] {
		return true, nil
	}
	w.calls = append(w.calls, "delete "+obj.Name)
	delete(w.remote, obj.Spec.TopicName)
	return false, nil
}

// statusApart makes up for the fake API server, which does not tell what a
// manager applied to the status from what it applied to the rest.
type statusApart struct {
	Client[*v1alpha1.KafkaTopic, *aivenac.KafkaTopicApplyConfiguration]
}

func (c statusApart) ApplyStatus(ctx context.Context, a *aivenac.KafkaTopicApplyConfiguration, opts metav1.ApplyOptions) (*v1alpha1.KafkaTopic, error) {
	opts.FieldManager += "-status"
	return c.Client.ApplyStatus(ctx, a, opts)
}

type fixture struct {
	*world
	t      *testing.T
	ctx    context.Context
	client *fake.Clientset
	events *record.FakeRecorder
	engine *Engine
	wakes  map[string]func()
	// version is the resource version of the last update.
	version int
}

// run starts a controller over a fake API server with the given objects, inside
// the test's bubble.
func run(t *testing.T, w *world, objects ...*v1alpha1.KafkaTopic) *fixture {
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	if w.remote == nil {
		w.remote = map[string]bool{}
	}
	f := &fixture{world: w, t: t, ctx: ctx, client: fake.NewClientset(), events: record.NewFakeRecorder(100), wakes: map[string]func(){}}
	for _, o := range objects {
		f.add(o)
	}
	f.engine = NewEngine(Options{
		Lanes: NewLanes(4), Recorder: f.events, PollInterval: time.Hour,
		Await: func(context.Context, schema.GroupVersionResource) error { return nil },
	})
	factory := externalversions.NewSharedInformerFactory(f.client, 0)
	New(ctx, f.engine, Kind[*v1alpha1.KafkaTopic, struct{}, aivenac.KafkaTopicApplyConfiguration]{
		Name:     "kafkatopic-controller",
		GVK:      v1alpha1.SchemeGroupVersion.WithKind("KafkaTopic"),
		Resource: v1alpha1.SchemeGroupVersion.WithResource("kafkatopics"),
		Informer: func(string) cache.SharedIndexInformer { return factory.Aiven().V1alpha1().KafkaTopics().Informer() },
		Client: func(ns string) Client[*v1alpha1.KafkaTopic, *aivenac.KafkaTopicApplyConfiguration] {
			return statusApart{f.client.AivenV1alpha1().KafkaTopics(ns)}
		},
		Handler: w,
		Connect: func(_ context.Context, obj *v1alpha1.KafkaTopic, wake func()) (struct{}, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			f.wakes[obj.Name] = wake
			return struct{}{}, w.connect
		},
		Forget:     func(cache.ObjectName, types.UID) {},
		Lane:       func(*v1alpha1.KafkaTopic) string { return "token" },
		Credential: func(*v1alpha1.KafkaTopic) string { return "token" },
		Identity:   func(o *v1alpha1.KafkaTopic) string { return o.Spec.TopicName },
		References: func(o *v1alpha1.KafkaTopic) (out []Reference) {
			for _, tag := range o.Spec.Tags {
				out = append(out, Reference{Kind: "KafkaTopic", Name: cache.NewObjectName(o.Namespace, tag.Key)})
			}
			return out
		},
		AnnotationsChanged: func(context.Context, *v1alpha1.KafkaTopic, *v1alpha1.KafkaTopic) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.calls = append(f.calls, "annotated")
		},
		Asked: w.asked,
		Refresh: func(*v1alpha1.KafkaTopic) {
			w.refreshed.Add(1)
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.onRefresh != nil {
				w.onRefresh()
			}
		},
	})
	drain, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		if err := f.engine.Run(ctx, drain); err != nil {
			t.Errorf("engine ended with: %v", err)
		}
	}()
	t.Cleanup(func() { close(drain); <-ended; cancel() })
	f.settle()
	return f
}

// settle lets everything happen that happens within a few seconds.
func (f *fixture) settle() {
	synctest.Wait()
	f.pass(3 * time.Second)
}

// change alters the world between looks at it.
func (f *fixture) change(alter func(w *world)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	alter(f.world)
}

// wake wakes an object as what it reads from the remote does.
func (f *fixture) wake(name string) {
	f.mu.Lock()
	wake := f.wakes[name]
	f.mu.Unlock()
	wake()
}

// remains reports whether a remote of this name exists.
func (f *fixture) remains(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.remote[name]
}

// count returns how many calls there were.
func (f *fixture) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

// pass lets time pass, and what happens then come to rest.
func (f *fixture) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (f *fixture) add(o *v1alpha1.KafkaTopic) {
	f.t.Helper()
	if _, err := f.client.AivenV1alpha1().KafkaTopics(o.Namespace).Create(f.ctx, o, metav1.CreateOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) get(name string) *v1alpha1.KafkaTopic {
	f.t.Helper()
	obj, err := f.client.AivenV1alpha1().KafkaTopics("ns").Get(f.ctx, name, metav1.GetOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return obj
}

func (f *fixture) update(name string, change func(*v1alpha1.KafkaTopic)) {
	f.t.Helper()
	obj := f.get(name)
	change(obj)
	// The fake API server counts no versions.
	f.version++
	obj.ResourceVersion = strconv.Itoa(f.version)
	if _, err := f.client.AivenV1alpha1().KafkaTopics("ns").Update(f.ctx, obj, metav1.UpdateOptions{}); err != nil {
		f.t.Fatal(err)
	}
	f.settle()
}

func (f *fixture) wantReady(name string, status metav1.ConditionStatus, reason string) {
	f.t.Helper()
	cond := meta.FindStatusCondition(f.get(name).Status.Conditions, ConditionReady)
	if cond == nil || cond.Status != status || cond.Reason != reason {
		f.t.Errorf("Ready of %s = %+v, want %s %s", name, cond, status, reason)
	}
}

func (f *fixture) wantCalls(want ...string) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.calls, want) {
		f.t.Errorf("calls = %q, want %q", f.calls, want)
	}
}

func (f *fixture) wantEvents(reasons ...string) {
	f.t.Helper()
	var got []string
	for len(f.events.Events) > 0 {
		got = append(got, strings.Fields(<-f.events.Events)[1])
	}
	if !slices.Equal(got, reasons) {
		f.t.Errorf("events = %q, want %q", got, reasons)
	}
}

// writes counts the calls that changed an object, by resource and verb.
func (f *fixture) writes() (n int) {
	for _, a := range f.client.Actions() {
		if a.GetVerb() == "patch" {
			n++
		}
	}
	return n
}

func topic(name string, change ...func(*v1alpha1.KafkaTopic)) *v1alpha1.KafkaTopic {
	obj := &v1alpha1.KafkaTopic{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID("uid-" + name), Generation: 1, CreationTimestamp: metav1.Now()},
		Spec:       v1alpha1.KafkaTopicSpec{TopicName: name, Partitions: 1, Replication: 2},
	}
	for _, c := range change {
		c(obj)
	}
	return obj
}

func deleted(o *v1alpha1.KafkaTopic)   { o.DeletionTimestamp = new(metav1.Now()) }
func finalized(o *v1alpha1.KafkaTopic) { o.Finalizers = []string{"example.com/other", Finalizer} }
func named(remote string) func(*v1alpha1.KafkaTopic) {
	return func(o *v1alpha1.KafkaTopic) { o.Spec.TopicName = remote }
}

func annotated(key, value string) func(*v1alpha1.KafkaTopic) {
	return func(o *v1alpha1.KafkaTopic) { metav1.SetMetaDataAnnotation(&o.ObjectMeta, key, value) }
}

func created(at time.Time) func(*v1alpha1.KafkaTopic) {
	return func(o *v1alpha1.KafkaTopic) { o.CreationTimestamp = metav1.NewTime(at) }
}

func TestCreateIsRecordedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		var f *fixture
		var atCreate *v1alpha1.KafkaTopic
		w.onCreate = func() { atCreate = f.get("a") }
		f = run(t, w)
		f.add(topic("a"))
		f.settle()

		f.wantCalls("create a")
		if !hasFinalizer(atCreate) || atCreate.Annotations[AnnotationCreateIntent] == "" {
			t.Errorf("finalizers %v and annotations %v when Create was called, want the finalizer and the intent", atCreate.Finalizers, atCreate.Annotations)
		}
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
		obj := f.get("a")
		want := map[string]string{AnnotationProcessed: "1", AnnotationRunning: "true"}
		for k, v := range want {
			if obj.Annotations[k] != v {
				t.Errorf("annotation %s = %q, want %q", k, obj.Annotations[k], v)
			}
		}
		if obj.Status.Adopted || obj.Status.ObservedGeneration != 1 || !meta.IsStatusConditionTrue(obj.Status.Conditions, ConditionRunning) {
			t.Errorf("status = %+v", obj.Status)
		}
		f.wantEvents(EventRunning)
		if n := f.writes(); n != 3 {
			t.Errorf("%d writes, want 3: record, status, annotations", n)
		}
		f.pass(3 * time.Hour)
		if n := f.writes(); n != 3 {
			t.Errorf("%d writes after three polls, want no more than 3", n)
		}
	})
}

func TestObserveProblemsReachTheCondition(t *testing.T) {
	tests := map[string]struct {
		world  *world
		status metav1.ConditionStatus
		reason string
		calls  []string
		record bool
	}{
		"credential":    {world: &world{connect: &Problem{Reason: "NoToken", Message: "m", Phase: PhasePreconditions, Credential: true}}, status: "False", reason: "NoToken"},
		"waiting":       {world: &world{observe: Waiting("WaitingForService", "m")}, status: "False", reason: "WaitingForService"},
		"plain error":   {world: &world{observe: errors.New("boom")}, status: "False", reason: ReasonFailed},
		"create fails":  {world: &world{create: errors.New("boom")}, status: "False", reason: ReasonFailed, calls: []string{"create a"}, record: true},
		"not visible":   {world: &world{invisible: true}, status: "False", reason: ReasonCreating, calls: []string{"create a"}, record: true},
		"update repair": {world: &world{remote: map[string]bool{"a": true}, differs: []string{"x"}}, status: "True", reason: ReasonReady, calls: []string{"update a"}, record: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := run(t, tt.world, topic("a"))
				f.wantReady("a", tt.status, tt.reason)
				f.wantCalls(tt.calls...)
				if got := hasFinalizer(f.get("a")); got != tt.record {
					t.Errorf("finalizer = %v, want %v", got, tt.record)
				}
			})
		})
	}
}

func TestPendingLeavesTheStatusAndIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{observe: ErrPending}, topic("a"))
		if n := f.writes(); n != 0 {
			t.Errorf("%d writes while pending, want none", n)
		}
		f.change(func(w *world) { w.observe = nil })
		f.wake("a")
		f.settle()
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
	})
}

func TestTransientErrorKeepsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{}, topic("a"))
		f.change(func(w *world) { w.observe = errors.New("503") })
		f.wake("a")
		f.settle()
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
		if meta.FindStatusCondition(f.get("a").Status.Conditions, ConditionError) == nil {
			t.Error("no Error condition after a failed look")
		}
		f.change(func(w *world) { w.observe = nil })
		f.pass(time.Minute)
		if meta.FindStatusCondition(f.get("a").Status.Conditions, ConditionError) != nil {
			t.Error("the Error condition stays after a good look")
		}
	})
}

// A remote that takes every update and shows none is not updated at every look,
// however often the object is woken.
func TestUpdatesThatDoNothingBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{remote: map[string]bool{"a": true}, differs: []string{"x"}, stubborn: true}, topic("a"))
		f.wantReady("a", metav1.ConditionFalse, ReasonNotReady)
		for range 50 {
			f.wake("a")
			synctest.Wait()
		}
		f.wantCalls("update a")
		f.pass(time.Minute)
		f.wantReady("a", metav1.ConditionFalse, ReasonOutOfSync)
		if n := f.count(); n < 3 || n > 5 {
			t.Errorf("%d updates within a minute, want one after about 5, 10, 20 and 40 s", n)
		}
		f.change(func(w *world) { w.differs, w.stubborn = nil, false })
		f.wake("a")
		f.settle()
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
	})
}

func TestDriftIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{}, topic("a"))
		f.change(func(w *world) { delete(w.remote, "a") })
		f.wake("a")
		f.settle()
		f.wantCalls("create a", "create a")
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
	})
}

func TestAbsenceRightAfterCreateIsNotDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{invisible: true}, topic("a"))
		f.pass(30 * time.Second)
		f.wantCalls("create a")
		f.pass(time.Minute)
		if f.count() < 2 {
			t.Error("what stayed invisible for more than a minute was not created again")
		}
	})
}

// What was read before a create should have been visible does not tell that it is not.
func TestARemoteIsLookedForBeforeItIsCreatedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := &world{invisible: true}
		// It becomes visible at the last moment.
		w.onRefresh = func() {
			if time.Since(start) >= time.Minute {
				w.invisible = false
			}
		}
		f := run(t, w, topic("a"))
		f.pass(2 * time.Minute)
		f.wantCalls("create a")
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
	})
}

func TestAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{remote: map[string]bool{"a": true}}, topic("a"))
		f.wantCalls()
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
		f.wantEvents(EventAdopted, EventRunning)
		if obj := f.get("a"); !obj.Status.Adopted || !hasFinalizer(obj) {
			t.Errorf("adopted = %v, finalizers = %v", obj.Status.Adopted, obj.Finalizers)
		}
	})
}

func TestARecordedCreateIsNoAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{remote: map[string]bool{"a": true}}, topic("a", finalized, annotated(AnnotationCreateIntent, "t")))
		f.wantCalls()
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
		if f.get("a").Status.Adopted {
			t.Error("what this object created itself counts as adopted")
		}
	})
}

func TestOneRemoteOneObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		f := run(t, &world{}, topic("young", named("r"), created(now)), topic("old", named("r"), created(now.Add(-time.Hour))))
		f.wantReady("old", metav1.ConditionTrue, ReasonReady)
		f.wantReady("young", metav1.ConditionFalse, ReasonAlreadyManaged)
		f.wantCalls("create old")

		t.Log("the one that waits takes over when the holder goes, and the remote stays")
		f.update("old", deleted)
		f.wantReady("young", metav1.ConditionTrue, ReasonReady)
		f.wantCalls("create old")
		if !f.remains("r") {
			t.Error("the remote was deleted although another object waits for it")
		}
	})
}

func TestAnObjectWithoutAccessKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		f := run(t, &world{observe: &Problem{Reason: "Forbidden", Message: "m", Phase: PhasePreconditions}},
			topic("squatter", named("r"), created(now.Add(-time.Hour))))
		f.wantReady("squatter", metav1.ConditionFalse, "Forbidden")
		f.change(func(w *world) { w.observe = nil })
		f.add(topic("owner", named("r"), created(now)))
		f.settle()
		f.wantReady("owner", metav1.ConditionTrue, ReasonReady)
	})
}

// TestAnObjectThatEndsDuringItsSyncKeepsNobodyOut checks that one that is deleted while
// its remote is looked at does not claim it after that.
func TestAnObjectThatEndsDuringItsSyncKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		w := &world{remote: map[string]bool{"r": true}}
		var f *fixture
		w.observed = func(name string) {
			if name != "gone" {
				return
			}
			if err := f.client.AivenV1alpha1().KafkaTopics("ns").Delete(f.ctx, name, metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
		}
		f = run(t, w)
		// The fake would create it again.
		f.client.PrependReactor("patch", "kafkatopics", func(action clienttesting.Action) (bool, runtime.Object, error) {
			patch, ok := action.(clienttesting.PatchAction)
			return ok && patch.GetName() == "gone", nil, apierrors.NewNotFound(v1alpha1.Resource("kafkatopics"), "gone")
		})
		f.add(topic("gone", named("r"), created(now.Add(-time.Hour))))
		f.settle()
		f.add(topic("owner", named("r"), created(now)))
		f.settle()
		f.wantReady("owner", metav1.ConditionTrue, ReasonReady)
	})
}

func TestDeletion(t *testing.T) {
	other := []string{"example.com/other"}
	tests := map[string]struct {
		world      *world
		obj        *v1alpha1.KafkaTopic
		calls      []string
		reason     string
		finalizers []string
		remains    bool
	}{
		"remote":      {world: &world{remote: map[string]bool{"a": true}}, obj: topic("a", finalized, deleted), calls: []string{"delete a"}, finalizers: other},
		"remote gone": {world: &world{}, obj: topic("a", finalized, deleted), finalizers: other},
		"orphan, no token": {world: &world{remote: map[string]bool{"a": true}, connect: errors.New("no token")},
			obj: topic("a", finalized, deleted, annotated(AnnotationDeletionPolicy, PolicyOrphan)), finalizers: other, remains: true},
		"no token": {world: &world{remote: map[string]bool{"a": true}, connect: &Problem{Reason: "SecretNotFound", Message: "m", Credential: true}},
			obj: topic("a", finalized, deleted), reason: "SecretNotFound", finalizers: append(slices.Clone(other), Finalizer), remains: true},
		"unknown policy": {world: &world{remote: map[string]bool{"a": true}},
			obj: topic("a", finalized, deleted, annotated(AnnotationDeletionPolicy, "Keep")), reason: ReasonInvalidDeletionPolicy,
			finalizers: append(slices.Clone(other), Finalizer), remains: true},
		"never had a remote": {world: &world{connect: errors.New("no token")},
			obj: topic("a", deleted, func(o *v1alpha1.KafkaTopic) { o.Finalizers = other }), finalizers: other},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := run(t, tt.world, tt.obj)
				f.wantCalls(tt.calls...)
				obj := f.get("a")
				if !slices.Equal(obj.Finalizers, tt.finalizers) {
					t.Errorf("finalizers = %v, want %v", obj.Finalizers, tt.finalizers)
				}
				if tt.reason != "" {
					f.wantReady("a", metav1.ConditionFalse, tt.reason)
				}
				if f.remains("a") != tt.remains {
					t.Errorf("remote remains = %v, want %v", f.remains("a"), tt.remains)
				}
			})
		})
	}
}

func TestDeletionWithoutTokenNamesTheWayOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{connect: &Problem{Reason: "SecretNotFound", Message: "Secret is gone.", Credential: true}}, topic("a", finalized, deleted))
		message := readyCondition(f.get("a")).Message
		want := "kubectl annotate kafkatopics.aiven.io a -n ns controllers.aiven.io/deletion-policy=Orphan"
		if !strings.Contains(message, want) {
			t.Errorf("message = %q, want it to contain %q", message, want)
		}
	})
}

func TestOnlyUserAnnotationsRenewTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{}, topic("a"))
		f.wantCalls("create a")
		f.update("a", func(o *v1alpha1.KafkaTopic) { delete(o.Annotations, AnnotationProcessed) })
		f.wantCalls("create a")
		if f.get("a").Annotations[AnnotationProcessed] != "1" {
			t.Error("a removed annotation was not put back")
		}
		f.update("a", annotated(AnnotationRefresh, "1"))
		f.wantCalls("create a", "annotated")
	})
}
