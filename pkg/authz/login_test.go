// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

func TestCompareLogin(t *testing.T) {
	grant := authz.Grant{Role: authz.Role{Policies: []string{"p"}, TTL: time.Hour}}
	bare := grant
	bare.Role.NoDefaultPolicy = true
	for name, tc := range map[string]struct {
		grant  authz.Grant
		change func(*authz.Login)
		// says is nothing where the login is as it should be.
		says string
	}{
		"exact": {grant, func(*authz.Login) {}, ""},
		"order and repetitions": {grant, func(l *authz.Login) {
			l.Policies, l.TokenPolicies = []string{"p", "default", "p"}, []string{"p", "default"}
		}, ""},
		"without default":                {bare, func(l *authz.Login) { l.Policies, l.TokenPolicies = []string{"p"}, []string{"p"} }, ""},
		"default where it should not be": {bare, func(*authz.Login) {}, "the policies default, p, and the contract says p"},
		"no default":                     {grant, func(l *authz.Login) { l.Policies, l.TokenPolicies = []string{"p"}, []string{"p"} }, "the policies p, and the contract says default, p"},
		"another policy of the role": {grant, func(l *authz.Login) {
			l.Policies, l.TokenPolicies = append(l.Policies, "kv-admin"), append(l.TokenPolicies, "kv-admin")
		}, "The role gives its tokens the policies default, kv-admin, p"},
		"a policy of the entity": {grant, func(l *authz.Login) {
			l.Policies, l.IdentityPolicies = append(l.Policies, "kv-admin"), []string{"kv-admin"}
		}, "adds the policies kv-admin"},
		// It adds nothing today, and the next version of the policy may.
		"the same policy by the entity": {grant, func(l *authz.Login) { l.IdentityPolicies = []string{"p"} }, "adds the policies p"},
		"only in the whole list":        {grant, func(l *authz.Login) { l.Policies = append(l.Policies, "kv-admin") }, "The token has the policies default, kv-admin, p"},
		"no policies at all":            {grant, func(l *authz.Login) { l.Policies, l.TokenPolicies = nil, nil }, "the policies none"},
		"batch":                         {grant, func(l *authz.Login) { l.Type, l.Renewable = "batch", false }, `of the type "batch"`},
		"no type":                       {grant, func(l *authz.Login) { l.Type = "" }, `of the type ""`},
		"one second":                    {grant, func(l *authz.Login) { l.TTL = time.Second }, "lease of the token is 1s, which is too short"},
		"shorter, and long enough":      {grant, func(l *authz.Login) { l.TTL = 10 * time.Minute }, ""},
		"longer":                        {grant, func(l *authz.Login) { l.TTL = 2 * time.Hour }, "lease of the token is 2h0m0s"},
		"for ever":                      {grant, func(l *authz.Login) { l.TTL = 0 }, "never expires"},
		"not renewable":                 {grant, func(l *authz.Login) { l.Renewable = false }, "cannot be renewed"},
		"with a parent":                 {grant, func(l *authz.Login) { l.Orphan = false }, "has a parent"},
		"once":                          {grant, func(l *authz.Login) { l.NumUses = 1 }, "good for 1 requests"},
	} {
		t.Run(name, func(t *testing.T) {
			login := authz.Login{
				Policies: []string{"default", "p"}, TokenPolicies: []string{"default", "p"},
				Type: "service", TTL: time.Hour, Renewable: true, Orphan: true,
			}
			tc.change(&login)
			got := authz.CompareLogin(tc.grant, login)
			if tc.says == "" && len(got) > 0 || tc.says != "" && (len(got) != 1 || !strings.Contains(got[0], tc.says)) {
				t.Errorf("got %q, want %q", got, tc.says)
			}
		})
	}
}

func TestStaleProof(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	at := func(age time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(-age)} }
	for name, tc := range map[string]struct {
		provedAt       *metav1.Time
		digest, wanted string
		says           string
	}{
		"now":                     {at(0), "d", "d", ""},
		"within twice":            {at(2 * time.Hour), "d", "d", ""},
		"older":                   {at(2*time.Hour + time.Second), "d", "d", "longer ago than twice the interval"},
		"of another contract":     {at(0), "old", "d", "another contract"},
		"the contract is unknown": {at(0), "old", "", ""},
		"of an earlier version":   {nil, "", "d", "checked less"},
		"without a digest":        {at(0), "", "d", "checked less"},
		"a clock that is behind":  {at(-30 * time.Second), "d", "d", ""},
		"in the future":           {at(-time.Hour), "d", "d", "in the future"},
	} {
		t.Run(name, func(t *testing.T) {
			got := authz.StaleProof(openbaov1alpha1.IdentityStatus{ProvedAt: tc.provedAt, Digest: tc.digest}, tc.wanted, now, time.Hour)
			if (got == "") != (tc.says == "") || !strings.Contains(got, tc.says) {
				t.Errorf("got %q, want %q", got, tc.says)
			}
		})
	}
}
