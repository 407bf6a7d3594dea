// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/backoff"
)

const (
	// probeTimeout is how long a probe may take before it counts as lost. It is
	// more than one request to Aiven takes; the object that was granted the probe
	// may have been deleted, or fail before it reaches Aiven.
	probeTimeout = 15 * time.Second
	// probeMin is the wait before the first probe of a refused token: one refusal
	// can be a mistake of Aiven's.
	probeMin = 5 * time.Second
	// probeGap is the least time between two probes, however often annotations
	// ask for one.
	probeGap = time.Second
	// flapping is how long after an acceptance a refusal counts as the next one
	// and not as the first.
	flapping = time.Minute
)

// verdict is what Aiven's answers say of a token.
type verdict int

const (
	// trusted: nothing speaks against it.
	trusted verdict = iota
	// untried: it was read again after the one before was refused, and one object
	// tries it for all.
	untried
	// refused: Aiven refused it, and one object at a time tries it again.
	refused
)

// standing is what Aiven's answers say of one token value, whichever Secrets hold
// it. It ends with the last of them. The cache's lock guards it.
//
//	           refusal                             refusal, then after a wait
//	trusted ─────────────▶ refused ──▶ probing ─────────────────────────────▶ refused
//	   ▲                                │    │ no answer, then after a wait
//	   │           acceptance           │    └──────────────────────────────▶ refused
//	   ├────────────────────────────────┘
//	   │  acceptance, or no answer
//	untried (probing) ──▶ refused by a refusal
type standing struct {
	value   Value
	holders map[Ref]struct{} // the keys that hold the value

	verdict  verdict
	probing  bool          // a probe is under way
	lost     time.Time     // when the probe under way counts as lost
	wait     time.Duration // between the last two probes
	due      time.Time     // no probe before this
	probed   time.Time     // when the last one was granted
	accepted time.Time     // when Aiven last accepted what it had refused

	// over is closed when the value is trusted again or held by nobody; changed
	// tells the watcher that one of the times above has moved. Both are nil while
	// the value is trusted.
	over    chan struct{}
	changed chan struct{}
}

// digest identifies a value in memory.
type digest [sha256.Size]byte

// digestOf returns the digest of a value, by a key of this process.
func (c *Cache) digestOf(v Value) digest {
	mac := hmac.New(sha256.New, c.digestKey[:])
	mac.Write([]byte(v.Reveal()))
	return digest(mac.Sum(nil))
}

// hold returns the standing of a value that ref holds from now on. c.mu is held.
func (c *Cache) hold(ref Ref, v Value) *standing {
	d := c.digestOf(v)
	s := c.standings[d]
	if s == nil {
		s = &standing{value: v, holders: map[Ref]struct{}{}}
		c.standings[d] = s
	}
	s.holders[ref] = struct{}{}
	return s
}

// letGo ends that ref holds the value of s. c.mu is held.
func (c *Cache) letGo(ref Ref, s *standing) {
	delete(s.holders, ref)
	if len(s.holders) > 0 {
		return
	}
	s.end()
	delete(c.standings, c.digestOf(s.value))
	c.released = append(c.released, s.value)
}

// wait is how long a refused token waits for the next probe.
func (c *Cache) rising() backoff.Rising {
	return backoff.Rising{First: probeMin, Max: c.options.ProbeInterval, Factor: 2}
}

// mayUse reports whether the value may be used, and whether that use is a probe,
// which it then is. c.mu is held.
func (c *Cache) mayUse(s *standing) (use, probe bool) {
	now := time.Now()
	switch {
	case s == nil || s.verdict == trusted:
		return true, false
	case s.probing || now.Before(s.due):
		return false, false
	}
	s.wait = c.rising().Next(s.wait)
	s.probing, s.probed = true, now
	s.lost, s.due = now.Add(probeTimeout), now.Add(s.wait)
	s.signal()
	return true, true
}

// refuse notes that Aiven refused the value. c.mu is held.
func (c *Cache) refuse(s *standing) {
	now := time.Now()
	switch {
	case s.verdict == trusted:
		if s.accepted.IsZero() || now.Sub(s.accepted) > max(s.wait, flapping) {
			s.wait = 0
		}
		s.wait = c.rising().Next(s.wait)
		c.distrust(s, refused, now.Add(s.wait))
	case s.probing:
		s.verdict, s.probing = refused, false
		s.due = now.Add(s.wait)
		s.signal()
	}
}

// accept notes that Aiven accepted the value and returns the Secrets whose objects
// were stopped until now. c.mu is held.
func (c *Cache) accept(s *standing) []secretName {
	if s.verdict == trusted {
		return nil
	}
	s.accepted = time.Now()
	s.end()
	return s.secrets()
}

// suspect has one object try the value now: it was read again after the one
// before was refused. c.mu is held.
func (c *Cache) suspect(s *standing) {
	now := time.Now()
	switch {
	case s.verdict != trusted && !s.probing:
		s.due = later(now, s.probed.Add(probeGap))
		s.signal()
	case s.verdict == trusted && s.accepted.IsZero() && len(s.holders) == 1:
		c.distrust(s, untried, now)
	}
}

// distrust begins a time in which one object at a time may use the value. c.mu is
// held.
func (c *Cache) distrust(s *standing, v verdict, due time.Time) {
	s.verdict, s.due, s.probing = v, due, false
	s.over, s.changed = make(chan struct{}), make(chan struct{}, 1)
	if c.stopped {
		return
	}
	over, changed := s.over, s.changed
	c.tasks.Go(func() { c.watch(s, over, changed) })
}

// end makes the value trusted, and ends its watcher.
func (s *standing) end() {
	if s.over != nil {
		close(s.over)
	}
	s.verdict, s.probing, s.over, s.changed = trusted, false, nil, nil
}

func (s *standing) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// watch has one object try a value that is not trusted, whenever that is due, and
// notices probes that are lost.
func (c *Cache) watch(s *standing, over, changed <-chan struct{}) {
	// Whoever had the token read again is about to try it.
	asked := time.Now().Add(probeGap)
	for {
		c.mu.Lock()
		at := later(s.due, asked)
		if s.probing {
			at = s.lost
		}
		c.mu.Unlock()
		timer := time.NewTimer(time.Until(at))
		select {
		case <-c.ctx.Done():
			timer.Stop()
			return
		case <-over:
			timer.Stop()
			return
		case <-changed:
			timer.Stop()
			continue
		case <-timer.C:
		}
		asked = time.Now().Add(probeTimeout)
		ask, recovered := c.step(s, over)
		c.notify(c.onProbe, ask)
		c.notify(c.onRecovered, recovered)
	}
}

// step returns the Secret of which one object should try the value now, and those
// of which all may use it, since nobody has refused it.
func (c *Cache) step(s *standing, over <-chan struct{}) (ask, recovered []secretName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case s.over != over:
		return nil, nil // it ended meanwhile
	case s.probing && now.Before(s.lost), !s.probing && now.Before(s.due):
		return nil, nil
	case s.probing && s.verdict == untried:
		// Whoever was to try it did not, or got no answer.
		s.end()
		return nil, s.secrets()
	case s.probing:
		s.probing = false
		if now.Before(s.due) {
			return nil, nil
		}
	}
	return s.secrets()[:1], nil
}

// secrets returns the Secrets that hold the value, in no order; the empty name
// stands for the default token.
func (s *standing) secrets() []secretName {
	names := map[secretName]struct{}{}
	for ref := range s.holders {
		names[secretName{ref.Namespace, ref.Name}] = struct{}{}
	}
	return slices.Collect(maps.Keys(names))
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
