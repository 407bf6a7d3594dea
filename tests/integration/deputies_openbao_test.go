// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
)

// deputyOfOpenBao is an object whose author tries to get what is another
// namespace's, by one field.
type deputyOfOpenBao func(author, victim *baoEnv, obj *v1alpha1.OpenBaoCluster)

// deputiesOfOpenBao tries every field of spec.authorization, by its name, and what
// else of an object decides about authority.
func deputiesOfOpenBao() map[string]deputyOfOpenBao {
	of := func(change func(author, victim *baoEnv, a *v1alpha1.AuthorizationSpec)) deputyOfOpenBao {
		return func(author, victim *baoEnv, obj *v1alpha1.OpenBaoCluster) {
			change(author, victim, obj.Spec.Authorization)
		}
	}
	return map[string]deputyOfOpenBao{
		"mode":              of(func(_, _ *baoEnv, a *v1alpha1.AuthorizationSpec) { a.Mode = v1alpha1.AuthorizationObserve }),
		"profile":           of(func(_, _ *baoEnv, a *v1alpha1.AuthorizationSpec) { a.Profile = v1alpha1.ProfileMinimal }),
		"signingKeyOverlap": of(func(_, _ *baoEnv, a *v1alpha1.AuthorizationSpec) { a.SigningKeyOverlap = &metav1.Duration{} }),
		"signingKeySource":  of(func(_, _ *baoEnv, a *v1alpha1.AuthorizationSpec) { a.SigningKeySource = v1alpha1.SigningKeysProvider }),
		"address": of(func(_, victim *baoEnv, a *v1alpha1.AuthorizationSpec) {
			a.Address, a.CABundle = victim.address, victim.ca
		}),
		"caBundle": of(func(author, victim *baoEnv, a *v1alpha1.AuthorizationSpec) { a.CABundle = author.ca + victim.ca }),
		"caSecretRef": of(func(_, _ *baoEnv, a *v1alpha1.AuthorizationSpec) {
			a.CABundle, a.CASecretRef = "", &v1alpha1.CASecretReference{Name: "db", Key: "password"}
		}),
		"tlsServerName": of(func(_, _ *baoEnv, a *v1alpha1.AuthorizationSpec) { a.TLSServerName = "example.com" }),
		"namespace":     of(func(_, _ *baoEnv, a *v1alpha1.AuthorizationSpec) { a.Namespace = "team" }),
		"clientCertSecretRef": of(func(_, _ *baoEnv, a *v1alpha1.AuthorizationSpec) {
			a.ClientCertSecretRef = &v1alpha1.ClientCertSecretReference{Name: "db"}
		}),
		"adminTokenSecretRef": of(func(_, _ *baoEnv, a *v1alpha1.AuthorizationSpec) {
			a.AdminTokenSecretRef = &v1alpha1.SecretKeyReference{Name: "db", Key: "password"}
		}),
		"audience": of(func(_, _ *baoEnv, a *v1alpha1.AuthorizationSpec) { a.Audience = "the-victims-own" }),
		"operatorServiceAccount": of(func(_, victim *baoEnv, a *v1alpha1.AuthorizationSpec) {
			a.OperatorServiceAccount = &v1alpha1.ServiceAccountReference{Namespace: victim.ns, Name: "bao-backup-serviceaccount"}
		}),
		"additionalSubjects": of(func(_, victim *baoEnv, a *v1alpha1.AuthorizationSpec) {
			a.AdditionalSubjects = []v1alpha1.AdditionalSubject{{
				Role: "taken", Identity: "backup", ServiceAccount: v1alpha1.ServiceAccountReference{Namespace: victim.ns, Name: "bao-restore-serviceaccount"},
			}}
		}),
		"spec.selfInit": func(_, _ *baoEnv, obj *v1alpha1.OpenBaoCluster) {
			obj.Spec.SelfInit = &v1alpha1.SelfInitSpec{Enabled: true, OIDC: &v1alpha1.SelfInitOIDC{Enabled: true, Audience: "the-victims-own"}}
		},
		"spec.backup.jwtAuthRole": func(_, _ *baoEnv, obj *v1alpha1.OpenBaoCluster) { obj.Spec.Backup.JWTAuthRole = "nightly" },
		"the record in an annotation": func(author, victim *baoEnv, obj *v1alpha1.OpenBaoCluster) {
			obj.Annotations = map[string]string{v1alpha1.AnnotationRecord: fmt.Sprintf(
				`{"server":%q,"address":%q,"mount":"jwt-operator","digest":"sha256:x","audience":%q,"policies":["openbao-operator"],"roles":["openbao-operator-bootstrapper"]}`,
				victim.record("bao").Server, author.address, victim.audience())}
		},
		"the annotations that stand for fields": func(author, _ *baoEnv, obj *v1alpha1.OpenBaoCluster) {
			obj.Spec.Authorization = nil
			obj.Annotations = map[string]string{
				v1alpha1.AnnotationMode: "Enforce", v1alpha1.AnnotationAddress: author.address, v1alpha1.AnnotationAdminTokenSecret: "db/password",
			}
		},
	}
}

// TestConfusedDeputiesOfOpenBao has the author of objects in a second namespace try
// every field, with a server of their own that passes everything on to the victim's
// and repeats its answers. The victim's server stays as it is, and nothing that the
// author's received is accepted by the victim's.
func TestConfusedDeputiesOfOpenBao(t *testing.T) {
	t.Parallel()
	cases := deputiesOfOpenBao()
	for i, fields := 0, reflect.TypeFor[v1alpha1.AuthorizationSpec](); i < fields.NumField(); i++ {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		if cases[name] == nil {
			t.Errorf("Nobody tries spec.authorization.%s", name)
		}
	}

	victim := newBaoEnv(t)
	victim.jobs("bao")
	victim.setSecret("bao-admin", map[string]string{"token": victim.adminToken("root")})
	author := &baoEnv{env: victim.in(shared.Kubernetes.Namespace(t)), bao: victim.bao, root: victim.root, gateway: newGateway(t, victim.bao)}
	author.address, author.ca = author.gateway.URL, author.gateway.ca()
	const password = "the-password-of-a-database"
	if _, err := author.kube.CoreV1().Secrets(author.ns).Create(author.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "db"}, StringData: map[string]string{"password": password},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	victim.start(soon)
	victim.cluster("bao", func(s *v1alpha1.OpenBaoClusterSpec) {
		whole(s)
		s.Authorization.Mode, s.Authorization.Audience = v1alpha1.AuthorizationEnforce, "the-victims-own"
	})
	victim.applied("bao")
	held := victim.holds()

	for _, what := range slices.Sorted(maps.Keys(cases)) {
		name := strings.ToLower(strings.NewReplacer(".", "-", " ", "-").Replace(what))
		obj := &v1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
		obj.Spec.Backup = &v1alpha1.BackupSpec{}
		obj.Spec.Authorization = &v1alpha1.AuthorizationSpec{Mode: v1alpha1.AuthorizationEnforce, Address: author.address, CABundle: author.ca}
		cases[what](author, victim, obj)
		if _, err := author.api.OpenBaoV1alpha1().OpenBaoClusters(author.ns).Create(author.ctx, obj, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		author.eventually(what+" to be refused", func() error {
			_, conditions, err := author.clusterConditions(name)()
			if err != nil {
				return err
			}
			ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionAuthorizationReady)
			if ready == nil || ready.Status != metav1.ConditionFalse || ready.Message == "" {
				return fmt.Errorf("conditions are %+v", conditions)
			}
			return nil
		})
	}

	victim.refresh("bao")
	victim.applied("bao")
	if err := same(held, victim.holds()); err != nil {
		t.Errorf("The victim's server: %v", err)
	}
	for _, change := range author.gateway.changes() {
		t.Errorf("The author's server was asked for %s", change)
	}
	roles := victim.list("auth/" + mount + "/role")
	for _, credential := range author.gateway.seen() {
		if strings.Contains(credential, password) {
			t.Error("A Secret that does not agree to it was sent")
		}
		// A JWT is no token of OpenBao, and the embedded server fails on one.
		if !strings.HasPrefix(credential, "eyJ") && victim.accepted(credential) {
			t.Error("A token that was sent to the author's server is one of the victim's")
		}
		for _, role := range roles {
			if _, err := victim.as("").Logical().WriteWithContext(victim.ctx, "auth/"+mount+"/login", map[string]any{"role": role, "jwt": credential}); err == nil {
				t.Errorf("What was sent to the author's server logs in at the victim's as %s", role)
			}
		}
	}
	victim.wantCondition(v1alpha1.ConditionAuthorizationReady, metav1.ConditionTrue, bootstrap.ReasonApplied, victim.clusterConditions("bao"))
}
