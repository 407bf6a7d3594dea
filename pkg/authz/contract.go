// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"slices"
	"time"
)

// Contract is what a server must hold for one cluster.
type Contract struct {
	Mount  Mount
	Config Config
	// Grants are ordered: operator, backup, restore, upgrade, membership, remove-peer,
	// then the additional subjects by role, then the bootstrapper. Grants of the same identity share
	// their policy.
	Grants []Grant
}

// Mount is an auth mount.
type Mount struct {
	// Path has no "auth/" before it and no slash at its end.
	Path        string
	Type        string
	Description string
}

// Config is the configuration of the JWT auth mount.
type Config struct {
	// BoundIssuer is the iss claim that tokens must carry.
	BoundIssuer string
	// Keys verify the signatures of tokens, ordered by id. There are none where the
	// server reads them by itself.
	Keys []Key
	// ReadsKeys says that the server reads the keys from the API server of the
	// Kubernetes cluster that it runs in.
	ReadsKeys bool
	// SupportedAlgs are the signature algorithms that the keys sign with, sorted.
	// It is empty if a key does not say which it is, and the server decides.
	SupportedAlgs []string
}

// KeyIDs returns the ids of the keys in order.
func (c Config) KeyIDs() []string {
	ids := make([]string, 0, len(c.Keys))
	for _, k := range c.Keys {
		ids = append(ids, k.ID)
	}
	return ids
}

// Grant is the policy and the role of one identity, or of an additional subject
// that gets the policy of one.
type Grant struct {
	Identity Identity
	// Additional means that the role is an additional subject's.
	Additional bool
	Policy     Policy
	Role       Role
}

// Policy is an ACL policy.
type Policy struct {
	Name string
	// Text is written to the server byte by byte.
	Text string
}

// Role is a JWT role. What it does not list is the same for all roles.
type Role struct {
	Name string
	// Subject is the sub claim of the only ServiceAccount that may log in.
	Subject string
	// Audiences are the aud claims of which a token must carry one. The first is the
	// derived one, which is that of all tokens that Bailiwick makes.
	Audiences []string
	Policies  []string
	// TTL and MaxTTL bound the tokens of the role.
	TTL, MaxTTL time.Duration
	// NoDefaultPolicy leaves the policy "default" out of the tokens.
	NoDefaultPolicy bool
	// BoundToAccount means that only the ServiceAccount with the UID AccountUID may
	// log in, and no later one of the same name. While the UID is not known, the role
	// is not created and not removed.
	BoundToAccount bool
	AccountUID     string
}

// AwaitsAccount reports whether the role can't be created yet.
func (r Role) AwaitsAccount() bool { return r.BoundToAccount && r.AccountUID == "" }

// PolicyNames returns the names of the policies in the order of the grants, each
// once.
func (c Contract) PolicyNames() []string {
	var names []string
	for _, g := range c.Grants {
		if !slices.Contains(names, g.Policy.Name) {
			names = append(names, g.Policy.Name)
		}
	}
	return names
}

// RoleNames returns the names of the roles in the order of the grants.
func (c Contract) RoleNames() []string { return c.roleNames(func(Role) bool { return true }) }

// WritableRoleNames is RoleNames without the roles that await their account.
func (c Contract) WritableRoleNames() []string {
	return c.roleNames(func(r Role) bool { return !r.AwaitsAccount() })
}

func (c Contract) roleNames(include func(Role) bool) []string {
	names := make([]string, 0, len(c.Grants))
	for _, g := range c.Grants {
		if include(g.Role) {
			names = append(names, g.Role.Name)
		}
	}
	return names
}

// Restore returns the grant of the restore identity, if the cluster has one.
func (c Contract) Restore() (Grant, bool) {
	for _, g := range c.Grants {
		if g.Identity == Restore {
			return g, true
		}
	}
	return Grant{}, false
}

// Bootstrapper returns the grant of the bootstrapper. There is none in mode Once.
func (c Contract) Bootstrapper() (Grant, bool) {
	for _, g := range c.Grants {
		if g.Identity == Bootstrapper {
			return g, true
		}
	}
	return Grant{}, false
}
