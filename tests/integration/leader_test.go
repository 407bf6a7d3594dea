// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// replica makes an operator stand for election. Its token tells its requests
// from those of the other replica.
func replica(token aivensim.Token) func(*app.Options) {
	return func(o *app.Options) {
		withDefault(token.Value)(o)
		// The lease that manifests/rbac gives rights to.
		o.LeaderElection.Enabled = true
		o.LeaderElection.LeaseDuration = 4 * time.Second
		o.LeaderElection.RenewDeadline = 3 * time.Second
		o.LeaderElection.RetryPeriod = time.Second
		o.Aiven.RequestTimeout = time.Second
	}
}

// Only the leader works. The lease is the same in both subtests, so that they run
// one after the other.
func TestLeaderElection(t *testing.T) {
	t.Parallel()
	t.Run("a leader that stops hands over at once", func(t *testing.T) {
		e := tokenEnv(t)
		e.hostOf("kafka")
		first := e.launch(replica(tokenOwn))
		e.create(e.object("KafkaTopic", "a"))
		e.ready("KafkaTopic", "a")
		second := e.launch(replica(tokenOther))
		e.create(e.object("KafkaTopic", "b"))
		e.ready("KafkaTopic", "b")
		if n := e.sim.Count(aivensim.ByToken("other")); n != 0 {
			t.Errorf("the replica that does not lead sent %d requests", n)
		}

		stopped := time.Now()
		if err := first.stop(); err != nil {
			t.Errorf("The first replica ended with: %v", err)
		}
		e.awaitRequests(1, aivensim.ByToken("other"))
		t.Logf("The second replica took over within %s", time.Since(stopped).Round(time.Millisecond))
		e.create(e.object("KafkaTopic", "c"))
		e.ready("KafkaTopic", "c")
		e.checkHandOver()
		if err := second.stop(); err != nil {
			t.Errorf("The second replica ended with: %v", err)
		}
	})

	t.Run("a leader that can't renew stops before the next one starts", func(t *testing.T) {
		e := tokenEnv(t)
		e.hostOf("kafka")
		var cut atomic.Bool
		first := e.launch(replica(tokenOwn), func(o *app.Options) {
			o.RESTConfig.Wrap(func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					if cut.Load() && strings.Contains(r.URL.Path, "/leases") {
						return nil, errors.New("the network is gone")
					}
					return next.RoundTrip(r)
				})
			})
		})
		e.create(e.object("KafkaTopic", "a"))
		e.ready("KafkaTopic", "a")
		second := e.launch(replica(tokenOther))
		cut.Store(true)
		// The first one goes on seeing objects, and has work, to the end.
		for i := 0; e.sim.Count(aivensim.ByToken("other")) == 0; i++ {
			e.patch("KafkaTopic", "a", `{"spec":{"partitions":`+[]string{"2", "3", "4", "5"}[min(i, 3)]+`}}`)
			time.Sleep(200 * time.Millisecond)
			if e.ctx.Err() != nil {
				t.Fatal("nobody took over")
			}
		}
		<-first.done
		if first.err == nil {
			t.Error("a leader that lost its lease ended as if all were well")
		}
		e.create(e.object("KafkaTopic", "b"))
		e.ready("KafkaTopic", "b")
		e.ready("KafkaTopic", "a")
		e.checkHandOver()
		if err := second.stop(); err != nil {
			t.Errorf("The second replica ended with: %v", err)
		}
	})
}

// checkHandOver checks that the first replica changed nothing once the second
// was at work.
func (e *env) checkHandOver() {
	e.Helper()
	taken := false
	own, other := 0, 0
	for _, r := range e.sim.Requests() {
		switch {
		case r.Token == "other":
			taken = true
			if r.Mutating {
				other++
			}
		case r.Mutating && taken:
			e.Errorf("%s %s was sent by the replica that no longer leads", r.Method, r.Path)
		case r.Mutating:
			own++
		}
	}
	if own == 0 || other == 0 {
		e.Errorf("the replicas sent %d and %d changes, want some of each", own, other)
	}
}
