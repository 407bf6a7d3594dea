// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import "time"

// trialTimeout is how long one object may take to try a token that was read
// again after Aiven had refused the one before. It is more than one request to
// Aiven takes.
const trialTimeout = 15 * time.Second

// trial is the time after the invalidation of a Secret with a refused token. One
// object tries what is in the Secret now. The others, of which there may be
// thousands, are woken when that works, and are left alone when it does not:
// they know that already.
type trial struct {
	// keys are those whose token was refused and that nobody has tried since.
	keys map[string]struct{}
	ends time.Time
	// over is closed when the trial has ended.
	over chan struct{}
}

// startTrial puts the Secret's next tokens of the keys on trial. c.mu is held.
func (c *Cache) startTrial(name secretName, keys map[string]struct{}) {
	if len(keys) == 0 || c.stopped {
		return
	}
	e := c.entry(name)
	t := &trial{keys: keys, ends: time.Now().Add(trialTimeout), over: make(chan struct{})}
	e.trial = t
	c.loads.Go(func() { c.awaitTrial(name, e, t) })
}

// awaitTrial lets everyone try if nobody has in time: the object that took the
// trial may have been deleted, or be wrong in a way that keeps it from Aiven.
func (c *Cache) awaitTrial(name secretName, e *secretEntry, t *trial) {
	timer := time.NewTimer(trialTimeout)
	defer timer.Stop()
	select {
	case <-c.ctx.Done():
		return
	case <-t.over:
		return
	case <-timer.C:
	}
	c.mu.Lock()
	current := e.trial == t
	if current {
		for key := range t.keys {
			if h := e.tokens[key]; h != nil {
				h.rejected, h.trialEnds = false, time.Time{}
			}
		}
		e.endTrial()
	}
	c.mu.Unlock()
	if current {
		c.notifyRecovered(name.namespace, name.name)
	}
}

// refused returns the keys whose tokens are not known to work.
func (e *secretEntry) refused() map[string]struct{} {
	keys := map[string]struct{}{}
	if e == nil {
		return keys
	}
	for key, h := range e.tokens {
		if h.rejected {
			keys[key] = struct{}{}
		}
	}
	if e.trial != nil {
		for key := range e.trial.keys {
			keys[key] = struct{}{}
		}
	}
	return keys
}

// onTrial reports whether the key's token is to be tried by one object first.
func (e *secretEntry) onTrial(key string) bool {
	if e == nil || e.trial == nil {
		return false
	}
	_, ok := e.trial.keys[key]
	return ok
}

// tried takes the key off the trial and reports whether others are still on it.
func (e *secretEntry) tried(key string) (others bool) {
	if !e.onTrial(key) {
		return false
	}
	delete(e.trial.keys, key)
	if len(e.trial.keys) > 0 {
		return true
	}
	e.endTrial()
	return false
}

// endTrial ends the trial, if there is one.
func (e *secretEntry) endTrial() {
	if e != nil && e.trial != nil {
		close(e.trial.over)
		e.trial = nil
	}
}
