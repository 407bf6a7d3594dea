// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"reflect"
	"testing"
	"time"
)

// planned is a cluster of three of whose volumes one is gone and one is behind.
func planned(change func(*Recovery)) Recovery {
	r := Recovery{
		Asked: AskPlan, Phase: Planned, Hash: "h", Before: 3, Want: 3, Settled: true, LeaderlessFor: time.Hour,
		Plan: []PlannedServer{
			{Ordinal: 0, Verdict: Lost},
			{Ordinal: 1, Volume: "b", Verdict: Behind, Last: Position{Index: 9, Term: 2}},
			{Ordinal: 2, Volume: "c", Verdict: Survivor, Last: Position{Index: 5, Term: 3}},
		},
		Servers: []RecoveryServer{{Ordinal: 1, Volume: "b"}, {Ordinal: 2, Volume: "c"}},
	}
	change(&r)
	return r
}

func in(phase RecoveryPhase, change func(*Recovery)) Recovery {
	return planned(func(r *Recovery) {
		r.Phase, r.Asked, r.Committed = phase, "h", true
		if phase == Starting || phase == Deleting {
			r.First, r.Replicas = 2, 1
			r.Servers[1].Pod = true
		}
		if change != nil {
			change(r)
		}
	})
}

func TestRecovery(t *testing.T) {
	step := func(action RecoveryAction, cause RecoveryCause, ordinal int) RecoveryStep {
		return RecoveryStep{Action: action, Cause: cause, Ordinal: ordinal}
	}
	for name, tc := range map[string]struct {
		facts Recovery
		want  RecoveryStep
	}{
		"nothing asked":               {Recovery{}, step(Leave, "", -1)},
		"asked with a leader":         {Recovery{Asked: AskPlan, Led: true}, note(Refused)},
		"asked during an election":    {Recovery{Asked: AskPlan, LeaderlessFor: time.Second}, step(Leave, PerhapsElecting, -1)},
		"asked":                       {Recovery{Asked: AskPlan, LeaderlessFor: time.Minute}, step(BeginRecovery, "", -1)},
		"refused stays so":            {Recovery{Asked: AskPlan, Phase: Refused, LeaderlessFor: time.Hour}, step(Leave, HasLeader, -1)},
		"refused and taken back":      {Recovery{Phase: Refused}, step(NoteSettled, "", -1)},
		"a hash without a plan":       {Recovery{Asked: "h", LeaderlessFor: time.Hour}, step(Leave, NoPlan, -1)},
		"a hash that is used":         {Recovery{Asked: "h", Hash: "h", Phase: Completed, LeaderlessFor: time.Hour}, step(Leave, "", -1)},
		"another loss":                {Recovery{Asked: AskPlan, Hash: "h", Phase: Completed, LeaderlessFor: time.Hour}, step(BeginRecovery, "", -1)},
		"an old hash, another loss":   {Recovery{Asked: "g", Hash: "h", Phase: Completed, LeaderlessFor: time.Hour}, step(Leave, NoPlan, -1)},
		"a pod on a lost node":        {planned(func(r *Recovery) { r.Phase, r.Servers[0].Pod = Stopping, true }), step(AwaitRecovery, PodsRemain, 1)},
		"not stopped yet":             {planned(func(r *Recovery) { r.Phase, r.Replicas = Stopping, 3 }), step(AwaitRecovery, PodsRemain, -1)},
		"not seen to be stopped":      {planned(func(r *Recovery) { r.Phase, r.Settled = Stopping, false }), step(AwaitRecovery, PodsRemain, -1)},
		"stopped":                     {planned(func(r *Recovery) { r.Phase = Stopping }), note(Inspecting)},
		"a leader at the last moment": {planned(func(r *Recovery) { r.Phase, r.Led = Stopping, true }), note(Returning)},
		"taken back":                  {planned(func(r *Recovery) { r.Asked = "" }), note(Returning)},
		"taken back too late":         {planned(func(r *Recovery) { r.Asked, r.Committed, r.Phase = "", true, Stopping }), step(HoldRecovery, NoReturn, -1)},
		"to be looked at again":       {planned(func(r *Recovery) { r.Asked, r.Committed = "", true }), step(BeginRecovery, "", -1)},
		"a Job for each":              {planned(func(r *Recovery) { r.Phase = Inspecting }), step(RunJob, "", 1)},
		"a Job that failed": {planned(func(r *Recovery) {
			r.Phase, r.Servers[0].Job, r.Servers[1].Job = Inspecting, JobRuns, JobFailed
		}), step(HoldRecovery, JobHolds, 2)},
		"a volume that is gone meanwhile": {planned(func(r *Recovery) { r.Servers = r.Servers[1:] }), step(BeginRecovery, "", -1)},
		"a volume that is another":        {planned(func(r *Recovery) { r.Servers[0].Volume = "x" }), step(BeginRecovery, "", -1)},
		"a volume that is new":            {planned(func(r *Recovery) { r.Servers = append(r.Servers, RecoveryServer{Ordinal: 3, Volume: "x"}) }), step(BeginRecovery, "", -1)},
		"awaits approval":                 {planned(func(*Recovery) {}), step(HoldRecovery, AwaitsApproval, -1)},
		"wrong hash":                      {planned(func(r *Recovery) { r.Asked = "g" }), step(HoldRecovery, WrongHash, -1)},
		"approved":                        {planned(func(r *Recovery) { r.Asked = "h" }), note(Preparing)},
		"Jobs of the plan remain":         {planned(func(r *Recovery) { r.Asked, r.Jobs = "h", true }), step(DropJobs, JobsRemain, -1)},
		"the survivor":                    {in(Preparing, nil), step(RunJob, "", 2)},
		"prepared":                        {in(Preparing, func(r *Recovery) { r.Servers[1].Job = JobDone }), note(Prepared)},
		"a late Job":                      {in(Prepared, func(r *Recovery) { r.Jobs = true }), step(DropJobs, JobsRemain, -1)},
		"no Job is late":                  {in(Prepared, nil), note(Starting)},
		"the survivor is lost":            {in(Preparing, func(r *Recovery) { r.Servers = r.Servers[:1] }), step(HoldRecovery, SurvivorLost, 2)},
		"another plan after that":         {in(Starting, func(r *Recovery) { r.Asked = AskPlan }), step(BeginRecovery, "", -1)},
		"no other plan while it leads":    {in(Starting, func(r *Recovery) { r.Asked, r.Led = AskPlan, true }), step(AwaitRecovery, SurvivorStarts, 2)},
		"it starts":                       {in(Starting, nil), step(AwaitRecovery, SurvivorStarts, 2)},
		"it leads":                        {in(Starting, func(r *Recovery) { r.Verified = true }), note(Deleting)},
		"it does not lead any more":       {in(Deleting, nil), step(AwaitRecovery, SurvivorStarts, 2)},
		"a stray pod":                     {in(Deleting, func(r *Recovery) { r.Verified, r.Servers[0].Pod = true, true }), step(AwaitRecovery, PodsRemain, 1)},
		"delete":                          {in(Deleting, func(r *Recovery) { r.Verified = true }), step(DeleteVolume, "", 1)},
		"it goes":                         {in(Deleting, func(r *Recovery) { r.Verified, r.Servers[0].VolumeEnding = true, true }), step(AwaitRecovery, VolumeGoes, 1)},
		"not what is new":                 {in(Deleting, func(r *Recovery) { r.Verified, r.Servers[0].Volume = true, "x" }), step(HoldRecovery, VolumeUnplanned, 1)},
		"what is new before that":         {in(Starting, func(r *Recovery) { r.Verified, r.Servers[0].Volume = true, "x" }), step(HoldRecovery, VolumeUnplanned, 1)},
		"the survivor goes as well":       {in(Deleting, func(r *Recovery) { r.Verified, r.Servers[1].VolumeEnding = true, true }), step(HoldRecovery, SurvivorLost, 2)},
		"the others come":                 {in(Rejoining, nil), step(AwaitRecovery, ServersReturn, -1)},
		"they are there":                  {in(Rejoining, func(r *Recovery) { r.Replicas = 3 }), note(Completed)},
	} {
		if got := tc.facts.Next(); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestMakePlan(t *testing.T) {
	found := func(term, index uint64) *Inspection { return &Inspection{Last: Position{Index: index, Term: term}} }
	r := Recovery{Servers: []RecoveryServer{
		{Ordinal: 0, Volume: "a", Inspection: found(2, 100)},
		{Ordinal: 1, Volume: "b", Inspection: found(3, 10)},
		{Ordinal: 2, Volume: "c", Inspection: found(3, 10)},
		{Ordinal: 3, Volume: "d", VolumeEnding: true, Inspection: found(9, 9)},
		{Ordinal: 4, Volume: "e", Inspection: &Inspection{Empty: true}},
		{Ordinal: 5, Volume: "f", Inspection: &Inspection{Unreadable: true}},
		{Ordinal: 6, Volume: "g", Inspection: &Inspection{Unreachable: true}},
		{Ordinal: 7},
	}}
	want := []PlannedServer{
		{0, "a", Behind, Position{100, 2}},
		{1, "b", Survivor, Position{10, 3}},
		{2, "c", Behind, Position{10, 3}},
		{3, "d", Lost, Position{}},
		{4, "e", Empty, Position{}},
		{5, "f", Unreadable, Position{}},
		{6, "g", Unreachable, Position{}},
		{7, "", Lost, Position{}},
	}
	plan := r.MakePlan()
	if !reflect.DeepEqual(plan, want) {
		t.Errorf("got %v, want %v", plan, want)
	}
	var deleted []int
	for _, p := range plan {
		if p.Deletes() {
			deleted = append(deleted, p.Ordinal)
		}
	}
	if want := []int{0, 2, 3, 5, 6}; !reflect.DeepEqual(deleted, want) {
		t.Errorf("the volumes %v are deleted, want %v", deleted, want)
	}
	one, err := PlanHash("u", "c", "1", plan)
	if err != nil || len(one) != 32 {
		t.Fatalf("the hash is %q, and %v", one, err)
	}
	if two, _ := PlanHash("u", "c", "2", plan); one == two {
		t.Error("a hash is good for two operations")
	}
	if none, _ := PlanHash("u", "c", "1", plan[:1]); none != "" {
		t.Error("a plan without a survivor can be approved")
	}
}

func TestLayout(t *testing.T) {
	for phase, want := range map[RecoveryPhase][2]int32{
		Stopping: {0, 0}, Inspecting: {0, 0}, Planned: {0, 0}, Preparing: {0, 0}, Prepared: {0, 0},
		Starting: {2, 1}, Deleting: {2, 1}, Rejoining: {0, 3}, Returning: {0, 5},
	} {
		r := in(phase, func(r *Recovery) { r.Want, r.Before = 1, 5 })
		if first, replicas := r.Layout(); [2]int32{first, replicas} != want {
			t.Errorf("%s: %d servers from %d on, want %v", phase, replicas, first, want)
		}
	}
}
