// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
)

// A token with the policy of the guide writes the whole contract, and removes it.
func TestGuideAdminPolicy(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.write("sys/policies/acl/bailiwick-admin", map[string]any{"policy": codeOf(t, openBaoGuide, "admin.hcl")})
	before := b.holds()
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("bailiwick-admin")})
	b.restoreAccount("bao")
	b.start()
	b.cluster("bao", func(s *v1alpha1.OpenBaoClusterSpec) {
		whole(s)
		s.Authorization.Mode = v1alpha1.AuthorizationEnforce
	})
	b.applied("bao")
	if len(added(t, before, b.holds())) == 0 {
		t.Error("Nothing was written")
	}
	if token := b.tokens[0]; b.accepted(token) {
		t.Error("The admin token still lives")
	}

	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("bailiwick-admin")})
	b.patchCluster("bao", `{"metadata":{"annotations":{"bailiwick.dev/authorization-admin-token-secret":"bao-admin"}},`+
		`"spec":{"authorization":null,"selfInit":{"enabled":false}}}`)
	message := b.wantCondition(v1alpha1.ConditionAuthorizationReady, metav1.ConditionFalse, bootstrap.ReasonNotRequested, b.clusterConditions("bao")).Message
	b.eventually("what was written to be gone", func() error { return same(before, b.holds()) })
	if token := b.tokens[1]; b.accepted(token) {
		t.Errorf("The admin token still lives: %s", message)
	}
}

// same returns what differs.
func same(want, got map[string]string) error {
	for name := range want {
		if got[name] != want[name] {
			return fmt.Errorf("%s was %q and is %q", name, want[name], got[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			return fmt.Errorf("%s is still there", name)
		}
	}
	return nil
}
