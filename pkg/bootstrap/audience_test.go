// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clienttesting "k8s.io/client-go/testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// audiencesMinted are those that tokens were made for.
func (f *fixture) audiencesMinted() []string {
	var minted []string
	for _, action := range f.kubernetes.Actions() {
		if create, ok := action.(clienttesting.CreateAction); ok && action.GetSubresource() == "token" {
			minted = append(minted, create.GetObject().(*authenticationv1.TokenRequest).Spec.Audiences...)
		}
	}
	slices.Sort(minted)
	return slices.Compact(minted)
}

// TestTokensAreForTheObjectAlone checks that no field of the spec and no annotation
// decides what a token that is made is good for.
func TestTokensAreForTheObjectAlone(t *testing.T) {
	for name, mutate := range map[string]func(*openbaov1alpha1.OpenBaoCluster){
		"nothing said": func(*openbaov1alpha1.OpenBaoCluster) {},
		"an audience":  func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Audience = "victim" },
		"of oidc": func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.SelfInit = &openbaov1alpha1.SelfInitSpec{OIDC: &openbaov1alpha1.SelfInitOIDC{Enabled: true, Audience: "victim"}}
		},
		"a forged record": func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Status.Authorization = &openbaov1alpha1.AuthorizationStatus{
				Server: "id-1", Audience: "bailiwick.dev/openbao/victim/prod", Digest: "sha256:x",
				Roles: []string{bootstrapperRole}, Mount: "jwt-operator", Address: address,
			}
		},
	} {
		for _, mode := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				f := newFixture(t)
				f.create("prod", 0, withBackup, mutate, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Mode = mode })
				f.sync("prod")
				f.expect("prod", ReasonApplied)
				if got := f.audiencesMinted(); !slices.Equal(got, []string{DecoyAudience, f.audienceOf("prod")}) {
					t.Errorf("tokens were made for %q", got)
				}
				if got := f.record("prod"); got.Audience != f.audienceOf("prod") || got.LegacyAudience != "" {
					t.Errorf("audience %q, legacy %q", got.Audience, got.LegacyAudience)
				}
			})
		}
	}
}

// TestAudienceOfANamespaceMadeAgain checks that an object that is created again has
// the audience of its predecessor, and one in a namespace that is has another.
func TestAudienceOfANamespaceMadeAgain(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	first := f.record("prod").Audience
	remove := func() {
		obj := f.get("prod")
		if err := f.clusters.OpenBaoV1alpha1().OpenBaoClusters("ns").Delete(t.Context(), "prod", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := f.informer.GetIndexer().Delete(obj); err != nil {
			t.Fatal(err)
		}
		f.controller.handlers().OnDelete(obj)
		f.admin("s.next" + string(f.namespaces["ns"]))
	}
	remove()
	f.create("prod", 0)
	f.sync("prod")
	if got := f.record("prod").Audience; got != first {
		t.Errorf("created again it has %q, not %q", got, first)
	}
	remove()
	f.namespaces["ns"] = "uid-of-the-next"
	f.create("prod", 0)
	f.sync("prod")
	if got := f.record("prod").Audience; got == first || got != f.audienceOf("prod") {
		t.Errorf("in another namespace of that name it has %q", got)
	}
}

// TestNamespaceThatCannotBeRead checks that nothing is guessed.
func TestNamespaceThatCannotBeRead(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		says string
	}{
		"forbidden": {apierrors.NewForbidden(corev1.Resource("namespaces"), "ns", nil), "kubectl -n ns create role bailiwick-namespace --verb=get --resource=namespaces"},
		"failed":    {errors.New("no answer"), "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.namespaceErr = tc.err
			f.create("prod", 0)
			f.sync("prod")
			if got := f.expect("prod", ReasonNamespaceUnavailable); !strings.Contains(got.Message, tc.says) {
				t.Errorf("message is %s", got.Message)
			}
			if len(f.opts) > 0 || f.minted > 0 {
				t.Errorf("%d connections, %d tokens", len(f.opts), f.minted)
			}
		})
	}
}

// legacy is an object as a version left it that let the author choose the audience.
func legacy(t *testing.T, mode openbaov1alpha1.AuthorizationMode) *fixture {
	t.Helper()
	f := newFixture(t)
	f.create("prod", 0, withBackup, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Mode = mode })
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	for _, role := range f.server().roles {
		role["bound_audiences"] = []any{"openbao-internal"}
	}
	f.restart()
	obj := f.get("prod").DeepCopy()
	obj.Status.Authorization.Audience = "openbao-internal"
	obj.Status.Authorization.Digest = "sha256:of-that-version"
	updated, err := f.clusters.OpenBaoV1alpha1().OpenBaoClusters("ns").UpdateStatus(t.Context(), obj, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.informer.GetIndexer().Update(updated); err != nil {
		t.Fatal(err)
	}
	f.kubernetes.ClearActions()
	f.server().takeWrites()
	return f
}

// TestMigrationOfTheAudience checks that a server that accepts the audience of an
// earlier version stays as it is until one admin token brings the derived one.
func TestMigrationOfTheAudience(t *testing.T) {
	for _, mode := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce} {
		t.Run(string(mode), func(t *testing.T) {
			f := legacy(t, mode)
			before := f.record("prod").DeepCopy()
			for range 2 {
				f.sync("prod")
				message := f.expect("prod", ReasonAdminTokenRequired).Message
				for _, says := range []string{`"openbao-internal"`, f.audienceOf("prod"), "create secret generic", "spec.authorization.audience"} {
					if !strings.Contains(message, says) {
						t.Errorf("%q is not in %s", says, message)
					}
				}
			}
			if got := f.server().takeWrites(); len(got) > 0 {
				t.Errorf("wrote %q", got)
			}
			if slices.Contains(f.audiencesMinted(), "openbao-internal") {
				t.Error("a token was made for the old audience")
			}
			got := f.record("prod")
			if got.LegacyAudience != "openbao-internal" || got.Audience != f.audienceOf("prod") ||
				!slices.Equal(got.Policies, before.Policies) || !slices.Equal(got.Roles, before.Roles) || got.Mount != before.Mount {
				t.Errorf("the record is %+v", got)
			}
			f.admin("s.migrate")
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			if got := f.record("prod"); got.LegacyAudience != "" || got.Proved != proved(len(f.server().roles)) {
				t.Errorf("legacy %q, proved %s", got.LegacyAudience, got.Proved)
			}
		})
	}
}

// TestLegacyAudienceThatIsAllowed checks that a server without any admin is still
// looked after with the audience that a person allowed for its object alone.
func TestLegacyAudienceThatIsAllowed(t *testing.T) {
	for name, tc := range map[string]struct {
		allowed string
		logsIn  bool
	}{
		"allowed": {"openbao-internal", true}, "another": {"openbao", false}, "none": {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := legacy(t, openbaov1alpha1.AuthorizationEnforce)
			f.legacy[f.name("prod")] = tc.allowed
			f.issuer.Keys = append(f.issuer.Keys, key("k2", "Qg=="))
			f.server().config["jwt_validation_pubkeys"] = []any{f.issuer.Keys[0].PEM, f.issuer.Keys[1].PEM}
			f.server().policies["openbao-operator-backup"] = `path "x" { capabilities = ["read"] }`
			f.sync("prod")
			f.expect("prod", ReasonAdminTokenRequired)
			if got := slices.Contains(f.audiencesMinted(), "openbao-internal"); got != tc.logsIn {
				t.Errorf("logged in with the old audience: %v", got)
			}
			if got := slices.Contains(f.server().takeWrites(), "WritePolicy openbao-operator-backup"); got != tc.logsIn {
				t.Errorf("repaired: %v", got)
			}
		})
	}
}

// TestAlsoAccepts checks that what else a role accepts is what was read of it.
func TestAlsoAccepts(t *testing.T) {
	for mode, want := range map[openbaov1alpha1.AuthorizationMode][]string{
		openbaov1alpha1.AuthorizationEnforce: {"own"}, openbaov1alpha1.AuthorizationOnce: {notReadable},
	} {
		t.Run(string(mode), func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0, withBackup, func(c *openbaov1alpha1.OpenBaoCluster) {
				c.Spec.Authorization.Mode, c.Spec.Authorization.Audience = mode, "own"
			})
			f.sync("prod")
			if got := f.identity(backupRole).AlsoAccepts; !slices.Equal(got, want) {
				t.Errorf("it also accepts %q, want %q", got, want)
			}
			if got := f.identity("openbao-operator").AlsoAccepts; len(got) > 0 && got[0] != notReadable {
				t.Errorf("the operator's role also accepts %q", got)
			}
		})
	}
}

// TestAccountsOfOtherNamespaces checks that an account of another namespace, which
// the object names, is proved: its token is for this object's server alone.
func TestAccountsOfOtherNamespaces(t *testing.T) {
	f := newFixture(t)
	f.accounts["jobs/nightly"] = nil
	f.create("prod", 0, withBackup, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.Audience = "victim"
		c.Spec.Authorization.AdditionalSubjects = []openbaov1alpha1.AdditionalSubject{{
			Role: "nightly", Identity: "backup", ServiceAccount: openbaov1alpha1.ServiceAccountReference{Namespace: "jobs", Name: "nightly"},
		}}
	})
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.identity("nightly"); got.State != openbaov1alpha1.Proved {
		t.Errorf("got %+v", got)
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

// proved is how the status counts n proofs of n.
func proved(n int) string { return fmt.Sprintf("%d/%d", n, n) }
