// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/openbao/openbao/api/v2"
)

// Class says what a failed request means to its caller.
type Class string

const (
	// Unknown is anything else, internal server errors included.
	Unknown Class = "Unknown"
	// NotFound means that the object, or the mount it would be in, does not exist.
	NotFound Class = "NotFound"
	// PermissionDenied means that the token is valid and lacks the right.
	PermissionDenied Class = "PermissionDenied"
	// Unauthenticated means that the server does not know the token: it expired,
	// was revoked, is bound to other addresses, or is from another server.
	Unauthenticated Class = "Unauthenticated"
	// Invalid means that the server understood and refused the request as such.
	Invalid Class = "Invalid"
	// LoginRefused means that a login was understood and refused: there is no such
	// role, the JWT is of another issuer, subject or audience, or it expired.
	LoginRefused Class = "LoginRefused"
	// UnknownKey means that a login was refused because nothing in the mount's
	// config verifies the signature of the JWT.
	UnknownKey Class = "UnknownKey"
	// MFARequired means that a login was accepted, and that the server wants a second
	// factor before it gives a token.
	MFARequired Class = "MFARequired"
	// Conflict means that the object changed since it was read.
	Conflict Class = "Conflict"
	// Sealed means that the server is sealed.
	Sealed Class = "Sealed"
	// NotInitialized means that the server has no storage yet.
	NotInitialized Class = "NotInitialized"
	// Standby means that the server is not the active one and did not forward.
	Standby Class = "Standby"
	// Throttled means that a rate limit quota was hit.
	Throttled Class = "Throttled"
	// Untrusted means that the server's certificate could not be verified.
	Untrusted Class = "Untrusted"
	// Unavailable means that no answer came, or one from in between. Whether a
	// write was made is not known.
	Unavailable Class = "Unavailable"
)

// Error is a failed request.
type Error struct {
	Class Class
	// Op says what was attempted, for people.
	Op string
	// StatusCode is the HTTP status, 0 if there was no answer.
	StatusCode int
	// Detail is what the server or the network said, on one line.
	Detail string
	// Err is the cause; it is nil where Detail says it all.
	Err error
}

// Error implements error.
func (e *Error) Error() string { return e.Op + ": " + e.Detail }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of err, Unknown if it is not from this package and
// empty if it is nil.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Unknown
}

// IsNotFound reports whether err is of the class NotFound.
func IsNotFound(err error) bool { return ClassOf(err) == NotFound }

// IsUnknownKey reports whether err is of the class UnknownKey.
func IsUnknownKey(err error) bool { return ClassOf(err) == UnknownKey }

// IsLoginRefused reports whether err is a login that the server understood and
// refused, for whatever reason.
func IsLoginRefused(err error) bool {
	class := ClassOf(err)
	return class == LoginRefused || class == UnknownKey
}

// classifyLogin is classify for a login, which has reasons of its own to be
// refused.
func classifyLogin(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Class {
	case Invalid, PermissionDenied, Unauthenticated:
		e.Class = LoginRefused
		// What verifies the JWT says which step failed (cap/jwt/jwt.go, validateAll);
		// keys of another type make the algorithm an unexpected one.
		text := strings.ToLower(e.Detail)
		if strings.Contains(text, "error verifying token signature") || strings.Contains(text, "invalid algorithm (alg) header") {
			e.Class = UnknownKey
		}
	}
	return err
}

// redirectError is how the transport reports a redirect. The token is never
// sent to where it points.
type redirectError struct {
	host string
}

func (e *redirectError) Error() string {
	return "the server is not the active one and points to " + e.host
}

var errTooLarge = errors.New("the answer is larger than any that is expected")

// classify wraps the outcome of a request. It is the only place where answers
// of the server are told apart by their text.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Class: Unknown, Op: op, Detail: oneLine(err.Error()), Err: err}
	var response *api.ResponseError
	if errors.As(err, &response) {
		e.StatusCode = response.StatusCode
		e.Detail = oneLine(strings.Join(response.Errors, "; "))
		if e.Detail == "" {
			e.Detail = strings.ToLower(http.StatusText(response.StatusCode))
		}
		e.Detail = fmt.Sprintf("%s (status %d)", e.Detail, e.StatusCode)
		e.Class = classOfResponse(response.StatusCode, strings.ToLower(strings.Join(response.Errors, "\n")))
		return e
	}
	var redirect *redirectError
	var unverified *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var transport *url.Error
	switch {
	case errors.As(err, &redirect):
		e.Class, e.Detail = Standby, redirect.Error()
	case errors.As(err, &unverified), errors.As(err, &authority), errors.As(err, &hostname):
		e.Class = Untrusted
	case errors.As(err, &transport), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Class = Unavailable
	}
	if errors.As(err, &transport) && redirect == nil {
		// The operation says what was asked of the server; the URL adds nothing.
		e.Detail = oneLine(transport.Err.Error())
	}
	return e
}

func classOfResponse(status int, text string) Class {
	if strings.Contains(text, "check-and-set") {
		return Conflict
	}
	if strings.Contains(text, "not initialized") || strings.Contains(text, "not yet initialized") {
		return NotInitialized
	}
	switch status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed:
		return Invalid
	case http.StatusUnauthorized:
		return Unauthenticated
	case http.StatusForbidden:
		// The server answers with these words alone when it does not know the
		// token, or not from this address (vault/request_handling.go,
		// fetchACLTokenEntryAndEntity). When a policy denies the request, they are
		// one item of a list (CheckToken in the same file).
		if text == "permission denied" || strings.Contains(text, "invalid token") || strings.Contains(text, "bad token") {
			return Unauthenticated
		}
		return PermissionDenied
	case http.StatusNotFound:
		return NotFound
	case http.StatusTooManyRequests:
		return Throttled
	case http.StatusNotImplemented:
		return NotInitialized
	case http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusPreconditionFailed:
		return Unavailable
	}
	switch {
	case strings.Contains(text, "is sealed"):
		return Sealed
	case strings.Contains(text, "node not active"), strings.Contains(text, "node not found"), strings.Contains(text, "is in standby"):
		return Standby
	case status == http.StatusServiceUnavailable:
		return Unavailable
	}
	return Unknown
}

// oneLine makes the text of a server, or of whatever answered in its place, fit
// for a condition.
func oneLine(text string) string {
	const limit = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "..."
	}
	return text
}
