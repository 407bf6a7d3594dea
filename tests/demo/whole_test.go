// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/klog/v2"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/internal/progress"
)

// TestDemo runs the whole demo, and then what it has people try.
func TestDemo(t *testing.T) {
	// Informers report every lost connection while the servers stop.
	klog.SetLogger(klog.Logger{})
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	opts, err := parse(nil, t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	var out bytes.Buffer
	d := &demo{options: opts, root: root, out: progress.New(&out)}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("The demo printed:\n%s", out.String())
		}
	})
	if err := d.run(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "has proved 4/4 identities") {
		t.Error("not all identities are proved")
	}

	sim := d.simulator.URL()
	hinted := hints(map[string]string{"SIMULATOR": sim, "PROJECT": project}, true)
	lines := regexp.MustCompile(`(?m)^  curl -s (?:-X (DELETE) )?(http\S+/_sim/(?:console|faults))(?: -d '(.*)')?$`).FindAllStringSubmatch(hinted, -1)
	if len(lines) != 3 {
		t.Fatalf("the hints have %d changes: %s", len(lines), hinted)
	}
	for _, line := range lines {
		method := http.MethodPost
		if line[1] != "" {
			method = line[1]
		}
		request, err := http.NewRequestWithContext(ctx, method, line[2], strings.NewReader(line[3]))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body) // it is only shown
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s is answered with %d %s", line[0], answer.StatusCode, body)
		}
	}
	// The change in the console is repaired, once the faults are over.
	if err := d.simulator.WaitUntil(ctx, func() bool {
		sv, ok := d.simulator.Project(project).Service("demo-pg")
		return ok && sv.Plan == "startup-4"
	}); err != nil {
		t.Error(err)
	}
	if d.simulator.Count(aivensim.ByOperation("ServiceUpdate")) == 0 {
		t.Error("nothing was repaired")
	}
}
