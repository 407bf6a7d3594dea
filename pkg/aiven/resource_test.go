// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type gadget struct {
	State string `json:"state"`
}

// gadgets makes the API answer these paths; others stay as they are. Writes
// to them change nothing.
func (f *fakeAPI) gadgets(states map[string]string) {
	f.set(func() {
		f.fail = func(req *http.Request) *http.Response {
			if state, ok := states[req.URL.Path]; ok {
				if state == "" {
					return answer(404, map[string]any{"message": "no such gadget"})
				}
				return answer(200, gadget{State: state})
			}
			if req.Method != http.MethodGet || strings.Contains(req.URL.Path, "/gadget") {
				return answer(200, map[string]any{})
			}
			return nil
		}
	})
}

func gadgetAt(project, service, path string) Resource[gadget] {
	return Resource[gadget]{
		Kind: "gadget", Project: project, Service: service, Name: path,
		Fetch: func(ctx context.Context, d Doer) (*gadget, error) {
			answer, err := d.Do(ctx, "GadgetGet", http.MethodGet, path, nil)
			if err != nil {
				return nil, err
			}
			out := new(gadget)
			return out, json.Unmarshal(answer, out)
		},
		Settled: func(g *gadget) bool { return g.State != "MOVING" },
	}
}

// gadget reads until the reading is there.
func (w *world) gadget(id string, r Resource[gadget]) *Reading[gadget] {
	w.t.Helper()
	for range 100 {
		reading, err := Read(w.client(id), r)
		if err == nil {
			return reading
		}
		if !errors.Is(err, ErrPending) {
			w.t.Fatalf("Read(%s): %v", r.Name, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("Read(%s) stays pending", r.Name)
	return nil
}

func TestReadIsSharedAndPolled(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		const path = "/v1/project/p/gadget/x"
		w.api.gadgets(map[string]string{path: "a", path + "2": ""})
		for _, id := range []string{"one", "two"} {
			if v := w.gadget(id, gadgetAt("p", "", path)).Value(); v == nil || v.State != "a" {
				t.Fatalf("got %v", v)
			}
		}
		if n := w.api.count("GET " + path); n != 1 {
			t.Errorf("read %d times", n)
		}
		if v := w.gadget("three", gadgetAt("p", "", path+"2")).Value(); v != nil {
			t.Errorf("got %v for what does not exist", v)
		}
		w.takeNotified("one")
		w.takeNotified("three")
		w.api.gadgets(map[string]string{path: "b", path + "2": ""})
		time.Sleep(11 * time.Minute)
		if w.takeNotified("one") == 0 || w.takeNotified("three") != 0 {
			t.Error("not just those were notified who read what has changed")
		}
		if v := w.gadget("one", gadgetAt("p", "", path)).Value(); v.State != "b" {
			t.Errorf("got %v", v)
		}
	})
}

func TestReadUntilSettled(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		const path = "/v1/project/p/gadget/x"
		w.api.gadgets(map[string]string{path: "MOVING"})
		w.gadget("a", gadgetAt("p", "", path)).Value()
		time.Sleep(10 * time.Second)
		w.api.gadgets(map[string]string{path: "THERE"})
		w.takeNotified("a")
		time.Sleep(10 * time.Second)
		if w.takeNotified("a") == 0 {
			t.Error("the end of the move was missed")
		}
		n := w.api.count("GET " + path)
		time.Sleep(time.Minute)
		if more := w.api.count("GET "+path) - n; more != 0 {
			t.Errorf("%d reads of what is settled", more)
		}
	})
}

func TestReadFailure(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.api.set(func() {
			w.api.fail = func(*http.Request) *http.Response { return answer(403, map[string]any{"message": "no"}) }
		})
		r := gadgetAt("p", "", "/v1/project/p/gadget/x")
		if _, err := Read(w.client("a"), r); !errors.Is(err, ErrPending) {
			t.Fatalf("got %v", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if _, err := Read(w.client("a"), r); ClassOf(err) != Forbidden {
			t.Errorf("got %v", err)
		}
	})
}

func TestWhatMakesAReadingStale(t *testing.T) {
	const inService, inProject = "/v1/project/p/service/s/gadget/x/versions", "/v1/project/p/gadget/x"
	for what, tc := range map[string]struct {
		resource Resource[gadget]
		method   string
		path     string
		stale    bool
	}{
		"the list it is in":        {gadgetAt("p", "s", inService), "POST", "/v1/project/p/service/s/gadget", true},
		"itself":                   {gadgetAt("p", "s", inService), "POST", inService, true},
		"a part of it":             {gadgetAt("p", "s", inService), "PUT", inService + "/1", true},
		"the service":              {gadgetAt("p", "s", inService), "PUT", "/v1/project/p/service/s", true},
		"a sibling":                {gadgetAt("p", "s", inService), "POST", "/v1/project/p/service/s/gadget/y/versions", false},
		"another thing inside":     {gadgetAt("p", "s", inService), "POST", "/v1/project/p/service/s/gadget2", false},
		"another service":          {gadgetAt("p", "s", inService), "POST", "/v1/project/p/service/s2/gadget", false},
		"in the project":           {gadgetAt("p", "", inProject), "DELETE", inProject, true},
		"the project":              {gadgetAt("p", "", inProject), "PUT", "/v1/project/p", true},
		"another project":          {gadgetAt("p", "", inProject), "DELETE", "/v1/project/p2/gadget/x", false},
		"a service of the project": {gadgetAt("p", "", "/v1/project/p/gadget"), "POST", "/v1/project/p/service/s/gadget", false},
		"the organization":         {gadgetAt("org1", "", "/v1/organization/org1/gadget/x"), "POST", "/v1/organization/org1/gadgets", true},
		"another organization":     {gadgetAt("org1", "", "/v1/organization/org1/gadget/x"), "POST", "/v1/organization/org2/gadgets", false},
	} {
		t.Run(what, func(t *testing.T) {
			running(t, nil, func(t *testing.T, w *world) {
				w.api.gadgets(map[string]string{tc.resource.Name: "a"})
				w.gadget("a", tc.resource).Value()
				if err := w.do(w.client("b"), "GadgetChange", tc.method, tc.path, nil); err != nil && ClassOf(err) != NotFound {
					t.Fatal(err)
				}
				_, err := Read(w.client("a"), tc.resource)
				if got := errors.Is(err, ErrPending); got != tc.stale {
					t.Errorf("stale is %v, want %v (%v)", got, tc.stale, err)
				}
			})
		})
	}
}
