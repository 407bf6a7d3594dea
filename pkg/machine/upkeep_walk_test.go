// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// disk is what is on the volume of a server.
type disk struct {
	uid      string
	data     bool
	index    int
	ending   bool
	lost     bool
	seen     bool // seen empty by the operator
	stranger time.Duration
}

// runner is the pod of a server.
type runner struct {
	revision int
	running  bool
	// broken means that what it runs does not come up.
	broken bool
	age    time.Duration
}

// cluster is a cluster as Kubernetes and Raft keep it, without an operator.
type cluster struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	faults bool

	want, replicas int32
	revision       int
	brokenRevision int
	disks          map[int]*disk
	pods           map[int]*runner
	voters, peers  map[int]bool
	leader         int
	committed      int
	made           int

	removing, right    int
	removed, replacing bool

	// rolls counts the times that the leader was replaced for a revision.
	rolls     map[int]int
	disturbed map[int]bool
}

func (c *cluster) up(i int) bool {
	return c.pods[i] != nil && c.pods[i].running && c.disks[i] != nil
}

func (c *cluster) works(i int) bool {
	return c.up(i) && c.disks[i].data && c.peers[i] && c.disks[i].index >= c.committed-2
}

func (c *cluster) workingVoters() (working, voters int) {
	for i := range c.voters {
		voters++
		working += count(c.works(i))
	}
	return working, voters
}

// live does what happens by itself.
func (c *cluster) live() {
	if c.removing >= 0 && c.rng.IntN(2) == 0 {
		c.right = c.removing
	}
	for i := range 9 {
		d, p := c.disks[i], c.pods[i]
		if d != nil && d.ending && p == nil {
			delete(c.disks, i)
			d = nil
		}
		if int32(i) >= c.replicas {
			delete(c.pods, i)
			continue
		}
		if p == nil {
			if d == nil {
				c.made++
				d = &disk{uid: fmt.Sprintf("volume-%d", c.made)}
				c.disks[i] = d
			}
			if !d.ending {
				c.pods[i] = &runner{revision: c.revision, broken: c.revision == c.brokenRevision && c.revision > 0}
			}
			continue
		}
		p.age += 20 * time.Second
		if !p.running && !p.broken && d != nil && !d.lost && c.rng.IntN(3) > 0 {
			p.running = true
		}
	}
	c.elect()
	if c.leader < 0 {
		return
	}
	if c.rng.IntN(2) == 0 {
		c.commit()
	}
	for i := range int(c.replicas) {
		if !c.up(i) || i == c.leader {
			continue
		}
		d := c.disks[i]
		switch {
		case !d.data:
			// It joins, or gets back what it had.
			c.peers[i], d.data, d.index = true, true, 0
		case c.peers[i] && c.rng.IntN(3) > 0:
			d.index = c.committed
			if c.rng.IntN(2) == 0 {
				c.voters[i] = true
			}
		}
	}
}

// commit acknowledges an entry once a majority has it.
func (c *cluster) commit() {
	have := []int{c.leader}
	for _, i := range c.rng.Perm(9) {
		if i != c.leader && c.voters[i] && c.up(i) && c.disks[i].data && len(have) <= len(c.voters)/2 {
			have = append(have, i)
		}
	}
	if len(have) <= len(c.voters)/2 {
		return
	}
	c.committed++
	for _, i := range have {
		c.disks[i].index = c.committed
	}
}

// elect keeps a leader that has a majority behind it, or finds one by Raft's rule: a
// majority votes for it whose logs are not longer. A voter that has lost its log votes for
// anyone.
func (c *cluster) elect() {
	if c.leader >= 0 && c.voters[c.leader] && c.up(c.leader) && c.disks[c.leader].data {
		alive := 0
		for i := range c.voters {
			alive += count(c.up(i))
		}
		if alive > len(c.voters)/2 {
			return
		}
	}
	c.leader = -1
	for _, i := range c.rng.Perm(9) {
		if !c.voters[i] || !c.up(i) || !c.disks[i].data {
			continue
		}
		votes := 0
		for j := range c.voters {
			votes += count(c.up(j) && c.disks[j].index <= c.disks[i].index)
		}
		if votes > len(c.voters)/2 {
			c.leader = i
			if c.disks[i].index < c.committed {
				c.fatal("server %d leads with %d of %d acknowledged entries", i, c.disks[i].index, c.committed)
			}
			return
		}
	}
}

// harm does what happens to clusters.
func (c *cluster) harm() {
	i := c.rng.IntN(int(c.replicas))
	switch c.rng.IntN(40) {
	case 0:
		if p := c.pods[i]; p != nil {
			p.running = false
			c.disturbed[c.revision] = true
		}
	case 1:
		// One volume is lost, where that leaves a majority.
		if working, voters := c.workingVoters(); c.disks[i] != nil && (working-1 > voters/2 || !c.peers[i]) {
			c.disks[i].lost, c.disks[i].data, c.disks[i].index = true, false, 0
			if p := c.pods[i]; p != nil {
				p.running = false
			}
			c.disturbed[c.revision] = true
		}
	case 2:
		// Somebody deletes the claim of a server, or of all.
		for j := range int(c.replicas) {
			if d := c.disks[j]; d != nil && c.pods[j] != nil && (j == i || c.rng.IntN(2) == 0) {
				d.ending = true
			}
		}
		c.disturbed[c.revision] = true
	case 3:
		// The autopilot prunes a server that does not answer.
		if len(c.voters) > 3 && c.peers[i] && !c.up(i) {
			delete(c.peers, i)
			delete(c.voters, i)
		}
	case 4:
		c.want = int32(c.rng.IntN(3)*2 + 1)
	case 5, 6:
		c.revision++
		if c.rng.IntN(4) == 0 {
			c.brokenRevision = c.revision
		}
	case 7:
		if p := c.pods[i]; p != nil && c.leader == i && !c.disks[i].ending {
			delete(c.pods, i)
			c.disturbed[c.revision] = true
		}
	}
}

func (c *cluster) facts() Upkeep {
	u := Upkeep{
		Want: c.want, Replicas: c.replicas, Removing: c.removing, Removed: c.removed, Replacing: c.replacing,
		MayRemove: c.right == c.removing, Proved: !c.faults || c.rng.IntN(8) > 0,
	}
	u.Known = c.leader >= 0 && (!c.faults || c.rng.IntN(6) > 0)
	for i := range 9 {
		d, p := c.disks[i], c.pods[i]
		s := Server{Ordinal: i, Peer: c.peers[i], Voter: c.voters[i]}
		if d != nil {
			s.Volume, s.VolumeEnding, s.VolumeLost = d.uid, d.ending, d.lost
		}
		if p != nil {
			s.Pod, s.Running, s.Ready, s.Outdated = true, p.running, p.running, p.revision != c.revision
		}
		if c.up(i) && (!c.faults || c.rng.IntN(8) > 0) {
			s.Answers, s.Initialized = true, d.data
			// One that was pruned while it joined has no key to unseal itself with.
			s.Leader, s.Sealed = c.leader == i, d.data && !c.peers[i] && d.index == 0
			s.Ours = d.data && !s.Sealed
			// What the leader says of a follower is a few entries old, and lenient.
			s.CaughtUp = d.index >= c.committed-2
			if !d.data && !s.VolumeEnding {
				d.seen = true
			}
			s.VolumeOurs = d.seen
			if d.data && !c.peers[i] {
				d.stranger += 20 * time.Second
			} else {
				d.stranger = 0
			}
			s.StrandedFor = d.stranger
		}
		if s.Pod || s.Peer || s.Volume != "" {
			u.Servers = append(u.Servers, s)
		}
	}
	return u
}

func (c *cluster) fatal(format string, args ...any) {
	c.t.Helper()
	c.t.Fatalf("seed %d: %s", c.seed, fmt.Sprintf(format, args...))
}

// do carries a step out, or its first half where the operator dies in between.
func (c *cluster) do(s UpkeepStep) {
	died := c.faults && c.rng.IntN(6) == 0
	working, voters := c.workingVoters()
	had := working > voters/2
	leads := s.Ordinal >= 0 && c.leader == s.Ordinal
	switch s.Duty {
	case Resize:
		if s.Replicas < c.replicas && c.peers[int(s.Replicas)] {
			c.fatal("the StatefulSet shrinks before server %d has left: %+v", s.Replicas, s)
		}
		c.replicas = s.Replicas
	case Replace:
		if leads && s.Cause == Rolling {
			c.rolls[c.revision]++
		}
		delete(c.pods, s.Ordinal)
	case DropVolume:
		if c.peers[s.Ordinal] && c.disks[s.Ordinal].data {
			c.fatal("the data of a member are dropped: %+v", s)
		}
		c.disks[s.Ordinal].ending = true
		if !died {
			delete(c.pods, s.Ordinal)
		}
	case BeginRemoval:
		c.removing, c.removed, c.replacing = s.Ordinal, false, s.Cause == VolumeGone
	case StepDown:
		for i := range 9 {
			if i != s.Ordinal && c.voters[i] && c.up(i) && c.disks[i].index == c.committed {
				c.leader = i
			}
		}
	case RemovePeer:
		if s.Ordinal != c.removing || c.right != c.removing {
			c.fatal("server %d is removed, and %d was recorded", s.Ordinal, c.removing)
		}
		if int32(s.Ordinal) < c.want && !c.disks[s.Ordinal].ending && !c.disks[s.Ordinal].lost {
			c.fatal("server %d is removed, and wanted", s.Ordinal)
		}
		delete(c.peers, s.Ordinal)
		delete(c.voters, s.Ordinal)
	case NoteRemoved:
		c.removed = true
	case EndRemoval:
		c.removing, c.removed, c.right = -1, false, -1
	}
	c.intact(s)
	working, voters = c.workingVoters()
	if had && voters > 2 && working <= voters/2 {
		c.fatal("%+v leaves %d of %d voters working", s, working, voters)
	}
	if had && working == 0 && s.Duty != Replace {
		c.fatal("%+v leaves no voter working", s)
	}
}

func (c *cluster) well() bool {
	if c.replicas != c.want || c.removing >= 0 || len(c.voters) != int(c.want) {
		return false
	}
	for i := range int(c.want) {
		if !c.works(i) || c.pods[i].revision != c.revision || c.disks[i].ending {
			return false
		}
	}
	return true
}

// intact fails where nobody has all that was acknowledged.
func (c *cluster) intact(after any) {
	for _, d := range c.disks {
		if d.index == c.committed {
			return
		}
	}
	c.fatal("after %+v, nobody has all that was acknowledged: members %v, claims %v", after, c.peers, c.disks)
}

// TestUpkeepWalks has servers and the operator end at any moment, volumes get lost, and
// the spec change under way. No step takes a quorum away that there was, no needed server
// is removed, nothing acknowledged is lost, and once the harm ends the cluster becomes
// what the spec asks for.
func TestUpkeepWalks(t *testing.T) {
	healed, rolled, asked := 0, 0, 0
	for seed := range uint64(4000) {
		c := &cluster{
			t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 2)), faults: true, want: 3, replicas: 1, removing: -1, right: -1, leader: -1,
			disks: map[int]*disk{0: {uid: "first", data: true}}, pods: map[int]*runner{0: {running: true}},
			voters: map[int]bool{0: true}, peers: map[int]bool{0: true}, rolls: map[int]int{}, disturbed: map[int]bool{},
		}
		for range 150 {
			c.harm()
			c.intact("harm")
			c.live()
			c.intact("life")
			if step := c.facts().Next(); step.Duty != Rest && step.Duty != Await && step.Duty != Hold {
				c.do(step)
			}
		}
		c.faults = false
		if c.revision == c.brokenRevision {
			c.revision++
		}
		// A claim of the only server that is being deleted is a person's to decide.
		for _, d := range c.disks {
			if len(c.voters) < 3 {
				d.ending = false
			}
		}
		quorum := false
		for i := 0; i < 600 && !c.well(); i++ {
			c.live()
			quorum = quorum || c.leader >= 0
			step := c.facts().Next()
			if step.Duty == Hold && step.Cause == StrandedUnknown {
				asked++
				step.Duty = DropVolume
			}
			if step.Duty != Rest && step.Duty != Await && step.Duty != Hold {
				c.do(step)
			}
		}
		if quorum && !c.well() {
			t.Fatalf("seed %d: it does not become well: %+v, next is %+v, of %+v", seed, c, c.facts().Next(), c.facts())
		}
		healed += count(c.well())
		for revision, n := range c.rolls {
			rolled++
			if n > 1 && !c.disturbed[revision] {
				t.Fatalf("seed %d: the leader was replaced %d times for revision %d", seed, n, revision)
			}
		}
		c.intact("all")
	}
	if healed < 3500 || rolled < 2000 {
		t.Errorf("%d of 4000 became well, and %d leaders were replaced", healed, rolled)
	}
	t.Logf("%d of 4000 became well, %d of them with the help of a person; %d leaders were replaced by rolls", healed, asked, rolled)
}
