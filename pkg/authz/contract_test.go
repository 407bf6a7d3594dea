// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

const (
	issuer  = "https://kubernetes.default.svc"
	subject = "system:serviceaccount:bailiwick-system:bailiwick"

	bootstrapper = "system:serviceaccount:bailiwick-system:bailiwick-bootstrapper"

	audience = "bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod"
)

const restoreUID = "99999999-8888-7777-6666-555555555555"

var keyA = authz.Key{ID: "a", Algorithm: "RS256", PEM: "-----BEGIN PUBLIC KEY-----\nQQ==\n-----END PUBLIC KEY-----"}

func inputs() authz.Inputs {
	return authz.Inputs{Issuer: issuer, Keys: []authz.Key{keyA}, Audience: audience, OperatorSubject: subject, BootstrapperSubject: bootstrapper, RestoreAccountUID: restoreUID}
}

// published returns a policy text of the published authorization document.
func published(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".hcl"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(data), "\n")
}

func cluster(mutate ...func(*openbaov1alpha1.OpenBaoClusterSpec)) *openbaov1alpha1.OpenBaoCluster {
	c := &openbaov1alpha1.OpenBaoCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "vaults", Name: "prod"},
		Spec:       openbaov1alpha1.OpenBaoClusterSpec{Authorization: &openbaov1alpha1.AuthorizationSpec{}},
	}
	for _, m := range mutate {
		m(&c.Spec)
	}
	return c
}

func all(s *openbaov1alpha1.OpenBaoClusterSpec) {
	s.Backup = &openbaov1alpha1.BackupSpec{}
	s.Restore = &openbaov1alpha1.RestoreSpec{}
	s.Upgrade = &openbaov1alpha1.UpgradeSpec{}
}

func mustDesire(t *testing.T, c *openbaov1alpha1.OpenBaoCluster, in authz.Inputs) authz.Contract {
	t.Helper()
	contract, err := authz.Desired(c, in)
	if err != nil {
		t.Fatal(err)
	}
	return contract
}

func TestRequested(t *testing.T) {
	for name, tc := range map[string]struct {
		spec        openbaov1alpha1.OpenBaoClusterSpec
		annotations map[string]string
		want        bool
	}{
		"empty":              {},
		"self-init disabled": {spec: openbaov1alpha1.OpenBaoClusterSpec{SelfInit: &openbaov1alpha1.SelfInitSpec{}}},
		"self-init enabled":  {spec: openbaov1alpha1.OpenBaoClusterSpec{SelfInit: &openbaov1alpha1.SelfInitSpec{Enabled: true}}, want: true},
		"authorization":      {spec: openbaov1alpha1.OpenBaoClusterSpec{Authorization: &openbaov1alpha1.AuthorizationSpec{}}, want: true},
		"annotation alone":   {annotations: map[string]string{openbaov1alpha1.AnnotationMode: "Once"}, want: true},
		"other annotation":   {annotations: map[string]string{openbaov1alpha1.AnnotationAddress: "https://x"}},
		"backup alone":       {spec: openbaov1alpha1.OpenBaoClusterSpec{Backup: &openbaov1alpha1.BackupSpec{}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := authz.Requested(&openbaov1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Annotations: tc.annotations}, Spec: tc.spec}, false); got != tc.want {
				t.Errorf("Requested = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestDesiredGrants(t *testing.T) {
	type grant struct{ policy, text, role, subject string }
	operator := grant{"openbao-operator", "operator", "openbao-operator", subject}
	backup := grant{"openbao-operator-backup", "backup", "openbao-operator-backup", "system:serviceaccount:vaults:prod-backup-serviceaccount"}
	restore := grant{"openbao-operator-restore", "restore", "openbao-operator-restore", "system:serviceaccount:vaults:prod-restore-serviceaccount"}
	upgrade := grant{"openbao-operator-upgrade", "upgrade-rolling", "openbao-operator-upgrade", "system:serviceaccount:vaults:prod-upgrade-serviceaccount"}
	renamed := func(g grant, role string) grant { g.role = role; return g }
	text := func(g grant, name string) grant { g.text = name; return g }

	for name, tc := range map[string]struct {
		mutate func(*openbaov1alpha1.OpenBaoClusterSpec)
		want   []grant
	}{
		"operator alone": {func(*openbaov1alpha1.OpenBaoClusterSpec) {}, []grant{operator}},
		"all blocks empty": {
			all, []grant{operator, backup, restore, upgrade},
		},
		"backup alone": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Backup = &openbaov1alpha1.BackupSpec{} },
			[]grant{operator, backup},
		},
		"rolling by name": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Upgrade = &openbaov1alpha1.UpgradeSpec{Strategy: openbaov1alpha1.UpgradeRollingUpdate}
			},
			[]grant{operator, upgrade},
		},
		"blue/green": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Upgrade = &openbaov1alpha1.UpgradeSpec{Strategy: openbaov1alpha1.UpgradeBlueGreen}
			},
			[]grant{operator, text(upgrade, "upgrade-blue-green")},
		},
		"role renamed, policy not": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Backup = &openbaov1alpha1.BackupSpec{JWTAuthRole: "Nightly"}
			},
			[]grant{operator, renamed(backup, "nightly")},
		},
		"other operator": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Authorization.OperatorServiceAccount = &openbaov1alpha1.ServiceAccountReference{Name: "op"}
			},
			[]grant{{"openbao-operator", "operator", "openbao-operator", "system:serviceaccount:vaults:op"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustDesire(t, cluster(tc.mutate), inputs())
			if len(got.Grants) != len(tc.want) {
				t.Fatalf("got %d grants, want %d", len(got.Grants), len(tc.want))
			}
			for i, g := range got.Grants {
				w := tc.want[i]
				if g.Policy.Name != w.policy || g.Role.Name != w.role || g.Role.Subject != w.subject {
					t.Errorf("grant %d: got policy %q, role %q, subject %q, want %+v", i, g.Policy.Name, g.Role.Name, g.Role.Subject, w)
				}
				if want := published(t, w.text); g.Policy.Text != want {
					t.Errorf("policy %q: got text\n%s\nwant\n%s", g.Policy.Name, g.Policy.Text, want)
				}
				if !slices.Equal(g.Role.Policies, []string{w.policy}) {
					t.Errorf("role %q has the policies %v", g.Role.Name, g.Role.Policies)
				}
				if !slices.Equal(g.Role.Audiences, []string{audience}) || g.Role.TTL != time.Hour || g.Role.NoDefaultPolicy {
					t.Errorf("role %q: %+v", g.Role.Name, g.Role)
				}
			}
		})
	}
}

func TestDesiredIssuer(t *testing.T) {
	oidc := func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.SelfInit = &openbaov1alpha1.SelfInitSpec{OIDC: &openbaov1alpha1.SelfInitOIDC{Audience: "from-oidc", Issuer: "https://issuer.example"}}
	}
	if got := mustDesire(t, cluster(), inputs()); got.Config.BoundIssuer != issuer {
		t.Errorf("issuer %q, want that of the API server", got.Config.BoundIssuer)
	}
	if got := mustDesire(t, cluster(oidc), inputs()); got.Config.BoundIssuer != "https://issuer.example" {
		t.Errorf("issuer %q, want that of the spec", got.Config.BoundIssuer)
	}
}

func TestDesiredRefusesRoleNames(t *testing.T) {
	for name, tc := range map[string]struct {
		mutate func(*openbaov1alpha1.OpenBaoClusterSpec)
		field  string
	}{
		"operator's": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Backup.JWTAuthRole = "openbao-operator" }, "spec.backup.jwtAuthRole",
		},
		"operator's in other case": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Backup.JWTAuthRole = "OpenBao-Operator" }, "spec.backup.jwtAuthRole",
		},
		"default of an identity that is not wanted": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Restore = nil
				s.Backup.JWTAuthRole = "openbao-operator-restore"
			}, "spec.backup.jwtAuthRole",
		},
		"the same for two": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Backup.JWTAuthRole = "jobs"
				s.Upgrade.JWTAuthRole = "jobs"
			}, "spec.upgrade.jwtAuthRole",
		},
		"no name": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Restore.JWTAuthRole = "../../sys/policies" }, "spec.restore.jwtAuthRole",
		},
		"the bootstrapper's": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Backup.JWTAuthRole = "openbao-operator-bootstrapper" }, "spec.backup.jwtAuthRole",
		},
		"no letter in mode Enforce": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Authorization.Mode = openbaov1alpha1.AuthorizationEnforce
				s.Upgrade.JWTAuthRole = "1-2"
			}, "spec.upgrade.jwtAuthRole",
		},
		"additional subject with the name of an identity": {
			additional("openbao-operator-restore", "backup"), "spec.authorization.additionalSubjects[openbao-operator-restore].role",
		},
		"additional subject with the bootstrapper's name": {
			additional("openbao-operator-bootstrapper", "backup"), "spec.authorization.additionalSubjects[openbao-operator-bootstrapper].role",
		},
		"additional subject with a renamed role": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Backup.JWTAuthRole = "Jobs"
				additional("jobs", "backup")(s)
			}, "spec.authorization.additionalSubjects[jobs].role",
		},
		"additional subjects that differ in case": {
			func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				additional("jobs", "backup")(s)
				additional("JOBS", "upgrade")(s)
			}, "spec.authorization.additionalSubjects[jobs].role",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := authz.Desired(cluster(all, tc.mutate), inputs())
			var spec *authz.SpecError
			if !errors.As(err, &spec) || spec.Field != tc.field {
				t.Errorf("got error %v, want a SpecError of %s", err, tc.field)
			}
		})
	}
}

func TestDesiredNeedsInputs(t *testing.T) {
	for name, mutate := range map[string]func(*authz.Inputs){
		"issuer":   func(in *authz.Inputs) { in.Issuer = "" },
		"keys":     func(in *authz.Inputs) { in.Keys = nil },
		"operator": func(in *authz.Inputs) { in.OperatorSubject = "" },

		"bootstrapper":                     func(in *authz.Inputs) { in.BootstrapperSubject = "" },
		"issuer that would be a pattern":   func(in *authz.Inputs) { in.Issuer = "https://x/*" },
		"operator that would be a pattern": func(in *authz.Inputs) { in.OperatorSubject = "system:serviceaccount:a:*" },
	} {
		t.Run(name, func(t *testing.T) {
			in := inputs()
			mutate(&in)
			_, err := authz.Desired(cluster(mode(openbaov1alpha1.AuthorizationEnforce)), in)
			var spec *authz.SpecError
			if err == nil || errors.As(err, &spec) {
				t.Errorf("Desired: %v, want an error that is not about the spec", err)
			}
		})
	}
}
