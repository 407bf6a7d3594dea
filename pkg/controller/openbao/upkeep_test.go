// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

func volumeNamed(name string, uid types.UID) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name, UID: uid}}
}

func objectsOf(x *task) []runtime.Object {
	var objects []runtime.Object
	for _, s := range x.servers {
		objects = append(objects, s.pod)
	}
	return append(objects, volumeNamed("data-dev-0", "v0"), volumeNamed("data-dev-1", "v1"), volumeNamed("data-dev-2", "v2"))
}

// with puts what a task has seen into an API server.
func with(t *testing.T, x *task) *task {
	t.Helper()
	y := newTestTask(t, x.obj, objectsOf(x)...)
	y.step, y.servers, y.certificate, y.statefulSet, y.membership = x.step, x.servers, x.certificate, x.statefulSet, x.membership
	return y
}

func gone(t *testing.T, x *task, kind, name string) bool {
	t.Helper()
	var err error
	if kind == "pod" {
		_, err = x.opts.Kube.CoreV1().Pods("team-a").Get(t.Context(), name, metav1.GetOptions{})
	} else {
		_, err = x.opts.Kube.CoreV1().PersistentVolumeClaims("team-a").Get(t.Context(), name, metav1.GetOptions{})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	return err != nil
}

func TestStrandedServerBeginsAgain(t *testing.T) {
	x := with(t, finished(t))
	x.membership.peers = x.membership.peers[:2]
	plan(t, x)
	if x.duty.Duty != machine.Rest {
		t.Fatalf("got %+v at once", x.duty)
	}
	x.now = x.now.Add(2 * time.Minute)
	plan(t, x)
	if x.duty.Duty != machine.DropVolume || x.duty.Ordinal != 2 {
		t.Fatalf("got %+v", x.duty)
	}
	if err := x.fulfil(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !gone(t, x, "claim", "data-dev-2") || !gone(t, x, "pod", "dev-2") || gone(t, x, "claim", "data-dev-1") || gone(t, x, "pod", "dev-1") {
		t.Error("another volume or pod was deleted than that of dev-2, or it was not")
	}
}

// TestStrandedAndSealed wipes a volume only if the server was seen to have nothing on it.
func TestStrandedAndSealed(t *testing.T) {
	for name, seenEmpty := range map[string]bool{"never seen": false, "seen empty": true} {
		t.Run(name, func(t *testing.T) {
			x := with(t, finished(t))
			node := x.servers[2].node
			x.membership.peers = x.membership.peers[:2]
			if seenEmpty {
				node.Initialized = false
				plan(t, x)
				x.judge()
				x = with(t, x)
				x.servers[2].node.Initialized = true
			}
			node.Sealed, node.ClusterID = true, ""
			plan(t, x)
			x.now = x.now.Add(2 * time.Minute)
			plan(t, x)
			if want := map[bool]machine.Duty{false: machine.Hold, true: machine.DropVolume}[seenEmpty]; x.duty.Duty != want {
				t.Errorf("got %+v, want %s", x.duty, want)
			}
		})
	}
}

// TestSeenEmptyIsKept has the pod of a server away between the look that saw nothing on its
// volume and the one that rests on that, and other processes at each look.
func TestSeenEmptyIsKept(t *testing.T) {
	for name, tc := range map[string]struct {
		// away changes what is there while the pod is away.
		away func(x *task)
		want machine.Duty
	}{
		"the same volume":               {func(*task) {}, machine.DropVolume},
		"nothing is observed meanwhile": {func(x *task) { x.volumesRead, x.volumes = false, map[int]string{} }, machine.DropVolume},
		"another volume": {func(x *task) {
			claims := x.opts.Kube.CoreV1().PersistentVolumeClaims("team-a")
			if err := claims.Delete(t.Context(), "data-dev-2", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			if _, err := claims.Create(t.Context(), volumeNamed("data-dev-2", "another"), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			plan(t, x)
		}, machine.Hold},
	} {
		t.Run(name, func(t *testing.T) {
			x := with(t, finished(t))
			all := x.servers
			x.membership.peers = x.membership.peers[:2]
			all[2].node.Initialized = false
			plan(t, x)
			x.judge()

			x = with(t, x)
			x.servers = all[:2]
			plan(t, x)
			tc.away(x)
			x.judge()
			if got := len(x.obj.Status.Servers); got != map[machine.Duty]int{machine.DropVolume: 3, machine.Hold: 2}[tc.want] {
				t.Errorf("%d servers are in the status", got)
			}
			x.judge()

			x = with(t, x)
			x.servers = all
			all[2].node.Initialized, all[2].node.Sealed, all[2].node.ClusterID = true, true, ""
			plan(t, x)
			x.now = x.now.Add(2 * time.Minute)
			plan(t, x)
			if x.duty.Duty != tc.want {
				t.Errorf("got %+v, want %s", x.duty, tc.want)
			}
		})
	}
}

func TestNothingIsDoneToAnotherPodOfTheName(t *testing.T) {
	x := finished(t)
	for _, s := range x.servers {
		s.pod.Labels[revisionLabel], s.pod.UID = "old", "seen"
	}
	x = with(t, x)
	plan(t, x)
	if err := x.fulfil(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, action := range x.opts.Kube.(*fake.Clientset).Actions() {
		if !action.Matches("delete", "pods") {
			continue
		}
		asked++
		got := action.(clienttesting.DeleteActionImpl)
		if p := got.DeleteOptions.Preconditions; got.Name != "dev-2" || p == nil || p.UID == nil || *p.UID != "seen" {
			t.Errorf("got the deletion of %s with the preconditions %+v", got.Name, p)
		}
	}
	if asked != 1 {
		t.Errorf("%d pods were deleted, want one", asked)
	}
}

func TestCertificateThatIsNotNoticed(t *testing.T) {
	refused := &bao.Error{Class: bao.Untrusted}
	for name, tc := range map[string]struct {
		version string
		serial  string
		err     error
		runsFor time.Duration
		want    bool
	}{
		"it shows what is there":     {"2.6.2", "a1", nil, time.Hour, false},
		"it shows another":           {"2.6.2", "b2", nil, time.Hour, true},
		"it has just been started":   {"2.6.2", "b2", nil, time.Second, false},
		"it reloads the certificate": {"2.7.0", "b2", nil, time.Hour, false},
		"nobody accepts what it has": {"2.6.2", "", refused, time.Hour, true},
		"it does not answer":         {"2.6.2", "", errors.New("timeout"), time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := finished(t)
			x.obj.Spec.Version = tc.version
			s := x.servers[1]
			s.pod.Status.ContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(testNow.Add(-tc.runsFor))
			if s.node.CertificateSerial = tc.serial; tc.err != nil {
				s.node, s.err = nil, tc.err
			}
			if got := x.showsOldCertificate(s); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestBusyCluster has followers that are some entries behind whenever they are looked at.
func TestBusyCluster(t *testing.T) {
	x := finished(t)
	x.membership.lag["dev-1"] = 500
	if x.caughtUp("dev-1", x.seenOf("dev-1")) {
		t.Error("a server that is behind, and that the autopilot does not count as healthy, has caught up")
	}
	x.membership.healthy = map[string]bool{"dev-1": true}
	if !x.caughtUp("dev-1", x.seenOf("dev-1")) {
		t.Error("a healthy server has not caught up")
	}
	x.servers[1].pod.Status.ContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(testNow)
	if x.caughtUp("dev-1", x.seenOf("dev-1")) {
		t.Error("what the leader knew of a server before it was started counts")
	}
	for lag, want := range map[int64]int64{0: 0, 99: 0, 100: 100, 999: 100, 1000: 1000, 123456: 100000} {
		if got := roundLag(lag); got != want {
			t.Errorf("%d is shown as %d, want %d", lag, got, want)
		}
	}
}

// TestAnotherVolumeIsLeftAlone exchanges the volume after it was decided to delete it.
func TestAnotherVolumeIsLeftAlone(t *testing.T) {
	x := with(t, finished(t))
	x.membership.peers = x.membership.peers[:2]
	plan(t, x)
	x.now = x.now.Add(2 * time.Minute)
	plan(t, x)
	claims := x.opts.Kube.CoreV1().PersistentVolumeClaims("team-a")
	if err := claims.Delete(t.Context(), "data-dev-2", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := claims.Create(t.Context(), volumeNamed("data-dev-2", "another"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := x.fulfil(t.Context()); err != nil {
		t.Fatal(err)
	}
	if x.duty.Duty != machine.DropVolume || gone(t, x, "claim", "data-dev-2") || gone(t, x, "pod", "dev-2") {
		t.Errorf("got %+v, and another volume or its pod is gone", x.duty)
	}
}

// TestTrafficIsDiverted takes a server of another cluster out of the Services, but not where
// nobody is left.
func TestTrafficIsDiverted(t *testing.T) {
	for name, all := range map[string]bool{"one": false, "all": true} {
		t.Run(name, func(t *testing.T) {
			x := finished(t)
			for i := range x.servers {
				if all || i == 2 {
					x.servers[i].node.ClusterID = otherCluster
				}
			}
			x = with(t, x)
			if err := x.divertTraffic(t.Context()); err != nil {
				t.Fatal(err)
			}
			pod, err := x.opts.Kube.CoreV1().Pods("team-a").Get(t.Context(), "dev-2", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := pod.Labels[workload.LabelTraffic] == workload.TrafficNone; got == all {
				t.Errorf("the traffic of dev-2 is diverted: %v", got)
			}
		})
	}
}

func TestDeletionPolicy(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(*openbaov1alpha1.OpenBaoCluster)
		volumes bool
		reason  string
	}{
		"Retain":     {func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.DeletionPolicy = openbaov1alpha1.DeletionRetain }, false, ""},
		"DeletePVCs": {func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.DeletionPolicy = openbaov1alpha1.DeletionDeletePVCs }, true, ""},
		"never started": {func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.DeletionPolicy, c.Status.Initialized = openbaov1alpha1.DeletionDeletePVCs, nil
		}, false, ""},
		"orphans are kept": {func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.DeletionPolicy, c.Finalizers = openbaov1alpha1.DeletionDeletePVCs, []string{metav1.FinalizerOrphanDependents, Finalizer}
		}, false, ""},
		"paused": {func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.DeletionPolicy, c.Spec.Paused = openbaov1alpha1.DeletionDeletePVCs, new(true)
		}, false, ReasonPaused},
	} {
		t.Run(name, func(t *testing.T) {
			c := initialized()
			c.Finalizers = []string{Finalizer}
			tc.change(c)
			labelled := volumeNamed("data-dev-0", "v0")
			labelled.Labels = workload.Labels(c)
			x := newTestTask(t, c, labelled, volumeNamed("data-dev-1", "v1"))
			x.informers, x.owned = noInformers(), map[schema.GroupVersionResource]map[string]cache.SharedIndexInformer{podResource: noInformers()}
			err := x.removeData(t.Context())
			if (err == nil) != (tc.reason == "") || err != nil && asProblem(err).Reason != tc.reason {
				t.Errorf("got %v", err)
			}
			if got := gone(t, x, "claim", "data-dev-0"); got != tc.volumes {
				t.Errorf("the volume is gone: %v", got)
			}
			if gone(t, x, "claim", "data-dev-1") {
				t.Error("a volume is gone that is not the cluster's")
			}
		})
	}
}

// TestForeignFinalizer: what another program holds is never removed, and who has to is told
// once nothing else keeps the object.
func TestForeignFinalizer(t *testing.T) {
	for name, tc := range map[string]struct {
		finalizers []string
		declared   bool
		since      time.Duration
		told       bool
		want       reconcile.Outcome
	}{
		"nothing else":           {[]string{operatorFinalizer}, true, time.Hour, true, reconcile.After(DefaultRecheckInterval)},
		"it has just begun":      {[]string{operatorFinalizer}, true, 20 * time.Second, false, reconcile.After(40 * time.Second)},
		"something else":         {[]string{operatorFinalizer, metav1.FinalizerDeleteDependents}, true, time.Hour, false, reconcile.After(time.Minute)},
		"a stranger's":           {[]string{"example.com/x"}, true, time.Hour, false, reconcile.Done()},
		"that operator's schema": {[]string{operatorFinalizer}, false, time.Hour, false, reconcile.Done()},
	} {
		t.Run(name, func(t *testing.T) {
			c := initialized()
			c.Finalizers, c.DeletionTimestamp = tc.finalizers, new(metav1.NewTime(testNow.Add(-tc.since)))
			api := newAPIServer()
			stored, err := api.put(Resource, c, c)
			if err != nil {
				t.Fatal(err)
			}
			x := newTestTask(t, stored.(*openbaov1alpha1.OpenBaoCluster))
			x.written, x.opts.Clusters = reconcile.NewWrites[*openbaov1alpha1.OpenBaoCluster](), api.custom.OpenBaoV1alpha1()
			if got := x.remove(t.Context(), tc.declared); got != tc.want {
				t.Errorf("next is %+v, want %+v", got, tc.want)
			}
			object, err := api.Get(Resource, "team-a", "dev")
			if err != nil {
				t.Fatal(err)
			}
			live := object.(*openbaov1alpha1.OpenBaoCluster)
			if !slices.Equal(live.Finalizers, tc.finalizers) {
				t.Errorf("the finalizers are %q", live.Finalizers)
			}
			ready := meta.FindStatusCondition(live.Status.Conditions, openbaov1alpha1.ConditionReady)
			if told := ready != nil && ready.Reason == ReasonForeignFinalizer; told != tc.told {
				t.Fatalf("Ready is %+v", ready)
			}
			if tc.told && (!strings.Contains(ready.Message, "kubectl -n team-a patch openbaocluster dev --type=json") || !strings.Contains(ready.Message, "get secret dev-unseal-key -o yaml")) {
				t.Errorf("the message is %s", ready.Message)
			}
			api.takeWrites()
			x = x.newTask(live)
			x.remove(t.Context(), tc.declared)
			if writes, _ := api.takeWrites(); len(writes) > 0 {
				t.Errorf("wrote again: %q", writes)
			}
		})
	}
}

func noInformers() map[string]cache.SharedIndexInformer {
	return map[string]cache.SharedIndexInformer{metav1.NamespaceAll: cache.NewSharedIndexInformer(nil, &corev1.Pod{}, 0, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
}

func TestUpgradeIsRecorded(t *testing.T) {
	x := finished(t)
	x.obj.Spec.Version, x.obj.Status.CurrentVersion = "2.6.3", "2.6.2"
	for _, s := range x.servers {
		s.pod.Labels[revisionLabel] = "old"
	}
	step := func(check func(u *openbaov1alpha1.UpgradeStatus) bool) {
		t.Helper()
		x.judge()
		if !check(x.obj.Status.Upgrade) {
			t.Fatalf("got %+v", x.obj.Status.Upgrade)
		}
	}
	replaced := func(i int) { x.servers[i].pod.Labels[revisionLabel], x.servers[i].node.Version = "new", "2.6.3" }
	step(func(u *openbaov1alpha1.UpgradeStatus) bool {
		return u != nil && u.FromVersion == "2.6.2" && u.TargetVersion == "2.6.3" && len(u.CompletedPods) == 0 && u.StartedAt != nil
	})
	replaced(2)
	step(func(u *openbaov1alpha1.UpgradeStatus) bool {
		return len(u.CompletedPods) == 1 && u.CurrentPartition == 2 && u.LastStepDownTime == nil
	})
	// Taken back before a server of the new version has led.
	x.obj.Spec.Version = "2.6.2"
	if err := x.checkVersion(); err != nil {
		t.Errorf("the way back is refused: %v", err)
	}
	x.obj.Spec.Version = "2.6.3"
	replaced(1)
	x.servers[0].node.Standby, x.servers[1].node.Standby = true, false
	step(func(u *openbaov1alpha1.UpgradeStatus) bool { return u.LastStepDownTime != nil })
	x.obj.Spec.Version = "2.6.2"
	if err := x.checkVersion(); err == nil {
		t.Error("the way back is not refused, and a server of the new version has led")
	}
	x.obj.Spec.Version = "2.6.3"
	replaced(0)
	step(func(u *openbaov1alpha1.UpgradeStatus) bool { return u == nil && x.obj.Status.CurrentVersion == "2.6.3" })
	x.obj.Spec.Version = "2.6.2"
	if err := x.checkVersion(); err == nil {
		t.Error("a downgrade is not refused")
	}
}

// TestAttemptsAreOfOneSpec counts from zero again where the spec has changed.
func TestAttemptsAreOfOneSpec(t *testing.T) {
	c := development()
	c.Status.FirstStart = &openbaov1alpha1.FirstStartStatus{BegunAt: new(metav1.Now()), Attempts: 5, AttemptsGeneration: 2}
	if got := newTestTask(t, c).recorded().Attempts; got != 5 {
		t.Errorf("got %d attempts, want 5", got)
	}
	c.Generation = 3
	if got := newTestTask(t, c).recorded().Attempts; got != 0 {
		t.Errorf("got %d attempts for another spec, want 0", got)
	}
}
