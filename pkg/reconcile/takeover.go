// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/klog/v2"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// peerManager is how the aiven-operator signs what it writes: it sets no field
// manager, so the API server takes the name of its binary. Other operators have
// that name too, so the entry alone does not tell whose a field is.
const peerManager = "manager"

// peerDomain ends the names of the aiven-operator's annotations and finalizers.
const peerDomain = ".aiven.io/"

// takeOver moves what the aiven-operator owns of an object to this operator, so
// that stale conditions, annotations and the finalizer really go when we leave
// them out. The spec, and metadata of other names, stay as they are and whose they
// are. It costs one read, for objects that look like that operator's only: they
// have the finalizer, and neither a condition nor a recorded create of ours.
func (c *Controller[T, C, AC]) takeOver(ctx context.Context, obj T) (T, error) {
	if _, recorded := obj.GetAnnotations()[AnnotationCreateIntent]; recorded || !hasFinalizer(obj) || readyReason(obj) != "" {
		return obj, nil
	}
	client, moved := c.kind.Client(obj.GetNamespace()), false
	live, err := client.Get(ctx, obj.GetName(), metav1.GetOptions{})
	if err != nil {
		return obj, writeError(obj, "read managed fields", err)
	}
	if live.GetUID() != obj.GetUID() {
		return obj, errGone
	}
	for _, build := range []func(T) ([]byte, error){metadataPatch[T], statusPatch[T]} {
		patch, err := build(live)
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
			return obj, writeError(obj, "take over managed fields", err)
		}
		moved = true
	}
	c.memory.writes.Store(live)
	if !moved {
		return live, nil
	}
	klog.FromContext(ctx).V(2).Info("Took over from the aiven-operator")
	if live, err = c.ownConditions(ctx, live); err != nil {
		return live, err
	}
	// Applying only what we keep drops the rest of what is ours now.
	return c.applyOwn(ctx, live, c.ownOf(live), true)
}

// statusPatch moves all that the aiven-operator owns of the status: nobody else
// writes that. The result is empty when it owns nothing.
func statusPatch[T Object](live T) ([]byte, error) {
	return csaupgrade.UpgradeManagedFieldsPatch(live, sets.New(peerManager), FieldManager, csaupgrade.Subresource("status"))
}

// metadataPatch moves the aiven-operator's annotations and finalizer. The result is
// empty when it owns none.
func metadataPatch[T Object](live T) ([]byte, error) {
	moved := fieldpath.NewSet()
	var version string
	var entries []metav1.ManagedFieldsEntry
	for _, entry := range live.GetManagedFields() {
		if entry.Manager == peerManager && entry.Subresource == "" {
			mine, rest, err := split(entry)
			if err != nil {
				return nil, err
			}
			if !mine.Empty() {
				moved, version = moved.Union(mine), entry.APIVersion
				if entry.FieldsV1, err = fieldsOf(rest); err != nil {
					return nil, err
				}
				if rest.Empty() {
					continue
				}
			}
		}
		entries = append(entries, entry)
	}
	if moved.Empty() {
		return nil, nil
	}
	i := slices.IndexFunc(entries, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == FieldManager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == ""
	})
	if i < 0 {
		i = len(entries)
		entries = append(entries, metav1.ManagedFieldsEntry{
			Manager: FieldManager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: version, FieldsType: "FieldsV1", Time: new(metav1.Now()),
		})
	} else {
		own, err := setOf(entries[i])
		if err != nil {
			return nil, err
		}
		moved = moved.Union(own)
	}
	var err error
	if entries[i].FieldsV1, err = fieldsOf(moved); err != nil {
		return nil, err
	}
	return json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": entries},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
	})
}

// split tells the annotations and finalizers with names of the aiven-operator's
// from the other fields of an entry.
func split(entry metav1.ManagedFieldsEntry) (mine, rest *fieldpath.Set, err error) {
	all, err := setOf(entry)
	if err != nil {
		return nil, nil, err
	}
	annotations, finalizers := fieldpath.MakePathOrDie("metadata", "annotations"), fieldpath.MakePathOrDie("metadata", "finalizers")
	mine = fieldpath.NewSet()
	all.Iterate(func(path fieldpath.Path) {
		if len(path) != len(annotations)+1 {
			return
		}
		name := ""
		switch last := path[len(path)-1]; {
		case last.FieldName != nil && path[:2].Equals(annotations):
			name = *last.FieldName
		case last.Value != nil && path[:2].Equals(finalizers) && (*last.Value).IsString():
			name = (*last.Value).AsString()
		}
		// The deletion policy is the user's in any case.
		if strings.Contains(name, peerDomain) && name != AnnotationDeletionPolicy {
			mine.Insert(path.Copy())
		}
	})
	// Whose the map and the list are makes no difference to what is in them.
	return mine, all.Difference(mine).Difference(fieldpath.NewSet(annotations, finalizers)), nil
}

func setOf(entry metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	set := fieldpath.NewSet()
	if entry.FieldsV1 == nil {
		return set, nil
	}
	if err := set.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
		return nil, fmt.Errorf("read managed fields of %s: %w", entry.Manager, err)
	}
	return set, nil
}

func fieldsOf(set *fieldpath.Set) (*metav1.FieldsV1, error) {
	raw, err := set.ToJSON()
	if err != nil {
		return nil, fmt.Errorf("write managed fields: %w", err)
	}
	return metav1.NewFieldsV1(string(raw)), nil
}

// ownConditions makes each condition ours, which is what later lets one go. The
// aiven-operator's schema has all of them as one value, whose ownership does not
// extend to the single conditions that they are in ours.
func (c *Controller[T, C, AC]) ownConditions(ctx context.Context, live T) (T, error) {
	status, err := statusJSON(live)
	if err != nil {
		return live, err
	}
	config, err := c.configOf(live, nil, status)
	if err != nil {
		return live, err
	}
	got, err := c.kind.Client(live.GetNamespace()).ApplyStatus(ctx, config, applyOptions())
	if err != nil {
		return live, writeError(live, "take over conditions", err)
	}
	c.memory.writes.Store(got)
	return got, nil
}
