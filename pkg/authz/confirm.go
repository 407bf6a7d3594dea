// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"cmp"
	"slices"
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// Confirm returns the part of a record that a server confirms. Others than Bailiwick
// could write the record, so that it says nothing by itself: an entry counts where the
// server holds under that name what an earlier version wrote for this object. It
// differs from what is written today in the audiences of the roles, in the claims that
// the restore role is bound to, and in the policy of the bootstrapper.
//
// Roles that the spec named once and names no more cannot be recognized. They stay on
// the server, as those of somebody else.
func Confirm(c *openbaov1alpha1.OpenBaoCluster, in Inputs, unproved Recorded, observed Observed) (Recorded, error) {
	s, err := SettingsOf(c, in.RunsServers)
	if err != nil {
		return Recorded{}, err
	}
	possible, err := possibleGrants(c, s, in)
	if err != nil {
		return Recorded{}, err
	}
	own := s.role(bootstrapperName, in.BootstrapperSubject, bootstrapperName, []string{in.Audience})
	own.NoDefaultPolicy = true
	possible = append(possible, Grant{Identity: Bootstrapper, Role: own})

	var confirmed Recorded
	for _, name := range unproved.Policies {
		text, ok := observed.Policies[name]
		if ok && !slices.Contains(observed.Expiring, name) && wroteOnce(c, name, text, unproved.Mount) {
			confirmed.Policies = append(confirmed.Policies, name)
		}
	}
	for _, g := range possible {
		role, ok := observed.Roles[g.Role.Name]
		if ok && slices.Contains(unproved.Roles, g.Role.Name) && len(slices.DeleteFunc(compare(roleFields, roleData(g.Role), role), func(field string) bool {
			return field == "bound_audiences" || field == boundClaims
		})) == 0 {
			confirmed.Roles = append(confirmed.Roles, g.Role.Name)
		}
	}
	if m := observed.Mount; m != nil && unproved.Mount == m.Path && m.Type == MountType {
		confirmed.Mount = m.Path
		confirmed.MountCreated = unproved.MountCreated && m.Description == mountDescription
		confirmed.Config = unproved.Config && ownConfig(in, s, observed.Config)
	}
	return confirmed, nil
}

// wroteOnce reports whether a policy of this name has a text that was written once.
func wroteOnce(c *openbaov1alpha1.OpenBaoCluster, name, text, mount string) bool {
	if name == bootstrapperName {
		return isBootstrapperPolicy(text, mount)
	}
	for _, id := range identities {
		if id.defaultName != name {
			continue
		}
		for _, profile := range []openbaov1alpha1.AuthorizationProfile{openbaov1alpha1.ProfileDocument, openbaov1alpha1.ProfileMinimal} {
			if slices.ContainsFunc(id.texts(c, profile), func(known string) bool { return EqualPolicies(known, text) }) {
				return true
			}
		}
	}
	return false
}

// isBootstrapperPolicy recognizes the policy of the bootstrapper by the paths that it
// names, which are those of the contract and no patterns.
func isBootstrapperPolicy(text, mount string) bool {
	rules := rulesOf(text)
	known := []string{
		ConfigPath(mount), "sys/auth", "auth/token/lookup-self", "auth/token/renew-self", "auth/token/revoke-self",
		"sys/capabilities-self", RolesPath(mount), CELRolesPath(mount), PolicyPath(MarkPolicy),
	}
	for path := range rules {
		policy, isPolicy := strings.CutPrefix(path, PolicyPath(""))
		_, reserved := reservedFor(policy)
		switch {
		case slices.Contains(known, path), isPolicy && reserved:
		case strings.HasPrefix(path, RolePath(mount, "")) && !isPattern(path):
		default:
			return false
		}
	}
	own := rules.find(PolicyPath(bootstrapperName))
	return own != nil && slices.Equal(own.capabilities, []string{"read"}) && rules.find(ConfigPath(mount)) != nil
}

// ownConfig reports whether a config accepts the tokens of this API server and of
// nobody else.
func ownConfig(in Inputs, s Settings, config map[string]any) bool {
	keys, issuer := ConfigKeys(config), cmp.Or(s.Issuer, in.Issuer)
	if issuer == "" || len(keys) == 0 {
		return false
	}
	for _, key := range keys {
		if !slices.ContainsFunc(in.Keys, func(k Key) bool { return normalPEM(k.PEM) == key }) {
			return false
		}
	}
	return HoldsConfig(config, map[string]any{"bound_issuer": issuer, "jwt_validation_pubkeys": keys, "jwt_supported_algs": config["jwt_supported_algs"]})
}
