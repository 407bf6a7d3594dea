// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package jobstep is what Bailiwick and the program that its Jobs run agree on: the steps,
// their arguments, the exit codes, and the result.
package jobstep

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Program is where the program is in the image.
const Program = "/bailiwick-job"

// DataDir is where a Job has the volume of a server.
const DataDir = "/bao/data"

// Steps, which are the first argument of the program.
const (
	// InspectRaft reads what is on the volume of a server, and changes nothing.
	InspectRaft = "inspect-raft"
	// RecoverRaft makes the server of a volume the only voter of its cluster when it is
	// started next.
	RecoverRaft = "recover-raft"
)

// Exit codes of the program.
const (
	// Done means that the step is done.
	Done = 0
	// TryAgain means that it may succeed later.
	TryAgain = 2
	// Final means that it will not.
	Final = 3
)

// Position is that of an entry in the log of a raft cluster. Entries are in the order of
// their term and then of their index.
type Position struct {
	Index uint64 `json:"index"`
	Term  uint64 `json:"term"`
}

// Compare returns which of two positions comes first.
func (p Position) Compare(other Position) int {
	switch {
	case p.Term != other.Term && p.Term < other.Term, p.Term == other.Term && p.Index < other.Index:
		return -1
	case p == other:
		return 0
	}
	return 1
}

// Server is a member of a raft cluster, as a configuration lists it.
type Server struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Voter   bool   `json:"voter"`
}

// Raft is what is on the volume of a server.
type Raft struct {
	// Empty means that the server is part of no cluster: it has nothing, or has just begun
	// to look for others.
	Empty bool `json:"empty,omitempty"`
	// Last is the position of the last entry, and Snapshot that of the last one whose
	// effect is in the data.
	Last     Position `json:"last"`
	Snapshot Position `json:"snapshot"`
	// Servers are those of the last configuration, as far as it could be read.
	Servers []Server `json:"servers,omitempty"`
	// Problem says why the volume cannot be read, empty if it can.
	Problem string `json:"problem,omitempty"`
}

// Result is what a step reports.
type Result struct {
	// Raft is that of InspectRaft.
	Raft *Raft `json:"raft,omitempty"`
	// Backup is that of Backup, and Retain that of Retain.
	Backup *BackupResult `json:"backup,omitempty"`
	Retain *RetainResult `json:"retain,omitempty"`
	// Error says why a step failed, and Reason the same in one word where the step has
	// one.
	Error  string `json:"error,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// maxMessage is how many bytes of a termination message Kubernetes keeps.
const maxMessage = 4096

// Encode returns a result as a termination message. A long text is cut.
func (r Result) Encode() ([]byte, error) {
	raw, err := json.Marshal(r)
	for limit := 1024; err == nil && len(raw) > maxMessage && limit > 0; limit /= 2 {
		r.Error = cut(r.Error, limit)
		if r.Raft != nil {
			raft := *r.Raft
			raft.Problem = cut(raft.Problem, limit)
			if limit < 512 {
				raft.Servers = nil
			}
			r.Raft = &raft
		}
		raw, err = json.Marshal(r)
	}
	return raw, err
}

func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// Decode reads a result.
func Decode(message string) (Result, error) {
	var r Result
	if message == "" {
		return r, errors.New("it reported nothing")
	}
	if err := json.Unmarshal([]byte(message), &r); err != nil {
		return Result{}, fmt.Errorf("read its report: %w", err)
	}
	return r, nil
}

// Voter is the only voter that RecoverRaft leaves.
type Voter struct {
	ID, Address string
	// Last is where its log must end.
	Last Position
}

// InspectArgs are the arguments of InspectRaft.
func InspectArgs() []string { return []string{InspectRaft, "--path=" + DataDir} }

// RecoverArgs are the arguments of RecoverRaft.
func RecoverArgs(v Voter) []string {
	return []string{
		RecoverRaft, "--path=" + DataDir, "--id=" + v.ID, "--address=" + v.Address,
		"--term=" + strconv.FormatUint(v.Last.Term, 10), "--index=" + strconv.FormatUint(v.Last.Index, 10),
	}
}
