// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// TestKept changes the stored StatefulSet where the API server lets nothing be changed.
func TestKept(t *testing.T) {
	for _, tc := range []struct {
		name    string
		cluster func(*openbaov1alpha1.OpenBaoCluster)
		stored  func(*appsv1.StatefulSet)
		want    []workload.Kept
		// kept means that the template of the volumes stays as it is stored.
		kept bool
	}{
		{name: "the same"},
		{
			name: "defaults of the API server",
			stored: func(s *appsv1.StatefulSet) {
				claim := &s.Spec.VolumeClaimTemplates[0]
				claim.Spec.VolumeMode = new(corev1.PersistentVolumeFilesystem)
				claim.Status.Phase = corev1.ClaimPending
				claim.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse("1024Mi")
			},
		},
		{
			// The volumes themselves grow.
			name:    "larger volumes",
			cluster: func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Storage.Size = "5Gi" },
			kept:    true,
		},
		{
			name:    "smaller volumes",
			cluster: func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Storage.Size = "512Mi" },
			want:    []workload.Kept{{Field: "spec.storage.size", Wanted: "512Mi", Kept: "1Gi"}},
		},
		{
			name:    "another class",
			cluster: func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Storage.StorageClassName = new("fast") },
			want:    []workload.Kept{{Field: "spec.storage.storageClassName", Wanted: `"fast"`, Kept: "the default"}},
		},
		{
			name: "older labels",
			stored: func(s *appsv1.StatefulSet) {
				s.Spec.VolumeClaimTemplates[0].Labels = map[string]string{"app": "bao"}
			},
			want: []workload.Kept{{
				Field:  "volumeClaimTemplates[data].labels",
				Wanted: "app.kubernetes.io/instance=dev,app.kubernetes.io/managed-by=bailiwick,app.kubernetes.io/name=openbao,openbao.org/cluster=dev",
				Kept:   "app=bao",
			}},
		},
		{
			name: "everything else",
			stored: func(s *appsv1.StatefulSet) {
				s.Spec.ServiceName, s.Spec.PodManagementPolicy = "old", appsv1.OrderedReadyPodManagement
				s.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "bao"}}
				s.Spec.VolumeClaimTemplates[0].Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}
				audit := *s.Spec.VolumeClaimTemplates[0].DeepCopy()
				audit.Name = "audit"
				s.Spec.VolumeClaimTemplates = append(s.Spec.VolumeClaimTemplates, audit)
			},
			want: []workload.Kept{
				{Field: "serviceName", Wanted: "dev", Kept: "old"},
				{Field: "podManagementPolicy", Wanted: "Parallel", Kept: "OrderedReady"},
				{
					Field:  "selector",
					Wanted: "app.kubernetes.io/instance=dev,app.kubernetes.io/name=openbao,openbao.org/cluster=dev,openbao.org/component=server",
					Kept:   "app=bao",
				},
				{Field: "volumeClaimTemplates[data].accessModes", Wanted: "[ReadWriteOnce]", Kept: "[ReadWriteOncePod]"},
				{Field: "volumeClaimTemplates[audit]", Wanted: "none", Kept: "a volume"},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, f := development(), facts()
			f.Stored = stored(t, development())
			if tc.stored != nil {
				tc.stored(f.Stored)
			}
			original := f.Stored.DeepCopy()
			if tc.cluster != nil {
				tc.cluster(c)
			}
			o := desired(t, c, f)
			if !slices.Equal(o.Kept, tc.want) {
				t.Errorf("got  %v\nwant %v", o.Kept, tc.want)
			}
			got, have := o.StatefulSet.Spec, f.Stored.Spec
			if got.ServiceName != have.ServiceName || got.PodManagementPolicy != have.PodManagementPolicy || !reflect.DeepEqual(got.Selector, have.Selector) {
				t.Errorf("a field that cannot be changed would change: got %s, %s, %v", got.ServiceName, got.PodManagementPolicy, got.Selector)
			}
			aboutClaims := func(k workload.Kept) bool {
				return strings.HasPrefix(k.Field, "spec.storage.") || strings.HasPrefix(k.Field, "volumeClaimTemplates")
			}
			if (tc.kept || slices.ContainsFunc(tc.want, aboutClaims)) && !reflect.DeepEqual(got.VolumeClaimTemplates, have.VolumeClaimTemplates) {
				t.Errorf("got %v, want the stored %v", got.VolumeClaimTemplates, have.VolumeClaimTemplates)
			}
			selector, err := metav1.LabelSelectorAsSelector(got.Selector)
			if err != nil || !selector.Matches(labels.Set(got.Template.Labels)) {
				t.Errorf("the selector %v does not select the labels %v (error %v)", got.Selector, got.Template.Labels, err)
			}
			for key, value := range workload.ServerSelector(c) {
				if got.Template.Labels[key] != value {
					t.Errorf("the pods lack %s=%s, by which Services select them", key, value)
				}
			}
			if !reflect.DeepEqual(f.Stored, original) {
				t.Error("the stored StatefulSet was changed")
			}
		})
	}
}

func TestCannotKeep(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*appsv1.StatefulSet)
		want   string
	}{
		"contradicting selector": {
			func(s *appsv1.StatefulSet) { s.Spec.Selector.MatchLabels[workload.LabelComponent] = "vault" },
			"which the pods of servers do not have",
		},
		"no data": {
			func(s *appsv1.StatefulSet) { s.Spec.VolumeClaimTemplates[0].Name = "storage" },
			`has no volumeClaimTemplate "data"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			f.Stored = stored(t, development())
			tc.change(f.Stored)
			if _, err := workload.Desired(development(), f); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}
