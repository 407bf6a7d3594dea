// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Object is what every kind of this package offers to code that handles all of
// them alike. The pointers lead into the object itself: writing through them
// changes it, so never call them on an object from an informer's cache without
// copying it first when you mean to write.
type Object interface {
	metav1.Object
	runtime.Object

	// Conditions returns the status conditions.
	Conditions() *[]metav1.Condition
	// ObservedGeneration returns status.observedGeneration.
	ObservedGeneration() *int64
	// Adopted returns status.adopted.
	Adopted() *bool
	// AuthSecret returns spec.authSecretRef, nil when it is not set.
	AuthSecret() *AuthSecretReference
	// ServiceRef names the Aiven project and the service that the object is or
	// lives in. The service is empty for kinds that are not part of one. For
	// kinds that live in an organization, its id takes the place of the project.
	ServiceRef() (project, service string)
	// RemoteName tells the remote from the others of its kind in the same place.
	RemoteName() string
}

// Publisher is an Object that publishes connection details in a Secret.
type Publisher interface {
	Object

	// ConnInfoTarget returns where to publish, with the defaults for the
	// Secret's name and the key prefix filled in. When disabled is true, nothing
	// may be published and target is the zero value.
	ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool)
}

// Service is an Object that is an Aiven service itself. Most services are
// Publishers too.
type Service interface {
	Object

	// CommonSpec returns the settings that services share, for reading only: what
	// a kind does not have is not set in it.
	CommonSpec() *ServiceCommonSpec
	// CommonStatus returns the status that all services share.
	CommonStatus() *ServiceStatus
	// UserConfig returns spec.userConfig, nil when it is not set. The result
	// marshals to the JSON object that Aiven expects as user_config.
	UserConfig() any
}

// target resolves the connection Secret of the object called name and of the
// given kind.
func (s *ConnInfoSpec) target(kind, name string) (ConnInfoSecretTarget, bool) {
	if s.ConnInfoSecretTargetDisabled != nil && *s.ConnInfoSecretTargetDisabled {
		return ConnInfoSecretTarget{}, true
	}
	var t ConnInfoSecretTarget
	if s.ConnInfoSecretTarget != nil {
		t = *s.ConnInfoSecretTarget.DeepCopy()
	}
	if t.Name == "" {
		t.Name = name
	}
	if t.Prefix == "" {
		t.Prefix = strings.ToUpper(kind) + "_"
	}
	return t, false
}

// anyOrNil returns p as an interface, and a nil interface for a nil pointer.
func anyOrNil[T any](p *T) any {
	if p == nil {
		return nil
	}
	return p
}

// firstNonEmpty returns the first of its arguments that is not empty.
func firstNonEmpty(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// composite makes one name of several parts, so that different parts make
// different names.
func composite(parts ...string) string {
	escape := strings.NewReplacer("%", "%25", "/", "%2F")
	escaped := make([]string, len(parts))
	for i, p := range parts {
		escaped[i] = escape.Replace(p)
	}
	return strings.Join(escaped, "/")
}
