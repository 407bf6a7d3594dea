// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
)

// mortal is an operator that can die at a chosen step: right after a request that
// changes something was carried out, at Aiven or at the API server. The answer is
// lost, and nothing more of this operator reaches either of the two.
type mortal struct {
	// stop ends the operator as SIGTERM does and returns how it ended, kill as
	// SIGKILL does.
	stop func() error
	kill func()

	mu sync.Mutex
	// left is how many changes are carried out until it dies; 0: it lives on.
	left int
	dead bool
	// died is closed when it dies.
	died chan struct{}
	// changes are the changes since it was armed, for messages.
	changes []string
}

// mortalVisibleWithin is how long the next operator waits for what its predecessor may
// have created. The simulator shows that immediately.
const mortalVisibleWithin = 2 * time.Second

// launchMortal runs an operator for one kind in this process. Cut off from both
// sides, it is as good as killed.
func (e *env) launchMortal(kind string) *mortal {
	e.Helper()
	m := &mortal{died: make(chan struct{})}
	front := httptest.NewServer(m.inFrontOf(e))
	op := e.launch(func(o *app.Options) {
		o.Controllers = []string{kind}
		o.Aiven.URL = front.URL
		o.Aiven.VisibleWithin = mortalVisibleWithin
		o.RESTConfig.Wrap(m.toAPIServer)
	})
	m.stop, m.kill = op.stop, op.cancel
	go func() {
		<-op.done
		front.Close()
	}()
	return m
}

// startMortal is launchMortal for a process of its own, which dies by SIGKILL.
func (e *env) startMortal(kind string) *mortal {
	e.Helper()
	config, err := e.cluster.ServiceAccountConfig(e.ctx, operatorNamespace, operatorAccount)
	if err != nil {
		e.Fatal(err)
	}
	m := &mortal{died: make(chan struct{})}
	aiven := httptest.NewServer(m.inFrontOf(e))
	apiServer := httptest.NewServer(e.forwardTo(config, m.toAPIServer))
	c := e.startChild(&rest.Config{Host: apiServer.URL},
		[]string{"DEFAULT_AIVEN_TOKEN=" + tokenDefault.Value},
		"-v=4", "--leader-elect=false", "--watch-namespaces="+e.ns, "--controllers="+kind,
		"--aiven-url="+aiven.URL, "--event-log-interval=200ms", "--aiven-visible-within="+mortalVisibleWithin.String())
	m.stop = c.terminate
	m.kill = func() { _ = c.process.Kill() }
	go func() {
		<-c.exited
		aiven.Close()
		apiServer.Close()
	}()
	return m
}

// arm lets the operator die after the next n changes.
func (m *mortal) arm(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left, m.changes = n, nil
}

// disarm returns what was changed since arm, and whether the operator died of it.
func (m *mortal) disarm() (changes []string, dead bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = 0
	return m.changes, m.dead
}

func (m *mortal) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// carriedOut counts a change and returns false if its answer is never to arrive.
func (m *mortal) carriedOut(change string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return false
	}
	m.changes = append(m.changes, change)
	if m.left == 0 {
		return true
	}
	if m.left--; m.left > 0 {
		return true
	}
	m.dead = true
	m.kill()
	close(m.died)
	return false
}

var errDead = errors.New("this operator is dead")

// toAPIServer is the operator's way to the API server.
func (m *mortal) toAPIServer(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if m.isDead() {
			return nil, errDead
		}
		response, err := next.RoundTrip(r)
		if err != nil || !changesObjects(r) || response.StatusCode >= 300 {
			return response, err
		}
		if !m.carriedOut(r.Method + " " + r.URL.Path) {
			_ = response.Body.Close()
			return nil, errDead
		}
		return response, nil
	})
}

// changesObjects tells whether a request to the API server changes what outlives
// the operator and is more than a note about it.
func changesObjects(r *http.Request) bool {
	switch resource := resourceIn(r.URL.Path); {
	case r.Method == http.MethodGet, resource == "events", resource == "leases":
		return false
	default:
		return !strings.HasSuffix(resource, "reviews")
	}
}

// forwardTo is a way to the API server for processes, with the access of config:
// a client sends no credentials over plain HTTP.
func (e *env) forwardTo(config *rest.Config, wrap func(http.RoundTripper) http.RoundTripper) http.Handler {
	e.Helper()
	transport, err := rest.TransportFor(config)
	if err != nil {
		e.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		e.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     wrap(transport),
		FlushInterval: -1, // watches
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:      log.New(io.Discard, "", 0),
	}
}

// inFrontOf is the operator's way to Aiven.
func (m *mortal) inFrontOf(e *env) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || m.isDead() {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		e.sim.Handler().ServeHTTP(answer, r)
		if answer.Code < 300 && e.sim.Changes(r.Method, r.URL.EscapedPath(), body) && !m.carriedOut(r.Method+" "+r.URL.Path) {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // the operator may be gone
	})
}

// orDead waits until check returns nil or the operator is dead, and fails with
// the last error of check.
func (e *env) orDead(m *mortal, what string, check func() error) {
	e.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-m.died:
			return
		case <-deadline.C:
			e.Fatalf("Waiting for %s: %v", what, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
