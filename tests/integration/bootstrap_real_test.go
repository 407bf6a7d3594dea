// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/openbao/openbao/api/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// upgradeRole is the role, and the policy, of upgrades.
const upgradeRole = "openbao-operator-upgrade"

// TestBootstrapFirstStart gives the ConfigMap of a cluster to a server that starts
// for the first time: nobody ever needs an admin token.
func TestBootstrapFirstStart(t *testing.T) {
	t.Parallel()
	shared.OpenBao.Require(t, stack.FeatureSelfInit)
	for _, m := range []v1alpha1.AuthorizationMode{v1alpha1.AuthorizationOnce, v1alpha1.AuthorizationEnforce, v1alpha1.AuthorizationObserve} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			const wayIn = "a-way-in"
			b := &baoEnv{env: newEnv(t, aivensim.Options{})}
			b.change = append(b.change, func(o *app.Options) { o.Controllers = []string{bootstrap.Kind} })
			b.address = "https://127.0.0.1:1"
			b.ca = string(shared.OpenBao.CAPEM)
			b.jobs("bao")
			b.start(soon)
			b.cluster("bao", whole, mode(m), func(s *v1alpha1.OpenBaoClusterSpec) {
				s.Authorization.AdminTokenSecretRef = nil
				s.SelfInit = &v1alpha1.SelfInitSpec{Enabled: true, Requests: []v1alpha1.SelfInitRequest{{
					Name: "people", Operation: v1alpha1.RequestUpdate, Path: "auth/token/create",
					Data: &runtime.RawExtension{Raw: []byte(`{"id": "` + wayIn + `", "policies": ["root"], "no_parent": true}`)},
				}}}
			})
			b.refusal("bao", bootstrap.ReasonServerUnreachable)
			found, err := b.kube.CoreV1().ConfigMaps(b.ns).Get(b.ctx, "bao-authorization-init", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}

			server := stack.NewOpenBao(t, stack.OpenBaoOptions{SelfInit: &stack.SelfInit{
				Stanzas: found.Data["initialize.hcl"], RootToken: wayIn,
			}})
			b.bao, b.gateway = server, newGateway(t, server)
			if b.root, err = server.Client(); err != nil {
				t.Fatal(err)
			}
			held := b.holds()
			b.patchCluster("bao", fmt.Sprintf(`{"spec":{"authorization":{"address":%q,"caBundle":%q}}}`, b.gateway.URL, b.gateway.ca()))
			b.applied("bao")
			var marks []string
			identities, roles := 5, 5
			switch m {
			case v1alpha1.AuthorizationOnce:
				// There is no bootstrapper, and every identity stands for its login. Whose the
				// roles are, a later admin token reads.
				identities, roles = 4, 0
			case v1alpha1.AuthorizationEnforce:
				marks = []string{"PUT sys/policies/acl/" + authz.MarkPolicy}
			}
			b.proved("bao", fmt.Sprintf("%d/%d", identities, identities))
			if got := b.gateway.changes(); !slices.Equal(got, marks) {
				t.Errorf("What the server made of the ConfigMap was changed: %q", got)
			}
			if record := b.record("bao"); len(record.Plan) > 0 || record.AdminToken != "" || len(record.Roles) != roles {
				t.Errorf("The record is %+v", record)
			}
			if m == v1alpha1.AuthorizationOnce {
				b.noTokenAnywhere()
				return
			}

			b.remove("sys/policies/acl/" + backupRole)
			if m == v1alpha1.AuthorizationObserve {
				b.refusal("bao", bootstrap.ReasonDrifted, "policy "+backupRole+" is missing")
				return
			}
			b.heldAgain("the repair", held)
			b.applied("bao")

			// The ConfigMap has had its day.
			b.patchCluster("bao", `{"spec":{"selfInit":null}}`)
			b.eventually("the ConfigMap to go", func() error {
				_, err := b.kube.CoreV1().ConfigMaps(b.ns).Get(b.ctx, "bao-authorization-init", metav1.GetOptions{})
				if err == nil {
					return errors.New("it is there")
				}
				return ignoreNotFound(err)
			})
			b.applied("bao")
			b.noTokenAnywhere()
		})
	}
}

// TestBootstrapConcurrentWriter has somebody write a policy between the look and
// the write of the operator.
func TestBootstrapConcurrentWriter(t *testing.T) {
	t.Parallel()
	shared.OpenBao.Require(t, stack.FeaturePolicyCAS)
	// intrude writes the policy the first time that the operator is about to.
	intrude := func(b *baoEnv, policy string) {
		written := false
		b.gateway.losing(func(request string) loss {
			if request == "PUT sys/policies/acl/"+policy && !written {
				written = true
				b.write("sys/policies/acl/"+policy, map[string]any{"policy": foreignPolicy})
			}
			return nothing
		})
	}
	t.Run("one that was not there", func(t *testing.T) {
		t.Parallel()
		b := newBaoEnv(t)
		b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
		intrude(b, operatorRole)
		b.start(soon)
		b.cluster("bao")
		b.refusal("bao", bootstrap.ReasonPolicyConflict, "policy "+operatorRole)
		if got := b.policy(operatorRole); got != foreignPolicy {
			t.Errorf("The policy of someone else is %q", got)
		}
		b.remove("sys/policies/acl/" + operatorRole)
		b.refresh("bao")
		b.applied("bao")
		b.noTokenAnywhere()
	})
	t.Run("one that is kept", func(t *testing.T) {
		t.Parallel()
		b := newBaoEnv(t)
		b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
		b.start(soon)
		b.cluster("bao", backupOnly, mode(v1alpha1.AuthorizationEnforce))
		b.applied("bao")
		held := b.holds()
		intrude(b, backupRole)
		b.remove("sys/policies/acl/" + backupRole)
		b.heldAgain("the repair of what was written in between", held)
		puts := slices.DeleteFunc(b.gateway.all(), func(r string) bool { return r != "PUT sys/policies/acl/"+backupRole })
		if len(puts) != 3 {
			t.Errorf("The policy was written %d times, want once at first, once in vain and once again", len(puts))
		}
		b.applied("bao")
		b.noTokenAnywhere()
	})
}

// TestBootstrapExpiringPolicy has somebody give a policy an end, with the text
// that it is to have.
func TestBootstrapExpiringPolicy(t *testing.T) {
	t.Parallel()
	shared.OpenBao.Require(t, stack.FeaturePolicyCAS) // OpenBao 2.3 brought both
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.start(soon)
	b.cluster("bao", backupOnly, mode(v1alpha1.AuthorizationEnforce))
	b.applied("bao")
	text := b.policy(backupRole)
	b.write("sys/policies/acl/"+backupRole, map[string]any{"policy": text, "ttl": "1h"})
	b.eventually("the policy to last", func() error {
		found, err := b.root.Logical().ReadWithContext(b.ctx, "sys/policies/acl/"+backupRole)
		if err != nil {
			return err
		}
		if end := found.Data["expiration"]; end != nil {
			return fmt.Errorf("it ends at %v", end)
		}
		return nil
	})
	if got := b.policy(backupRole); got != text {
		t.Errorf("The policy is %q", got)
	}
	b.applied("bao")
}

// TestBootstrapPromoteDemote has the identities of the jobs do with a server that
// joins what a blue/green upgrade does.
func TestBootstrapPromoteDemote(t *testing.T) {
	t.Parallel()
	shared.OpenBao.Require(t, stack.FeaturePromoteDemote)
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.jobs("bao")
	b.start(soon)
	b.cluster("bao", whole)
	b.applied("bao")

	stack.NewOpenBao(t, stack.OpenBaoOptions{Join: b.bao})
	as := func(role string) *api.Client {
		t.Helper()
		auth, err := b.login(role, b.ns, "bao-"+strings.TrimPrefix(role, operatorRole+"-")+"-serviceaccount", b.audience())
		if err != nil {
			t.Fatal(err)
		}
		return b.as(auth.ClientToken)
	}
	// do returns nil if the server did it.
	do := func(client *api.Client, what string) error {
		_, err := client.Logical().WriteWithContext(b.ctx, "sys/storage/raft/"+what, map[string]any{"server_id": stack.JoinedNode})
		return err
	}
	votes := func(client *api.Client) (voter, found bool) {
		t.Helper()
		secret, err := client.Logical().ReadWithContext(b.ctx, "sys/storage/raft/configuration")
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(secret.Data["config"])
		if err != nil {
			t.Fatal(err)
		}
		var config struct {
			Servers []struct {
				NodeID string `json:"node_id"`
				Voter  bool   `json:"voter"`
			} `json:"servers"`
		}
		if err := json.Unmarshal(raw, &config); err != nil {
			t.Fatal(err)
		}
		for _, s := range config.Servers {
			if s.NodeID == stack.JoinedNode {
				return s.Voter, true
			}
		}
		return false, false
	}
	if voter, found := votes(b.root); voter || !found {
		t.Fatalf("The server that joined is there: %t, with a vote: %t", found, voter)
	}

	t.Log("A rolling upgrade may do none of it, and neither may another job")
	for _, role := range []string{upgradeRole, backupRole, "openbao-operator-restore"} {
		client := as(role)
		for _, what := range []string{"promote", "demote", "remove-peer"} {
			if err := do(client, what); !refused(err) {
				t.Errorf("%s by %s: %v", what, role, err)
			}
		}
	}

	t.Log("A blue/green upgrade may")
	b.patchCluster("bao", `{"spec":{"upgrade":{"strategy":"BlueGreen"}}}`)
	b.follow(b.refusal("bao", bootstrap.ReasonAdminTokenRequired))
	b.applied("bao")
	upgrade := as(upgradeRole)
	for _, step := range []struct {
		what         string
		voter, found bool
	}{{"promote", true, true}, {"demote", false, true}, {"remove-peer", false, false}} {
		if err := do(as(backupRole), step.what); !refused(err) {
			t.Errorf("%s by the backup: %v", step.what, err)
		}
		if err := do(upgrade, step.what); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		b.eventually("the vote after "+step.what, func() error {
			if voter, found := votes(upgrade); voter != step.voter || found != step.found {
				return fmt.Errorf("the server is there: %t, with a vote: %t", found, voter)
			}
			return nil
		})
	}
	b.noTokenAnywhere()
}

// TestBootstrapAdditionalSubjects lets further ServiceAccounts in, each by a role of
// its own, and out again.
func TestBootstrapAdditionalSubjects(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.jobs("bao")
	for _, name := range []string{"nightly", "weekly", "other"} {
		b.serviceAccount(b.ns, name)
	}
	subject := func(role, account string) v1alpha1.AdditionalSubject {
		return v1alpha1.AdditionalSubject{Role: role, Identity: "backup", ServiceAccount: v1alpha1.ServiceAccountReference{Name: account}}
	}
	b.start(soon)
	b.cluster("bao", backupOnly, mode(v1alpha1.AuthorizationEnforce), func(s *v1alpha1.OpenBaoClusterSpec) {
		s.Authorization.AdditionalSubjects = []v1alpha1.AdditionalSubject{subject("Nightly-Backup", "nightly"), subject("weekly", "weekly")}
	})
	b.applied("bao")
	for role, account := range map[string]string{"nightly-backup": "nightly", "weekly": "weekly", backupRole: "bao-backup-serviceaccount"} {
		token := b.wantLogin(t, role, b.ns, account, backupRole)
		wantRights(t, b.as(token), role, granted[backupRole])
		for _, wrong := range []string{"other", "nightly", "weekly", "bao-backup-serviceaccount", "default"} {
			if wrong != account {
				b.wantRefused(t, role, b.ns, wrong, b.audience())
			}
		}
		b.wantRefused(t, role, b.ns, account, "another")
		b.wantRefused(t, role, operatorNamespace, operatorAccount, b.audience())
	}

	t.Log("They are proved once the operator may make their tokens")
	message := b.identity("bao", "weekly", v1alpha1.NotProved, "may not make tokens for the ServiceAccount "+b.ns+"/weekly").Message
	_, command, _ := strings.Cut(message, "Run: ")
	b.run(command)
	b.identity("bao", "weekly", v1alpha1.Proved)
	b.identity("bao", "nightly-backup", v1alpha1.NotProved)

	t.Log("One that was edited by hand is repaired")
	held := b.holds()
	b.write("auth/"+mount+"/role/weekly", map[string]any{"role_type": "jwt", "bound_subject": "system:serviceaccount:" + b.ns + ":other"})
	b.heldAgain("the repair", held)

	t.Log("One that leaves the spec is removed, and one without its identity as well")
	tokens := len(b.tokens)
	b.patchCluster("bao", `{"spec":{"authorization":{"additionalSubjects":[{"role":"weekly","identity":"backup","serviceAccount":{"name":"weekly"}}]}}}`)
	// The standing identity's own policy names the roles that it may write.
	b.follow(b.refusal("bao", bootstrap.ReasonAdminTokenRequired, "policy "+bootstrapperRole))
	b.applied("bao")
	if len(b.tokens) != tokens+1 {
		t.Errorf("It took %d admin tokens, want 1", len(b.tokens)-tokens)
	}
	b.wantRefused(t, "nightly-backup", b.ns, "nightly", b.audience())
	want := maps.Clone(held)
	delete(want, "role nightly-backup")
	want["policy "+bootstrapperRole] = b.policy(bootstrapperRole)
	if got := b.holds(); !maps.Equal(got, want) {
		t.Errorf("The server holds %v, want %v", got, want)
	}
	b.patchCluster("bao", `{"spec":{"backup":null}}`)
	b.eventually("the role to go with its identity", func() error {
		if b.peek("auth/"+mount+"/role/weekly") != nil {
			return errors.New("it is there")
		}
		return nil
	})
	b.applied("bao")
	b.noTokenAnywhere()
}
