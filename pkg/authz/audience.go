// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// reservedAudiences begin the audiences that no author may choose.
	reservedAudiences = "bailiwick.dev/"
	// derivedAudiences begin those that are derived from an object.
	derivedAudiences = reservedAudiences + "openbao/"
	// oidcAudience is what the openbao-operator's tokens carry where an object that
	// enables selfInit.oidc names no audience.
	oidcAudience = "openbao-internal"
	// maxAudience bounds an audience; the API server accepts longer ones.
	maxAudience = 512
)

// DerivedAudience returns the audience of the tokens that are made for one object:
// no author can choose it, and no other object has it. It is the same for an object
// that is created again under its name, and another one in a namespace that is.
func DerivedAudience(namespace types.UID, name string) (string, error) {
	if namespace == "" || name == "" || strings.Contains(string(namespace), "/") {
		return "", errors.New("an audience is derived from the UID of a namespace and the name of an object")
	}
	return derivedAudiences + string(namespace) + "/" + name, nil
}

// IsDerivedAudience reports whether an audience is one of DerivedAudience.
func IsDerivedAudience(audience string) bool { return strings.HasPrefix(audience, derivedAudiences) }

// NamesAudience reports whether an audience can be the DerivedAudience of an object of
// this name.
func NamesAudience(audience, name string) bool {
	rest, ok := strings.CutPrefix(audience, derivedAudiences)
	_, of, _ := strings.Cut(rest, "/")
	return ok && of == name
}

// checkAudience returns what is wrong with an audience that an author has chosen.
func checkAudience(audience, field string) error {
	switch {
	case strings.ContainsFunc(audience, unprintable):
		return &SpecError{field, "an audience has no control characters"}
	case strings.HasPrefix(audience, reservedAudiences):
		return &SpecError{field, fmt.Sprintf("an audience that begins with %s is derived, not chosen; status.authorization.audience has it", reservedAudiences)}
	case len(audience) > maxAudience:
		return &SpecError{field, fmt.Sprintf("an audience has at most %d bytes", maxAudience)}
	}
	return nil
}

// AudiencesOf returns the audiences that a role accepts, as a server answers it.
func AudiencesOf(role map[string]any) []string { return strs(role["bound_audiences"]) }

// audiences returns what a role accepts of the tokens of subject: the derived
// audience, and that of the author where the account is the author's own, or the
// operator of someone else that the object names. Bailiwick's accounts never have
// tokens for an audience that an author has chosen: any server may accept it.
func (s Settings) audiences(namespace, subject string, in Inputs) []string {
	list := []string{in.Audience}
	if s.AuthorAudience == "" || subject == in.OperatorSubject || subject == in.BootstrapperSubject {
		return list
	}
	at, _, _ := ParseSubject(subject)
	if at == namespace || subject == s.OperatorSubject {
		list = append(list, s.AuthorAudience)
	}
	return list
}
