// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	decoyAudience   = "bailiwick.dev/decoy"
	bootstrapperSA  = "bailiwick-bootstrapper"
	audiencesConfig = "bailiwick-openbao-audiences"
)

// tokenTest is an API server of its own with the manifests that say which tokens
// the operator may make: the list of audiences is changed here.
type tokenTest struct {
	ctx     context.Context
	cluster *stack.Kubernetes
	// admin may do anything, operator what the manifests say.
	admin, operator kubernetes.Interface
}

func newTokenTest(t *testing.T) *tokenTest {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{manifests + "/crds"}})
	if err := install(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	admin, err := kubernetes.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	tt := &tokenTest{ctx: ctx, cluster: cluster, admin: admin}
	tt.operator = tt.as(t, operatorNamespace, operatorAccount)
	return tt
}

// as returns a client with the rights of a ServiceAccount.
func (tt *tokenTest) as(t *testing.T, namespace, name string) kubernetes.Interface {
	t.Helper()
	config, err := tt.cluster.ServiceAccountConfig(tt.ctx, namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// mint asks for a token and returns its audiences.
func (tt *tokenTest) mint(client kubernetes.Interface, namespace, name string, spec authenticationv1.TokenRequestSpec) ([]string, error) {
	answer, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(tt.ctx, name,
		&authenticationv1.TokenRequest{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(answer.Status.Token, ".")[1])
	if err != nil {
		return nil, err
	}
	var claims struct {
		Audiences []string `json:"aud"`
	}
	return claims.Audiences, json.Unmarshal(payload, &claims)
}

// until waits for what the API server takes a moment to learn.
func (tt *tokenTest) until(t *testing.T, what string, check func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(tt.ctx, 100*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("Waiting for %s: %v", what, last)
	}
}

func audiencesOf(list ...string) authenticationv1.TokenRequestSpec {
	return authenticationv1.TokenRequestSpec{Audiences: list}
}

// denied checks that an admission policy has refused, with a text.
func denied(err error, text string) error {
	if err == nil || !strings.Contains(err.Error(), "ValidatingAdmissionPolicy") || !strings.Contains(err.Error(), "denied request") ||
		!strings.Contains(err.Error(), text) {
		return fmt.Errorf("the answer is %v, want a refusal with %q", err, text) //nolint:errorlint // it may be nil
	}
	return nil
}

// The operator has tokens for OpenBao only; nobody else is concerned.
func TestTokenAudiences(t *testing.T) {
	t.Parallel()
	tt := newTokenTest(t)
	tt.until(t, "the policy to be in force", func() error {
		_, err := tt.mint(tt.operator, operatorNamespace, bootstrapperSA, audiencesOf("someone-else"))
		return denied(err, "no token for [someone-else]")
	})
	secret, err := tt.admin.CoreV1().Secrets(operatorNamespace).Create(tt.ctx,
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "bound"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	own := tt.cluster.Issuer
	bound := audiencesOf(audience)
	bound.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: secret.Name, UID: secret.UID}
	lasting := func(seconds int64) authenticationv1.TokenRequestSpec {
		spec := audiencesOf(audience)
		spec.ExpirationSeconds = &seconds
		return spec
	}
	for name, test := range map[string]struct {
		spec authenticationv1.TokenRequestSpec
		// refusal is part of the refusal, empty where there is a token.
		refusal string
	}{
		"OpenBao's":              {spec: audiencesOf(audience)},
		"the decoy's":            {spec: audiencesOf(decoyAudience)},
		"both":                   {spec: audiencesOf(audience, decoyAudience)},
		"an hour":                {spec: lasting(3600)},
		"ten minutes":            {spec: lasting(600)},
		"none":                   {authenticationv1.TokenRequestSpec{}, "no token for ["},
		"an empty one":           {audiencesOf(""), "no token for []"},
		"the API server's":       {audiencesOf(own), "no token for [" + own + "]"},
		"the API server's, too":  {audiencesOf(audience, own), "no token for [" + audience + ", " + own + "]"},
		"the API server's first": {audiencesOf(own, audience), "no token for ["},
		"another":                {audiencesOf("vault"), "has [openbao-internal, bailiwick.dev/decoy]"},
		"part of OpenBao's":      {audiencesOf("openbao"), "no token for [openbao]"},
		"the whole list":         {audiencesOf(audience + "\n" + decoyAudience), "no token for ["},
		"more than an hour":      {lasting(3601), "no token for longer"},
		"bound to a Secret":      {bound, "no token that is bound"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, account := range []string{operatorAccount, bootstrapperSA, "bailiwick-decoy"} {
				got, err := tt.mint(tt.operator, operatorNamespace, account, test.spec)
				if test.refusal != "" {
					if err := denied(err, test.refusal); err != nil {
						t.Errorf("%s: %v", account, err)
					}
					continue
				}
				if err != nil || !slices.Equal(got, test.spec.Audiences) {
					t.Errorf("%s: a token for %q, %v; want one for %q", account, got, err, test.spec.Audiences)
				}
			}
			// The administrator is not concerned.
			if name == "an empty one" {
				return
			}
			if _, err := tt.mint(tt.admin, operatorNamespace, bootstrapperSA, test.spec); err != nil {
				t.Errorf("the administrator: %v", err)
			}
		})
	}
	t.Run("another account with the right", func(t *testing.T) { tt.otherAccount(t) })
	t.Run("the list", func(t *testing.T) { tt.list(t) })
}

// otherAccount gives an account of the same namespace all that the operator may do.
func (tt *tokenTest) otherAccount(t *testing.T) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	if _, err := tt.admin.CoreV1().ServiceAccounts(operatorNamespace).Create(tt.ctx, account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "other"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "bailiwick-mint"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: "other"}},
	}
	if _, err := tt.admin.RbacV1().RoleBindings(operatorNamespace).Create(tt.ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	other := tt.as(t, operatorNamespace, "other")
	tt.until(t, "a token for the API server", func() error {
		_, err := tt.mint(other, operatorNamespace, bootstrapperSA, authenticationv1.TokenRequestSpec{})
		return err
	})
}

// list changes the list of audiences. Without one there are no tokens.
func (tt *tokenTest) list(t *testing.T) {
	configMaps := tt.admin.CoreV1().ConfigMaps(operatorNamespace)
	config, err := configMaps.Get(tt.ctx, audiencesConfig, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mint := func(audience string) error {
		_, err := tt.mint(tt.operator, operatorNamespace, bootstrapperSA, audiencesOf(audience))
		return err
	}
	for _, step := range []struct {
		what string
		data map[string]string
		// allowed is an audience for which there is a token, denied one for which
		// there is none.
		allowed, denied string
	}{
		{"one more", map[string]string{"audiences": config.Data["audiences"] + "  team-bao  \n\n"}, "team-bao", "team"},
		{"another", map[string]string{"audiences": "team-bao"}, "team-bao", audience},
		{"an empty list", map[string]string{"audiences": "\n \n"}, "", audience},
		{"no list", map[string]string{"other": audience}, "", audience},
		{"no data", nil, "", audience},
		{"what it was", config.Data, audience, "team-bao"},
	} {
		config.Data = step.data
		if config, err = configMaps.Update(tt.ctx, config, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		tt.until(t, step.what, func() error {
			if step.allowed != "" {
				if err := mint(step.allowed); err != nil {
					return err
				}
			}
			return denied(mint(step.denied), "no token for ["+step.denied+"]")
		})
	}
	if err := configMaps.Delete(tt.ctx, audiencesConfig, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	tt.until(t, "no ConfigMap", func() error { return denied(mint(audience), "bailiwick-token-audiences") })
}

// The operator makes tokens of the accounts that RBAC names, and of no other.
func TestTokenAccounts(t *testing.T) {
	t.Parallel()
	tt := newTokenTest(t)
	namespace := tt.cluster.Namespace(t)
	jobs := []string{"demo-bao-backup-serviceaccount", "demo-bao-restore-serviceaccount", "demo-bao-upgrade-serviceaccount"}
	for _, name := range append([]string{"demo-bao-serviceaccount"}, jobs...) {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := tt.admin.CoreV1().ServiceAccounts(namespace).Create(tt.ctx, account, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// not is a refusal by RBAC, not by the policy.
	not := func(namespace, name string) {
		t.Helper()
		_, err := tt.mint(tt.operator, namespace, name, audiencesOf(audience))
		if !apierrors.IsForbidden(err) || strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
			t.Errorf("%s/%s: the answer is %v, want that it may not", namespace, name, err)
		}
	}
	for _, name := range append([]string{"default"}, jobs...) {
		not(namespace, name)
	}
	not(operatorNamespace, "default")

	if out, err := kubectlOn(tt.ctx, tt.cluster, "apply", "-n", namespace, "-k", manifests+"/rbac/optional/prove-identities"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range jobs {
		tt.until(t, "a token of "+name, func() error {
			_, err := tt.mint(tt.operator, namespace, name, audiencesOf(audience))
			return err
		})
		tt.until(t, "the policy to be in force", func() error {
			_, err := tt.mint(tt.operator, namespace, name, authenticationv1.TokenRequestSpec{})
			return denied(err, "no token for [")
		})
	}
	for _, name := range []string{"default", "demo-bao-serviceaccount"} {
		not(namespace, name)
	}
	not("default", "default")
}

// A Secret is no way around: Kubernetes would fill it with a token.
func TestTokenSecrets(t *testing.T) {
	t.Parallel()
	tt := newTokenTest(t)
	create := func(client kubernetes.Interface, typ corev1.SecretType) error {
		_, err := client.CoreV1().Secrets("default").Create(tt.ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "x-", Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"}}, Type: typ,
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	tt.until(t, "the policy to be in force", func() error {
		return denied(create(tt.operator, corev1.SecretTypeServiceAccountToken), "no Secret for the token")
	})
	for _, typ := range []corev1.SecretType{"", corev1.SecretTypeOpaque, corev1.SecretTypeBasicAuth + "-of-ours"} {
		if err := create(tt.operator, typ); err != nil {
			t.Errorf("a Secret of type %q: %v", typ, err)
		}
	}
	if err := create(tt.admin, corev1.SecretTypeServiceAccountToken); err != nil {
		t.Errorf("the administrator: %v", err)
	}
}
