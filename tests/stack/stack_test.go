// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/bailiwick-operator/bailiwick/tests/internal/process"
)

func TestStopLeavesNothing(t *testing.T) {
	ignoreShared := goleak.IgnoreCurrent()
	s, err := Start(t.Context(), Options{Kubernetes: &KubernetesOptions{}, OpenBao: &OpenBaoOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, p := range []*process.Process{s.Kubernetes.etcd, s.Kubernetes.apiServer, s.Kubernetes.controllerManager, s.OpenBao.server} {
		pid := p.PID()
		if pid == 0 {
			t.Errorf("%s does not run", p.Name)
			continue
		}
		pids = append(pids, pid)
	}

	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if err := syscall.Kill(-pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("Process group %d exists: %v", pid, err)
		}
	}
	if _, err := os.Stat(s.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s exists: %v", s.Dir, err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("A second Stop: %v", err)
	}
	goleak.VerifyNone(t, ignoreShared)
}

func TestStartFailsWithLogAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	_, err := StartKubernetes(t.Context(), KubernetesOptions{Dir: dir, APIServerArgs: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "kube-apiserver ended") || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("error = %v, want one that quotes the log of kube-apiserver", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "logs", "kube-apiserver.log")); err != nil {
		t.Errorf("The directory of the caller is not kept: %v", err)
	}
}

func TestStartEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := StartOpenBao(ctx, OpenBaoOptions{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %v", err, context.Canceled)
	}
}

func TestToolUnknown(t *testing.T) {
	if _, err := Tool("no-such-tool"); err == nil || !strings.Contains(err.Error(), "unknown tool no-such-tool") {
		t.Errorf("error = %v, want the script's", err)
	}
}

func TestToolNotBuilt(t *testing.T) {
	t.Setenv("BAILIWICK_CACHE", t.TempDir())
	if _, err := Tool("etcd"); err == nil || !strings.Contains(err.Error(), "run ") || !strings.Contains(err.Error(), buildTools) {
		t.Errorf("error = %v, want one that names %s", err, buildTools)
	}
}
