// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Class says what a caller may conclude from a failure. A Class is an error
// itself, so that errors.Is(err, NotFound) asks for it.
type Class string

const (
	// NotFound: the thing, or what holds it, does not exist (404).
	NotFound Class = "NotFound"
	// AlreadyExists: a thing of that name exists (409 that says so).
	AlreadyExists Class = "AlreadyExists"
	// Conflict: the request contradicts the present state (any other 409).
	Conflict Class = "Conflict"
	// Unauthorized: Aiven refused the token.
	Unauthorized Class = "Unauthorized"
	// Forbidden: the token is good and may not do this (403).
	Forbidden Class = "Forbidden"
	// Throttled: too many requests (429), or more than the token's own limits
	// allow (Status 0). See Error.RetryAfter.
	Throttled Class = "Throttled"
	// Invalid: the request can't succeed as it is (any other 4xx).
	Invalid Class = "Invalid"
	// Unavailable: the API or the way to it does not work now; a request that
	// was to change something was not sent, or was answered with a 5xx.
	Unavailable Class = "Unavailable"
	// Unknown: no usable answer came to a request that may have been carried
	// out. After a write: observe before acting again.
	Unknown Class = "Unknown"
	// GateClosed: this process may not change anything now.
	GateClosed Class = "GateClosed"
)

// Error implements error.
func (c Class) Error() string { return string(c) }

// ErrPending says that the Store has no answer yet. It fetches one and
// notifies the subscriber, who then reads again.
var ErrPending = errors.New("not read from Aiven yet")

// Error is a failed request.
type Error struct {
	// Class is what the caller decides by.
	Class Class
	// Operation is the operation's id in Aiven's API description.
	Operation string
	// Status is the HTTP status, 0 if there was no answer.
	Status int
	// Message is Aiven's own text, shortened, without secrets.
	Message string
	// RetryAfter is how long to wait before asking again; 0 if nothing says so.
	RetryAfter time.Duration
	// Err is the cause where there was no answer.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	switch {
	case e.Status != 0 && e.Message != "":
		return fmt.Sprintf("%s: %d %s: %s", e.Operation, e.Status, http.StatusText(e.Status), e.Message)
	case e.Status != 0:
		return fmt.Sprintf("%s: %d %s", e.Operation, e.Status, http.StatusText(e.Status))
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", e.Operation, e.Err)
	default:
		return fmt.Sprintf("%s: %s", e.Operation, e.Message)
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, class) work.
func (e *Error) Is(target error) bool { return target == e.Class }

// ClassOf returns the class of err, "" if it is nil or not of this package. A
// JSON error is that of a typed handler which could not decode the answer.
func ClassOf(err error) Class {
	var e *Error
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &e):
		return e.Class
	case errors.As(err, &syntax), errors.As(err, &kind):
		return Unknown
	}
	return ""
}

// RetryAfter returns how long the answer asks to wait, 0 if it does not say.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
