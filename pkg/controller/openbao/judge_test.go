// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

func TestJudge(t *testing.T) {
	seal := func(s *seen) { s.node.Sealed, s.node.ClusterID = true, "" }
	silent := func(s *seen) {
		s.node, s.err = nil, errors.New("the pod does not run yet")
		s.pod.Status.ContainerStatuses = nil
	}
	old := func(x *task, ordinals ...int) {
		for _, i := range ordinals {
			x.servers[i].pod.Labels[revisionLabel] = "old"
		}
	}
	for name, c := range map[string]struct {
		change func(*task)
		// reason of Ready, and what its message has.
		ready   metav1.ConditionStatus
		reason  string
		message string
		// lifecycle is the reason of ClusterLifecycle.
		lifecycle string
		phase     openbaov1alpha1.ClusterPhase
	}{
		"all run": {func(*task) {}, metav1.ConditionTrue, ReasonReady, "3 of 3 servers", ReasonRunning, openbaov1alpha1.PhaseRunning},
		"one sealed": {
			func(x *task) { seal(&x.servers[2]) }, metav1.ConditionFalse, ReasonDegraded, "1 of 3 servers are sealed or do not answer", ReasonDegraded, openbaov1alpha1.PhaseRunning,
		},
		"one silent": {
			func(x *task) { silent(&x.servers[2]) }, metav1.ConditionFalse, ReasonDegraded, "1 of 3 servers are sealed or do not answer", ReasonDegraded, openbaov1alpha1.PhaseRunning,
		},
		"one without a pod": {
			func(x *task) { x.servers = x.servers[:2] }, metav1.ConditionFalse, ReasonDegraded, "1 of 3 servers are sealed or do not answer", ReasonDegraded, openbaov1alpha1.PhaseRunning,
		},
		"two sealed":  {func(x *task) { seal(&x.servers[1]); seal(&x.servers[2]) }, metav1.ConditionFalse, ReasonNoQuorum, "1 of 3 servers are unsealed", ReasonNoQuorum, openbaov1alpha1.PhaseRunning},
		"two silent":  {func(x *task) { silent(&x.servers[1]); silent(&x.servers[2]) }, metav1.ConditionFalse, ReasonNoQuorum, "1 of 3 servers are unsealed", ReasonNoQuorum, openbaov1alpha1.PhaseRunning},
		"no leader":   {func(x *task) { x.servers[0].node.Standby = true }, metav1.ConditionFalse, ReasonNoQuorum, "none says that it is the leader", ReasonNoQuorum, openbaov1alpha1.PhaseRunning},
		"two leaders": {func(x *task) { x.servers[1].node.Standby = false }, metav1.ConditionFalse, ReasonNoQuorum, "2 say that they are the leader", ReasonNoQuorum, openbaov1alpha1.PhaseRunning},
		"a quorum of peers that have no pod": {
			// Five vote, and three of them are not there.
			func(x *task) {
				x.servers = x.servers[:2]
				for _, id := range []string{"dev-3", "dev-4"} {
					p := x.membership.peers[1]
					p.ID = id
					x.membership.peers = append(x.membership.peers, p)
				}
			}, metav1.ConditionFalse, ReasonNoQuorum, "2 of 3 servers are unsealed", ReasonNoQuorum, openbaov1alpha1.PhaseRunning,
		},
		"another cluster": {
			func(x *task) { x.servers[1].node.ClusterID = otherCluster }, metav1.ConditionFalse, ReasonOtherCluster, "dev-1", ReasonOtherCluster, openbaov1alpha1.PhaseFailed,
		},
		"one does not vote yet": {
			func(x *task) { x.membership.peers[2].Voter = false }, metav1.ConditionFalse, ReasonScaling, "2 of 3 servers vote", ReasonScaling, openbaov1alpha1.PhaseInitializing,
		},
		"nobody knows who votes": {
			func(x *task) { x.membership = membership{problem: errors.New("it timed out.")} },
			metav1.ConditionUnknown, ReasonUnknown, "from the leader: it timed out.", ReasonRunning, openbaov1alpha1.PhaseRunning,
		},
		"the last pod of a roll is away": {
			func(x *task) { silent(&x.servers[0]); x.servers[1].node.Standby = false; x.memory.rolls = true },
			metav1.ConditionFalse, ReasonRolling, "over when dev-0 works as it should. It does not answer", ReasonRolling, openbaov1alpha1.PhaseRunning,
		},
		"the last pod of a roll does not vote yet, after a restart of Bailiwick": {
			func(x *task) {
				x.membership.peers[2].Voter = false
				meta.SetStatusCondition(&x.before.Status.Conditions, metav1.Condition{Type: openbaov1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: ReasonRolling})
			}, metav1.ConditionFalse, ReasonRolling, "over when dev-2 works as it should. It does not vote yet.", ReasonRolling, openbaov1alpha1.PhaseRunning,
		},
		"the last pod of a roll does not come back": {
			func(x *task) {
				silent(&x.servers[2])
				x.memory.rolls = true
				plan(t, x)
				x.now = x.now.Add(time.Hour)
			}, metav1.ConditionFalse, ReasonRollStuck, "spec.maintenance.restartAt", ReasonRollStuck, openbaov1alpha1.PhaseFailed,
		},
		"a roll is over": {
			func(x *task) { x.memory.rolls = true }, metav1.ConditionTrue, ReasonReady, "3 of 3 servers", ReasonRunning, openbaov1alpha1.PhaseRunning,
		},
		"pods of an earlier revision": {
			func(x *task) { old(x, 0, 1, 2) }, metav1.ConditionFalse, ReasonRolling, "The pod dev-2 is replaced.", ReasonRolling, openbaov1alpha1.PhaseRunning,
		},
		"the last pod of an earlier revision leads": {
			func(x *task) { old(x, 0) }, metav1.ConditionFalse, ReasonRolling, "The pod dev-0 is replaced.", ReasonRolling, openbaov1alpha1.PhaseRunning,
		},
		"a pod that was replaced does not vote yet": {
			func(x *task) { old(x, 0, 1); x.membership.peers[2].Voter = false },
			metav1.ConditionFalse, ReasonRolling, "when dev-2 works as it should. It does not vote yet.", ReasonRolling, openbaov1alpha1.PhaseRunning,
		},
		"a pod that was replaced does not come back": {
			func(x *task) {
				old(x, 0, 1)
				silent(&x.servers[2])
				plan(t, x)
				x.now = x.now.Add(time.Hour)
			}, metav1.ConditionFalse, ReasonRollStuck, "spec.maintenance.restartAt", ReasonRollStuck, openbaov1alpha1.PhaseFailed,
		},
		"a roll, and another server is away": {
			func(x *task) { old(x, 0, 1); silent(&x.servers[1]) },
			metav1.ConditionFalse, ReasonRolling, "The pod dev-1 is of an earlier revision and runs no server", ReasonRolling, openbaov1alpha1.PhaseRunning,
		},
		"a roll, paused": {
			func(x *task) { old(x, 0, 1, 2); x.obj.Spec.Paused = new(true) },
			metav1.ConditionFalse, ReasonPaused, "What is next without that: The pod dev-2 is replaced.", ReasonPaused, openbaov1alpha1.PhaseRunning,
		},
		"an upgrade": {
			func(x *task) {
				old(x, 0, 1)
				x.obj.Spec.Version, x.servers[2].node.Version, x.obj.Status.CurrentVersion = "2.6.3", "2.6.3", "2.6.2"
			}, metav1.ConditionFalse, ReasonRolling, "from OpenBao 2.6.2 to 2.6.3: 1 of 3 run it.", ReasonRolling, openbaov1alpha1.PhaseUpgrading,
		},
		"another version than it should be": {
			func(x *task) { old(x, 0, 1); x.obj.Spec.Version = "2.6.3" },
			metav1.ConditionFalse, ReasonRolling, "It says that it is OpenBao 2.6.2, and spec.version is 2.6.3.", ReasonRolling, openbaov1alpha1.PhaseRunning,
		},
		"fewer are wanted": {
			func(x *task) { x.obj.Spec.Replicas = new(int32(1)) },
			metav1.ConditionFalse, ReasonScaling, "The server dev-2 leaves the cluster", ReasonScaling, openbaov1alpha1.PhaseInitializing,
		},
		"the right to remove is not there": {
			func(x *task) {
				x.obj.Spec.Replicas = new(int32(1))
				x.obj.Status.Membership = &openbaov1alpha1.MembershipStatus{Removing: &openbaov1alpha1.RemovingStatus{Server: "dev-2"}}
			}, metav1.ConditionFalse, ReasonScaling, "bailiwick-remove-peer", ReasonScaling, openbaov1alpha1.PhaseInitializing,
		},
		"fewer are wanted, and one is away": {
			func(x *task) { x.obj.Spec.Replicas = new(int32(1)); silent(&x.servers[1]) },
			metav1.ConditionFalse, ReasonGuarded, "Of 2 voters, 1 would work then, and it takes 2.", ReasonGuarded, openbaov1alpha1.PhaseRunning,
		},
		"a revision that is not known yet": {
			func(x *task) { x.servers[0].pod.Labels[revisionLabel], x.statefulSet.Generation = "old", 1 },
			metav1.ConditionFalse, ReasonRolling, "not known yet which pods", ReasonRolling, openbaov1alpha1.PhaseRunning,
		},
		"paused while it starts": {
			func(x *task) { x.obj.Spec.Paused, x.step.Action = new(true), machine.Scale },
			metav1.ConditionFalse, ReasonPaused, "spec.paused", ReasonPaused, openbaov1alpha1.PhaseRunning,
		},
		"paused": {
			func(x *task) { x.obj.Spec.Paused = new(true) }, metav1.ConditionTrue, ReasonReady, "", ReasonPaused, openbaov1alpha1.PhaseRunning,
		},
		"an identity is not proved": {
			func(x *task) {
				x.obj.Status.Authorization.Identities[0].State, x.obj.Status.Authorization.Identities[0].Message = openbaov1alpha1.NotProved, "Why."
			}, metav1.ConditionFalse, ReasonNotProved, "openbao-operator is not proved: Why.", ReasonRunning, openbaov1alpha1.PhaseRunning,
		},
		"a server cannot be removed": {
			func(x *task) {
				record := x.obj.Status.Authorization
				record.Identities = append(record.Identities, openbaov1alpha1.IdentityStatus{
					Role: authz.RemovePeerRole, Identity: string(authz.RemovePeer), State: openbaov1alpha1.NotProved, Message: "Set the mode.",
				})
			}, metav1.ConditionTrue, ReasonReady, "3 of 3 servers", ReasonRunning, openbaov1alpha1.PhaseRunning,
		},
		"the proofs are of an earlier spec": {
			func(x *task) { x.obj.Generation = 3 }, metav1.ConditionFalse, ReasonNotProved, "not proved yet", ReasonRunning, openbaov1alpha1.PhaseRunning,
		},
		"the contract is not written": {
			func(x *task) {
				meta.SetStatusCondition(&x.obj.Status.Conditions, metav1.Condition{
					Type: openbaov1alpha1.ConditionAuthorizationReady, Status: metav1.ConditionFalse, Reason: "RoleConflict", Message: "A role is another's.", ObservedGeneration: 2,
				})
			}, metav1.ConditionFalse, "RoleConflict", "A role is another's.", ReasonRunning, openbaov1alpha1.PhaseRunning,
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := finished(t)
			c.change(x)
			plan(t, x)
			x.judge()
			x.sumUp()
			ready := conditionOf(t, x, openbaov1alpha1.ConditionReady)
			if ready.Status != c.ready || ready.Reason != c.reason || !strings.Contains(ready.Message, c.message) {
				t.Errorf("got Ready=%s %s: %s", ready.Status, ready.Reason, ready.Message)
			}
			if got := conditionOf(t, x, openbaov1alpha1.ConditionClusterLifecycle); got.Reason != c.lifecycle {
				t.Errorf("got ClusterLifecycle %s: %s, want %s", got.Reason, got.Message, c.lifecycle)
			}
			if x.obj.Status.Phase != c.phase {
				t.Errorf("got the phase %s, want %s", x.obj.Status.Phase, c.phase)
			}
		})
	}
}

func TestServersInTheStatus(t *testing.T) {
	x := finished(t)
	x.servers[1].node.Sealed = true
	x.servers[2].node.CertificateSerial = "old"
	x.membership.lag["dev-2"] = 1000
	x.judge()
	status := x.obj.Status
	if status.ActiveLeader != "dev-0" || status.ReadyReplicas == nil || *status.ReadyReplicas != 3 || len(status.Servers) != 3 {
		t.Fatalf("got %+v", status)
	}
	leader, sealed, stale := status.Servers[0], status.Servers[1], status.Servers[2]
	if leader.Role != openbaov1alpha1.ServerLeader || *leader.IndexLag != 0 || leader.Current == nil || !*leader.Current || leader.Version != "2.6.2" {
		t.Errorf("got the leader %+v", leader)
	}
	if sealed.Role != openbaov1alpha1.ServerUnknown || sealed.Sealed == nil || !*sealed.Sealed || sealed.IndexLag != nil {
		t.Errorf("got the sealed server %+v", sealed)
	}
	if stale.Role != openbaov1alpha1.ServerVoter || *stale.IndexLag != 1000 || stale.CertificateSerial != "old" {
		t.Errorf("got the server with the old certificate %+v", stale)
	}
	if got := conditionOf(t, x, openbaov1alpha1.ConditionTLSReady); got.Reason != ReasonRotating || !strings.Contains(got.Message, "than a1: dev-2.") {
		t.Errorf("got TLSReady %s: %s", got.Reason, got.Message)
	}
	if got := conditionOf(t, x, openbaov1alpha1.ConditionOpenBaoSealed); got.Status != metav1.ConditionTrue {
		t.Errorf("got OpenBaoSealed=%s", got.Status)
	}
}

// TestLeaderIsRestartedLast has all servers show an earlier certificate.
func TestLeaderIsRestartedLast(t *testing.T) {
	x := finished(t)
	for _, s := range x.servers {
		s.node.CertificateSerial = "old"
	}
	x.judge()
	got := conditionOf(t, x, openbaov1alpha1.ConditionTLSReady)
	if x.obj.Status.ActiveLeader != "dev-0" || !strings.Contains(got.Message, "dev-1, dev-2, dev-0") {
		t.Errorf("got the leader %s, and TLSReady %s: %s", x.obj.Status.ActiveLeader, got.Reason, got.Message)
	}
}

// TestLooksAgainWhileCertificatesAreRead has servers that show an earlier certificate, and
// nothing in Kubernetes tells when they show the new one, or may be started again.
func TestLooksAgainWhileCertificatesAreRead(t *testing.T) {
	for _, c := range []struct {
		version, serial string
		want            time.Duration
	}{
		{"2.7.0", "old", 10 * startInterval},
		{"2.7.0", "a1", DefaultRecheckInterval},
		{"2.6.2", "old", 10 * startInterval},
		{"2.6.2", "a1", DefaultRecheckInterval},
	} {
		x := finished(t)
		x.obj.Spec.Version, x.servers[1].node.CertificateSerial = c.version, c.serial
		x.judge()
		if got := x.next(); got != reconcile.After(c.want) {
			t.Errorf("%s with the certificate %s: got %+v, want a look after %s", c.version, c.serial, got, c.want)
		}
	}
}

// TestSmallLagIsNone keeps a cluster in use from being written with every look.
func TestSmallLagIsNone(t *testing.T) {
	x := finished(t)
	x.judge()
	if lag := x.obj.Status.Servers[1].IndexLag; lag == nil || *lag != 0 {
		t.Errorf("got the lag %v of 7 entries, want 0", lag)
	}
}

func TestJudgeTwiceIsTheSame(t *testing.T) {
	x := finished(t)
	x.judge()
	x.sumUp()
	x.before = x.obj.DeepCopy()
	x.judge()
	x.sumUp()
	// Clusters is nil: a write would panic.
	if err := x.persist(t.Context()); err != nil {
		t.Fatal(err)
	}
	if events := x.announcements(); len(events) > 0 {
		t.Errorf("there are %d events about nothing", len(events))
	}
}

func TestMeasure(t *testing.T) {
	x := finished(t)
	x.servers[1].node.Sealed = true
	x.judge()
	got := Measure([]any{x.obj, &openbaov1alpha1.OpenBaoCluster{}, "no object"})
	if len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	if one := got[0]; one.Name != "dev" || one.Wanted != 3 || one.Ready != 3 || one.Unsealed != 2 || one.Voters != 2 {
		t.Errorf("got %+v", one)
	}
}
