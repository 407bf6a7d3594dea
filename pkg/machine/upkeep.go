// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"cmp"
	"slices"
	"time"
)

// Duty is what is to be done for a cluster that is initialized.
type Duty string

const (
	// Resize makes the StatefulSet have UpkeepStep.Replicas servers.
	Resize Duty = "Resize"
	// Replace deletes the pod of a server, which the StatefulSet controller makes again.
	Replace Duty = "Replace"
	// DropVolume deletes the volume of a server, and its pod, which keeps the volume.
	DropVolume Duty = "DropVolume"
	// BeginRemoval records that a server is to leave, for which it gets the right to be
	// removed.
	BeginRemoval Duty = "BeginRemoval"
	// StepDown has the leader hand over without ending.
	StepDown Duty = "StepDown"
	// RemovePeer takes it out of the cluster.
	RemovePeer Duty = "RemovePeer"
	// NoteRemoved records that the leader does not list it any more.
	NoteRemoved Duty = "NoteRemoved"
	// EndRemoval deletes the record: the server is gone, or stays.
	EndRemoval Duty = "EndRemoval"
	// Rest means that there is nothing to do.
	Rest Duty = "Rest"
	// Await means that something has to happen by itself first.
	Await Duty = "Await"
	// Hold means that a person has to do something.
	Hold Duty = "Hold"
)

// Cause says why there is an UpkeepStep.
type Cause string

const (
	// Unseen: the leader could not be asked who is part of the cluster.
	Unseen Cause = "Unseen"
	// AnotherCluster: a server is part of another cluster than is recorded.
	AnotherCluster Cause = "AnotherCluster"
	// NotServing: the pod of an earlier revision runs no server, or one that is sealed or
	// empty.
	NotServing Cause = "NotServing"
	// Guarded: the quorum guard says no.
	Guarded Cause = "Guarded"
	// VolumeGone: what the volume of a server was bound to is gone.
	VolumeGone Cause = "VolumeGone"
	// Stranded: a server holds data of this cluster, and the leader does not list it. It
	// never joins again by itself (raft.go of OpenBao: a storage with state joins nothing).
	Stranded Cause = "Stranded"
	// StrandedUnknown: the same, but whose data it is is not known.
	StrandedUnknown Cause = "StrandedUnknown"
	// Growing: more servers are wanted.
	Growing Cause = "Growing"
	// Joining: a server has not become a voter yet.
	Joining Cause = "Joining"
	// Shrinking: fewer servers are wanted.
	Shrinking Cause = "Shrinking"
	// LeaderLeaves: the leader is to leave, and hands over first.
	LeaderLeaves Cause = "LeaderLeaves"
	// RightMissing: the right to remove the server is not proved yet.
	RightMissing Cause = "RightMissing"
	// Reverted: the server is wanted again.
	Reverted Cause = "Reverted"
	// CertificateRefused: a server shows a certificate that cannot be verified, and has to be
	// started again to show another.
	CertificateRefused Cause = "CertificateRefused"
	// Rolling: pods are being replaced, one after the other.
	Rolling Cause = "Rolling"
	// RollWaits: the next pod is replaced once the last one is verified.
	RollWaits Cause = "RollWaits"
	// RollEnds: all pods are replaced, and the roll is over once the last one is verified.
	RollEnds Cause = "RollEnds"
	// RollStuck: the last one takes longer than it may.
	RollStuck Cause = "RollStuck"
	// NotProved: the identities of the contract are not proved.
	NotProved Cause = "NotProved"
)

// UpkeepStep is the next step.
type UpkeepStep struct {
	Duty  Duty
	Cause Cause
	// Ordinal is that of the server that it is about, -1 where it is about none.
	Ordinal int
	// Replicas is for Resize.
	Replicas int32
	// Verdict is for Guarded.
	Verdict Verdict
}

const (
	// strandedPatience is how long a server may hold data without being listed. One that
	// joins is listed before it gets its first entry.
	strandedPatience = time.Minute
	// rollPatience is how long a server may take until it is verified.
	rollPatience = 10 * time.Minute
)

// Upkeep is what is known of a cluster that is initialized.
type Upkeep struct {
	View
	// Want is how many servers the spec asks for, and Replicas how many the StatefulSet
	// has.
	Want, Replicas int32
	// Removing is the ordinal of the server that is recorded to leave, -1 if none is, and
	// Removed that the leader was seen not to list it any more.
	Removing int
	Removed  bool
	// Replacing says that it leaves to join again without data.
	Replacing bool
	// MayRemove says that the right to remove that server is proved.
	MayRemove bool
	// Proved says that all identities of the contract are, for the contract of now.
	Proved bool
	// Rolls says that pods had to be replaced at an earlier look, and that not all servers
	// were seen verified since: the roll ends with its last pod.
	Rolls bool
	// Fixed says that no server comes or goes for good, whatever Want is: the spec, which
	// would say so, has a mistake.
	Fixed bool
}

// Rolling reports whether a roll is under way, which is Rolls at the next look.
func (u Upkeep) Rolling() bool {
	if len(u.due()) > 0 {
		return true
	}
	for i := range int(u.Replicas) {
		if !u.server(i).Verified() {
			return u.Rolls
		}
	}
	return false
}

// Next returns the next step. At most one server is disturbed at a time.
func (u Upkeep) Next() UpkeepStep {
	slices.SortFunc(u.Servers, func(a, b Server) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	for _, s := range u.Servers {
		if s.Foreign {
			return about(Hold, AnotherCluster, s.Ordinal)
		}
	}
	// A server that takes no part contributes nothing that could be lost. Without this, no
	// mistake that keeps all of them sealed could be put right.
	for _, s := range u.Servers {
		if s.Pod && !s.Ending && s.Outdated && !s.VolumeEnding && (!s.Running || s.Answers && (s.Sealed || !s.Initialized)) {
			return about(Replace, NotServing, s.Ordinal)
		}
	}
	// What one thing waits for may be what a later one brings about: a change of the spec
	// can be what lets a server work without which no other may leave.
	out := UpkeepStep{Duty: Rest, Ordinal: -1}
	for _, decide := range []func() (UpkeepStep, bool){u.removal, u.volumes, u.stranded, u.size, u.certificates, u.roll} {
		step, ok := decide()
		switch {
		case !ok:
		case step.Duty != Await && step.Duty != Hold:
			return step
		case out.Duty == Rest:
			out = step
		}
	}
	return out
}

func about(duty Duty, cause Cause, ordinal int) UpkeepStep {
	return UpkeepStep{Duty: duty, Cause: cause, Ordinal: ordinal}
}

// guarded returns a step if the quorum guard lets it pass, and otherwise what to wait for.
func (u Upkeep) guarded(effect Effect, step UpkeepStep) UpkeepStep {
	verdict := u.Guard(step.Ordinal, effect)
	switch {
	case verdict.Allowed:
		return step
	case !verdict.Known:
		return about(Await, Unseen, step.Ordinal)
	}
	return UpkeepStep{Duty: Await, Cause: Guarded, Ordinal: step.Ordinal, Verdict: verdict}
}

func (u Upkeep) server(ordinal int) Server {
	for _, s := range u.Servers {
		if s.Ordinal == ordinal {
			return s
		}
	}
	return Server{Ordinal: ordinal}
}

// removal goes on with the server that leaves.
func (u Upkeep) removal() (UpkeepStep, bool) {
	if u.Removing < 0 {
		return UpkeepStep{}, false
	}
	s := u.server(u.Removing)
	switch {
	case u.Removed && u.Replacing:
		return u.afterReplacement(s), true
	case u.Removed && u.Fixed:
		return about(Await, Shrinking, s.Ordinal), true
	case u.Removed:
		return u.afterRemoval(s), true
	case !u.Known:
		return about(Await, Unseen, s.Ordinal), true
	case !s.Peer:
		return about(NoteRemoved, u.why(), s.Ordinal), true
	case u.Replacing && !s.losesVolume(), !u.Replacing && (u.Fixed || u.wanted(s.Ordinal)):
		return about(EndRemoval, Reverted, s.Ordinal), true
	case !u.MayRemove:
		return about(Await, RightMissing, s.Ordinal), true
	case s.leads() && s.VolumeEnding:
		// Its pod must not end before it has left, since its data would be gone.
		return u.giveWay(u.guarded(u.leaving(), about(StepDown, LeaderLeaves, s.Ordinal))), true
	case s.leads():
		return u.giveWay(u.guarded(Restarts, about(Replace, LeaderLeaves, s.Ordinal))), true
	}
	return u.giveWay(u.guarded(u.leaving(), about(RemovePeer, u.why(), s.Ordinal))), true
}

func (u Upkeep) leaving() Effect {
	if u.Replacing {
		return LeavesForNow
	}
	return Leaves
}

func (u Upkeep) why() Cause {
	if u.Replacing {
		return VolumeGone
	}
	return Shrinking
}

// wanted reports whether the spec asks for the server of an ordinal.
func (u Upkeep) wanted(ordinal int) bool { return ordinal < int(u.Want) }

// losesVolume reports whether what a server has on its volume is lost, or will be with its
// pod.
func (s Server) losesVolume() bool {
	return s.VolumeEnding || s.VolumeLost && !s.Running
}

// giveWay lets go of a server that cannot leave now where another one can begin again, and
// may be what is missing.
func (u Upkeep) giveWay(step UpkeepStep) UpkeepStep {
	if step.Cause != Guarded {
		return step
	}
	for _, other := range u.Servers {
		if other.Ordinal != step.Ordinal && other.Peer && other.losesVolume() && u.Guard(other.Ordinal, LeavesForNow).Allowed {
			return about(EndRemoval, Reverted, step.Ordinal)
		}
	}
	return step
}

// afterRemoval takes away what is left of a server that is no peer any more: its data
// would keep a later server of the same name from joining.
func (u Upkeep) afterRemoval(s Server) UpkeepStep {
	switch {
	case u.Known && s.Peer, int(u.Replicas) > s.Ordinal+1:
		// It has joined again, or there are others after it now.
		return about(EndRemoval, Reverted, s.Ordinal)
	case int(u.Replicas) > s.Ordinal && (!u.Known || s.Ordinal < 1):
		return about(Await, Unseen, s.Ordinal)
	case int(u.Replicas) > s.Ordinal:
		step := about(Resize, Shrinking, s.Ordinal)
		step.Replicas = u.Replicas - 1
		return step
	case s.Pod || s.VolumeEnding:
		return about(Await, Shrinking, s.Ordinal)
	case s.Volume != "" && !u.Known:
		return about(Await, Unseen, s.Ordinal)
	case s.Volume != "":
		return u.guarded(LosesData, about(DropVolume, Shrinking, s.Ordinal))
	}
	return about(EndRemoval, Shrinking, s.Ordinal)
}

// afterReplacement lets a server that is no peer any more begin again.
func (u Upkeep) afterReplacement(s Server) UpkeepStep {
	switch {
	case u.Known && s.Peer, !s.losesVolume():
		return about(EndRemoval, VolumeGone, s.Ordinal)
	case !u.Known:
		return about(Await, Unseen, s.Ordinal)
	case !s.VolumeEnding:
		return u.guarded(LosesData, about(DropVolume, VolumeGone, s.Ordinal))
	case s.Pod && !s.Ending:
		// The claim goes with the last pod that uses it.
		return u.guarded(LosesData, about(Replace, VolumeGone, s.Ordinal))
	}
	return about(Await, VolumeGone, s.Ordinal)
}

// volumes lets a server begin again whose volume is gone, or will be with its pod. It
// leaves the cluster before: see LosesData. Where somebody has deleted the volumes of all
// servers, each gets back from the others what it loses.
func (u Upkeep) volumes() (UpkeepStep, bool) {
	var gone []Server
	for _, s := range u.Servers {
		if s.losesVolume() && int(u.Replicas) > s.Ordinal {
			gone = append(gone, s)
		}
	}
	if len(gone) == 0 || u.Removing >= 0 {
		return UpkeepStep{}, false
	}
	// One that does not work any more is the first, and the leader is the last.
	slices.SortStableFunc(gone, func(a, b Server) int {
		return cmp.Or(cmp.Compare(count(a.works()), count(b.works())), cmp.Compare(count(a.leads()), count(b.leads())))
	})
	s := gone[0]
	switch {
	case u.Known && !s.Peer && s.VolumeEnding && s.Pod && !s.Ending:
		return u.guarded(LosesData, about(Replace, VolumeGone, s.Ordinal)), true
	case u.Known && !s.Peer && s.VolumeEnding:
		return about(Await, VolumeGone, s.Ordinal), true
	case u.Known && !s.Peer:
		return u.guarded(LosesData, about(DropVolume, VolumeGone, s.Ordinal)), true
	case s.VolumeEnding && (!s.Pod || s.Ending):
		// It goes by itself now.
		return about(Await, VolumeGone, s.Ordinal), true
	}
	return u.guarded(LeavesForNow, about(BeginRemoval, VolumeGone, s.Ordinal)), true
}

// stranded lets a server begin again that is not part of the cluster although it was.
func (u Upkeep) stranded() (UpkeepStep, bool) {
	if !u.Known {
		return UpkeepStep{}, false
	}
	for _, s := range u.Servers {
		if s.Ordinal == u.Removing || s.Peer || !s.Answers || !s.Initialized || s.StrandedFor < strandedPatience || s.Volume == "" || s.VolumeEnding {
			continue
		}
		// Where a person has made few servers go on alone, others may have more.
		if !s.Ours && !s.VolumeOurs || u.voters() < int(u.Want)/2+1 {
			return about(Hold, StrandedUnknown, s.Ordinal), true
		}
		return u.guarded(LosesData, about(DropVolume, Stranded, s.Ordinal)), true
	}
	return UpkeepStep{}, false
}

// size makes the cluster larger or smaller, one server at a time. The servers that follow
// the first one at a first start come all at once: nobody else could be disturbed.
func (u Upkeep) size() (UpkeepStep, bool) {
	grow := func(to int32) (UpkeepStep, bool) {
		step := about(Resize, Growing, -1)
		step.Replicas = to
		return step, true
	}
	switch {
	case u.Removing >= 0, u.Fixed:
		return UpkeepStep{}, false
	case u.Replicas < 1:
		// Somebody has scaled it to nothing, which loses no data.
		return grow(u.Want)
	case u.Replicas < u.Want && u.Replicas == 1:
		return grow(u.Want)
	case u.Replicas < u.Want:
		if step, waits := u.joining(); waits {
			return step, true
		}
		return grow(u.Replicas + 1)
	case u.Replicas > u.Want:
		return u.guarded(Leaves, about(BeginRemoval, Shrinking, int(u.Replicas)-1)), true
	}
	// Somebody has scaled the StatefulSet, and the cluster still counts on who is gone.
	if u.Known && len(u.Servers) > 0 {
		if last := u.Servers[len(u.Servers)-1]; last.Peer && last.Ordinal >= int(u.Replicas) {
			return u.guarded(Leaves, about(BeginRemoval, Shrinking, last.Ordinal)), true
		}
	}
	return UpkeepStep{}, false
}

func (u Upkeep) voters() int {
	n := 0
	for _, s := range u.Servers {
		n += count(s.Voter)
	}
	return n
}

// certificates starts servers again that show a certificate which cannot be verified, so
// that nothing can be asked of them. Kubernetes says which of them are ready: it does not
// verify certificates.
func (u Upkeep) certificates() (UpkeepStep, bool) {
	next := -1
	for _, s := range u.Servers {
		if s.Refused && s.Restart && s.Pod && !s.Ending {
			next = s.Ordinal
		}
	}
	if next < 0 {
		return UpkeepStep{}, false
	}
	for i := range int(u.Replicas) {
		s := u.server(i)
		usable := s.Pod && !s.Ending && s.Running && s.Ready && !s.VolumeEnding
		if !usable || !(s.Refused && s.Restart) && !(s.Answers && s.Initialized && !s.Sealed) {
			return about(Await, RollWaits, i), true
		}
	}
	return about(Replace, CertificateRefused, next), true
}

// joining says which server is to become a voter before the next one comes.
func (u Upkeep) joining() (UpkeepStep, bool) {
	if !u.Known {
		return about(Await, Unseen, -1), true
	}
	for i := range int(u.Replicas) {
		if s := u.server(i); !s.Voter || !s.works() {
			return about(Await, Joining, i), true
		}
	}
	return UpkeepStep{}, false
}

// due are the servers whose pods have to be replaced.
func (u Upkeep) due() []Server {
	var due []Server
	for _, s := range u.Servers {
		if s.Pod && !s.Ending && (s.Outdated || s.Restart) {
			due = append(due, s)
		}
	}
	return due
}

// roll replaces the pods that have to be, the standbys first and the leader last. One that
// does not work as it should is the first.
func (u Upkeep) roll() (UpkeepStep, bool) {
	due := u.due()
	if len(due) == 0 && !u.Rolls {
		return UpkeepStep{}, false
	}
	// What is replaced already comes first. Of the others, one that is away counts as well:
	// at most one server is away because of a roll.
	for i := range int(u.Replicas) {
		s := u.server(i)
		if slices.ContainsFunc(due, func(d Server) bool { return d.Ordinal == i }) || s.Verified() {
			continue
		}
		switch {
		case s.UnwellFor >= rollPatience:
			return about(Hold, RollStuck, i), true
		case len(due) == 0:
			return about(Await, RollEnds, i), true
		}
		return about(Await, RollWaits, i), true
	}
	if len(due) == 0 {
		return UpkeepStep{}, false
	}
	if !u.Known {
		return about(Await, Unseen, -1), true
	}
	slices.SortFunc(due, func(a, b Server) int {
		return cmp.Or(
			cmp.Compare(count(a.leads()), count(b.leads())),
			cmp.Compare(count(a.Verified()), count(b.Verified())),
			cmp.Compare(b.Ordinal, a.Ordinal),
		)
	})
	next := due[0]
	if !u.Proved && next.Verified() && next.Outdated {
		return about(Await, NotProved, next.Ordinal), true
	}
	return u.guarded(Restarts, about(Replace, Rolling, next.Ordinal)), true
}
