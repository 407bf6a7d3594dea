// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/tests/internal/baoimage"
)

// TestStartSurvivesTheServer has the first server end without warning at many moments of
// its self-initialization. Bailiwick begins again where that cannot be completed.
func TestStartSurvivesTheServer(t *testing.T) {
	after := func(d time.Duration) func(*world) {
		return func(*world) { time.Sleep(d) }
	}
	for name, tc := range map[string]struct {
		wait func(w *world)
		// begunAgain says that what it leaves can't be completed.
		begunAgain bool
	}{
		"at its start":          {wait: after(0)},
		"300ms after its start": {wait: after(300 * time.Millisecond)},
		"1s after its start":    {wait: after(time.Second)},
		"2s after its start":    {wait: after(2 * time.Second)},
		"4s after its start":    {wait: after(4 * time.Second)},
		// From then on the storage is initialized, and not all requests are sent.
		// From then on the storage is initialized, and not all requests are sent.
		"once its storage is initialized": {begunAgain: baoimage.IsTestServer(), wait: func(w *world) {
			w.eventually("the first server to say that its storage is initialized", func() error {
				log, err := w.kube.CoreV1().Pods(w.ns).GetLogs("prod-0", &corev1.PodLogOptions{}).DoRaw(w.ctx)
				if err == nil && !bytes.Contains(log, []byte("security barrier initialized")) {
					err = errors.New("it does not")
				}
				return err
			})
		}},
	} {
		t.Run("killed "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.grant()
			w.start()
			w.create(w.cluster("prod", one, func(c *openbaov1alpha1.OpenBaoCluster) {
				if os.Getenv("BAO_IMAGE") == "" {
					c.Spec.Image = slowImage
				}
			}))
			var pid int
			w.eventually("the first server to run", func() (err error) {
				pid, err = w.processOf("prod-0")
				return err
			})
			tc.wait(w)
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			w.ready("prod")
			w.startedWhole("prod")
			attempts := w.get("prod").Status.FirstStart.Attempts
			events := w.events("FirstStartBegunAgain")
			t.Logf("begun again %d times", attempts)
			if int(attempts) != events {
				t.Errorf("It began again %d times, and %d events say so", attempts, events)
			}
			if tc.begunAgain && attempts == 0 {
				t.Error("The first start was interrupted and did not begin again")
			}
		})
	}
}

// events counts the events with a reason.
func (w *world) events(reason string) int {
	w.Helper()
	list, err := w.kube.CoreV1().Events(w.ns).List(w.ctx, metav1.ListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	n := 0
	for _, e := range list.Items {
		if e.Reason == reason {
			n += int(max(e.Count, 1))
		}
	}
	return n
}

// processOf returns the process of a pod's server, as this machine numbers it: the node's
// processes are children of this one.
func (w *world) processOf(pod string) (int, error) {
	p, err := w.kube.CoreV1().Pods(w.ns).Get(w.ctx, pod, metav1.GetOptions{})
	if err != nil {
		return 0, err
	}
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		folder := filepath.Dir(file)
		groups, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(groups), "pod"+string(p.UID)) {
			continue // It has ended, or is another's.
		}
		command, err := os.ReadFile(filepath.Join(folder, "cmdline"))
		if err == nil && strings.HasPrefix(string(command), "bao\x00server\x00") {
			return strconv.Atoi(filepath.Base(folder))
		}
	}
	return 0, errors.New("it has no process")
}
