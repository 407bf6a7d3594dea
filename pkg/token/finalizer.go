// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

const (
	// peerFinalizer is what the aiven-operator puts on every Secret that an object
	// names as its token. With that operator gone nobody would ever remove it, and
	// the Secret could not be deleted, nor its namespace.
	peerFinalizer = "finalizers.aiven.io/needed-to-delete-services"
	fieldManager  = "bailiwick"
)

// removeFinalizer takes the aiven-operator's finalizer off a Secret that was just
// read. It is the only thing that is ever written to a token Secret. Nothing
// depends on it: where it fails, the next read tries again. kept, which the cache's
// lock guards, is set once the log says that it may not be removed.
func (c *Cache) removeFinalizer(ctx context.Context, secret *corev1.Secret, kept *bool) {
	patch := reconcile.FinalizerPatch(secret, peerFinalizer)
	if patch == nil {
		return
	}
	logger := klog.LoggerWithValues(klog.FromContext(ctx), "secret", klog.KObj(secret), "finalizer", peerFinalizer)
	_, err := c.options.Secrets.Secrets(secret.Namespace).Patch(ctx, secret.Name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	switch {
	case err == nil:
		logger.V(2).Info("Removed the aiven-operator's finalizer")
	case apierrors.IsNotFound(err):
	case apierrors.IsForbidden(err):
		if !c.first(kept) {
			return
		}
		logger.Info("The aiven-operator's finalizer keeps this Secret from being deleted, and the operator may not remove it. Remove it yourself",
			"command", fmt.Sprintf("kubectl patch secret %s -n %s --type=json -p '%s'", secret.Name, secret.Namespace, patch))
	default:
		// What is invalid here is the test: the finalizers have changed meanwhile.
		logger.Info("Could not remove the aiven-operator's finalizer, will try at the next read", "reason", apierrors.ReasonForError(err))
	}
}

// first sets a mark and reports whether it was not set before.
func (c *Cache) first(mark *bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := *mark
	*mark = true
	return !was
}
