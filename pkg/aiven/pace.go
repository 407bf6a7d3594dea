// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"math"
	"time"
)

const (
	// paceMin is the least rate that refusals can lead to, per second: one request
	// in ten seconds finds out whether there is more.
	paceMin = 0.1
	// paceBurst is how many requests may follow each other at the paced rate after
	// a pause, as a part of a second's.
	paceBurst = 0.1
	// paceCut is what a refusal leaves of the rate where it is not measured.
	paceCut = 0.75
	// paceGap is how long without an answer makes the rate before say nothing of
	// what follows.
	paceGap = 2 * time.Second
	// paceGuess, paceClimb and paceProbe are by how much each answer raises the
	// rate: as long as it is a guess, far from where it was refused, and close to
	// there. The other two are how much it rises in any second of answers.
	paceGuess, paceGuessStep = 1e-3, 5
	paceClimb, paceClimbStep = 1e-3, 1
	paceProbe                = 1e-4
)

// pace finds the rate of requests that Aiven accepts, which it does not tell.
//
// A refusal shows that Aiven's allowance is used up. Between two of them it
// accepts what was added meanwhile, so that its answers over that time are its
// rate: the first refusal gives a guess, the second the rate. After that the rate
// rises slowly, so that one that was raised is found within minutes, at the price
// of an occasional refusal.
type pace struct {
	// rate is per second; 0 as long as nothing was refused.
	rate float64
	// ceiling is near where requests were refused last; 0 while rate is a guess.
	ceiling float64

	since   time.Time // from when on answers are counted
	refused bool      // since is a refusal
	answers int
	last    time.Time // answer
	// second is when the second under way began, and count its answers; before are
	// those of the second before.
	second        time.Time
	count, before int
}

// count begins to count answers.
func (p *pace) begin(now time.Time) {
	*p = pace{rate: p.rate, ceiling: p.ceiling, since: now, last: now, second: now}
}

// accept notes an answer that was no refusal; most bounds the rate.
func (p *pace) accept(now time.Time, most float64) {
	if p.since.IsZero() || now.Sub(p.last) > paceGap {
		p.begin(now)
	}
	if passed := now.Sub(p.second); passed >= time.Second {
		p.second, p.count, p.before = now, 0, p.count
		if passed >= 2*time.Second {
			p.before = 0
		}
	}
	p.answers++
	p.count++
	p.last = now
	if p.rate == 0 {
		return
	}
	switch {
	case p.ceiling == 0:
		p.rate += p.rate*paceGuess + paceGuessStep/p.rate
	case p.rate > 0.95*p.ceiling && p.rate < 1.1*p.ceiling:
		p.rate += p.rate * paceProbe
	default:
		p.rate += p.rate*paceClimb + paceClimbStep/p.rate
	}
	if p.rate >= most {
		p.rate, p.ceiling = 0, 0
	}
}

// refuse notes the first refusal since the last pause.
func (p *pace) refuse(now time.Time, most float64) {
	measured := p.measured(now)
	switch {
	case p.rate == 0:
		// What Aiven allows in a burst is in it, so that it is too much.
		p.rate = p.lately(now) / 2
	case !p.refused || now.Sub(p.since) < paceGap:
		p.rate, p.ceiling = paceCut*p.rate, p.rate
	case measured >= paceCut*p.rate:
		p.rate = min(measured, p.rate)
		p.ceiling = p.rate
	default:
		// If Aiven does not save what was not sent during the pause, the measure is
		// too low.
		p.rate = math.Sqrt(measured * p.rate)
		p.ceiling = p.rate
	}
	p.rate = min(max(p.rate, paceMin), most)
	p.begin(now)
	p.refused = true
}

// measured is the rate of the answers that are counted.
func (p *pace) measured(now time.Time) float64 {
	took := now.Sub(p.since)
	if p.since.IsZero() || took <= 0 {
		return 0
	}
	return float64(p.answers) / took.Seconds()
}

// lately is the rate in about the last second.
func (p *pace) lately(now time.Time) float64 {
	passed := now.Sub(p.second).Seconds()
	if p.second.IsZero() || passed <= 0 || passed > 2 {
		return 0
	}
	return (float64(p.count) + float64(p.before)*max(0, 1-passed)) / max(1, passed)
}
