// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

const (
	thisCluster  = "11111111-2222-3333-4444-555555555555"
	otherCluster = "66666666-2222-3333-4444-555555555555"
)

var testNow = time.Unix(1_800_000_000, 0)

// development returns the smallest cluster that is in order.
func development() *openbaov1alpha1.OpenBaoCluster {
	c := &openbaov1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "dev", UID: "cluster-uid", Generation: 2}}
	c.Spec.Version, c.Spec.Profile = "2.6.2", openbaov1alpha1.ProfileDevelopment
	c.Spec.TLS, c.Spec.Storage = &openbaov1alpha1.TLSSpec{Enabled: true}, &openbaov1alpha1.StorageSpec{Size: "1Gi"}
	return c
}

// initialized returns a cluster whose first start is over, and whose contract is proved.
func initialized() *openbaov1alpha1.OpenBaoCluster {
	c := development()
	c.Status.Initialized, c.Status.ClusterID = new(true), thisCluster
	c.Status.Authorization = &openbaov1alpha1.AuthorizationStatus{
		Identities: []openbaov1alpha1.IdentityStatus{{Role: "openbao-operator", State: openbaov1alpha1.Proved}},
	}
	meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{
		Type: openbaov1alpha1.ConditionAuthorizationReady, Status: metav1.ConditionTrue, Reason: "Applied", ObservedGeneration: 2,
	})
	return c
}

// newTestTask returns a sync of a cluster that has looked at nothing yet.
func newTestTask(t *testing.T, c *openbaov1alpha1.OpenBaoCluster, objects ...runtime.Object) *task {
	t.Helper()
	controller := &Controller{memories: newMemories(), opts: Options{
		Kube: fake.NewClientset(objects...), Recorder: record.NewFakeRecorder(100), Now: func() time.Time { return testNow },
		Gate:    func() error { return nil },
		Subject: "system:serviceaccount:bailiwick-system:bailiwick-servers", AuthorizerAccount: "bailiwick", NamespaceRole: "bailiwick-servers-namespace", RecheckInterval: DefaultRecheckInterval,
	}}
	return controller.newTask(c)
}

// unsealed is a server that is Ready, unsealed, and of this cluster.
func unsealed(ordinal int, leader bool) seen {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: fmt.Sprintf("dev-%d", ordinal), Labels: map[string]string{revisionLabel: "new"}}}
	pod.CreationTimestamp = metav1.NewTime(testNow.Add(-time.Minute))
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "openbao", State: corev1.ContainerState{
		Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(testNow.Add(-time.Minute))},
	}}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return seen{pod: pod, node: &bao.Node{
		Health:            bao.Health{Initialized: true, Standby: !leader, Version: "2.6.2", ClusterID: thisCluster},
		CertificateSerial: "a1",
	}}
}

// finished returns a sync that has seen three servers which are as they should be.
func finished(t *testing.T) *task {
	t.Helper()
	x := newTestTask(t, initialized())
	x.step = machine.Step{Action: machine.Finished}
	x.servers = []seen{unsealed(0, true), unsealed(1, false), unsealed(2, false)}
	x.certificate.Serial, x.certificate.NotAfter = "a1", testNow.Add(time.Hour)
	x.statefulSet = &appsv1.StatefulSet{Status: appsv1.StatefulSetStatus{UpdateRevision: "new"}}
	x.membership = membership{known: true, lag: map[string]int64{"dev-0": 0, "dev-1": 7, "dev-2": 99}, peers: []bao.Peer{
		{ID: "dev-0", Voter: true, Leader: true}, {ID: "dev-1", Voter: true}, {ID: "dev-2", Voter: true},
	}}
	return x
}

// plan has a sync decide what is next after what it has seen.
func plan(t *testing.T, x *task) {
	t.Helper()
	if x.step.Action != machine.Finished {
		return
	}
	if err := x.planUpkeep(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
}

func conditionOf(t *testing.T, x *task, conditionType string) metav1.Condition {
	t.Helper()
	c := meta.FindStatusCondition(x.obj.Status.Conditions, conditionType)
	if c == nil {
		t.Fatalf("there is no condition %s", conditionType)
	}
	return *c
}
