// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

const (
	// MountPath is where the JWT auth method is mounted, without "auth/".
	MountPath = "jwt-operator"
	// MountType is the type of the auth method.
	MountType = "jwt"
	// DefaultAudience is the audience that ServiceAccount tokens must carry
	// unless the cluster names another.
	DefaultAudience = "openbao-internal"
	// mountDescription is shown by "bao auth list".
	mountDescription = "Auth method for OpenBao Operator"
	// tokenTTL bounds the tokens of every role, and is also their maximum.
	tokenTTL = time.Hour
)

// Contract is what a server must hold for one cluster.
type Contract struct {
	Mount  Mount
	Config Config
	// Grants are ordered: operator, backup, restore, upgrade.
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
	// Keys verify the signatures of tokens, ordered by id.
	Keys []Key
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

// Grant is the policy and the role of one identity.
type Grant struct {
	Identity Identity
	Policy   Policy
	Role     Role
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
	// Audiences are the aud claims of which a token must carry one.
	Audiences []string
	Policies  []string
	// TTL and MaxTTL bound the tokens of the role.
	TTL, MaxTTL time.Duration
	// NoDefaultPolicy leaves the policy "default" out of the tokens.
	NoDefaultPolicy bool
}

// PolicyNames returns the names of the policies in the order of the grants.
func (c Contract) PolicyNames() []string {
	names := make([]string, 0, len(c.Grants))
	for _, g := range c.Grants {
		names = append(names, g.Policy.Name)
	}
	return names
}

// RoleNames returns the names of the roles in the order of the grants.
func (c Contract) RoleNames() []string {
	names := make([]string, 0, len(c.Grants))
	for _, g := range c.Grants {
		names = append(names, g.Role.Name)
	}
	return names
}

// Inputs is what a contract needs besides the cluster.
type Inputs struct {
	// Issuer is the issuer of the Kubernetes API server's tokens.
	Issuer string
	// Keys are the keys that it signs them with.
	Keys []Key
	// OperatorSubject is the sub claim of the operator, unless the cluster names
	// another ServiceAccount for it.
	OperatorSubject string
}

// SpecError is a mistake in the spec, final until the spec changes.
type SpecError struct {
	// Field is the path of the field, for example spec.backup.jwtAuthRole.
	Field string
	// Problem says what is wrong with it.
	Problem string
}

// Error implements error.
func (e *SpecError) Error() string { return e.Field + ": " + e.Problem }

// Requested reports whether the cluster asks for its policies and roles.
func Requested(c *openbaov1alpha1.OpenBaoCluster) bool {
	return c.Spec.Authorization != nil || (c.Spec.SelfInit != nil && c.Spec.SelfInit.Enabled)
}

// ServiceAccountSubject returns the sub claim of a ServiceAccount's tokens.
func ServiceAccountSubject(namespace, name string) string {
	return "system:serviceaccount:" + namespace + ":" + name
}

// Audience returns the audience that tokens for the cluster must carry.
func Audience(c *openbaov1alpha1.OpenBaoCluster) string {
	var fromAuthorization, fromSelfInit string
	if a := c.Spec.Authorization; a != nil {
		fromAuthorization = a.Audience
	}
	if s := c.Spec.SelfInit; s != nil && s.OIDC != nil {
		fromSelfInit = s.OIDC.Audience
	}
	return cmp.Or(fromAuthorization, fromSelfInit, DefaultAudience)
}

// roleName is what the server accepts as the name of a role; it stores names in
// lower case.
var roleName = regexp.MustCompile(`^\w(([\w-.]+)?\w)?$`)

// Desired returns the contract of a cluster that requests one. A mistake in the
// spec is a *SpecError; any other error is about the inputs.
func Desired(c *openbaov1alpha1.OpenBaoCluster, in Inputs) (Contract, error) {
	issuer := in.Issuer
	if s := c.Spec.SelfInit; s != nil && s.OIDC != nil && s.OIDC.Issuer != "" {
		issuer = s.OIDC.Issuer
	}
	if issuer == "" {
		return Contract{}, fmt.Errorf("the token issuer is not known")
	}
	if len(in.Keys) == 0 {
		return Contract{}, fmt.Errorf("no usable signing key of the token issuer %s is known", issuer)
	}
	keys := slices.SortedFunc(slices.Values(in.Keys), func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.PEM, b.PEM))
	})
	contract := Contract{
		Mount:  Mount{Path: MountPath, Type: MountType, Description: mountDescription},
		Config: Config{BoundIssuer: issuer, Keys: keys, SupportedAlgs: algorithms(keys)},
	}

	taken := map[string]Identity{}
	for _, id := range identities {
		if !id.wanted(c) {
			continue
		}
		name := id.defaultName
		if id.roleName != nil {
			name = cmp.Or(strings.ToLower(id.roleName(c)), name)
		}
		field := "spec." + string(id.name) + ".jwtAuthRole"
		if !roleName.MatchString(name) {
			return Contract{}, &SpecError{field, fmt.Sprintf("%q is not a name that a role can have", name)}
		}
		// Default names stay reserved, so that adding a block later cannot collide.
		if owner, reserved := reservedFor(name); reserved && owner != id.name {
			return Contract{}, &SpecError{field, fmt.Sprintf("the role name %q belongs to the %s identity", name, owner)}
		}
		if owner, ok := taken[name]; ok && owner != id.name {
			return Contract{}, &SpecError{field, fmt.Sprintf("the role name %q is also that of the %s identity", name, owner)}
		}
		taken[name] = id.name

		subject := id.subject(c)
		if id.name == Operator {
			subject = operatorSubject(c, in.OperatorSubject)
		}
		if subject == "" {
			return Contract{}, fmt.Errorf("the ServiceAccount of the %s identity is not known", id.name)
		}
		contract.Grants = append(contract.Grants, Grant{
			Identity: id.name,
			Policy:   Policy{Name: id.defaultName, Text: id.policy(c)},
			Role: Role{
				Name:      name,
				Subject:   subject,
				Audiences: []string{Audience(c)},
				Policies:  []string{id.defaultName},
				TTL:       tokenTTL,
				MaxTTL:    tokenTTL,
			},
		})
	}
	return contract, nil
}

func operatorSubject(c *openbaov1alpha1.OpenBaoCluster, fallback string) string {
	if a := c.Spec.Authorization; a != nil && a.OperatorServiceAccount != nil {
		ref := a.OperatorServiceAccount
		return ServiceAccountSubject(cmp.Or(ref.Namespace, c.Namespace), ref.Name)
	}
	return fallback
}

// algorithms returns the signature algorithms of the keys, or nil if one of
// them does not say which it is used with.
func algorithms(keys []Key) []string {
	var algs []string
	for _, k := range keys {
		if k.Algorithm == "" {
			return nil
		}
		algs = append(algs, k.Algorithm)
	}
	slices.Sort(algs)
	return slices.Compact(algs)
}
