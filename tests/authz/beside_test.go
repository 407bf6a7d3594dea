// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"slices"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// TestWhatTheirSelfInitLacks compares the contract with what a server holds that
// the openbao-operator had set up by self-init: the guide says that these are the
// only differences, once the operator identity is that operator's account.
func TestWhatTheirSelfInitLacks(t *testing.T) {
	const account = "openbao-operator-system/openbao-operator-controller"
	root := rootClient(t, fresh(t))
	signer := newSigner(t, "a")
	obj := cluster(func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization = nil })
	obj.Annotations = map[string]string{openbaov1alpha1.AnnotationMode: "Once", openbaov1alpha1.AnnotationOperatorServiceAccount: account}
	contract := desired(t, obj, signer.key)

	write(t, root, authz.MountAPIPath(authz.MountPath), map[string]any{"type": "jwt", "description": "Auth method for OpenBao Operator"})
	write(t, root, authz.ConfigPath(authz.MountPath), map[string]any{"bound_issuer": issuer, "jwt_validation_pubkeys": []string{signer.key.PEM}})
	for _, g := range contract.Grants {
		write(t, root, authz.PolicyPath(g.Policy.Name), map[string]any{"policy": g.Policy.Text})
		write(t, root, authz.RolePath(authz.MountPath, g.Role.Name), map[string]any{
			"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{"openbao-internal"},
			"bound_subject":  map[bool]string{true: "system:serviceaccount:openbao-operator-system:openbao-operator-controller", false: g.Role.Subject}[g.Identity == authz.Operator],
			"token_policies": []string{g.Policy.Name}, "policies": []string{g.Policy.Name}, "ttl": "1h",
		})
	}
	var got []string
	for _, c := range authz.Diff(contract, observed(t, root), authz.Recorded{}) {
		got = append(got, fmt.Sprintf("%s %s %v", c.Kind, c.Name, c.Fields))
	}
	want := []string{"config jwt-operator [jwt_supported_algs]"}
	for _, g := range contract.Grants {
		want = append(want, fmt.Sprintf("role %s [bound_audiences token_max_ttl]", g.Role.Name))
		if g.Identity == authz.Restore {
			want = append(want, fmt.Sprintf("role %s [bound_claims]", g.Role.Name))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("differs in\n%q, want\n%q", got, want)
	}
}
