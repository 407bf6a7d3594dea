// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import "time"

// Action is what is to be done.
type Action string

const (
	// Begin records that the first server has no volume yet, so that whatever is on the
	// one that is made from now on belongs to this first start.
	Begin Action = "Begin"
	// NoteVolume records the UID of that volume.
	NoteVolume Action = "NoteVolume"
	// NoteCluster records the id of the first server's cluster, which somebody may use: it
	// has been unsealed, and somebody else than Bailiwick may be let in.
	NoteCluster Action = "NoteCluster"
	// PutInitialize writes the Secret with the requests that the first server sends
	// itself when it initializes.
	PutInitialize Action = "PutInitialize"
	// DropInitialize deletes it.
	DropInitialize Action = "DropInitialize"
	// Scale makes the StatefulSet, or changes it, to have Step.Replicas servers.
	Scale Action = "Scale"
	// SendInit records that the first server is asked to initialize itself, and asks it.
	SendInit Action = "SendInit"
	// WriteContract writes the contract with the root token that this process still has
	// of the initialization, and revokes the token.
	WriteContract Action = "WriteContract"
	// Wipe deletes the volume of the first server and its pod, and counts the attempt.
	// What is on the volume is a first start that can't be completed.
	Wipe Action = "Wipe"
	// DropPod deletes the pod of the first server, whose volume is being deleted and goes
	// with the last pod that uses it.
	DropPod Action = "DropPod"
	// Complete records that the cluster is initialized, and its id.
	Complete Action = "Complete"
	// Wait means that something has to happen by itself first.
	Wait Action = "Wait"
	// Ask means that a person has to decide.
	Ask Action = "Ask"
	// Finished means that the first start is over.
	Finished Action = "Finished"
)

// Reason says why an Action is Wait or Ask.
type Reason string

const (
	// NoContract: the requests of the first start cannot be written yet.
	NoContract Reason = "NoContract"
	// NoAnswer: the first server does not answer.
	NoAnswer Reason = "NoAnswer"
	// Initializing: the first server has not initialized itself yet.
	Initializing Reason = "Initializing"
	// Unsealing: the first server is initialized, and sealed.
	Unsealing Reason = "Unsealing"
	// SealedTooLong: it stays sealed, and may hold what somebody needs.
	SealedTooLong Reason = "SealedTooLong"
	// LoginUnknown: whether an identity of the contract can log in is not known yet.
	LoginUnknown Reason = "LoginUnknown"
	// LoginRefused: the first server initialized itself, and lets no identity of the
	// contract in.
	LoginRefused Reason = "LoginRefused"
	// EmptyVolume: the first server has a volume from before that is empty.
	EmptyVolume Reason = "EmptyVolume"
	// PerhapsUsed: the first start cannot be completed, and the first server was unsealed in
	// between, so that somebody may have used it.
	PerhapsUsed Reason = "PerhapsUsed"
	// ForeignVolume: the volume of the first server was not made from nothing.
	ForeignVolume Reason = "ForeignVolume"
	// TooManyAttempts: first starts fail again and again.
	TooManyAttempts Reason = "TooManyAttempts"
	// FurtherVolumes: there are volumes of further servers, which exist only once a
	// cluster is initialized. What is on them may be in use.
	FurtherVolumes Reason = "FurtherVolumes"
	// FurtherServers: there is more than one server, although the first one is not known
	// to be initialized.
	FurtherServers Reason = "FurtherServers"
)

// Step is the next step.
type Step struct {
	Action Action
	// Replicas is for Scale.
	Replicas int32
	// Reason is for Wait and Ask.
	Reason Reason
}

// LetIn says what came of a login as an identity of the contract.
type LetIn int

const (
	// LetInUnknown means that it was not tried, or that the answer says nothing.
	LetInUnknown LetIn = iota
	// LetInYes means that the server let the identity in.
	LetInYes
	// LetInNo means that the server refused it, for whatever reason.
	LetInNo
	// LetInNothing means that the server has not even the auth mount, which the first
	// request of the contract makes.
	LetInNothing
)

// FirstServer is what the server of ordinal 0 says of itself.
type FirstServer struct {
	Initialized, Sealed bool
	ClusterID           string
}

const (
	// unsealPatience is how long a server may take to unseal itself.
	unsealPatience = 30 * time.Second
	// mountPatience is how long a server that has initialized itself may take until the
	// first request of the contract is carried out.
	mountPatience = time.Minute
	// maxAttempts is how often an incomplete first start is begun again.
	maxAttempts = 5
)

// FirstStart is what is known of the first start of a cluster.
type FirstStart struct {
	// Recorded is the record, as it was last written.
	Recorded Record
	// Want is how many servers the object asks for.
	Want int32
	// SelfInit says that the servers initialize themselves (spec.selfInit).
	SelfInit bool
	// ContractKnown says that the requests of the first start can be written.
	ContractKnown bool
	// StaticSeal says that a key of a Secret unseals the servers, so that nothing outside
	// of this Kubernetes cluster keeps them sealed.
	StaticSeal bool

	// Initialize says that the Secret with the requests exists. It is read from the API
	// server and not from a cache.
	Initialize bool
	// Replicas is that of the StatefulSet; nil if there is none.
	Replicas *int32
	// VolumeUID is the UID of the first server's PersistentVolumeClaim; empty if there
	// is none. It is read from the API server and not from a cache.
	VolumeUID string
	// VolumeForeign says that it was not made from nothing: it is a copy of another one, or
	// was bound to a given volume.
	VolumeForeign bool
	// VolumeEnding says that there is one which is being deleted; VolumeUID is empty then.
	VolumeEnding bool
	// FurtherVolumes says that there are PersistentVolumeClaims of further servers. It
	// counts for Begin and Wipe only, and is read from the API server for these.
	FurtherVolumes bool
	// Server is nil if the first server does not answer.
	Server *FirstServer
	// SealedFor is for how long it has been seen initialized and sealed.
	SealedFor time.Duration
	// InitFailed says that the server ended and said that its self-initialization had
	// failed.
	InitFailed bool
	// LetIn is whether an identity of the contract can log in at it, and NothingFor for
	// how long that has been LetInNothing.
	LetIn      LetIn
	NothingFor time.Duration
	// HasRootToken says that this process still has the root token of the initialization,
	// and ContractWritten that it has written the whole contract with it, and has revoked
	// it.
	HasRootToken, ContractWritten bool
}

// Record is what is recorded of a first start.
type Record struct {
	Initialized bool
	ClusterID   string
	Begun       bool
	VolumeUID   string
	InitSent    bool
	Attempts    int32
}

// Next returns the next step.
func (f FirstStart) Next() Step {
	if f.Recorded.Initialized {
		return f.after()
	}
	if !f.Recorded.Begun {
		if f.VolumeUID != "" || f.Replicas != nil {
			return f.adopt()
		}
		if f.FurtherVolumes {
			// An empty first server would be another cluster than the one on them.
			return Step{Action: Ask, Reason: FurtherVolumes}
		}
		return Step{Action: Begin}
	}
	return f.begun()
}

// after is Next for a cluster that is initialized. No second server exists before the
// requests of the first start are gone: a first server that loses its volume later must
// find nothing to start another cluster with. From then on, Upkeep says what is next.
func (f FirstStart) after() Step {
	switch {
	case f.Initialize:
		return Step{Action: DropInitialize}
	case f.Replicas == nil:
		return Step{Action: Scale, Replicas: f.Want}
	}
	return Step{Action: Finished}
}

// adopt is Next where the first server has a volume from before: it is started as it is,
// and initializes nothing.
func (f FirstStart) adopt() Step {
	switch {
	case f.Initialize:
		return Step{Action: DropInitialize}
	case f.Replicas == nil || *f.Replicas == 0:
		return Step{Action: Scale, Replicas: 1}
	case f.Server == nil:
		return Step{Action: Wait, Reason: NoAnswer}
	case !f.Server.Initialized:
		return Step{Action: Ask, Reason: EmptyVolume}
	case f.Server.Sealed && f.SealedFor >= unsealPatience:
		return Step{Action: Ask, Reason: SealedTooLong}
	case f.Server.Sealed:
		return Step{Action: Wait, Reason: Unsealing}
	case f.VolumeEnding:
		return Step{Action: Wait, Reason: NoAnswer}
	}
	return f.complete()
}

// complete is Complete, once the server says which cluster it is: what is recorded tells
// it from any other later.
func (f FirstStart) complete() Step {
	if f.Server.ClusterID == "" {
		return Step{Action: Wait, Reason: LoginUnknown}
	}
	return Step{Action: Complete}
}

// begun is Next while the first start is under way on a volume of its own.
func (f FirstStart) begun() Step {
	started := f.Server != nil && f.Server.Initialized
	switch {
	case f.SelfInit && !f.Initialize && !started:
		if !f.ContractKnown {
			return Step{Action: Wait, Reason: NoContract}
		}
		return Step{Action: PutInitialize}
	case !f.SelfInit && f.Initialize:
		return Step{Action: DropInitialize}
	case f.Replicas == nil || *f.Replicas < 1:
		return Step{Action: Scale, Replicas: 1}
	case *f.Replicas > 1:
		// Servers are never taken away on the strength of a record that lacks something.
		return Step{Action: Ask, Reason: FurtherServers}
	case f.VolumeEnding:
		return Step{Action: DropPod}
	case f.VolumeUID != "" && f.VolumeUID != f.Recorded.VolumeUID && f.VolumeForeign:
		return Step{Action: Ask, Reason: ForeignVolume}
	case f.VolumeUID != "" && f.VolumeUID != f.Recorded.VolumeUID:
		return Step{Action: NoteVolume}
	case f.SelfInit && f.InitFailed && !started:
		return f.wipe()
	case f.Server == nil:
		return Step{Action: Wait, Reason: NoAnswer}
	case !started && f.SelfInit:
		return Step{Action: Wait, Reason: Initializing}
	case !started:
		return Step{Action: SendInit}
	case f.Server.Sealed:
		return f.sealed()
	case f.SelfInit:
		return f.initializedItself()
	}
	return f.wasInitialized()
}

// sealed decides about a server that is initialized and sealed before anyone could use
// it. With a static key, it stays so only where the first start was interrupted.
func (f FirstStart) sealed() Step {
	switch {
	case f.SealedFor < unsealPatience:
		return Step{Action: Wait, Reason: Unsealing}
	case f.StaticSeal && (f.SelfInit || f.Recorded.InitSent):
		return f.wipe()
	}
	return Step{Action: Ask, Reason: SealedTooLong}
}

func (f FirstStart) initializedItself() Step {
	switch f.LetIn {
	case LetInYes:
		return f.complete()
	case LetInNo:
		if f.Recorded.ClusterID == "" && f.Server.ClusterID != "" {
			return Step{Action: NoteCluster}
		}
		return Step{Action: Ask, Reason: LoginRefused}
	case LetInNothing:
		// A server that is killed after it has initialized its storage, and before it has
		// noted that requests follow, never sends them (command/server.go of OpenBao).
		// Nobody can log in, and nothing was ever there to log in with.
		if f.NothingFor >= mountPatience {
			return f.wipe()
		}
	}
	return Step{Action: Wait, Reason: LoginUnknown}
}

// wasInitialized decides about a server that was initialized by a request. Whether an
// identity can log in says nothing: it can while others lack their roles, and while a root
// token is valid that nobody has.
func (f FirstStart) wasInitialized() Step {
	switch {
	case f.HasRootToken:
		return Step{Action: WriteContract}
	case f.ContractWritten:
		return f.complete()
	case !f.Recorded.InitSent:
		// A person was faster, and has the keys.
		return f.complete()
	}
	// The root token was lost together with the answer, or with the process that had it.
	return f.wipe()
}

// wipe begins again, but not for ever.
func (f FirstStart) wipe() Step {
	if f.FurtherVolumes {
		return Step{Action: Ask, Reason: FurtherVolumes}
	}
	if f.Recorded.ClusterID != "" {
		return Step{Action: Ask, Reason: PerhapsUsed}
	}
	if f.Recorded.Attempts >= maxAttempts {
		return Step{Action: Ask, Reason: TooManyAttempts}
	}
	if f.VolumeUID == "" || f.VolumeUID != f.Recorded.VolumeUID {
		// It is gone already.
		return Step{Action: Wait, Reason: NoAnswer}
	}
	return Step{Action: Wipe}
}
