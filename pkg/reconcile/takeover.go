// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/klog/v2"
)

// peerManager is how the aiven-operator signs what it writes: it sets no field
// manager, so the API server takes the name of its binary.
const peerManager = "manager"

// takeOver moves what the aiven-operator owns of an object to this operator, so
// that stale conditions, annotations and the finalizer really go when we leave
// them out. It costs one read, for objects that look like that operator's only:
// they have the finalizer, and neither a condition nor a recorded create of ours.
func (c *Controller[T, C, AC]) takeOver(ctx context.Context, obj T) (T, error) {
	if _, recorded := obj.GetAnnotations()[AnnotationCreateIntent]; recorded || !hasFinalizer(obj) || readyReason(obj) != "" {
		return obj, nil
	}
	client, moved := c.kind.Client(obj.GetNamespace()), false
	live, err := client.Get(ctx, obj.GetName(), metav1.GetOptions{})
	if err != nil {
		return obj, writeError("read managed fields", err)
	}
	if live.GetUID() != obj.GetUID() {
		return obj, errGone
	}
	for _, subresource := range []string{"", "status"} {
		patch, err := csaupgrade.UpgradeManagedFieldsPatch(live, sets.New(peerManager), FieldManager, csaupgrade.Subresource(subresource))
		if err != nil {
			return obj, fmt.Errorf("take over managed fields: %w", err)
		}
		if len(patch) == 0 {
			continue
		}
		// The patch holds the resource version, so it never overwrites a change.
		if live, err = client.Patch(ctx, obj.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: FieldManager}); err != nil {
			if apierrors.IsConflict(err) {
				return obj, fmt.Errorf("take over managed fields: %w", err)
			}
			return obj, writeError("take over managed fields", err)
		}
		moved = true
		klog.FromContext(ctx).V(2).Info("Took over from the aiven-operator", "subresource", subresource)
	}
	c.memory.store(live)
	if !moved {
		return live, nil
	}
	// Applying only what we keep drops the rest of what is ours now.
	return c.applyOwn(ctx, live, c.ownOf(live), true)
}
