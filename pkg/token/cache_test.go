// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

var testRef = Ref{Namespace: "team", Name: "aiven", Key: "token"}

func mustToken(t *testing.T, c *Cache, ref Ref, want string) Token {
	t.Helper()
	got, err := c.Token(t.Context(), ref)
	if err != nil {
		t.Fatalf("Token(%s): %v", ref, err)
	}
	if got.Value.Reveal() != want {
		t.Fatalf("Token(%s) = %q, want %q", ref, got.Value.Reveal(), want)
	}
	return got
}

func mustFail(t *testing.T, c *Cache, ref Ref, want Reason) *Error {
	t.Helper()
	_, err := c.Token(t.Context(), ref)
	var e *Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Fatalf("Token(%s) error = %v, want reason %s", ref, err, want)
	}
	return e
}

func TestTokenOutcomes(t *testing.T) {
	tests := map[string]struct {
		data   map[string]string
		err    error
		want   string
		reason Reason
		fix    []string
	}{
		"plain":            {data: map[string]string{"token": "abc"}, want: "abc"},
		"trailing newline": {data: map[string]string{"token": " abc\r\n"}, want: "abc"},
		"missing secret": {
			reason: SecretNotFound,
			fix:    []string{"kubectl create secret generic aiven --namespace team --from-literal=token="},
		},
		"missing key": {
			data: map[string]string{"other": "abc"}, reason: KeyNotFound,
			fix: []string{"kubectl patch secret aiven --namespace team", `{"stringData":{"token":`},
		},
		"empty":       {data: map[string]string{"token": ""}, reason: EmptyToken, fix: []string{"kubectl patch secret aiven"}},
		"white space": {data: map[string]string{"token": " \n"}, reason: EmptyToken, fix: []string{"kubectl patch secret aiven"}},
		"two lines":   {data: map[string]string{"token": "abc\ndef"}, reason: MalformedToken, fix: []string{"kubectl patch secret aiven"}},
		"forbidden": {
			err: apierrors.NewForbidden(secretsResource, "aiven", errors.New("no")), reason: SecretForbidden,
			fix: []string{"--verb=get --resource=secrets --resource-name=aiven", "--serviceaccount=ops:bailiwick"},
		},
		"server error": {err: apierrors.NewInternalError(errors.New("etcd")), reason: SecretUnavailable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFakeSecrets()
			if tc.data != nil {
				f.set("team/aiven", tc.data)
			}
			if tc.err != nil {
				f.fail("team/aiven", tc.err)
			}
			// A default token is there and must never be used instead.
			c := newCache(t, f, Options{DefaultValue: "fallback", Operator: Operator{Namespace: "ops"}})
			if tc.reason == "" {
				mustToken(t, c, testRef, tc.want)
				return
			}
			e := mustFail(t, c, testRef, tc.reason)
			for _, part := range []string{"team/aiven", `"token"`} {
				if !strings.Contains(e.Error(), part) {
					t.Errorf("message %q does not name %s", e.Error(), part)
				}
			}
			fix := e.FixCommands("Kafka", "team", "events")
			for _, part := range append(tc.fix, "kubectl annotate kafka events --namespace team --overwrite") {
				if !strings.Contains(fix, part) {
					t.Errorf("FixCommands() = %q, lacks %q", fix, part)
				}
			}
		})
	}
}

func TestNoToken(t *testing.T) {
	c := newCache(t, newFakeSecrets(), Options{DefaultValue: " \n"})
	e := mustFail(t, c, Ref{}, NoToken)
	fix := e.FixCommands("Kafka", "team", "events")
	for _, part := range []string{"authSecretRef", "--default-token-secret-name"} {
		if !strings.Contains(fix, part) {
			t.Errorf("FixCommands() = %q, lacks %q", fix, part)
		}
	}
}

func TestKeysAreAddedOneByOne(t *testing.T) {
	f := newFakeSecrets()
	f.set("team/aiven", map[string]string{"a": "a1", "b": "b1", "c": "c1"})
	c := newCache(t, f, Options{})
	refA, refB := Ref{"team", "aiven", "a"}, Ref{"team", "aiven", "b"}
	mustToken(t, c, refA, "a1")

	f.set("team/aiven", map[string]string{"a": "a2", "b": "b2", "c": "c2"})
	mustToken(t, c, refB, "b2")
	mustToken(t, c, refA, "a1")
	if got := f.count(); got != 2 {
		t.Errorf("%d GETs, want 2", got)
	}
	if held := c.secrets[secretName{"team", "aiven"}].tokens; len(held) != 2 {
		t.Errorf("holds %d keys, want the 2 that were asked for", len(held))
	}
}

func TestFailuresAreNotCached(t *testing.T) {
	f := newFakeSecrets()
	c := newCache(t, f, Options{})
	rec := &recorder{}
	c.OnRecovered(rec.add)
	_ = mustFail(t, c, testRef, SecretNotFound)
	f.set("team/aiven", map[string]string{"token": "abc"})
	mustToken(t, c, testRef, "abc")
	if got := rec.take(); !slices.Equal(got, []string{"team/aiven"}) {
		t.Errorf("recovered %v: those who failed before must be told once", got)
	}
}

func TestManyCallersShareOneGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.latency = time.Second
		f.set("team/aiven", map[string]string{"token": "abc", "other": "def"})
		c := newCache(t, f, Options{})
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				ref, want := testRef, "abc"
				if i%2 == 1 {
					ref.Key, want = "other", "def"
				}
				if got, err := c.Token(t.Context(), ref); err != nil || got.Value.Reveal() != want {
					t.Errorf("Token(%s) = %q, %v", ref, got.Value.Reveal(), err)
				}
			})
		}
		wg.Wait()
		if got := f.count(); got != 1 {
			t.Errorf("%d GETs, want 1", got)
		}
	})
}

func TestCancelledCallerLeavesTheLoadAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.latency = 5 * time.Second
		f.set("team/aiven", map[string]string{"token": "abc"})
		c := newCache(t, f, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { // the first caller: its ctx must not bound the GET
			if _, err := c.Token(ctx, testRef); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("cancelled caller got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() { mustToken(t, c, testRef, "abc") })
		wg.Wait()
		if got := f.count(); got != 1 {
			t.Errorf("%d GETs, want 1", got)
		}
	})
}

func TestLoadHasItsOwnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.latency = time.Hour
		c := newCache(t, f, Options{LoadTimeout: 10 * time.Second})
		start := time.Now()
		_ = mustFail(t, c, testRef, SecretUnavailable)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("gave up after %v", took)
		}
	})
}

func TestInvalidationDuringALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.latency = 2 * time.Second
		f.set("team/aiven", map[string]string{"token": "old"})
		c := newCache(t, f, Options{})
		var wg sync.WaitGroup
		wg.Go(func() { mustToken(t, c, testRef, "new") }) // waits since before
		time.Sleep(time.Second)

		f.set("team/aiven", map[string]string{"token": "new"})
		c.Invalidate("team", "aiven")
		wg.Go(func() { mustToken(t, c, testRef, "new") })
		time.Sleep(1100 * time.Millisecond) // the older load has ended
		synctest.Wait()
		c.mu.Lock()
		stored := c.secrets[secretName{"team", "aiven"}].tokens["token"] != nil
		c.mu.Unlock()
		if stored {
			t.Error("the older load stored its result")
		}
		wg.Wait()
		mustToken(t, c, testRef, "new")
		if got := f.count(); got != 2 {
			t.Errorf("%d GETs, want 2", got)
		}
	})
}

// A failure that an invalidation has overtaken is nobody's answer.
func TestInvalidatedFailureIsNotHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.latency = 2 * time.Second
		c := newCache(t, f, Options{})
		var wg sync.WaitGroup
		wg.Go(func() { mustToken(t, c, testRef, "mended") })
		time.Sleep(time.Second)
		f.set("team/aiven", map[string]string{"token": "mended"})
		c.Invalidate("team", "aiven")
		wg.Wait()
	})
}

func TestGenerationsNeverGoBack(t *testing.T) {
	f := newFakeSecrets()
	f.set("team/aiven", map[string]string{"token": "abc"})
	c := newCache(t, f, Options{})
	last := uint64(0)
	for range 5 {
		got := mustToken(t, c, testRef, "abc").Generation
		if got <= last {
			t.Fatalf("generation %d after %d", got, last)
		}
		last = got
		c.Invalidate("team", "aiven")
		c.Invalidate("team", "unknown")
	}
}

func TestStoppedCacheAnswersWhatItHolds(t *testing.T) {
	f := newFakeSecrets()
	f.set("team/aiven", map[string]string{"token": "abc", "other": "def"})
	c := newCache(t, f, Options{})
	stop := run(t, c)
	mustToken(t, c, testRef, "abc")
	stop()
	mustToken(t, c, testRef, "abc")
	_ = mustFail(t, c, Ref{"team", "aiven", "other"}, SecretUnavailable)
}
