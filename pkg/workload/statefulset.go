// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"errors"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// revisionHistoryLimit is how many old templates are kept: enough to see what an update
// has changed.
const revisionHistoryLimit = 3

// statefulSetOf returns the StatefulSet of the servers, and what had to be kept of the
// stored one.
func statefulSetOf(c *openbaov1alpha1.OpenBaoCluster, f Facts) (*appsv1.StatefulSet, []Kept, error) {
	template, err := podTemplate(c, f)
	if err != nil {
		return nil, nil, err
	}
	claim, err := dataClaim(c)
	if err != nil {
		return nil, nil, err
	}
	s := &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "StatefulSet"},
		ObjectMeta: metav1.ObjectMeta{Name: c.Name},
		Spec: appsv1.StatefulSetSpec{
			Replicas:    new(f.Replicas),
			ServiceName: c.Name,
			Selector:    &metav1.LabelSelector{MatchLabels: ServerSelector(c)},
			Template:    template,
			// A server that waits for others to become ready must not keep them from
			// being started: after a full stop none is ready before a majority runs.
			PodManagementPolicy: appsv1.ParallelPodManagement,
			// Bailiwick deletes the pods of an old template itself, one after the other
			// and the leader last. The StatefulSet controller knows neither leaders nor
			// who has caught up.
			UpdateStrategy:       appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType},
			RevisionHistoryLimit: new(int32(revisionHistoryLimit)),
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{claim},
			// Volumes hold the data. Only spec.deletionPolicy and the removal of a peer
			// decide about them.
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
				WhenScaled:  appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
			},
		},
	}
	if f.First != 0 {
		s.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: f.First}
	}
	if f.Stored == nil {
		return s, nil, nil
	}
	kept, err := keepImmutable(s, f.Stored)
	return s, kept, err
}

// dataClaim returns the volumeClaimTemplate. It has no owner, so that the volumes outlive
// the cluster object.
func dataClaim(c *openbaov1alpha1.OpenBaoCluster) (corev1.PersistentVolumeClaim, error) {
	size, err := resource.ParseQuantity(c.Spec.Storage.Size)
	if err != nil {
		return corev1.PersistentVolumeClaim{}, fmt.Errorf("parse spec.storage.size: %w", err)
	}
	claim := corev1.PersistentVolumeClaim{
		// The API server sets these in the template of a StatefulSet, too.
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{Name: volumeData, Labels: Labels(c)},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
		},
	}
	if class := c.Spec.Storage.StorageClassName; class != nil {
		claim.Spec.StorageClassName = new(*class)
	}
	return claim, nil
}

// keepImmutable gives fields of the desired StatefulSet that the API server does not let
// change the values of the stored one, and reports where they differ.
func keepImmutable(desired, stored *appsv1.StatefulSet) ([]Kept, error) {
	var kept []Kept
	keep := func(field, wanted, have string) { kept = append(kept, Kept{Field: field, Wanted: wanted, Kept: have}) }

	if desired.Spec.ServiceName != stored.Spec.ServiceName {
		keep("serviceName", desired.Spec.ServiceName, stored.Spec.ServiceName)
		desired.Spec.ServiceName = stored.Spec.ServiceName
	}
	if desired.Spec.PodManagementPolicy != stored.Spec.PodManagementPolicy {
		keep("podManagementPolicy", string(desired.Spec.PodManagementPolicy), string(stored.Spec.PodManagementPolicy))
		desired.Spec.PodManagementPolicy = stored.Spec.PodManagementPolicy
	}
	if !equality.Semantic.DeepEqual(desired.Spec.Selector, stored.Spec.Selector) {
		keep("selector", metav1.FormatLabelSelector(desired.Spec.Selector), metav1.FormatLabelSelector(stored.Spec.Selector))
		if err := keepSelector(desired, stored.Spec.Selector); err != nil {
			return nil, err
		}
	}
	claims, grows, err := keptClaims(desired.Spec.VolumeClaimTemplates[0], stored.Spec.VolumeClaimTemplates)
	if err != nil {
		return nil, err
	}
	if len(claims) > 0 || grows {
		kept = append(kept, claims...)
		desired.Spec.VolumeClaimTemplates = stored.DeepCopy().Spec.VolumeClaimTemplates
	}
	return kept, nil
}

// keepSelector keeps the selector of the stored StatefulSet, which must select the pods
// of the desired template.
func keepSelector(desired *appsv1.StatefulSet, selector *metav1.LabelSelector) error {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return fmt.Errorf("read the selector of the stored StatefulSet: %w", err)
	}
	podLabels := desired.Spec.Template.Labels
	if selector != nil {
		podLabels = maps.Clone(selector.MatchLabels)
		if podLabels == nil {
			podLabels = map[string]string{}
		}
		maps.Copy(podLabels, desired.Spec.Template.Labels)
	}
	if !parsed.Matches(labels.Set(podLabels)) {
		return fmt.Errorf("the StatefulSet %s selects pods by %q, which the pods of servers do not have, and its selector cannot be changed: "+
			"rename or delete the StatefulSet", desired.Name, metav1.FormatLabelSelector(selector))
	}
	desired.Spec.Selector = selector.DeepCopy()
	desired.Spec.Template.Labels = podLabels
	return nil
}

// keptClaims reports where the stored volumeClaimTemplates differ from the desired one, and
// whether the volumes are to become larger, which the volumes themselves can.
func keptClaims(desired corev1.PersistentVolumeClaim, stored []corev1.PersistentVolumeClaim) (kept []Kept, grows bool, err error) {
	found := false
	for _, claim := range stored {
		if claim.Name != desired.Name {
			kept = append(kept, Kept{"volumeClaimTemplates[" + claim.Name + "]", "none", "a volume"})
			continue
		}
		found = true
		wantSize, haveSize := desired.Spec.Resources.Requests[corev1.ResourceStorage], claim.Spec.Resources.Requests[corev1.ResourceStorage]
		grows = wantSize.Cmp(haveSize) > 0
		if wantSize.Cmp(haveSize) < 0 {
			kept = append(kept, Kept{"spec.storage.size", wantSize.String(), haveSize.String()})
		}
		if !equality.Semantic.DeepEqual(desired.Spec.StorageClassName, claim.Spec.StorageClassName) {
			kept = append(kept, Kept{"spec.storage.storageClassName", storageClass(desired), storageClass(claim)})
		}
		if !equality.Semantic.DeepEqual(desired.Spec.AccessModes, claim.Spec.AccessModes) {
			kept = append(kept, Kept{"volumeClaimTemplates[data].accessModes", fmt.Sprint(desired.Spec.AccessModes), fmt.Sprint(claim.Spec.AccessModes)})
		}
		if !maps.Equal(desired.Labels, claim.Labels) {
			kept = append(kept, Kept{"volumeClaimTemplates[data].labels", labels.FormatLabels(desired.Labels), labels.FormatLabels(claim.Labels)})
		}
	}
	if !found {
		return nil, false, errors.New("the stored StatefulSet has no volumeClaimTemplate \"data\", and none can be added: rename or delete the StatefulSet")
	}
	return kept, grows, nil
}

func storageClass(claim corev1.PersistentVolumeClaim) string {
	if claim.Spec.StorageClassName == nil {
		return "the default"
	}
	return fmt.Sprintf("%q", *claim.Spec.StorageClassName)
}
