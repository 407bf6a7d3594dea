// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/redact"
	"github.com/bailiwick-operator/bailiwick/pkg/redact/apistatus"
)

// errGone says that the object a write was meant for is no longer there, or is
// another one of the same name. There is nothing left to do for it.
var errGone = errors.New("object is gone")

// ownAnnotations are the annotations that an apply of ours carries. Server-side
// apply removes what we applied before and leave out now.
var ownAnnotations = []string{AnnotationProcessed, AnnotationRunning, AnnotationCreateIntent}

// applyOptions force: what we own is ours to decide.
func applyOptions() metav1.ApplyOptions {
	return metav1.ApplyOptions{FieldManager: FieldManager, Force: true}
}

// record adds the finalizer and, with intent, the record of a create that is about
// to be sent. It is the last write before anything remote is made.
func (c *Controller[T, C, AC]) record(ctx context.Context, obj T, intent bool) error {
	own := c.ownOf(obj)
	if intent {
		asked := ""
		if c.kind.Asked != nil {
			asked = c.kind.Asked(obj)
		}
		record, _ := CreateRecordOf(obj)
		own[AnnotationCreateIntent] = record.with(asked).String()
	}
	return c.applyMain(ctx, obj, own, true)
}

// ownOf returns the annotations of ours that obj has.
func (c *Controller[T, C, AC]) ownOf(obj T) map[string]string {
	own := map[string]string{}
	for _, k := range ownAnnotations {
		if v, ok := obj.GetAnnotations()[k]; ok {
			own[k] = v
		}
	}
	return own
}

// applyMain is applyOwn where something changes, and brings obj's metadata up to
// date.
func (c *Controller[T, C, AC]) applyMain(ctx context.Context, obj T, own map[string]string, finalizer bool) error {
	if hasFinalizer(obj) == finalizer && maps.Equal(own, c.ownOf(obj)) {
		return nil
	}
	got, err := c.applyOwn(ctx, obj, own, finalizer)
	if err != nil {
		return err
	}
	obj.SetAnnotations(got.GetAnnotations())
	obj.SetFinalizers(got.GetFinalizers())
	obj.SetResourceVersion(got.GetResourceVersion())
	return nil
}

// applyOwn makes own, and the finalizer if it is wanted, the whole of what we own
// outside the status, and returns the object as it is then.
func (c *Controller[T, C, AC]) applyOwn(ctx context.Context, obj T, own map[string]string, finalizer bool) (T, error) {
	metadata := map[string]any{"annotations": own}
	if finalizer {
		metadata["finalizers"] = []string{Finalizer}
	}
	config, err := c.configOf(obj, metadata, nil)
	if err != nil {
		return obj, err
	}
	got, err := c.kind.Client(obj.GetNamespace()).Apply(ctx, config, applyOptions())
	if err != nil {
		return obj, writeError(obj, "apply metadata", err)
	}
	c.memory.writes.Store(got)
	return got, nil
}

// applyStatus writes the status of obj where it differs from that of before.
func (c *Controller[T, C, AC]) applyStatus(ctx context.Context, before, obj T) error {
	if equality.Semantic.DeepEqual(statusOf(before), statusOf(obj)) {
		return nil
	}
	status, err := statusJSON(obj)
	if err != nil {
		return err
	}
	config, err := c.configOf(obj, nil, status)
	if err != nil {
		return err
	}
	got, err := c.kind.Client(obj.GetNamespace()).ApplyStatus(ctx, config, applyOptions())
	if err != nil {
		return writeError(obj, "apply status", err)
	}
	c.memory.writes.Store(got)
	return nil
}

// configOf builds the generated apply configuration by way of JSON, whose shape
// both share; so no kind needs code of its own for it. The UID makes the API
// server refuse to touch, or to create, a namesake.
func (c *Controller[T, C, AC]) configOf(obj T, metadata map[string]any, status json.RawMessage) (*AC, error) {
	meta := map[string]any{"name": obj.GetName(), "namespace": obj.GetNamespace(), "uid": obj.GetUID()}
	maps.Copy(meta, metadata)
	doc := map[string]any{
		"apiVersion": c.kind.GVK.GroupVersion().String(),
		"kind":       c.kind.GVK.Kind,
		"metadata":   meta,
	}
	if status != nil {
		doc["status"] = status
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("build apply configuration: %w", err)
	}
	config := new(AC)
	if err := json.Unmarshal(raw, config); err != nil {
		return nil, fmt.Errorf("build apply configuration: %w", err)
	}
	return config, nil
}

// statusOf returns a pointer to the status, which every kind has in a field of
// that name.
func statusOf(obj Object) any {
	return reflect.ValueOf(obj).Elem().FieldByName("Status").Addr().Interface()
}

// specOf is statusOf for the spec.
func specOf(obj Object) any {
	return reflect.ValueOf(obj).Elem().FieldByName("Spec").Addr().Interface()
}

func statusJSON(obj Object) (json.RawMessage, error) {
	raw, err := json.Marshal(statusOf(obj))
	if err != nil {
		return nil, fmt.Errorf("read status: %w", err)
	}
	return raw, nil
}

// removeFinalizer ends our hold on obj.
func (c *Controller[T, C, AC]) removeFinalizer(ctx context.Context, obj T) error {
	patch := FinalizerPatch(obj, Finalizer)
	if patch == nil {
		return nil
	}
	got, err := c.kind.Client(obj.GetNamespace()).Patch(ctx, obj.GetName(), types.JSONPatchType, patch,
		metav1.PatchOptions{FieldManager: FieldManager})
	if err != nil {
		return writeError(obj, "remove finalizer", err)
	}
	c.memory.writes.Store(got)
	return nil
}

// writeError distinguishes an object that is gone from a write that failed. What the spec holds
// of secrets is taken out of the answer, which may quote it.
func writeError(obj Object, what string, err error) error {
	secrets := &redact.Secrets{}
	if spec, marshalErr := json.Marshal(specOf(obj)); marshalErr == nil {
		secrets.AddJSON(spec)
	}
	err = apistatus.Hide(secrets, err)
	if IsGone(err) {
		return fmt.Errorf("%s: %w: %w", what, errGone, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// IsGone reports whether a write with the UID of an object failed because the object
// is no longer there, or is another one of the same name. A UID that does not match is
// answered as a conflict where the object would have to be created, and as an
// immutable field where a namesake exists.
func IsGone(err error) bool {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return true
	}
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool {
		return c.Field == "metadata.uid"
	})
}
