// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// neighbour puts an object of another namespace into the cache.
func (f *fixture) neighbour(name string, created int64, audience string) *openbaov1alpha1.OpenBaoCluster {
	f.t.Helper()
	obj := &openbaov1alpha1.OpenBaoCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: name, UID: "uid-other", CreationTimestamp: metav1.Unix(created, 0)},
		Spec: openbaov1alpha1.OpenBaoClusterSpec{Authorization: &openbaov1alpha1.AuthorizationSpec{
			Address: "https://other.example:8200", Audience: audience,
		}},
	}
	if err := f.informer.GetIndexer().Add(obj); err != nil {
		f.t.Fatal(err)
	}
	return obj
}

// A token for the audience of another namespace's cluster reaches no server that
// this namespace names.
func TestAudiencesOfOtherNamespaces(t *testing.T) {
	for name, tc := range map[string]struct {
		mine, theirs string
		// created is when the neighbour was; the object itself was at 1000.
		created int64
		want    string
	}{
		"an older one has it":     {"vault-a", "vault-a", 900, ReasonAudienceClaimed},
		"a younger one has it":    {"vault-a", "vault-a", 1100, ReasonApplied},
		"an older one, another":   {"vault-a", "vault-b", 900, ReasonApplied},
		"both have the default":   {"", "", 900, ReasonApplied},
		"the default, spelled":    {"openbao-internal", "", 900, ReasonApplied},
		"an older one by default": {"vault-a", "", 900, ReasonApplied},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			neighbour := f.neighbour("theirs", tc.created, tc.theirs)
			f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) {
				c.Spec.Authorization.Audience = tc.mine
				c.Spec.Authorization.Mode = openbaov1alpha1.AuthorizationEnforce
			})
			f.sync("prod")
			message := f.expect("prod", tc.want).Message
			if tc.want == ReasonApplied {
				return
			}
			if !strings.Contains(message, "other/theirs") || !strings.Contains(message, "kubectl -n ns patch openbaocluster prod") {
				t.Errorf("message is %s", message)
			}
			if len(f.opts) > 0 {
				t.Errorf("%d connections were made", len(f.opts))
			}
			for _, action := range f.kubernetes.Actions() {
				if action.GetSubresource() == "token" {
					t.Error("a token was made")
				}
			}

			if err := f.informer.GetIndexer().Delete(neighbour); err != nil {
				t.Fatal(err)
			}
			f.sync("prod")
			f.expect("prod", ReasonApplied)
		})
	}
}

// The claim counts from then on, also for a login that is held already.
func TestAudienceThatIsTakenLater(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.Mode = openbaov1alpha1.AuthorizationEnforce
		c.Spec.Authorization.Audience = "mine"
	})
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if f.controller.logins.get(f.name("prod")) == nil {
		t.Fatal("there is no login")
	}
	f.neighbour("theirs", 900, "mine")
	f.sync("prod")
	f.expect("prod", ReasonAudienceClaimed)
	if f.controller.logins.get(f.name("prod")) != nil {
		t.Error("the login is kept")
	}
}

// Tokens of accounts of other namespaces are made for an audience that is this
// cluster's own, and for no other.
func TestAccountsOfOtherNamespaces(t *testing.T) {
	for audience, want := range map[string]openbaov1alpha1.ProofState{"": openbaov1alpha1.NotProved, "mine": openbaov1alpha1.Proved} {
		t.Run(audience, func(t *testing.T) {
			f := newFixture(t)
			f.accounts["jobs/nightly"] = nil
			f.create("prod", 0, withBackup, func(c *openbaov1alpha1.OpenBaoCluster) {
				c.Spec.Authorization.Audience = audience
				c.Spec.Authorization.AdditionalSubjects = []openbaov1alpha1.AdditionalSubject{{
					Role: "nightly", Identity: "backup", ServiceAccount: openbaov1alpha1.ServiceAccountReference{Namespace: "jobs", Name: "nightly"},
				}}
			})
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			got := f.identity("nightly")
			if got.State != want || want == openbaov1alpha1.NotProved && !strings.Contains(got.Message, "an audience of its own") {
				t.Errorf("got %+v", got)
			}
			if got := f.identity(backupRole); got.State != openbaov1alpha1.Proved {
				t.Errorf("the account of this namespace: %+v", got)
			}
		})
	}
}

// The Secrets that an object names are those of its namespace.
func TestSecretsOfOtherNamespaces(t *testing.T) {
	for _, name := range []string{"theirs", "other/theirs", "../other/theirs"} {
		f := newFixture(t)
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "theirs"},
			Data:       map[string][]byte{"token": []byte(adminToken), "ca.crt": []byte(testCA)},
		}
		if err := f.kubernetes.Tracker().Add(secret); err != nil {
			t.Fatal(err)
		}
		f.create("admin", 0, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.AdminTokenSecretRef.Name = name })
		f.sync("admin")
		f.expect("admin", ReasonAdminTokenSecretNotFound)
		f.create("ca", 1, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.CASecretRef.Name = name })
		f.sync("ca")
		f.expect("ca", ReasonCASecretNotFound)
		if n := len(f.server().roles); n > 0 {
			t.Errorf("%s: %d roles were written", name, n)
		}
	}
}
