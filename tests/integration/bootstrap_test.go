// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openbao/openbao/api/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
)

// The texts of the policies, as the operator's authorization document has them.
const (
	operatorText = `path "sys/health" { capabilities = ["read"] }
path "sys/step-down" { capabilities = ["sudo", "update"] }
path "sys/storage/raft/autopilot/configuration" { capabilities = ["read", "update"] }`
	backupText  = `path "sys/storage/raft/snapshot" { capabilities = ["read"] }`
	restoreText = `path "sys/storage/raft/snapshot-force" { capabilities = ["update"] }`
	rollingText = `path "sys/health" { capabilities = ["read"] }
path "sys/step-down" { capabilities = ["sudo", "update"] }
path "sys/storage/raft/snapshot" { capabilities = ["read"] }
path "sys/storage/raft/autopilot/state" { capabilities = ["read"] }`
	blueGreenText = `path "sys/health" { capabilities = ["read"] }
path "sys/step-down" { capabilities = ["sudo", "update"] }
path "sys/storage/raft/snapshot" { capabilities = ["read"] }
path "sys/storage/raft/autopilot/state" { capabilities = ["read"] }
path "sys/storage/raft/join" { capabilities = ["update"] }
path "sys/storage/raft/configuration" { capabilities = ["read", "update"] }
path "sys/storage/raft/remove-peer" { capabilities = ["update"] }
path "sys/storage/raft/promote" { capabilities = ["update"] }
path "sys/storage/raft/demote" { capabilities = ["update"] }`
)

const operatorRole = "openbao-operator"

type rights map[string][]string

var (
	rollingRights = rights{
		"sys/health": {"read"}, "sys/step-down": {"sudo", "update"},
		"sys/storage/raft/snapshot": {"read"}, "sys/storage/raft/autopilot/state": {"read"},
	}
	blueGreenRights = rights{
		"sys/health": {"read"}, "sys/step-down": {"sudo", "update"},
		"sys/storage/raft/snapshot": {"read"}, "sys/storage/raft/autopilot/state": {"read"},
		"sys/storage/raft/join": {"update"}, "sys/storage/raft/configuration": {"read", "update"},
		"sys/storage/raft/remove-peer": {"update"}, "sys/storage/raft/promote": {"update"}, "sys/storage/raft/demote": {"update"},
	}
	// defaultRights are those of the server's own policy "default", which every
	// token has.
	defaultRights = rights{
		"auth/token/lookup-self": {"read"}, "auth/token/renew-self": {"update"}, "auth/token/revoke-self": {"update"},
		"sys/capabilities-self": {"update"}, "cubbyhole/x": {"create", "delete", "list", "read", "update"},
	}
	// withheld are paths that no identity may use.
	withheld = []string{
		"auth/jwt-operator/config", "auth/jwt-operator/role/openbao-operator", "auth/token/create", "auth/token/create-orphan",
		"identity/entity", "secret/data/x", "sys/audit/x", "sys/auth/x", "sys/generate-root/attempt", "sys/key-status",
		"sys/mounts/x", "sys/policies/acl/default", "sys/policies/acl/openbao-operator", "sys/raw/x", "sys/rekey/init",
		"sys/remount", "sys/rotate", "sys/seal", "sys/storage/raft/bootstrap", "sys/storage/raft/autopilot", "sys/storage/raft/snapshot-auto/config/x",
	}
)

// granted are the rights of each role of a cluster with rolling upgrades.
var granted = map[string]rights{
	operatorRole: {
		"sys/health": {"read"}, "sys/step-down": {"sudo", "update"}, "sys/storage/raft/autopilot/configuration": {"read", "update"},
	},
	"openbao-operator-backup":  {"sys/storage/raft/snapshot": {"read"}},
	"openbao-operator-restore": {"sys/storage/raft/snapshot-force": {"update"}},
	"openbao-operator-upgrade": rollingRights,
}

// whole asks for all identities.
func whole(s *v1alpha1.OpenBaoClusterSpec) {
	s.Backup, s.Restore, s.Upgrade = &v1alpha1.BackupSpec{}, &v1alpha1.RestoreSpec{}, &v1alpha1.UpgradeSpec{}
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.verbosity = 10
	token := b.adminToken("root")
	b.setSecret("bao-admin", map[string]string{"token": token + "\n"})
	before := b.holds()
	b.restoreAccount("bao")
	b.start()
	b.cluster("bao", whole)
	message := b.applied("bao")
	after := b.holds()

	accounts := map[string][2]string{
		operatorRole:               {operatorNamespace, operatorAccount},
		"openbao-operator-backup":  {b.ns, "bao-backup-serviceaccount"},
		"openbao-operator-restore": {b.ns, "bao-restore-serviceaccount"},
		"openbao-operator-upgrade": {b.ns, "bao-upgrade-serviceaccount"},
	}
	names := slices.Sorted(maps.Keys(accounts))

	t.Run("writes the contract and nothing else", func(t *testing.T) {
		want := []string{"auth " + mount + "/", "config"}
		for _, name := range names {
			want = append(want, "policy "+name, "role "+name)
		}
		slices.Sort(want)
		if got := added(t, before, after); !slices.Equal(got, want) {
			t.Errorf("The server got %q, want %q", got, want)
		}
		for name, text := range map[string]string{
			operatorRole: operatorText, "openbao-operator-backup": backupText,
			"openbao-operator-restore": restoreText, "openbao-operator-upgrade": rollingText,
		} {
			if got := after["policy "+name]; got != text {
				t.Errorf("Policy %s is\n%s\nwant\n%s", name, got, text)
			}
		}
		for name, account := range accounts {
			role := b.read("auth/" + mount + "/role/" + name)
			// Only OIDC logins read it, and OpenBao always says it.
			delete(role, "callback_mode")
			if name == "openbao-operator-restore" {
				wanted := map[string]any{"/kubernetes.io/serviceaccount/uid": b.uidOf(account[1])}
				if !reflect.DeepEqual(role["bound_claims"], wanted) {
					t.Errorf("the restore is bound to %v, want %v", role["bound_claims"], wanted)
				}
				delete(role, "bound_claims")
			}
			wantFields(t, "role "+name, role, map[string]any{
				"role_type": "jwt", "user_claim": "sub", "bound_claims_type": "string",
				"bound_subject":   "system:serviceaccount:" + account[0] + ":" + account[1],
				"bound_audiences": []any{b.audience()}, "token_policies": []any{name},
				"token_ttl": json.Number("3600"), "token_max_ttl": json.Number("3600"), "token_type": "default",
				"expiration_leeway": json.Number("150"), "not_before_leeway": json.Number("150"), "clock_skew_leeway": json.Number("60"),
			})
		}
	})

	t.Run("trusts the API server's keys", func(t *testing.T) {
		config := b.read("auth/" + mount + "/config")
		if got := config["bound_issuer"]; got != shared.Kubernetes.Issuer {
			t.Errorf("bound_issuer = %v, want %s", got, shared.Kubernetes.Issuer)
		}
		if got, want := configuredKeys(config), b.publishedKeys(); !slices.Equal(got, want) {
			t.Errorf("The server has the keys %q, want %q", got, want)
		}
		if got := fmt.Sprint(config["jwt_supported_algs"]); got != "[RS256]" {
			t.Errorf("jwt_supported_algs = %s", got)
		}
	})

	t.Run("uses the token once", func(t *testing.T) {
		if b.accepted(token) {
			t.Error("The server still accepts the admin token")
		}
		if !strings.Contains(message, "kubectl -n "+b.ns+" delete secret bao-admin") {
			t.Errorf("The message does not say that the Secret can go: %s", message)
		}
		if got := len(b.gateway.changes()); got != len(after)-len(before)+2 {
			t.Errorf("%d writes, want one for each object, another of the config, and the mark: %q", got, b.gateway.changes())
		}
		b.marked("bao")
	})

	t.Run("reports", func(t *testing.T) {
		obj := b.getCluster("bao")
		b.wantCondition(v1alpha1.ConditionClusterLifecycle, metav1.ConditionFalse, bootstrap.ReasonNotManaged, b.clusterConditions("bao"))
		health, err := b.root.Sys().HealthWithContext(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		got := obj.Status.Authorization.DeepCopy()
		if len(got.SigningKeys) != len(b.publishedKeys()) || !strings.HasPrefix(got.Digest, "sha256:") || got.AdminTokenSecretVersion == "" {
			t.Errorf("status.authorization has signing keys %+v, digest %q and version %q", got.SigningKeys, got.Digest, got.AdminTokenSecretVersion)
		}
		// The accounts of the jobs do not exist yet, or Bailiwick may make no tokens of them.
		if got.Proved != "1/4" || len(got.Identities) != 4 || got.ProvedAt == nil || got.RefusalsProvedAt == nil {
			t.Errorf("status.authorization has the proofs %s: %+v", got.Proved, got.Identities)
		}
		got.SigningKeys, got.Digest, got.AdminTokenSecretVersion = nil, "", ""
		got.Proved, got.Identities, got.ProvedAt, got.RefusalsProvedAt = "", nil, nil, nil
		if len(got.Unknown) == 0 || got.Version == "" || got.RestoreAccountUID != b.uidOf("bao-restore-serviceaccount") {
			t.Errorf("unknown are %q, the version is %q, and the restore is bound to %q", got.Unknown, got.Version, got.RestoreAccountUID)
		}
		got.Unknown, got.Version, got.RestoreAccountUID = nil, "", ""
		if got.Claim == nil || got.Claim.Nonce == "" || got.Claim.ConfirmedAt == nil {
			t.Errorf("the claim is %+v", got.Claim)
		}
		got.Claim = nil
		want := &v1alpha1.AuthorizationStatus{
			Address: b.address, CABundle: b.ca, Server: health.ClusterID, Mount: mount, MountCreated: true, ConfigWritten: true, Issuer: shared.Kubernetes.Issuer,
			Audience: b.audience(), Policies: names, Roles: names, AdminToken: v1alpha1.AdminTokenRevoked,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("status.authorization = %+v, want %+v", got, want)
		}
		b.eventually("the event about success", func() error {
			events, err := b.kube.CoreV1().Events(b.ns).List(b.ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(obj.UID)})
			if err != nil {
				return err
			}
			for _, event := range events.Items {
				if event.Reason == bootstrap.ReasonApplied && event.Type == "Normal" && event.InvolvedObject.Kind == bootstrap.Kind {
					return nil
				}
			}
			return fmt.Errorf("events are %+v", events.Items)
		})
	})

	for name, account := range accounts {
		if account[0] == b.ns && name != "openbao-operator-restore" {
			b.serviceAccount(b.ns, account[1])
		}
	}
	t.Run("lets each ServiceAccount in with its rights", func(t *testing.T) {
		for role, account := range accounts {
			client := b.as(b.wantLogin(t, role, account[0], account[1], role))
			wantRights(t, client, role, granted[role])
			b.wantSnapshot(t, client, role, granted[role]["sys/storage/raft/snapshot"] != nil)
		}
	})

	t.Run("keeps everyone else out", func(t *testing.T) {
		other := shared.Kubernetes.Namespace(t)
		for role, account := range accounts {
			for wrong := range accounts {
				if wrong != role {
					b.wantRefused(t, role, accounts[wrong][0], accounts[wrong][1], b.audience())
				}
			}
			b.serviceAccount(other, account[1])
			b.wantRefused(t, role, other, account[1], b.audience())
			b.wantRefused(t, role, b.ns, "default", b.audience())
			b.wantRefused(t, role, account[0], account[1], "other")
			// A token for the API server itself.
			b.wantRefused(t, role, account[0], account[1])
		}
	})

	t.Run("changes nothing when it looks again", func(t *testing.T) {
		writes := b.gateway.writes()
		looks := len(b.gateway.all())
		b.refresh("bao")
		b.anotherLook(looks)
		b.stopOperator()
		if got := b.gateway.writes(); len(got) != len(writes) {
			t.Errorf("There were new writes: %q", got[len(writes):])
		}
		if got := b.holds(); !maps.Equal(got, after) {
			t.Errorf("The server holds %v, want %v", got, after)
		}
	})

	t.Run("shows no token", func(t *testing.T) {
		// Bodies from the API server are where a token could be, and in binary
		// ones a search would not find it.
		bodies := 0
		for line := range strings.Lines(b.logs.String()) {
			if strings.Contains(line, ` Body"`) {
				bodies++
				if !strings.Contains(line, `body="[withheld]`) {
					t.Errorf("The log shows a body: %.120s", line)
				}
			}
		}
		if bodies == 0 {
			t.Error("The log has no line about a body, so this proves nothing")
		}
		b.noTokenAnywhere()
	})
}

// wantFields compares what the server answers. Fields that are not wanted may be
// there only with a value that says nothing.
func wantFields(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			t.Errorf("%s has %s = %#v, want %#v", what, name, got[name], value)
		}
	}
	for name, value := range got {
		if _, ok := want[name]; ok {
			continue
		}
		switch v := reflect.ValueOf(value); {
		case !v.IsValid(), v.IsZero(), value == json.Number("0"):
		case (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0:
		default:
			t.Errorf("%s has %s = %#v, want none", what, name, value)
		}
	}
}

func configuredKeys(config map[string]any) []string {
	var keys []string
	list, _ := config["jwt_validation_pubkeys"].([]any)
	for _, key := range list {
		keys = append(keys, strings.TrimSpace(fmt.Sprint(key)))
	}
	slices.Sort(keys)
	return keys
}

// wantLogin logs in and returns the token, which must have one policy besides
// "default".
func (b *baoEnv) wantLogin(t *testing.T, role, namespace, account, policy string) string {
	t.Helper()
	return b.wantLoginFor(t, b.audience(), role, namespace, account, policy)
}

// wantLoginFor is wantLogin with a token for another audience.
func (b *baoEnv) wantLoginFor(t *testing.T, audience, role, namespace, account, policy string) string {
	t.Helper()
	auth, err := b.login(role, namespace, account, audience)
	if err != nil {
		t.Fatalf("Login of %s/%s as %s: %v", namespace, account, role, err)
	}
	if want := []string{"default", policy}; !slices.Equal(auth.Policies, want) {
		t.Errorf("Role %s gives the policies %q, want %q", role, auth.Policies, want)
	}
	if auth.LeaseDuration != 3600 {
		t.Errorf("Role %s gives tokens for %d seconds", role, auth.LeaseDuration)
	}
	return auth.ClientToken
}

func (b *baoEnv) wantRefused(t *testing.T, role, namespace, account string, audiences ...string) {
	t.Helper()
	if _, err := b.login(role, namespace, account, audiences...); !refused(err) {
		t.Errorf("Login of %s/%s as %s for %q: %v, want it refused", namespace, account, role, audiences, err)
	}
}

// wantRights compares what a token may do on all paths that matter.
func wantRights(t *testing.T, client *api.Client, role string, want rights) {
	t.Helper()
	paths := map[string][]string{}
	for _, path := range withheld {
		paths[path] = []string{"deny"}
	}
	for path := range blueGreenRights {
		paths[path] = []string{"deny"}
	}
	for _, r := range granted {
		for path := range r {
			paths[path] = []string{"deny"}
		}
	}
	maps.Copy(paths, defaultRights)
	maps.Copy(paths, want)
	secret, err := client.Logical().WriteWithContext(t.Context(), "sys/capabilities-self", map[string]any{"paths": slices.Collect(maps.Keys(paths))})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range paths {
		var got []string
		list, _ := secret.Data[path].([]any)
		for _, capability := range list {
			got = append(got, fmt.Sprint(capability))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("Role %s has %q on %s, want %q", role, got, path, want)
		}
	}
}

// wantSnapshot tries the right that can be used without harm.
func (b *baoEnv) wantSnapshot(t *testing.T, client *api.Client, role string, allowed bool) {
	t.Helper()
	var snapshot bytes.Buffer
	err := client.Sys().RaftSnapshotWithContext(t.Context(), &snapshot)
	if allowed && (err != nil || snapshot.Len() == 0) {
		t.Errorf("Role %s gets a snapshot of %d bytes: %v", role, snapshot.Len(), err)
	}
	if !allowed && err == nil {
		t.Errorf("Role %s gets a snapshot", role)
	}
}

func TestBootstrapFollowsTheSpec(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	before := b.holds()
	b.start()
	b.cluster("bao", func(s *v1alpha1.OpenBaoClusterSpec) {
		s.Upgrade = &v1alpha1.UpgradeSpec{Strategy: v1alpha1.UpgradeBlueGreen}
		s.Authorization.OperatorServiceAccount = &v1alpha1.ServiceAccountReference{Name: "maintainer"}
		s.Authorization.Audience = "this-server"
	})
	b.applied("bao")
	b.wantHeld(before, blueGreenText, "auth jwt-operator/", "config",
		"policy openbao-operator", "policy openbao-operator-upgrade", "role openbao-operator", "role openbao-operator-upgrade")
	// Nobody may make tokens for these accounts, which is no reason to fail.
	for _, identity := range b.getCluster("bao").Status.Authorization.Identities {
		if identity.State != v1alpha1.NotProved || !strings.Contains(identity.Message, "may not make tokens for the ServiceAccount "+b.ns) {
			t.Errorf("identity %+v", identity)
		}
	}

	b.serviceAccount(b.ns, "maintainer")
	b.serviceAccount(b.ns, "bao-upgrade-serviceaccount")
	if _, err := b.login(operatorRole, b.ns, "maintainer", "this-server"); err != nil {
		t.Errorf("The ServiceAccount that the spec names cannot log in: %v", err)
	}
	b.wantRefused(t, operatorRole, operatorNamespace, operatorAccount, "this-server")
	b.wantRefused(t, operatorRole, b.ns, "maintainer", "another-server")
	b.wantLogin(t, operatorRole, b.ns, "maintainer", operatorRole)
	auth, err := b.login("openbao-operator-upgrade", b.ns, "bao-upgrade-serviceaccount", "this-server")
	if err != nil {
		t.Fatal(err)
	}
	wantRights(t, b.as(auth.ClientToken), "openbao-operator-upgrade", blueGreenRights)

	t.Log("Adding the backup")
	held := b.holds()
	b.patchCluster("bao", `{"spec":{"backup":{"jwtAuthRole":"my-backup"}}}`)
	message := b.refusal("bao", bootstrap.ReasonAdminTokenRequired, "kubectl -n "+b.ns+" create secret generic bao-admin --type=bailiwick.dev/openbao-credential")
	if got := b.holds(); !maps.Equal(got, held) {
		t.Errorf("Without a token the server changed from %v to %v", held, got)
	}
	b.follow(message)
	b.applied("bao")
	b.wantHeld(before, blueGreenText, "auth jwt-operator/", "config", "policy openbao-operator", "policy openbao-operator-backup",
		"policy openbao-operator-upgrade", "role my-backup", "role openbao-operator", "role openbao-operator-upgrade")
	b.serviceAccount(b.ns, "bao-backup-serviceaccount")
	if _, err := b.login("my-backup", b.ns, "bao-backup-serviceaccount", "this-server"); err != nil {
		t.Errorf("The backup cannot log in: %v", err)
	}

	t.Log("Removing the backup, and rolling upgrades, with the reference and the Secret gone")
	b.patchCluster("bao", `{"spec":{"backup":null,"upgrade":{"strategy":"RollingUpdate"},"authorization":{"adminTokenSecretRef":null}}}`)
	b.follow(b.refusal("bao", bootstrap.ReasonAdminTokenRequired, "patch openbaocluster bao"))
	b.applied("bao")
	b.wantHeld(before, rollingText, "auth jwt-operator/", "config",
		"policy openbao-operator", "policy openbao-operator-upgrade", "role openbao-operator", "role openbao-operator-upgrade")
	for _, token := range b.tokens {
		if b.accepted(token) {
			t.Error("The server still accepts an admin token")
		}
	}
	b.noTokenAnywhere()

	t.Log("A mistake in the spec")
	b.patchCluster("bao", `{"spec":{"backup":{"jwtAuthRole":"openbao-operator-restore"}}}`)
	b.refusal("bao", bootstrap.ReasonInvalidSpec, "spec.backup.jwtAuthRole", "openbao-operator-restore")
}

// wantHeld compares what the server holds more than before.
func (b *baoEnv) wantHeld(before map[string]string, upgradeText string, want ...string) {
	b.Helper()
	after := b.holds()
	if got := added(b, before, after); !slices.Equal(got, want) {
		b.Errorf("The server holds %q, want %q", got, want)
	}
	if got := after["policy openbao-operator-upgrade"]; got != upgradeText {
		b.Errorf("The upgrade policy is\n%s\nwant\n%s", got, upgradeText)
	}
}
