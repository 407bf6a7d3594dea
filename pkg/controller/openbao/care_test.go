// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// edit changes the spec of a cluster as a person does.
func (w *running) edit(name string, change func(*openbaov1alpha1.OpenBaoCluster)) {
	w.Helper()
	c := w.get(name).DeepCopy()
	change(c)
	c.Generation++
	if _, err := w.api.put(Resource, c, c); err != nil {
		w.Fatal(err)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
}

// TestCareDespiteAMistake has a person ask for a restart, and make mistakes in the spec.
// The servers are started again one after the other, as they are.
func TestCareDespiteAMistake(t *testing.T) {
	for name, mistake := range map[string]func(*openbaov1alpha1.OpenBaoCluster){
		"a version that there is not": func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Version = "1.0.0" },
		"an earlier version":          func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Version = "2.5.0" },
		"a period":                    func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.TLS.RotationPeriod = "soon" },
		"an account of a job": func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.ServiceAccount = &openbaov1alpha1.ServerServiceAccount{Name: "dev-backup-serviceaccount"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := run(t)
				defer w.stop()
				w.create("dev", selfInit)
				time.Sleep(afterStart)
				synctest.Wait()
				w.prove("dev")
				w.want("dev", openbaov1alpha1.ConditionReady, metav1.ConditionTrue, ReasonReady)
				w.api.takeWrites()
				w.edit("dev", func(c *openbaov1alpha1.OpenBaoCluster) {
					mistake(c)
					c.Spec.Replicas = new(int32(5))
					c.Spec.Maintenance = &openbaov1alpha1.MaintenanceSpec{RestartAt: time.Now().Format(time.RFC3339)}
				})
				for _, pod := range []string{"dev-2", "dev-1", "dev-0"} {
					w.want("dev", openbaov1alpha1.ConditionReady, metav1.ConditionFalse, ReasonInvalidSpec)
					w.want("dev", openbaov1alpha1.ConditionClusterLifecycle, metav1.ConditionFalse, ReasonInvalidSpec)
					message := meta.FindStatusCondition(w.get("dev").Status.Conditions, openbaov1alpha1.ConditionReady).Message
					if !strings.Contains(message, "Nothing of the spec but spec.tls is carried out") || !strings.Contains(message, pod) {
						t.Errorf("the message is %s", message)
					}
					writes, _ := w.api.takeWrites()
					var deleted []string
					for _, write := range writes {
						if !strings.HasPrefix(write, "apply openbaoclusters ") {
							deleted = append(deleted, write)
						}
					}
					// A cache that is behind has the same pod deleted twice.
					if !slices.Equal(slices.Compact(deleted), []string{"delete pods " + pod}) {
						t.Fatalf("did %q, want the deletion of %s", deleted, pod)
					}
					object, err := w.api.Get(statefulSetResource, "team-a", "dev")
					if err != nil {
						t.Fatal(err)
					}
					if err := w.api.runPods(object.(*appsv1.StatefulSet).DeepCopy()); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
					synctest.Wait()
				}
				writes, _ := w.api.takeWrites()
				if i := slices.IndexFunc(writes, func(s string) bool { return !strings.HasPrefix(s, "apply openbaoclusters ") }); i >= 0 {
					t.Errorf("also did %s", writes[i])
				}
				if status := w.get("dev").Status; status.CurrentVersion != "2.6.2" || status.Upgrade != nil {
					t.Errorf("the status is %+v", status)
				}
				w.want("dev", openbaov1alpha1.ConditionAvailable, metav1.ConditionTrue, ReasonRunning)
			})
		})
	}
}

// TestBackupsDespiteAMistake: what is due while the spec has a mistake is not passed over in
// silence, and the condition is not left as it was.
func TestBackupsDespiteAMistake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t)
		defer w.stop()
		w.create("dev", selfInit, func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.Backup = &openbaov1alpha1.BackupSpec{
				Schedule: "0 3 * * *", Target: &openbaov1alpha1.BackupTarget{Bucket: "b", Endpoint: "https://store"},
			}
		})
		time.Sleep(afterStart)
		synctest.Wait()
		w.prove("dev")
		w.want("dev", openbaov1alpha1.ConditionBackupReady, metav1.ConditionUnknown, ReasonBackupPending)
		w.edit("dev", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Version = "1.0.0" })
		w.want("dev", openbaov1alpha1.ConditionReady, metav1.ConditionFalse, ReasonInvalidSpec)
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		w.want("dev", openbaov1alpha1.ConditionBackupReady, metav1.ConditionFalse, ReasonBackupWaits)
	})
}

// TestNoCareDuringARecovery: while a recovery from a lost quorum decides which servers run,
// a mistake in the spec has nothing done to any of them.
func TestNoCareDuringARecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t)
		defer w.stop()
		w.create("dev", selfInit)
		time.Sleep(afterStart)
		synctest.Wait()
		w.prove("dev")
		w.api.takeWrites()
		w.edit("dev", func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.Version = "1.0.0"
			c.Spec.Maintenance = &openbaov1alpha1.MaintenanceSpec{RestartAt: time.Now().Format(time.RFC3339)}
			c.Status.Recovery = &openbaov1alpha1.RecoveryStatus{Phase: openbaov1alpha1.RecoveryPhase(machine.Starting)}
		})
		w.want("dev", openbaov1alpha1.ConditionReady, metav1.ConditionFalse, ReasonInvalidSpec)
		writes, _ := w.api.takeWrites()
		if i := slices.IndexFunc(writes, func(s string) bool { return !strings.HasPrefix(s, "apply openbaoclusters ") }); i >= 0 {
			t.Errorf("did %s", writes[i])
		}
	})
}

// TestScaledDespiteAMistake has somebody scale the StatefulSet while the spec has a mistake:
// nobody leaves for that, since the spec would say otherwise.
func TestScaledDespiteAMistake(t *testing.T) {
	x := with(t, finished(t))
	x.obj.Spec.Version = "1.0.0"
	x.applied = &asApplied{replicas: 2, version: "2.6.2"}
	if err := x.planUpkeep(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if x.duty.Duty != machine.Rest {
		t.Errorf("got %+v", x.duty)
	}
}

// TestHealsDespiteAMistake has a server that the cluster does not list any more.
func TestHealsDespiteAMistake(t *testing.T) {
	x := with(t, finished(t))
	x.obj.Spec.Version = "1.0.0"
	x.applied = &asApplied{replicas: 3, version: "2.6.2"}
	x.membership.peers = x.membership.peers[:2]
	plan(t, x)
	x.now = x.now.Add(2 * time.Minute)
	plan(t, x)
	if x.duty.Duty != machine.DropVolume {
		t.Fatalf("got %+v", x.duty)
	}
	if err := x.fulfil(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !gone(t, x, "claim", "data-dev-2") || !gone(t, x, "pod", "dev-2") {
		t.Error("the server does not begin again")
	}
}

func TestAsksForRestart(t *testing.T) {
	for name, tc := range map[string]struct {
		restartAt, has string
		applied, want  bool
	}{
		"later than the server":    {testNow.Add(-time.Second).Format(time.RFC3339), "", true, true},
		"before the server":        {testNow.Add(-time.Hour).Format(time.RFC3339), "", true, false},
		"not yet":                  {testNow.Add(time.Second).Format(time.RFC3339), "", true, false},
		"no time":                  {"again", "", true, false},
		"applied":                  {testNow.Add(-time.Second).Format(time.RFC3339), testNow.Add(-time.Second).Format(time.RFC3339), true, false},
		"the spec has no mistakes": {testNow.Add(-time.Second).Format(time.RFC3339), "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := finished(t)
			if tc.applied {
				x.applied = &asApplied{replicas: 3, version: "2.6.2"}
			}
			x.obj.Spec.Maintenance = &openbaov1alpha1.MaintenanceSpec{RestartAt: tc.restartAt}
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(testNow.Add(-time.Minute))}}
			pod.Annotations = map[string]string{workload.AnnotationRestartAt: tc.has}
			if got := x.asksForRestart(pod); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}
