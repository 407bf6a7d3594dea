// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	ownName    = "openbao-operator-bootstrapper"
	backupName = "openbao-operator-backup"

	restoreName = "openbao-operator-restore"
)

// attempt is a request that must not succeed.
type attempt struct {
	method, path string
	body         any
}

func put(path string, body any) attempt { return attempt{http.MethodPut, path, body} }
func get(path string) attempt           { return attempt{http.MethodGet, path, nil} }
func list(path string) attempt          { return attempt{"LIST", path, nil} }
func remove(path string) attempt        { return attempt{http.MethodDelete, path, nil} }

// TestBootstrapperCannotEscalate takes the bootstrapper's token and tries to get
// more than its contract gives, by every path.
func TestBootstrapperCannotEscalate(t *testing.T) {
	server := fresh(t)
	root := rootClient(t, server)
	signer := newSigner(t, "a")
	contract := desired(t, cluster(), signer.key)
	send(t, root, authz.Requests(contract))
	grant, _ := contract.Bootstrapper()
	bootstrapper := logIn(t, server, signer, grant)
	before := stateOf(t, root)
	accessor, err := rootClient(t, server).Auth().Token().LookupSelfWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	try := func(t *testing.T, attempts ...attempt) {
		t.Helper()
		for _, a := range attempts {
			// The answer tells it from a request that is only wrong. A value that the
			// field cannot have is found before the rule is looked at.
			got, body := bootstrapper.send(t, server, a)
			if got != http.StatusForbidden && (got != http.StatusBadRequest || !strings.Contains(body, "error converting input")) {
				t.Errorf("%s %s %s: status %d, want 403: %s", a.method, a.path, brief(a.body), got, body)
			}
		}
	}
	// failing are requests that are not refused by a rule, and yet do nothing.
	failing := func(t *testing.T, attempts ...attempt) {
		t.Helper()
		for _, a := range attempts {
			if got, body := bootstrapper.send(t, server, a); got < 300 {
				t.Errorf("%s %s %s: status %d: %s", a.method, a.path, brief(a.body), got, body)
			}
		}
	}
	unchanged := func(t *testing.T) {
		t.Helper()
		if after := stateOf(t, root); !reflect.DeepEqual(after, before) {
			t.Errorf("the server changed from\n%v\nto\n%v", before, after)
		}
	}

	t.Run("policies", func(t *testing.T) {
		const evil = `path "*" { capabilities = ["sudo", "create", "read", "update", "delete", "list"] }`
		path := authz.PolicyPath(backupName)
		text := contract.Grants[1].Policy.Text
		policy := func(text any) map[string]any { return map[string]any{"policy": text} }
		for _, other := range []any{
			evil, text + "\n", "\n" + text, text + "\n" + evil, text + "*", "*" + text + "*", "*", "", strings.ToUpper(text),
			base64.StdEncoding.EncodeToString([]byte(evil)), base64.StdEncoding.EncodeToString([]byte(text)),
			contract.Grants[0].Policy.Text, []string{text}, map[string]any{"a": text}, nil, 1, true,
		} {
			try(t, put(path, policy(other)))
		}
		for name, value := range map[string]any{
			"name": ownName, "rules": evil, "ttl": "1h", "expiration": "2030-01-01T00:00:00Z", "cas_required": true, "type": "rgp",
			"paths": []string{"*"}, "allow_wildcards_in_identity_templates": true,
		} {
			try(t, put(path, map[string]any{"policy": text, name: value}))
		}
		try(t,
			put(path, json.RawMessage(`{"policy": `+quoted(text)+`, "policy": `+quoted(evil)+`}`)),
			put(path, json.RawMessage(`{"Policy": `+quoted(text)+`, "policy": `+quoted(evil)+`}`)),
			put(path, json.RawMessage(`{"POLICY": `+quoted(evil)+`}`)),
			attempt{http.MethodPatch, path, policy(evil)},
		)
		failing(t, put(path, map[string]any{}), put(path, map[string]any{"cas": 0}), put(path, map[string]any{"POLICY": text}))
		for _, name := range []string{
			"evil", "default", "root", ownName, strings.ToUpper(ownName), "OpenBao-Operator-Backup", backupName + "x", "openbao-operator-",
		} {
			try(t, put(authz.PolicyPath(name), policy(text)), remove(authz.PolicyPath(name)))
		}
		try(t, put("sys/policy/"+backupName, policy(evil)), put("sys/policy/evil", policy(evil)), remove("sys/policy/"+backupName),
			put("sys/policies/password/any", policy("length = 1")), list("sys/policies/acl"), get("sys/policies/acl/default"))
		for _, dots := range []string{"/../" + ownName, "/%2e%2e/" + ownName, "/..%2f" + ownName, "/", "//", "%00", "%20"} {
			failing(t, put(path+dots, policy(evil)))
		}
		unchanged(t)
	})

	t.Run("roles", func(t *testing.T) {
		requests := map[string]map[string]any{}
		for _, r := range authz.Requests(contract) {
			if r.Kind == authz.KindRole {
				requests[r.Name] = r.Data
			}
		}
		exact := requests[backupName]
		pinned := authz.RolePath(authz.MountPath, authz.PinnedRoleName(backupName))
		with := func(name string, value any) map[string]any {
			data := maps.Clone(exact)
			data[name] = value
			return data
		}
		others := []any{
			nil, "", "*", "x", "x*", 0, 1, 86400, true, []string{}, []string{""}, []string{"*"}, []string{"root"}, []string{backupName, "root"},
			[]any{}, []any{nil}, []any{[]any{}}, map[string]any{}, map[string]any{"a": "b"}, "86400s", "-1", ownName, "oidc", "glob",
			"system:serviceaccount:*", "system:serviceaccount:vaults:default", []string{ownName}, []string{"openbao-internal", "x"}, "batch", "false",
		}
		tried := 0
		for field, value := range exact {
			data := maps.Clone(exact)
			delete(data, field)
			try(t, put(pinned, data))
			for _, other := range others {
				if quoted(other) == quoted(value) {
					continue
				}
				tried++
				try(t, put(pinned, with(field, other)))
			}
			// The server ignores fields in other letters, but for the rule they are one.
			data[strings.ToUpper(field)] = value
			try(t, put(pinned, data))
		}
		if want := len(exact) * (len(others) - 2); tried < want {
			t.Errorf("only %d other values were tried, of at least %d", tried, want)
		}
		for field, value := range map[string]any{
			"name": "evil", "policies": []string{"root"}, "ttl": "999h", "max_ttl": "999h", "period": "1h", "num_uses": 0,
			"bound_cidrs": []string{}, "allowed_redirect_uris": []string{"https://x"}, "oidc_scopes": []string{"x"},
			"verbose_oidc_logging": true, "max_age": "1s", "callback_mode": "direct", "Token_Policies": []string{"root"},
		} {
			try(t, put(pinned, with(field, value)))
		}
		plain := authz.RolePath(authz.MountPath, backupName)
		try(t, put(pinned, nil), put(pinned, map[string]any{}), put(pinned, map[string]any{"role_type": "jwt"}),
			get(pinned), remove(pinned),
			put(plain, exact), put(plain, with("token_policies", []string{"root"})), put(plain, map[string]any{}))
		for name, data := range requests {
			if name != backupName && name != restoreName {
				try(t, put(pinned, data))
			}
			if name == ownName {
				continue
			}
			try(t, put(authz.RolePath(authz.MountPath, authz.PinnedRoleName(name)), requests[ownName]))
		}
		for _, name := range []string{
			ownName, strings.ToUpper(ownName), "Openbao-Operator-Backup", "evil", "EVIL", backupName + "x", "default", strings.ToUpper(backupName) + "X",
		} {
			path := authz.RolePath(authz.MountPath, name)
			try(t, put(path, exact), put(path, requests[ownName]), put(path, map[string]any{"role_type": "jwt", "user_claim": "sub"}), remove(path))
		}
		// A form carries no lists that a rule could know.
		form := ""
		for field, value := range exact {
			form += field + "=" + strings.Trim(fmt.Sprint(value), "[]") + "&"
		}
		try(t, attempt{http.MethodPut, pinned, form})
		for _, dots := range []string{"/../" + ownName, "/%2e%2e/" + ownName, "/", "//"} {
			failing(t, put(pinned+dots, requests[ownName]))
		}
		unchanged(t)
	})

	t.Run("a role made anew", func(t *testing.T) {
		const name = "nightly-2"
		data := contract.Grants[4].Role
		if data.Name != name {
			t.Fatalf("the grant is %s", data.Name)
		}
		if got, body := bootstrapper.send(t, server, remove(authz.RolePath(authz.MountPath, name))); got != http.StatusNoContent {
			t.Fatalf("status %d: %s", got, body)
		}
		path := authz.RolePath(authz.MountPath, authz.PinnedRoleName(name))
		for _, r := range authz.Requests(contract) {
			if r.Name != name {
				continue
			}
			for field := range r.Data {
				partial := maps.Clone(r.Data)
				delete(partial, field)
				try(t, put(path, partial))
			}
			if got, body := bootstrapper.send(t, server, put(path, r.Data)); got != http.StatusNoContent && got != http.StatusOK {
				t.Errorf("the whole role: status %d: %s", got, body)
			}
		}
		unchanged(t)
	})

	t.Run("config and mount", func(t *testing.T) {
		config := map[string]any{"bound_issuer": issuer, "jwt_validation_pubkeys": []string{signer.key.PEM}}
		with := func(name string, value any) map[string]any {
			data := maps.Clone(config)
			data[name] = value
			return data
		}
		path := authz.ConfigPath(authz.MountPath)
		for name, value := range map[string]any{
			"bound_issuer": "https://elsewhere", "jwks_url": "https://elsewhere/jwks", "oidc_discovery_url": "https://elsewhere",
			"default_role": "evil", "provider_config": map[string]any{"provider": "kubernetes"}, "oidc_client_id": "x", "jwks_ca_pem": "x",
		} {
			try(t, put(path, with(name, value)))
		}
		try(t, put(path, with("bound_issuer", "*")), put(path, with("bound_issuer", "")), put(path, with("bound_issuer", nil)),
			put(path, with("bound_issuer", []string{issuer})), remove(path),
			put("sys/auth/evil", map[string]any{"type": "userpass"}), put("sys/auth/"+authz.MountPath, map[string]any{"type": "jwt"}),
			remove("sys/auth/"+authz.MountPath), remove("sys/auth/token"), get("sys/auth/"+authz.MountPath),
			put("sys/auth/"+authz.MountPath+"/tune", map[string]any{"max_lease_ttl": "999h"}), put("sys/auth/token/tune", map[string]any{"max_lease_ttl": "999h"}),
			put("sys/mounts/auth/"+authz.MountPath+"/tune", map[string]any{"max_lease_ttl": "999h"}),
			put("sys/mounts/evil", map[string]any{"type": "kv"}), remove("sys/mounts/cubbyhole"), get("sys/mounts"),
			put("sys/remount", map[string]any{"from": "auth/" + authz.MountPath, "to": "auth/evil"}))
		failing(t, put("auth/"+authz.MountPath+"/oidc/auth_url", map[string]any{"role": ownName}))
		unchanged(t)
	})

	t.Run("tokens and identities", func(t *testing.T) {
		token := bootstrapper.api.Token()
		try(t,
			put("auth/token/create", map[string]any{"policies": []string{"root"}}), put("auth/token/create", nil),
			put("auth/token/create", map[string]any{"policies": []string{ownName}, "period": "24h"}),
			put("auth/token/create-orphan", map[string]any{"policies": []string{ownName}}), put("auth/token/create/any", nil),
			put("auth/token/roles/any", map[string]any{"allowed_policies": []string{"root"}}), get("auth/token/roles/any"),
			put("auth/token/lookup", map[string]any{"token": token}), put("auth/token/renew", map[string]any{"token": token}),
			put("auth/token/renew-accessor", map[string]any{"accessor": accessor.Data["accessor"]}),
			put("auth/token/lookup-accessor", map[string]any{"accessor": accessor.Data["accessor"]}),
			put("auth/token/revoke-accessor", map[string]any{"accessor": accessor.Data["accessor"]}),
			put("auth/token/revoke", map[string]any{"token": server.RootToken}), put("auth/token/revoke-orphan", map[string]any{"token": token}),
			list("auth/token/accessors"), put("auth/token/tidy", nil),
			put("identity/entity", map[string]any{"name": "evil", "policies": []string{"root"}}), list("identity/entity/id"),
			put("identity/entity/id/any", map[string]any{"policies": []string{"root"}}), put("identity/entity/merge", map[string]any{}),
			put("identity/entity-alias", map[string]any{"name": "x"}), put("identity/group", map[string]any{"name": "g", "policies": []string{"root"}}),
			put("identity/group-alias", map[string]any{"name": "x"}), put("identity/lookup/entity", map[string]any{"name": "x"}),
			put("identity/oidc/key/any", map[string]any{"allowed_client_ids": "*"}), put("identity/oidc/role/any", map[string]any{"key": "any"}),
			get("identity/oidc/token/any"), put("identity/oidc/config", map[string]any{"issuer": "https://x"}),
			put("cubbyhole/any", map[string]any{"a": "b"}), get("cubbyhole/any"), get("secret/data/any"), put("secret/data/any", map[string]any{"data": 1}),
			put("sys/wrapping/wrap", map[string]any{"a": "b"}),
		)
		if ttl, err := bootstrapper.RenewSelf(t.Context()); err != nil || ttl > grant.Role.MaxTTL {
			t.Errorf("renewed to %s, %v; the maximum is %s", ttl, err, grant.Role.MaxTTL)
		}
		if got, body := bootstrapper.send(t, server, put("auth/token/renew-self", map[string]any{"increment": "999h"})); got != http.StatusOK {
			t.Errorf("renewing by more: status %d: %s", got, body)
		}
		info, err := bootstrapper.LookupSelf(t.Context())
		if err != nil || info.TTL > grant.Role.MaxTTL || !slices.Equal(info.Policies, []string{ownName}) {
			t.Errorf("the token is %+v, %v", info, err)
		}
		unchanged(t)
	})

	t.Run("system", func(t *testing.T) {
		try(t,
			put("sys/seal", nil), put("sys/step-down", nil), put("sys/rotate", nil), put("sys/rotate/config", map[string]any{"enabled": false}),
			get("sys/raw/core/keyring"), put("sys/raw/any", map[string]any{"value": "x"}), list("sys/raw"),
			put("sys/audit/any", map[string]any{"type": "file"}), get("sys/audit"), remove("sys/audit/any"), put("sys/audit-hash/any", map[string]any{"input": "x"}),
			put("sys/capabilities", map[string]any{"token": server.RootToken, "paths": []string{"x"}}),
			put("sys/capabilities-accessor", map[string]any{"accessor": accessor.Data["accessor"], "paths": []string{"x"}}),
			put("sys/leases/lookup", map[string]any{"lease_id": "x"}), put("sys/leases/revoke", map[string]any{"lease_id": "x"}),
			put("sys/leases/revoke-prefix/auth", nil), put("sys/leases/revoke-force/auth", nil), list("sys/leases/lookup"), put("sys/leases/tidy", nil),
			put("sys/plugins/catalog/auth/any", map[string]any{"sha256": "x", "command": "x"}), put("sys/plugins/reload/backend", map[string]any{"plugin": "jwt"}),
			get("sys/config/cors"), put("sys/config/cors", map[string]any{"enabled": true}), put("sys/config/ui/headers/any", map[string]any{"values": "x"}),
			put("sys/config/auditing/request-headers/any", map[string]any{"hmac": false}), get("sys/config/state/sanitized"),
			put("sys/quotas/rate-limit/any", map[string]any{"rate": 1}), get("sys/metrics"), get("sys/host-info"), get("sys/pprof/heap"),
			get("sys/key-status"), put("sys/tools/random", nil), put("sys/tools/hash", map[string]any{"input": "x"}),
			get("sys/storage/raft/snapshot"), get("sys/storage/raft/configuration"), get("sys/storage/raft/autopilot/state"),
			get("sys/storage/raft/autopilot/configuration"), put("sys/storage/raft/autopilot/configuration", map[string]any{"cleanup_dead_servers": false}),
			put("sys/storage/raft/remove-peer", map[string]any{"server_id": "x"}),
			put("sys/storage/raft/promote", map[string]any{"server_id": "x"}), put("sys/storage/raft/demote", map[string]any{"server_id": "x"}),
			attempt{http.MethodPut, "sys/storage/raft/snapshot", "x"}, attempt{http.MethodPut, "sys/storage/raft/snapshot-force", "x"},
		)
		if server.Kind == stack.Embedded {
			try(t, put("sys/renew", map[string]any{"lease_id": "x"}), put("sys/control-group/request", map[string]any{"accessor": "x"}))
		}
		// These need no token but the unseal key, which nobody here has.
		failing(t,
			put("sys/generate-root/update", map[string]any{"key": "eA==", "nonce": "x"}), put("sys/rekey/update", map[string]any{"key": "eA==", "nonce": "x"}),
			put("sys/init", map[string]any{"secret_shares": 1, "secret_threshold": 1}),
		)
		unchanged(t)
	})
}

// TestRootEquivalentIsTrue shows that what is said to be as good as root is so, and
// that it is not without a restore: the keys cannot be pinned, and the restore role
// cannot be added.
func TestRootEquivalentIsTrue(t *testing.T) {
	server := fresh(t)
	signer, evil := newSigner(t, "a"), newSigner(t, "evil")
	whole := desired(t, cluster(), signer.key)
	contract := desired(t, cluster(func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Restore = nil }), signer.key)
	root := rootClient(t, server)
	send(t, root, authz.Requests(contract))
	for _, c := range []authz.Contract{contract, whole} {
		if len(authz.RootEquivalent(c)) != 1 {
			t.Fatalf("got %q", authz.RootEquivalent(c))
		}
	}
	grant, _ := contract.Bootstrapper()
	bootstrapper := logIn(t, server, signer, grant)
	for _, r := range authz.Requests(whole) {
		if r.Name != restoreName {
			continue
		}
		paths := []string{r.Path}
		if r.Kind == authz.KindRole {
			paths = append(paths, authz.RolePath(authz.MountPath, authz.PinnedRoleName(r.Name)))
		}
		for _, path := range paths {
			if got, body := bootstrapper.send(t, server, put(path, r.Data)); got != http.StatusForbidden {
				t.Errorf("PUT %s without a restore: status %d: %s", path, got, body)
			}
		}
	}

	send(t, root, authz.Requests(whole)[1:])
	grant, _ = whole.Bootstrapper()
	bootstrapper = logIn(t, server, signer, grant)
	if err := bootstrapper.WriteConfig(t.Context(), authz.MountPath, map[string]any{
		"bound_issuer": issuer, "jwt_validation_pubkeys": []string{evil.key.PEM},
	}); err != nil {
		t.Fatal(err)
	}
	for _, g := range whole.Grants {
		if g.Identity != authz.Operator && g.Role.Name != restoreName {
			continue
		}
		// A refused login fails the test.
		got, err := logIn(t, server, evil, g).CapabilitiesSelf(t.Context(), "sys/storage/raft/snapshot-force")
		if want := g.Role.Name == restoreName; err != nil || slices.Contains(got["sys/storage/raft/snapshot-force"], "update") != want {
			t.Errorf("as %s: %v, %v", g.Role.Name, got, err)
		}
	}
}

// TestRestoreStaysBound has the standing identity try to let another account restore.
func TestRestoreStaysBound(t *testing.T) {
	server := fresh(t)
	root := rootClient(t, server)
	signer := newSigner(t, "a")
	contract := desired(t, cluster(), signer.key)
	send(t, root, authz.Requests(contract))
	restore, _ := contract.Restore()
	grant, _ := contract.Bootstrapper()
	bootstrapper := logIn(t, server, signer, grant)
	login := func(uid string) error {
		jwt := signer.jwt(t, restore.Role.Subject, restore.Role.Audiences[0], func(claims map[string]any) {
			claims["kubernetes.io"] = map[string]any{"serviceaccount": map[string]any{"uid": uid}}
		})
		_, err := ourClient(t, server, "").LoginJWT(t.Context(), authz.MountPath, restoreName, jwt)
		return err
	}
	bound := func(when string) {
		t.Helper()
		if err := login(accountUID); err != nil {
			t.Errorf("%s: the account cannot log in: %v", when, err)
		}
		for _, uid := range []string{"", "else", accountUID + "x"} {
			if err := login(uid); !openbao.IsLoginRefused(err) {
				t.Errorf("%s: an account with the UID %q: %v", when, uid, err)
			}
		}
	}
	bound("as written")

	var exact map[string]any
	for _, r := range authz.Requests(contract) {
		if r.Kind == authz.KindRole && r.Name == restoreName {
			exact = r.Data
		}
	}
	without := maps.Clone(exact)
	delete(without, "bound_claims")
	pinned := authz.RolePath(authz.MountPath, authz.PinnedRoleName(restoreName))
	for _, claims := range []any{nil, []string{}, map[string]any{}, exact["bound_claims"], map[string]any{"a": "b"}, []any{exact["bound_claims"]}} {
		data := maps.Clone(without)
		data["bound_claims"] = claims
		if got, body := bootstrapper.send(t, server, put(pinned, data)); got != http.StatusForbidden {
			t.Errorf("the claims %s: status %d: %s", quoted(claims), got, body)
		}
	}
	for name, value := range map[string]any{"bound_subject": "else", "bound_claims_type": "glob", "bound_audiences": []string{"x"}, "token_policies": []string{"root"}} {
		data := maps.Clone(without)
		data[name] = value
		if got, body := bootstrapper.send(t, server, put(pinned, data)); got != http.StatusForbidden {
			t.Errorf("%s %v: status %d: %s", name, value, got, body)
		}
	}
	bound("after the attempts")

	// What else was edited is repaired, and the claims stay.
	write(t, root, authz.RolePath(authz.MountPath, restoreName), map[string]any{"role_type": "jwt", "bound_subject": "else", "token_ttl": 60})
	recorded := authz.Recorded{Mount: authz.MountPath, Policies: contract.PolicyNames(), Roles: contract.RoleNames()}
	plan := authz.Diff(contract, readAll(t, bootstrapper, contract), recorded)
	if len(plan) != 1 || len(plan.Repairable()) != 1 {
		t.Fatalf("the plan is %+v", plan)
	}
	if err := apply(t, bootstrapper, plan[0]); err != nil {
		t.Fatal(err)
	}
	bound("after the repair")

	// Without the role there is nothing to keep claims from.
	write(t, root, authz.RolePath(authz.MountPath, restoreName), map[string]any{"role_type": "jwt", "bound_claims": map[string]any{}})
	plan = authz.Diff(contract, readAll(t, bootstrapper, contract), recorded)
	if len(plan) != 1 || len(plan.NeedAdmin()) != 1 || !denied(t, func() error {
		_, err := bootstrapper.api.Logical().WriteWithContext(t.Context(), pinned, plan[0].Request.Data)
		return err
	}()) {
		t.Errorf("without claims: %+v", plan)
	}
	if err := bootstrapper.DeleteRole(t.Context(), authz.MountPath, restoreName); err != nil {
		t.Fatal(err)
	}
	for _, data := range []map[string]any{exact, without} {
		if got, body := bootstrapper.send(t, server, put(pinned, data)); got != http.StatusForbidden {
			t.Errorf("creating the role: status %d: %s", got, body)
		}
	}
}

// send makes a request with the session's token and returns the status and the
// body of the answer. It follows no redirect.
func (s session) send(t *testing.T, server *stack.OpenBao, a attempt) (int, string) {
	t.Helper()
	var body []byte
	switch b := a.body.(type) {
	case nil:
	case string:
		body = []byte(b)
	default:
		var err error
		if body, err = json.Marshal(b); err != nil {
			t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), a.method, server.Address+"/v1/"+a.path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Vault-Token", s.api.Token())
	if a.method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	if text, ok := a.body.(string); ok && strings.Contains(text, "=") {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := *s.api.CloneConfig().HttpClient
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, brief(answer.String())
}

func quoted(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func brief(value any) string {
	text := quoted(value)
	return text[:min(len(text), 300)]
}
