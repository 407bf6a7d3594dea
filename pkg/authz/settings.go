// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

const (
	// DefaultSigningKeyOverlap is how long a signing key that is no longer
	// published stays accepted unless the cluster says otherwise.
	DefaultSigningKeyOverlap = time.Hour
)

// Settings is what an object says about its authorization, with all defaults.
type Settings struct {
	Mode    openbaov1alpha1.AuthorizationMode
	Profile openbaov1alpha1.AuthorizationProfile
	// RunsServers says that Bailiwick runs the servers.
	RunsServers bool

	// Address is the https URL of the active server, without a slash at its end.
	Address string
	// CABundle is the PEM-encoded CA of the server; it is empty if CASecretRef
	// says where that is.
	CABundle string
	// CASecretRef names the Secret with the CA. It is complete, and nil if there
	// is a CABundle.
	CASecretRef *openbaov1alpha1.CASecretReference
	// ClientCertSecretRef names the Secret with the client certificate, nil if the
	// object names none.
	ClientCertSecretRef *openbaov1alpha1.ClientCertSecretReference
	// TLSServerName is empty for the host of the address.
	TLSServerName string
	// Namespace is the OpenBao namespace, in the one spelling of CanonicalNamespace;
	// empty is the root namespace.
	Namespace string
	// AdminTokenSecretRef names the Secret with the one-time admin token. It is
	// complete, and nil if the object names none.
	AdminTokenSecretRef *openbaov1alpha1.SecretKeyReference

	// AuthorAudience is an audience that the author of the object has chosen, empty if
	// there is none. Some roles accept it in addition to the derived one.
	AuthorAudience string
	// Issuer is the token issuer that the object names, empty if it is to be
	// discovered.
	Issuer string
	// OperatorSubject is the sub claim of the operator that the object names,
	// empty if it names none.
	OperatorSubject string
	// AdditionalSubjects are ordered by role.
	AdditionalSubjects []AdditionalSubject

	// ReadsKeys says that the server reads the signing keys by itself.
	ReadsKeys bool
	// SigningKeyOverlap is how long a signing key that is no longer published
	// stays accepted; 0 drops it immediately.
	SigningKeyOverlap time.Duration
	// DropOldKeys is the value of the annotation that drops old signing keys
	// whenever it changes.
	DropOldKeys string
}

// AdditionalSubject is a ServiceAccount that gets the policy of an identity.
type AdditionalSubject struct {
	// Role is in lower case.
	Role     string
	Identity Identity
	// Subject is the sub claim.
	Subject string
}

// SpecError is a mistake in the spec or an annotation, final until that changes.
type SpecError struct {
	// Field is the path of the field, for example spec.backup.jwtAuthRole or
	// metadata.annotations[bailiwick.dev/authorization-mode].
	Field string
	// Problem says what is wrong with it.
	Problem string
}

// Error implements error.
func (e *SpecError) Error() string { return e.Field + ": " + e.Problem }

// Requested reports whether the object asks for its policies and roles. Servers that
// Bailiwick runs always have them.
func Requested(c *openbaov1alpha1.OpenBaoCluster, runsServers bool) bool {
	_, annotated := c.Annotations[openbaov1alpha1.AnnotationMode]
	return runsServers || annotated || c.Spec.Authorization != nil || (c.Spec.SelfInit != nil && c.Spec.SelfInit.Enabled)
}

// ServiceAccountSubject returns the sub claim of a ServiceAccount's tokens.
func ServiceAccountSubject(namespace, name string) string {
	return "system:serviceaccount:" + namespace + ":" + name
}

// ParseSubject returns the ServiceAccount whose tokens carry the sub claim.
func ParseSubject(subject string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(subject, "system:serviceaccount:")
	if !ok {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, ":")
	return namespace, name, ok && namespace != "" && name != "" && !strings.Contains(name, ":")
}

// SettingsOf returns the settings of an object, whose defaults depend on whether
// Bailiwick runs the servers. Annotations count only where the object has no
// spec.authorization, but for the one that drops old signing keys. The error is a
// *SpecError.
func SettingsOf(c *openbaov1alpha1.OpenBaoCluster, runsServers bool) (Settings, error) {
	s := Settings{
		Mode:              openbaov1alpha1.AuthorizationOnce,
		Profile:           openbaov1alpha1.ProfileDocument,
		RunsServers:       runsServers,
		Address:           fmt.Sprintf("https://%s.%s.svc:8200", c.Name, c.Namespace),
		SigningKeyOverlap: DefaultSigningKeyOverlap,
		DropOldKeys:       c.Annotations[openbaov1alpha1.AnnotationDropOldSigningKeys],
	}
	caSecret := c.Name + "-tls-ca"
	if runsServers {
		s.Mode = openbaov1alpha1.AuthorizationEnforce
		s.Address = fmt.Sprintf("https://%s:8200", ActiveHost(c))
		// The other one has the key of the CA, which is nobody's business.
		caSecret = c.Name + "-tls-server"
	}
	audienceField := "spec.selfInit.oidc.audience"
	if c.Spec.SelfInit != nil && c.Spec.SelfInit.OIDC != nil {
		s.AuthorAudience = c.Spec.SelfInit.OIDC.Audience
		if s.AuthorAudience == "" && c.Spec.SelfInit.OIDC.Enabled {
			s.AuthorAudience = oidcAudience
		}
		s.Issuer = c.Spec.SelfInit.OIDC.Issuer
	}
	var caRef openbaov1alpha1.CASecretReference
	if a := c.Spec.Authorization; a != nil {
		if a.Audience != "" {
			audienceField = "spec.authorization.audience"
		}
		if a.CASecretRef != nil {
			caRef = *a.CASecretRef
		}
		if err := s.fromSpec(c, a); err != nil {
			return Settings{}, err
		}
	} else if err := s.fromAnnotations(c); err != nil {
		return Settings{}, err
	}
	if s.CABundle == "" {
		s.CASecretRef = &openbaov1alpha1.CASecretReference{
			Name: cmp.Or(caRef.Name, caSecret), Key: cmp.Or(caRef.Key, "ca.crt"),
		}
	}
	if err := checkAudience(s.AuthorAudience, audienceField); err != nil {
		return Settings{}, err
	}
	if strings.ContainsFunc(s.Issuer, unprintable) || strings.Contains(s.Issuer, "*") {
		return Settings{}, &SpecError{"spec.selfInit.oidc.issuer", "an issuer has no control characters and no asterisk"}
	}
	return s, nil
}

// ActiveHost returns the name of the Service that leads to the active server, where
// Bailiwick runs the servers.
func ActiveHost(c *openbaov1alpha1.OpenBaoCluster) string {
	return fmt.Sprintf("%s-active.%s.svc", c.Name, c.Namespace)
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }

func (s *Settings) fromSpec(c *openbaov1alpha1.OpenBaoCluster, a *openbaov1alpha1.AuthorizationSpec) error {
	s.Address = strings.TrimSuffix(cmp.Or(a.Address, s.Address), "/")
	s.AuthorAudience = cmp.Or(a.Audience, s.AuthorAudience)
	s.CABundle, s.TLSServerName, s.ClientCertSecretRef = a.CABundle, a.TLSServerName, a.ClientCertSecretRef
	namespace, err := CanonicalNamespace(a.Namespace)
	if err != nil {
		return &SpecError{"spec.authorization.namespace", err.Error()}
	}
	s.Namespace = namespace
	if err := s.setMode(string(a.Mode), "spec.authorization.mode"); err != nil {
		return err
	}
	if err := s.setProfile(string(a.Profile), "spec.authorization.profile"); err != nil {
		return err
	}
	switch a.SigningKeySource {
	case "", openbaov1alpha1.SigningKeysWritten:
	case openbaov1alpha1.SigningKeysProvider:
		s.ReadsKeys = true
	default:
		return &SpecError{"spec.authorization.signingKeySource", fmt.Sprintf("%q is not one of Written, Provider", a.SigningKeySource)}
	}
	if a.SigningKeyOverlap != nil {
		if s.SigningKeyOverlap = a.SigningKeyOverlap.Duration; s.SigningKeyOverlap < 0 {
			return &SpecError{"spec.authorization.signingKeyOverlap", "a duration must not be negative"}
		}
	}
	if ref := a.AdminTokenSecretRef; ref != nil {
		s.AdminTokenSecretRef = &openbaov1alpha1.SecretKeyReference{Name: ref.Name, Key: cmp.Or(ref.Key, defaultTokenKey)}
	}
	if ref := a.OperatorServiceAccount; ref != nil {
		subject, err := subjectOf(c, *ref, "spec.authorization.operatorServiceAccount")
		if err != nil {
			return err
		}
		s.OperatorSubject = subject
	}
	for _, additional := range a.AdditionalSubjects {
		role := strings.ToLower(additional.Role)
		if err := checkAdditionalIdentity(Identity(additional.Identity), additionalSubjectField(role, "identity")); err != nil {
			return err
		}
		subject, err := subjectOf(c, additional.ServiceAccount, additionalSubjectField(role, "serviceAccount"))
		if err != nil {
			return err
		}
		s.AdditionalSubjects = append(s.AdditionalSubjects, AdditionalSubject{
			Role: role, Identity: Identity(additional.Identity), Subject: subject,
		})
	}
	slices.SortFunc(s.AdditionalSubjects, func(a, b AdditionalSubject) int { return cmp.Compare(a.Role, b.Role) })
	return nil
}

// checkAdditionalIdentity checks that an additional subject may have the policy of
// an identity.
func checkAdditionalIdentity(identity Identity, field string) error {
	if identity == Restore {
		// The schema of an earlier version allowed it.
		return &SpecError{field, "the restore identity is for the ServiceAccount of the restore job alone: " +
			"anyone who restores a snapshot of their own owns the server. Remove the subject"}
	}
	if id := identityNamed(identity); id.name == "" || id.ownServers {
		return &SpecError{field, fmt.Sprintf("%q is not an identity", identity)}
	}
	return nil
}

// defaultTokenKey is the key of the admin token's Secret.
const defaultTokenKey = "token"

func additionalSubjectField(role, field string) string {
	return fmt.Sprintf("spec.authorization.additionalSubjects[%s].%s", role, field)
}

// subjectOf returns the sub claim of a ServiceAccount. A name that no
// ServiceAccount has is refused, since a policy that pins a role would take a *
// at its end for a pattern.
func subjectOf(c *openbaov1alpha1.OpenBaoCluster, ref openbaov1alpha1.ServiceAccountReference, field string) (string, error) {
	namespace := cmp.Or(ref.Namespace, c.Namespace)
	if problems := validation.IsDNS1123Subdomain(ref.Name); len(problems) > 0 {
		return "", &SpecError{field + ".name", fmt.Sprintf("%q is not the name of a ServiceAccount", ref.Name)}
	}
	if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
		return "", &SpecError{field + ".namespace", fmt.Sprintf("%q is not the name of a namespace", namespace)}
	}
	return ServiceAccountSubject(namespace, ref.Name), nil
}

func (s *Settings) setMode(value, field string) error {
	switch mode := openbaov1alpha1.AuthorizationMode(value); mode {
	case "":
	case openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce:
		s.Mode = mode
	default:
		return &SpecError{field, fmt.Sprintf("%q is not one of Once, Observe, Enforce", value)}
	}
	return nil
}

func (s *Settings) setProfile(value, field string) error {
	switch profile := openbaov1alpha1.AuthorizationProfile(value); profile {
	case "":
	case openbaov1alpha1.ProfileDocument, openbaov1alpha1.ProfileMinimal:
		s.Profile = profile
	default:
		return &SpecError{field, fmt.Sprintf("%q is not one of Document, Minimal", value)}
	}
	return nil
}

func annotationField(name string) string { return "metadata.annotations[" + name + "]" }

func (s *Settings) fromAnnotations(c *openbaov1alpha1.OpenBaoCluster) error {
	annotations := c.Annotations
	if err := s.setMode(annotations[openbaov1alpha1.AnnotationMode], annotationField(openbaov1alpha1.AnnotationMode)); err != nil {
		return err
	}
	if err := s.setProfile(annotations[openbaov1alpha1.AnnotationProfile], annotationField(openbaov1alpha1.AnnotationProfile)); err != nil {
		return err
	}
	if address := annotations[openbaov1alpha1.AnnotationAddress]; address != "" {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return &SpecError{annotationField(openbaov1alpha1.AnnotationAddress), fmt.Sprintf("%q is not an https URL with only a host and a port", address)}
		}
		s.Address = strings.TrimSuffix(address, "/")
	}
	if value := annotations[openbaov1alpha1.AnnotationAdminTokenSecret]; value != "" {
		name, key, hasKey := strings.Cut(value, "/")
		if !hasKey {
			key = defaultTokenKey
		}
		if len(validation.IsDNS1123Subdomain(name)) > 0 || len(validation.IsConfigMapKey(key)) > 0 {
			return &SpecError{annotationField(openbaov1alpha1.AnnotationAdminTokenSecret), fmt.Sprintf("%q is neither the name of a Secret nor name/key", value)}
		}
		s.AdminTokenSecretRef = &openbaov1alpha1.SecretKeyReference{Name: name, Key: key}
	}
	if value := annotations[openbaov1alpha1.AnnotationOperatorServiceAccount]; value != "" {
		ref := openbaov1alpha1.ServiceAccountReference{Name: value}
		if namespace, name, both := strings.Cut(value, "/"); both {
			// An empty namespace is a mistake here, and the default there.
			ref = openbaov1alpha1.ServiceAccountReference{Namespace: cmp.Or(namespace, "/"), Name: name}
		}
		field := annotationField(openbaov1alpha1.AnnotationOperatorServiceAccount)
		subject, err := subjectOf(c, ref, field)
		if err != nil {
			return &SpecError{field, fmt.Sprintf("%q is neither the name of a ServiceAccount nor namespace/name", value)}
		}
		s.OperatorSubject = subject
	}
	return nil
}
