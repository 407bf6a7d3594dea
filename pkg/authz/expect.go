// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import "slices"

// Proof is how the rights of a token differ from a contract. Each right is
// "path: capability"; the lists are sorted.
type Proof struct {
	// Missing are rights that the contract gives and the token lacks.
	Missing []string
	// Excess are rights that neither the contract nor the policy "default" gives.
	Excess []string
	// ViaDefault are rights beyond the contract that the policy "default" gives.
	ViaDefault []string
}

// Rights are what a policy grants.
type Rights struct{ rules ruleSet }

// RightsOf reads a policy. One that does not parse grants nothing.
func RightsOf(policy string) Rights { return Rights{rulesOf(policy)} }

// DefaultRights returns what the policy "default" grants. It is that of a new
// server, which its owner can change.
func DefaultRights() Rights { return RightsOf(defaultPolicy) }

// On returns the capabilities on a path, sorted; nil if there are none.
func (r Rights) On(path string) []string { return r.rules.capabilitiesOn(path) }

// rulesOf reads a policy that grants nothing if it does not parse.
func rulesOf(text string) ruleSet {
	set, err := parseRules(text)
	if err != nil {
		return nil
	}
	return set
}

// CompareCapabilities compares what a server answers to sys/capabilities-self,
// by path, with what the contract gives.
func CompareCapabilities(g Grant, observed map[string][]string) Proof {
	contract, byDefault := rulesOf(g.Policy.Text), ruleSet{}
	if !g.Role.NoDefaultPolicy {
		byDefault = rulesOf(defaultPolicy)
	}
	var proof Proof
	for path, capabilities := range observed {
		want := contract.capabilitiesOn(path)
		for _, capability := range want {
			if !slices.Contains(capabilities, capability) {
				proof.Missing = append(proof.Missing, path+": "+capability)
			}
		}
		viaDefault := byDefault.capabilitiesOn(path)
		for _, capability := range capabilities {
			switch {
			case capability == "deny", slices.Contains(want, capability):
			case slices.Contains(viaDefault, capability):
				proof.ViaDefault = append(proof.ViaDefault, path+": "+capability)
			default:
				proof.Excess = append(proof.Excess, path+": "+capability)
			}
		}
	}
	for _, list := range []*[]string{&proof.Missing, &proof.Excess, &proof.ViaDefault} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return proof
}

// defaultPolicy is what the policy "default" of a new server grants, in OpenBao
// 2.6 (vault/policy/policy_store.go) and in the release that it forked from, which
// has sys/renew and sys/control-group besides. The rules for the token's own
// entity are left out: their paths are not known beforehand.
const defaultPolicy = `
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
path "sys/renew" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
path "sys/tools/hash" { capabilities = ["update"] }
path "sys/tools/hash/*" { capabilities = ["update"] }
path "sys/control-group/request" { capabilities = ["update"] }
path "identity/oidc/provider/+/authorize" { capabilities = ["read", "update"] }
`
