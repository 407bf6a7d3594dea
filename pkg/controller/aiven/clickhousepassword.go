// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

func (h *clickhouseUser) remember(obj *v1alpha1.ClickhouseUser, password string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.set[obj.UID] = password
}

// Forget implements forgetter.
func (h *clickhouseUser) Forget(uid types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.set, uid)
}

// password returns the user's password, "" while it is not known. What is
// published counts for nothing while a create may have been interrupted.
func (h *clickhouseUser) password(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) (string, error) {
	published, err := r.publishedPassword(ctx, obj)
	if err != nil {
		return "", err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	set, ok := h.set[obj.UID]
	switch {
	case !ok && interrupted(obj):
		return "", nil
	case !ok:
		return published, nil
	case set == published && !interrupted(obj):
		delete(h.set, obj.UID)
	}
	return set, nil
}

// interrupted reports whether the remote may have been created without a record
// of what the answer said.
func interrupted(obj metav1.Object) bool {
	_, ok := obj.GetAnnotations()[reconcile.AnnotationCreateIntent]
	return ok
}

// publishedPassword reads the password in the object's own connection Secret.
func (r *remote) publishedPassword(ctx context.Context, obj *v1alpha1.ClickhouseUser) (string, error) {
	target, disabled := obj.ConnInfoTarget()
	if disabled {
		return "", nil
	}
	secret, err := r.secrets.Get(ctx, target.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("get connection secret: %w", err)
	}
	if !metav1.IsControlledBy(secret, obj) {
		return "", nil
	}
	// The key without a prefix outlives a change of the prefix.
	return string(secret.Data["PASSWORD"]), nil
}
