// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bailiwick-job carries out one step of what Bailiwick does with OpenBao servers
// and their volumes, in a Job that has no access to the Kubernetes API. Steps about a
// volume have no network, and those of backups reach the servers and the object store.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/raftstore"
)

// terminationLog is where the kubelet reads the result.
const terminationLog = "/dev/termination-log"

func main() {
	os.Exit(run(os.Args[1:], os.Stderr, func(result []byte) error { return os.WriteFile(terminationLog, result, 0o600) }))
}

// run carries out a step, and returns the exit code.
func run(args []string, log io.Writer, report func([]byte) error) int {
	result, code := step(args)
	raw, err := result.Encode()
	if err == nil {
		fmt.Fprintf(log, "%s\n", raw)
		err = report(raw)
	}
	if err != nil {
		fmt.Fprintf(log, "report the result: %v\n", err)
		// What was done is not known to anyone, and all steps can be repeated.
		return jobstep.TryAgain
	}
	return code
}

func step(args []string) (jobstep.Result, int) {
	if len(args) == 0 {
		return failed(errors.New("usage: bailiwick-job STEP [flags]"))
	}
	if isBackupStep(args[0]) {
		return backupStep(args)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("path", "", "the folder of the server's data")
	var voter jobstep.Voter
	if args[0] == jobstep.RecoverRaft {
		flags.StringVar(&voter.ID, "id", "", "the id of the server")
		flags.StringVar(&voter.Address, "address", "", "its address in the cluster")
		flags.Uint64Var(&voter.Last.Term, "term", 0, "the term of its last entry")
		flags.Uint64Var(&voter.Last.Index, "index", 0, "the index of its last entry")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return failed(err)
	}
	switch {
	case flags.NArg() > 0:
		return failed(fmt.Errorf("unknown argument %q", flags.Arg(0)))
	case *path == "":
		return failed(errors.New("--path is required"))
	}
	switch args[0] {
	case jobstep.InspectRaft:
		found, err := raftstore.Read(*path)
		if err != nil {
			return failed(err)
		}
		return jobstep.Result{Raft: &found}, jobstep.Done
	case jobstep.RecoverRaft:
		if voter.ID == "" || voter.Address == "" || voter.Last.Index == 0 {
			return failed(errors.New("--id, --address and --index are required"))
		}
		if err := raftstore.Recover(*path, voter); err != nil {
			return failed(err)
		}
		return jobstep.Result{}, jobstep.Done
	}
	return failed(fmt.Errorf("unknown step %q", args[0]))
}

// failed is the result of a step that failed. Of what can fail, only a storage that is in
// use becomes another by itself.
func failed(err error) (jobstep.Result, int) {
	code := jobstep.Final
	if errors.Is(err, raftstore.ErrInUse) {
		code = jobstep.TryAgain
	}
	return jobstep.Result{Error: err.Error()}, code
}
