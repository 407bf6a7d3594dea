// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"

	bailiwickfake "github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/fake"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// attacked is one sync of a cluster x, whose record says that its first start has begun.
// newer is the resourceVersion that the API server has by now; empty means that of the
// sync.
func attacked(t *testing.T, newer string, objects ...runtime.Object) (*task, *fake.Clientset) {
	t.Helper()
	cluster := &openbaov1alpha1.OpenBaoCluster{
		ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: "n", UID: "uid", ResourceVersion: "5", Generation: 2},
		Status: openbaov1alpha1.OpenBaoClusterStatus{
			FirstStart: &openbaov1alpha1.FirstStartStatus{BegunAt: new(metav1.Now()), VolumeUID: "v"},
		},
	}
	custom := bailiwickfake.NewClientset()
	custom.PrependReactor("patch", "openbaoclusters", func(action clienttesting.Action) (bool, runtime.Object, error) {
		var patch openbaov1alpha1.OpenBaoCluster
		if err := json.Unmarshal(action.(clienttesting.PatchAction).GetPatch(), &patch); err != nil {
			return true, nil, err
		}
		current := newer
		if current == "" {
			current = cluster.ResourceVersion
		}
		if patch.ResourceVersion != "" && patch.ResourceVersion != current {
			return true, nil, apierrors.NewConflict(Resource.GroupResource(), "x", errors.New("the object has been modified"))
		}
		patch.ResourceVersion = current
		return true, &patch, nil
	})
	kube := fake.NewClientset(objects...)
	c := &Controller{
		opts: Options{
			Clusters: custom.OpenBaoV1alpha1(), Kube: kube, Recorder: record.NewFakeRecorder(10), Gate: func() error { return nil },
			Now: time.Now, RecheckInterval: time.Minute, Subject: authz.ServiceAccountSubject("bailiwick-system", "bailiwick-servers"),
		},
		written: reconcile.NewWrites[*openbaov1alpha1.OpenBaoCluster](), memories: newMemories(),
	}
	return c.newTask(cluster), kube
}

func serverPod(deleting bool) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "x-0", Namespace: "n", UID: "p"}}
	if deleting {
		pod.DeletionTimestamp = new(metav1.Now())
	}
	return pod
}

func claim(ordinal int) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("data-x-%d", ordinal), Namespace: "n", UID: "v"}}
}

// A process that reports with an old version must not take back status.initialized,
// which another one has recorded since.
func TestReportOfOldVersionIsRefused(t *testing.T) {
	sync, _ := attacked(t, "6")
	if got := sync.report(t.Context(), nil); got != reconcile.After(startInterval/2) {
		t.Errorf("got %+v, want another look", got)
	}
	sync, _ = attacked(t, "")
	if got := sync.report(t.Context(), nil); got.Err() != nil || got == reconcile.After(startInterval/2) {
		t.Errorf("the newest version was refused: %+v", got)
	}
}

// The same for a record: a conflict is not the end of the object.
func TestConflictOfRecordIsLookedAtAgain(t *testing.T) {
	sync, _ := attacked(t, "6")
	sync.obj.Status.FirstStart.Attempts++
	err := sync.persistRecord(t.Context())
	if err == nil {
		t.Fatal("written over a newer version")
	}
	if got := sync.report(t.Context(), err); got == reconcile.Done() {
		t.Error("nobody looks again")
	}
}

// Giving up the status of an object that describes no servers any more is decided by its
// spec, and must not be done by an old one.
func TestDisownOfOldVersionIsRefused(t *testing.T) {
	sync, _ := attacked(t, "6")
	sync.setCondition(metav1.Condition{Type: openbaov1alpha1.ConditionTLSReady, Status: metav1.ConditionTrue, Reason: ReasonCurrent})
	if got := sync.disown(t.Context(), true); got != reconcile.After(startInterval/2) {
		t.Errorf("got %+v, want another look", got)
	}
}

func TestFurtherVolumes(t *testing.T) {
	for name, tc := range map[string]struct {
		claims []runtime.Object
		want   bool
	}{
		"none":              {nil, false},
		"of the first":      {[]runtime.Object{claim(0)}, false},
		"of a second":       {[]runtime.Object{claim(1)}, true},
		"of the last":       {[]runtime.Object{claim(0), claim(8)}, true},
		"of another, x-1-0": {[]runtime.Object{&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data-x-1-0", Namespace: "n"}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			sync, _ := attacked(t, "", tc.claims...)
			if got, err := sync.furtherVolumes(t.Context()); got != tc.want || err != nil {
				t.Errorf("got %t, %v", got, err)
			}
		})
	}
}

// Between the deletion of the volume and that of the pod, the process may have ended.
func TestPodOfVolumeThatEndsIsDeleted(t *testing.T) {
	volume := claim(0)
	volume.DeletionTimestamp, volume.Finalizers = new(metav1.Now()), []string{"kubernetes.io/pvc-protection"}
	for _, deleting := range []bool{false, true} {
		pod := serverPod(deleting)
		sync, kube := attacked(t, "", volume, pod, &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: "n", OwnerReferences: []metav1.OwnerReference{{UID: "uid", Controller: new(true)}}},
			Spec:       appsv1.StatefulSetSpec{Replicas: new(int32(1))},
		})
		sync.servers = []seen{{pod: pod}}
		facts, err := sync.firstStart(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if facts.VolumeUID != "" || !facts.VolumeEnding {
			t.Fatalf("got %+v", facts)
		}
		sync.step = facts.Next()
		if err := sync.carryOut(t.Context(), facts); err != nil {
			t.Fatal(err)
		}
		deleted := false
		for _, action := range kube.Actions() {
			deleted = deleted || action.Matches("delete", "pods")
		}
		if deleted == deleting {
			t.Errorf("the pod is being deleted: %t, and was deleted: %t", deleting, deleted)
		}
	}
}

// A process that is not the leader any more once its record is written deletes nothing.
func TestWipeAsksAgain(t *testing.T) {
	sync, kube := attacked(t, "", claim(0), serverPod(false))
	asked := 0
	sync.opts.Gate = func() error {
		if asked++; asked > 1 {
			return errors.New("not the leader")
		}
		return nil
	}
	err := sync.wipe(t.Context(), machine.FirstStart{VolumeUID: "v"})
	if !errors.Is(err, errMayNotWrite) {
		t.Errorf("got %v", err)
	}
	for _, action := range kube.Actions() {
		if action.GetVerb() == "delete" {
			t.Errorf("deleted %s", action.GetResource().Resource)
		}
	}
}

// A server that was seen sealed, then did not answer for long, and is seen sealed again
// has not been sealed all the time.
func TestSealedTimeEndsWithSilence(t *testing.T) {
	set := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Replicas: new(int32(1))}}
	sealed := &bao.Node{Health: bao.Health{Initialized: true, Sealed: true}}
	sync, _ := attacked(t, "", claim(0))
	sync.statefulSet = set
	start := sync.now
	look := func(after time.Duration, node *bao.Node) machine.FirstStart {
		sync.now, sync.servers = start.Add(after), []seen{{pod: serverPod(false), node: node}}
		facts, err := sync.firstStart(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return facts
	}
	look(0, sealed)
	if got := look(20*time.Second, sealed).SealedFor; got != 20*time.Second {
		t.Errorf("sealed for %s", got)
	}
	look(30*time.Second, nil)
	if got := look(10*time.Minute, sealed).SealedFor; got > 10*time.Minute-30*time.Second {
		t.Errorf("sealed for %s", got)
	}
	look(11*time.Minute, nil)
	if got := look(11*time.Minute+time.Second, sealed).SealedFor; got > time.Second {
		t.Errorf("sealed for %s after silence", got)
	}
}

// A StatefulSet without labels is in no cache.
func TestStatefulSetWithoutLabelsCounts(t *testing.T) {
	for uid, want := range map[string]bool{"uid": true, "other": false} {
		set := &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: "n", OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "openbao.org/v1alpha1", Kind: kind, Name: "x", UID: types.UID(uid), Controller: new(true),
			}}},
			Spec: appsv1.StatefulSetSpec{Replicas: new(int32(5))},
		}
		sync, _ := attacked(t, "", set)
		facts, err := sync.firstStart(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := facts.Replicas != nil && *facts.Replicas == 5; got != want {
			t.Errorf("owner %s: got %v", uid, facts.Replicas)
		}
	}
}

// What the API server refuses for other reasons is not answered with a command that
// grants rights.
func TestCauseOfRefusal(t *testing.T) {
	sync, _ := attacked(t, "")
	forbidden := func(text string) error {
		return fmt.Errorf("create Secret x: %w", apierrors.NewForbidden(corev1.Resource("secrets"), "x", errors.New(text)))
	}
	for text, want := range map[string]string{
		`User "system:serviceaccount:bailiwick-system:bailiwick-servers" cannot create resource "secrets" in API group "" in the namespace "n"`: ReasonNotGranted,
		`user "system:serviceaccount:bailiwick-system:bailiwick-servers" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:
{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`: ReasonNotGranted,
		`unable to create new content in namespace n because it is being terminated`:                           ReasonFailed,
		`exceeded quota: q, requested: count/secrets=1, used: count/secrets=1, limited: count/secrets=1`:       ReasonFailed,
		`ValidatingAdmissionPolicy 'bailiwick-servers' with binding 'bailiwick-servers' denied request: no`:    ReasonFailed,
		`admission webhook "policies.example.com" denied the request: no owner label on what a User "x" makes`: ReasonFailed,
	} {
		var problem *reconcile.Problem
		if err := sync.objectProblem(forbidden(text)); !errors.As(err, &problem) || problem.Reason != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// A mistake in the spec stops no server, so it says nothing of them.
func TestWhatWasNotSeenIsNotReported(t *testing.T) {
	sync, _ := attacked(t, "")
	sync.obj.Status.Servers = []openbaov1alpha1.ServerStatus{{Name: "x-0", Role: openbaov1alpha1.ServerLeader}}
	sync.setCondition(metav1.Condition{Type: openbaov1alpha1.ConditionAvailable, Status: metav1.ConditionTrue, Reason: ReasonRunning})
	sync.report(t.Context(), invalidSpec(&authz.SpecError{Field: "spec.profile", Problem: "must be set"}))
	if len(sync.obj.Status.Servers) != 1 {
		t.Error("status.servers was emptied without a look")
	}
	for _, c := range sync.obj.Status.Conditions {
		if c.Type == openbaov1alpha1.ConditionAvailable && c.Status != metav1.ConditionTrue {
			t.Errorf("%s=%s (%s) without a look", c.Type, c.Status, c.Message)
		}
		if c.Type == openbaov1alpha1.ConditionReady && c.Reason != ReasonInvalidSpec {
			t.Errorf("Ready is %s", c.Reason)
		}
	}
}

// Recovery keys must not be put where other keys are.
func TestRecoverySecretName(t *testing.T) {
	for name, ok := range map[string]bool{
		"": true, "x-keys": true, "x-recovery-keys": true,
		"x-unseal-key": false, "x-tls-ca": false, "x-initialize": false, "x-b-recovery-keys": false, "y-root-token": false,
	} {
		c := &openbaov1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Name: "x"}}
		c.Spec.RecoveryKeys = &openbaov1alpha1.RecoveryKeysSpec{SecretName: name}
		err := checkRecoveryKeys(c)
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "spec.recoveryKeys.secretName") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Who takes status.initialized away does not make the volume one that may be deleted.
func TestCompletedStartStaysInitialized(t *testing.T) {
	sync, _ := attacked(t, "")
	cluster := sync.before.DeepCopy()
	cluster.Status.FirstStart.CompletedAt, cluster.Status.FirstStart.InitSentAt = new(metav1.Now()), new(metav1.Now())
	sync = sync.newTask(cluster)
	if !sync.recorded().Initialized || !sync.initialized() {
		t.Errorf("recorded %+v", sync.recorded())
	}
	if got := (&task{before: &openbaov1alpha1.OpenBaoCluster{}}).recorded(); got.Initialized {
		t.Errorf("recorded %+v of nothing", got)
	}
}

// TestForeignVolumes: what a claim was filled with before is no first start of this
// cluster.
func TestForeignVolumes(t *testing.T) {
	claim := func(change func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
		c := &corev1.PersistentVolumeClaim{}
		change(c)
		return c
	}
	for name, c := range map[string]struct {
		claim   *corev1.PersistentVolumeClaim
		foreign bool
	}{
		"not bound yet": {claim(func(*corev1.PersistentVolumeClaim) {}), false},
		"bound by Kubernetes": {claim(func(c *corev1.PersistentVolumeClaim) {
			c.Spec.VolumeName, c.Annotations = "pv", map[string]string{boundByController: "yes"}
		}), false},
		"bound by somebody": {claim(func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "pv" }), true},
		"a clone":           {claim(func(c *corev1.PersistentVolumeClaim) { c.Spec.DataSource = &corev1.TypedLocalObjectReference{} }), true},
		"a copy":            {claim(func(c *corev1.PersistentVolumeClaim) { c.Spec.DataSourceRef = &corev1.TypedObjectReference{} }), true},
	} {
		if got := isForeign(c.claim); got != c.foreign {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
