// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

func TestParseJobAccount(t *testing.T) {
	c := &openbaov1alpha1.OpenBaoCluster{}
	c.Name = "prod"
	for _, tc := range []struct {
		name     string
		cluster  string
		identity authz.Identity
	}{
		{authz.BackupAccount(c), "prod", authz.Backup},
		{authz.RestoreAccount(c), "prod", authz.Restore},
		{authz.UpgradeAccount(c), "prod", authz.Upgrade},
		{"prod-serviceaccount", "", ""},
		{"-backup-serviceaccount", "", ""},
		{"prod-backup-serviceaccount-2", "", ""},
		{"a-backup-restore-serviceaccount", "a-backup", authz.Restore},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cluster, identity, ok := authz.ParseJobAccount(tc.name)
			if cluster != tc.cluster || identity != tc.identity || ok != (tc.identity != "") {
				t.Errorf("got %q, %q, %t, want %q, %q", cluster, identity, ok, tc.cluster, tc.identity)
			}
		})
	}
}
