// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"errors"
	"time"
)

type verdict int

const (
	// verdictNone is no outcome at all.
	verdictNone verdict = iota
	verdictDone
	verdictAfter
	verdictRetry
	verdictTerminal
)

// Outcome says what happens to a key after a sync. It is exactly one of the
// values that Done, After, Retry and Terminal make. The zero value is none of them:
// it says nothing, and leaves it to whoever receives it what happens.
type Outcome struct {
	verdict verdict
	after   time.Duration
	err     error
}

// Done is the outcome of a key that needs nothing until somebody enqueues it.
func Done() Outcome { return Outcome{verdict: verdictDone} }

// After asks for another sync at about d from now; the loop adds jitter.
func After(d time.Duration) Outcome { return Outcome{verdict: verdictAfter, after: d} }

// Retry asks for another try with exponential backoff. The loop logs err.
func Retry(err error) Outcome { return Outcome{verdict: verdictRetry, err: err} }

// Terminal ends the work on a key until its object changes. The loop logs err.
func Terminal(err error) Outcome { return Outcome{verdict: verdictTerminal, err: err} }

// Err returns the error of a Retry or Terminal outcome, nil otherwise.
func (o Outcome) Err() error { return o.err }

// ErrPending is returned by a handler that has asked for remote data which has
// not arrived. Whoever fetches it wakes the object; until then its status stays
// as it is.
var ErrPending = errors.New("remote data is being fetched")

// ErrExists is the error of a create that was refused because the remote exists
// already.
var ErrExists = errors.New("the remote exists already")

// ErrOutcomeUnknown is the error of a request that may have been carried out.
var ErrOutcomeUnknown = errors.New("the outcome is not known")

// Later returns an error that says nothing about the object: cause keeps the
// work from being done now, and it is done after d. The status stays as it is.
func Later(d time.Duration, cause error) error { return &laterError{after: d, cause: cause} }

// Delayed is Later for what a person should know if it lasts: if the object is not
// Ready then, its Ready condition and an event say why.
func Delayed(d time.Duration, reason, message string, cause error) error {
	return &laterError{after: d, cause: cause, reason: reason, message: message}
}

type laterError struct {
	after           time.Duration
	cause           error
	reason, message string
}

func (e *laterError) Error() string { return e.cause.Error() }
func (e *laterError) Unwrap() error { return e.cause }

// Problem is an error that a person reads in the Ready condition: what is
// wrong, where, and how to fix it. Message must not carry a secret value.
type Problem struct {
	// Reason is the stable CamelCase reason of the condition.
	Reason string
	// Message is a full sentence for people.
	Message string
	// Phase is the reason of the Error condition that users of the
	// aiven-operator script against; empty means the condition is not set,
	// because nothing failed and something is only waited for.
	Phase string
	// Next is what happens to the key. Where the zero value leaves that to the
	// controller, the object is reconciled when something wakes it and at the next
	// poll.
	Next Outcome
	// Credential marks a problem of the object's own credential, which never
	// gives the object a claim on a remote identity.
	Credential bool
	// Err is the cause, if any.
	Err error
}

// Error implements error.
func (p *Problem) Error() string { return p.Reason + ": " + p.Message }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// problemOf returns err if it is a Problem, or else one with the engine's own
// reason: a plain error is retried with backoff.
func problemOf(err error, phase string) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		out := *p
		return &out
	}
	return &Problem{Reason: ReasonFailed, Message: err.Error() + ".", Phase: phase, Next: Retry(err), Err: err}
}

// Retryable is a plain error for what a later sync settles.
func Retryable(message string) error { return errors.New(message) }

// Waiting is a Problem that is no failure: something else must happen first,
// and the object is woken when it does.
func Waiting(reason, message string) *Problem {
	return &Problem{Reason: reason, Message: message}
}

// Invalid is a Problem in the object itself, final until the object changes.
func Invalid(reason, message string) *Problem {
	p := &Problem{Reason: reason, Message: message, Phase: PhasePreconditions}
	p.Next = Terminal(p)
	return p
}
