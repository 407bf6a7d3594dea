// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

func TestBootstrapLeavesWhatOthersWrote(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	token := b.adminToken("root")
	b.setSecret("bao-admin", map[string]string{"token": token})
	foreign := []struct {
		reason, mend string
		path         string
		data         map[string]any
		gone         string
	}{
		{
			reason: bootstrap.ReasonPolicyConflict, mend: "bao policy delete openbao-operator-backup",
			path: "sys/policies/acl/openbao-operator-backup", data: map[string]any{"policy": `path "*" { capabilities = ["read"] }`},
			gone: "sys/policies/acl/openbao-operator-backup",
		},
		{
			reason: bootstrap.ReasonMountConflict, mend: "bao auth disable jwt-operator",
			path: "sys/auth/jwt-operator", data: map[string]any{"type": "userpass"}, gone: "sys/auth/jwt-operator",
		},
		{
			// Its mount stays: an empty one of the right type is no conflict.
			reason: bootstrap.ReasonRoleConflict, mend: "bao delete auth/jwt-operator/role/openbao-operator",
			path: "auth/jwt-operator/role/openbao-operator",
			data: map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": "anyone", "token_policies": "root"},
			gone: "auth/jwt-operator/role/openbao-operator",
		},
		{
			reason: bootstrap.ReasonConfigConflict, mend: "bao auth disable jwt-operator", path: "auth/jwt-operator/config",
			data: map[string]any{"bound_issuer": "https://other.example.com", "jwt_validation_pubkeys": b.publishedKeys()},
			gone: "sys/auth/jwt-operator",
		},
	}
	b.restoreAccount("bao")
	b.start()
	for i, f := range foreign {
		if f.reason == bootstrap.ReasonMountConflict && b.bao.Kind == stack.Embedded {
			t.Log("The embedded server has no other auth method than jwt: left out")
			continue
		}
		if f.reason == bootstrap.ReasonRoleConflict {
			b.write("sys/auth/jwt-operator", map[string]any{"type": "jwt"})
		}
		b.write(f.path, f.data)
		held := b.holds()
		if i == 0 {
			b.cluster("bao", whole)
		} else {
			b.refresh("bao")
		}
		b.refusal("bao", f.reason, f.mend, "Nothing was written")
		if got := b.gateway.writes(); len(got) != 0 {
			t.Errorf("%s: there were writes: %q", f.reason, got)
		}
		if got := b.holds(); !maps.Equal(got, held) {
			t.Errorf("%s: the server held %v and holds %v", f.reason, held, got)
		}
		if record := b.getCluster("bao").Status.Authorization; len(record.Policies)+len(record.Roles) != 0 || record.Mount != "" {
			t.Errorf("%s: what others wrote is recorded as written: %+v", f.reason, record)
		}
		b.remove(f.gone)
	}
	if !b.accepted(token) {
		t.Error("The admin token was revoked before its work was done")
	}
	b.refresh("bao")
	b.applied("bao")
}

func TestBootstrapProblems(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.address = b.bao.Address
	b.verbosity = 10
	const unknown = "s.never-was-a-token"
	b.tokens = append(b.tokens, unknown)
	before := b.holds()
	b.start()
	b.cluster("bao", func(s *v1alpha1.OpenBaoClusterSpec) {
		// Nobody listens on port 1.
		s.Authorization.Address, s.Authorization.CABundle = "https://127.0.0.1:1", ""
		s.Authorization.CASecretRef = &v1alpha1.CASecretReference{Name: "ca", Key: "tls.crt"}
	})
	b.refusal("bao", bootstrap.ReasonCASecretNotFound, "Secret "+b.ns+"/ca", "spec.authorization.caSecretRef")

	secret := func(name string, data map[string]string) func() {
		return func() { b.setSecret(name, data); b.refresh("bao") }
	}
	patch := func(body string) func() { return func() { b.patchCluster("bao", body) } }
	giveToken := "kubectl -n " + b.ns + " create secret generic bao-admin"
	for _, step := range []struct {
		do     func()
		reason string
		texts  []string
	}{
		{secret("ca", map[string]string{"other": "x"}), bootstrap.ReasonCAInvalid, []string{`no key "tls.crt"`, "spec.authorization.caSecretRef"}},
		{secret("ca", map[string]string{"tls.crt": string(b.bao.CAPEM)}), bootstrap.ReasonServerUnreachable, []string{"https://127.0.0.1:1 ", "spec.authorization.address"}},
		{patch(`{"spec":{"authorization":{"caBundle":"nothing"}}}`), bootstrap.ReasonCAInvalid, []string{"spec.authorization.caBundle"}},
		{
			patch(fmt.Sprintf(`{"spec":{"authorization":{"address":%q,"caBundle":%q}}}`, b.address, b.ca)),
			bootstrap.ReasonServerUntrusted,
			[]string{b.address, "Check the CA"},
		},
		{
			patch(`{"spec":{"authorization":{"caBundle":null,"tlsServerName":"other.example.com"}}}`),
			bootstrap.ReasonServerUntrusted,
			[]string{"other.example.com", "spec.authorization.tlsServerName"},
		},
		{patch(`{"spec":{"authorization":{"tlsServerName":null}}}`), bootstrap.ReasonAdminTokenSecretNotFound, []string{"Secret " + b.ns + "/bao-admin does not exist", giveToken}},
		{secret("bao-admin", map[string]string{"other": "x"}), bootstrap.ReasonAdminTokenKeyNotFound, []string{`no key "token"`, giveToken}},
		{secret("bao-admin", map[string]string{"token": " \n"}), bootstrap.ReasonAdminTokenEmpty, []string{"is empty", giveToken}},
		{secret("bao-admin", map[string]string{"token": unknown}), bootstrap.ReasonAdminTokenInvalid, []string{"does not accept", giveToken}},
		{secret("bao-admin", map[string]string{"token": b.adminToken("default")}), bootstrap.ReasonPermissionDenied, []string{"does not let the admin token", giveToken}},
		{
			func() {
				if err := b.bao.Seal(b.ctx); err != nil {
					t.Fatal(err)
				}
				b.refresh("bao")
			}, bootstrap.ReasonServerSealed, []string{"bao operator unseal"},
		},
		{
			func() {
				if err := b.bao.StopServer(); err != nil {
					t.Fatal(err)
				}
				b.refresh("bao")
			}, bootstrap.ReasonServerUnreachable, []string{b.address},
		},
	} {
		step.do()
		b.refusal("bao", step.reason, step.texts...)
	}

	if err := b.bao.StartServer(b.ctx); err != nil {
		t.Fatal(err)
	}
	if got := b.holds(); !maps.Equal(got, before) {
		t.Errorf("The server held %v and holds %v", before, got)
	}
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.refresh("bao")
	b.applied("bao")

	t.Log("An address where nobody is does not undo what was written, one that is wrong does")
	b.patchCluster("bao", `{"spec":{"authorization":{"address":"https://127.0.0.1:1"}}}`)
	b.refusal("bao", bootstrap.ReasonServerUnreachable)
	b.patchCluster("bao", fmt.Sprintf(`{"spec":{"authorization":{"address":%q}}}`, b.address))
	b.applied("bao")
	if err := b.bao.Seal(b.ctx); err != nil {
		t.Fatal(err)
	}
	// A change that asks for nothing more has it look, and shows when it did.
	b.patchCluster("bao", `{"spec":{"selfInit":{"enabled":true}}}`)
	b.wantCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, bootstrap.ReasonServerSealed, b.clusterConditions("bao"))
	b.wantCondition(v1alpha1.ConditionAuthorizationReady, metav1.ConditionTrue, bootstrap.ReasonApplied, b.clusterConditions("bao"))
	b.noTokenAnywhere()
}

// TestBootstrapOneObjectPerServer checks that the object that holds a server keeps it,
// though another one is older and has an admin token of that server, until it has
// ended; and what a person can do about a server that nobody here holds.
func TestBootstrapOneObjectPerServer(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.cluster("older")
	b.start()
	b.refusal("older", bootstrap.ReasonAdminTokenSecretNotFound)
	b.cluster("bao")
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.applied("bao")
	b.marked("bao")

	b.setSecret("older-admin", map[string]string{"token": b.adminToken("root")})
	changes := len(b.gateway.changes())
	b.refresh("older")
	b.refusal("older", bootstrap.ReasonServerClaimed, b.ns+"/bao")
	b.eventually("the reason why it is not compared", func() error {
		return b.says("older", "only an admin token writes the mark")
	})
	if got := b.gateway.changes(); len(got) != changes {
		t.Errorf("The changes for the other are %q, want none", got[changes:])
	}
	if !b.accepted(b.tokens[len(b.tokens)-1]) {
		t.Error("The token of the object that waits was revoked")
	}

	t.Log("The holder no longer asks for anything")
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.patchCluster("bao", fmt.Sprintf(`{"metadata":{"annotations":{%q:"bao-admin"}},"spec":{"authorization":null}}`, v1alpha1.AnnotationAdminTokenSecret))
	b.refusal("bao", bootstrap.ReasonNotRequested)
	b.applied("older")
	b.marked("older")

	t.Log("The new holder is deleted, and its mark stays")
	held := b.holds()
	b.deleteCluster("older")
	b.eventually("it to be gone", func() error {
		_, _, err := b.clusterConditions("older")()
		if err == nil {
			return errors.New("it is still there")
		}
		return ignoreNotFound(err)
	})
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.patchCluster("bao", fmt.Sprintf(`{"spec":{"authorization":{"address":%q,"caBundle":%q,"adminTokenSecretRef":{"name":"bao-admin"}}}}`, b.address, b.ca))
	message := b.refusal("bao", bootstrap.ReasonServerClaimed, "no OpenBaoCluster that Bailiwick watches", "bao policy write openbao-operator-claim -")
	if got := b.holds(); !maps.Equal(got, held) {
		t.Errorf("The server held %v and holds %v", held, got)
	}
	_, rest, _ := strings.Cut(message, "printf '%b' '")
	text, _, ok := strings.Cut(rest, "' | bao policy write")
	if !ok {
		t.Fatalf("There is no command in %s", message)
	}
	b.write("sys/policies/acl/openbao-operator-claim", map[string]any{"policy": strings.ReplaceAll(text, `\n`, "\n")})
	b.refresh("bao")
	// The roles are bound to the audience of the object that is gone.
	b.refusal("bao", bootstrap.ReasonRoleConflict)
}

// TestBootstrapCopiesOfServers checks that a server with the mark of another one's
// object becomes its object's own once the holder has written a new mark to its own.
func TestBootstrapCopiesOfServers(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	copied := b.with(stack.NewOpenBao(t, stack.OpenBaoOptions{}))
	b.cluster("bao")
	b.patchCluster("bao", `{"spec":{"authorization":{"mode":"Enforce"}}}`)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.start()
	b.applied("bao")
	b.marked("bao")
	before := b.read("sys/policies/acl/openbao-operator-claim")["policy"]
	held := b.holds()

	copied.write("sys/policies/acl/openbao-operator-claim", map[string]any{"policy": before})
	copied.cluster("staging")
	copied.setSecret("staging-admin", map[string]string{"token": copied.adminToken("root")})
	b.refusal("staging", bootstrap.ReasonServerClaimed, b.ns+"/bao")
	b.applied("staging")
	copied.marked("staging")
	b.marked("bao")
	if got := b.read("sys/policies/acl/openbao-operator-claim")["policy"]; got == before {
		t.Error("The holder wrote no new mark")
	}
	b.heldAgain("the comparison", held)
	b.applied("bao")
}

func TestBootstrapNotRequested(t *testing.T) {
	t.Parallel()
	b := newBaoEnvOn(t, shared.OpenBao)
	var secrets secretGets
	// What would be read, were anything requested.
	b.setSecret("bao-admin", map[string]string{"token": "never-read"})
	b.setSecret("bao-tls-ca", map[string]string{"other": "x"})
	b.start(secrets.watch)
	b.cluster("bao", func(s *v1alpha1.OpenBaoClusterSpec) {
		whole(s)
		s.Authorization, s.SelfInit = nil, &v1alpha1.SelfInitSpec{}
	})
	b.refusal("bao", bootstrap.ReasonNotRequested, "spec.authorization", "spec.selfInit.enabled")
	if status := b.getCluster("bao").Status.Authorization; status != nil {
		t.Errorf("status.authorization = %+v", status)
	}
	if n := secrets.count("bao-admin") + secrets.count("bao-tls-ca"); n != 0 {
		t.Errorf("%d Secrets were read", n)
	}

	t.Log("Self-initialization requests it, with the openbao-operator's names")
	b.patchCluster("bao", `{"spec":{"selfInit":{"enabled":true}}}`)
	b.refusal("bao", bootstrap.ReasonCAInvalid, "Secret "+b.ns+"/bao-tls-ca", `no key "ca.crt"`)
	if got := b.gateway.all(); len(got) != 0 {
		t.Errorf("The server was asked: %q", got)
	}
}

func TestBootstrapKeyRotation(t *testing.T) {
	t.Parallel()
	b := newRotatedEnv(t, envTime)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	// It finds out by itself, soon.
	b.start(func(o *app.Options) { o.PollInterval = 500 * time.Millisecond })
	b.cluster("bao")
	b.applied("bao")
	keys := b.publishedKeys()
	held := b.holds()

	if err := b.env.cluster.RotateSigningKey(b.ctx); err != nil {
		t.Fatal(err)
	}
	if got := b.publishedKeys(); len(got) != len(keys)+1 {
		t.Fatalf("The API server publishes %d keys, want %d", len(got), len(keys)+1)
	}
	// New tokens are signed with the new key.
	b.wantRefused(t, operatorRole, operatorNamespace, operatorAccount, b.audience())
	message := b.refusal("bao", bootstrap.ReasonAdminTokenRequired, "signing keys")
	b.wantCondition(v1alpha1.ConditionSigningKeysCurrent, metav1.ConditionFalse, bootstrap.ReasonKeysMissing, b.clusterConditions("bao"))
	if got := b.holds(); !maps.Equal(got, held) {
		t.Errorf("Without a token the server changed from %v to %v", held, got)
	}
	b.follow(message)
	b.applied("bao")
	b.wantCondition(v1alpha1.ConditionSigningKeysCurrent, metav1.ConditionTrue, bootstrap.ReasonCurrent, b.clusterConditions("bao"))
	if got, want := configuredKeys(b.read("auth/"+mount+"/config")), b.publishedKeys(); !slices.Equal(got, want) {
		t.Errorf("The server has the keys %q, want %q", got, want)
	}
	if got := len(b.getCluster("bao").Status.Authorization.SigningKeys); got != len(keys)+1 {
		t.Errorf("%d keys are recorded, want %d", got, len(keys)+1)
	}
	b.wantLogin(t, operatorRole, operatorNamespace, operatorAccount, operatorRole)
}
