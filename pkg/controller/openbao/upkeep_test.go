// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
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

func TestNothingIsDoneToAnotherPodOfTheName(t *testing.T) {
	x := with(t, finished(t))
	for _, s := range x.servers {
		s.pod.Labels[revisionLabel] = "old"
	}
	plan(t, x)
	x.servers[2].pod = x.servers[2].pod.DeepCopy()
	x.servers[2].pod.UID = "seen"
	// The fake API server does not look at preconditions, so what is asked for is checked.
	if got := deleteOptions("seen").Preconditions; got == nil || got.UID == nil || *got.UID != "seen" {
		t.Errorf("got the preconditions %+v", got)
	}
	if x.duty.Duty != machine.Replace || x.duty.Ordinal != 2 {
		t.Errorf("got %+v", x.duty)
	}
}

func TestCertificateThatIsNotNoticed(t *testing.T) {
	made := testNow.Add(-time.Hour)
	for name, tc := range map[string]struct {
		version string
		serial  string
		changed time.Time
		created time.Time
		want    bool
	}{
		"it shows what is there":        {"2.6.2", "a1", made, made, false},
		"it shows another":              {"2.6.2", "b2", made.Add(time.Minute), made, true},
		"it was started after that":     {"2.6.2", "b2", made.Add(time.Minute), made.Add(2 * time.Minute), false},
		"only the bundle has changed":   {"2.6.2", "a1", made.Add(time.Minute), made, true},
		"it reloads the certificate":    {"2.7.0", "b2", made.Add(time.Minute), made, false},
		"made in the same second":       {"2.6.2", "a1", made, made, false},
		"changed in that of the pod":    {"2.6.2", "a1", made.Add(time.Minute), made.Add(time.Minute), true},
		"changed, and started long ago": {"2.6.2", "a1", made.Add(time.Minute), made.Add(time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			x := finished(t)
			x.obj.Spec.Version = tc.version
			x.certificateMade, x.certificateChanged = made, tc.changed
			s := x.servers[1]
			s.node.CertificateSerial = tc.serial
			s.pod.CreationTimestamp = metav1.NewTime(tc.created)
			s.pod.Status.ContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(tc.created)
			if got := x.readsOldCertificates(s); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
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

// TestAttemptsAreOfOneSpec begins to count anew where the spec has changed.
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
