// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import "time"

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
	// Age is since when there is the pod, in whole or in part: it counts from its creation.
	Age time.Duration

	// Answers says that the server was asked and answered. What it said is in
	// Initialized, Sealed, Leader, and Foreign, which means that it is part of another
	// cluster than is recorded.
	Answers                              bool
	Initialized, Sealed, Leader, Foreign bool
	// Ours says that it is unsealed and part of the cluster that is recorded.
	Ours bool
	// Mistake is what is wrong with what it runs, empty if nothing is: another version or
	// image than the pod was to have, or another certificate.
	Mistake string

	// Peer says that the leader lists the server, Voter that it votes there, and CaughtUp
	// that it has the newest entries of the log. They count only where View.Known.
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

// verified reports whether a server runs as its pod is to, and has come back into the
// cluster.
func (s Server) verified() bool {
	return s.works() && s.Ready && s.Voter && s.Mistake == ""
}

// View is what is known of all servers.
type View struct {
	// Known says that the leader was asked who is part of the cluster, and who has caught
	// up. Where it is false nothing destructive is done.
	Known bool
	// Unknown says, for people, what could not be found out.
	Unknown string
	Servers []Server
}

// Effect is what a step does to a server.
type Effect int

const (
	// Restarts means that the server is away for a while.
	Restarts Effect = iota
	// Leaves means that it is not part of the cluster any more.
	Leaves
	// LosesData means that it has to get everything from the others again.
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
	before, working := 0, 0
	var subject Server
	for _, s := range v.Servers {
		if s.Ordinal == ordinal {
			subject = s
		}
		if s.Foreign {
			// Whoever exchanged its volume may have exchanged others.
			out.Known = false
			return out
		}
		before += count(s.Voter)
		// What is to go on without the one that leaves must not be about to lose its data.
		working += count(s.Voter && s.works() && (effect != Leaves || !s.VolumeEnding || s.Ordinal == ordinal))
	}
	if effect == Restarts && subject.VolumeEnding {
		effect = LosesData
	}
	out.Voters, out.Working = before, working-count(subject.Voter && subject.works())
	if effect == Leaves {
		out.Voters -= count(subject.Voter)
	}
	out.Quorum = out.Voters/2 + 1
	switch {
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
