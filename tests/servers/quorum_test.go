// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// TestQuorumIsRecovered has a cluster lose two of three volumes for good, and goes on with
// what the third one has.
func TestQuorumIsRecovered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	k := w.keep("prod")

	t.Log("A cluster that has a leader refuses a plan")
	pods := k.pods()
	k.ask("Plan")
	k.eventually("the plan to be refused", func() error {
		return k.phaseIs("Refused")
	})
	if !slices.Equal(sortedUIDs(pods), sortedUIDs(k.pods())) {
		t.Error("Servers were stopped for a plan that was refused")
	}
	k.withdraw()

	lost := k.losesQuorum()
	k.start(serving)
	message := k.reason("NoQuorum", "recoverQuorum")
	k.follow(message, `kubectl -n \S+ patch \S+ \S+ --type=merge -p '\{"spec":\{"maintenance":\{"recoverQuorum":"Plan"\}\}\}'`)
	message = k.reason("RecoveryPlanned", "")
	t.Logf("The plan: %s", message)
	plan := k.get("prod").Status.Recovery
	k.planIs(plan, lost)
	if pods := k.pods(); len(pods) > 0 {
		t.Errorf("There is a plan, and the servers run: %v", pods)
	}

	t.Log("The way back")
	before := k.volumes()
	k.follow(message, `kubectl -n \S+ patch \S+ \S+ --type=merge -p '\{"spec":\{"maintenance":\{"recoverQuorum":null\}\}\}'`)
	k.eventually("the servers to be started again", func() error {
		if n := len(k.pods()); n != 3 || k.get("prod").Status.Recovery != nil {
			return fmt.Errorf("there are %d pods, and the record %+v", n, k.get("prod").Status.Recovery)
		}
		return nil
	})
	k.eventually("there to be no quorum as before", k.condition("prod", openbaov1alpha1.ConditionReady, metav1.ConditionFalse, "NoQuorum"))
	if after := k.volumes(); !slices.Equal(sortedUIDs(before), sortedUIDs(after)) {
		t.Errorf("The volumes were %v, and are %v", before, after)
	}

	t.Log("Another plan, and approvals of others")
	k.ask("Plan")
	message = k.reason("RecoveryPlanned", "")
	second := k.get("prod").Status.Recovery
	if second.Hash == plan.Hash {
		t.Error("The second plan has the hash of the first")
	}
	for _, hash := range []string{plan.Hash, strings.Repeat("0", 32)} {
		k.ask(hash)
		k.reason("RecoveryPlanned", "is refused. The plan has the hash "+second.Hash)
	}
	if after := k.volumes(); !slices.Equal(sortedUIDs(before), sortedUIDs(after)) {
		t.Errorf("The volumes were %v, and are %v", before, after)
	}
	k.follow(message, `kubectl -n \S+ patch \S+ \S+ --type=merge -p '\{"spec":\{"maintenance":\{"recoverQuorum":"[0-9a-f]{32}"\}\}\}'`)
	k.recovered(lost)

	t.Log("A hash that is left behind does nothing")
	k.patch("prod", `{"spec":{"podMetadata":{"labels":{"nothing":"much"}}}}`)
	k.eventually("the change to be seen", k.condition("prod", openbaov1alpha1.ConditionClusterLifecycle, metav1.ConditionTrue, ""))
	if phase := k.get("prod").Status.Recovery.Phase; phase != "Completed" {
		t.Errorf("The recovery is %s", phase)
	}
	k.sh("kubectl -n " + k.ns + " wait --for=delete job --selector openbao.org/component=recovery --timeout=1m")
}

// TestQuorumIsRecoveredByMany has the process that runs the servers end at every change that
// it makes for a recovery, and another go on without its memory.
func TestQuorumIsRecoveredByMany(t *testing.T) {
	long(t)
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	k := w.keep("prod")
	lost := k.losesQuorum()
	k.ask("Plan")
	ended := k.dying(func() error { return k.phaseIs("Planned") })
	k.planIs(k.get("prod").Status.Recovery, lost)
	k.ask(k.get("prod").Status.Recovery.Hash)
	ended += k.dying(func() error { return k.phaseIs("Completed") })
	k.Logf("%d processes ended", ended)
	if ended < 10 {
		t.Errorf("Only %d processes ended", ended)
	}
	k.start(serving)
	k.recovered(lost)
}

// loss is what a cluster has lost.
type loss struct {
	survivor  string
	clusterID string
	written   *canary
	volumes   map[string]types.UID
}

// losesQuorum takes the volumes of the leader and of one more server away, after something
// was written. The process that runs the servers is stopped then.
func (k *kept) losesQuorum() loss {
	k.Helper()
	c := k.sing("before-the-loss")
	time.Sleep(2 * time.Second)
	// All servers give back what was acknowledged, the survivor as well.
	c.stop()
	k.stop(serving)
	leader, survivor := k.leader()
	var lost []string
	for _, name := range []string{"prod-0", "prod-1", "prod-2"} {
		if name != survivor {
			lost = append(lost, name)
		}
	}
	out := loss{survivor: survivor, clusterID: k.get(k.name).Status.ClusterID, written: c, volumes: k.volumes()}
	k.Logf("%s has led, and %s survives", leader, survivor)
	// All at once: of two that are lost one after the other, the first begins again with what
	// the others have.
	k.sh(fmt.Sprintf("kubectl -n %[1]s scale statefulset %[2]s --replicas=0 && kubectl -n %[1]s wait --for=delete pod --selector openbao.org/component=server --timeout=2m && "+
		"kubectl -n %[1]s delete pvc data-%[3]s data-%[4]s && kubectl -n %[1]s scale statefulset %[2]s --replicas=3", k.ns, k.name, lost[0], lost[1]))
	k.eventually("the lost servers to have other volumes", func() error {
		now := k.volumes()
		for _, name := range lost {
			if now[name] == "" || now[name] == out.volumes[name] {
				return fmt.Errorf("%s has the volume %q", name, now[name])
			}
		}
		return nil
	})
	return out
}

func (k *kept) ask(value string) {
	k.Helper()
	k.patch(k.name, fmt.Sprintf(`{"spec":{"maintenance":{"recoverQuorum":%q}}}`, value))
}

func (k *kept) withdraw() {
	k.Helper()
	k.patch(k.name, `{"spec":{"maintenance":{"recoverQuorum":null}}}`)
	k.eventually("the record to be gone", func() error {
		if r := k.get(k.name).Status.Recovery; r != nil {
			return fmt.Errorf("it is %+v", r)
		}
		return nil
	})
}

func (k *kept) phaseIs(phase openbaov1alpha1.RecoveryPhase) error {
	r := k.get(k.name).Status.Recovery
	if r == nil || r.Phase != phase {
		return fmt.Errorf("the recovery is %+v", r)
	}
	return nil
}

// reason waits until Ready has a reason, and a message with a text in it, and returns the
// message.
func (k *kept) reason(reason, has string) (message string) {
	k.Helper()
	k.eventually("the reason "+reason, func() error {
		if err := k.condition(k.name, openbaov1alpha1.ConditionReady, metav1.ConditionFalse, reason)(); err != nil {
			return err
		}
		message = meta.FindStatusCondition(k.get(k.name).Status.Conditions, openbaov1alpha1.ConditionReady).Message
		if !strings.Contains(message, has) {
			return fmt.Errorf("the message is %s", message)
		}
		return nil
	})
	return message
}

// follow runs the command of a message.
func (k *kept) follow(message, command string) {
	k.Helper()
	found := regexp.MustCompile(command).FindString(message)
	if found == "" {
		k.Fatalf("The message has no such command: %s", message)
	}
	k.sh(found)
}

func (k *kept) planIs(plan *openbaov1alpha1.RecoveryStatus, lost loss) {
	k.Helper()
	if plan == nil || len(plan.Servers) != 3 || plan.Hash == "" {
		k.Fatalf("The plan is %+v", plan)
	}
	for _, s := range plan.Servers {
		want := "Empty"
		if s.Name == lost.survivor {
			want = "Survivor"
		}
		if s.Verdict != want || want == "Survivor" && (s.Index == 0 || s.Term == 0 || s.VolumeUID != string(lost.volumes[s.Name])) {
			k.Errorf("The plan says %+v, want %s", s, want)
		}
	}
}

// recovered waits until a cluster is whole again, with all that was acknowledged before.
func (k *kept) recovered(lost loss) {
	k.Helper()
	began := time.Now()
	k.eventually("the recovery to be completed", func() error { return k.phaseIs("Completed") })
	k.whole()
	k.Logf("%s after the approval, the cluster was whole", time.Since(began).Round(100*time.Millisecond))
	if id := k.get(k.name).Status.ClusterID; id != lost.clusterID {
		k.Errorf("The cluster is %s, and was %s", id, lost.clusterID)
	}
	for name, uid := range k.volumes() {
		if name == lost.survivor && uid != lost.volumes[name] {
			k.Errorf("The volume of %s is another", name)
		}
	}
	for _, name := range []string{"prod-0", "prod-1", "prod-2"} {
		if missing := lost.written.missing(name); len(missing) > 0 {
			k.Errorf("Through %s, %d acknowledged numbers cannot be read: %v", name, len(missing), missing)
		}
	}
	k.sing("after-the-loss").unbroken()
}

// dying runs one process after the other, each until its first change is carried out, until
// something has come about, and returns how many ended.
func (k *kept) dying(done func() error) int {
	k.Helper()
	ended := 0
	for deadline := time.Now().Add(2 * patience); ; ended++ {
		m := k.startMortal(func(string) bool { return true })
		err := k.doneOr(m, done)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			k.Fatalf("after %d processes: %v", ended, err)
		}
		k.bury()
	}
	k.stop(serving)
	return ended
}

func sortedUIDs(of map[string]types.UID) []types.UID {
	var out []types.UID
	for _, uid := range of {
		out = append(out, uid)
	}
	slices.Sort(out)
	return out
}
