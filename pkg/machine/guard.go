// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"slices"
	"time"
)

// Server is what is known of one server of a cluster that is initialized: of its pod, of
// its volume, of what it says of itself, and of what the leader says of it.
type Server struct {
	// Ordinal names it: it is the server CLUSTER-Ordinal.
	Ordinal int

	// Pod says that there is one, Ending that it is being deleted, and Running that its
	// container runs.
	Pod, Ending, Running bool
	// Outdated says that the pod is of an earlier revision of the StatefulSet, and Restart
	// that it has to be started again for another reason: it cannot notice a change of
	// what it has read.
	Outdated, Restart bool
	// Ready is what the kubelet says.
	Ready bool
	// UnwellFor is for how long the server has been seen not to be verified: to run as its
	// pod is to, in the cluster.
	UnwellFor time.Duration

	// Answers says that the server was asked and answered. What it said is in
	// Initialized, Sealed, Leader, and Foreign, which means that it is part of another
	// cluster than is recorded.
	Answers                              bool
	Initialized, Sealed, Leader, Foreign bool
	// Refused says that the server could not be asked since its certificate could not be
	// verified.
	Refused bool
	// Ours says that it is unsealed and part of the cluster that is recorded.
	Ours bool
	// Mistake is what is wrong with what it runs, empty if nothing is: another version or
	// image than the pod was to have, or another certificate.
	Mistake string

	// Peer says that the leader lists the server, Voter that it votes there, and CaughtUp
	// that it keeps up with the log, as far as the leader says. They count only where
	// View.Known.
	Peer, Voter, CaughtUp bool
	// StrandedFor is for how long the server has been seen to hold data while the leader
	// does not list it.
	StrandedFor time.Duration

	// Volume is the UID of its PersistentVolumeClaim, empty if there is none.
	Volume string
	// VolumeEnding says that the claim is being deleted, and VolumeLost that what it was
	// bound to is gone.
	VolumeEnding, VolumeLost bool
	// VolumeOurs says that the server was seen to have nothing on this volume, so that
	// whatever is on it came from this cluster.
	VolumeOurs bool
}

// works reports whether a server does what a voter is for.
func (s Server) works() bool {
	return s.Pod && !s.Ending && s.Running && s.Answers && s.Initialized && !s.Sealed && !s.Foreign && s.CaughtUp
}

// Verified reports whether a server runs as its pod is to, and is back in the cluster.
func (s Server) Verified() bool {
	return s.works() && s.Ready && s.Voter && s.Mistake == ""
}

// View is what is known of all servers.
type View struct {
	// Known says that the leader was asked who is part of the cluster, and who has caught
	// up. Where it is false nothing destructive is done.
	Known   bool
	Servers []Server
}

// Effect is what a step does to a server.
type Effect int

const (
	// Restarts means that the server is away for a while.
	Restarts Effect = iota
	// Leaves means that it is not part of the cluster any more, for good.
	Leaves
	// LeavesForNow means that it is not part of the cluster until it has joined again.
	LeavesForNow
	// LosesData means that a server loses what is on its volume. A voter must leave first:
	// one that has forgotten what it has acknowledged, and still votes, can elect a leader
	// that never had it.
	LosesData
)

// Verdict is the answer of the quorum guard.
type Verdict struct {
	// Allowed is the answer.
	Allowed bool
	// Known is false where the guard does not know enough, and therefore says no.
	Known bool
	// Voters are those that the cluster has after the step, Working how many of them work
	// then, and Quorum how many it takes.
	Voters, Working, Quorum int
}

// Guard is the quorum guard. It says whether a step may be done to a server, and is asked
// before each that can make a cluster lose its quorum or its data. What is not known
// counts against the step.
//
// A cluster of one or two voters cannot do without one of them. There, restarting a
// server is allowed while all others work: the cluster is away until it is back.
func (v View) Guard(ordinal int, effect Effect) Verdict {
	out := Verdict{Known: v.Known}
	if !v.Known || v.leaders() != 1 {
		out.Known = false
		return out
	}
	i := slices.IndexFunc(v.Servers, func(s Server) bool { return s.Ordinal == ordinal })
	subject := Server{Ordinal: ordinal}
	if i >= 0 {
		subject = v.Servers[i]
	}
	before, working := 0, 0
	for _, s := range v.Servers {
		if s.Foreign {
			// Whoever exchanged its volume may have exchanged others.
			out.Known = false
			return out
		}
		before += count(s.Voter)
		// What is to go on without a good one must not be about to lose its data.
		doomed := effect == Leaves && subject.works() && s.VolumeEnding && s.Ordinal != ordinal
		working += count(s.Voter && s.works() && !doomed)
	}
	out.Voters, out.Working = before, working-count(subject.Voter && subject.works())
	if effect == Leaves || effect == LeavesForNow {
		out.Voters -= count(subject.Voter)
	}
	out.Quorum = out.Voters/2 + 1
	losesData := effect == LosesData || effect == Restarts && subject.VolumeEnding
	switch {
	case losesData && subject.Voter:
		out.Allowed = false
	case working < before/2+1:
		// Nothing can be written, so that nothing would come back.
		out.Allowed = false
	case effect == Restarts && before < 3:
		out.Allowed = out.Working >= before-count(subject.Voter)
	default:
		out.Allowed = out.Voters > 0 && out.Working >= out.Quorum
	}
	return out
}

// leaders counts the servers that say that they lead this cluster.
func (v View) leaders() int {
	n := 0
	for _, s := range v.Servers {
		n += count(s.leads())
	}
	return n
}

func (s Server) leads() bool {
	return s.Answers && s.Initialized && !s.Sealed && s.Leader && !s.Foreign
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
