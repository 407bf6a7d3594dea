// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/hcltext"
)

// bootstrapperName is the name of the bootstrapper's policy and role.
const bootstrapperName = "openbao-operator-bootstrapper"

// Pins is what the bootstrapper may read, and in mode Enforce write.
type Pins struct {
	Mode openbaov1alpha1.AuthorizationMode
	// Mount is the path of the mount, without "auth/".
	Mount string
	// Issuer is the only one that a config may be bound to, and ReadsKeys says that the
	// server reads the signing keys by itself, so that no config has any.
	Issuer    string
	ReadsKeys bool

	Policies []PinnedPolicy
	Roles    []Role
	// Marks are the texts that the mark of the server can have.
	Marks []string
}

// PinnedPolicy is a policy that has one of a few texts.
type PinnedPolicy struct {
	Name  string
	Texts []string
}

// bootstrapperGrant returns the grant of the bootstrapper. It covers all that is
// possible, wanted or not, so that a block that is added to the spec later needs
// no admin token. The restore identity is the exception, since whoever can have its
// role written can own the server: it is covered only where the spec asks for it.
func bootstrapperGrant(c *openbaov1alpha1.OpenBaoCluster, contract Contract, s Settings, in Inputs, possible []Grant) (Grant, error) {
	if in.BootstrapperSubject == "" {
		return Grant{}, errors.New("the ServiceAccount of the bootstrapper identity is not known")
	}
	// A text that ends in * would be pinned as a pattern. The settings see to those
	// that come from the object.
	for _, text := range []string{contract.Config.BoundIssuer, in.OperatorSubject, in.ServersSubject, in.BootstrapperSubject} {
		if strings.Contains(text, "*") {
			return Grant{}, fmt.Errorf("%q is no issuer and no subject that a policy can be limited to", text)
		}
	}
	pins := Pins{Mode: s.Mode, Mount: contract.Mount.Path, Issuer: contract.Config.BoundIssuer, ReadsKeys: contract.Config.ReadsKeys, Marks: markTexts(in.Audience)}
	_, restores := contract.Restore()
	for _, id := range identities {
		if (id.name != Restore || restores) && (!id.ownServers || s.RunsServers) {
			pins.Policies = append(pins.Policies, PinnedPolicy{Name: id.defaultName, Texts: id.texts(c, s.Profile)})
		}
	}
	for _, g := range possible {
		if g.Identity != Restore || restores {
			pins.Roles = append(pins.Roles, g.Role)
		}
	}
	role := s.role(bootstrapperName, in.BootstrapperSubject, bootstrapperName, []string{in.Audience})
	// Its own policy grants the self-service paths, and the policy "default" would
	// only add to them.
	role.NoDefaultPolicy = true
	return Grant{
		Identity: Bootstrapper,
		Policy:   Policy{Name: bootstrapperName, Text: BootstrapperPolicy(pins)},
		Role:     role,
	}, nil
}

// BootstrapperPolicy returns the text of the bootstrapper's policy. It grants the
// reads of the contract, in mode Enforce also the writes that leave nothing but
// the contract behind, and the self-service of a session. The bootstrapper's own
// policy and role, and the mount, can be read only.
func BootstrapperPolicy(p Pins) string {
	enforce := p.Mode == openbaov1alpha1.AuthorizationEnforce
	var b strings.Builder
	for _, policy := range p.Policies {
		if enforce {
			writeRule(&b, PolicyPath(policy.Name), []string{"read", "update", "delete"}, parameters{
				"policy": anyOf(policy.Texts), "cas": nil,
			}, nil)
		} else {
			writeRule(&b, PolicyPath(policy.Name), []string{"read"}, nil, nil)
		}
	}
	// No texts would permit any.
	if enforce && len(p.Marks) > 0 {
		writeRule(&b, PolicyPath(MarkPolicy), []string{"read", "update"}, parameters{"policy": anyOf(p.Marks), "cas": nil}, nil)
	} else {
		writeRule(&b, PolicyPath(MarkPolicy), []string{"read"}, nil, nil)
	}
	for _, role := range p.Roles {
		if !enforce {
			writeRule(&b, RolePath(p.Mount, role.Name), []string{"read"}, nil, nil)
			continue
		}
		allowed := parameters{}
		data, capabilities := roleData(role), []string{"create", "update"}
		if role.BoundToAccount {
			// A policy can't pin a map. Without the right to send claims and to create the
			// role, what is written keeps the claims that an admin token wrote.
			data, capabilities = withoutClaims(data), []string{"update"}
		}
		for field, value := range data {
			allowed[field] = []any{value}
		}
		writeRule(&b, RolePath(p.Mount, role.Name), []string{"read", "delete"}, nil, nil)
		writeRule(&b, RolePath(p.Mount, PinnedRoleName(role.Name)), capabilities, allowed, slices.Sorted(maps.Keys(allowed)))
	}
	if enforce {
		// No other provider finds keys without a URL, which may not be written.
		keys := "jwt_validation_pubkeys"
		if p.ReadsKeys {
			keys = "provider_config"
		}
		writeRule(&b, ConfigPath(p.Mount), []string{"read", "update"}, parameters{
			"bound_issuer": {p.Issuer}, keys: nil, "jwt_supported_algs": nil,
		}, nil)
	} else {
		writeRule(&b, ConfigPath(p.Mount), []string{"read"}, nil, nil)
	}
	for _, path := range []string{PolicyPath(bootstrapperName), RolePath(p.Mount, bootstrapperName), "sys/auth", "auth/token/lookup-self"} {
		writeRule(&b, path, []string{"read"}, nil, nil)
	}
	// Roles that are somebody else's are reported.
	for _, path := range []string{RolesPath(p.Mount), CELRolesPath(p.Mount)} {
		writeRule(&b, path, []string{"list"}, nil, nil)
	}
	for _, path := range []string{"auth/token/renew-self", "auth/token/revoke-self", "sys/capabilities-self"} {
		writeRule(&b, path, []string{"update"}, nil, nil)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// RootEquivalent says, for people, what of the contract could still give any right
// of the mount, and by that the whole server, to whoever took over the
// bootstrapper.
func RootEquivalent(c Contract) []string {
	g, ok := c.Bootstrapper()
	if !ok {
		return nil
	}
	config := configRequest(c.Mount, c.Config)
	if c.Config.ReadsKeys || !rulesOf(g.Policy.Text).allows("update", config.Path, config.Data) {
		return nil
	}
	text := fmt.Sprintf("%s update: anyone who can write the signing keys can add one of their own, "+
		"and sign tokens with it that log in with every role of the mount %s", config.Path, c.Mount.Path)
	if restore, ok := c.Restore(); ok {
		return []string{fmt.Sprintf("%s. One of these is %s, with which a snapshot of their own can be restored: "+
			"that replaces everything on the server.", text, restore.Role.Name)}
	}
	return []string{text + ", also those that are not Bailiwick's. The spec does not ask for the restore identity, " +
		"and the same identity can't create its role."}
}

// parameters are the allowed_parameters of a rule: the permitted values by name,
// nil for all values.
type parameters map[string][]any

func anyOf(texts []string) []any {
	values := make([]any, 0, len(texts))
	for _, t := range texts {
		values = append(values, t)
	}
	return values
}

// writeRule writes one rule of a policy.
func writeRule(b *strings.Builder, path string, capabilities []string, allowed parameters, required []string) {
	fmt.Fprintf(b, "path %s {\n  capabilities = %s\n", hcltext.String(path), hcltext.Value(capabilities))
	if len(required) > 0 {
		fmt.Fprintf(b, "  required_parameters = %s\n", hcltext.Value(required))
	}
	if len(allowed) > 0 {
		b.WriteString("  allowed_parameters = {\n")
		for _, name := range slices.Sorted(maps.Keys(allowed)) {
			fmt.Fprintf(b, "    %s = %s\n", strconv.Quote(name), hcltext.Value(allowed[name]))
		}
		b.WriteString("  }\n")
	}
	b.WriteString("}\n")
}
