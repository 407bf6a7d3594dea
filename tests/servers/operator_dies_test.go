// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// one asks for a single server.
func one(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Replicas = new(int32(1)) }

// withoutSelfInit has Bailiwick initialize the servers.
func withoutSelfInit(c *openbaov1alpha1.OpenBaoCluster) {
	c.Spec.SelfInit = &openbaov1alpha1.SelfInitSpec{}
}

// TestStartSurvivesTheOperator has the process that runs the servers end at every change
// that it makes during a first start, and another go on without its memory.
func TestStartSurvivesTheOperator(t *testing.T) {
	for n, replicas := range map[int]func(*openbaov1alpha1.OpenBaoCluster){1: func(*openbaov1alpha1.OpenBaoCluster) {}, 2: one, 3: one} {
		t.Run(fmt.Sprintf("after every change number %d", n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.grant()
			w.start(authorizing)
			w.create(w.cluster("prod", replicas))
			ended, most := 0, 0
			for deadline := time.Now().Add(2 * patience); ; ended++ {
				left := n
				m := w.startMortal(func(string) bool { left--; return left == 0 })
				if w.readyOr(m, deadline) {
					break
				}
				most = max(most, len(m.changes))
				w.bury()
			}
			t.Logf("%d processes ended", ended)
			if ended < 20/n {
				t.Errorf("only %d processes ended during the start", ended)
			}
			w.startedWhole("prod")
		})
	}

	// The first change at which it ends, by its beginning; each start has one.
	for _, at := range []string{
		"PUT secret", "init", "mount", "config", "role bailiwick-membership", "role openbao-operator", "autopilot", "revoke",
	} {
		t.Run("without self-init, at "+at, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.grant()
			w.start(authorizing)
			w.create(w.cluster("prod", one, withoutSelfInit))
			initialized := false
			m := w.startMortal(func(change string) bool {
				initialized = initialized || change == "init"
				if at == "PUT secret" {
					return initialized && strings.Contains(change, "/secrets/")
				}
				return strings.HasPrefix(change, at)
			})
			if w.readyOr(m, time.Now().Add(patience)) {
				t.Fatalf("It did not end. Its changes were: %s", strings.Join(m.changes, ", "))
			}
			w.bury()
			next := w.startMortal(func(string) bool { return false })
			w.ready("prod")
			w.startedWhole("prod")
			w.refused("prod", append(m.roots, next.roots...))
		})
	}
}

// readyOr waits until a cluster is Ready, which is true, or a process has ended.
func (w *world) readyOr(m *mortal, deadline time.Time) bool {
	w.Helper()
	ready := w.condition("prod", openbaov1alpha1.ConditionReady, metav1.ConditionTrue, "")
	for {
		select {
		case <-m.died:
			return false
		case <-time.After(50 * time.Millisecond):
		}
		err := ready()
		if err == nil {
			return true
		}
		if time.Now().After(deadline) {
			w.Fatalf("Waited for the cluster to be Ready: %v", err)
		}
	}
}

// startedWhole checks what a first start must leave, however often it was interrupted.
func (w *world) startedWhole(name string) {
	w.Helper()
	c := w.get(name)
	w.isWhole(c)
	if err := gone(w.secret(name + "-initialize")); err != nil {
		w.Errorf("The requests of the first start: %v", err)
	}
	if c.Status.Authorization == nil || len(c.Status.Authorization.Identities) == 0 {
		w.Fatal("No identity is proved")
	}
	for _, identity := range c.Status.Authorization.Identities {
		if identity.State != openbaov1alpha1.Proved {
			w.Errorf("The identity %s is %s: %s", identity.Role, identity.State, identity.Message)
		}
	}
}

// refused checks that servers accept none of the root tokens that were ever made.
func (w *world) refused(name string, tokens []openbao.Token) {
	w.Helper()
	if len(tokens) == 0 {
		w.Error("No root token was seen, and there was one")
	}
	for _, token := range tokens {
		client, err := openbao.New(w.serverOptions(name, name+"-0", token))
		if err != nil {
			w.Fatal(err)
		}
		defer client.Close()
		if _, err := client.LookupSelf(w.ctx); openbao.ClassOf(err) != openbao.Unauthenticated {
			w.Errorf("A root token of the first start is looked up with the error %v", err)
		}
	}
}
