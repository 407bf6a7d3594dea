// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// lagThreshold is up to how many entries of the log a server may be behind and count as
// even: on a cluster in use, the exact number changes with every look.
const lagThreshold = 100

// revisionLabel is what the StatefulSet controller puts on pods.
const revisionLabel = "controller-revision-hash"

// tally counts what was seen of the servers.
type tally struct {
	unsealed, leaders, ready, voters, unsealedVoters int
	// foreign are servers that report another cluster than is recorded.
	foreign []string
	// outdated are pods of an earlier revision, the leader last.
	outdated []string
	// stale are servers that show another certificate than they should, the leader last.
	stale []string
}

// count also writes status.servers.
func (t *task) count() tally {
	var n tally
	status := &t.obj.Status
	known := map[string]openbaov1alpha1.ServerStatus{}
	for _, s := range status.Servers {
		known[s.Name] = s
	}
	status.Servers, status.ActiveLeader = nil, ""
	for _, p := range t.membership.peers {
		// A server that is sealed, or does not answer now, has not lost its vote.
		n.voters += boolInt(p.Voter)
	}
	for _, s := range t.servers {
		out := openbaov1alpha1.ServerStatus{
			Name: s.pod.Name, Role: openbaov1alpha1.ServerUnknown, Version: known[s.pod.Name].Version, EmptyVolumeUID: t.emptyVolumes[s.pod.Name],
		}
		out.Current = t.isCurrent(s.pod)
		if out.Current != nil && !*out.Current {
			n.outdated = append(n.outdated, s.pod.Name)
		}
		if isReady(s.pod) {
			n.ready++
		}
		t.countNode(&n, s, &out)
		status.Servers = append(status.Servers, out)
	}
	t.keepEmptyVolumes()
	for _, names := range [][]string{n.outdated, n.stale} {
		slices.SortStableFunc(names, func(a, b string) int {
			return boolInt(a == status.ActiveLeader) - boolInt(b == status.ActiveLeader)
		})
	}
	status.ReadyReplicas = new(int32(n.ready))
	return n
}

// keepEmptyVolumes keeps on record what was seen of the volume of a server that has no pod
// now, for as long as it has that volume.
func (t *task) keepEmptyVolumes() {
	servers := &t.obj.Status.Servers
	for ordinal := range workload.MaxServers {
		name := workload.PodName(t.obj, ordinal)
		uid := t.emptyVolumes[name]
		if uid == "" || t.seenOf(name) != nil || t.volumesRead && t.volumes[ordinal] != uid {
			continue
		}
		at := slices.IndexFunc(*servers, func(s openbaov1alpha1.ServerStatus) bool {
			other, ok := workload.ParseOrdinal(t.obj, s.Name)
			return ok && other > ordinal
		})
		if at < 0 {
			at = len(*servers)
		}
		*servers = slices.Insert(*servers, at, openbaov1alpha1.ServerStatus{
			Name: name, Role: openbaov1alpha1.ServerUnknown, EmptyVolumeUID: uid, Message: "It has no pod.",
		})
	}
}

func (t *task) countNode(n *tally, s seen, out *openbaov1alpha1.ServerStatus) {
	if s.node == nil {
		if s.err != nil {
			out.Message = text.Sentence(text.Capital(s.err.Error()))
		}
		return
	}
	node := s.node
	out.Initialized, out.Sealed, out.Version, out.CertificateSerial = &node.Initialized, &node.Sealed, node.Version, node.CertificateSerial
	if t.certificate.Serial != "" && node.CertificateSerial != t.certificate.Serial {
		n.stale = append(n.stale, s.pod.Name)
	}
	if !t.ofThisCluster(s) {
		n.foreign = append(n.foreign, s.pod.Name)
		out.Message = fmt.Sprintf("It is part of another cluster: %s.", node.ClusterID)
		return
	}
	if mistake := t.mistakeOf(s); mistake != "" {
		out.Message = text.Sentence(text.Capital(mistake))
	}
	votes, known := t.votes(s.pod.Name)
	switch {
	case !node.Initialized || node.Sealed:
		return
	case !node.Standby:
		n.leaders++
		out.Role, t.obj.Status.ActiveLeader = openbaov1alpha1.ServerLeader, s.pod.Name
	case known && votes:
		out.Role = openbaov1alpha1.ServerVoter
	case known:
		out.Role = openbaov1alpha1.ServerNonVoter
	}
	n.unsealed++
	if known && votes {
		n.unsealedVoters++
	}
	if lag, ok := t.membership.lag[s.pod.Name]; ok {
		lag = roundLag(lag)
		out.IndexLag = &lag
	}
}

// roundLag keeps a cluster in use from being written with every look.
func roundLag(lag int64) int64 {
	if lag < lagThreshold {
		return 0
	}
	rounded := int64(lagThreshold)
	for rounded*10 <= lag {
		rounded *= 10
	}
	return rounded
}

// votes reports whether a server votes, as far as the leader was asked.
func (t *task) votes(name string) (votes, known bool) {
	if !t.membership.known {
		return false, false
	}
	i := slices.IndexFunc(t.membership.peers, func(p bao.Peer) bool { return p.ID == name })
	return i >= 0 && t.membership.peers[i].Voter, true
}

// isCurrent reports whether a pod is of the newest revision, nil if that is not known.
func (t *task) isCurrent(pod *corev1.Pod) *bool {
	set := t.statefulSet
	if set == nil || set.Status.ObservedGeneration != set.Generation || set.Status.UpdateRevision == "" {
		return nil
	}
	return new(pod.Labels[revisionLabel] == set.Status.UpdateRevision)
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// judge finds out what keeps the cluster from being Ready, and sets the conditions that
// say one fact each.
func (t *task) judge() {
	n := t.count()
	quorum := t.quorum(n)
	t.judgeFacts(n, quorum)
	t.recordUpgrade(n)
	if len(t.problems) > 0 {
		return
	}
	want := int(t.want())
	duty := t.dutyProblem()
	recovers := t.recoveryPhase().Active()
	switch {
	case recovers && t.paused():
		t.addProblem(waiting(ReasonPaused, "The cluster is paused (spec.paused), and nothing is changed. What is next without that: "+t.recoveryProblem().Message, t.opts.RecheckInterval))
	case recovers:
		t.addProblem(t.recoveryProblem())
	case t.paused() && t.step.Action != machine.Finished:
		t.addProblem(waiting(ReasonPaused, "The cluster is paused (spec.paused), and its servers are not all started. Nothing is changed.", t.opts.RecheckInterval))
	case !t.initialized():
		t.addProblem(waiting(ReasonStarting, "The first server starts.", startInterval))
	case duty != nil && t.duty.Duty == machine.Hold && (quorum || t.duty.Cause != machine.RollStuck):
		t.addProblem(duty)
	case t.step.Action == machine.Complete:
		// Who votes is asked from the next look on. Until then, one server of several looks
		// like a lost quorum.
		t.addProblem(waiting(ReasonStarting, "The first server is initialized.", startInterval))
	case !quorum:
		t.addProblem(waiting(ReasonNoQuorum, fmt.Sprintf("%d of %d servers are unsealed, and %s. Nobody can write. What the servers say: %s%s",
			n.unsealed, want, leaders(n.leaders), t.logCommand(), t.recoveryAdvice()), 2*startInterval))
	case !t.membership.known:
		why := "it was not asked yet"
		if t.membership.problem != nil {
			why = strings.TrimRight(t.membership.problem.Error(), ".")
		}
		t.addProblem(waiting(ReasonUnknown, text.Sentence(fmt.Sprintf("Who votes could not be read from the leader: %s", why)), 5*startInterval))
	case t.paused() && duty != nil && t.duty.Duty != machine.Await:
		t.addProblem(waiting(ReasonPaused, "The cluster is paused (spec.paused), and nothing is changed. What is next without that: "+duty.Message, t.opts.RecheckInterval))
	case duty != nil:
		t.addProblem(duty)
	case t.statefulSet != nil && t.statefulSet.Status.ObservedGeneration != t.statefulSet.Generation:
		// What was just asked for must not be reported to have come about.
		t.addProblem(waiting(ReasonRolling, "The StatefulSet of the servers has changed, and it is not known yet which pods are to be replaced for it.", startInterval))
	case n.voters < want:
		t.addProblem(waiting(ReasonScaling, fmt.Sprintf("%d of %d servers vote. One that has just joined votes when it has been healthy for a while (spec.configuration.raft.autopilot.serverStabilizationTime).",
			n.voters, want), 2*startInterval))
	case n.unsealedVoters < want:
		// Most of what changes that changes a pod, which wakes the cluster.
		t.addProblem(waiting(ReasonDegraded, fmt.Sprintf("%d of %d servers are sealed or do not answer; the others do the work. %s",
			want-n.unsealedVoters, want, t.logCommand()), 10*startInterval))
	default:
		t.judgeAuthorization()
	}
}

// quorum reports whether enough servers are unsealed for the cluster to work, with one
// leader.
func (t *task) quorum(n tally) bool {
	if n.leaders != 1 {
		return false
	}
	if !t.membership.known {
		return n.unsealed > int(t.want())/2
	}
	all := 0
	for _, p := range t.membership.peers {
		all += boolInt(p.Voter)
	}
	return all > 0 && n.unsealedVoters > all/2
}

func leaders(n int) string {
	switch n {
	case 0:
		return "none says that it is the leader"
	case 1:
		return "one is the leader"
	}
	return fmt.Sprintf("%d say that they are the leader", n)
}

func (t *task) logCommand() string {
	return fmt.Sprintf("kubectl -n %s logs -l openbao.org/cluster=%s,openbao.org/component=server --prefix --tail=20", t.obj.Namespace, t.obj.Name)
}

// judgeAuthorization takes over what the bootstrapper says.
func (t *task) judgeAuthorization() {
	condition := meta.FindStatusCondition(t.obj.Status.Conditions, openbaov1alpha1.ConditionAuthorizationReady)
	if condition == nil || condition.ObservedGeneration != t.obj.Generation {
		t.addProblem(&reconcile.Problem{Reason: ReasonNotProved, Next: reconcile.After(t.opts.RecheckInterval),
			Message: "The servers run. What their identities may do is not proved yet."})
		return
	}
	if condition.Status != metav1.ConditionTrue {
		t.addProblem(&reconcile.Problem{Reason: condition.Reason, Message: condition.Message, Next: reconcile.After(t.opts.RecheckInterval)})
		return
	}
	record := t.obj.Status.Authorization
	if record == nil || len(record.Identities) == 0 {
		t.addProblem(waiting(ReasonNotProved, "The servers run. What their identities may do is not proved yet.", t.opts.RecheckInterval))
		return
	}
	for _, identity := range record.Identities {
		if identity.Identity == string(authz.RemovePeer) {
			// Without it a server stays that could leave, and the cluster is as good as it was.
			continue
		}
		if identity.State != openbaov1alpha1.Proved {
			t.addProblem(waiting(ReasonNotProved, text.Sentence(fmt.Sprintf("The identity of role %s is not proved: %s", identity.Role, identity.Message)), t.opts.RecheckInterval))
			return
		}
	}
}

// authorization is what this package takes over from the bootstrapper.
type authorization struct {
	status          metav1.ConditionStatus
	reason, message string
	generation      int64
	proofs          string
}

func authorizationOf(obj *openbaov1alpha1.OpenBaoCluster) authorization {
	var a authorization
	if c := meta.FindStatusCondition(obj.Status.Conditions, openbaov1alpha1.ConditionAuthorizationReady); c != nil {
		a.status, a.reason, a.message, a.generation = c.Status, c.Reason, c.Message, c.ObservedGeneration
	}
	if record := obj.Status.Authorization; record != nil {
		var proofs strings.Builder
		for _, i := range record.Identities {
			fmt.Fprintf(&proofs, "%s=%s:%s;", i.Role, i.State, i.Message)
		}
		a.proofs = proofs.String()
	}
	return a
}

// judgeFacts sets the conditions that say one fact each.
func (t *task) judgeFacts(n tally, quorum bool) {
	condition := func(conditionType string, status metav1.ConditionStatus, reason, message string) {
		t.setCondition(metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: message})
	}
	is := func(b bool) metav1.ConditionStatus {
		if b {
			return metav1.ConditionTrue
		}
		return metav1.ConditionFalse
	}
	switch {
	case t.certificate.Serial == "":
		condition(openbaov1alpha1.ConditionTLSReady, metav1.ConditionFalse, ReasonCertificateInvalid, "There is no certificate for the servers yet.")
	case len(n.stale) > 0:
		condition(openbaov1alpha1.ConditionTLSReady, metav1.ConditionFalse, ReasonRotating, fmt.Sprintf(
			"These servers still show an earlier certificate than %s: %s. Those below OpenBao 2.7 read it when they are started, so they are started again, one after the other and the leader last.",
			t.certificate.Serial, strings.Join(n.stale, ", ")))
	default:
		message := fmt.Sprintf("The certificate %s is valid until %s.", t.certificate.Serial, t.certificate.NotAfter.UTC().Format("2006-01-02 15:04 MST"))
		if t.tlsWaiting != "" {
			message += " " + text.Sentence(text.Capital(t.tlsWaiting))
		}
		condition(openbaov1alpha1.ConditionTLSReady, metav1.ConditionTrue, ReasonCurrent, message)
	}
	condition(openbaov1alpha1.ConditionAvailable, is(quorum), map[bool]string{true: ReasonRunning, false: ReasonNoQuorum}[quorum],
		fmt.Sprintf("%d of %d servers are unsealed, and %s.", n.unsealed, t.want(), leaders(n.leaders)))
	condition(openbaov1alpha1.ConditionOpenBaoInitialized, is(t.initialized()), map[bool]string{true: ReasonInitialized, false: ReasonStarting}[t.initialized()], "")
	sealed := len(t.servers) - n.unsealed
	condition(openbaov1alpha1.ConditionOpenBaoSealed, is(sealed > 0), map[bool]string{true: ReasonSealed, false: ReasonUnsealed}[sealed > 0],
		fmt.Sprintf("%d of %d servers are sealed or do not answer.", sealed, len(t.servers)))
	switch n.leaders {
	case 1:
		condition(openbaov1alpha1.ConditionOpenBaoLeader, metav1.ConditionTrue, ReasonLeaderFound, "The leader is "+t.obj.Status.ActiveLeader+".")
	case 0:
		condition(openbaov1alpha1.ConditionOpenBaoLeader, metav1.ConditionUnknown, ReasonUnknown, "No server says that it is the leader.")
	default:
		condition(openbaov1alpha1.ConditionOpenBaoLeader, metav1.ConditionFalse, ReasonMultipleLeaders, text.Sentence(text.Capital(leaders(n.leaders))))
	}
}
