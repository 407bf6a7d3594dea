// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var operatorRef = Ref{Namespace: "ops", Name: "default-token", Key: "key"}

func TestDefaultTokenIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.set("ops/default-token", map[string]string{"key": "one\n"})
		c := newCache(t, f, Options{Default: operatorRef, DefaultValue: "from-env"})
		stop := run(t, c)
		defer stop()
		mustToken(t, c, Ref{}, "one")
		f.set("ops/default-token", map[string]string{"key": "two"})
		c.Invalidate("ops", "default-token")
		time.Sleep(time.Hour)
		mustToken(t, c, Ref{}, "one")
		if f.count() != 1 {
			t.Errorf("%d GETs, want 1", f.count())
		}
	})
}

func TestDefaultTokenAppearsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.set("ops/default-token", map[string]string{"key": " "})
		c := newCache(t, f, Options{Default: operatorRef, DefaultValue: "from-env"})
		rec := &recorder{}
		c.OnRecovered(rec.add)
		stop := run(t, c)
		defer stop()
		synctest.Wait()
		for range 100 { // whoever asks, the reads stay rare
			e := mustFail(t, c, Ref{}, DefaultTokenUnavailable)
			if !strings.Contains(e.Error(), "ops/default-token") {
				t.Fatalf("message %q does not name the Secret", e.Error())
			}
			if fix := e.FixCommands("Kafka", "team", "x"); !strings.Contains(fix, "kubectl patch secret default-token --namespace ops") {
				t.Fatalf("FixCommands() = %q", fix)
			}
		}
		if f.count() != 1 {
			t.Errorf("%d GETs at once, want 1", f.count())
		}
		time.Sleep(10 * time.Minute)
		if got := f.count(); got < 10 || got > 14 {
			t.Errorf("%d GETs in 10 minutes, want about one a minute", got)
		}
		f.set("ops/default-token", map[string]string{"key": "late"})
		time.Sleep(defaultRetry().Max)
		synctest.Wait()
		if got := rec.take(); !slices.Equal(got, []string{"/"}) {
			t.Errorf("recovered %v: those who waited must be told once", got)
		}
		mustToken(t, c, Ref{}, "late")
	})
}

func TestDefaultTokenFromTheEnvironment(t *testing.T) {
	f := newFakeSecrets()
	c := newCache(t, f, Options{DefaultValue: " env\n"})
	got := mustToken(t, c, Ref{}, "env")
	c.Reject(Ref{}, got.Generation)
	e := mustFail(t, c, Ref{}, TokenRejected)
	if !strings.Contains(e.Error(), "DEFAULT_AIVEN_TOKEN") || !strings.Contains(e.FixCommands("Kafka", "a", "b"), "kubectl set env deployment/bailiwick") {
		t.Errorf("error %q, fix %q", e.Error(), e.FixCommands("Kafka", "a", "b"))
	}
	if f.count() != 0 {
		t.Errorf("%d GETs, want none", f.count())
	}
}

func TestDefaultTokenRejectedNeedsARestart(t *testing.T) {
	f := newFakeSecrets()
	f.set("ops/default-token", map[string]string{"key": "one"})
	c := newCache(t, f, Options{Default: operatorRef, Operator: Operator{Namespace: "ops", Deployment: "op"}})
	c.Reject(Ref{}, mustToken(t, c, Ref{}, "one").Generation)
	fix := mustFail(t, c, Ref{}, TokenRejected).FixCommands("Kafka", "a", "b")
	for _, part := range []string{"kubectl patch secret default-token --namespace ops", "kubectl rollout restart deployment/op --namespace ops"} {
		if !strings.Contains(fix, part) {
			t.Errorf("FixCommands() = %q, lacks %q", fix, part)
		}
	}
}

// The default token's Secret named by an object is that object's own: it can
// be renewed without a restart.
func TestDefaultSecretByReference(t *testing.T) {
	f := newFakeSecrets()
	f.set("ops/default-token", map[string]string{"key": "one"})
	c := newCache(t, f, Options{Default: operatorRef})
	mustToken(t, c, Ref{}, "one")
	mustToken(t, c, operatorRef, "one")
	f.set("ops/default-token", map[string]string{"key": "two"})
	c.Invalidate("ops", "default-token")
	mustToken(t, c, Ref{}, "one")
	mustToken(t, c, operatorRef, "two")
}

func TestOptionsAreChecked(t *testing.T) {
	f := newFakeSecrets()
	for name, options := range map[string]Options{
		"no client":       {},
		"half a default":  {Secrets: f, Default: Ref{Name: "x"}},
		"negative timing": {Secrets: f, LoadTimeout: -1},
	} {
		if _, err := New(options); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
