// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	openbaov1alpha1ac "github.com/bailiwick-operator/bailiwick/generated/applyconfiguration/openbao/v1alpha1"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// conditionTypes are the conditions that this package owns.
var conditionTypes = [...]string{
	openbaov1alpha1.ConditionReady,
	openbaov1alpha1.ConditionAuthorizationReady,
	openbaov1alpha1.ConditionClusterLifecycle,
}

// errGone says that the object is no longer there, or is another one of the
// same name.
var errGone = errors.New("object is gone")

// persist writes what this package owns of obj's status where it differs from
// that of before, which then becomes a copy of obj.
func (c *Controller) persist(ctx context.Context, before, obj *openbaov1alpha1.OpenBaoCluster) error {
	if apiequality.Semantic.DeepEqual(before.Status, obj.Status) {
		return nil
	}
	got, err := c.opts.Clusters.OpenBaoClusters(obj.Namespace).ApplyStatus(ctx, statusConfig(obj),
		metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	if err != nil {
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) || isOtherUID(err) {
			return errGone
		}
		return fmt.Errorf("apply status: %w", err)
	}
	klog.FromContext(ctx).V(2).Info("Applied status")
	c.written.store(got)
	obj.DeepCopyInto(before)
	return nil
}

// statusConfig is the whole of what this package owns. The UID keeps it from
// touching, or making, a namesake.
func statusConfig(obj *openbaov1alpha1.OpenBaoCluster) *openbaov1alpha1ac.OpenBaoClusterApplyConfiguration {
	status := openbaov1alpha1ac.OpenBaoClusterStatus().WithObservedGeneration(obj.Status.ObservedGeneration)
	for _, conditionType := range conditionTypes {
		if condition := meta.FindStatusCondition(obj.Status.Conditions, conditionType); condition != nil {
			status.WithConditions(metav1ac.Condition().
				WithType(condition.Type).
				WithStatus(condition.Status).
				WithReason(condition.Reason).
				WithMessage(condition.Message).
				WithObservedGeneration(condition.ObservedGeneration).
				WithLastTransitionTime(condition.LastTransitionTime))
		}
	}
	if a := obj.Status.Authorization; a != nil {
		status.WithAuthorization(openbaov1alpha1ac.AuthorizationStatus().
			WithAddress(a.Address).
			WithServer(a.Server).
			WithNamespace(a.Namespace).
			WithMount(a.Mount).
			WithIssuer(a.Issuer).
			WithKeyIDs(a.KeyIDs...).
			WithPolicies(a.Policies...).
			WithRoles(a.Roles...).
			WithDigest(a.Digest).
			WithAdminToken(a.AdminToken))
	}
	return openbaov1alpha1ac.OpenBaoCluster(obj.Name, obj.Namespace).WithUID(obj.UID).WithStatus(status)
}

func isOtherUID(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool {
		return c.Field == "metadata.uid"
	})
}

// written keeps what the last write of an object returned until the cache has it.
type written struct {
	mu      sync.Mutex
	objects map[cache.ObjectName]*openbaov1alpha1.OpenBaoCluster
}

func newWritten() *written {
	return &written{objects: map[cache.ObjectName]*openbaov1alpha1.OpenBaoCluster{}}
}

func (w *written) store(obj *openbaov1alpha1.OpenBaoCluster) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[cache.MetaObjectToName(obj)] = obj
}

// newest returns cached, or what was written since.
func (w *written) newest(cached *openbaov1alpha1.OpenBaoCluster) *openbaov1alpha1.OpenBaoCluster {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := cache.MetaObjectToName(cached)
	obj := w.objects[name]
	if obj == nil {
		return cached
	}
	if obj.UID == cached.UID {
		if order, err := resourceversion.CompareResourceVersion(cached.ResourceVersion, obj.ResourceVersion); err == nil && order < 0 {
			return obj
		}
	}
	delete(w.objects, name)
	return cached
}

func (w *written) forget(name cache.ObjectName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.objects, name)
}
