// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// growVolumes asks for larger volumes where the spec does. The StatefulSet cannot: the
// size in its template is that of the first volumes.
func (t *task) growVolumes(ctx context.Context) error {
	want, err := resource.ParseQuantity(t.obj.Spec.Storage.Size)
	if err != nil {
		return invalidSpec(err)
	}
	for ordinal := range workload.MaxServers {
		object, ok := t.cached(claimResource, t.obj.Namespace, workload.VolumeClaimName(t.obj, ordinal))
		claim, isClaim := object.(*corev1.PersistentVolumeClaim)
		if !ok || !isClaim || claim.DeletionTimestamp != nil {
			continue
		}
		have := claim.Spec.Resources.Requests[corev1.ResourceStorage]
		if have.Cmp(want) >= 0 {
			if pending := pendingGrowth(claim); pending != "" {
				t.notes = append(t.notes, fmt.Sprintf("The volume %s is growing to %s%s", claim.Name, have.String(), pending))
			}
			continue
		}
		if refused := t.memory.refusedGrowth[claim.Name]; refused.size == want.String() {
			t.notes = append(t.notes, refused.message)
			continue
		}
		if err := t.mayWrite(); err != nil {
			return err
		}
		patch, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"uid": claim.UID},
			"spec":     map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": want.String()}}},
		})
		if err != nil {
			return err
		}
		_, err = t.opts.Kube.CoreV1().PersistentVolumeClaims(claim.Namespace).Patch(ctx, claim.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
		switch {
		case err == nil:
			klog.FromContext(ctx).Info("Asked for a larger volume", "volume", claim.Name, "size", want.String())
			t.changed = true
		case lacksRight(err):
			return t.objectProblem(err)
		case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
			// The words of the API server say why: most often, the StorageClass cannot.
			message := fmt.Sprintf("The volume %s cannot grow to %s: %v.", claim.Name, want.String(), err)
			t.notes = append(t.notes, message)
			if t.memory.refusedGrowth == nil {
				t.memory.refusedGrowth = map[string]refusal{}
			}
			t.memory.refusedGrowth[claim.Name] = refusal{want.String(), message}
		default:
			return t.objectProblem(fmt.Errorf("grow the volume %s: %w", claim.Name, err))
		}
	}
	return nil
}

// pendingGrowth says what a volume that grows waits for, empty if it has grown.
func pendingGrowth(claim *corev1.PersistentVolumeClaim) string {
	capacity, known := claim.Status.Capacity[corev1.ResourceStorage]
	if wanted := claim.Spec.Resources.Requests[corev1.ResourceStorage]; !known || capacity.Cmp(wanted) >= 0 {
		return ""
	}
	for _, condition := range claim.Status.Conditions {
		if condition.Type == corev1.PersistentVolumeClaimFileSystemResizePending && condition.Status == corev1.ConditionTrue {
			return "; its file system grows when the server is started again (spec.maintenance.restartAt)."
		}
	}
	return "."
}

// divertTraffic takes servers of another cluster out of the Services for clients, while one
// of the recorded cluster leads: where all are of another one, a snapshot was restored, or
// the record is wrong.
func (t *task) divertTraffic(ctx context.Context) error {
	if t.leader() == nil || t.obj.Status.ClusterID == "" {
		return nil
	}
	for _, s := range t.servers {
		if s.node == nil || t.ofThisCluster(s) || s.pod.DeletionTimestamp != nil || s.pod.Labels[workload.LabelTraffic] == workload.TrafficNone {
			continue
		}
		err := t.withdraw(ctx, s.pod)
		if errors.Is(err, errMayNotWrite) {
			return err
		}
		if err != nil {
			t.notes = append(t.notes, fmt.Sprintf("The server %s is of another cluster, and it was not possible to take it out of the Services for clients: %v.", s.pod.Name, err))
			continue
		}
		klog.FromContext(ctx).Info("A server of another cluster gets no traffic", "server", s.pod.Name)
	}
	return nil
}

// withdraw takes a pod out of the Services for clients.
func (t *task) withdraw(ctx context.Context, pod *corev1.Pod) error {
	if pod.Labels[workload.LabelTraffic] == workload.TrafficNone {
		return nil
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID, "labels": map[string]any{workload.LabelTraffic: workload.TrafficNone}},
	})
	if err != nil {
		return err
	}
	_, err = t.opts.Kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
