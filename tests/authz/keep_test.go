// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// TestBootstrapperKeepsTheContract has the bootstrapper read all of a contract,
// and repair it after everything in it was edited, deleted or superseded.
func TestBootstrapperKeepsTheContract(t *testing.T) {
	server := fresh(t)
	root := rootClient(t, server)
	signer, next := newSigner(t, "a"), newSigner(t, "b")
	for _, base := range []struct {
		name   string
		mutate []func(*openbaov1alpha1.OpenBaoClusterSpec)
	}{
		{"document", nil},
		{"minimal", []func(*openbaov1alpha1.OpenBaoClusterSpec){minimal}},
	} {
		t.Run(base.name, func(t *testing.T) {
			with := func(mutate ...func(*openbaov1alpha1.OpenBaoClusterSpec)) *openbaov1alpha1.OpenBaoCluster {
				return cluster(append(slices.Clone(base.mutate), mutate...)...)
			}
			rolling := desired(t, with(), signer.key)
			const theirs = `path "x" { capabilities = ["read"] }`
			write(t, root, authz.PolicyPath("theirs"), map[string]any{"policy": theirs})
			requests := authz.Requests(rolling)
			if mounts, err := root.Sys().ListAuthWithContext(t.Context()); err != nil {
				t.Fatal(err)
			} else if mounts[authz.MountPath+"/"] != nil {
				requests = requests[1:]
			}
			send(t, root, requests)
			grant, _ := rolling.Bootstrapper()
			bootstrapper := logIn(t, server, signer, grant)
			recorded := authz.Recorded{Mount: authz.MountPath, Config: true, Policies: rolling.PolicyNames(), Roles: rolling.RoleNames()}

			for _, step := range []struct {
				name    string
				damage  func()
				desired authz.Contract
				changes int
			}{
				{"nothing to do", nil, rolling, 0},
				{"edited", func() {
					for _, r := range requests {
						switch {
						case r.Name == ownName:
						case r.Kind == authz.KindPolicy:
							write(t, root, r.Path, map[string]any{"policy": `path "*" { capabilities = ["read"] }`})
						case r.Kind == authz.KindRole:
							data := map[string]any{
								"role_type": "jwt", "bound_subject": "x", "token_policies": "root-like", "token_ttl": 60,
								"claim_mappings": map[string]any{"sub": "who"},
							}
							if r.Name != restoreName {
								data["bound_claims"] = map[string]any{"a": "b"}
							}
							write(t, root, r.Path, data)
						case r.Kind == authz.KindConfig:
							write(t, root, r.Path, map[string]any{"jwt_validation_pubkeys": next.key.PEM, "default_role": "x"})
						}
					}
				}, rolling, 1 + 4 + 5},
				{"deleted", func() {
					for _, r := range requests {
						if r.Name != ownName && r.Name != restoreName && (r.Kind == authz.KindPolicy || r.Kind == authz.KindRole) {
							if _, err := root.Logical().DeleteWithContext(t.Context(), r.Path); err != nil {
								t.Fatal(err)
							}
						}
					}
				}, rolling, 3 + 4},
				{"other strategy", nil, desired(t, with(blueGreen), signer.key), 1},
				{"back again", nil, rolling, 1},
				{"keys rotated", nil, desired(t, with(), signer.key, next.key), 1},
				{"old keys dropped", nil, desired(t, with(), next.key), 1},
				{"backup and upgrade go", nil, desired(t, with(func(s *openbaov1alpha1.OpenBaoClusterSpec) {
					s.Backup, s.Upgrade = nil, nil
				}), next.key), 5},
				{"and come back, blue/green", nil, desired(t, with(blueGreen), next.key), 5},
			} {
				if step.damage != nil {
					step.damage()
				}
				plan := authz.Diff(step.desired, readAll(t, bootstrapper, rolling), recorded)
				if len(plan) != step.changes || len(plan.Repairable()) != len(plan) {
					t.Fatalf("%s: the plan has %d changes, of which %d can be made, want %d: %+v",
						step.name, len(plan), len(plan.Repairable()), step.changes, plan)
				}
				for _, c := range plan {
					if err := apply(t, bootstrapper, c); err != nil {
						t.Fatalf("%s: %s %s %s: %v", step.name, c.Action, c.Kind, c.Name, err)
					}
				}
				if plan := authz.Diff(step.desired, readAll(t, bootstrapper, rolling), recorded); len(plan) > 0 {
					t.Fatalf("%s: after the repair there is still %+v", step.name, plan)
				}
			}
			if text := read(t, root, authz.PolicyPath("theirs"))["policy"]; text != theirs {
				t.Errorf("the policy of someone else is now %q", text)
			}
		})
	}
}

// TestObserverOnlyReads checks that mode Observe reads everything and writes nothing.
func TestObserverOnlyReads(t *testing.T) {
	server := fresh(t)
	root := rootClient(t, server)
	signer := newSigner(t, "a")
	contract := desired(t, cluster(observe), signer.key)
	send(t, root, authz.Requests(contract))
	grant, _ := contract.Bootstrapper()
	observer := logIn(t, server, signer, grant)
	if plan := authz.Diff(contract, readAll(t, observer, contract), authz.Recorded{}); len(plan) > 0 {
		t.Errorf("got the plan %+v", plan)
	}
	// What is missing has to be seen as well.
	for _, name := range []string{backupName, "openbao-operator-upgrade"} {
		if _, err := root.Logical().DeleteWithContext(t.Context(), authz.RolePath(authz.MountPath, name)); err != nil {
			t.Fatal(err)
		}
	}
	plan := authz.Diff(contract, readAll(t, observer, contract), authz.Recorded{})
	if len(plan) != 2 || len(plan.NeedAdmin()) != 2 {
		t.Errorf("got the plan %+v, want two changes that need an admin token", plan)
	}
	before := stateOf(t, root)
	for _, r := range authz.Requests(contract) {
		paths := []string{r.Path}
		if r.Kind == authz.KindRole {
			paths = append(paths, authz.RolePath(authz.MountPath, authz.PinnedRoleName(r.Name)))
		}
		for _, path := range paths {
			if got, body := observer.send(t, server, put(path, r.Data)); got != 403 {
				t.Errorf("PUT %s: status %d: %s", path, got, body)
			}
			if got, body := observer.send(t, server, remove(path)); got != 403 {
				t.Errorf("DELETE %s: status %d: %s", path, got, body)
			}
		}
	}
	if after := stateOf(t, root); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the server changed from\n%v\nto\n%v", before, after)
	}
}

// TestRemoval removes a contract with an admin token, and as much of it as the
// bootstrapper may.
func TestRemoval(t *testing.T) {
	server := fresh(t)
	root := rootClient(t, server)
	admin := session{Client: ourClient(t, server, server.RootToken)}
	signer := newSigner(t, "a")
	contract := desired(t, cluster(), signer.key)
	empty := namesOf(t, admin)
	recorded := authz.Recorded{Mount: authz.MountPath, Config: true, MountCreated: true, Policies: contract.PolicyNames(), Roles: contract.RoleNames()}
	observe := func(reader session) authz.Observed {
		o := readAll(t, reader, contract)
		var err error
		if o.MountRoles, err = admin.ListRoles(t.Context(), authz.MountPath); err != nil {
			t.Fatal(err)
		}
		return o
	}

	send(t, root, authz.Requests(contract))
	grant, _ := contract.Bootstrapper()
	bootstrapper := logIn(t, server, signer, grant)
	plan := authz.Removal(observe(bootstrapper), recorded)
	if len(plan) != 5+4+2+1 || len(plan.NeedAdmin()) != 3 {
		t.Fatalf("got the plan %+v", plan)
	}
	for _, c := range plan {
		err := apply(t, bootstrapper, c)
		if class := openbao.ClassOf(err); (class == openbao.PermissionDenied) != c.NeedsAdmin || (class != "" && class != openbao.PermissionDenied) {
			t.Errorf("%s %s %s as the bootstrapper: %v", c.Action, c.Kind, c.Name, err)
		}
	}
	plan = authz.Removal(observe(admin), recorded)
	if len(plan) != 3 {
		t.Fatalf("left is the plan %+v", plan)
	}
	for _, c := range plan {
		if err := apply(t, admin, c); err != nil {
			t.Errorf("%s %s %s: %v", c.Action, c.Kind, c.Name, err)
		}
	}
	if after := namesOf(t, admin); !slices.Equal(after, empty) {
		t.Errorf("left are %q, there were %q", after, empty)
	}
	// It is gone, which is no error either.
	if err := admin.DisableAuth(t.Context(), authz.MountPath); err != nil {
		t.Errorf("Disabling a mount that is gone: %v", err)
	}
	if roles, err := admin.ListRoles(t.Context(), authz.MountPath); err == nil && len(roles) > 0 {
		t.Errorf("a mount that is gone has the roles %q", roles)
	}
}

// TestRefusedLogins tells the reasons for which a login is refused.
func TestRefusedLogins(t *testing.T) {
	server := fresh(t)
	anonymous := ourClient(t, server, "")
	signer, stranger := newSigner(t, "a"), newSigner(t, "b")
	contract := desired(t, cluster(), signer.key)
	role := contract.Grants[1].Role
	audience := role.Audiences[0]
	logIn := func(role string, jwt openbao.Token) error {
		_, err := anonymous.LoginJWT(t.Context(), authz.MountPath, role, jwt)
		return err
	}
	if err := logIn(role.Name, signer.jwt(t, role.Subject, audience)); err == nil || openbao.IsUnknownKey(err) {
		t.Errorf("without a mount: %v", err)
	}
	send(t, rootClient(t, server), authz.Requests(contract))

	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signing, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: private}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any{"iss": issuer, "sub": role.Subject, "aud": audience, "exp": time.Now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signing.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	otherType, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}

	claim := func(name string, value any) func(map[string]any) {
		return func(claims map[string]any) { claims[name] = value }
	}
	for name, tc := range map[string]struct {
		role       string
		jwt        openbao.Token
		unknownKey bool
	}{
		"another key":              {role.Name, stranger.jwt(t, role.Subject, audience), true},
		"another type of key":      {role.Name, openbao.NewToken(otherType), true},
		"another key and audience": {role.Name, stranger.jwt(t, role.Subject, "x"), true},
		"another audience":         {role.Name, signer.jwt(t, role.Subject, "bailiwick.dev/decoy"), false},
		"another subject":          {role.Name, signer.jwt(t, operatorSubject, audience), false},
		"another namespace":        {role.Name, signer.jwt(t, "system:serviceaccount:other:prod-backup-serviceaccount", audience), false},
		"another issuer":           {role.Name, signer.jwt(t, role.Subject, audience, claim("iss", "https://elsewhere")), false},
		"expired":                  {role.Name, signer.jwt(t, role.Subject, audience, claim("exp", time.Now().Add(-time.Hour).Unix())), false},
		"not valid yet":            {role.Name, signer.jwt(t, role.Subject, audience, claim("nbf", time.Now().Add(time.Hour).Unix())), false},
		"another role":             {"openbao-operator", signer.jwt(t, role.Subject, audience), false},
		"no such role":             {"none", signer.jwt(t, role.Subject, audience), false},
	} {
		err := logIn(tc.role, tc.jwt)
		if !openbao.IsLoginRefused(err) || openbao.IsUnknownKey(err) != tc.unknownKey {
			t.Errorf("%s: class %q, %v", name, openbao.ClassOf(err), err)
		}
	}
	// Names of roles are read in lower case.
	if err := logIn(authz.PinnedRoleName(role.Name), signer.jwt(t, role.Subject, audience)); err != nil {
		t.Errorf("by the pinned name: %v", err)
	}
	// After a hard rotation the old key is unknown.
	write(t, rootClient(t, server), authz.ConfigPath(authz.MountPath), map[string]any{
		"bound_issuer": issuer, "jwt_validation_pubkeys": []string{stranger.key.PEM}, "jwt_supported_algs": []string{"ES256"},
	})
	if err := logIn(role.Name, signer.jwt(t, role.Subject, audience)); !openbao.IsUnknownKey(err) {
		t.Errorf("after the rotation: class %q, %v", openbao.ClassOf(err), err)
	}
}

// readAll reads all that a contract names, as the operator does.
func readAll(t *testing.T, s session, contract authz.Contract) authz.Observed {
	t.Helper()
	o := authz.Observed{Policies: map[string]string{}, Roles: map[string]map[string]any{}}
	mounts, err := s.AuthMounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mount := mounts[authz.MountPath]
	o.Mount = &authz.Mount{Path: authz.MountPath, Type: mount.Type, Description: mount.Description}
	if o.Config, err = s.ReadConfig(t.Context(), authz.MountPath); err != nil {
		t.Fatal(err)
	}
	for _, name := range contract.PolicyNames() {
		policy, err := s.ReadPolicy(t.Context(), name)
		if err != nil && !openbao.IsNotFound(err) {
			t.Fatal(err)
		}
		if err == nil {
			o.Policies[name] = policy.Text
		}
	}
	for _, name := range contract.RoleNames() {
		role, err := s.ReadRole(t.Context(), authz.MountPath, name)
		if err != nil && !openbao.IsNotFound(err) {
			t.Fatal(err)
		}
		if err == nil {
			o.Roles[name] = role
		}
	}
	return o
}

// apply makes a change as the operator does in the place of the bootstrapper.
func apply(t *testing.T, s session, c authz.Change) error {
	t.Helper()
	ctx := t.Context()
	switch {
	case c.Kind == authz.KindMount && c.Action == authz.Delete:
		return s.DisableAuth(ctx, c.Name)
	case c.Kind == authz.KindPolicy && c.Action == authz.Delete:
		return s.DeletePolicy(ctx, c.Name)
	case c.Kind == authz.KindRole && c.Action == authz.Delete:
		return s.DeleteRole(ctx, authz.MountPath, c.Name)
	case c.Kind == authz.KindConfig:
		return s.WriteConfig(ctx, c.Name, c.Request.Data)
	case c.Kind == authz.KindRole:
		return s.WriteRole(ctx, authz.MountPath, authz.PinnedRoleName(c.Name), c.Request.Data)
	case c.Kind == authz.KindPolicy:
		var read *openbao.Policy
		if c.Action == authz.Update {
			policy, err := s.ReadPolicy(ctx, c.Name)
			if err != nil {
				return err
			}
			read = &policy
		}
		return s.WritePolicy(ctx, c.Name, c.Request.Data["policy"].(string), read)
	}
	return fmt.Errorf("no way to %s a %s", c.Action, c.Kind)
}

// namesOf returns the names of the policies and auth mounts.
func namesOf(t *testing.T, s session) []string {
	t.Helper()
	var names []string
	mounts, err := s.AuthMounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for path := range mounts {
		names = append(names, "mount "+path)
	}
	for _, name := range []string{"openbao-operator", backupName, "openbao-operator-restore", "openbao-operator-upgrade", ownName} {
		if _, err := s.ReadPolicy(t.Context(), name); err == nil {
			names = append(names, "policy "+name)
		}
	}
	slices.Sort(names)
	return names
}
