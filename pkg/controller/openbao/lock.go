// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/owned"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// The lock of a cluster's operations is a Lease. It is written with the resourceVersion
// that it was read with, so that of two that take it one fails.

// readLock reads the lock from the API server.
func (t *task) readLock(ctx context.Context) (machine.Lock, *coordinationv1.Lease, error) {
	name := workload.OperationLeaseName(t.obj)
	lease, err := t.opts.Kube.CoordinationV1().Leases(t.obj.Namespace).Get(ctx, name, metav1.GetOptions{})
	lock := machine.Lock{}
	if status := t.obj.Status.OperationLock; status != nil {
		// A Lease that somebody has deleted must not count from the beginning.
		lock.Fence = status.Fence
	}
	if apierrors.IsNotFound(err) {
		return lock, nil, nil
	}
	if err != nil {
		return lock, nil, t.objectProblem(fmt.Errorf("read the Lease %s: %w", name, err))
	}
	if !owned.ControlledBy(lease, t.obj.UID) {
		return lock, nil, t.objectProblem(&owned.ConflictError{Kind: "Lease", Resource: leaseResource, Namespace: lease.Namespace, Name: name})
	}
	if spec := lease.Spec; spec.LeaseTransitions != nil {
		lock.Fence = max(lock.Fence, *spec.LeaseTransitions)
	}
	if holder := lease.Spec.HolderIdentity; holder != nil {
		lock.Holder = *holder
	}
	if renewed := lease.Spec.RenewTime; renewed != nil {
		lock.RenewedAt = renewed.Time
	}
	return lock, lease, nil
}

// writeLock makes or changes the Lease that was read; nil stands for none.
func (t *task) writeLock(ctx context.Context, read *coordinationv1.Lease, change func(*coordinationv1.LeaseSpec)) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	client := t.opts.Kube.CoordinationV1().Leases(t.obj.Namespace)
	var err error
	if read == nil {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Name: workload.OperationLeaseName(t.obj), Namespace: t.obj.Namespace, Labels: workload.Labels(t.obj),
			OwnerReferences: []metav1.OwnerReference{t.owner.Reference},
		}}
		change(&lease.Spec)
		_, err = client.Create(ctx, lease, createOptions())
	} else {
		lease := read.DeepCopy()
		change(&lease.Spec)
		_, err = client.Update(ctx, lease, metav1.UpdateOptions{FieldManager: FieldManager})
	}
	t.changed = true
	if err != nil && (apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)) {
		// Somebody was faster. The next look tells who.
		return nil
	}
	if err != nil {
		return t.objectProblem(fmt.Errorf("write the Lease %s: %w", workload.OperationLeaseName(t.obj), err))
	}
	return nil
}

// takeLock takes the lock for an operation.
func (t *task) takeLock(ctx context.Context, lock machine.Lock, lease *coordinationv1.Lease, operation string) error {
	now := metav1.NewMicroTime(t.now)
	return t.writeLock(ctx, lease, func(spec *coordinationv1.LeaseSpec) {
		spec.HolderIdentity, spec.LeaseTransitions = &operation, new(lock.Fence+1)
		spec.LeaseDurationSeconds = new(int32(machine.LockTerm / time.Second))
		spec.AcquireTime, spec.RenewTime = &now, &now
	})
}

func (t *task) renewLock(ctx context.Context, lease *coordinationv1.Lease) error {
	return t.writeLock(ctx, lease, func(spec *coordinationv1.LeaseSpec) { spec.RenewTime = new(metav1.NewMicroTime(t.now)) })
}

func (t *task) releaseLock(ctx context.Context, lease *coordinationv1.Lease) error {
	return t.writeLock(ctx, lease, func(spec *coordinationv1.LeaseSpec) { spec.HolderIdentity = nil })
}

// showLock mirrors the lock in the status, where people look for it.
func (t *task) showLock(operation, holder, message string, fence int32) {
	t.obj.Status.OperationLock = &openbaov1alpha1.OperationLockStatus{
		Operation: operation, Holder: holder, Message: message, Fence: fence, AcquiredAt: t.stamp(),
	}
}

// showFree keeps the number of a lock that nobody holds.
func (t *task) showFree() {
	if status := t.obj.Status.OperationLock; status != nil {
		t.obj.Status.OperationLock = &openbaov1alpha1.OperationLockStatus{Fence: status.Fence}
	}
}
