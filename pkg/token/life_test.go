// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// namers are the objects that a test's informers hold, by the Secret that they
// name.
type namers struct {
	mu sync.Mutex
	of map[secretName]int
}

func newNamers() *namers { return &namers{of: map[secretName]int{}} }

func (n *namers) named(namespace, name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.of[secretName{namespace, name}] > 0
}

// add has one more object (or with -1 one less) name the Secret, and reports
// whether any does.
func (n *namers) add(secret secretName, objects int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of[secret] += objects
	return n.of[secret] > 0
}

// size is how many things the cache remembers.
func (c *Cache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.secrets) + len(c.standings) + len(c.released)
	for _, e := range c.secrets {
		n += len(e.tokens) + len(e.before) + len(e.failed)
	}
	return n
}

func TestEntryEndsWithTheLastObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, objects := newFakeSecrets(), newNamers()
		f.set("team/aiven", map[string]string{"token": "former", "other": "former-too"})
		w := newWatched(t, f, Options{Named: objects.named})
		var released []string
		w.OnReleased(func(v Value) { released = append(released, v.Reveal()) })
		secret := secretName{"team", "aiven"}
		objects.add(secret, 1)
		tok := mustToken(t, w.Cache, testRef, "former")
		mustToken(t, w.Cache, otherRef, "former-too")
		w.Reject(testRef, tok.Generation)
		w.Accept(testRef, tok.Generation)
		w.recovered.take()

		// The Secret goes before the last object, whose deletion still has the token.
		f.set("team/aiven", nil)
		mustToken(t, w.Cache, testRef, "former")
		objects.add(secret, -1)
		w.Forget("team", "aiven")
		slices.Sort(released)
		if n := w.size(); n != 0 || !slices.Equal(released, []string{"former", "former-too"}) {
			t.Errorf("%d things remain, released %v", n, released)
		}
		w.Forget("team", "aiven")

		// The next tenant's object.
		f.set("team/aiven", map[string]string{"token": "latter"})
		objects.add(secret, 1)
		next := mustToken(t, w.Cache, testRef, "latter")
		if next.Generation <= tok.Generation {
			t.Errorf("generation %d after %d", next.Generation, tok.Generation)
		}
		w.Reject(testRef, tok.Generation) // an answer to the former tenant
		mustToken(t, w.Cache, testRef, "latter")
		w.Reject(testRef, next.Generation)
		objects.add(secret, -1)
		w.Forget("team", "aiven")
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := w.size(); n != 0 || len(w.probes.take())+len(w.recovered.take()) > 0 {
			t.Errorf("%d things remain, or somebody was woken", n)
		}
	})
}

// The last object goes while it waits for the token: it may use that, and nobody
// after it.
func TestObjectGoesDuringTheLoad(t *testing.T) {
	for name, forget := range map[string]bool{"before the informer says so": false, "and the informer says so": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, objects := newFakeSecrets(), newNamers()
				f.latency = time.Second
				f.set("team/aiven", map[string]string{"token": "former"})
				c := newCache(t, f, Options{Named: objects.named})
				objects.add(secretName{"team", "aiven"}, 1)
				var wg sync.WaitGroup
				wg.Go(func() { mustToken(t, c, testRef, "former") })
				wg.Go(func() { _, _ = c.Token(t.Context(), Ref{"team", "aiven", "missing"}) })
				time.Sleep(time.Second / 2)
				objects.add(secretName{"team", "aiven"}, -1)
				if forget {
					c.Forget("team", "aiven")
				}
				wg.Wait()
				if n := c.size(); n != 0 {
					t.Errorf("%d things remain", n)
				}
			})
		})
	}
}

// Invalidation keeps a refused token in mind, which must end too.
func TestInvalidatedSecretEnds(t *testing.T) {
	renewing(t, func(t *testing.T, w *watched, _ *fakeSecrets) {
		w.Invalidate("team", "aiven")
		w.Forget("team", "aiven")
		if n := w.size(); n != 0 {
			t.Errorf("%d things remain", n)
		}
	})
}

func TestNamespacesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, objects := newFakeSecrets(), newNamers()
		w := newWatched(t, f, Options{Named: objects.named})
		released := map[string]int{}
		w.OnReleased(func(v Value) { released[v.Reveal()]++ })
		for i := range 1000 {
			ref := Ref{fmt.Sprint("ns-", i), "aiven", "token"}
			secret, value := secretName{ref.Namespace, ref.Name}, fmt.Sprint("value-", i)
			objects.add(secret, 1)
			if i%3 > 0 {
				f.set(ref.Namespace+"/aiven", map[string]string{"token": value})
			}
			tok, err := w.Token(t.Context(), ref)
			if i%3 == 1 && err == nil {
				w.Reject(ref, tok.Generation)
			}
			if i%5 == 0 {
				w.Invalidate(ref.Namespace, ref.Name)
			}
			if objects.add(secret, -1); i%7 > 0 {
				time.Sleep(time.Second)
			}
			w.Forget(ref.Namespace, ref.Name)
		}
		synctest.Wait()
		if n := w.size(); n != 0 || len(released) != 666 {
			t.Errorf("%d things remain after 1,000 namespaces, %d values were released", n, len(released))
		}
	})
}

// A random walk over what users, Aiven and time do to some Secrets. A token is
// given to nobody but the tenant whose Secret held it while he was there; what is
// held is bounded by what is named; and at most one probe of a value is under way.
func TestRandomWalk(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { walk(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func walk(t *testing.T, r *rand.Rand) {
	f, objects := newFakeSecrets(), newNamers()
	f.latency = 10 * time.Millisecond
	w := newWatched(t, f, Options{Named: objects.named, ProbeInterval: time.Minute})
	var mu sync.Mutex
	names := []secretName{{"a", "s"}, {"a", "t"}, {"b", "s"}}
	tenant := map[secretName]int{}    // whose namespace it is
	counts := map[secretName]int{}    // its objects
	probing := map[string]time.Time{} // by value
	key := func() string { return []string{"k", "l"}[r.IntN(2)] }
	write := func(n secretName) {
		data := map[string]string{}
		for _, k := range []string{"k", "l"} {
			if r.IntN(4) > 0 {
				// Both keys may hold the same.
				data[k] = fmt.Sprintf("value-%d-%d", tenant[n], r.IntN(3))
			}
		}
		f.set(n.namespace+"/"+n.name, data)
	}
	var wg sync.WaitGroup
	serial := 0
	for _, n := range names {
		serial++
		tenant[n] = serial
		write(n)
	}
	ask := func(n secretName) {
		who, ref := tenant[n], Ref{n.namespace, n.name, key()}
		fate := r.IntN(5)
		wg.Go(func() {
			tok, err := w.Token(t.Context(), ref)
			if err != nil {
				return
			}
			v := tok.Value.Reveal()
			if !strings.HasPrefix(v, fmt.Sprintf("value-%d-", who)) {
				t.Errorf("tenant %d was given %q", who, v)
			}
			mu.Lock()
			if tok.Probe {
				if since := time.Since(probing[v]); !probing[v].IsZero() && since < probeTimeout {
					t.Errorf("a probe of %q %s after another that has no answer yet", v, since)
				}
				probing[v] = time.Now()
			}
			mu.Unlock()
			answered := func() {
				mu.Lock()
				delete(probing, v)
				mu.Unlock()
			}
			time.Sleep(50 * time.Millisecond)
			switch fate {
			case 0:
				answered()
				w.Accept(ref, tok.Generation)
			case 1, 2:
				answered()
				w.Reject(ref, tok.Generation)
			}
		})
	}
	for range 300 {
		n := names[r.IntN(len(names))]
		switch r.IntN(12) {
		case 0, 1:
			counts[n]++
			objects.add(n, 1)
		case 2, 3:
			if counts[n] > 0 {
				counts[n]--
				if !objects.add(n, -1) {
					w.Forget(n.namespace, n.name)
				}
			}
		case 4:
			write(n)
		case 5:
			w.Invalidate(n.namespace, n.name)
		case 6: // the namespace goes, long after the last sync, and is made again
			wg.Wait()
			objects.add(n, -counts[n])
			counts[n] = 0
			w.Forget(n.namespace, n.name)
			serial++
			tenant[n] = serial
			write(n)
		case 7:
			time.Sleep(time.Duration(r.IntN(int(20 * time.Second))))
		default:
			if counts[n] > 0 {
				ask(n)
			}
			time.Sleep(time.Duration(r.IntN(int(20 * time.Millisecond))))
		}
		w.mu.Lock()
		for held := range w.secrets {
			if counts[held] == 0 && w.secrets[held].load == nil {
				t.Errorf("%v is held, and no object names it", held)
			}
		}
		for _, s := range w.standings {
			if len(s.holders) == 0 || (s.verdict == trusted) != (s.over == nil) || s.probing && s.verdict == trusted {
				t.Errorf("%+v does not fit together", s)
			}
			for ref := range s.holders {
				e := w.secrets[secretName{ref.Namespace, ref.Name}]
				if e == nil || (e.tokens[ref.Key] == nil || e.tokens[ref.Key].standing != s) && (e.before[ref.Key] == nil || e.before[ref.Key].standing != s) {
					t.Errorf("%s holds a value that its entry does not", ref)
				}
			}
		}
		w.mu.Unlock()
	}
	wg.Wait()
	for n := range maps.Keys(counts) {
		objects.add(n, -counts[n])
		w.Forget(n.namespace, n.name)
	}
	if n := w.size(); n != 0 {
		t.Errorf("%d things remain", n)
	}
}
