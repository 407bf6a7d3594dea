// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// quietFor is how long nothing may happen for the work to count as done.
const quietFor = 3 * time.Second

// eventLog is the operation whose requests are reported apart.
const eventLog = "ProjectGetEventLogs"

// span measures from one moment to another.
type span struct {
	world *world
	op    *operator
	began time.Time
	kube  writes
	used  time.Duration
}

// use is what an operator did in a span.
type use struct {
	kube writes
	// reads and writes are Aiven requests, logReads those of the event log.
	reads, writes, logReads int
	bytes                   int64
	connections             int
	requests                []aivensim.Request
	cpu                     time.Duration
	// last is when the last Aiven request ended, reads of the event log left out.
	last time.Time
}

// begin starts a span. op may be nil if none runs yet.
func (w *world) begin(ctx context.Context, op *operator) (*span, error) {
	s := &span{world: w, op: op}
	var err error
	if s.kube, err = w.kubeWrites(ctx); err != nil {
		return nil, err
	}
	if op != nil {
		if s.used, err = op.cpu(); err != nil {
			return nil, err
		}
	}
	w.sim.ResetRequests()
	s.began = time.Now()
	return s, nil
}

// end returns what was done since begin by the operator, which may have been
// started after it. Aiven requests count until the given time.
func (s *span) end(ctx context.Context, op *operator, until time.Time) (*use, error) {
	u := &use{connections: s.world.sim.Connections("")}
	now, err := op.cpu()
	if err != nil {
		return nil, err
	}
	u.cpu = now
	if op == s.op {
		u.cpu -= s.used
	}
	u.requests = s.world.sim.Requests(func(r aivensim.Request) bool { return !r.Time.After(until) })
	for _, r := range u.requests {
		if r.Operation == eventLog {
			u.logReads++
			continue
		}
		u.bytes += int64(r.Bytes)
		if r.Mutating {
			u.writes++
		} else {
			u.reads++
		}
		if ended := r.Time.Add(r.Duration); ended.After(u.last) {
			u.last = ended
		}
	}
	kube, err := s.world.kubeWrites(ctx)
	if err != nil {
		return nil, err
	}
	u.kube = kube.minus(s.kube)
	return u, nil
}

// quiet waits until neither Aiven nor the API server has heard anything of an
// operator for quietFor, leases and reads of the event log left out.
func (w *world) quiet(ctx context.Context) error {
	last, since := -1, time.Now()
	return until(ctx, time.Second, func() (bool, error) {
		kube, err := w.kubeWrites(ctx)
		if err != nil {
			return false, err
		}
		n := kube.total(anyWrite) + w.sim.Count(func(r aivensim.Request) bool { return r.Operation != eventLog })
		if n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) >= quietFor, nil
	})
}

// aivenByOperation counts Aiven requests.
func (u *use) aivenByOperation() string {
	counts := writes{}
	for _, r := range u.requests {
		counts[writeKey{verb: r.Method, resource: r.Operation}]++
	}
	return counts.String()
}

// startProfile records a CPU profile of the operator for that long, if profiles
// are asked for, and returns a function that waits for it.
func (w *world) startProfile(ctx context.Context, op *operator, name string, d time.Duration) (wait func() error) {
	if w.bench.profile == 0 || w.bench.operator != "" {
		return func() error { return nil }
	}
	result := make(chan error, 1)
	go func() {
		result <- w.fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", op.metrics, int(d.Seconds())), name+".cpu.pprof")
	}()
	return func() error { return <-result }
}

// heapProfile saves what the operator holds in memory, if profiles are asked for.
func (w *world) heapProfile(ctx context.Context, op *operator, name string) error {
	if w.bench.profile == 0 || w.bench.operator != "" {
		return nil
	}
	return w.fetch(ctx, "http://"+op.metrics+"/debug/pprof/heap", name+".heap.pprof")
}

func (w *world) fetch(ctx context.Context, url, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	out, err := os.Create(filepath.Join(w.bench.out, file))
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, response.Body)
	return err
}

// drain reads the answer to its end, so that the connection is used again.
func drain(response *http.Response) error {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", response.Request.Method, response.Request.URL.Path, response.Status, body)
	}
	return nil
}
