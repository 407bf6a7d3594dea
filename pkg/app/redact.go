// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/klog/v2/textlogger"
)

const withheld = "[withheld]"

// withholdSecrets returns a logger that writes what logger writes, without the
// values that may hold secrets: bodies of requests to the API server, which
// client-go logs at -v=8 and more, Secrets, and tokens.
func withholdSecrets(logger logr.Logger) logr.Logger {
	switch logger.GetSink().(type) {
	case nil, *redactor, *textRedactor:
		return logger
	}
	// One frame for the redactor's own method.
	return logr.New(newRedactor(logger.WithCallDepth(1).GetSink())).V(logger.GetV())
}

// redactor is a logr.LogSink in front of another.
type redactor struct {
	sink logr.LogSink
	// helper marks the calling function as one to leave out of call stacks.
	helper func()
}

// textRedactor is a redactor in front of klog's text logger.
type textRedactor struct {
	redactor
	textlogger.KlogBufferWriter
}

var (
	_ logr.CallDepthLogSink       = &redactor{}
	_ logr.CallStackHelperLogSink = &redactor{}
)

// newRedactor returns a sink that is a KlogBufferWriter if the one behind is.
func newRedactor(sink logr.LogSink) logr.LogSink {
	r := redactor{sink: sink, helper: func() {}}
	if h, ok := sink.(logr.CallStackHelperLogSink); ok {
		r.helper = h.GetCallStackHelper()
	}
	if w, ok := sink.(textlogger.KlogBufferWriter); ok {
		return &textRedactor{redactor: r, KlogBufferWriter: w}
	}
	return &r
}

// Init implements logr.LogSink. The sink behind was initialized with its logger.
func (r *redactor) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink.
func (r *redactor) Enabled(level int) bool { return r.sink.Enabled(level) }

// Info implements logr.LogSink.
func (r *redactor) Info(level int, msg string, keysAndValues ...any) {
	r.helper()
	r.sink.Info(level, msg, redact(keysAndValues)...)
}

// Error implements logr.LogSink.
func (r *redactor) Error(err error, msg string, keysAndValues ...any) {
	r.helper()
	r.sink.Error(err, msg, redact(keysAndValues)...)
}

// WithValues implements logr.LogSink.
func (r *redactor) WithValues(keysAndValues ...any) logr.LogSink {
	return newRedactor(r.sink.WithValues(redact(keysAndValues)...))
}

// WithName implements logr.LogSink.
func (r *redactor) WithName(name string) logr.LogSink {
	return newRedactor(r.sink.WithName(name))
}

// WithCallDepth implements logr.CallDepthLogSink.
func (r *redactor) WithCallDepth(depth int) logr.LogSink {
	if s, ok := r.sink.(logr.CallDepthLogSink); ok {
		return newRedactor(s.WithCallDepth(depth))
	}
	return newRedactor(r.sink)
}

// GetCallStackHelper implements logr.CallStackHelperLogSink.
func (r *redactor) GetCallStackHelper() func() { return r.helper }

// redact returns the pairs with secret values replaced. It copies only if there
// are any: almost no line has one.
func redact(keysAndValues []any) []any {
	out := keysAndValues
	for i := 1; i < len(keysAndValues); i += 2 {
		safe, changed := redactValue(keysAndValues[i-1], keysAndValues[i])
		if !changed {
			continue
		}
		if &out[0] == &keysAndValues[0] {
			out = append([]any(nil), keysAndValues...)
		}
		out[i] = safe
	}
	return out
}

func redactValue(key, value any) (safe any, changed bool) {
	// client-go's key for the body of any request or response, rest/request.go
	// (logBody). What is in it depends on the resource, and Secrets come in
	// lists, watches, patches and events too: none is shown.
	if name, ok := key.(string); ok && strings.EqualFold(name, "body") {
		if body, ok := value.(string); ok {
			return fmt.Sprintf("%s %d characters", withheld, len(body)), true
		}
		return withheld, true
	}
	switch v := value.(type) {
	case interface{ Reveal() string }:
		return withheld, true
	case *corev1.Secret, corev1.Secret, *corev1.SecretList, corev1.SecretList, *corev1ac.SecretApplyConfiguration:
		return withheld + fmt.Sprintf(" %T", v), true
	case http.Header:
		return withheld + " headers", true
	}
	return nil, false
}
