// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// kubeWrites counts what an operator changes at the API server.
type kubeWrites struct {
	mu     sync.Mutex
	counts map[string]int
}

func (w *kubeWrites) watch(o *app.Options) {
	o.RESTConfig.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet {
				w.mu.Lock()
				w.counts[r.Method+" "+resourceIn(r.URL.Path)]++
				w.mu.Unlock()
			}
			return next.RoundTrip(r)
		})
	})
}

// resourceIn returns the resource, and subresource if any, that a path of the API
// server is about.
func resourceIn(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	prefix := 3 // apis/<group>/<version>
	if parts[0] == "api" {
		prefix = 2
	}
	if rest := parts[min(prefix, len(parts)):]; len(rest) > 2 && rest[0] == "namespaces" {
		parts = rest[2:]
	} else {
		parts = rest
	}
	switch len(parts) {
	case 0:
		return path
	case 3:
		return parts[0] + "/" + parts[2]
	}
	return parts[0]
}

func (w *kubeWrites) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts = map[string]int{}
}

// byResource returns the counts by method and resource.
func (w *kubeWrites) byResource() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.counts)
}

// createMany creates n objects of a kind, several at once.
func (e *env) createMany(kind string, n int, change func(i int, spec map[string]any)) {
	e.Helper()
	client := e.client(kind)
	const workers = 10
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := worker; i < n; i += workers {
				obj := e.object(kind, fmt.Sprintf("x-%d", i), func(spec map[string]any) { change(i, spec) })
				if _, err := client.Create(e.ctx, obj, metav1.CreateOptions{}); err != nil {
					e.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// allReady waits until n objects of a kind are Ready and annotated.
func (e *env) allReady(kind string, n int) {
	e.Helper()
	client := e.client(kind)
	e.within(3*time.Minute, fmt.Sprintf("%d of %s to be Ready", n, kind), func() error {
		list, err := client.List(e.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		ready := 0
		for _, item := range list.Items {
			var typed struct {
				Status struct {
					Conditions []metav1.Condition `json:"conditions"`
				} `json:"status"`
			}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &typed); err != nil {
				return err
			}
			if meta.IsStatusConditionTrue(typed.Status.Conditions, "Ready") && item.GetAnnotations()["controllers.aiven.io/instance-is-running"] != "" {
				ready++
			}
		}
		if ready != n {
			time.Sleep(200 * time.Millisecond) // a list of this length is not cheap
			return fmt.Errorf("%d are", ready)
		}
		return nil
	})
}

// What a full poll costs depends on the number of services, not of objects, and
// it finds what happened behind the operator's back.
func TestSteadyStateOfManyObjects(t *testing.T) {
	t.Parallel()
	const (
		each     = 300
		interval = 5 * time.Second
		// budget is how many requests one poll of one service may cost.
		budget = 10
	)
	e := lifecycleEnv(t, aivensim.Options{})
	writes := &kubeWrites{counts: map[string]int{}}
	began := time.Now()
	e.start(writes.watch)
	e.create(e.object("Kafka", "host"))
	e.createMany("KafkaTopic", each, func(int, map[string]any) {})
	e.createMany("ServiceUser", each, func(int, map[string]any) {})
	e.createMany("KafkaACL", each, func(i int, spec map[string]any) {
		spec["topic"], spec["username"] = fmt.Sprintf("x-%d", i), fmt.Sprintf("x-%d", i)
	})
	created := time.Now()
	e.allReady("Kafka", 1)
	for _, kind := range []string{"KafkaTopic", "ServiceUser", "KafkaACL"} {
		e.allReady(kind, each)
		if n := len(e.remotes(kind)); n != each {
			t.Errorf("%d of %s exist at the simulator, want %d", n, kind, each)
		}
	}
	t.Logf("Created %d objects in %s; all were Ready %s later, after %d Aiven requests, %d of which changed something",
		3*each+1, created.Sub(began).Round(time.Millisecond), time.Since(created).Round(time.Millisecond),
		e.sim.Count(), e.sim.Count(aivensim.Mutating))
	t.Logf("That took these writes to the API server: %v", writes.byResource())

	e.stopOperator()
	e.sim.ResetRequests()
	// The event that the one before was sending may still arrive.
	writes = &kubeWrites{counts: map[string]int{}}
	e.start(writes.watch, func(o *app.Options) { o.PollInterval, o.Aiven.EventLogInterval = interval, 0 })
	// The first poll is left out: what is read and looked at before it belongs to
	// the start.
	poll := aivensim.ByOperation("ServiceGet")
	e.awaitRequests(3, poll)
	if n := e.sim.Count(aivensim.Mutating); n != 0 {
		t.Errorf("a restart changed %d things at Aiven", n)
	}
	// A new process asks whether it may watch Secrets.
	for what := range writes.byResource() {
		if what != "POST selfsubjectaccessreviews" {
			t.Errorf("a restart with nothing to do writes to the API server: %s", what)
		}
	}
	writes.reset()
	e.sim.ResetRequests()
	e.awaitRequests(2, poll)
	cost := map[string]int{}
	polls := 0
	for _, r := range e.sim.Requests() {
		if r.Operation == "ServiceGet" {
			polls++
		}
		if polls == 1 {
			cost[r.Operation]++
		}
	}
	total := 0
	for _, n := range cost {
		total += n
	}
	t.Logf("A poll of 1 service with %d objects costs %d Aiven requests: %v", 3*each, total, cost)
	if total > budget {
		t.Errorf("a poll costs %d Aiven requests, want at most %d", total, budget)
	}
	if got := writes.byResource(); len(got) > 0 {
		t.Errorf("a poll that finds nothing new writes to the API server: %v", got)
	}

	e.sim.ResetRequests()
	deleted := time.Now()
	if err := e.sim.Outside(project, "host").DeleteUser("x-7"); err != nil {
		t.Fatal(err)
	}
	e.awaitRequests(1, aivensim.ByOperation("ServiceUserCreate"))
	t.Logf("A user that was deleted was there again after %s, with a poll interval of %s",
		time.Since(deleted).Round(time.Millisecond), interval)
	requests := e.sim.Requests()
	create := slices.IndexFunc(requests, func(r aivensim.Request) bool { return r.Operation == "ServiceUserCreate" })
	polls = 0
	for _, r := range requests[:create] {
		if r.Operation == "ServiceGet" {
			polls++
		}
	}
	// The poll that was under way as the user was deleted may see it, too.
	if polls > 1 {
		t.Errorf("the user was created again after %d polls, want the first to see that it is gone", polls)
	}
	if _, ok := mustService(t, e, "host").User("x-7"); !ok {
		t.Error("the user is not there")
	}
}

func (e *env) awaitRequests(n int, filters ...aivensim.Filter) {
	e.Helper()
	if err := e.sim.WaitCount(e.ctx, n, filters...); err != nil {
		e.Fatal(err)
	}
}

func mustService(t testing.TB, e *env, name string) *aivensim.Service {
	t.Helper()
	sv, ok := e.sim.Project(project).Service(name)
	if !ok {
		t.Fatalf("no service %s at the simulator", name)
	}
	return &sv
}
