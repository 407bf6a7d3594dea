// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/klog/v2"

	openbaov1alpha1ac "github.com/bailiwick-operator/bailiwick/generated/applyconfiguration/openbao/v1alpha1"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// conditionTypes are the conditions that this package owns. The first two are all that
// it sets beside the openbao-operator, and for servers that Bailiwick runs.
var conditionTypes = [...]string{
	openbaov1alpha1.ConditionAuthorizationReady,
	openbaov1alpha1.ConditionSigningKeysCurrent,
	openbaov1alpha1.ConditionReady,
	openbaov1alpha1.ConditionClusterLifecycle,
}

// errGone says that the object is no longer there, or is another one of the
// same name.
var errGone = errors.New("object is gone")

// persist writes what this package owns of the object, where it differs from
// what was last written. The record comes first: it says what may be removed,
// whatever becomes of the rest.
func (t *task) persist(ctx context.Context) error {
	if t.recordError != nil || t.unproved != nil {
		t.obj.Status.Authorization = t.before.Status.Authorization
	} else if err := t.statusWriter().persistRecord(ctx); err != nil {
		return err
	}
	if apiequality.Semantic.DeepEqual(t.before.Status, t.obj.Status) {
		return nil
	}
	config, err := t.statusWriter().statusConfig()
	if err != nil {
		return err
	}
	got, err := t.opts.Clusters.OpenBaoClusters(t.obj.Namespace).ApplyStatus(ctx, config, applyOptions(FieldManager))
	if err != nil {
		return t.statusWriter().persistProblem("apply status", err)
	}
	klog.FromContext(ctx).V(2).Info("Applied status")
	t.written.Store(got)
	t.obj.ResourceVersion = got.ResourceVersion
	t.obj.DeepCopyInto(t.before)
	if t.ours {
		// The record of another schema has become part of the status.
		return t.records.remove(ctx, t.obj.UID)
	}
	return nil
}

// statusWriter writes the record, where it is apart from the status, and the status.
type statusWriter struct{ *task }

// persistRecord writes the record where the status has no room for it, and then shows
// it in the annotation.
func (t statusWriter) persistRecord(ctx context.Context) error {
	if t.ours {
		return nil
	}
	record := t.obj.Status.Authorization
	ended := record == nil && t.before.Status.Authorization != nil
	if err := t.records.put(ctx, t.name, t.obj.UID, record); err != nil {
		return err
	}
	t.before.Status.Authorization = record.DeepCopy()
	if record == nil {
		if !ended {
			return nil
		}
		return t.showRecord(ctx, "")
	}
	shown, err := encodeRecord(record)
	if err != nil || t.obj.Annotations[openbaov1alpha1.AnnotationRecord] == shown {
		return err
	}
	return t.showRecord(ctx, shown)
}

// showRecord writes the annotation, or removes it.
func (t statusWriter) showRecord(ctx context.Context, raw string) error {
	config := openbaov1alpha1ac.OpenBaoCluster(t.obj.Name, t.obj.Namespace).WithUID(t.obj.UID)
	if raw != "" {
		config.WithAnnotations(map[string]string{openbaov1alpha1.AnnotationRecord: raw})
	}
	got, err := t.opts.Clusters.OpenBaoClusters(t.obj.Namespace).Apply(ctx, config, applyOptions(RecordFieldManager))
	if err != nil {
		return t.persistProblem("apply the annotation with the record", err)
	}
	klog.FromContext(ctx).V(2).Info("Showed the record")
	t.written.Store(got)
	t.obj.Annotations = got.Annotations
	return nil
}

func applyOptions(manager string) metav1.ApplyOptions {
	return metav1.ApplyOptions{FieldManager: manager, Force: true}
}

func (t statusWriter) persistProblem(what string, err error) error {
	if reconcile.IsGone(err) {
		return errGone
	}
	if strings.Contains(err.Error(), "not declared in schema") {
		// Somebody installed another schema meanwhile.
		t.declared.Forget()
	}
	return fmt.Errorf("%s: %w", what, err)
}

// statusConfig is the whole of what this package owns of the status. The UID
// keeps it from touching, or making, a namesake.
func (t statusWriter) statusConfig() (*openbaov1alpha1ac.OpenBaoClusterApplyConfiguration, error) {
	status := openbaov1alpha1ac.OpenBaoClusterStatus()
	types := conditionTypes[:2]
	if t.sumsUp() {
		types = conditionTypes[:]
		status.WithObservedGeneration(t.obj.Status.ObservedGeneration)
	}
	if t.ours {
		if record := t.obj.Status.Authorization; record != nil {
			// The two types have the same fields, all optional.
			raw, err := json.Marshal(record)
			if err != nil {
				return nil, err
			}
			authorization := openbaov1alpha1ac.AuthorizationStatus()
			if err := json.Unmarshal(raw, authorization); err != nil {
				return nil, err
			}
			status.WithAuthorization(authorization)
		}
	}
	for _, conditionType := range types {
		if condition := meta.FindStatusCondition(t.obj.Status.Conditions, conditionType); condition != nil {
			status.WithConditions(metav1ac.Condition().
				WithType(condition.Type).
				WithStatus(condition.Status).
				WithReason(condition.Reason).
				WithMessage(condition.Message).
				WithObservedGeneration(condition.ObservedGeneration).
				WithLastTransitionTime(condition.LastTransitionTime))
		}
	}
	config := openbaov1alpha1ac.OpenBaoCluster(t.obj.Name, t.obj.Namespace).WithUID(t.obj.UID).WithStatus(status)
	if t.ours && t.sumsUp() && t.obj.DescribesServers() {
		// What a cache that is behind shows must not replace what the process that runs the
		// servers has said meanwhile.
		config.WithResourceVersion(t.obj.ResourceVersion)
	}
	return config, nil
}
