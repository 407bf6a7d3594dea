// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

func TestDerivedAudience(t *testing.T) {
	seen := map[string]string{}
	for _, of := range [][2]string{{"uid-1", "prod"}, {"uid-1", "staging"}, {"uid-2", "prod"}} {
		got, err := authz.DerivedAudience(types.UID(of[0]), of[1])
		if err != nil || !authz.IsDerivedAudience(got) {
			t.Errorf("%v: %q, %v", of, got, err)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%v and %s share %q", of, other, got)
		}
		seen[got] = of[0] + of[1]
	}
	for _, of := range [][2]string{{"", "prod"}, {"uid", ""}, {"a/b", "c"}} {
		if got, err := authz.DerivedAudience(types.UID(of[0]), of[1]); err == nil {
			t.Errorf("%v: %q", of, got)
		}
	}
}

// TestAudiencesOfRoles checks which roles accept an audience that the author of the
// object has chosen.
func TestAudiencesOfRoles(t *testing.T) {
	oidc := func(named string, enabled bool) func(*openbaov1alpha1.OpenBaoClusterSpec) {
		return func(s *openbaov1alpha1.OpenBaoClusterSpec) {
			s.SelfInit = &openbaov1alpha1.SelfInitSpec{OIDC: &openbaov1alpha1.SelfInitOIDC{Enabled: enabled, Audience: named}}
		}
	}
	own := func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization.Audience = "own" }
	peer := func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.Authorization.OperatorServiceAccount = &openbaov1alpha1.ServiceAccountReference{Namespace: "peer", Name: "operator"}
	}
	ours := func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.Authorization.OperatorServiceAccount = &openbaov1alpha1.ServiceAccountReference{Namespace: "bailiwick-system", Name: "bailiwick-bootstrapper"}
	}
	subjects := func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.Authorization.AdditionalSubjects = []openbaov1alpha1.AdditionalSubject{
			{Role: "here", Identity: "backup", ServiceAccount: openbaov1alpha1.ServiceAccountReference{Name: "nightly"}},
			{Role: "elsewhere", Identity: "backup", ServiceAccount: openbaov1alpha1.ServiceAccountReference{Namespace: "jobs", Name: "nightly"}},
		}
	}
	type mutations = []func(*openbaov1alpha1.OpenBaoClusterSpec)
	for name, tc := range map[string]struct {
		mutate mutations
		author string
		// accept are the roles that accept it.
		accept []string
	}{
		"none":                        {mutations{all, subjects}, "", nil},
		"oidc that is disabled":       {mutations{all, oidc("", false)}, "openbao-internal", nil},
		"oidc by default":             {mutations{all, oidc("", true)}, "openbao-internal", []string{"openbao-operator-backup", "openbao-operator-restore", "openbao-operator-upgrade"}},
		"oidc by name":                {mutations{all, oidc("named", false)}, "named", []string{"openbao-operator-backup", "openbao-operator-restore", "openbao-operator-upgrade"}},
		"the object's":                {mutations{all, oidc("named", true), own}, "own", []string{"openbao-operator-backup", "openbao-operator-restore", "openbao-operator-upgrade"}},
		"additional subjects":         {mutations{subjects, own, func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Backup = &openbaov1alpha1.BackupSpec{} }}, "own", []string{"openbao-operator-backup", "here"}},
		"another controller":          {mutations{own, peer}, "own", []string{"openbao-operator"}},
		"one of ours as the operator": {mutations{own, ours}, "own", nil},
	} {
		t.Run(name, func(t *testing.T) {
			contract := mustDesire(t, cluster(append(tc.mutate, mode(openbaov1alpha1.AuthorizationEnforce))...), inputs())
			var accept []string
			for _, g := range contract.Grants {
				if g.Role.Audiences[0] != audience {
					t.Errorf("role %s accepts %v", g.Role.Name, g.Role.Audiences)
				}
				switch rest := g.Role.Audiences[1:]; {
				case len(rest) == 0:
				case slices.Equal(rest, []string{tc.author}):
					accept = append(accept, g.Role.Name)
				default:
					t.Errorf("role %s accepts %v", g.Role.Name, g.Role.Audiences)
				}
			}
			if !slices.Equal(accept, tc.accept) {
				t.Errorf("%q is accepted by %v, want %v", tc.author, accept, tc.accept)
			}
		})
	}
}

// TestAudienceOfItsOwnNamespace checks that Bailiwick's accounts get no audience of
// an author's either where the object is in their namespace.
func TestAudienceOfItsOwnNamespace(t *testing.T) {
	c := cluster(func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization.Audience = "own" }, mode(openbaov1alpha1.AuthorizationEnforce))
	c.Namespace = "bailiwick-system"
	for _, g := range mustDesire(t, c, inputs()).Grants {
		if !slices.Equal(g.Role.Audiences, []string{audience}) {
			t.Errorf("role %s accepts %v", g.Role.Name, g.Role.Audiences)
		}
	}
}

func TestDesiredNeedsTheAudience(t *testing.T) {
	for _, wrong := range []string{"", "openbao-internal", "bailiwick.dev/decoy"} {
		in := inputs()
		in.Audience = wrong
		if _, err := authz.Desired(cluster(), in); err == nil {
			t.Errorf("a contract for the audience %q", wrong)
		}
	}
}

func TestCanonicalNamespace(t *testing.T) {
	for spelled, want := range map[string]string{
		"": "", "/": "", "//": "", "root": "", "/root/": "", "team": "team", "/team": "team", "team/": "team", "/team/": "team", "team/sub/": "team/sub",
	} {
		if got, err := authz.CanonicalNamespace(spelled); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", spelled, got, err, want)
		}
	}
	for _, wrong := range []string{"team//sub", "te am", "team/../other", "a*", "team/root", "root/team", "a\nb", "a?b"} {
		if got, err := authz.CanonicalNamespace(wrong); err == nil {
			t.Errorf("%q: %q", wrong, got)
		}
	}
}

// TestServerThatReadsTheKeys checks that neither the config nor the rights of the
// bootstrapper have any signing key where the server reads them by itself.
func TestServerThatReadsTheKeys(t *testing.T) {
	contract := mustDesire(t, cluster(all, mode(openbaov1alpha1.AuthorizationEnforce), func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.Authorization.SigningKeySource = openbaov1alpha1.SigningKeysProvider
	}), inputs())
	var config map[string]any
	for _, r := range authz.Requests(contract) {
		if r.Kind == authz.KindConfig {
			config = r.Data
		}
	}
	if provider, _ := config["provider_config"].(map[string]any); provider["provider"] != "kubernetes" || config["jwt_validation_pubkeys"] != nil {
		t.Errorf("the config is %v", config)
	}
	grant, _ := contract.Bootstrapper()
	if strings.Contains(grant.Policy.Text, "jwt_validation_pubkeys") || !strings.Contains(grant.Policy.Text, `"provider_config" = []`) {
		t.Errorf("the policy is %s", grant.Policy.Text)
	}
	if got := authz.RootEquivalent(contract); len(got) > 0 {
		t.Errorf("root-equivalent is %q", got)
	}
	rotated := inputs()
	rotated.Keys = []authz.Key{{ID: "b", Algorithm: "ES256", PEM: "x"}}
	if other := mustDesire(t, cluster(all, mode(openbaov1alpha1.AuthorizationEnforce), func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.Authorization.SigningKeySource = openbaov1alpha1.SigningKeysProvider
	}), rotated); authz.Digest(other) != authz.Digest(contract) {
		t.Error("a rotation changes the contract")
	}
	observed := authz.Observed{
		Mount:  &authz.Mount{Path: authz.MountPath, Type: authz.MountType},
		Config: map[string]any{"bound_issuer": issuer, "jwt_validation_pubkeys": []any{}, "provider_config": map[string]any{"provider": "kubernetes"}, "jwt_supported_algs": []any{"RS256", "ES256", "ES384", "ES512"}},
	}
	for _, c := range authz.Diff(contract, observed, authz.Recorded{}) {
		if c.Kind == authz.KindConfig {
			t.Errorf("the config differs in %v", c.Fields)
		}
	}
}
