// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// Finalizer keeps an object whose spec.deletionPolicy has something deleted with it. With
// Retain there is none: what is kept has no owner, and Kubernetes deletes the rest.
const Finalizer = "bailiwick.dev/openbao-servers"

// deletesData reports whether volumes are deleted with the object.
func deletesData(c *openbaov1alpha1.OpenBaoCluster) bool {
	return c.Spec.DeletionPolicy == openbaov1alpha1.DeletionDeletePVCs || c.Spec.DeletionPolicy == openbaov1alpha1.DeletionDeleteAll
}

// keepFinalizer puts the finalizer on the object, or takes it away. One that is too late
// keeps data that was to be deleted, and never the other way round.
func (t *task) keepFinalizer(ctx context.Context, wanted bool) error {
	has := slices.Contains(t.obj.Finalizers, Finalizer)
	if has == wanted {
		return nil
	}
	finalizers := slices.DeleteFunc(slices.Clone(t.obj.Finalizers), func(f string) bool { return f == Finalizer })
	if wanted {
		finalizers = append(finalizers, Finalizer)
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": t.obj.UID, "resourceVersion": t.before.ResourceVersion, "finalizers": finalizers,
	}})
	if err != nil {
		return err
	}
	got, err := t.opts.Clusters.OpenBaoClusters(t.obj.Namespace).Patch(ctx, t.obj.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
	switch {
	case apierrors.IsNotFound(err):
		return errGone
	case apierrors.IsConflict(err):
		return err
	case err != nil:
		return t.objectProblem(fmt.Errorf("change the finalizers: %w", err))
	}
	t.written.Store(got.DeepCopy())
	decided := t.obj.Status
	got.DeepCopyInto(t.before)
	got.DeepCopyInto(t.obj)
	t.takeOver(&decided)
	return nil
}

// remove carries out spec.deletionPolicy for an object that is being deleted, and reports
// what else keeps it. declared says that the schema is this operator's.
func (t *task) remove(ctx context.Context, declared bool) reconcile.Outcome {
	var err error
	if slices.Contains(t.obj.Finalizers, Finalizer) {
		err = t.removeOwn(ctx)
	}
	if err == nil && declared && slices.Contains(t.obj.Finalizers, operatorFinalizer) {
		wait := t.patienceWithOthers()
		if wait > 0 {
			return reconcile.After(wait)
		}
		err = t.keptByAnother()
	}
	if err == nil {
		return reconcile.Done()
	}
	problem := asProblem(err)
	if apierrors.IsConflict(err) {
		return reconcile.After(startInterval / 2)
	}
	t.obj.Status.ObservedGeneration = t.obj.Generation
	t.setCondition(metav1.Condition{Type: openbaov1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: problem.Reason, Message: problem.Message})
	t.setCondition(metav1.Condition{Type: openbaov1alpha1.ConditionClusterLifecycle, Status: metav1.ConditionFalse, Reason: problem.Reason, Message: problem.Message})
	announcements := t.announcements()
	if err := t.persist(ctx); err != nil {
		return afterWrite(err)
	}
	for _, announce := range announcements {
		announce()
	}
	return problem.Next
}

// removeOwn deletes the data and takes the finalizer away.
func (t *task) removeOwn(ctx context.Context) error {
	err := t.removeData(ctx)
	if err != nil && asProblem(err).Reason == ReasonNotGranted && t.namespaceEnds(ctx) {
		// Everything in it is deleted, and the rights were the first to go.
		err = nil
	}
	if err == nil {
		err = t.keepFinalizer(ctx, false)
	}
	return err
}

const (
	// operatorFinalizer is the finalizer of the openbao-operator, which an object has that
	// came from there (internal/constants of github.com/dc-tec/openbao-operator).
	operatorFinalizer = "openbao.org/openbaocluster-finalizer"
	// operatorPatience is how long that operator, if it runs, is given to remove it.
	operatorPatience = time.Minute
)

// patienceWithOthers is how long those whose finalizers keep the object are waited for. No
// event says that one of them is gone.
func (t *task) patienceWithOthers() time.Duration {
	if len(t.obj.Finalizers) > 1 {
		return operatorPatience
	}
	return t.obj.DeletionTimestamp.Add(operatorPatience).Sub(t.now)
}

// keptByAnother says how an object goes that nothing but the finalizer of another program
// keeps. It is never removed here: whether that program still has something to do for it,
// nobody here knows.
func (t *task) keptByAnother() error {
	ns, name := t.obj.Namespace, t.obj.Name
	what := ""
	if !deletesData(t.obj) {
		key := workload.UnsealKeySecretName(t.obj)
		what = fmt.Sprintf(": the servers then end, volumes stay, and Kubernetes deletes every Secret that the object owns. "+
			"Without the Secret %s nobody can read the volumes, so save it before: kubectl -n %s get secret %s -o yaml > %s.yaml", key, ns, key, key)
	}
	return waiting(ReasonForeignFinalizer, fmt.Sprintf(
		"The object is deleted, and only the finalizer %s keeps it. The openbao-operator removes it after it has done what spec.deletionPolicy says. "+
			"If that operator is gone for good, a person has to%s . To remove the finalizer, run: "+
			"kubectl -n %s patch openbaocluster %s --type=json -p '[{\"op\":\"test\",\"path\":\"/metadata/finalizers/0\",\"value\":\"%s\"},{\"op\":\"remove\",\"path\":\"/metadata/finalizers/0\"}]'",
		operatorFinalizer, what, ns, name, operatorFinalizer), t.opts.RecheckInterval)
}

// removeData deletes the servers, and then what the policy says. The error is the Problem
// that says what it waits for.
func (t *task) removeData(ctx context.Context) error {
	if !deletesData(t.obj) || !t.recorded().Initialized && !t.recorded().Begun || slices.Contains(t.obj.Finalizers, metav1.FinalizerOrphanDependents) {
		// What is on the volumes was never this object's, or is to be kept.
		return nil
	}
	if t.paused() {
		return waiting(ReasonPaused, "The cluster is paused (spec.paused), so that its data is not deleted. Set spec.paused to false to go on.", t.opts.RecheckInterval)
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	set, err := t.liveStatefulSet(ctx)
	if err != nil {
		return err
	}
	if set != nil {
		// Its pods go with it.
		err := t.opts.Kube.AppsV1().StatefulSets(t.obj.Namespace).Delete(ctx, set.Name, deleteOptions(string(set.UID)))
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return t.objectProblem(fmt.Errorf("delete StatefulSet %s: %w", set.Name, err))
		}
		return waiting(ReasonDeleting, "The servers end, and their volumes are deleted after that (spec.deletionPolicy).", startInterval)
	}
	if pods := t.remainingPods(); len(pods) > 0 {
		return waiting(ReasonDeleting, fmt.Sprintf("The volumes are deleted (spec.deletionPolicy) once these pods have ended: %s.", strings.Join(pods, ", ")), 2*startInterval)
	}
	for ordinal := range workload.MaxServers {
		if err := t.removeVolume(ctx, ordinal); err != nil {
			return err
		}
	}
	if t.obj.Spec.DeletionPolicy != openbaov1alpha1.DeletionDeleteAll {
		return nil
	}
	for _, name := range []string{workload.UnsealKeySecretName(t.obj), caSecretName(t.obj), recoverySecretName(t.obj)} {
		if _, err := t.keeper.Absent(ctx, t.owner, secretResource, t.obj.Namespace, name); err != nil {
			return t.objectProblem(err)
		}
	}
	return nil
}

// namespaceEnds reports whether the namespace of the object is being deleted.
func (t *task) namespaceEnds(ctx context.Context) bool {
	namespace, err := t.opts.Kube.CoreV1().Namespaces().Get(ctx, t.obj.Namespace, metav1.GetOptions{})
	return err == nil && namespace.DeletionTimestamp != nil
}

// removeVolume deletes the volume of a server, which no pod uses any more. Its labels say
// that the StatefulSet of a cluster of the name had it made.
func (t *task) removeVolume(ctx context.Context, ordinal int) error {
	claim, err := t.volumeOf(ctx, ordinal)
	if err != nil || claim == nil || claim.DeletionTimestamp != nil {
		return err
	}
	for key, value := range workload.Labels(t.obj) {
		if claim.Labels[key] != value {
			klog.FromContext(ctx).Info("Left a volume that does not have the labels of the cluster", "volume", claim.Name)
			return nil
		}
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	err = t.opts.Kube.CoreV1().PersistentVolumeClaims(t.obj.Namespace).Delete(ctx, claim.Name, deleteOptions(string(claim.UID)))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return t.objectProblem(fmt.Errorf("delete the volume %s: %w", claim.Name, err))
	}
	klog.FromContext(ctx).Info("Deleted a volume with its cluster", "volume", claim.Name)
	return nil
}

// remainingPods are the names of the pods of servers, whoever controls them by now.
func (t *task) remainingPods() []string {
	var names []string
	informer := reconcile.InformerOf(t.owned[podResource], t.obj.Namespace)
	// An error is that of a selector which cannot fail.
	_ = cache.ListAllByNamespace(informer.GetIndexer(), t.obj.Namespace, labels.SelectorFromSet(workload.ServerSelector(t.obj)), func(item any) {
		if pod, ok := item.(*corev1.Pod); ok {
			names = append(names, pod.Name)
		}
	})
	slices.Sort(names)
	return names
}
