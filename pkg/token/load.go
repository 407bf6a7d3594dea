// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// startLoad reads the Secret in a goroutine that Run waits for. c.mu is held
// and c is not stopped.
func (c *Cache) startLoad(ctx context.Context, name secretName, e *secretEntry, l *load) {
	ctx, cancel := c.loadContext(ctx)
	c.tasks.Go(func() {
		defer cancel()
		secret, err := c.read(ctx, name)
		if c.finishLoad(name, e, l, secret, err) {
			c.notify(c.onRecovered, []secretName{name})
		}
		if err == nil {
			c.removeFinalizer(ctx, secret, e.finalizerKept)
		}
	})
}

// finishLoad takes the wanted keys out of the Secret, keeps them if the entry
// is still current and an object names the Secret, and releases everyone who
// waits. It reports whether the objects that were told of a failure or a refusal
// should be reconciled.
func (c *Cache) finishLoad(name secretName, e *secretEntry, l *load, secret *corev1.Secret, err error) (wake bool) {
	c.mu.Lock()
	defer c.unlock()
	defer close(l.done)
	e.load = nil
	if l.overtaken {
		return false
	}
	// The last object may have gone while it waited: it is given the token, and
	// nobody after it.
	l.kept = c.options.Named(name.namespace, name.name)
	if !l.kept {
		delete(c.secrets, name)
	}
	for key := range l.keys {
		ref := Ref{Namespace: name.namespace, Name: name.name, Key: key}
		value, failure := c.pick(ref, secret, err)
		if failure != nil {
			l.errs[key] = failure
		} else {
			l.tokens[key] = &held{generation: e.generation, value: value}
		}
		if l.kept {
			wake = c.keep(ref, e, l.tokens[key]) || wake
		}
	}
	if !l.kept {
		for key, h := range e.before {
			c.letGo(Ref{name.namespace, name.name, key}, h.standing)
		}
	}
	return wake
}

// keep notes what a load found for a key, nil for a failure. It reports whether
// the other objects of the Secret were told of something else. c.mu is held.
func (c *Cache) keep(ref Ref, e *secretEntry, h *held) (wake bool) {
	before := e.before[ref.Key]
	suspicious := before.refused()
	delete(e.before, ref.Key)
	_, failed := e.failed[ref.Key]
	if h == nil {
		e.failed[ref.Key] = struct{}{}
		wake = suspicious // the others say that it was refused
	} else {
		delete(e.failed, ref.Key)
		wake = failed
		e.tokens[ref.Key] = h
		h.standing = c.hold(ref, h.value)
		if suspicious {
			c.suspect(h.standing)
		}
	}
	if before != nil && (h == nil || h.standing != before.standing) {
		c.letGo(ref, before.standing)
	}
	return wake
}

// read gets the Secret. A panic in it is reported as an error.
func (c *Cache) read(ctx context.Context, name secretName) (secret *corev1.Secret, err error) {
	logger := klog.FromContext(ctx)
	defer func() {
		if r := recover(); r != nil {
			// Only the type: a panic value may quote what was being handled.
			logger.Error(nil, "Reading a Secret panicked", "secret", klog.KRef(name.namespace, name.name), "panicType", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
			secret, err = nil, errors.New("reading it panicked; see the operator's log")
		}
	}()
	logger.V(4).Info("Reading auth Secret", "secret", klog.KRef(name.namespace, name.name))
	return c.options.Secrets.Secrets(name.namespace).Get(ctx, name.name, metav1.GetOptions{})
}

// pick returns the value of ref's key in the Secret, or why there is none.
func (c *Cache) pick(ref Ref, secret *corev1.Secret, err error) (Value, *Error) {
	failure := &Error{Ref: ref, Err: err, operator: c.options.Operator}
	switch {
	case err == nil:
	case apierrors.IsNotFound(err):
		failure.Reason = SecretNotFound
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		failure.Reason = SecretForbidden
	default:
		failure.Reason = SecretUnavailable
	}
	if err != nil {
		return Value{}, failure
	}
	data, ok := secret.Data[ref.Key]
	value := NewValue(string(data))
	switch {
	case !ok:
		failure.Reason = KeyNotFound
	case value.Reveal() == "":
		failure.Reason = EmptyToken
	case !value.usable():
		failure.Reason = MalformedToken
	default:
		return value, nil
	}
	return Value{}, failure
}
