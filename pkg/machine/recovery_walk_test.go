// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// store is what is on a volume, and the part of the cluster that its server counts on.
type store struct {
	uid     string
	data    bool
	damaged bool
	last    Position
	voters  []int
	// alone says that a Job made the server the only voter when it starts next.
	alone  bool
	ending bool
	// job is that of the operation, and jobFor its phase.
	job    JobState
	jobFor RecoveryPhase
}

// bereft is a cluster that has lost its quorum, as Kubernetes and raft keep it.
type bereft struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand

	want, first, replicas int32
	stores                map[int]*store
	// pods says whether the node of a pod answers. One that does not goes on to run, and
	// does not end.
	pods  map[int]bool
	made  int
	asked string

	phase     RecoveryPhase
	operation int
	hash      string
	plan      []PlannedServer
	before    int32
	committed bool

	// prepared are the volumes that a Job of an approved plan wrote to, and completed counts
	// the recoveries.
	prepared  map[string]bool
	completed int
	hashes    map[string]int
	leaderFor time.Duration
}

func newBereft(t *testing.T, seed uint64) *bereft {
	b := &bereft{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), want: 3, replicas: 3, stores: map[int]*store{}, pods: map[int]bool{},
		prepared: map[string]bool{}, hashes: map[string]int{},
	}
	for i := range 3 {
		b.stores[i] = &store{uid: b.uid(), data: true, last: Position{Index: uint64(90 + b.rng.IntN(10)), Term: uint64(2 + b.rng.IntN(2))}, voters: []int{0, 1, 2}}
		b.pods[i] = true
	}
	lost := b.rng.Perm(3)
	for _, i := range lost[:2] {
		if b.rng.IntN(4) > 0 {
			b.stores[i] = &store{uid: b.uid()}
		} else {
			delete(b.stores, i)
			delete(b.pods, i)
		}
	}
	return b
}

func (b *bereft) uid() string {
	b.made++
	return fmt.Sprintf("volume-%d", b.made)
}

func (b *bereft) fail(format string, args ...any) {
	b.t.Helper()
	b.t.Fatalf("seed %d, %s: %s", b.seed, b.phase, fmt.Sprintf(format, args...))
}

// runs reports whether a server has data and a pod.
func (b *bereft) runs(i int) bool {
	_, pod := b.pods[i]
	return pod && b.stores[i] != nil && b.stores[i].data
}

// leaders are the sets of voters that have a majority that runs. Two that share no server
// could each elect a leader.
func (b *bereft) leaders() [][]int {
	var sets [][]int
	for i := range 9 {
		if !b.runs(i) {
			continue
		}
		voters := b.stores[i].voters
		working := 0
		for _, v := range voters {
			if b.runs(v) && slices.Equal(b.stores[v].voters, voters) {
				working++
			}
		}
		if working > len(voters)/2 && !slices.ContainsFunc(sets, func(s []int) bool { return slices.Equal(s, voters) }) {
			sets = append(sets, voters)
		}
	}
	return sets
}

// live does what happens by itself.
func (b *bereft) live() {
	for i := range 9 {
		s := b.stores[i]
		_, pod := b.pods[i]
		wanted := int32(i) >= b.first && int32(i) < b.first+b.replicas
		switch {
		case pod && !wanted && b.pods[i] && b.rng.IntN(2) == 0:
			delete(b.pods, i)
		case !pod && wanted && b.rng.IntN(2) == 0:
			if s == nil {
				s = &store{uid: b.uid()}
				b.stores[i] = s
			}
			if !s.ending {
				b.pods[i] = true
				if s.alone {
					s.alone, s.voters = false, []int{i}
				}
			}
		}
		if _, pod := b.pods[i]; s != nil && s.ending && !pod && s.job == NoJob {
			delete(b.stores, i)
		}
		if s != nil && s.job == JobRuns && b.rng.IntN(2) == 0 {
			b.end(i, s)
		}
	}
	sets := b.leaders()
	for i, one := range sets {
		for _, other := range sets[:i] {
			if !slices.ContainsFunc(one, func(v int) bool { return slices.Contains(other, v) }) {
				b.fail("%v and %v could each elect a leader", one, other)
			}
		}
	}
	if len(sets) == 1 {
		// Those without data join.
		for i := range 9 {
			if _, pod := b.pods[i]; pod && b.stores[i] != nil && !b.stores[i].data && b.phase == Completed && !slices.Contains(sets[0], i) {
				voters := append(slices.Clone(sets[0]), i)
				slices.Sort(voters)
				for _, v := range voters {
					if b.stores[v] != nil {
						b.stores[v].data, b.stores[v].voters, b.stores[v].last = true, voters, b.stores[sets[0][0]].last
					}
				}
				break
			}
		}
		b.leaderFor = 0
	} else {
		b.leaderFor += 20 * time.Second
	}
}

// end ends a Job.
func (b *bereft) end(i int, s *store) {
	switch b.rng.IntN(6) {
	case 0:
		s.job = JobAgain
	case 1:
		s.job = JobFailed
	default:
		s.job = JobDone
	}
	// What failed may have done its work before.
	if s.jobFor == Preparing && (s.job == JobDone || b.rng.IntN(2) == 0) {
		if _, pod := b.pods[i]; pod {
			b.fail("the Job of server %d wrote while it ran", i)
		}
		s.alone = true
	}
}

// people do what they like, most of the time what helps.
func (b *bereft) people(faults bool) {
	switch b.rng.IntN(12) {
	case 0, 1, 2, 3:
		if b.asked == "" && b.phase != Completed {
			b.asked = AskPlan
		}
	case 4, 5, 6:
		if b.phase == Planned && b.hash != "" {
			b.asked = b.hash
		}
	case 7:
		// A node comes back, or somebody deletes its pod.
		for i := range 9 {
			if alive, pod := b.pods[i]; pod && !alive {
				delete(b.pods, i)
			}
		}
		// A failed Job is deleted.
		for _, s := range b.stores {
			if s.job == JobFailed {
				s.job = NoJob
			}
		}
	case 8:
		if b.committed && b.phase.Active() && b.rng.IntN(4) == 0 {
			b.asked = AskPlan
		}
	}
	if !faults {
		return
	}
	i := b.rng.IntN(3)
	switch b.rng.IntN(60) {
	case 0:
		b.asked = ""
	case 1:
		b.asked = "0123456789abcdef0123456789abcdef"
	case 2:
		// A hash of before.
		for hash := range b.hashes {
			b.asked = hash
		}
	case 3:
		if _, pod := b.pods[i]; pod {
			b.pods[i] = false
		}
	case 4:
		if s := b.stores[i]; s != nil {
			s.ending = true
		}
	case 5:
		if _, pod := b.pods[i]; !pod {
			delete(b.stores, i)
		}
	case 6:
		if s := b.stores[i]; s != nil {
			s.damaged = true
		}
	case 7:
		// Somebody brings a volume back from elsewhere.
		if _, pod := b.pods[i]; !pod && b.phase != Completed && b.phase != Rejoining {
			b.stores[i] = &store{uid: b.uid(), data: true, last: Position{Index: 95, Term: 2}, voters: []int{0, 1, 2}}
		}
	}
}

func (b *bereft) facts() Recovery {
	r := Recovery{
		Asked: b.asked, Phase: b.phase, Hash: b.hash, Committed: b.committed && b.phase.Active(), Plan: b.plan, Before: b.before, Want: b.want,
		Led: b.leaderFor == 0 && len(b.leaders()) > 0, LeaderlessFor: b.leaderFor, First: b.first, Replicas: b.replicas,
	}
	pods := int32(len(b.pods))
	r.Settled = pods == b.replicas
	for i := range 9 {
		s := b.stores[i]
		_, pod := b.pods[i]
		if s == nil && !pod {
			continue
		}
		one := RecoveryServer{Ordinal: i, Pod: pod}
		if s != nil {
			one.Volume, one.VolumeEnding = s.uid, s.ending
			r.Jobs = r.Jobs || s.job != NoJob
			if s.jobFor == b.phase {
				one.Job = s.job
			}
			if one.Job == JobDone && b.phase == Inspecting {
				one.Inspection = &Inspection{Empty: !s.data, Unreadable: s.damaged, Last: s.last}
			}
		}
		r.Servers = append(r.Servers, one)
	}
	if p, ok := r.Survivor(); ok && b.runs(p.Ordinal) {
		r.Verified = slices.Equal(b.stores[p.Ordinal].voters, []int{p.Ordinal}) && b.stores[p.Ordinal].uid == p.Volume
	}
	return r
}

// operate does one step of the operator. One that ends right before it records or does
// something has done nothing.
func (b *bereft) operate() {
	r := b.facts()
	step := r.Next()
	// Where another phase is to be recorded, its layout counts.
	if b.phase.Active() && step.Action != NotePhase && step.Action != BeginRecovery {
		first, replicas := r.Layout()
		if r.Led && !r.Committed && replicas < b.replicas {
			b.fail("a cluster with a leader is stopped")
		}
		b.first, b.replicas = first, replicas
	}
	if b.rng.IntN(4) == 0 {
		return
	}
	switch step.Action {
	case BeginRecovery:
		if !b.phase.Active() {
			if r.Led {
				b.fail("the recovery began while a server led")
			}
			b.before, b.committed = b.replicas, false
		}
		b.operation++
		b.phase, b.hash, b.plan = Stopping, "", nil
	case NotePhase:
		b.note(r, step.Phase)
	case NoteSettled:
		if b.completed > 0 {
			b.phase = Completed
		} else {
			b.phase = ""
		}
	case NotePlan:
		b.plan = r.MakePlan()
		hash, err := PlanHash("cluster", "id", fmt.Sprint(b.operation), b.plan)
		if err != nil {
			b.fail("%v", err)
		}
		if of, known := b.hashes[hash]; hash != "" && known && of != b.operation {
			b.fail("two operations have the hash %s", hash)
		}
		b.hashes[hash] = b.operation
		delete(b.hashes, "")
		b.phase, b.hash = Planned, hash
	case RunJob:
		s := b.stores[step.Ordinal]
		if s.job != NoJob {
			return
		}
		if len(b.pods) > 0 {
			b.fail("a Job is run while there are the pods %v", b.pods)
		}
		if b.phase == Preparing {
			b.prepares(step.Ordinal)
		}
		s.job, s.jobFor = JobRuns, b.phase
	case RunJobAgain:
		b.stores[step.Ordinal].job = NoJob
	case DropJobs:
		for _, s := range b.stores {
			s.job = NoJob
		}
	case DeleteVolume:
		b.deletes(step.Ordinal, r)
	case Leave, AwaitRecovery, HoldRecovery:
	}
}

func (b *bereft) note(r Recovery, phase RecoveryPhase) {
	switch phase {
	case Preparing:
		if b.asked != b.hash || b.hash == "" {
			b.fail("%q approves the plan %q", b.asked, b.hash)
		}
		b.committed = true
	case Returning:
		if b.committed && r.Phase.Active() && r.Committed {
			b.fail("the servers are started as they were after a plan was approved")
		}
	case Starting:
		for _, s := range b.stores {
			if s.job != NoJob {
				b.fail("the survivor is started while there are Jobs")
			}
		}
	case Completed:
		b.completed++
	}
	b.phase = phase
}

func (b *bereft) prepares(ordinal int) {
	i := slices.IndexFunc(b.plan, func(p PlannedServer) bool { return p.Verdict == Survivor })
	if i < 0 || b.plan[i].Ordinal != ordinal || b.plan[i].Volume != b.stores[ordinal].uid {
		b.fail("a Job writes to the volume of server %d, which is not the survivor of %v", ordinal, b.plan)
	}
	b.prepared[b.stores[ordinal].uid] = true
}

func (b *bereft) deletes(ordinal int, r Recovery) {
	s := b.stores[ordinal]
	i := slices.IndexFunc(b.plan, func(p PlannedServer) bool { return p.Ordinal == ordinal && p.Volume == s.uid })
	survivor, known := r.Survivor()
	switch {
	case i < 0:
		b.fail("the volume %s is deleted, and the plan has %v", s.uid, b.plan)
	case b.plan[i].Verdict == Survivor || b.plan[i].Verdict == Empty:
		b.fail("the volume of %v is deleted", b.plan[i])
	case !known || !b.prepared[survivor.Volume] || !r.Verified:
		b.fail("a volume is deleted before the survivor leads")
	case b.stores[survivor.Ordinal] == nil || b.stores[survivor.Ordinal].uid != survivor.Volume || b.stores[survivor.Ordinal].ending:
		b.fail("a volume is deleted while that of the survivor is gone")
	}
	if _, pod := b.pods[ordinal]; pod {
		b.fail("the volume of a server is deleted that runs")
	}
	s.ending = true
}

// TestRecoveryWalk recovers clusters while people, nodes and the process get in the way, and
// then lets the recovery come to its end.
func TestRecoveryWalk(t *testing.T) {
	seeds := uint64(1000)
	if testing.Short() {
		seeds = 200
	}
	ends := map[RecoveryPhase]int{}
	for seed := range seeds {
		b := newBereft(t, seed)
		for range 150 {
			b.live()
			b.people(true)
			b.operate()
		}
		for i := 0; i < 400 && (b.phase != Completed || b.phase.Active()); i++ {
			b.live()
			b.people(false)
			b.operate()
		}
		ends[b.phase]++
		if next := b.facts().Next(); next.Cause == SurvivorLost || next.Cause == VolumeUnplanned {
			// A person deletes what is left, the pod, or the volume.
			continue
		}
		if b.phase == Rejoining || b.phase == Deleting || b.phase == Prepared || b.phase == Inspecting {
			b.fail("the recovery got stuck: %+v, next %+v", b.facts(), b.facts().Next())
		}
	}
	t.Logf("The recoveries ended in: %v", ends)
	if ends[Completed] < int(seeds/2) {
		t.Errorf("They ended in %v, want most of them in %s", ends, Completed)
	}
}
