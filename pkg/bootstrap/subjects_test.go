// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"slices"
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// TestSubjectThatLeaves checks that a role goes with its subject, and that the rest,
// which the standing identity may not write, is said for what it is: the token that
// wrote everything before is used up, and no mistake.
func TestSubjectThatLeaves(t *testing.T) {
	f := enforced(t, withBackup, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.AdditionalSubjects = []openbaov1alpha1.AdditionalSubject{{
			Role: "nightly", Identity: "backup", ServiceAccount: openbaov1alpha1.ServiceAccountReference{Name: "nightly"},
		}}
	})
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.AdditionalSubjects = nil })
	for range 3 {
		f.sync("prod")
		if c := f.expect("prod", ReasonAdminTokenRequired); !strings.Contains(c.Message, "policy "+bootstrapperRole+" differs") {
			t.Errorf("the message is %s", c.Message)
		}
		if got := planOf(f.record("prod")); !slices.Equal(got, []string{"Differs policy " + bootstrapperRole}) {
			t.Errorf("the plan is %q", got)
		}
	}
	if f.server().roles["nightly"] != nil {
		t.Error("the role is still there")
	}
	f.admin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
}
