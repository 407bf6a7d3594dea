// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// authorizationOf is the condition AuthorizationReady of any object.
func (f *fixture) authorizationOf(name, reason string) metav1.Condition {
	f.t.Helper()
	c := meta.FindStatusCondition(f.get(name).Status.Conditions, openbaov1alpha1.ConditionAuthorizationReady)
	if c == nil || c.Reason != reason {
		f.t.Fatalf("%s: AuthorizationReady is %+v, want %s", name, c, reason)
	}
	return *c
}

// TestForgedRecordMakesNoIncumbent checks that the annotation of a claimant that names
// the roles on the server of another object, which the server confirms, does not make
// it the holder: not in that sync, and not after another failure.
func TestForgedRecordMakesNoIncumbent(t *testing.T) {
	for _, mode := range allModes {
		t.Run(string(mode), func(t *testing.T) {
			f := newFixture(t)
			f.beside(string(mode))
			f.sync("prod")
			f.authorizationReady(ReasonApplied)
			// The mark is one that an earlier version did not write.
			delete(f.server().policies, authz.MarkPolicy)
			before := f.server().state()

			const there = "https://prod.ns.svc:8200"
			forged, err := json.Marshal(openbaov1alpha1.AuthorizationStatus{
				Address: there, Server: "id-1", Mount: "jwt-operator", Digest: "sha256:x",
				Policies: []string{"openbao-operator"}, Roles: []string{"openbao-operator", bootstrapperRole},
			})
			if err != nil {
				t.Fatal(err)
			}
			f.secret("thief-tls-ca", map[string]string{"ca.crt": testCA})
			f.create("thief", 9, func(c *openbaov1alpha1.OpenBaoCluster) {
				c.Spec.Authorization = nil
				c.Annotations = map[string]string{
					openbaov1alpha1.AnnotationMode: string(mode), openbaov1alpha1.AnnotationAddress: there,
					openbaov1alpha1.AnnotationAdminTokenSecret: "thief-admin/token", openbaov1alpha1.AnnotationRecord: string(forged),
				}
			})
			f.meant = there
			f.credential("thief-admin", map[string]string{"token": "s.thief"})
			f.server().tokens["s.thief"] = true
			f.sync("thief")
			f.authorizationOf("thief", ReasonServerClaimed)
			if m := f.recordMap("thief"); m != nil {
				t.Errorf("recorded is %s", m.Data[recordKey])
			}
			f.server().fail = func(string) error { return class(openbao.Sealed) }
			f.sync("thief")
			f.authorizationOf("thief", ReasonServerSealed)
			f.server().fail = func(string) error { return nil }
			f.sync("thief")
			f.authorizationOf("thief", ReasonServerClaimed)
			if got := f.server().state(); !maps.Equal(got, before) || f.server().mark().Audience != "" {
				t.Errorf("the server holds %v, with the mark %+v", got, f.server().mark())
			}
		})
	}
}

// TestRefusedByAnEarlierVersion checks that an object whose server belonged to another
// already under an earlier version does not become its holder by another failure.
func TestRefusedByAnEarlierVersion(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	delete(f.server().policies, authz.MarkPolicy)
	record := f.record("prod").DeepCopy()
	record.Claim, record.Audience = nil, "openbao-internal"
	f.create("refused", 9, at(address), func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Status.Authorization = record
		c.Status.Conditions = []metav1.Condition{{
			Type: openbaov1alpha1.ConditionAuthorizationReady, Status: metav1.ConditionFalse, Reason: ReasonServerClaimed, LastTransitionTime: metav1.Now(),
		}}
	})
	f.server().fail = func(string) error { return class(openbao.Sealed) }
	f.sync("refused")
	f.server().fail = func(string) error { return nil }
	f.tokenOf("refused", "s.refused", f.server())
	before := f.server().state()
	f.sync("refused")
	f.expect("refused", ReasonServerClaimed)
	if got := f.server().state(); !maps.Equal(got, before) {
		t.Errorf("the server holds %v", got)
	}
}

// TestDeniedMarkStopsNothing checks that an object that is asked for a new mark, and may
// not write it yet, goes on with what it may.
func TestDeniedMarkStopsNothing(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, inMode(openbaov1alpha1.AuthorizationEnforce))
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	mark := f.server().mark()
	f.staging()
	f.sync("staging")
	f.expect("staging", ReasonServerClaimed)

	f.server().fail = func(op string) error {
		if op == "WritePolicy "+authz.MarkPolicy {
			return class(openbao.PermissionDenied)
		}
		return nil
	}
	f.server().roles["openbao-operator"]["token_ttl"] = "60s"
	for range 2 {
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		f.now = f.now.Add(copyRetry)
	}
	if got := f.server().roles["openbao-operator"]["token_ttl"]; got != "3600s" {
		t.Errorf("the role was not repaired: %v", got)
	}
	if got := f.record("prod").Claim.Nonce; got != mark.Nonce {
		t.Errorf("the nonce %s is recorded, and the server shows %s", got, mark.Nonce)
	}
	f.server().fail = func(string) error { return nil }
	f.sync("prod")
	f.now = f.now.Add(copySettle)
	if f.server().mark() == mark {
		t.Error("the mark is the same")
	}
}

// TestWhoCannotAnswerSaysSo checks that an object that is asked and cannot even begin
// lets the one that asks know, which then names the command that ends the wait.
func TestWhoCannotAnswerSaysSo(t *testing.T) {
	for name, spoil := range map[string]func(f *fixture, c *openbaov1alpha1.OpenBaoCluster){
		"a mistake in its spec": func(_ *fixture, c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Audience = "bailiwick.dev/x" },
		"no more requested":     func(_ *fixture, c *openbaov1alpha1.OpenBaoCluster) { unrequest(c) },
		"no issuer":             func(f *fixture, _ *openbaov1alpha1.OpenBaoCluster) { f.issuerErr = class(openbao.Unavailable) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0)
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			f.staging()
			f.sync("staging")
			f.expect("staging", ReasonServerClaimed)
			f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { spoil(f, c) })
			f.sync("prod")
			f.issuerErr = nil
			f.sync("staging")
			if c := f.expect("staging", ReasonServerClaimed); !strings.Contains(c.Message, "bao policy write openbao-operator-claim") {
				t.Errorf("the message is %s", c.Message)
			}
		})
	}
}
