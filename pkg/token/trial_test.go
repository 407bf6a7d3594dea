// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// onTrial runs test with a cache whose Secret has two tokens that were refused,
// and that was invalidated just now.
func onTrial(t *testing.T, test func(t *testing.T, c *Cache, f *fakeSecrets, rec *recorder)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSecrets()
		f.set("team/aiven", map[string]string{"token": "abc", "other": "def"})
		c := newCache(t, f, Options{ProbeInterval: time.Hour})
		defer run(t, c)()
		rec := &recorder{}
		c.OnRecovered(rec.add)
		for _, ref := range []Ref{testRef, otherRef} {
			tok, err := c.Token(t.Context(), ref)
			if err != nil {
				t.Fatal(err)
			}
			c.Reject(ref, tok.Generation)
		}
		c.Invalidate("team", "aiven")
		if got := rec.take(); len(got) != 0 {
			t.Fatalf("woken before anyone has tried: %v", got)
		}
		test(t, c, f, rec)
	})
}

var otherRef = Ref{"team", "aiven", "other"}

func TestOneTriesARenewedToken(t *testing.T) {
	onTrial(t, func(t *testing.T, c *Cache, f *fakeSecrets, rec *recorder) {
		if n := countProbes(t, c, testRef, 100); n != 1 {
			t.Fatalf("%d may try", n)
		}
		if e := mustFail(t, c, testRef, TokenRejected); e.RetryAfter != trialTimeout {
			t.Errorf("the others come back after %s", e.RetryAfter)
		}
		e := c.secrets[secretName{"team", "aiven"}]
		c.Accept(testRef, e.generation)
		if got := rec.take(); !slices.Equal(got, []string{"team/aiven"}) {
			t.Errorf("woken %v by a token that works", got)
		}
		if mustToken(t, c, testRef, "abc").Probe {
			t.Error("still on trial")
		}
		if !mustToken(t, c, otherRef, "def").Probe {
			t.Error("the token of the other key was tried by nobody")
		}
		c.Accept(otherRef, e.generation)
		if got := rec.take(); !slices.Equal(got, []string{"team/aiven"}) || f.count() != 4 {
			t.Errorf("woken %v, %d GETs", got, f.count())
		}
		time.Sleep(2 * trialTimeout)
		if got := rec.take(); len(got) != 0 {
			t.Errorf("woken again: %v", got)
		}
	})
}

func TestRefusedAgain(t *testing.T) {
	onTrial(t, func(t *testing.T, c *Cache, _ *fakeSecrets, rec *recorder) {
		tried := mustToken(t, c, testRef, "abc")
		c.Reject(testRef, tried.Generation)
		if got := rec.take(); !slices.Equal(got, []string{"team/aiven"}) {
			t.Errorf("woken %v for the token of the other key", got)
		}
		if !mustToken(t, c, otherRef, "def").Probe {
			t.Error("the token of the other key was tried by nobody")
		}
		c.Reject(otherRef, tried.Generation)
		time.Sleep(2 * trialTimeout)
		if got := rec.take(); len(got) != 0 {
			t.Errorf("woken %v by what they know", got)
		}
		if e := mustFail(t, c, testRef, TokenRejected); e.RetryAfter != time.Hour-2*trialTimeout {
			t.Errorf("the next try is in %s", e.RetryAfter)
		}
	})
}

// The object that may try can be deleted, or not get as far as Aiven.
func TestNobodyTries(t *testing.T) {
	onTrial(t, func(t *testing.T, c *Cache, _ *fakeSecrets, rec *recorder) {
		_ = mustToken(t, c, testRef, "abc")
		time.Sleep(trialTimeout + time.Second)
		if got := rec.take(); !slices.Equal(got, []string{"team/aiven"}) {
			t.Errorf("woken %v", got)
		}
		for _, ref := range []Ref{testRef, otherRef} {
			if tok, err := c.Token(t.Context(), ref); err != nil || tok.Probe {
				t.Errorf("%s: %+v, %v", ref, tok, err)
			}
		}
	})
}

func TestTrialOfASecretThatIsGone(t *testing.T) {
	onTrial(t, func(t *testing.T, c *Cache, f *fakeSecrets, rec *recorder) {
		f.set("team/aiven", map[string]string{"other": "def"})
		_ = mustFail(t, c, testRef, KeyNotFound)
		if got := rec.take(); !slices.Equal(got, []string{"team/aiven"}) {
			t.Errorf("woken %v, who know of a token that was refused", got)
		}
	})
}

func TestInvalidatedDuringATrial(t *testing.T) {
	onTrial(t, func(t *testing.T, c *Cache, _ *fakeSecrets, rec *recorder) {
		first := mustToken(t, c, testRef, "abc")
		time.Sleep(trialTimeout / 2)
		c.Invalidate("team", "aiven")
		c.Accept(testRef, first.Generation)
		if got := rec.take(); len(got) != 0 {
			t.Errorf("woken %v by the token from before", got)
		}
		time.Sleep(trialTimeout * 3 / 4)
		second := mustToken(t, c, testRef, "abc")
		if !second.Probe || len(rec.take()) != 0 {
			t.Error("the first trial has ended the second")
		}
		c.Accept(testRef, second.Generation)
		if got := rec.take(); !slices.Equal(got, []string{"team/aiven"}) {
			t.Errorf("woken %v", got)
		}
	})
}
