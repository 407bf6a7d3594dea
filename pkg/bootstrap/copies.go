// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

const (
	// copySettle is how long after a new nonce was written a server is read again:
	// the standby nodes of a cluster answer reads a moment behind the active one.
	copySettle = 10 * time.Second
	// copyRetry is how soon an object that was asked in vain is asked again, and how
	// often one writes a new nonce at most, whoever asks.
	copyRetry = time.Minute
	// copiesAsked bounds the objects that may ask one at the same time: each needs a
	// nonce that none of the others has seen.
	copiesAsked = 3
)

// peer is an object that asks another for a new nonce, or that is asked.
type peer struct {
	uid  types.UID
	name cache.ObjectName
}

// copyTests are the questions between objects whether their servers are the same;
// see authz.CopyTest. They are kept in memory: who asked asks again after a restart.
// A question ends with either of the two objects, or when the one that asked needs it
// no more.
type copyTests struct {
	mu sync.Mutex
	// questions are by the object that asks, and then by the one that is asked.
	questions map[types.UID]map[types.UID]*question
	// rotated is when an object last wrote a new nonce because it was asked.
	rotated map[types.UID]time.Time
}

type question struct {
	from, to peer
	// target is the server that was read, as its object reaches it.
	target string
	// seen and answer are the nonces of authz.CopyTest.
	seen, answer string
	answered     time.Time
	// woken is when the object that is asked was last woken for this.
	woken time.Time
	// why says why there is no answer yet, if that is known.
	why string
}

func newCopyTests() *copyTests {
	return &copyTests{questions: map[types.UID]map[types.UID]*question{}, rotated: map[types.UID]time.Time{}}
}

// of returns how far a comparison is. What was asked about another target counts for
// nothing.
func (c *copyTests) of(from, to peer, target string, now time.Time) (test authz.CopyTest, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.questions[from.uid][to.uid]
	if q == nil || q.target != target {
		return authz.CopyTest{}, ""
	}
	return authz.CopyTest{
		Asked: true, Seen: q.seen, Answer: q.answer, Settled: q.answer != "" && !now.Before(q.answered.Add(copySettle)),
	}, q.why
}

// ask has one object ask another, and reports whether there was room to. A question
// that was answered long enough ago makes room: whoever asked it can ask it again, and
// must not keep others from asking.
func (c *copyTests) ask(from, to peer, target, seen string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if asking := c.toLocked(to.uid); c.questions[from.uid][to.uid] == nil && len(asking) >= copiesAsked {
		asking = slices.DeleteFunc(asking, func(q *question) bool { return q.answer == "" || now.Before(q.answered.Add(copyRetry)) })
		if len(asking) == 0 {
			return false
		}
		oldest := slices.MinFunc(asking, func(a, b *question) int { return a.answered.Compare(b.answered) })
		c.endLocked(oldest.from.uid, to.uid)
	}
	if c.questions[from.uid] == nil {
		c.questions[from.uid] = map[types.UID]*question{}
	}
	c.questions[from.uid][to.uid] = &question{from: from, to: to, target: target, seen: seen}
	return true
}

// wake returns the objects that have to be woken to answer.
func (c *copyTests) wake(from peer, now time.Time) []cache.ObjectName {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []cache.ObjectName
	for _, q := range c.questions[from.uid] {
		if q.answer == "" && !now.Before(q.woken.Add(copyRetry)) {
			q.woken = now
			out = append(out, q.to.name)
		}
	}
	return out
}

// asked returns the nonces that an answer of this object must differ from, and
// reports whether one is waited for and may be given now.
func (c *copyTests) asked(uid types.UID, now time.Time) (taken []string, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.toLocked(uid) {
		taken = append(taken, q.seen, q.answer)
		open = open || q.answer == ""
	}
	last, ok := c.rotated[uid]
	return taken, open && !(ok && now.Before(last.Add(copyRetry)))
}

// answer records that an object has written a new nonce, and returns the objects that
// asked.
func (c *copyTests) answer(uid types.UID, nonce string, now time.Time) []cache.ObjectName {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rotated[uid] = now
	var out []cache.ObjectName
	for _, q := range c.toLocked(uid) {
		if q.answer == "" {
			q.answer, q.answered, q.why = nonce, now, ""
			out = append(out, q.from.name)
		}
	}
	return out
}

// explain records why an object has not answered, and returns the objects for which
// that is news.
func (c *copyTests) explain(uid types.UID, why string) []cache.ObjectName {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []cache.ObjectName
	for _, q := range c.toLocked(uid) {
		if q.answer == "" && q.why != why {
			q.why = why
			out = append(out, q.from.name)
		}
	}
	return out
}

// concluded ends the questions that an object has asked.
func (c *copyTests) concluded(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.questions, uid)
}

// forget ends all that is kept of an object: it has no server any more, or another.
func (c *copyTests) forget(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.questions, uid)
	delete(c.rotated, uid)
	for from := range c.questions {
		c.endLocked(from, uid)
	}
}

// endLocked ends one question.
func (c *copyTests) endLocked(from, to types.UID) {
	delete(c.questions[from], to)
	if len(c.questions[from]) == 0 {
		delete(c.questions, from)
	}
}

func (c *copyTests) toLocked(uid types.UID) []*question {
	var out []*question
	for _, asked := range c.questions {
		if q := asked[uid]; q != nil {
			out = append(out, q)
		}
	}
	return out
}
