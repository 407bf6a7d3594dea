// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"errors"
	"time"
)

type verdict int

const (
	verdictDone verdict = iota
	verdictAfter
	verdictRetry
	verdictTerminal
)

// Outcome says what happens to a key after a sync. It is exactly one of the
// values that Done, After, Retry and Terminal make; the zero value is Done.
type Outcome struct {
	verdict verdict
	after   time.Duration
	err     error
}

// Done is the outcome of a key that needs nothing until somebody enqueues it.
func Done() Outcome { return Outcome{} }

// After asks for another look at about d from now; the loop adds jitter.
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

// Later returns an error that says nothing about the object: cause keeps the
// work from being done now, and it is done after d. The status stays as it is.
func Later(d time.Duration, cause error) error { return &laterError{after: d, cause: cause} }

type laterError struct {
	after time.Duration
	cause error
}

func (e *laterError) Error() string { return e.cause.Error() }
func (e *laterError) Unwrap() error { return e.cause }

// Problem is an error that a person reads in the Ready condition: what is
// wrong, where, and how to mend it. Message must not carry a secret value.
type Problem struct {
	// Reason is the stable CamelCase reason of the condition.
	Reason string
	// Message is a full sentence for people.
	Message string
	// Phase is the reason of the Error condition that users of the
	// aiven-operator script against; empty means the condition is not set,
	// because nothing failed and something is only waited for.
	Phase string
	// Next is what happens to the key. The zero value leaves the object to
	// whoever wakes it, with a look once per poll interval.
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
