// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"regexp"
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// roleName is what the server accepts as the name of a role; it stores names in
// lower case.
var roleName = regexp.MustCompile(`^\w(([\w-.]+)?\w)?$`)

// roleNames hands out the names of the roles.
type roleNames struct {
	mode  openbaov1alpha1.AuthorizationMode
	taken map[string]Identity
}

// take claims a name for an identity, or for nobody in particular. The error is
// a *SpecError of the field.
func (n roleNames) take(name string, owner Identity, field string) error {
	if !roleName.MatchString(name) {
		return &SpecError{field, fmt.Sprintf("%q is not a name that a role can have", name)}
	}
	if n.mode == openbaov1alpha1.AuthorizationEnforce && PinnedRoleName(name) == name {
		return &SpecError{field, fmt.Sprintf("the role name %q has no letter, which mode %s needs", name, n.mode)}
	}
	// Default names stay reserved, so that adding a block later cannot collide.
	if other, reserved := reservedFor(name); reserved && other != owner {
		return &SpecError{field, fmt.Sprintf("the role name %q belongs to the %s identity", name, other)}
	}
	if other, ok := n.taken[name]; ok {
		if other == "" {
			return &SpecError{field, fmt.Sprintf("the role name %q is there twice", name)}
		}
		return &SpecError{field, fmt.Sprintf("the role name %q is also that of the %s identity", name, other)}
	}
	n.taken[name] = owner
	return nil
}

// reservedFor returns the identity whose default name it is.
func reservedFor(name string) (Identity, bool) {
	if name == bootstrapperName {
		return Bootstrapper, true
	}
	for _, id := range identities {
		if id.defaultName == name {
			return id.name, true
		}
	}
	return "", false
}

// PinnedRoleName returns the spelling under which the bootstrapper writes a role.
// The server reads names of roles in lower case and matches paths of policies as
// they are spelled, so that the two spellings of one role are two paths: this one
// for whole writes of the one permitted value, and the plain one to read and
// delete. One path cannot serve both: a rule that requires parameters refuses
// reads, which have none (vault/acl.go, AllowOperation).
func PinnedRoleName(name string) string { return strings.ToUpper(name) }
