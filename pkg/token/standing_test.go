// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// countProbes asks n times at once and counts the tokens given out, each of which
// must be a probe.
func countProbes(t *testing.T, c *Cache, n int, refs ...Ref) int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	probes := 0
	for i := range n {
		wg.Go(func() {
			got, err := c.Token(t.Context(), refs[i%len(refs)])
			if err != nil && ReasonFor(err) != TokenRejected {
				t.Errorf("Token: %v", err)
			}
			if err == nil && !got.Probe {
				t.Error("a token that is refused was given out for more than a probe")
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				probes++
			}
		})
	}
	wg.Wait()
	return probes
}

// watched is a cache whose callbacks are recorded.
type watched struct {
	*Cache
	recovered, probes recorder
}

func newWatched(t *testing.T, f *fakeSecrets, options Options) *watched {
	t.Helper()
	w := &watched{Cache: newCache(t, f, options)}
	w.OnRecovered(w.recovered.add)
	w.OnProbe(w.probes.add)
	return w
}

// One refusal can be a mistake: the token is tried again within seconds, by one
// object, and then less often.
func TestRefusedTokenIsProbedSoonThenLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.set("team/aiven", map[string]string{"token": "abc", "other": "def"})
		w := newWatched(t, f, Options{ProbeInterval: time.Minute})
		otherKey := Ref{"team", "aiven", "other"}
		mustToken(t, w.Cache, otherKey, "def")
		first := mustToken(t, w.Cache, testRef, "abc")

		w.Reject(testRef, first.Generation+1)
		if mustToken(t, w.Cache, testRef, "abc").Probe {
			t.Fatal("a rejection of another generation counted")
		}
		start := time.Now()
		w.Reject(testRef, first.Generation)
		w.Reject(testRef, first.Generation) // others were under way
		if mustToken(t, w.Cache, otherKey, "def").Probe {
			t.Error("the other key of the Secret was rejected too")
		}
		if _, err := w.Current(testRef); ReasonFor(err) != TokenRejected {
			t.Errorf("a fetch in the background: %v", err)
		}
		var asked []time.Duration
		for time.Since(start) < 5*time.Minute {
			if n := countProbes(t, w.Cache, 5, testRef); n > 0 {
				if got := w.probes.take(); n != 1 || len(got) > 1 {
					t.Fatalf("%d probes, objects of %v were asked for one", n, got)
				}
				if n := countProbes(t, w.Cache, 100, testRef); n != 0 {
					t.Fatal("two probes at a time")
				}
				asked = append(asked, time.Since(start).Round(time.Second))
				w.Reject(testRef, first.Generation)
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		want := []time.Duration{5, 15, 35, 75, 135, 195, 255}
		if len(asked) != len(want) {
			t.Fatalf("probes after %v", asked)
		}
		for i := range want {
			if d := asked[i] - want[i]*time.Second; d < 0 || d > 2*time.Second {
				t.Errorf("probes after %v, want after %v s", asked, want)
			}
		}
		if got := w.recovered.take(); len(got) > 0 {
			t.Errorf("told of a recovery: %v", got)
		}
		w.Accept(testRef, first.Generation+1)
		_ = mustFail(t, w.Cache, testRef, TokenRejected)
		w.Accept(testRef, first.Generation)
		w.Accept(testRef, first.Generation)
		if mustToken(t, w.Cache, testRef, "abc").Probe {
			t.Error("still a probe after it was accepted")
		}
		if got := w.recovered.take(); !slices.Equal(got, []string{"team/aiven"}) {
			t.Errorf("recovered %v", got)
		}
		if f.count() != 2 {
			t.Errorf("%d GETs: a rejected token stays cached", f.count())
		}
		w.probes.take()
		time.Sleep(time.Hour)
		if got := w.probes.take(); len(got) > 0 {
			t.Errorf("probes of a token that works: %v", got)
		}
	})
}

// A token whose refusals come and go does not stop and wake its objects every few
// seconds.
func TestRefusalsThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.set("team/aiven", map[string]string{"token": "abc"})
		w := newWatched(t, f, Options{})
		start, wakes := time.Now(), 0
		for time.Since(start) < time.Hour {
			tok, err := w.Token(t.Context(), testRef)
			switch {
			case err == nil && tok.Probe:
				w.Accept(testRef, tok.Generation)
				wakes++
			case err == nil:
				w.Reject(testRef, tok.Generation)
			}
			time.Sleep(time.Second)
		}
		if wakes > 12 {
			t.Errorf("its objects were woken %d times in an hour", wakes)
		}
		time.Sleep(time.Hour) // it works for long, so the next refusal is the first
		tok := mustToken(t, w.Cache, testRef, "abc")
		w.Accept(testRef, tok.Generation)
		time.Sleep(time.Hour)
		w.Reject(testRef, tok.Generation)
		time.Sleep(probeMin)
		if n := countProbes(t, w.Cache, 10, testRef); n != 1 {
			t.Error("a refusal after a long time is not probed soon")
		}
	})
}

// What a value may do does not depend on how many Secrets hold it.
func TestSecretsWithOneValueShareItsStanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		var refs []Ref
		for i := range 200 {
			ref := Ref{fmt.Sprintf("team-%d", i), "aiven", "token"}
			f.set(ref.Namespace+"/aiven", map[string]string{"token": "shared"})
			refs = append(refs, ref)
		}
		f.set("ops/default-token", map[string]string{"key": "shared"})
		w := newWatched(t, f, Options{Default: operatorRef})
		defer run(t, w.Cache)()
		refs = append(refs, Ref{})
		var generation uint64
		for _, ref := range refs {
			generation = mustToken(t, w.Cache, ref, "shared").Generation
		}
		w.Reject(Ref{}, generation)
		if n := countProbes(t, w.Cache, len(refs), refs...); n != 0 {
			t.Errorf("%d may go on", n)
		}
		time.Sleep(probeMin)
		synctest.Wait()
		if got := w.probes.take(); len(got) != 1 {
			t.Errorf("asked for %d probes: %v", len(got), got)
		}
		if n := countProbes(t, w.Cache, len(refs), refs...); n != 1 {
			t.Errorf("%d probes", n)
		}
		w.Accept(Ref{}, generation)
		if got := w.recovered.take(); len(got) != len(refs) {
			t.Errorf("%d of %d were told", len(got), len(refs))
		}
	})
}

// An object that was granted the probe can be deleted, or fail before it reaches
// Aiven. Then another one is asked, also if the first does not come at all.
func TestLostProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.set("team/aiven", map[string]string{"token": "abc"})
		w := newWatched(t, f, Options{})
		w.Reject(testRef, mustToken(t, w.Cache, testRef, "abc").Generation)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.probes.take(); len(got) < 3 || len(got) > 5 {
			t.Errorf("asked %d times in a minute, and nobody came", len(got))
		}
		granted := 0
		for range 10 {
			granted += countProbes(t, w.Cache, 5, testRef)
			time.Sleep(probeTimeout)
			synctest.Wait()
		}
		// Aiven may be down: what is not answered rises too.
		if got := w.probes.take(); granted < 3 || granted > 5 || len(got) < granted-1 {
			t.Errorf("%d probes were granted, %d asked for", granted, len(got))
		}
		_ = mustFail(t, w.Cache, testRef, TokenRejected)
		if got := w.recovered.take(); len(got) != 0 {
			t.Errorf("a probe without an answer counts as accepted: %v", got)
		}
	})
}

// renewing runs test with a cache whose Secret has two tokens that were refused,
// and that was invalidated just now.
func renewing(t *testing.T, test func(t *testing.T, w *watched, f *fakeSecrets)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.set("team/aiven", map[string]string{"token": "abc", "other": "def"})
		w := newWatched(t, f, Options{ProbeInterval: time.Hour})
		for _, ref := range []Ref{testRef, otherRef} {
			tok, err := w.Token(t.Context(), ref)
			if err != nil {
				t.Fatal(err)
			}
			w.Reject(ref, tok.Generation)
		}
		time.Sleep(probeGap)
		f.set("team/aiven", map[string]string{"token": "new", "other": "def"})
		w.Invalidate("team", "aiven")
		if got := w.recovered.take(); len(got) != 0 {
			t.Fatalf("woken before anyone has tried: %v", got)
		}
		test(t, w, f)
	})
}

var otherRef = Ref{"team", "aiven", "other"}

func TestOneTriesARenewedToken(t *testing.T) {
	renewing(t, func(t *testing.T, w *watched, f *fakeSecrets) {
		if _, err := w.Current(testRef); !errors.Is(err, ErrNotHeld) {
			t.Errorf("a fetch in the background is given %v", err)
		}
		if n := countProbes(t, w.Cache, 100, testRef); n != 1 {
			t.Fatalf("%d may try", n)
		}
		generation := w.secrets[secretName{"team", "aiven"}].generation
		w.Accept(testRef, generation)
		if got := w.recovered.take(); !slices.Equal(got, []string{"team/aiven"}) {
			t.Errorf("woken %v by a token that works", got)
		}
		if mustToken(t, w.Cache, testRef, "new").Probe {
			t.Error("still on trial")
		}
		if !mustToken(t, w.Cache, otherRef, "def").Probe {
			t.Error("an annotation does not have the token of the other key tried")
		}
		w.Accept(otherRef, generation)
		if got := w.recovered.take(); !slices.Equal(got, []string{"team/aiven"}) || f.count() != 4 {
			t.Errorf("woken %v, %d GETs", got, f.count())
		}
		synctest.Wait()
		w.probes.take()
		time.Sleep(time.Hour)
		if got := append(w.recovered.take(), w.probes.take()...); len(got) != 0 {
			t.Errorf("woken again: %v", got)
		}
	})
}

func TestRefusedAgain(t *testing.T) {
	renewing(t, func(t *testing.T, w *watched, _ *fakeSecrets) {
		tried := mustToken(t, w.Cache, testRef, "new")
		w.Reject(testRef, tried.Generation)
		if got := w.recovered.take(); len(got) != 0 {
			t.Errorf("woken %v by what they know", got)
		}
		time.Sleep(probeMin - time.Second)
		_ = mustFail(t, w.Cache, testRef, TokenRejected)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := w.probes.take(); len(got) == 0 {
			t.Error("not tried again")
		}
	})
}

// What was read again and nobody refused is not called refused for long.
func TestNobodyTries(t *testing.T) {
	renewing(t, func(t *testing.T, w *watched, _ *fakeSecrets) {
		_ = mustToken(t, w.Cache, testRef, "new")
		time.Sleep(probeTimeout + time.Second)
		if got := w.recovered.take(); !slices.Equal(got, []string{"team/aiven"}) {
			t.Errorf("woken %v", got)
		}
		if tok := mustToken(t, w.Cache, testRef, "new"); tok.Probe {
			t.Error("still on trial")
		}
	})
}

func TestRenewedSecretLacksTheKey(t *testing.T) {
	renewing(t, func(t *testing.T, w *watched, f *fakeSecrets) {
		f.set("team/aiven", map[string]string{"other": "def"})
		_ = mustFail(t, w.Cache, testRef, KeyNotFound)
		if got := w.recovered.take(); !slices.Equal(got, []string{"team/aiven"}) {
			t.Errorf("woken %v, who know of a token that was refused", got)
		}
		_ = mustFail(t, w.Cache, testRef, KeyNotFound)
		if got := w.recovered.take(); len(got) != 0 {
			t.Errorf("woken %v again", got)
		}
	})
}

// A value that works elsewhere needs no trial.
func TestRenewedByAValueThatWorks(t *testing.T) {
	renewing(t, func(t *testing.T, w *watched, f *fakeSecrets) {
		f.set("friend/aiven", map[string]string{"token": "new"})
		_ = mustToken(t, w.Cache, Ref{"friend", "aiven", "token"}, "new")
		if mustToken(t, w.Cache, testRef, "new").Probe {
			t.Error("a token that works was put on trial")
		}
	})
}

func TestInvalidatedDuringATrial(t *testing.T) {
	renewing(t, func(t *testing.T, w *watched, _ *fakeSecrets) {
		first := mustToken(t, w.Cache, testRef, "new")
		time.Sleep(probeTimeout / 2)
		w.Invalidate("team", "aiven")
		w.Accept(testRef, first.Generation)
		if got := w.recovered.take(); len(got) != 0 {
			t.Errorf("woken %v by the token from before", got)
		}
		_ = mustFail(t, w.Cache, testRef, TokenRejected) // the same value is tried already
		time.Sleep(probeTimeout)
		if got := w.recovered.take(); !slices.Equal(got, []string{"team/aiven"}) {
			t.Errorf("woken %v", got)
		}
	})
}

// Annotations, however many, do not send a refused token to Aiven more than once
// a second.
func TestManyAnnotations(t *testing.T) {
	renewing(t, func(t *testing.T, w *watched, f *fakeSecrets) {
		f.set("team/aiven", map[string]string{"token": "abc"})
		probes := 0
		for range 100 {
			w.Invalidate("team", "aiven")
			if tok, err := w.Token(t.Context(), testRef); err == nil {
				probes++
				w.Reject(testRef, tok.Generation)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if probes > 2 {
			t.Errorf("%d probes in a second", probes)
		}
	})
}

func TestInvalidationWithoutARefusal(t *testing.T) {
	f := newFakeSecrets()
	f.set("team/aiven", map[string]string{"token": "abc"})
	w := newWatched(t, f, Options{})
	w.OnRecovered(func(string, string) { w.Invalidate("other", "secret") }) // handlers may call back
	w.Invalidate("team", "aiven")
	old := mustToken(t, w.Cache, testRef, "abc")
	w.Invalidate("team", "aiven")
	if got := w.recovered.take(); len(got) != 0 || mustToken(t, w.Cache, testRef, "abc").Probe {
		t.Errorf("recovered %v without a rejection", got)
	}
	// An answer to the old value that arrives now says nothing of the new one.
	w.Reject(testRef, old.Generation)
	if mustToken(t, w.Cache, testRef, "abc").Probe {
		t.Error("a late answer rejected the new value")
	}
}
