// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
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
	decoyAudience  = "bailiwick.dev/decoy"
	bootstrapperSA = "bailiwick-bootstrapper"
	// someUID is in the form of a UID.
	someUID = "0b5f8f0e-6f0c-4c57-9f4d-3a3cf0f0a6d1"
	// derivedAudience is that of a cluster.
	derivedAudience = "bailiwick.dev/openbao/" + someUID + "/demo-bao"
)

// tokenTest is an API server of its own with the manifests that say what the
// operator may write, and which tokens it may make: both are changed here.
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
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{
		CRDs: []string{manifests + "/crds"},
		// The owners that the tests name do not exist.
		ControllerManagerArgs: []string{"--enable-garbage-collector=false"},
	})
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
	bound := audiencesOf(derivedAudience)
	bound.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: secret.Name, UID: secret.UID}
	lasting := func(seconds int64) authenticationv1.TokenRequestSpec {
		spec := audiencesOf(derivedAudience)
		spec.ExpirationSeconds = &seconds
		return spec
	}
	const prefix = "bailiwick.dev/openbao/"
	of := func(suffix string) authenticationv1.TokenRequestSpec { return audiencesOf(prefix + suffix) }
	for name, test := range map[string]struct {
		spec authenticationv1.TokenRequestSpec
		// refusal is part of the refusal, empty where there is a token.
		refusal string
	}{
		"a cluster's":                {spec: audiencesOf(derivedAudience)},
		"a cluster's with dots":      {spec: of(someUID + "/a.b-c.9")},
		"the decoy's":                {spec: audiencesOf(decoyAudience)},
		"an hour":                    {spec: lasting(3600)},
		"ten minutes":                {spec: lasting(600)},
		"both":                       {audiencesOf(derivedAudience, decoyAudience), "exactly one audience"},
		"two clusters'":              {audiencesOf(derivedAudience, derivedAudience+"2"), "exactly one audience"},
		"none":                       {authenticationv1.TokenRequestSpec{}, "no token for ["},
		"an empty one":               {audiencesOf(""), "no token for []"},
		"the API server's":           {audiencesOf(own), "no token for [" + own + "]"},
		"the API server's, too":      {audiencesOf(derivedAudience, own), "no token for [" + derivedAudience + ", " + own + "]"},
		"the API server's first":     {audiencesOf(own, derivedAudience), "no token for ["},
		"an author's":                {audiencesOf("vault"), "which is bailiwick.dev/openbao/<UID of the namespace>/<name of the OpenBaoCluster> or bailiwick.dev/decoy"},
		"what was the default":       {audiencesOf("openbao-internal"), "no token for [openbao-internal]"},
		"another of Bailiwick's":     {audiencesOf("bailiwick.dev/other"), "no token for ["},
		"part of the decoy's":        {audiencesOf("bailiwick.dev/deco"), "no token for ["},
		"more than the decoy's":      {audiencesOf(decoyAudience + "/x"), "no token for ["},
		"another domain":             {audiencesOf("bailiwick-dev/openbao/" + someUID + "/x"), "no token for ["},
		"what follows something":     {audiencesOf("https://" + derivedAudience), "no token for ["},
		"two in one":                 {audiencesOf(derivedAudience + "\n" + own), "no token for ["},
		"two in one, the other way":  {audiencesOf(own + "\n" + derivedAudience), "no token for ["},
		"a line break at the end":    {audiencesOf(derivedAudience + "\n"), "no token for ["},
		"no name":                    {of(someUID + "/"), "no token for ["},
		"no UID":                     {of("/demo-bao"), "no token for ["},
		"a name in place of the UID": {of("team-a/demo-bao"), "no token for ["},
		"an upper-case UID":          {of(strings.ToUpper(someUID) + "/x"), "no token for ["},
		"a short UID":                {of(someUID[1:] + "/x"), "no token for ["},
		"a long UID":                 {of(someUID + "0/x"), "no token for ["},
		"a name with a slash":        {of(someUID + "/a/b"), "no token for ["},
		"a name with a space":        {of(someUID + "/a b"), "no token for ["},
		"an upper-case name":         {of(someUID + "/A"), "no token for ["},
		"a name that ends with -":    {of(someUID + "/a-"), "no token for ["},
		"a name with two dots":       {of(someUID + "/a..b"), "no token for ["},
		"a very long name":           {of(someUID + "/" + strings.Repeat("a", 500)), "no token for ["},
		"more than an hour":          {lasting(3601), "no token for longer"},
		"bound to a Secret":          {bound, "no token that is bound"},
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
	t.Run("an old audience", func(t *testing.T) { tt.legacy(t) })
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

// legacy allows one exact further audience, as the comment of the policy says.
func (tt *tokenTest) legacy(t *testing.T) {
	const file = manifests + "/admission/token_audiences.yaml"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var operations []string
	for _, line := range strings.Split(string(raw), "\n") {
		if _, operation, ok := strings.Cut(line, "# "); ok && strings.HasPrefix(strings.TrimSpace(operation), "- {op: ") {
			operations = append(operations, strings.TrimSpace(operation))
		}
	}
	if len(operations) != 2 {
		t.Fatalf("%s has the operations %q in its comment, want two", file, operations)
	}
	if out, err := kubectlOn(tt.ctx, tt.cluster, "patch", "validatingadmissionpolicy", "bailiwick-token-audiences",
		"--type=json", "-p", strings.Join(operations, "\n")); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	mint := func(audiences ...string) error {
		_, err := tt.mint(tt.operator, operatorNamespace, bootstrapperSA, audiencesOf(audiences...))
		return err
	}
	tt.until(t, "the old audience to be allowed", func() error { return mint("openbao-internal") })
	for _, refused := range [][]string{{"openbao-interna"}, {"openbao-internal2"}, {"openbao"}, {"OpenBao-Internal"}, {"openbao-internal", derivedAudience}, {"openbao-internal", tt.cluster.Issuer}, {""}, {}} {
		if err := denied(mint(refused...), "no token for ["); err != nil {
			t.Errorf("%q: %v", refused, err)
		}
	}
	for _, allowed := range []string{derivedAudience, decoyAudience} {
		if err := mint(allowed); err != nil {
			t.Errorf("%q: %v", allowed, err)
		}
	}
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
		_, err := tt.mint(tt.operator, namespace, name, audiencesOf(derivedAudience))
		if !apierrors.IsForbidden(err) || strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
			t.Errorf("%s/%s: the answer is %v, want that it may not", namespace, name, err)
		}
	}
	for _, name := range append([]string{"default"}, jobs...) {
		not(namespace, name)
	}
	not(operatorNamespace, "default")

	proves := func(jobs ...string) {
		t.Helper()
		for _, name := range jobs {
			tt.until(t, "a token of "+name, func() error {
				_, err := tt.mint(tt.operator, namespace, name, audiencesOf(derivedAudience))
				return err
			})
			tt.until(t, "the policy to be in force", func() error {
				_, err := tt.mint(tt.operator, namespace, name, authenticationv1.TokenRequestSpec{})
				return denied(err, "no token for [")
			})
		}
	}
	read := func(name string) error {
		_, err := tt.operator.CoreV1().ServiceAccounts(namespace).Get(tt.ctx, name, metav1.GetOptions{})
		return err
	}
	if out, err := kubectlOn(tt.ctx, tt.cluster, "apply", "-n", namespace, "-k", manifests+"/rbac/optional/prove-identities"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const restore = "demo-bao-restore-serviceaccount"
	proves(slices.DeleteFunc(slices.Clone(jobs), func(name string) bool { return name == restore })...)
	not(namespace, restore)
	if err := read(restore); !apierrors.IsForbidden(err) {
		t.Errorf("reading the restore account: %v", err)
	}

	t.Log("Restore is granted by itself, with the UID of its account")
	if out, err := kubectlOn(tt.ctx, tt.cluster, "apply", "-n", namespace, "-k", manifests+"/rbac/optional/prove-identities/restore"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	proves(restore)
	tt.until(t, "reading the restore account", func() error { return read(restore) })
	for _, name := range []string{"default", "demo-bao-serviceaccount", "demo-bao-backup-serviceaccount"} {
		if err := read(name); !apierrors.IsForbidden(err) {
			t.Errorf("reading %s: %v", name, err)
		}
	}
	for _, name := range []string{"default", "demo-bao-serviceaccount"} {
		not(namespace, name)
	}
	not("default", "default")
}
