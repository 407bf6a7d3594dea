// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestFirstStartNext(t *testing.T) {
	begun := Record{Begun: true, VolumeUID: "v"}
	running := func(f FirstStart) FirstStart {
		f.Want, f.ContractKnown, f.StaticSeal, f.Replicas = 3, true, true, new(int32(1))
		if f.VolumeUID == "" {
			f.VolumeUID = "v"
		}
		return f
	}
	sealed, open := &FirstServer{Initialized: true, Sealed: true}, &FirstServer{Initialized: true, ClusterID: "a"}
	done := Record{Initialized: true, ClusterID: "a", Begun: true, VolumeUID: "v"}
	for name, tc := range map[string]struct {
		facts FirstStart
		want  Step
	}{
		"nothing there":               {FirstStart{Want: 3, SelfInit: true, ContractKnown: true}, Step{Action: Begin}},
		"begun, without contract":     {FirstStart{Want: 3, SelfInit: true, Recorded: Record{Begun: true}}, Step{Action: Wait, Reason: NoContract}},
		"begun":                       {FirstStart{Want: 3, SelfInit: true, ContractKnown: true, Recorded: Record{Begun: true}}, Step{Action: PutInitialize}},
		"with requests":               {FirstStart{Want: 3, SelfInit: true, ContractKnown: true, Initialize: true, Recorded: Record{Begun: true}}, Step{Action: Scale, Replicas: 1}},
		"by a request, without":       {FirstStart{Want: 3, Recorded: Record{Begun: true}}, Step{Action: Scale, Replicas: 1}},
		"by a request, with requests": {FirstStart{Want: 3, Initialize: true, Recorded: Record{Begun: true}}, Step{Action: DropInitialize}},
		"a new volume":                {running(FirstStart{SelfInit: true, Initialize: true, Recorded: Record{Begun: true}}), Step{Action: NoteVolume}},
		"no answer":                   {running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun}), Step{Action: Wait, Reason: NoAnswer}},
		"initializes itself":          {running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun, Server: &FirstServer{}}), Step{Action: Wait, Reason: Initializing}},
		"is to be initialized":        {running(FirstStart{Recorded: begun, Server: &FirstServer{}}), Step{Action: SendInit}},
		"says that it failed":         {running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun, InitFailed: true}), Step{Action: Wipe}},
		"says so on another volume":   {running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun, InitFailed: true, VolumeUID: "w"}), Step{Action: NoteVolume}},
		"sealed":                      {running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun, Server: sealed}), Step{Action: Wait, Reason: Unsealing}},
		"sealed for long":             {running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun, Server: sealed, SealedFor: time.Minute}), Step{Action: Wipe}},
		"initialized, not let in":     {running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun, Server: open, LetIn: LetInNo}), Step{Action: NoteCluster}},
		"initialized, not let in, noted": {running(FirstStart{SelfInit: true, Initialize: true, Recorded: Record{Begun: true, VolumeUID: "v", ClusterID: "a"}, Server: open, LetIn: LetInNo}),
			Step{Action: Ask, Reason: LoginRefused}},
		"noted, and sealed for long": {running(FirstStart{SelfInit: true, Initialize: true, Recorded: Record{Begun: true, VolumeUID: "v", ClusterID: "a"}, Server: sealed, SealedFor: time.Hour}),
			Step{Action: Ask, Reason: PerhapsUsed}},
		"noted, and nothing there for long": {running(FirstStart{SelfInit: true, Initialize: true, Recorded: Record{Begun: true, VolumeUID: "v", ClusterID: "a"}, Server: open, LetIn: LetInNothing, NothingFor: time.Hour}),
			Step{Action: Ask, Reason: PerhapsUsed}},
		"noted, and says that it failed": {running(FirstStart{SelfInit: true, Initialize: true, InitFailed: true, Recorded: Record{Begun: true, VolumeUID: "v", ClusterID: "a"}}),
			Step{Action: Ask, Reason: PerhapsUsed}},
		"a volume that is a copy":    {running(FirstStart{SelfInit: true, Initialize: true, VolumeForeign: true, Recorded: Record{Begun: true}}), Step{Action: Ask, Reason: ForeignVolume}},
		"initialized, nothing there": {running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun, Server: open, LetIn: LetInNothing}), Step{Action: Wait, Reason: LoginUnknown}},
		"nothing there for long":     {running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun, Server: open, LetIn: LetInNothing, NothingFor: time.Hour}), Step{Action: Wipe}},
		"initialized, unknown":       {running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun, Server: open}), Step{Action: Wait, Reason: LoginUnknown}},
		"initialized, let in":        {running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun, Server: open, LetIn: LetInYes}), Step{Action: Complete}},
		"with the root token":        {running(FirstStart{Recorded: begun, Server: open, HasRootToken: true}), Step{Action: WriteContract}},
		"the root token is lost":     {running(FirstStart{Recorded: Record{Begun: true, VolumeUID: "v", InitSent: true}, Server: open, LetIn: LetInNo}), Step{Action: Wipe}},
		"lost in between":            {running(FirstStart{Recorded: Record{Begun: true, VolumeUID: "v", InitSent: true}, Server: open, LetIn: LetInYes}), Step{Action: Wipe}},
		"the root token is revoked":  {running(FirstStart{Recorded: Record{Begun: true, VolumeUID: "v", InitSent: true}, Server: open, ContractWritten: true}), Step{Action: Complete}},
		"initialized by a person":    {running(FirstStart{Recorded: begun, Server: open, LetIn: LetInNo}), Step{Action: Complete}},
		"by a person, sealed":        {running(FirstStart{Recorded: begun, Server: sealed, SealedFor: time.Minute}), Step{Action: Ask, Reason: SealedTooLong}},
		"often enough": {running(FirstStart{SelfInit: true, Initialize: true, InitFailed: true, Recorded: Record{Begun: true, VolumeUID: "v", Attempts: maxAttempts}}),
			Step{Action: Ask, Reason: TooManyAttempts}},
		"an unknown seal, sealed for long": {func() FirstStart {
			f := running(FirstStart{SelfInit: true, Initialize: true, Recorded: begun, Server: sealed, SealedFor: time.Hour})
			f.StaticSeal = false
			return f
		}(), Step{Action: Ask, Reason: SealedTooLong}},

		"volumes of further servers": {FirstStart{Want: 3, SelfInit: true, ContractKnown: true, FurtherVolumes: true}, Step{Action: Ask, Reason: FurtherVolumes}},
		"sealed for long, but with volumes of further servers": {running(FirstStart{
			SelfInit: true, Recorded: begun, Server: sealed, SealedFor: time.Minute, FurtherVolumes: true,
		}), Step{Action: Ask, Reason: FurtherVolumes}},
		"further servers before the first": {func() FirstStart {
			f := running(FirstStart{SelfInit: true, Recorded: begun, Server: open})
			f.Replicas = new(int32(3))
			return f
		}(), Step{Action: Ask, Reason: FurtherServers}},
		"its volume is being deleted": {func() FirstStart {
			f := running(FirstStart{SelfInit: true, Recorded: begun, Server: open, LetIn: LetInYes, VolumeEnding: true})
			f.VolumeUID = ""
			return f
		}(), Step{Action: DropPod}},
		"let in, without an id":                    {running(FirstStart{SelfInit: true, Recorded: begun, Server: &FirstServer{Initialized: true}, LetIn: LetInYes}), Step{Action: Wait, Reason: LoginUnknown}},
		"from before, its volume is being deleted": {running(FirstStart{Server: open, VolumeEnding: true}), Step{Action: Wait, Reason: NoAnswer}},

		"a volume from before":               {FirstStart{Want: 3, SelfInit: true, ContractKnown: true, VolumeUID: "v"}, Step{Action: Scale, Replicas: 1}},
		"from before, with requests":         {running(FirstStart{SelfInit: true, Initialize: true}), Step{Action: DropInitialize}},
		"from before, empty":                 {running(FirstStart{SelfInit: true, Server: &FirstServer{}}), Step{Action: Ask, Reason: EmptyVolume}},
		"from before, sealed for long":       {running(FirstStart{SelfInit: true, Server: sealed, SealedFor: time.Hour}), Step{Action: Ask, Reason: SealedTooLong}},
		"from before, unsealed":              {running(FirstStart{SelfInit: true, Server: open}), Step{Action: Complete}},
		"initialized, requests are there":    {running(FirstStart{SelfInit: true, Initialize: true, Recorded: done, Server: open}), Step{Action: DropInitialize}},
		"over":                               {FirstStart{Want: 3, Recorded: done, Replicas: new(int32(3)), Server: open}, Step{Action: Finished}},
		"over, with one of three":            {FirstStart{Want: 3, Recorded: done, Replicas: new(int32(1)), Server: open}, Step{Action: Finished}},
		"the StatefulSet is gone":            {FirstStart{Want: 3, Recorded: done}, Step{Action: Scale, Replicas: 3}},
		"an answer that names no cluster id": {FirstStart{Want: 3, Recorded: done, Replicas: new(int32(3)), Server: sealed}, Step{Action: Finished}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.facts.Next(); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// world is a cluster as far as its first start is concerned.
type world struct {
	rng      *rand.Rand
	selfInit bool
	want     int32

	recorded   Record
	initialize bool
	replicas   *int32
	volumes    int
	volume     *volume
	pod        *pod
	// root and written are what the process of the operator has in memory.
	root, written bool
	// clusters are those that were ever initialized, and served those that had more than
	// one server.
	clusters int
	served   map[string]bool
	wiped    []volume
}

type volume struct {
	uid       string
	cluster   string
	interrupt bool
	// bare means that the server was killed before it noted that requests follow.
	bare     bool
	contract bool
	// root means that there is a root token, and part that some of the contract is there.
	root, part bool
}

type pod struct {
	// initialize is what the pod found of the Secret when it was started.
	initialize bool
}

// kubernetes does what its controllers and the servers do by themselves.
func (w *world) kubernetes() {
	if w.replicas == nil || *w.replicas == 0 {
		return
	}
	if w.volume == nil {
		w.volumes++
		w.volume = &volume{uid: fmt.Sprintf("volume-%d", w.volumes)}
	}
	if w.pod == nil {
		w.pod = &pod{initialize: w.initialize}
		return
	}
	if v := w.volume; v.cluster == "" && w.pod.initialize {
		w.clusters++
		v.cluster = fmt.Sprintf("cluster-%d", w.clusters)
		// The server is killed between the first request and the last.
		switch w.rng.IntN(6) {
		case 0:
			v.interrupt, w.pod = true, nil
			return
		case 1:
			v.bare, w.pod = true, nil
			return
		}
		v.contract = true
	}
	if *w.replicas > 1 && w.volume.cluster != "" {
		w.served[w.volume.cluster] = true
	}
}

func (w *world) facts() FirstStart {
	f := FirstStart{
		Recorded: w.recorded, Want: w.want, SelfInit: w.selfInit, ContractKnown: w.rng.IntN(5) > 0, StaticSeal: true,
		Initialize: w.initialize, Replicas: w.replicas, HasRootToken: w.root, ContractWritten: w.written, SealedFor: time.Hour,
	}
	if w.volume != nil {
		f.VolumeUID = w.volume.uid
	}
	if w.pod != nil && w.rng.IntN(4) > 0 {
		f.Server = &FirstServer{Initialized: w.volume.cluster != "", Sealed: w.volume.interrupt}
		if w.volume.cluster != "" && !w.volume.interrupt {
			f.Server.ClusterID = w.volume.cluster
		}
		if f.Server.Initialized && !f.Server.Sealed && w.rng.IntN(3) > 0 {
			f.LetIn, f.NothingFor = LetInNothing, time.Hour
			if w.volume.contract || w.volume.part {
				f.LetIn = LetInYes
			}
		}
	}
	return f
}

// carryOut does a step, or a part of it where the operator ends in the middle.
func (w *world) carryOut(s Step) {
	died := w.rng.IntN(6) == 0
	if died {
		w.root, w.written = false, false
		if w.rng.IntN(2) == 0 {
			return
		}
	}
	switch s.Action {
	case Begin:
		w.recorded.Begun = true
	case NoteVolume:
		w.recorded.VolumeUID = w.volume.uid
	case PutInitialize:
		w.initialize = true
	case DropInitialize:
		w.initialize = false
	case Scale:
		w.replicas = new(s.Replicas)
	case SendInit:
		w.recorded.InitSent = true
		if w.pod == nil || w.volume.cluster != "" || w.rng.IntN(4) == 0 {
			return
		}
		w.clusters++
		w.volume.cluster = fmt.Sprintf("cluster-%d", w.clusters)
		w.volume.root, w.written = true, false
		w.root = !died && w.rng.IntN(4) > 0
	case WriteContract:
		w.volume.part = true
		if !died {
			w.volume.contract, w.volume.root, w.root, w.written = true, false, false, true
		}
	case Wipe:
		w.recorded.Attempts++
		w.wiped = append(w.wiped, *w.volume)
		w.volume, w.pod, w.root, w.written = nil, nil, false, false
	case Complete:
		w.recorded.Initialized, w.recorded.ClusterID = true, w.volume.cluster
	}
}

// TestFirstStartWalks has the operator and the server end at any moment, and volumes
// get lost. Whatever happens, one cluster comes out of it.
func TestFirstStartWalks(t *testing.T) {
	finished := 0
	for seed := range uint64(4000) {
		w := &world{rng: rand.New(rand.NewPCG(seed, 1)), selfInit: seed%2 == 0, want: 3, served: map[string]bool{}}
		lost := false
		for range 300 {
			w.kubernetes()
			switch w.rng.IntN(20) {
			case 0: // The pod ends and comes again, with what the Secret is now.
				w.pod = nil
			case 1: // The volume is lost, once, and the pod with it.
				if !lost && w.volume != nil && !w.recorded.Initialized {
					lost, w.volume, w.pod = true, nil, nil
				}
			}
			step := w.facts().Next()
			if step.Action == Scale && step.Replicas > 1 && w.initialize {
				t.Fatalf("seed %d: there are requests of a first start, and further servers", seed)
			}
			if step.Action == Wipe && w.volume.contract && w.recorded.Initialized {
				t.Fatalf("seed %d: a cluster in use is wiped", seed)
			}
			if step.Action == Finished {
				finished++
				break
			}
			w.carryOut(step)
		}
		if len(w.served) > 1 {
			t.Fatalf("seed %d: %d clusters had more than one server", seed, len(w.served))
		}
		for _, v := range w.wiped {
			if w.recorded.Initialized && v.cluster == w.recorded.ClusterID {
				t.Fatalf("seed %d: the cluster that is recorded was wiped", seed)
			}
		}
		if w.recorded.Initialized {
			if !w.volume.contract || w.volume.root || w.volume.cluster != w.recorded.ClusterID {
				t.Fatalf("seed %d: recorded %+v, and the server has %+v", seed, w.recorded, w.volume)
			}
			// From now on, losing the volume leads to no other cluster.
			before := w.clusters
			for range 50 {
				if w.recorded.Initialized && !w.initialize && w.replicas != nil {
					w.volume, w.pod = nil, nil
				}
				w.kubernetes()
				w.kubernetes()
				if step := w.facts().Next(); step.Action != Wipe {
					w.carryOut(step)
				} else {
					t.Fatalf("seed %d: wiped after the first start", seed)
				}
			}
			if w.clusters != before {
				t.Fatalf("seed %d: a lost volume led to another cluster", seed)
			}
		}
	}
	if finished < 3000 {
		t.Errorf("only %d of 4000 came to an end", finished)
	}
	t.Logf("%d of 4000 came to an end", finished)
}
