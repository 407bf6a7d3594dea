// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

func annotated(annotations map[string]string, mutate ...func(*openbaov1alpha1.OpenBaoClusterSpec)) *openbaov1alpha1.OpenBaoCluster {
	c := cluster(append([]func(*openbaov1alpha1.OpenBaoClusterSpec){
		func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization = nil },
	}, mutate...)...)
	c.Annotations = annotations
	return c
}

func TestSettings(t *testing.T) {
	defaults := func() authz.Settings {
		return authz.Settings{
			Mode: openbaov1alpha1.AuthorizationOnce, Profile: openbaov1alpha1.ProfileDocument,
			Address:           "https://prod.vaults.svc:8200",
			CASecretRef:       &openbaov1alpha1.CASecretReference{Name: "prod-tls-ca", Key: "ca.crt"},
			SigningKeyOverlap: time.Hour,
		}
	}
	oidc := func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.SelfInit = &openbaov1alpha1.SelfInitSpec{OIDC: &openbaov1alpha1.SelfInitOIDC{Audience: "from-oidc", Issuer: "https://issuer.example"}}
	}
	for name, tc := range map[string]struct {
		cluster *openbaov1alpha1.OpenBaoCluster
		want    func(*authz.Settings)
	}{
		"nothing said":        {annotated(nil), func(*authz.Settings) {}},
		"empty authorization": {cluster(), func(*authz.Settings) {}},
		"all of the spec": {
			cluster(oidc, func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				*s.Authorization = openbaov1alpha1.AuthorizationSpec{
					Mode: openbaov1alpha1.AuthorizationEnforce, Profile: openbaov1alpha1.ProfileMinimal,
					SigningKeyOverlap: &metav1.Duration{Duration: 5 * time.Minute},
					Address:           "https://bao.example:8200/", CABundle: "pem", TLSServerName: "bao", Namespace: "team",
					CASecretRef:            &openbaov1alpha1.CASecretReference{Name: "ignored"},
					AdminTokenSecretRef:    &openbaov1alpha1.SecretKeyReference{Name: "admin", Key: "root"},
					Audience:               "own",
					OperatorServiceAccount: &openbaov1alpha1.ServiceAccountReference{Name: "op"},
					AdditionalSubjects: []openbaov1alpha1.AdditionalSubject{
						{Role: "Zulu", Identity: "upgrade", ServiceAccount: openbaov1alpha1.ServiceAccountReference{Name: "z"}},
						{Role: "alpha", Identity: "backup", ServiceAccount: openbaov1alpha1.ServiceAccountReference{Name: "a", Namespace: "jobs"}},
					},
				}
			}),
			func(s *authz.Settings) {
				*s = authz.Settings{
					Mode: openbaov1alpha1.AuthorizationEnforce, Profile: openbaov1alpha1.ProfileMinimal,
					Address: "https://bao.example:8200", CABundle: "pem", TLSServerName: "bao", Namespace: "team",
					AdminTokenSecretRef: &openbaov1alpha1.SecretKeyReference{Name: "admin", Key: "root"},
					AuthorAudience:      "own", Issuer: "https://issuer.example", OperatorSubject: "system:serviceaccount:vaults:op",
					AdditionalSubjects: []authz.AdditionalSubject{
						{Role: "alpha", Identity: authz.Backup, Subject: "system:serviceaccount:jobs:a"},
						{Role: "zulu", Identity: authz.Upgrade, Subject: "system:serviceaccount:vaults:z"},
					},
					SigningKeyOverlap: 5 * time.Minute,
				}
			},
		},
		"keys of Secrets have defaults": {
			cluster(func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Authorization.CASecretRef = &openbaov1alpha1.CASecretReference{Name: "ca"}
				s.Authorization.AdminTokenSecretRef = &openbaov1alpha1.SecretKeyReference{Name: "admin"}
			}),
			func(s *authz.Settings) {
				s.CASecretRef = &openbaov1alpha1.CASecretReference{Name: "ca", Key: "ca.crt"}
				s.AdminTokenSecretRef = &openbaov1alpha1.SecretKeyReference{Name: "admin", Key: "token"}
			},
		},
		"no overlap": {
			cluster(func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization.SigningKeyOverlap = &metav1.Duration{} }),
			func(s *authz.Settings) { s.SigningKeyOverlap = 0 },
		},
		"audience and issuer of self-init": {
			annotated(nil, oidc), func(s *authz.Settings) { s.AuthorAudience, s.Issuer = "from-oidc", "https://issuer.example" },
		},
		"annotations": {
			annotated(map[string]string{
				openbaov1alpha1.AnnotationMode: "Observe", openbaov1alpha1.AnnotationProfile: "Minimal",
				openbaov1alpha1.AnnotationAddress:            "https://bao.example:8200/",
				openbaov1alpha1.AnnotationAdminTokenSecret:   "admin/root.token",
				openbaov1alpha1.AnnotationDropOldSigningKeys: "1",
			}),
			func(s *authz.Settings) {
				s.Mode, s.Profile = openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.ProfileMinimal
				s.Address, s.DropOldKeys = "https://bao.example:8200", "1"
				s.AdminTokenSecretRef = &openbaov1alpha1.SecretKeyReference{Name: "admin", Key: "root.token"}
			},
		},
		"empty annotations": {
			annotated(map[string]string{openbaov1alpha1.AnnotationMode: "", openbaov1alpha1.AnnotationAddress: ""}), func(*authz.Settings) {},
		},
		"annotated operator": {
			annotated(map[string]string{openbaov1alpha1.AnnotationOperatorServiceAccount: "openbao-operator-system/openbao-operator-controller"}),
			func(s *authz.Settings) {
				s.OperatorSubject = "system:serviceaccount:openbao-operator-system:openbao-operator-controller"
			},
		},
		"annotated operator of the same namespace": {
			annotated(map[string]string{openbaov1alpha1.AnnotationOperatorServiceAccount: "op"}),
			func(s *authz.Settings) { s.OperatorSubject = "system:serviceaccount:vaults:op" },
		},
		"annotated operator that counts for nothing": {
			func() *openbaov1alpha1.OpenBaoCluster {
				c := cluster()
				c.Annotations = map[string]string{openbaov1alpha1.AnnotationOperatorServiceAccount: "op"}
				return c
			}(),
			func(*authz.Settings) {},
		},
		"annotation without a key": {
			annotated(map[string]string{openbaov1alpha1.AnnotationAdminTokenSecret: "admin"}),
			func(s *authz.Settings) {
				s.AdminTokenSecretRef = &openbaov1alpha1.SecretKeyReference{Name: "admin", Key: "token"}
			},
		},
		"the spec beats annotations, right or wrong": {
			func() *openbaov1alpha1.OpenBaoCluster {
				c := cluster()
				c.Annotations = map[string]string{
					openbaov1alpha1.AnnotationMode: "Nonsense", openbaov1alpha1.AnnotationAddress: "ftp://x",
					openbaov1alpha1.AnnotationAdminTokenSecret: "A/B/C", openbaov1alpha1.AnnotationDropOldSigningKeys: "now",
				}
				return c
			}(),
			func(s *authz.Settings) { s.DropOldKeys = "now" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := authz.SettingsOf(tc.cluster, false)
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			tc.want(&want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestSettingsRefuse(t *testing.T) {
	of := func(mutate func(*openbaov1alpha1.AuthorizationSpec)) *openbaov1alpha1.OpenBaoCluster {
		return cluster(func(s *openbaov1alpha1.OpenBaoClusterSpec) { mutate(s.Authorization) })
	}
	additional := func(a openbaov1alpha1.AdditionalSubject) *openbaov1alpha1.OpenBaoCluster {
		return of(func(s *openbaov1alpha1.AuthorizationSpec) {
			s.AdditionalSubjects = []openbaov1alpha1.AdditionalSubject{a}
		})
	}
	account := openbaov1alpha1.ServiceAccountReference{Name: "sa"}
	for name, tc := range map[string]struct {
		cluster *openbaov1alpha1.OpenBaoCluster
		field   string
	}{
		"mode":    {of(func(s *openbaov1alpha1.AuthorizationSpec) { s.Mode = "Always" }), "spec.authorization.mode"},
		"profile": {of(func(s *openbaov1alpha1.AuthorizationSpec) { s.Profile = "Tiny" }), "spec.authorization.profile"},
		"overlap": {
			of(func(s *openbaov1alpha1.AuthorizationSpec) {
				s.SigningKeyOverlap = &metav1.Duration{Duration: -time.Second}
			}), "spec.authorization.signingKeyOverlap",
		},
		"audience": {of(func(s *openbaov1alpha1.AuthorizationSpec) { s.Audience = "a\nb" }), "spec.authorization.audience"},
		"derived audience": {
			of(func(s *openbaov1alpha1.AuthorizationSpec) { s.Audience = "bailiwick.dev/openbao/victim/prod" }), "spec.authorization.audience",
		},
		"namespace": {of(func(s *openbaov1alpha1.AuthorizationSpec) { s.Namespace = "team//sub" }), "spec.authorization.namespace"},
		"operator that would be a pattern": {
			of(func(s *openbaov1alpha1.AuthorizationSpec) {
				s.OperatorServiceAccount = &openbaov1alpha1.ServiceAccountReference{Name: "*"}
			}), "spec.authorization.operatorServiceAccount.name",
		},
		"operator elsewhere": {
			of(func(s *openbaov1alpha1.AuthorizationSpec) {
				s.OperatorServiceAccount = &openbaov1alpha1.ServiceAccountReference{Name: "a", Namespace: "a:b"}
			}), "spec.authorization.operatorServiceAccount.namespace",
		},
		"additional subject of no identity": {
			additional(openbaov1alpha1.AdditionalSubject{Role: "Extra", Identity: "bootstrapper", ServiceAccount: account}),
			"spec.authorization.additionalSubjects[extra].identity",
		},
		"additional subject that may restore": {
			additional(openbaov1alpha1.AdditionalSubject{Role: "Extra", Identity: "restore", ServiceAccount: account}),
			"spec.authorization.additionalSubjects[extra].identity",
		},
		"additional subject that would be a pattern": {
			additional(openbaov1alpha1.AdditionalSubject{
				Role: "extra", Identity: "backup", ServiceAccount: openbaov1alpha1.ServiceAccountReference{Name: "a*"},
			}), "spec.authorization.additionalSubjects[extra].serviceAccount.name",
		},
		"issuer that would be a pattern": {
			cluster(func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.SelfInit = &openbaov1alpha1.SelfInitSpec{OIDC: &openbaov1alpha1.SelfInitOIDC{Issuer: "https://issuer.example/*"}}
			}), "spec.selfInit.oidc.issuer",
		},
		"audience of self-init": {
			cluster(func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.SelfInit = &openbaov1alpha1.SelfInitSpec{OIDC: &openbaov1alpha1.SelfInitOIDC{Audience: "\x00"}}
			}), "spec.selfInit.oidc.audience",
		},
		"annotated mode": {
			annotated(map[string]string{openbaov1alpha1.AnnotationMode: "enforce"}),
			"metadata.annotations[bailiwick.dev/authorization-mode]",
		},
		"annotated profile": {
			annotated(map[string]string{openbaov1alpha1.AnnotationProfile: "x"}),
			"metadata.annotations[bailiwick.dev/authorization-profile]",
		},
		"annotated address without TLS": {
			annotated(map[string]string{openbaov1alpha1.AnnotationAddress: "http://bao:8200"}),
			"metadata.annotations[bailiwick.dev/authorization-address]",
		},
		"annotated address with a path": {
			annotated(map[string]string{openbaov1alpha1.AnnotationAddress: "https://bao:8200/v1"}),
			"metadata.annotations[bailiwick.dev/authorization-address]",
		},
		"annotated address with a password": {
			annotated(map[string]string{openbaov1alpha1.AnnotationAddress: "https://a:b@bao:8200"}),
			"metadata.annotations[bailiwick.dev/authorization-address]",
		},
		"annotated operator with three parts": {
			annotated(map[string]string{openbaov1alpha1.AnnotationOperatorServiceAccount: "a/b/c"}),
			"metadata.annotations[bailiwick.dev/authorization-operator-service-account]",
		},
		"annotated operator without a name": {
			annotated(map[string]string{openbaov1alpha1.AnnotationOperatorServiceAccount: "a/"}),
			"metadata.annotations[bailiwick.dev/authorization-operator-service-account]",
		},
		"annotated operator without a namespace": {
			annotated(map[string]string{openbaov1alpha1.AnnotationOperatorServiceAccount: "/a"}),
			"metadata.annotations[bailiwick.dev/authorization-operator-service-account]",
		},
		"annotated operator that would be a pattern": {
			annotated(map[string]string{openbaov1alpha1.AnnotationOperatorServiceAccount: "a/*"}),
			"metadata.annotations[bailiwick.dev/authorization-operator-service-account]",
		},
		"annotated operator with a colon": {
			annotated(map[string]string{openbaov1alpha1.AnnotationOperatorServiceAccount: "a:b"}),
			"metadata.annotations[bailiwick.dev/authorization-operator-service-account]",
		},
		"annotated Secret with two keys": {
			annotated(map[string]string{openbaov1alpha1.AnnotationAdminTokenSecret: "a/b/c"}),
			"metadata.annotations[bailiwick.dev/authorization-admin-token-secret]",
		},
		"annotated Secret without a name": {
			annotated(map[string]string{openbaov1alpha1.AnnotationAdminTokenSecret: "/token"}),
			"metadata.annotations[bailiwick.dev/authorization-admin-token-secret]",
		},
		"annotated Secret without its key": {
			annotated(map[string]string{openbaov1alpha1.AnnotationAdminTokenSecret: "admin/"}),
			"metadata.annotations[bailiwick.dev/authorization-admin-token-secret]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := authz.SettingsOf(tc.cluster, false)
			var spec *authz.SpecError
			if !errors.As(err, &spec) || spec.Field != tc.field {
				t.Errorf("got error %v, want a SpecError of %s", err, tc.field)
			}
			// A contract needs the settings.
			if _, err := authz.Desired(tc.cluster, inputs()); !errors.As(err, &spec) {
				t.Errorf("Desired: %v, want a SpecError", err)
			}
		})
	}
}

func TestParseSubject(t *testing.T) {
	for subject, want := range map[string][2]string{
		"system:serviceaccount:ns:name": {"ns", "name"},
		"system:serviceaccount:ns:a:b":  {},
		"system:serviceaccount::name":   {},
		"system:serviceaccount:ns:":     {},
		"system:serviceaccount:ns":      {},
		"user":                          {},
	} {
		namespace, name, ok := authz.ParseSubject(subject)
		if ok != (want[0] != "") || (ok && [2]string{namespace, name} != want) {
			t.Errorf("ParseSubject(%q) = %q, %q, %t", subject, namespace, name, ok)
		}
	}
}
