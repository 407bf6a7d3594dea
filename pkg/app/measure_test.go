// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/metrics"
)

func TestMeasure(t *testing.T) {
	object := func(name string) *openbaov1alpha1.OpenBaoCluster {
		return &openbaov1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	}
	now := time.Unix(1_800_000_000, 0)
	proved := func(role string, age time.Duration, digest string) openbaov1alpha1.IdentityStatus {
		return openbaov1alpha1.IdentityStatus{
			Role: role, Identity: "operator", State: openbaov1alpha1.Proved, ProvedAt: &metav1.Time{Time: now.Add(-age)}, Digest: digest,
		}
	}
	own, beside := object("own"), object("beside")
	own.Status.Authorization = &openbaov1alpha1.AuthorizationStatus{
		Digest:      "d",
		SigningKeys: []openbaov1alpha1.SigningKeyStatus{{ID: "a"}, {ID: "b"}},
		Plan:        []openbaov1alpha1.PlannedChange{{Kind: "role"}, {Kind: "policy"}, {Kind: "role"}},
		Identities: []openbaov1alpha1.IdentityStatus{
			proved("r", 2*time.Hour, "d"),
			// The status is as old as the last sync, and the clock goes on.
			proved("old", 2*time.Hour+time.Second, "d"),
			proved("of another contract", 0, "before"),
			{Role: "of an earlier version", Identity: "operator", State: openbaov1alpha1.Proved},
			{Role: "s", Identity: "backup", State: openbaov1alpha1.ProofMismatch},
			{Role: "t", Identity: "restore", State: openbaov1alpha1.NotProved},
		},
	}
	beside.Annotations = map[string]string{openbaov1alpha1.AnnotationRecord: `{"signingKeys":[{"id":"a"}]}`}
	got := measure([]any{own, beside, object("none"), "no object"}, now, time.Hour)
	want := []metrics.Authorization{
		{
			Namespace: "ns", Name: "own", Drift: map[string]int{"role": 2, "policy": 1}, SigningKeys: 2,
			Identities: []metrics.Identity{
				{Identity: "operator", Role: "r", Proved: true}, {Identity: "operator", Role: "old"},
				{Identity: "operator", Role: "of another contract"}, {Identity: "operator", Role: "of an earlier version"}, {Identity: "backup", Role: "s"}, {Identity: "restore", Role: "t"},
			},
		},
		{Namespace: "ns", Name: "beside", Drift: map[string]int{}, SigningKeys: 1},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
