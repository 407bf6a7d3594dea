// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// TestMinimalIsWhatIsUsed compares the standing identities of profile Minimal with what a
// server's audit device says that they do: no rule is missing, and none is left over.
func TestMinimalIsWhatIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	w.create(w.cluster("prod", one, audited, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization = &openbaov1alpha1.AuthorizationSpec{Profile: openbaov1alpha1.ProfileMinimal}
	}))
	w.ready("prod")
	// What differs is written.
	w.patch("prod", `{"spec":{"configuration":{"raft":{"autopilot":{"maxTrailingLogs":2000}}}}}`)
	want := map[string][]string{
		"openbao-operator": {
			"auth/token/revoke-self", "sys/capabilities-self", "sys/storage/raft/autopilot/configuration",
		},
		"bailiwick-membership": {
			"auth/token/revoke-self", "sys/capabilities-self", "sys/storage/raft/autopilot/state", "sys/storage/raft/configuration",
		},
	}
	w.eventually("the identities to have done all that they do", func() error {
		used := map[string]map[string]bool{}
		writes := 0
		for _, e := range w.audit("prod-0") {
			for _, policy := range e.Auth.Policies {
				if want[policy] == nil || e.Error != "" || e.Request.Path == "auth/jwt-operator/login" {
					continue
				}
				if used[policy] == nil {
					used[policy] = map[string]bool{}
				}
				used[policy][e.Request.Path] = true
				if e.Request.Path == "sys/storage/raft/autopilot/configuration" && e.Request.Operation == "update" {
					writes++
				}
			}
		}
		for policy, paths := range want {
			if got := slices.Sorted(maps.Keys(used[policy])); !slices.Equal(got, paths) {
				return fmt.Errorf("%s has used %q, and may use %q", policy, got, paths)
			}
		}
		if writes == 0 {
			return errMessage("the autopilot was not written")
		}
		return nil
	})
}
