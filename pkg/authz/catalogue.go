// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"maps"
	"slices"
)

// sensitivePaths are paths that decide who may do what, give out or destroy data,
// or stop a server. Most identities have no right on them.
var sensitivePaths = []string{
	"auth/token/accessors",
	"auth/token/create",
	"auth/token/create-orphan",
	"auth/token/lookup",
	"auth/token/lookup-accessor",
	"auth/token/lookup-self",
	"auth/token/renew-self",
	"auth/token/revoke",
	"auth/token/revoke-accessor",
	"auth/token/revoke-orphan",
	"auth/token/revoke-self",
	"auth/token/roles/any",
	"cubbyhole/any",
	"identity/entity",
	"identity/entity-alias",
	"identity/entity/id/any",
	"identity/entity/name/any",
	"identity/group",
	"identity/group/name/any",
	"identity/oidc/config",
	"identity/oidc/key/any",
	"identity/oidc/provider/any/authorize",
	"identity/oidc/role/any",
	"identity/oidc/token/any",
	"secret/data/any",
	"secret/metadata/any",
	"sys/audit",
	"sys/audit/any",
	"sys/auth",
	"sys/auth/any",
	"sys/capabilities",
	"sys/capabilities-accessor",
	"sys/capabilities-self",
	"sys/config/auditing/request-headers/any",
	"sys/config/cors",
	"sys/config/ui/headers/any",
	"sys/control-group/request",
	"sys/decode-token",
	"sys/generate-root/attempt",
	"sys/generate-root/update",
	"sys/health",
	"sys/host-info",
	"sys/internal/ui/mounts",
	"sys/internal/ui/resultant-acl",
	"sys/key-status",
	"sys/leader",
	"sys/leases/lookup",
	"sys/leases/lookup/any",
	"sys/leases/renew",
	"sys/leases/revoke",
	"sys/leases/revoke-force/any",
	"sys/leases/revoke-prefix/any",
	"sys/metrics",
	"sys/mounts",
	"sys/mounts/any",
	"sys/mounts/auth/any/tune",
	"sys/namespaces/any",
	"sys/plugins/catalog/auth/any",
	"sys/plugins/reload/backend",
	"sys/policies/acl",
	"sys/policies/acl/any",
	"sys/policies/acl/default",
	"sys/policies/password/any",
	"sys/policy/any",
	"sys/pprof/heap",
	"sys/quotas/rate-limit/any",
	"sys/raw/any",
	"sys/rekey/init",
	"sys/rekey/update",
	"sys/rekey-recovery-key/init",
	"sys/remount",
	"sys/renew",
	"sys/rotate",
	"sys/rotate/config",
	"sys/rotate/root/init",
	"sys/seal",
	"sys/step-down",
	"sys/storage/raft/autopilot/configuration",
	"sys/storage/raft/autopilot/state",
	"sys/storage/raft/bootstrap",
	"sys/storage/raft/configuration",
	"sys/storage/raft/demote",
	"sys/storage/raft/join",
	"sys/storage/raft/promote",
	"sys/storage/raft/remove-peer",
	"sys/storage/raft/snapshot",
	"sys/storage/raft/snapshot-auto/config/any",
	"sys/storage/raft/snapshot-force",
	"sys/tools/hash",
	"sys/tools/hash/any",
	"sys/tools/random",
	"sys/unseal",
	"sys/wrapping/lookup",
	"sys/wrapping/rewrap",
	"sys/wrapping/unwrap",
	"sys/wrapping/wrap",
}

// Catalogue returns the paths on which the rights of every identity are compared,
// sorted: all that the contract names, and those on which more than it gives would
// do harm.
func Catalogue(c Contract) []string {
	paths := map[string]bool{}
	for _, path := range sensitivePaths {
		paths[path] = true
	}
	for _, path := range []string{MountAPIPath(c.Mount.Path), MountAPIPath(c.Mount.Path) + "/tune", ConfigPath(c.Mount.Path),
		RolePath(c.Mount.Path, "any"), "auth/" + c.Mount.Path + "/role"} {
		paths[path] = true
	}
	for _, g := range c.Grants {
		paths[PolicyPath(g.Policy.Name)] = true
		paths[RolePath(c.Mount.Path, g.Role.Name)] = true
		paths[RolePath(c.Mount.Path, PinnedRoleName(g.Role.Name))] = true
		set, err := parseRules(g.Policy.Text)
		if err != nil {
			continue
		}
		for path := range set {
			if !isPattern(path) {
				paths[path] = true
			}
		}
	}
	for _, id := range identities {
		paths[PolicyPath(id.defaultName)] = true
		paths[RolePath(c.Mount.Path, id.defaultName)] = true
	}
	paths[PolicyPath(bootstrapperName)] = true
	paths[RolePath(c.Mount.Path, bootstrapperName)] = true
	return slices.Sorted(maps.Keys(paths))
}
