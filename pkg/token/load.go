// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// startLoad reads the Secret in a goroutine that Run waits for. c.mu is held
// and c is not stopped.
func (c *Cache) startLoad(ctx context.Context, name secretName, e *secretEntry, l *load) {
	ctx, cancel := c.loadContext(ctx)
	c.loads.Go(func() {
		defer cancel()
		secret, err := c.read(ctx, name)
		c.finishLoad(name, e, l, secret, err)
		if err == nil {
			c.removeFinalizer(ctx, secret)
		}
	})
}

// finishLoad takes the wanted keys out of the Secret, keeps them if the entry
// is still current, and releases everyone who waits.
func (c *Cache) finishLoad(name secretName, e *secretEntry, l *load, secret *corev1.Secret, err error) {
	c.mu.Lock()
	current := c.secrets[name] == e
	wake := false
	for key := range l.keys {
		ref := Ref{Namespace: name.namespace, Name: name.name, Key: key}
		value, failure := c.pick(ref, secret, err)
		if failure != nil {
			l.errs[key] = failure
			e.failed[key] = struct{}{}
			if e.onTrial(key) { // the others say that it was refused
				e.tried(key)
				wake = current
			}
			continue
		}
		h := &held{generation: e.generation, value: value}
		if e.onTrial(key) {
			h.rejected, h.trialEnds = true, e.trial.ends
		}
		e.tokens[key] = h
		if _, was := e.failed[key]; was {
			delete(e.failed, key)
			wake = current
		}
	}
	e.load = nil
	c.mu.Unlock()
	close(l.done)
	if wake {
		c.notifyRecovered(name.namespace, name.name)
	}
}

func (c *Cache) read(ctx context.Context, name secretName) (*corev1.Secret, error) {
	klog.FromContext(ctx).V(4).Info("Reading auth Secret", "secret", klog.KRef(name.namespace, name.name))
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
