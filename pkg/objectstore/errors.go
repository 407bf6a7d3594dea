// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"gocloud.dev/gcerrors"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"
)

// Class says what a failed request means.
type Class string

const (
	// Unknown is anything else. It may be different next time.
	Unknown Class = "Unknown"
	// Invalid means that the settings cannot be right, or that the store refuses what was
	// asked of it as such.
	Invalid Class = "Invalid"
	// Credentials means that the store does not know the credentials, or that they lack a
	// right.
	Credentials Class = "Credentials"
	// NoBucket means that there is no such bucket or container.
	NoBucket Class = "NoBucket"
	// NotFound means that there is no such object.
	NotFound Class = "NotFound"
	// Retained means that the object may not be deleted yet.
	Retained Class = "Retained"
	// Untrusted means that the certificate of the store could not be verified.
	Untrusted Class = "Untrusted"
	// Unreachable means that no answer came, or one that says to come again later.
	Unreachable Class = "Unreachable"
)

// MayPass reports whether it may be different next time without anybody's doing.
func (c Class) MayPass() bool { return c == Unknown || c == Unreachable }

// Error is a failed request.
type Error struct {
	Class Class
	// Op says what was attempted.
	Op string
	// Detail is what the store or the network said, on one line and without credentials.
	Detail string
	err    error
}

// Error implements error.
func (e *Error) Error() string { return e.Op + ": " + e.Detail }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// ClassOf returns the class of an error, Unknown if it is not from this package and empty
// if it is nil.
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

func invalid(op, format string, args ...any) error {
	return &Error{Class: Invalid, Op: op, Detail: fmt.Sprintf(format, args...)}
}

// classify wraps the outcome of a request.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Class: Unknown, Op: op, err: err}
	status, code, text := answerOf(err)
	var unverified *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var oauth *oauth2.RetrieveError
	switch {
	case errors.As(err, &unverified), errors.As(err, &authority), errors.As(err, &hostname),
		// Who asks for tokens keeps only the text of what failed.
		strings.Contains(err.Error(), "tls: failed to verify certificate"):
		e.Class, e.Detail = Untrusted, "the certificate cannot be verified: "+innermost(err)
		return e
	case errors.As(err, &oauth):
		e.Class, e.Detail = Credentials, "the credentials were refused: "+oauth.ErrorCode
		return e
	case status != 0:
		e.Class = classOfStatus(status, code, text)
		e.Detail = fmt.Sprintf("%s (status %d)", oneLine(strings.TrimSpace(code+" "+text)), status)
		return e
	}
	var file *fs.PathError
	if errors.As(err, &file) || strings.Contains(err.Error(), "unable to read file at ") {
		e.Class, e.Detail = Credentials, "the token of the pod cannot be read: "+innermost(err)
		return e
	}
	var network net.Error
	var transport *url.Error
	switch {
	case errors.As(err, &network), errors.As(err, &transport), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Class, e.Detail = Unreachable, innermost(err)
		return e
	}
	// What the drivers say of an answer they did not understand.
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		e.Class = NotFound
	case gcerrors.PermissionDenied:
		e.Class = Credentials
	case gcerrors.InvalidArgument:
		e.Class = Invalid
	}
	e.Detail = oneLine(innermost(err))
	return e
}

// answerOf returns what a store answered, 0 if it did not.
func answerOf(err error) (status int, code, text string) {
	var azure *azcore.ResponseError
	if errors.As(err, &azure) {
		return azure.StatusCode, azure.ErrorCode, ""
	}
	var google *googleapi.Error
	if errors.As(err, &google) {
		if len(google.Errors) > 0 {
			code = google.Errors[0].Reason
		}
		return google.Code, code, google.Message
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	var aws smithy.APIError
	if errors.As(err, &aws) {
		code, text = aws.ErrorCode(), aws.ErrorMessage()
	}
	return status, code, text
}

func classOfStatus(status int, code, text string) Class {
	switch {
	case strings.Contains(text, "protected by object lock"):
		// S3 has no code of its own for it.
		return Retained
	case status == http.StatusNotFound && strings.Contains(text, "bucket does not exist"):
		return NoBucket
	}
	switch code {
	case "NoSuchBucket", "ContainerNotFound", "PermanentRedirect":
		return NoBucket
	case "NoSuchKey", "BlobNotFound":
		return NotFound
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthenticationFailed", "InvalidIdentityToken", "XAdminUserNotFound":
		return Credentials
	case "ObjectLocked", "BlobImmutableDueToPolicy", "retentionPolicyNotMet", "objectUnderActiveHold":
		return Retained
	case "SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "ServerBusy", "OperationTimedOut":
		return Unreachable
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return Credentials
	case status == http.StatusNotFound:
		return NotFound
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		return Unreachable
	case status >= http.StatusBadRequest:
		return Invalid
	}
	return Unknown
}

// innermost is the text of the first cause, without what wraps it: URLs of requests can
// hold signatures.
func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if several, ok := err.(interface{ Unwrap() []error }); ok && next == nil { //nolint:errorlint // It is one step of the way.
			next = mainCause(several.Unwrap())
		}
		if next == nil {
			return oneLine(err.Error())
		}
		err = next
	}
}

// mainCause returns the one of several causes that says most. The drivers have their own
// code behind it, and a client that gave up has the end of the time before it.
func mainCause(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

func oneLine(text string) string {
	const limit = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}
