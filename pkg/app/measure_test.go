// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/metrics"
)

func TestMeasure(t *testing.T) {
	object := func(name string) *openbaov1alpha1.OpenBaoCluster {
		return &openbaov1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	}
	own, beside := object("own"), object("beside")
	own.Status.Authorization = &openbaov1alpha1.AuthorizationStatus{
		SigningKeys: []openbaov1alpha1.SigningKeyStatus{{ID: "a"}, {ID: "b"}},
		Plan:        []openbaov1alpha1.PlannedChange{{Kind: "role"}, {Kind: "policy"}, {Kind: "role"}},
		Identities: []openbaov1alpha1.IdentityStatus{
			{Role: "r", Identity: "operator", State: openbaov1alpha1.Proved},
			{Role: "s", Identity: "backup", State: openbaov1alpha1.ProofMismatch},
			{Role: "t", Identity: "restore", State: openbaov1alpha1.NotProved},
		},
	}
	beside.Annotations = map[string]string{openbaov1alpha1.AnnotationRecord: `{"signingKeys":[{"id":"a"}]}`}
	got := measure([]any{own, beside, object("none"), "no object"})
	want := []metrics.Authorization{
		{
			Namespace: "ns", Name: "own", Drift: map[string]int{"role": 2, "policy": 1}, SigningKeys: 2,
			Identities: []metrics.Identity{
				{Identity: "operator", Role: "r", Proved: true}, {Identity: "backup", Role: "s"}, {Identity: "restore", Role: "t"},
			},
		},
		{Namespace: "ns", Name: "beside", Drift: map[string]int{}, SigningKeys: 1},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
