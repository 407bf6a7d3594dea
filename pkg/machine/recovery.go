// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// RecoveryPhase is how far the recovery of a lost quorum has come, as it is recorded.
type RecoveryPhase string

const (
	// Refused means that it was asked for while a server led. It stays so until it is not
	// asked for any more: the next election is no reason to stop the servers.
	Refused RecoveryPhase = "Refused"
	// Stopping means that the servers are being stopped, so that none can come back.
	Stopping RecoveryPhase = "Stopping"
	// Inspecting means that Jobs read what is on the volumes.
	Inspecting RecoveryPhase = "Inspecting"
	// Planned means that there is a plan, which waits for a person.
	Planned RecoveryPhase = "Planned"
	// Returning means that the servers are started again as they were.
	Returning RecoveryPhase = "Returning"
	// Preparing means that the plan is approved, and that a Job makes the survivor the only
	// voter. Servers never start again as they were from then on.
	Preparing RecoveryPhase = "Preparing"
	// Prepared means that this is done, and that the Jobs are being removed: one that came
	// late would make the survivor the only voter again, when others vote.
	Prepared RecoveryPhase = "Prepared"
	// Starting means that the survivor is started, alone.
	Starting RecoveryPhase = "Starting"
	// Deleting means that it was seen to lead the cluster, and that the volumes of the others
	// are being deleted.
	Deleting RecoveryPhase = "Deleting"
	// Rejoining means that the other servers are started, on empty volumes.
	Rejoining RecoveryPhase = "Rejoining"
	// Completed means that the others are started. They join as any server does.
	Completed RecoveryPhase = "Completed"
)

// Active reports whether the recovery decides which servers run, and nothing else does.
func (p RecoveryPhase) Active() bool { return p != "" && p != Refused && p != Completed }

// RecoveryVerdict is what is on a volume.
type RecoveryVerdict string

const (
	// Survivor is the volume that the cluster goes on with.
	Survivor RecoveryVerdict = "Survivor"
	// Behind is one with data that ends earlier, or at the same entry.
	Behind RecoveryVerdict = "Behind"
	// Empty is one without data.
	Empty RecoveryVerdict = "Empty"
	// Unreadable is one whose data is damaged.
	Unreadable RecoveryVerdict = "Unreadable"
	// Unreachable is one that no pod could be started with in time. It may have anything.
	Unreachable RecoveryVerdict = "Unreachable"
	// Lost is one that is gone or is being deleted.
	Lost RecoveryVerdict = "Lost"
)

// Position is that of an entry in the log.
type Position struct{ Index, Term uint64 }

func (p Position) before(other Position) bool {
	return p.Term < other.Term || p.Term == other.Term && p.Index < other.Index
}

// JobState is how far a Job is.
type JobState int

const (
	// NoJob means that there is none.
	NoJob JobState = iota
	// JobRuns means that it has not ended.
	JobRuns
	// JobDone means that it has done what it is for.
	JobDone
	// JobAgain means that it failed, and may succeed if it is run again.
	JobAgain
	// JobFailed means that a person has to see to it.
	JobFailed
)

// Inspection is what a Job found on a volume.
type Inspection struct {
	Empty                   bool
	Unreadable, Unreachable bool
	Last                    Position
}

// RecoveryServer is what is known of a server whose cluster has lost its quorum.
type RecoveryServer struct {
	Ordinal int
	// Pod says that it has one, whatever that does.
	Pod bool
	// Volume is the UID of its PersistentVolumeClaim, empty if there is none. VolumeEnding
	// says that it is being deleted, and VolumeLost that what it was bound to is gone.
	Volume                   string
	VolumeEnding, VolumeLost bool
	// Job is that of the phase, for this very volume.
	Job JobState
	// Inspection is what the Job of Inspecting found.
	Inspection *Inspection
}

// usable reports whether there is something to read.
func (s RecoveryServer) usable() bool { return s.Volume != "" && !s.VolumeEnding && !s.VolumeLost }

// PlannedServer is what a plan says of a server.
type PlannedServer struct {
	Ordinal int
	// Volume is the UID of its PersistentVolumeClaim, empty if it has none.
	Volume  string
	Verdict RecoveryVerdict
	Last    Position
}

// Deletes reports whether the plan has the volume deleted. What is empty can stay: a server
// joins with it.
func (p PlannedServer) Deletes() bool {
	return p.Volume != "" && p.Verdict != Survivor && p.Verdict != Empty
}

// RecoveryAction is what is to be done next.
type RecoveryAction string

const (
	// Leave means that the recovery has nothing to do, and other upkeep goes on.
	Leave RecoveryAction = "Leave"
	// NotePhase records RecoveryStep.Phase.
	NotePhase RecoveryAction = "NotePhase"
	// BeginRecovery records a new operation, with the phase Stopping.
	BeginRecovery RecoveryAction = "BeginRecovery"
	// NotePlan records the plan of what was found.
	NotePlan RecoveryAction = "NotePlan"
	// NoteSettled ends a record that is about nothing any more.
	NoteSettled RecoveryAction = "NoteSettled"
	// RunJob creates the Job of the phase for the volume of RecoveryStep.Ordinal.
	RunJob RecoveryAction = "RunJob"
	// RunJobAgain deletes one that may succeed if it is run again.
	RunJobAgain RecoveryAction = "RunJobAgain"
	// DropJobs deletes all Jobs.
	DropJobs RecoveryAction = "DropJobs"
	// DeleteVolume deletes the volume of RecoveryStep.Ordinal, whose UID is in the plan.
	DeleteVolume RecoveryAction = "DeleteVolume"
	// AwaitRecovery means that something has to happen by itself first.
	AwaitRecovery RecoveryAction = "AwaitRecovery"
	// HoldRecovery means that a person has to do something.
	HoldRecovery RecoveryAction = "HoldRecovery"
)

// RecoveryCause says why there is a step.
type RecoveryCause string

const (
	// HasLeader: the cluster has a leader, and needs no recovery.
	HasLeader RecoveryCause = "HasLeader"
	// PerhapsElecting: it has had none for too short a time to be sure.
	PerhapsElecting RecoveryCause = "PerhapsElecting"
	// NoPlan: what is approved is no plan that there is.
	NoPlan RecoveryCause = "NoPlan"
	// PodsRemain: pods of servers have not ended yet.
	PodsRemain RecoveryCause = "PodsRemain"
	// JobsRemain: Jobs have not ended yet.
	JobsRemain RecoveryCause = "JobsRemain"
	// JobRunning: the Job of a server has not ended yet.
	JobRunning RecoveryCause = "JobRunning"
	// JobHolds: the Job of a server failed.
	JobHolds RecoveryCause = "JobHolds"
	// NoSurvivor: no volume has data that can be read.
	NoSurvivor RecoveryCause = "NoSurvivor"
	// AwaitsApproval: a person is to approve the plan.
	AwaitsApproval RecoveryCause = "AwaitsApproval"
	// WrongHash: what is approved is another plan.
	WrongHash RecoveryCause = "WrongHash"
	// NoReturn: a plan was approved before, so that the servers cannot be started as they
	// were.
	NoReturn RecoveryCause = "NoReturn"
	// SurvivorLost: the volume that the cluster was to go on with is gone.
	SurvivorLost RecoveryCause = "SurvivorLost"
	// VolumeUnplanned: there is a volume that the plan does not know, and its server may count
	// on others than the survivor.
	VolumeUnplanned RecoveryCause = "VolumeUnplanned"
	// SurvivorStarts: the survivor is not seen to lead the cluster alone yet.
	SurvivorStarts RecoveryCause = "SurvivorStarts"
	// VolumeGoes: a volume is being deleted.
	VolumeGoes RecoveryCause = "VolumeGoes"
	// ServersReturn: the StatefulSet does not have all servers yet.
	ServersReturn RecoveryCause = "ServersReturn"
)

// RecoveryStep is the next step.
type RecoveryStep struct {
	Action RecoveryAction
	Cause  RecoveryCause
	// Phase is for NotePhase.
	Phase RecoveryPhase
	// Ordinal is that of the server that it is about, -1 where it is about none.
	Ordinal int
}

// AskPlan is what asks for a plan. Anything else but nothing is the hash of one.
const AskPlan = "Plan"

// leaderlessPatience is for how long no server must have led before all are stopped. An
// election takes seconds.
const leaderlessPatience = 30 * time.Second

// Recovery is what is known of a cluster that may have lost its quorum.
type Recovery struct {
	// Asked is empty, AskPlan, or the hash of an approved plan.
	Asked string
	// Phase and Hash are recorded. Committed says that a plan was approved, of this
	// operation or of one before it that is not completed.
	Phase     RecoveryPhase
	Hash      string
	Committed bool
	// Plan is recorded, too.
	Plan []PlannedServer
	// Before is how many servers the StatefulSet had when the operation began, and Want how
	// many the spec asks for.
	Before, Want int32

	// Led says that a server says that it leads this cluster, and LeaderlessFor for how long
	// that was not so.
	Led           bool
	LeaderlessFor time.Duration
	// First and Replicas are the first ordinal and the number of the servers that the
	// StatefulSet is to have, and Settled that its controller has seen that and has no other
	// pods.
	First, Replicas int32
	Settled         bool
	// Jobs says that there is a Job of a recovery of this cluster, or a pod of one.
	Jobs bool
	// Servers are all that have a pod or a volume.
	Servers []RecoveryServer
	// Verified says that the survivor leads the recorded cluster, lists itself as the only
	// voter, and was asked with a login.
	Verified bool
}

// Survivor returns what the plan says of the survivor.
func (r Recovery) Survivor() (PlannedServer, bool) {
	i := slices.IndexFunc(r.Plan, func(p PlannedServer) bool { return p.Verdict == Survivor })
	if i < 0 {
		return PlannedServer{}, false
	}
	return r.Plan[i], true
}

// Layout is which servers the StatefulSet is to have while the recovery is active.
func (r Recovery) Layout() (first, replicas int32) {
	survivor, known := r.Survivor()
	ordinal := int32(survivor.Ordinal) //nolint:gosec // At most a few servers.
	switch {
	case r.Phase == Returning && !r.Jobs:
		return 0, r.Before
	case (r.Phase == Starting || r.Phase == Deleting) && known:
		return ordinal, 1
	case r.Phase == Rejoining && known:
		return 0, max(r.Want, ordinal+1)
	}
	return 0, 0
}

// MakePlan returns what would be done: the cluster goes on with the volume whose log ends
// last, and the others lose what they have.
func (r Recovery) MakePlan() []PlannedServer {
	var plan []PlannedServer
	best := -1
	for _, s := range r.Servers {
		p := PlannedServer{Ordinal: s.Ordinal, Volume: s.Volume, Verdict: Lost}
		if found := s.Inspection; s.usable() && found != nil {
			p.Last = found.Last
			switch {
			case found.Unreachable:
				p.Verdict = Unreachable
			case found.Unreadable:
				p.Verdict = Unreadable
			case found.Empty:
				p.Verdict = Empty
			default:
				p.Verdict = Behind
				if p.Last.Index > 0 && (best < 0 || plan[best].Last.before(p.Last)) {
					best = len(plan)
				}
			}
		}
		plan = append(plan, p)
	}
	if best >= 0 {
		plan[best].Verdict = Survivor
	}
	return plan
}

// PlanHash is what approves a plan, empty if there is nothing to approve. It covers all that
// is done, and the operation, so that it is good for one operation only.
func PlanHash(clusterUID, clusterID, operation string, plan []PlannedServer) (string, error) {
	if !slices.ContainsFunc(plan, func(p PlannedServer) bool { return p.Verdict == Survivor }) {
		return "", nil
	}
	raw, err := json.Marshal([]any{clusterUID, clusterID, operation, plan})
	if err != nil {
		return "", fmt.Errorf("hash a plan: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16]), nil
}

// Next returns the next step.
func (r Recovery) Next() RecoveryStep {
	switch r.Phase {
	case Stopping:
		return r.stopping()
	case Inspecting:
		return r.inspecting()
	case Planned:
		return r.planned()
	case Returning:
		return r.returning()
	case Preparing:
		return r.preparing()
	case Prepared, Starting, Deleting:
		return r.approved()
	case Rejoining:
		if first, replicas := r.Layout(); r.First != first || r.Replicas < replicas {
			return r.await(ServersReturn, -1)
		}
		return note(Completed)
	}
	return r.idle()
}

func note(phase RecoveryPhase) RecoveryStep {
	return RecoveryStep{Action: NotePhase, Phase: phase, Ordinal: -1}
}

func (r Recovery) await(cause RecoveryCause, ordinal int) RecoveryStep {
	return RecoveryStep{Action: AwaitRecovery, Cause: cause, Ordinal: ordinal}
}

func (r Recovery) hold(cause RecoveryCause, ordinal int) RecoveryStep {
	return RecoveryStep{Action: HoldRecovery, Cause: cause, Ordinal: ordinal}
}

func (r Recovery) leave(cause RecoveryCause) RecoveryStep {
	return RecoveryStep{Action: Leave, Cause: cause, Ordinal: -1}
}

// begin records a new operation, whose plan has another hash than any before.
func (r Recovery) begin() RecoveryStep { return RecoveryStep{Action: BeginRecovery, Ordinal: -1} }

// idle is Next while no recovery is under way.
func (r Recovery) idle() RecoveryStep {
	switch {
	case r.Asked == "" && r.Phase == Refused:
		return RecoveryStep{Action: NoteSettled, Ordinal: -1}
	case r.Asked == "", r.Phase == Completed && r.Asked == r.Hash:
		return r.leave("")
	case r.Asked != AskPlan:
		return r.leave(NoPlan)
	case r.Phase == Refused:
		return r.leave(HasLeader)
	case r.Led:
		return note(Refused)
	case r.LeaderlessFor < leaderlessPatience:
		return r.leave(PerhapsElecting)
	}
	return r.begin()
}

// withdrawn says what follows from its not being asked for any more.
func (r Recovery) withdrawn() (RecoveryStep, bool) {
	switch {
	case r.Asked != "":
		return RecoveryStep{}, false
	case r.Committed:
		return r.hold(NoReturn, -1), true
	}
	return note(Returning), true
}

// strayPod returns the ordinal of a server that has a pod and is not among those of the layout.
func (r Recovery) strayPod() (int, bool) {
	first, replicas := r.Layout()
	for _, s := range r.Servers {
		if s.Pod && (s.Ordinal < int(first) || s.Ordinal >= int(first+replicas)) {
			return s.Ordinal, true
		}
	}
	return 0, false
}

// stopped reports whether no server runs, or can come back, but for those of the layout.
func (r Recovery) stopped() (RecoveryStep, bool) {
	first, replicas := r.Layout()
	if ordinal, stray := r.strayPod(); stray {
		return r.await(PodsRemain, ordinal), false
	}
	if r.First != first || r.Replicas != replicas || !r.Settled {
		return r.await(PodsRemain, -1), false
	}
	return RecoveryStep{}, true
}

func (r Recovery) stopping() RecoveryStep {
	if step, yes := r.withdrawn(); yes {
		return step
	}
	if r.Led && !r.Committed {
		// It has found its quorum again in time.
		return note(Returning)
	}
	if step, ok := r.stopped(); !ok {
		return step
	}
	if r.Jobs {
		return RecoveryStep{Action: DropJobs, Cause: JobsRemain, Ordinal: -1}
	}
	return note(Inspecting)
}

func (r Recovery) inspecting() RecoveryStep {
	if step, yes := r.withdrawn(); yes {
		return step
	}
	if step, ok := r.stopped(); !ok {
		return step
	}
	out := RecoveryStep{Action: NotePlan, Ordinal: -1}
	for _, s := range r.Servers {
		if !s.usable() || s.Inspection != nil {
			continue
		}
		step := r.job(s)
		if step.Action == RunJob || step.Action == RunJobAgain {
			return step
		}
		// One that a person has to see to is more important than one that runs.
		if out.Action == NotePlan || step.Action == HoldRecovery {
			out = step
		}
	}
	return out
}

// job says what is next for the Job of a server.
func (r Recovery) job(s RecoveryServer) RecoveryStep {
	switch s.Job {
	case NoJob:
		return RecoveryStep{Action: RunJob, Ordinal: s.Ordinal}
	case JobAgain:
		return RecoveryStep{Action: RunJobAgain, Cause: JobRunning, Ordinal: s.Ordinal}
	case JobFailed:
		return r.hold(JobHolds, s.Ordinal)
	}
	return r.await(JobRunning, s.Ordinal)
}

func (r Recovery) server(ordinal int) RecoveryServer {
	for _, s := range r.Servers {
		if s.Ordinal == ordinal {
			return s
		}
	}
	return RecoveryServer{Ordinal: ordinal}
}

// outdated reports whether the volumes are others than those of the plan.
func (r Recovery) outdated() bool {
	for _, p := range r.Plan {
		s := r.server(p.Ordinal)
		if s.Volume != p.Volume || s.usable() == (p.Verdict == Lost) {
			return true
		}
	}
	return slices.ContainsFunc(r.Servers, func(s RecoveryServer) bool {
		return s.Volume != "" && !slices.ContainsFunc(r.Plan, func(p PlannedServer) bool { return p.Ordinal == s.Ordinal })
	})
}

// unplanned returns the ordinal of a server with a volume that the plan does not know.
func (r Recovery) unplanned(survivor int) (int, bool) {
	for _, s := range r.Servers {
		known := slices.ContainsFunc(r.Plan, func(p PlannedServer) bool { return p.Ordinal == s.Ordinal && p.Volume == s.Volume })
		if s.Volume != "" && s.Ordinal != survivor && !known {
			return s.Ordinal, true
		}
	}
	return 0, false
}

func (r Recovery) planned() RecoveryStep {
	if r.Asked == "" && r.Committed {
		// The servers can't go back. What can be read may be more by the time that a plan is
		// asked for again.
		return r.begin()
	}
	if step, yes := r.withdrawn(); yes {
		return step
	}
	if step, ok := r.stopped(); !ok {
		return step
	}
	_, known := r.Survivor()
	switch {
	case r.Jobs:
		return RecoveryStep{Action: DropJobs, Cause: JobsRemain, Ordinal: -1}
	case r.outdated():
		return r.begin()
	case !known || r.Hash == "":
		return r.hold(NoSurvivor, -1)
	case r.Asked == AskPlan:
		return r.hold(AwaitsApproval, -1)
	case r.Asked != r.Hash:
		return r.hold(WrongHash, -1)
	}
	return note(Preparing)
}

func (r Recovery) returning() RecoveryStep {
	first, replicas := r.Layout()
	switch {
	case r.Jobs:
		return RecoveryStep{Action: DropJobs, Cause: JobsRemain, Ordinal: -1}
	case r.First != first || r.Replicas != replicas:
		return r.await(ServersReturn, -1)
	case r.Asked != "":
		return note(Refused)
	}
	return RecoveryStep{Action: NoteSettled, Ordinal: -1}
}

// again says what follows from another plan being asked for after one was approved, which
// is how a person goes on where the survivor does not come up.
func (r Recovery) again() (RecoveryStep, bool) {
	if r.Asked != AskPlan || r.Led || r.Phase != Preparing && r.LeaderlessFor < leaderlessPatience {
		return RecoveryStep{}, false
	}
	return r.begin(), true
}

func (r Recovery) preparing() RecoveryStep {
	if step, yes := r.again(); yes {
		return step
	}
	if step, ok := r.stopped(); !ok {
		return step
	}
	survivor, known := r.Survivor()
	s := r.server(survivor.Ordinal)
	if !known || s.Volume != survivor.Volume || !s.usable() {
		return r.hold(SurvivorLost, survivor.Ordinal)
	}
	if s.Job == JobDone {
		return note(Prepared)
	}
	return r.job(s)
}

// approved is Next once the survivor is the only voter of its volume.
func (r Recovery) approved() RecoveryStep {
	survivor, known := r.Survivor()
	s := r.server(survivor.Ordinal)
	lost := !known || s.Volume != survivor.Volume || !s.usable()
	// From Deleting on, it was seen to lead: that it does not now is no reason for a plan.
	if r.Phase != Deleting || lost {
		if step, yes := r.again(); yes {
			return step
		}
	}
	// One that leads while its volume is being deleted goes on until its pod ends. The others
	// get what it has, where nothing is left that could be needed instead.
	if lost && (r.Phase != Deleting || !r.Verified || slices.ContainsFunc(r.Plan, r.hasToGo)) {
		return r.hold(SurvivorLost, survivor.Ordinal)
	}
	switch {
	case r.Phase == Prepared && r.Jobs:
		return RecoveryStep{Action: DropJobs, Cause: JobsRemain, Ordinal: -1}
	case r.Phase == Prepared:
		if step, ok := r.stopped(); !ok {
			return step
		}
		return note(Starting)
	}
	if step, ok := r.stopped(); !ok {
		return step
	}
	switch {
	case !r.Verified:
		return r.await(SurvivorStarts, survivor.Ordinal)
	}
	if ordinal, yes := r.unplanned(survivor.Ordinal); yes {
		return r.hold(VolumeUnplanned, ordinal)
	}
	switch {
	case r.Phase == Starting:
		return note(Deleting)
	}
	for _, p := range r.Plan {
		switch {
		case !r.hasToGo(p):
		case !r.server(p.Ordinal).VolumeEnding:
			return RecoveryStep{Action: DeleteVolume, Ordinal: p.Ordinal}
		default:
			return r.await(VolumeGoes, p.Ordinal)
		}
	}
	return note(Rejoining)
}

// hasToGo reports whether a volume is still there that the plan has deleted. One that the
// plan does not name is left alone.
func (r Recovery) hasToGo(p PlannedServer) bool {
	return p.Deletes() && r.server(p.Ordinal).Volume == p.Volume
}
