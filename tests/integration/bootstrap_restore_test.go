// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
)

// TestBootstrapRestore follows the messages about the account that may restore, from
// one that is missing to one that was created again.
func TestBootstrapRestore(t *testing.T) {
	t.Parallel()
	const role, account = "openbao-operator-restore", "bao-restore-serviceaccount"
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.mayMint(account)
	b.start(soon)
	b.cluster("bao", mode(v1alpha1.AuthorizationEnforce), func(s *v1alpha1.OpenBaoClusterSpec) { s.Restore = &v1alpha1.RestoreSpec{} })

	// unknown waits until the role is not written for a reason, and runs the command that
	// the message ends with.
	unknown := func(why, before string) {
		t.Helper()
		b.refresh("bao")
		var message string
		b.eventually("the message that "+why, func() error {
			message = b.refusal("bao", bootstrap.ReasonRestoreAccountUnknown)
			if !strings.Contains(message, why) {
				return fmt.Errorf("the message is %s", message)
			}
			return nil
		})
		_, command, _ := strings.Cut(message, before)
		b.run(command)
	}
	unknown("Bailiwick may not read it.", "Run: ")
	unknown("does not exist.", "run: ")
	if b.peek("auth/jwt-operator/role/"+role) != nil {
		t.Error("The role was written")
	}

	t.Log("With the account, and the right to read it")
	b.refresh("bao")
	b.follow(b.refusal("bao", bootstrap.ReasonAdminTokenRequired, "role "+role+" is missing"))
	b.applied("bao")
	b.proved("bao", "3/3")
	if _, err := b.login(role, b.ns, account, b.audience()); err != nil {
		t.Errorf("The account cannot log in: %v", err)
	}
	old := b.uidOf(account)
	held := b.holds()

	t.Log("The account is created again")
	if err := b.kube.CoreV1().ServiceAccounts(b.ns).Delete(b.ctx, account, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.eventually("the account to be gone", func() error {
		_, err := b.kube.CoreV1().ServiceAccounts(b.ns).Get(b.ctx, account, metav1.GetOptions{})
		if errors.IsNotFound(err) {
			return nil
		}
		return err
	})
	b.serviceAccount(b.ns, account)
	message := b.refusal("bao", bootstrap.ReasonRestoreIdentityChanged, old, b.uidOf(account))
	b.wantRefused(t, role, b.ns, account, b.audience())
	if err := same(held, b.holds()); err != nil {
		t.Errorf("The server changed: %v", err)
	}
	b.follow(message)
	b.applied("bao")
	b.proved("bao", "3/3")
	if _, err := b.login(role, b.ns, account, b.audience()); err != nil {
		t.Errorf("The new account cannot log in: %v", err)
	}
	b.noTokenAnywhere()
}

// TestBootstrapEachIdentityByItself has one login fail for good, and the policy of an
// entity give another identity more than its contract.
func TestBootstrapEachIdentityByItself(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.jobs("bao")
	b.start(soon)
	b.cluster("bao", whole)
	b.applied("bao")
	b.proved("bao", "4/4")

	t.Log("A role of somebody else")
	b.write("auth/jwt-operator/role/theirs", map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_subject": "x", "bound_audiences": "x", "token_policies": "default"})
	b.write("sys/policies/acl/kv-admin", map[string]any{"policy": `path "kv/*" { capabilities = ["sudo", "read"] }`})
	for _, id := range b.list("identity/entity/id") {
		b.write("identity/entity/id/"+id, map[string]any{"policies": []string{"kv-admin"}})
	}
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.patchCluster("bao", `{"spec":{"authorization":{"mode":"Enforce"}}}`)
	b.refusal("bao", bootstrap.ReasonProofFailed, "adds the policies kv-admin")
	b.eventually("the roles to be listed", func() error { return same(map[string]string{"theirs": ""}, setOf(b.record("bao").UnmanagedRoles)) })
	b.identity("bao", backupRole, v1alpha1.ProofMismatch, "adds the policies kv-admin")
}

func setOf(names []string) map[string]string {
	set := map[string]string{}
	for _, name := range names {
		set[name] = ""
	}
	return set
}
