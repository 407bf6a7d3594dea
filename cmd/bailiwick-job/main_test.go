// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
)

func TestRun(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no request":     {[]string{jobstep.Backup}, jobstep.Final, jobstep.ReasonRequestInvalid},
		"half a request": {[]string{jobstep.Retain, "--request={"}, jobstep.Final, jobstep.ReasonRequestInvalid},
		"no operation":   {[]string{jobstep.Backup, "--request={}"}, jobstep.Final, "names no operation"},
		"no step":        {nil, jobstep.Final, "usage"},
		"unknown step":   {[]string{"destroy", "--path=x"}, jobstep.Final, "unknown step"},
		"unknown flag":   {[]string{jobstep.InspectRaft, "--id=x"}, jobstep.Final, "id"},
		"no path":        {[]string{jobstep.InspectRaft}, jobstep.Final, "--path"},
		"an argument":    {[]string{jobstep.InspectRaft, "--path=x", "y"}, jobstep.Final, "unknown argument"},
		"no voter":       {[]string{jobstep.RecoverRaft, "--path=x"}, jobstep.Final, "--id"},
		"empty":          {[]string{jobstep.InspectRaft, "--path=" + t.TempDir()}, jobstep.Done, `"empty":true`},
		"another volume": {[]string{jobstep.RecoverRaft, "--path=" + t.TempDir(), "--id=a", "--address=b", "--term=1", "--index=2"}, jobstep.Final, "as planned"},
	} {
		var report string
		code := run(tc.args, io.Discard, func(raw []byte) error {
			report = string(raw)
			return nil
		})
		if code != tc.code || !strings.Contains(report, tc.want) {
			t.Errorf("%s: code %d, %s; want code %d and %q", name, code, report, tc.code, tc.want)
		}
	}
	if code := run([]string{jobstep.InspectRaft, "--path=" + t.TempDir()}, io.Discard, func([]byte) error { return errors.New("no") }); code != jobstep.TryAgain {
		t.Errorf("code %d for what cannot be reported", code)
	}
}

// TestDependencies keeps the Kubernetes client and Aiven out of the program of the Jobs, and
// what reads volumes or knows object stores out of the operator.
func TestDependencies(t *testing.T) {
	for program, unwanted := range map[string][]string{
		".": {"k8s.io/", "github.com/bailiwick-operator/bailiwick/pkg/aiven", "github.com/aiven/"},
		"../bailiwick": {
			"go.etcd.io/bbolt", "github.com/hashicorp/go-msgpack", "github.com/bailiwick-operator/bailiwick/pkg/raftstore",
			"gocloud.dev", "github.com/aws/", "github.com/Azure/", "cloud.google.com/", "github.com/bailiwick-operator/bailiwick/pkg/objectstore",
		},
	} {
		out, err := exec.Command("go", "list", "-deps", program).Output()
		if err != nil {
			t.Fatal(err)
		}
		for dependency := range strings.SplitSeq(string(out), "\n") {
			for _, prefix := range unwanted {
				if dependency != "" && strings.HasPrefix(dependency, prefix) {
					t.Errorf("%s depends on %s", program, dependency)
				}
			}
		}
	}
}
