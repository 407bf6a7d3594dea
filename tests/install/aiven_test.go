// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// aivenPort is one that the operator's NetworkPolicy lets out.
const aivenPort = "8443"

// The reader's own values in the place of what the guides show.
const (
	project  = "my-project"
	token    = "token-of-the-first-day"
	newToken = "token-of-the-second-day"
)

// aivenAPI is the simulated Aiven API, where pods reach it.
type aivenAPI struct {
	*aivensim.Server
	url string

	mu sync.Mutex
	// agents are the programs that sent requests, by their User-Agent.
	agents map[string]bool
}

// serveAiven serves the API until the end of the test.
func serveAiven(t *testing.T) *aivenAPI {
	t.Helper()
	sim, err := aivensim.New(aivensim.Options{
		Projects: []string{project},
		Tokens:   []aivensim.Token{{Name: "first", Value: token}, {Name: "second", Value: newToken}},
	})
	if err != nil {
		t.Fatal(err)
	}
	a := &aivenAPI{Server: sim, agents: map[string]bool{}}
	address := net.JoinHostPort(shared.GatewayAddr(), aivenPort)
	a.url = "http://" + address
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(a.serve), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
		for _, r := range sim.Unexpected() {
			t.Errorf("the operator asked for what the API does not have: %s %s", r.Method, r.Path)
		}
	})
	return a
}

func (a *aivenAPI) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.agents[r.UserAgent()] = true
	a.mu.Unlock()
	a.Handler().ServeHTTP(w, r)
}

// saw checks that the release with this version has sent requests, and says who it is.
func (a *aivenAPI) saw(_ context.Context, version string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for agent := range a.agents {
		if agent == "bailiwick/"+version {
			return nil
		}
	}
	return fmt.Errorf("Aiven saw the user agents %q, want one of bailiwick/%s", slices.Sorted(maps.Keys(a.agents)), version)
}

// services lists the services that exist.
func (a *aivenAPI) services() []string {
	var names []string
	for _, o := range a.Objects() {
		if o.Kind == "service" {
			names = append(names, o.Service)
		}
	}
	return names
}

// created checks that each service was created once, and none of them deleted.
func (a *aivenAPI) created(t *testing.T, services ...string) {
	t.Helper()
	for _, name := range services {
		var creations int
		for _, r := range a.Requests(aivensim.Mutating) {
			switch {
			case !r.Applied:
			case r.Operation == "ServiceCreate" && strings.Contains(string(r.Body), fmt.Sprintf("%q", name)):
				creations++
			case r.Operation == "ServiceDelete" && r.Service == name:
				t.Errorf("%s was deleted", name)
			}
		}
		if creations != 1 {
			t.Errorf("%s was created %d times, want once", name, creations)
		}
		if !slices.Contains(a.services(), name) {
			t.Errorf("%s does not exist", name)
		}
	}
}
