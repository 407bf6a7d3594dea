// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"
)

// fine is a server that works as it should.
func fine(ordinal int, changes ...func(*Server)) Server {
	s := Server{
		Ordinal: ordinal, Pod: true, Running: true, Ready: true, Answers: true, Initialized: true, Ours: true,
		Leader: ordinal == 0, Peer: true, Voter: true, CaughtUp: true, Volume: "volume",
	}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func down(s *Server) {
	s.Running, s.Answers, s.Initialized, s.Ready, s.Leader, s.CaughtUp, s.Ours = false, false, false, false, false, false, false
}
func sealed(s *Server)     { s.Sealed, s.Ready, s.Leader, s.Ours = true, false, false, false }
func behind(s *Server)     { s.CaughtUp = false }
func outdated(s *Server)   { s.Outdated = true }
func standby(s *Server)    { s.Leader = false }
func leading(s *Server)    { s.Leader = true }
func foreign(s *Server)    { s.Foreign, s.Ours = true, false }
func joins(s *Server)      { s.Voter = false }
func stranger(s *Server)   { s.Peer, s.Voter, s.CaughtUp = false, false, false }
func long(s *Server)       { s.UnwellFor, s.StrandedFor = time.Hour, time.Hour }
func nothing(s *Server)    { *s = Server{Ordinal: s.Ordinal} }
func volumeGone(s *Server) { s.VolumeLost = true }
func ending(s *Server)     { s.VolumeEnding = true }
func seenEmpty(s *Server)  { s.VolumeOurs = true }
func mistaken(s *Server)   { s.Mistake = "it is another version" }
func restart(s *Server)    { s.Restart = true }
func refused(s *Server) {
	s.Refused, s.Answers, s.Initialized, s.Leader, s.Ours = true, false, false, false, false
}

func view(servers ...Server) View { return View{Known: true, Servers: servers} }

func three(changes ...func(*Server)) View {
	return view(fine(0, changes...), fine(1, changes...), fine(2, changes...))
}

func TestGuard(t *testing.T) {
	unknown := three()
	unknown.Known = false
	for name, tc := range map[string]struct {
		view    View
		ordinal int
		effect  Effect
		want    Verdict
	}{
		"one of three":              {three(), 1, Restarts, Verdict{true, true, 3, 2, 2}},
		"the leader of three":       {three(), 0, Restarts, Verdict{true, true, 3, 2, 2}},
		"nobody was asked":          {unknown, 1, Restarts, Verdict{}},
		"nobody leads":              {view(fine(0, standby), fine(1), fine(2)), 1, Restarts, Verdict{}},
		"two lead":                  {view(fine(0), fine(1, leading), fine(2)), 2, Restarts, Verdict{}},
		"another is down":           {view(fine(0), fine(1, down), fine(2)), 2, Restarts, Verdict{false, true, 3, 1, 2}},
		"another is behind":         {view(fine(0), fine(1, behind), fine(2)), 2, Restarts, Verdict{false, true, 3, 1, 2}},
		"another is sealed":         {view(fine(0), fine(1, sealed), fine(2)), 2, Restarts, Verdict{false, true, 3, 1, 2}},
		"the one that is down":      {view(fine(0), fine(1, down), fine(2)), 1, Restarts, Verdict{true, true, 3, 2, 2}},
		"one that does not vote":    {view(fine(0), fine(1), fine(2), fine(3, joins)), 3, Restarts, Verdict{true, true, 3, 3, 2}},
		"another is foreign":        {view(fine(0), fine(1, foreign), fine(2)), 2, Restarts, Verdict{}},
		"the only one":              {view(fine(0)), 0, Restarts, Verdict{true, true, 1, 0, 1}},
		"one of two":                {view(fine(0), fine(1)), 1, Restarts, Verdict{true, true, 2, 1, 2}},
		"one of two, other is down": {view(fine(0), fine(1, down)), 0, Restarts, Verdict{false, true, 2, 0, 2}},
		"the only one loses data":   {view(fine(0)), 0, LosesData, Verdict{false, true, 1, 0, 1}},
		"one of two loses data":     {view(fine(0), fine(1)), 1, LosesData, Verdict{false, true, 2, 1, 2}},
		"one of three leaves":       {three(), 2, Leaves, Verdict{true, true, 2, 2, 2}},
		"one of three leaves, one down": {
			view(fine(0), fine(1, down), fine(2)), 2, Leaves, Verdict{false, true, 2, 1, 2},
		},
		"the one that is down leaves": {view(fine(0), fine(1, down), fine(2)), 1, Leaves, Verdict{true, true, 2, 2, 2}},
		"one of two leaves":           {view(fine(0), fine(1)), 1, Leaves, Verdict{true, true, 1, 1, 1}},
		"the only one leaves":         {view(fine(0)), 0, Leaves, Verdict{false, true, 0, 0, 1}},
		"one of two leaves, the other's volume is being deleted": {
			view(fine(0, ending), fine(1)), 1, Leaves, Verdict{false, true, 1, 0, 1},
		},
		"the only one, its volume is being deleted": {view(fine(0, ending)), 0, Restarts, Verdict{false, true, 1, 0, 1}},
		"one of five, two down":                     {view(fine(0), fine(1), fine(2), fine(3, down), fine(4, down)), 2, Restarts, Verdict{false, true, 5, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.view.Guard(tc.ordinal, tc.effect); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// TestRolling: a roll goes on from the first pod that is to be replaced until the last one
// is verified, and one that dies without a roll begins none.
func TestRolling(t *testing.T) {
	for name, tc := range map[string]struct {
		view        View
		rolls, want bool
	}{
		"nothing is to be replaced":        {three(), false, false},
		"one is to be replaced":            {view(fine(0, outdated), fine(1), fine(2)), false, true},
		"one is to be started again":       {view(fine(0), fine(1, restart), fine(2)), false, true},
		"the last one is away":             {view(fine(0, nothing), fine(1), fine(2)), true, true},
		"the last one does not vote yet":   {view(fine(0, joins), fine(1), fine(2)), true, true},
		"the last one votes":               {three(), true, false},
		"one dies, and nothing was rolled": {view(fine(0, down), fine(1), fine(2)), false, false},
	} {
		u := Upkeep{View: tc.view, Want: 3, Replicas: 3, Removing: -1, Rolls: tc.rolls}
		if got := u.Rolling(); got != tc.want {
			t.Errorf("%s: got %t, want %t", name, got, tc.want)
		}
	}
}

func TestUpkeepNext(t *testing.T) {
	of := func(v View, changes ...func(*Upkeep)) Upkeep {
		u := Upkeep{View: v, Want: 3, Replicas: 3, Removing: -1, Proved: true}
		for _, change := range changes {
			change(&u)
		}
		return u
	}
	want := func(n int32) func(*Upkeep) { return func(u *Upkeep) { u.Want = n } }
	replicas := func(n int32) func(*Upkeep) { return func(u *Upkeep) { u.Replicas = n } }
	removing := func(n int) func(*Upkeep) { return func(u *Upkeep) { u.Removing = n } }
	mayRemove := func(u *Upkeep) { u.MayRemove = true }
	replacing := func(u *Upkeep) { u.Replacing = true }
	removed := func(u *Upkeep) { u.Removed = true }
	blind := func(u *Upkeep) { u.Known = false }
	unproved := func(u *Upkeep) { u.Proved = false }
	rolls := func(u *Upkeep) { u.Rolls = true }
	five := func(changes ...func(*Server)) View {
		return view(fine(0), fine(1), fine(2), fine(3), fine(4, changes...))
	}
	for name, tc := range map[string]struct {
		u       Upkeep
		duty    Duty
		cause   Cause
		ordinal int
	}{
		"all is well":    {of(three()), Rest, "", -1},
		"nobody answers": {of(three(down)), Rest, "", -1},
		"another cluster": {
			of(view(fine(0), fine(1, foreign, outdated), fine(2))), Hold, AnotherCluster, 1,
		},

		// Scaling.
		"grows at first":            {of(view(fine(0)), replicas(1)), Resize, Growing, -1},
		"grows":                     {of(three(), want(5)), Resize, Growing, -1},
		"grows, and one joins":      {of(view(fine(0), fine(1), fine(2), fine(3, joins)), want(5), replicas(4)), Await, Joining, 3},
		"grows, and one is away":    {of(view(fine(0), fine(1), fine(2, down)), want(5)), Await, Joining, 2},
		"grows, unseen":             {of(three(), want(5), blind), Await, Unseen, -1},
		"grows, but is to change":   {of(view(fine(0), fine(1), fine(2), fine(3, stranger, outdated)), want(5), replicas(4)), Replace, Rolling, 3},
		"scaled to nothing":         {of(three(nothing), replicas(0)), Resize, Growing, -1},
		"shrinks":                   {of(five(), replicas(5)), BeginRemoval, Shrinking, 4},
		"shrinks, unseen":           {of(five(), replicas(5), blind), Await, Unseen, 4},
		"shrinks, and one is away":  {of(view(fine(0), fine(1, down), fine(2)), want(2)), Await, Guarded, 2},
		"waits for the right":       {of(five(), replicas(5), removing(4)), Await, RightMissing, 4},
		"has the right":             {of(five(), replicas(5), removing(4), mayRemove), RemovePeer, Shrinking, 4},
		"the leader is to leave":    {of(view(fine(0, standby), fine(1), fine(2), fine(3), fine(4, leading)), replicas(5), removing(4), mayRemove), Replace, LeaderLeaves, 4},
		"is wanted again":           {of(five(), want(5), replicas(5), removing(4), mayRemove), EndRemoval, Reverted, 4},
		"left":                      {of(five(stranger), replicas(5), removing(4), mayRemove), NoteRemoved, Shrinking, 4},
		"leaves, unseen":            {of(five(), replicas(5), removing(4), mayRemove, blind), Await, Unseen, 4},
		"left, noted":               {of(five(stranger), replicas(5), removing(4), removed), Resize, Shrinking, 4},
		"left, the pod goes":        {of(five(stranger), replicas(4), removing(4), removed), Await, Shrinking, 4},
		"left, the pod is gone":     {of(five(nothing, func(s *Server) { s.Volume = "v" }), replicas(4), removing(4), removed), DropVolume, Shrinking, 4},
		"left, the volume goes":     {of(five(nothing, func(s *Server) { s.Volume, s.VolumeEnding = "v", true }), replicas(4), removing(4), removed), Await, Shrinking, 4},
		"left, unseen":              {of(five(nothing, func(s *Server) { s.Volume = "v" }), replicas(4), removing(4), removed, blind), Await, Unseen, 4},
		"left, and others came":     {of(view(fine(0), fine(1), fine(2), fine(3), fine(4, stranger), fine(5)), replicas(6), removing(4), removed), EndRemoval, Reverted, 4},
		"scaled by hand":            {of(five()), BeginRemoval, Shrinking, 4},
		"left and gone":             {of(five(nothing), replicas(4), removing(4), removed), EndRemoval, Shrinking, 4},
		"left, and joined again":    {of(five(), replicas(5), removing(4), removed), EndRemoval, Reverted, 4},
		"leaves, and one is broken": {of(view(fine(0), fine(1, down), fine(2), fine(3, down), fine(4)), replicas(5), removing(4), mayRemove), Await, Guarded, 4},

		// Volumes.
		"a volume is lost":                  {of(view(fine(0), fine(1), fine(2, down, volumeGone))), BeginRemoval, VolumeGone, 2},
		"a volume is said to be lost":       {of(view(fine(0), fine(1), fine(2, volumeGone))), Rest, "", -1},
		"two volumes are lost":              {of(view(fine(0), fine(1, down, volumeGone), fine(2, down, volumeGone))), Await, Guarded, 1},
		"a volume is being deleted":         {of(view(fine(0), fine(1), fine(2, ending))), BeginRemoval, VolumeGone, 2},
		"all volumes are being deleted":     {of(three(ending)), BeginRemoval, VolumeGone, 1},
		"all are, and one comes back":       {of(view(fine(0, ending), fine(1, behind), fine(2, ending))), Await, Guarded, 2},
		"it is to leave":                    {of(view(fine(0), fine(1), fine(2, ending)), removing(2), replacing), Await, RightMissing, 2},
		"it may leave":                      {of(view(fine(0), fine(1), fine(2, ending)), removing(2), replacing, mayRemove), RemovePeer, VolumeGone, 2},
		"the leader's may leave":            {of(view(fine(0, ending), fine(1), fine(2)), removing(0), replacing, mayRemove), StepDown, LeaderLeaves, 0},
		"it has left":                       {of(view(fine(0), fine(1), fine(2, ending, stranger)), removing(2), replacing), NoteRemoved, VolumeGone, 2},
		"it has left, noted":                {of(view(fine(0), fine(1), fine(2, ending, stranger)), removing(2), replacing, removed), Replace, VolumeGone, 2},
		"it has left, lost":                 {of(view(fine(0), fine(1), fine(2, down, volumeGone, stranger)), removing(2), replacing, removed), DropVolume, VolumeGone, 2},
		"it has left, unseen":               {of(view(fine(0), fine(1), fine(2, ending, stranger)), removing(2), replacing, removed, blind), Await, Unseen, 2},
		"it has another volume":             {of(view(fine(0), fine(1), fine(2, stranger)), removing(2), replacing, removed), EndRemoval, VolumeGone, 2},
		"it got another volume before":      {of(three(), removing(2), replacing, mayRemove), EndRemoval, Reverted, 2},
		"the only volume, and is to change": {of(view(fine(0, ending, down, outdated)), want(1), replicas(1)), Await, Unseen, 0},
		"the only volume":                   {of(view(fine(0, ending)), want(1), replicas(1)), Await, Guarded, 0},
		"stranded":                          {of(view(fine(0), fine(1), fine(2, stranger, long))), DropVolume, Stranded, 2},
		"stranded and sealed, seen empty":   {of(view(fine(0), fine(1), fine(2, stranger, sealed, long, seenEmpty))), DropVolume, Stranded, 2},
		"stranded and sealed":               {of(view(fine(0), fine(1), fine(2, stranger, sealed, long))), Hold, StrandedUnknown, 2},
		"stranded, one goes on alone":       {of(view(fine(0), fine(1, stranger, long), fine(2, stranger, long))), Hold, StrandedUnknown, 1},
		"stranded for a moment":             {of(view(fine(0), fine(1), fine(2, stranger))), Rest, "", -1},
		"stranded, and one is away":         {of(view(fine(0), fine(1, down), fine(2, stranger, long))), Await, Guarded, 2},
		"sealed for long, and a member":     {of(view(fine(0), fine(1), fine(2, sealed, long, seenEmpty))), Rest, "", -1},

		// Rolls.
		"standbys first":                   {of(three(outdated)), Replace, Rolling, 2},
		"the next":                         {of(view(fine(0, outdated), fine(1, outdated), fine(2))), Replace, Rolling, 1},
		"the leader last":                  {of(view(fine(0, outdated), fine(1), fine(2))), Replace, Rolling, 0},
		"wherever it is":                   {of(view(fine(0, standby, outdated), fine(1), fine(2, leading, outdated))), Replace, Rolling, 0},
		"waits for the last one":           {of(view(fine(0, outdated), fine(1, outdated), fine(2, down))), Await, RollWaits, 2},
		"waits until it votes":             {of(view(fine(0, outdated), fine(1, outdated), fine(2, joins))), Await, RollWaits, 2},
		"waits until it catches up":        {of(view(fine(0, outdated), fine(1, outdated), fine(2, behind))), Await, RollWaits, 2},
		"waits until it is right":          {of(view(fine(0, outdated), fine(1, outdated), fine(2, mistaken))), Await, RollWaits, 2},
		"waits until it is there":          {of(view(fine(0, outdated), fine(1, outdated), fine(2, nothing))), Await, RollWaits, 2},
		"waits for the very last one":      {of(view(fine(0, down), fine(1, leading), fine(2)), rolls), Await, RollEnds, 0},
		"waits until that one votes":       {of(view(fine(0, joins, standby), fine(1, leading), fine(2)), rolls), Await, RollEnds, 0},
		"the very last one is stuck":       {of(view(fine(0, down, long), fine(1, leading), fine(2)), rolls), Hold, RollStuck, 0},
		"all are replaced and vote":        {of(three(), rolls), Rest, "", -1},
		"away, and nothing is replaced":    {of(view(fine(0, down), fine(1, leading), fine(2))), Rest, "", -1},
		"stuck":                            {of(view(fine(0, outdated), fine(1, outdated), fine(2, down, long))), Hold, RollStuck, 2},
		"stuck, and reverted":              {of(view(fine(0), fine(1), fine(2, down, long, outdated))), Replace, NotServing, 2},
		"the broken one first":             {of(view(fine(0, outdated), fine(1, outdated, behind), fine(2, outdated))), Replace, Rolling, 1},
		"an unproved contract":             {of(three(outdated), unproved), Await, NotProved, 2},
		"unproved, and broken":             {of(view(fine(0, outdated), fine(1, outdated, behind), fine(2, outdated)), unproved), Replace, Rolling, 1},
		"unseen":                           {of(three(outdated), blind), Await, Unseen, -1},
		"all are sealed, and change":       {of(three(sealed, outdated), blind), Replace, NotServing, 0},
		"the only one":                     {of(view(fine(0, outdated)), want(1), replicas(1)), Replace, Rolling, 0},
		"certificates that nobody accepts": {of(three(refused, restart), blind), Replace, CertificateRefused, 2},
		"the next of them":                 {of(view(fine(0, refused, restart), fine(1, refused, restart), fine(2, standby)), blind), Replace, CertificateRefused, 1},
		"the last of them":                 {of(view(fine(0, leading), fine(1), fine(2, refused, restart))), Replace, CertificateRefused, 2},
		"one of them is not ready":         {of(view(fine(0, refused, restart), fine(1, refused, restart), fine(2, down)), blind), Await, RollWaits, 2},
		"refused for another reason":       {of(three(refused), blind), Rest, "", -1},
		"unproved, a certificate":          {of(view(fine(0, restart), fine(1, restart), fine(2)), unproved), Replace, Rolling, 1},
		"a certificate":                    {of(view(fine(0, restart, mistaken), fine(1, restart, mistaken), fine(2))), Replace, Rolling, 1},
		"one at a time":                    {of(view(fine(0, outdated), fine(1, outdated), fine(2, outdated, func(s *Server) { s.Ending = true }))), Await, RollWaits, 2},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.u.Next()
			if got.Duty != tc.duty || got.Cause != tc.cause || got.Ordinal != tc.ordinal {
				t.Errorf("got %+v, want %s %s of %d", got, tc.duty, tc.cause, tc.ordinal)
			}
			if (got.Duty == Resize) != (got.Replicas > 0) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
