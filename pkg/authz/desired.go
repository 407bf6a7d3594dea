// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"cmp"
	"errors"
	"fmt"
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
	// mountDescription is shown by "bao auth list".
	mountDescription = "Auth method for OpenBao Operator"
	// tokenTTL bounds the tokens of every role, and is also their maximum.
	tokenTTL = time.Hour
)

// Inputs is what a contract needs besides the cluster.
type Inputs struct {
	// Issuer is the issuer of the Kubernetes API server's tokens.
	Issuer string
	// Keys are the keys that the config must hold.
	Keys []Key
	// Audience is the DerivedAudience of the cluster.
	Audience string
	// OperatorSubject is the sub claim of the operator, unless the cluster names
	// another ServiceAccount for it.
	OperatorSubject string
	// RestoreAccountUID is the UID of the ServiceAccount of the restore identity,
	// empty if it is not known. It matters only where the spec asks for the restore.
	RestoreAccountUID string
	// RunsServers says that Bailiwick runs the servers, and ServersSubject is the sub
	// claim of who does. There it is the operator, unless the cluster names another.
	RunsServers    bool
	ServersSubject string
	// BootstrapperSubject is the sub claim of the bootstrapper. It is needed in
	// the modes Observe and Enforce.
	BootstrapperSubject string
}

// Desired returns the contract of a cluster that requests one. A mistake in the
// spec or the annotations is a *SpecError; any other error is about the inputs.
func Desired(c *openbaov1alpha1.OpenBaoCluster, in Inputs) (Contract, error) {
	s, err := SettingsOf(c, in.RunsServers)
	if err != nil {
		return Contract{}, err
	}
	issuer := cmp.Or(s.Issuer, in.Issuer)
	if issuer == "" {
		return Contract{}, errors.New("the token issuer is not known")
	}
	if !IsDerivedAudience(in.Audience) {
		return Contract{}, errors.New("the audience of the cluster is not known")
	}
	if len(in.Keys) == 0 {
		return Contract{}, fmt.Errorf("no usable signing key of the token issuer %s is known", issuer)
	}
	keys := slices.SortedFunc(slices.Values(in.Keys), compareKeys)
	contract := Contract{
		Mount:  Mount{Path: MountPath, Type: MountType, Description: mountDescription},
		Config: Config{BoundIssuer: issuer, Keys: keys, SupportedAlgs: algorithms(keys)},
	}
	if s.ReadsKeys {
		// Keys of the next rotation may sign with another algorithm.
		contract.Config = Config{BoundIssuer: issuer, ReadsKeys: true, SupportedAlgs: usableAlgorithms()}
	}

	possible, err := possibleGrants(c, s, in)
	if err != nil {
		return Contract{}, err
	}
	for _, g := range possible {
		if id := identityNamed(g.Identity); id.wanted(c) && (!id.enforced || s.Mode == openbaov1alpha1.AuthorizationEnforce) {
			contract.Grants = append(contract.Grants, g)
		}
	}
	if s.Mode == openbaov1alpha1.AuthorizationOnce {
		return contract, nil
	}
	grant, err := bootstrapperGrant(c, contract, s, in, possible)
	if err != nil {
		return Contract{}, err
	}
	contract.Grants = append(contract.Grants, grant)
	return contract, nil
}

// possibleGrants returns the grants of all identities and additional subjects,
// wanted or not.
func possibleGrants(c *openbaov1alpha1.OpenBaoCluster, s Settings, in Inputs) ([]Grant, error) {
	var grants []Grant
	names := roleNames{mode: s.Mode, taken: map[string]Identity{}}
	for _, id := range identities {
		if id.ownServers && !s.RunsServers {
			continue
		}
		name := id.defaultName
		if id.roleName != nil {
			name = cmp.Or(strings.ToLower(id.roleName(c)), name)
		}
		if err := names.take(name, id.name, "spec."+string(id.name)+".jwtAuthRole"); err != nil {
			return nil, err
		}
		subject := id.subject(c)
		switch {
		case id.name == Operator && s.RunsServers:
			subject = cmp.Or(s.OperatorSubject, in.ServersSubject)
		case id.name == Operator:
			subject = cmp.Or(s.OperatorSubject, in.OperatorSubject)
		case id.ownServers:
			subject = in.ServersSubject
		}
		if subject == "" {
			return nil, fmt.Errorf("the ServiceAccount of the %s identity is not known", id.name)
		}
		role := s.role(name, subject, id.defaultName, s.audiences(c.Namespace, subject, in))
		if id.name == Restore {
			role.BoundToAccount, role.AccountUID = true, in.RestoreAccountUID
		}
		grants = append(grants, Grant{
			Identity: id.name,
			Policy:   Policy{Name: id.defaultName, Text: id.policy(s.Profile, variantOf(c))},
			Role:     role,
		})
	}
	for _, a := range s.AdditionalSubjects {
		id := identityNamed(a.Identity)
		if err := names.take(a.Role, "", additionalSubjectField(a.Role, "role")); err != nil {
			return nil, err
		}
		grants = append(grants, Grant{
			Identity: id.name, Additional: true,
			Policy: Policy{Name: id.defaultName, Text: id.policy(s.Profile, variantOf(c))},
			Role:   s.role(a.Role, a.Subject, id.defaultName, s.audiences(c.Namespace, a.Subject, in)),
		})
	}
	return grants, nil
}

// role returns the role of an identity.
func (s Settings) role(name, subject, policy string, audiences []string) Role {
	return Role{
		Name:            name,
		Subject:         subject,
		Audiences:       audiences,
		Policies:        []string{policy},
		TTL:             tokenTTL,
		MaxTTL:          tokenTTL,
		NoDefaultPolicy: s.Profile == openbaov1alpha1.ProfileMinimal,
	}
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

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.PEM, b.PEM))
}
