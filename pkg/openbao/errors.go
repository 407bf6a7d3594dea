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
	// LoginForbidden means that a login was refused without a reason: the mount does not
	// exist, the entity of the account is disabled, or the role is bound to other
	// addresses. IsLoginRefused includes it.
	LoginForbidden Class = "LoginForbidden"
	// NotRevocable means that the token cannot be revoked, as it is a batch token.
	NotRevocable Class = "NotRevocable"
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
	// NamespaceNotFound means that the server has no such namespace.
	NamespaceNotFound Class = "NamespaceNotFound"
	// NamespaceSealed means that the namespace is sealed, and the server is not.
	NamespaceSealed Class = "NamespaceSealed"
	// NamespaceLocked means that an administrator locked the namespace.
	NamespaceLocked Class = "NamespaceLocked"
	// Throttled means that a rate limit quota was hit.
	Throttled Class = "Throttled"
	// Untrusted means that the server's certificate could not be verified.
	Untrusted Class = "Untrusted"
	// ClientCertificate means that the server ended the handshake because of the client
	// certificate, or because there was none.
	ClientCertificate Class = "ClientCertificate"
	// LocalAddress means that the address leads to one that is not allowed, see
	// Options.AllowLocal.
	LocalAddress Class = "LocalAddress"
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
	// Detail is what the server or the network said, on one line. It holds nothing of
	// an answer that is not one of OpenBao.
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
	return class == LoginRefused || class == UnknownKey || class == LoginForbidden
}

// classifyLogin is classify for a login, which has reasons of its own to be
// refused.
func classifyLogin(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Class {
	case PermissionDenied, Unauthenticated:
		e.Class = LoginForbidden
	case Invalid:
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

// errRedirect is how the transport reports a redirect. The token is never sent to
// where it points, nor is that shown.
var errRedirect = errors.New("the server is not the active one and points to another")

var errTooLarge = errors.New("the answer is larger than any that is expected")

// classify wraps the outcome of a request. It is the only place where answers
// of the server are told apart by their text.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Class: Unknown, Op: op, Detail: notOpenBao, Err: opaque{err}}
	var response *api.ResponseError
	if errors.As(err, &response) {
		e.StatusCode = response.StatusCode
		text := response.Errors
		if response.RawError {
			// The text is that of whatever answered.
			text = nil
		}
		e.Detail = oneLine(strings.Join(text, "; "))
		if e.Detail == "" {
			e.Detail = strings.ToLower(http.StatusText(response.StatusCode))
		}
		e.Detail = strings.TrimSpace(fmt.Sprintf("%s (status %d)", e.Detail, e.StatusCode))
		e.Class = classOfResponse(response.StatusCode, strings.ToLower(strings.Join(text, "\n")))
		return e
	}
	var standby *standbyError
	var unverified *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var transport *url.Error
	switch {
	case errors.Is(err, errRedirect):
		e.Class, e.Detail = Standby, errRedirect.Error()
		return e
	case errors.Is(err, errNamespaceNotFound):
		e.Class, e.StatusCode, e.Detail = NamespaceNotFound, http.StatusNotFound, errNamespaceNotFound.Error()
		return e
	case errors.As(err, &standby):
		e.Class = Standby
	case errors.Is(err, ErrLocalAddress):
		e.Class = LocalAddress
	case wantsClientCertificate(err):
		e.Class = ClientCertificate
	case errors.As(err, &unverified), errors.As(err, &authority), errors.As(err, &hostname):
		e.Class = Untrusted
	case errors.As(err, &transport), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Class = Unavailable
	case errors.Is(err, errTooLarge):
	default:
		return e
	}
	e.Detail = transportDetail(err)
	return e
}

// opaque is a cause that can be told by its type and not by its text, which may hold
// what was received.
type opaque struct {
	err error
}

// Error implements error.
func (o opaque) Error() string { return "withheld" }

// Unwrap returns the cause.
func (o opaque) Unwrap() error { return o.err }

// errNamespaceNotFound is how the transport reports an answer about the namespace.
var errNamespaceNotFound = errors.New("the server has no such namespace")

// isNamespaceNotFound reports whether an answer is about the namespace of the request,
// and not about what it asked for. text is in lower case.
func isNamespaceNotFound(status int, text string) bool {
	return status == http.StatusNotFound && strings.Contains(text, "namespace not found")
}

// isStandby reports whether an answer says that the server did nothing because it is
// not the active one. text is in lower case.
func isStandby(status int, text string) bool {
	return status >= http.StatusInternalServerError && (strings.Contains(text, "node not active") ||
		strings.Contains(text, "node is not active") || strings.Contains(text, "node not found") || strings.Contains(text, "is in standby"))
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
		if strings.Contains(text, "batch tokens cannot be revoked") {
			return NotRevocable
		}
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
	case strings.Contains(text, "namespace is sealed"):
		return NamespaceSealed
	case strings.Contains(text, "namespace has been locked"):
		return NamespaceLocked
	case strings.Contains(text, "is sealed"):
		return Sealed
	case isStandby(status, text):
		return Standby
	case status == http.StatusServiceUnavailable:
		return Unavailable
	}
	return Unknown
}
