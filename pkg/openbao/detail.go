// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"unicode"
)

// notOpenBao is the detail of an answer that something else gave. Nothing of its text
// is shown: it can be that of any server which an address names.
const notOpenBao = "the answer is not one of OpenBao"

// oneLine makes text of a server fit for a condition.
func oneLine(text string) string {
	const limit = 300
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "..."
	}
	return text
}

// transportDetail says why there was no answer. An error of another kind can repeat
// what was received, for example the line of another protocol.
func transportDetail(err error) string {
	var outer *url.Error
	if errors.As(err, &outer) {
		// The operation says what was asked of the server; the URL adds nothing.
		err = outer.Err
	}
	var operation *net.OpError
	var lookup *net.DNSError
	var unverified *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	var standby *standbyError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &standby):
		return oneLine(standby.Error())
	case errors.Is(err, ErrLocalAddress):
		return ErrLocalAddress.Error()
	case errors.As(err, &lookup), errors.As(err, &unverified), errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &invalid):
		return oneLine(err.Error())
	case errors.As(err, &header):
		return "the server does not speak TLS"
	case errors.As(err, &operation):
		return oneLine(err.Error())
	case errors.Is(err, errTooLarge):
		return errTooLarge.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the server closed the connection"
	}
	if detail, ok := timedOut(err); ok {
		return detail
	}
	return notOpenBao
}

// timedOut recognizes the time-outs that net/http has no type for.
func timedOut(err error) (string, bool) {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "no answer in time", true
	}
	return "", false
}

// clientCertificateError is an alert of the server after it asked for a client
// certificate.
type clientCertificateError struct {
	err error
}

// Error implements error.
func (e *clientCertificateError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *clientCertificateError) Unwrap() error { return e.err }

// isAlert reports whether the server ended a connection with an alert.
func isAlert(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "remote error"
}

// wantsClientCertificate reports whether the server ended the connection because of
// the client certificate, or because there was none. Such an alert has no type.
func wantsClientCertificate(err error) bool {
	var after *clientCertificateError
	if errors.As(err, &after) {
		return true
	}
	// RFC 8446, section 6.2.
	for _, alert := range []string{
		"certificate required", "bad certificate", "unknown certificate authority", "unsupported certificate",
		"expired certificate", "revoked certificate", "unknown certificate",
	} {
		if isAlert(err) && strings.Contains(err.Error(), "tls: "+alert) {
			return true
		}
	}
	return false
}

// standbyError says that no active server was found.
type standbyError struct {
	// asked is how many connections led to a server that is not the active one.
	asked int
	// hint is where a standby says that the active one is, and err why that did not
	// lead there; both can be empty.
	hint string
	err  error
}

// Error implements error.
func (e *standbyError) Error() string {
	text := fmt.Sprintf("none of %d connections led to the active server", e.asked)
	if e.hint != "" && e.err != nil {
		text += fmt.Sprintf(", and the address that the standby has of it, %s, cannot be used: %s", e.hint, transportDetail(e.err))
	}
	return text
}
