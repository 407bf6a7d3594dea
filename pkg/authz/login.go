// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Login is what a server reports about the token of a login.
type Login struct {
	// Policies are all that the token has in the namespace of the login: those that
	// the role gives and those that the entity of the token and its groups add.
	Policies, TokenPolicies, IdentityPolicies []string
	// Type is service or batch.
	Type string
	// TTL is the lease; 0 means for ever.
	TTL time.Duration
	// Renewable tokens can be renewed until the maximum of their role, and Orphan
	// tokens have no parent that they end with.
	Renewable, Orphan bool
	// NumUses is how many requests the token is good for; 0 means any number.
	NumUses int
}

const (
	// tokenTypeService is the type of tokens that can be revoked, and TokenTypeBatch
	// that of tokens which cannot, and end with their lease alone.
	tokenTypeService = "service"
	TokenTypeBatch   = "batch"

	// leastLease is the shortest lease with which a job can do its work: a request to
	// the server that it has prepared before the login, and a renewal of the login of
	// the standing identity before the next check.
	leastLease = 5 * time.Minute
)

// CompareLogin returns how the token of a login differs from what the grant gives,
// in sentences for people; nil if it does not.
func CompareLogin(g Grant, l Login) []string {
	want := slices.Clone(g.Role.Policies)
	if !g.Role.NoDefaultPolicy {
		want = append(want, "default")
	}
	var differs []string
	add := func(format string, args ...any) { differs = append(differs, fmt.Sprintf(format, args...)) }
	if !sameSet(l.TokenPolicies, want) {
		add("The role gives its tokens the policies %s, and the contract says %s.", named(l.TokenPolicies), named(want))
	}
	if len(l.IdentityPolicies) > 0 {
		add("The entity of the token, or a group of it, adds the policies %s. Take them from the entity and its groups (bao list identity/entity/name).",
			named(l.IdentityPolicies))
	}
	if len(differs) == 0 && !sameSet(l.Policies, want) {
		add("The token has the policies %s, and the contract says %s.", named(l.Policies), named(want))
	}
	if l.Type != tokenTypeService {
		add("The token is of the type %q, and the contract says %q: a token of another type cannot be revoked. "+
			"Check token_type of the role and of the mount (bao auth tune -token-type=default-service).", l.Type, tokenTypeService)
	}
	switch {
	case l.TTL <= 0:
		add("The token never expires, and the contract says after %s.", g.Role.TTL)
	case l.TTL > g.Role.TTL:
		add("The lease of the token is %s, and the contract says %s.", l.TTL, g.Role.TTL)
	case l.TTL < min(leastLease, g.Role.TTL):
		add("The lease of the token is %s, which is too short for the work of the identity; the contract says %s. "+
			"Check max_lease_ttl of the mount and of the server.", l.TTL, g.Role.TTL)
	}
	if l.NumUses != 0 {
		add("The token is good for %d requests, and the contract says for any number.", l.NumUses)
	}
	// A batch token has neither, which goes without saying.
	if l.Type == tokenTypeService && !l.Renewable {
		add("The token cannot be renewed, and the contract says that it can.")
	}
	if !l.Orphan {
		add("The token has a parent that it ends with, and the contract says that it has none.")
	}
	return differs
}

// sameSet compares lists whose order and repetitions do not matter.
func sameSet(a, b []string) bool {
	return slices.Equal(distinct(a), distinct(b))
}

func distinct(list []string) []string {
	list = slices.Sorted(slices.Values(list))
	return slices.Compact(list)
}

func named(policies []string) string {
	if len(policies) == 0 {
		return "none"
	}
	return strings.Join(distinct(policies), ", ")
}
