// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
)

const (
	bootstrapperRole = "openbao-operator-bootstrapper"
	backupRole       = "openbao-operator-backup"
	foreignPolicy    = `path "team/*" { capabilities = ["read"] }`
)

// soon has the operator look by itself, many times in a test.
func soon(o *app.Options) { o.PollInterval = 500 * time.Millisecond }

// mode makes a cluster with all identities in a mode.
func mode(m v1alpha1.AuthorizationMode) func(*v1alpha1.OpenBaoClusterSpec) {
	return func(s *v1alpha1.OpenBaoClusterSpec) { s.Authorization.Mode = m }
}

// mayMint lets the operator make tokens of ServiceAccounts of the namespace.
func (b *baoEnv) mayMint(accounts ...string) {
	b.Helper()
	b.grant("mint", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, ResourceNames: accounts, Verbs: []string{"create"}})
}

// restoreAccount makes the ServiceAccount that may restore, and lets the operator read
// its UID, without which its role is not written.
func (b *baoEnv) restoreAccount(cluster string) {
	b.Helper()
	name := cluster + "-restore-serviceaccount"
	b.serviceAccount(b.ns, name)
	b.grant("read", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{name}, Verbs: []string{"get"}})
}

// grant gives the operator a right in the namespace.
func (b *baoEnv) grant(name string, rule rbacv1.PolicyRule) {
	b.Helper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{rule}}
	if _, err := b.kube.RbacV1().Roles(b.ns).Create(b.ctx, role, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: operatorAccount}},
	}
	if _, err := b.kube.RbacV1().RoleBindings(b.ns).Create(b.ctx, binding, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
}

// jobs makes the ServiceAccounts of a cluster's jobs, and lets the operator prove
// them.
func (b *baoEnv) jobs(cluster string) {
	b.Helper()
	var names []string
	for _, job := range []string{"backup", "restore", "upgrade"} {
		names = append(names, cluster+"-"+job+"-serviceaccount")
		if job != "restore" {
			b.serviceAccount(b.ns, names[len(names)-1])
		}
	}
	b.restoreAccount(cluster)
	b.mayMint(names...)
}

// record returns what is recorded of a cluster.
func (b *baoEnv) record(name string) *v1alpha1.AuthorizationStatus {
	b.Helper()
	record := b.getCluster(name).Status.Authorization
	if record == nil {
		b.Fatalf("%s has no record", name)
	}
	return record
}

// proved waits until all identities of a cluster are proved.
func (b *baoEnv) proved(name, want string) {
	b.Helper()
	b.eventually("the identities to be proved", func() error {
		if record := b.record(name); record.Proved != want {
			return fmt.Errorf("proved are %s: %+v", record.Proved, record.Identities)
		}
		return nil
	})
}

// identity waits until the proof of a role says all of texts.
func (b *baoEnv) identity(cluster, role string, state v1alpha1.ProofState, texts ...string) v1alpha1.IdentityStatus {
	b.Helper()
	var found v1alpha1.IdentityStatus
	b.eventually(fmt.Sprintf("%s to be %s", role, state), func() error {
		for _, i := range b.record(cluster).Identities {
			if i.Role == role {
				found = i
			}
		}
		if found.State != state {
			return fmt.Errorf("it is %+v", found)
		}
		for _, text := range texts {
			if !strings.Contains(found.Message, text) {
				return fmt.Errorf("the message does not say %q: %s", text, found.Message)
			}
		}
		return nil
	})
	return found
}

// heldAgain waits until the server holds the same as before.
func (b *baoEnv) heldAgain(what string, want map[string]string) {
	b.Helper()
	b.eventually(what, func() error {
		if got := b.holds(); !maps.Equal(got, want) {
			return fmt.Errorf("the server holds %v, want %v", got, want)
		}
		return nil
	})
}

// live returns how many live tokens have a policy.
func (b *baoEnv) live(policy string) int {
	b.Helper()
	n := 0
	for _, accessor := range b.list("auth/token/accessors") {
		secret, err := b.root.Auth().Token().LookupAccessorWithContext(b.ctx, accessor)
		if refused(err) || err != nil && strings.Contains(err.Error(), "404") {
			continue // gone meanwhile
		}
		if err != nil {
			b.Fatal(err)
		}
		policies, err := secret.TokenPolicies()
		if err != nil {
			b.Fatal(err)
		}
		if slices.Contains(policies, policy) {
			n++
		}
	}
	return n
}

// tampering are changes by hand that the bootstrapper may undo.
func (b *baoEnv) tampering() map[string]func() {
	return map[string]func(){
		"an edited policy": func() {
			b.write("sys/policies/acl/"+backupRole, map[string]any{"policy": `path "*" { capabilities = ["read"] }`})
		},
		"a deleted policy": func() { b.remove("sys/policies/acl/" + operatorRole) },
		"an edited role": func() {
			b.write("auth/jwt-operator/role/"+backupRole, map[string]any{"role_type": "jwt", "token_policies": "root", "bound_subject": "anyone"})
		},
		"a deleted role": func() { b.remove("auth/jwt-operator/role/openbao-operator-upgrade") },
		"an edited config": func() {
			b.write("auth/jwt-operator/config", map[string]any{"bound_issuer": shared.Kubernetes.Issuer, "jwt_validation_pubkeys": append(b.publishedKeys(), foreignKey)})
		},
	}
}

// foreignKey is a public key that the API server does not sign with.
const foreignKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqVqpxTXzReAaM5CVwnJI3r+9ZCKX
uJPt8sKYBuG+3qdz/EOfmygGm32OCk5XvI/7uJb9D0PO8u8+C4v/wlPIqQ==
-----END PUBLIC KEY-----`

// foreign puts a policy and a role of someone else on the server.
func (b *baoEnv) foreign() {
	b.Helper()
	b.write("sys/policies/acl/team", map[string]any{"policy": foreignPolicy})
	b.write("auth/jwt-operator/role/team", map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": "team", "token_policies": "team"})
}

func TestBootstrapEnforce(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.jobs("bao")
	b.start(soon)
	b.cluster("bao", whole, mode(v1alpha1.AuthorizationEnforce), func(s *v1alpha1.OpenBaoClusterSpec) { s.Backup = nil })
	b.applied("bao")
	b.proved("bao", "4/4")
	b.foreign()

	t.Log("A backup is added: no admin token is needed")
	b.patchCluster("bao", `{"spec":{"backup":{}}}`)
	b.applied("bao")
	b.proved("bao", "5/5")
	held := b.holds()
	if got := held["policy "+backupRole]; got != backupText {
		t.Errorf("The backup policy is %q", got)
	}

	for what, do := range b.tampering() {
		do()
		b.heldAgain("the repair of "+what, held)
	}
	b.applied("bao")

	t.Log("The strategy is switched, and back")
	b.patchCluster("bao", `{"spec":{"upgrade":{"strategy":"BlueGreen"}}}`)
	b.eventually("the text of blue/green upgrades", func() error {
		if got := b.policy("openbao-operator-upgrade"); got != blueGreenText {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
	b.applied("bao")
	b.patchCluster("bao", `{"spec":{"upgrade":{"strategy":"RollingUpdate"}}}`)
	b.heldAgain("the text of rolling upgrades", held)
	b.applied("bao")

	t.Log("It keeps one login, and writes nothing where nothing changed")
	b.proved("bao", "5/5")
	if n := b.live(bootstrapperRole); n != 1 {
		t.Errorf("%d tokens of the bootstrapper live, want 1", n)
	}
	version, logins, changes := b.getCluster("bao").ResourceVersion, b.gateway.logins(), len(b.gateway.changes())
	for range 3 {
		b.anotherLook(len(b.gateway.all()))
	}
	if got := b.gateway.logins(); got != logins {
		t.Errorf("%d logins for nothing", got-logins)
	}
	if got := b.gateway.changes(); len(got) != changes {
		t.Errorf("Changes for nothing: %q", got[changes:])
	}
	if got := b.getCluster("bao"); got.ResourceVersion != version {
		t.Errorf("The status was written for nothing: %+v", got.Status)
	}

	t.Log("What the bootstrapper may not repair takes an admin token")
	b.write("sys/policies/acl/"+bootstrapperRole, map[string]any{"policy": b.policy(bootstrapperRole) + "\n" + foreignPolicy})
	message := b.refusal("bao", bootstrap.ReasonAdminTokenRequired, "policy "+bootstrapperRole)
	if plan := b.record("bao").Plan; len(plan) != 1 || plan[0].Name != bootstrapperRole || plan[0].Difference != v1alpha1.DifferenceDiffers {
		t.Errorf("The plan is %+v", plan)
	}
	b.follow(message)
	b.applied("bao")
	b.heldAgain("the repair with an admin token", held)

	t.Log("The login ends with the process")
	b.proved("bao", "5/5")
	b.stopOperator()
	for _, policy := range []string{bootstrapperRole, operatorRole, backupRole, "openbao-operator-restore", "openbao-operator-upgrade"} {
		if n := b.live(policy); n != 0 {
			t.Errorf("%d tokens with policy %s live on", n, policy)
		}
	}
	b.noTokenAnywhere()
}

func TestBootstrapObserve(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.jobs("bao")
	b.start(soon)
	b.cluster("bao", whole, mode(v1alpha1.AuthorizationObserve))
	b.applied("bao")
	b.proved("bao", "5/5")
	b.foreign()
	for what, do := range b.tampering() {
		t.Log(what)
		do()
	}
	held := b.holds()
	want := []string{
		"config jwt-operator: Differs", "policy openbao-operator: Missing", "policy openbao-operator-backup: Differs",
		"role openbao-operator-backup: Differs", "role openbao-operator-upgrade: Missing",
	}
	slices.Sort(want)
	b.eventually("the plan", func() error {
		var got []string
		for _, c := range b.record("bao").Plan {
			got = append(got, fmt.Sprintf("%s %s: %s", c.Kind, c.Name, c.Difference))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
	message := b.refusal("bao", bootstrap.ReasonDrifted, "role openbao-operator-upgrade is missing", "policy openbao-operator-backup differs")
	if got := b.holds(); !maps.Equal(got, held) {
		t.Errorf("The server held %v and holds %v", held, got)
	}

	t.Log("With an admin token it is mended")
	b.follow(message)
	b.applied("bao")
	if plan := b.record("bao").Plan; len(plan) != 0 {
		t.Errorf("The plan is %+v", plan)
	}
	if got := b.policy(backupRole); got != backupText {
		t.Errorf("The backup policy is %q", got)
	}
	if got := b.policy("team"); got != foreignPolicy {
		t.Errorf("The policy of someone else is %q", got)
	}
	b.proved("bao", "5/5")
	b.noTokenAnywhere()
}

func TestBootstrapProof(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.mayMint("bao-backup-serviceaccount")
	b.start(soon, func(o *app.Options) { o.OpenBao.ProofInterval = time.Second })
	b.cluster("bao", func(s *v1alpha1.OpenBaoClusterSpec) {
		s.Backup, s.Upgrade = &v1alpha1.BackupSpec{}, &v1alpha1.UpgradeSpec{}
	})
	b.applied("bao")
	b.identity("bao", operatorRole, v1alpha1.Proved)
	b.identity("bao", backupRole, v1alpha1.NotProved, "ServiceAccount "+b.ns+"/bao-backup-serviceaccount does not exist", "create serviceaccount")
	unminted := b.identity("bao", "openbao-operator-upgrade", v1alpha1.NotProved, "may not make tokens")
	if got := b.record("bao").Proved; got != "1/3" {
		t.Errorf("Proved are %s", got)
	}

	t.Log("Following the messages")
	b.serviceAccount(b.ns, "bao-backup-serviceaccount")
	b.serviceAccount(b.ns, "bao-upgrade-serviceaccount")
	_, command, _ := strings.Cut(unminted.Message, "Run: ")
	b.run(command)
	b.proved("bao", "3/3")
	if found := b.identity("bao", backupRole, v1alpha1.Proved); len(found.ViaDefault) == 0 || len(found.Missing)+len(found.Excess) != 0 {
		t.Errorf("The proof of the backup is %+v", found)
	}

	t.Log("More rights than the contract gives")
	role := "auth/jwt-operator/role/" + backupRole
	b.write("sys/policies/acl/team", map[string]any{"policy": `path "sys/seal" { capabilities = ["update", "sudo"] }`})
	b.write(role, map[string]any{"role_type": "jwt", "token_policies": backupRole + ",team"})
	b.identity("bao", backupRole, v1alpha1.ProofMismatch, "sys/seal: sudo", "sys/seal: update")
	b.refusal("bao", bootstrap.ReasonProofFailed, backupRole, "sys/seal: update")

	t.Log("Fewer")
	b.write(role, map[string]any{"role_type": "jwt", "token_policies": "default"})
	b.identity("bao", backupRole, v1alpha1.ProofMismatch, "sys/storage/raft/snapshot: read")

	t.Log("Anyone with the audience can log in")
	b.write(role, map[string]any{"role_type": "jwt", "token_policies": backupRole, "bound_subject": ""})
	b.identity("bao", backupRole, v1alpha1.ProofMismatch, operatorNamespace+"/bailiwick-decoy could log in")

	t.Log("The right one can not")
	b.write(role, map[string]any{"role_type": "jwt", "token_policies": backupRole, "bound_subject": "someone:else"})
	b.identity("bao", backupRole, v1alpha1.ProofMismatch, "cannot log in")
	b.follow(b.refusal("bao", bootstrap.ReasonProofFailed, "cannot log in"))
	b.applied("bao")
	b.proved("bao", "3/3")
	b.noTokenAnywhere()
}

func TestBootstrapWithdraws(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.jobs("bao")
	before := b.holds()
	b.start()
	b.cluster("bao", whole, mode(v1alpha1.AuthorizationEnforce))
	b.applied("bao")
	b.patchCluster("bao", `{"spec":{"authorization":null}}`)
	message := b.refusal("bao", bootstrap.ReasonNotRequested, "stays on server", bootstrapperRole)
	want := []string{"auth jwt-operator/", "config", "policy " + bootstrapperRole, "role " + bootstrapperRole}
	if got := added(t, before, b.holds()); !slices.Equal(got, want) {
		t.Errorf("The server still holds %q, want %q", got, want)
	}
	if n := b.live(bootstrapperRole); n != 0 {
		t.Errorf("%d tokens of the bootstrapper live on", n)
	}

	t.Log("The rest takes an admin token")
	b.follow(message)
	b.heldAgain("the removal of the rest", before)
	b.eventually("the record to be gone", func() error {
		if record := b.getCluster("bao").Status.Authorization; record != nil {
			return fmt.Errorf("it is %+v", record)
		}
		return nil
	})
	for _, token := range b.tokens {
		if b.accepted(token) {
			t.Error("The server still accepts an admin token")
		}
	}
	b.noTokenAnywhere()
}

// The operator has a certificate, since tokens of the API server end with the key.
func TestBootstrapFollowsKeys(t *testing.T) {
	t.Parallel()
	b := newRotatedEnv(t, envTime)
	b.change = append(b.change, func(o *app.Options) { o.RESTConfig = b.env.cluster.Config() })
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	current := func() {
		b.Helper()
		b.wantCondition(v1alpha1.ConditionSigningKeysCurrent, metav1.ConditionTrue, bootstrap.ReasonCurrent, b.clusterConditions("bao"))
	}
	configured := func() []string { return configuredKeys(b.read("auth/" + mount + "/config")) }
	must := func(err error) {
		b.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	overlap := func(d string) string {
		return fmt.Sprintf(`{"spec":{"authorization":{"signingKeyOverlap":%q}}}`, d)
	}
	b.start(soon)
	b.cluster("bao", mode(v1alpha1.AuthorizationEnforce))
	b.applied("bao")
	current()
	old := b.publishedKeys()

	t.Log("A soft rotation: the old key stays for the overlap")
	must(b.env.cluster.RotateSigningKey(b.ctx))
	both := b.publishedKeys()
	b.eventually("both keys", func() error {
		if got := configured(); !slices.Equal(got, both) {
			return fmt.Errorf("the server has %d keys", len(got))
		}
		return nil
	})
	must(b.env.cluster.DropOldSigningKeys(b.ctx))
	fresh := b.publishedKeys()
	b.eventually("the old keys to be marked", func() error {
		vanished := 0
		for _, k := range b.record("bao").SigningKeys {
			if k.LastSeen != nil {
				vanished++
			}
		}
		if vanished != len(old) {
			return fmt.Errorf("%d keys are marked, want %d", vanished, len(old))
		}
		return nil
	})
	if got := configured(); !slices.Equal(got, both) {
		t.Errorf("The server has %d keys, want the old ones for the overlap", len(got))
	}
	current()

	t.Log("The annotation drops the old keys now")
	b.patchCluster("bao", `{"metadata":{"annotations":{"bailiwick.dev/drop-old-signing-keys":"1"}}}`)
	b.eventually("only the new key", func() error {
		if got := configured(); !slices.Equal(got, fresh) {
			return fmt.Errorf("the server has %d keys", len(got))
		}
		return nil
	})
	b.applied("bao")
	current()

	t.Log("A hard rotation is bridged by the login that is held")
	b.patchCluster("bao", overlap("0s"))
	b.applied("bao")
	b.stopOperator()
	b.start() // looks only when asked, and once here
	b.applied("bao")
	b.refresh("bao")
	b.eventually("the login", func() error {
		if b.live(bootstrapperRole) != 1 {
			return fmt.Errorf("%d live", b.live(bootstrapperRole))
		}
		return nil
	})

	must(b.env.cluster.RotateSigningKey(b.ctx))
	must(b.env.cluster.DropOldSigningKeys(b.ctx))
	fresh = b.publishedKeys()
	b.refresh("bao")
	b.eventually("only the new key", func() error {
		if got := configured(); !slices.Equal(got, fresh) {
			return fmt.Errorf("the server has %d keys", len(got))
		}
		return nil
	})
	b.applied("bao")
	current()

	t.Log("One that happens while nobody is there locks out")
	b.stopOperator()
	must(b.env.cluster.RotateSigningKey(b.ctx))
	must(b.env.cluster.DropOldSigningKeys(b.ctx))
	held := b.holds()
	b.start()
	message := b.refusal("bao", bootstrap.ReasonLockedOut, "bao write auth/jwt-operator/config", "create secret")
	b.wantCondition(v1alpha1.ConditionSigningKeysCurrent, metav1.ConditionFalse, bootstrap.ReasonLockedOut, b.clusterConditions("bao"))
	if got := b.holds(); !maps.Equal(got, held) {
		t.Errorf("The server held %v and holds %v", held, got)
	}
	b.follow(message)
	b.applied("bao")
	current()
	if got, want := configured(), b.publishedKeys(); !slices.Equal(got, want) {
		t.Errorf("The server has %d keys, want %d", len(got), len(want))
	}
	b.noTokenAnywhere()
}
