// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/redact"
)

const (
	// maxMessage bounds Error.Message in bytes: conditions and events repeat it.
	maxMessage = 512
	// maxRetryAfter bounds what an answer can make us wait.
	maxRetryAfter = 5 * time.Minute
)

// maxHidden is how many bytes of a failure's text secrets are taken out of: far
// more than is shown, and few enough to be searched for every piece of them.
const maxHidden = 16 << 10

// maxErrors is how many of a failure's errors are read: more than a person
// reads, and few enough to compare each with all others.
const maxErrors = 50

// badTokenTexts are the messages of a 403 that is about the token itself.
var badTokenTexts = [...]string{"Invalid token", "Missing (expired) db token"}

// classify turns an answer other than 2xx into an *Error. The body of a
// failure can repeat what was sent, so secrets are taken out of its texts.
func classify(operation, method string, res *http.Response, body []byte, secrets *redact.Secrets) *Error {
	message := failureMessage(body)
	e := &Error{
		Operation:  operation,
		Status:     res.StatusCode,
		Class:      classOfStatus(res.StatusCode, method, message),
		RetryAfter: parseRetryAfter(res.Header.Get("Retry-After"), time.Now()),
		Message:    shorten(secrets.Hide(message[:min(len(message), maxHidden)])),
	}
	if e.Status >= 300 && e.Status < 400 {
		e.Message = "the answer redirects elsewhere, which is not followed: check the API's URL"
	}
	return e
}

func classOfStatus(status int, method, message string) Class {
	switch {
	case status == http.StatusUnauthorized:
		return Unauthorized
	case status == http.StatusForbidden:
		for _, text := range badTokenTexts {
			if strings.Contains(message, text) {
				return Unauthorized
			}
		}
		return Forbidden
	case status == http.StatusNotFound:
		return NotFound
	case status == http.StatusConflict && strings.Contains(strings.ToLower(message), "already exists"):
		return AlreadyExists
	case status == http.StatusConflict:
		return Conflict
	case status == http.StatusTooManyRequests:
		return Throttled
	case status == http.StatusRequestTimeout && method != http.MethodGet:
		return Unknown
	case status == http.StatusRequestTimeout, status == http.StatusExpectationFailed && method == http.MethodDelete:
		return Unavailable
	case status >= 400 && status < 500:
		return Invalid
	default:
		return Unavailable
	}
}

// isProjectMissing reports whether a 404 is about the project and not about what is
// asked for in it. Only the text says so.
func isProjectMissing(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Class == NotFound && strings.HasPrefix(strings.ToLower(e.Message), "project ")
}

// failureMessage returns the texts of a failed response: its message and what
// the errors list adds. Anything but the documented JSON is not repeated: it
// comes from something in between and may be a whole page.
func failureMessage(body []byte) string {
	var failure struct {
		Message string            `json:"message"`
		Errors  []json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(body, &failure) != nil {
		return ""
	}
	texts := []string{}
	add := func(text string) {
		if text != "" && !slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(t, text) }) {
			texts = append(texts, text)
		}
	}
	add(failure.Message)
	for _, raw := range failure.Errors[:min(len(failure.Errors), maxErrors)] {
		var entry struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(raw, &entry) == nil {
			add(entry.Message)
		}
	}
	return strings.Join(texts, "; ")
}

// shorten makes text one line of at most maxMessage bytes.
func shorten(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage-3], "") + "..."
}

// parseRetryAfter reads a Retry-After header: seconds or an HTTP date.
func parseRetryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	var wait time.Duration
	if seconds, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
		wait = time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// secretsOf returns what a failure must not repeat of a request: the token and
// the secrets in its JSON body.
func secretsOf(token string, body []byte) *redact.Secrets {
	secrets := &redact.Secrets{}
	secrets.Add(token)
	secrets.AddJSON(body)
	return secrets
}
