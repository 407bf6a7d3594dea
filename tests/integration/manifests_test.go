// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/internal/grants"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// TestManifests applies the manifests to an API server of its own, on which
// nobody has granted the operator anything else. The overlays share names, so
// that the subtests run one after the other.
func TestManifests(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	audit := filepath.Join(t.TempDir(), "audit.log")
	args, err := grants.AuditArgs(audit)
	if err != nil {
		t.Fatal(err)
	}
	// Not on by default: who sets or changes an ownerReference needs rights on both
	// ends of it.
	args = append(args, "--enable-admission-plugins=OwnerReferencesPermissionEnforcement")
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{manifests + "/crds"}, APIServerArgs: args})
	kube, err := kubernetes.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{operatorNamespace, "team-a", "team-b", "team-c", "team-d"} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := kube.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	m := &manifestsTest{ctx: ctx, cluster: cluster, kube: kube, audit: audit, bao: stack.NewOpenBao(t, stack.OpenBaoOptions{})}

	for _, folder := range []string{
		"base", "rbac/optional", "rbac/optional/run-servers", "samples-all",
		"overlays/aiven-only", "overlays/debug", "overlays/default-token", "overlays/namespaced", "overlays/one-process", "overlays/openbao-only",
	} {
		t.Run(folder, func(t *testing.T) {
			if out, err := kubectlOn(ctx, cluster, "apply", "--server-side", "--dry-run=server", "-k", manifests+"/"+folder); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		})
	}

	t.Run("working with namespaced", func(t *testing.T) {
		m.apply(t, "overlays/namespaced")
		for _, verb := range []string{"get", "list", "watch", "create", "patch", "update", "delete"} {
			for _, namespace := range []string{"", "default", "team-c", operatorNamespace} {
				m.mayNot(t, authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Resource: "secrets"})
				m.mayNot(t, authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Group: "aiven.io", Resource: "kafkas"})
			}
		}
		// No Role can grant the two URLs; Kubernetes grants them to every ServiceAccount.
		m.work(t, "team-b", withSecrets)
		for _, namespace := range []string{"team-a", "team-b"} {
			if out, err := kubectlOn(ctx, cluster, "delete", "-k", manifests+"/overlays/namespaced/"+namespace); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	})

	t.Run("working with default-token", func(t *testing.T) {
		m.apply(t, "overlays/default-token")
		for _, namespace := range []string{"", "default", "team-b", "team-c", operatorNamespace} {
			for _, verb := range []string{"get", "list", "watch", "update", "delete"} {
				m.mayNot(t, authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Resource: "secrets"})
			}
		}
		m.may(t, authorizationv1.ResourceAttributes{Namespace: operatorNamespace, Verb: "get", Resource: "secrets", Name: "aiven-token"})
		m.mayNot(t, authorizationv1.ResourceAttributes{Namespace: "team-c", Verb: "get", Resource: "secrets", Name: "aiven-token"})
		token := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "aiven-token"}, Data: map[string][]byte{"token": []byte(tokenOwn.Value)}}
		if _, err := kube.CoreV1().Secrets(operatorNamespace).Create(ctx, token, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		m.work(t, "team-c", withoutSecrets, grants.Right{Verb: "get", Resource: "secrets"})
		m.remove(t, "overlays/default-token")
	})

	for _, overlay := range []string{"overlays/aiven-only", "overlays/openbao-only", "base"} {
		t.Run("working with "+overlay, func(t *testing.T) {
			m.apply(t, overlay)
			switch overlay {
			case "overlays/aiven-only":
				m.work(t, "team-a", withAiven)
			case "overlays/openbao-only":
				m.work(t, "team-c", withOpenBao)
			default:
				m.work(t, "team-d", withSecrets)
				m.ownerReferences(t, "team-d")
			}
			m.remove(t, overlay)
		})
	}
}

type manifestsTest struct {
	ctx     context.Context
	cluster *stack.Kubernetes
	kube    kubernetes.Interface
	audit   string
	bao     *stack.OpenBao
	// deployment is that of the overlay that was applied last.
	deployment *appsv1.Deployment
}

// apply applies an overlay as people do.
func (m *manifestsTest) apply(t *testing.T, overlay string) {
	t.Helper()
	if out, err := kubectlOn(m.ctx, m.cluster, "apply", "--server-side", "--force-conflicts", "-k", manifests+"/"+overlay); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var err error
	m.deployment, err = m.kube.AppsV1().Deployments(operatorNamespace).Get(m.ctx, "bailiwick", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// args are the arguments that the applied Deployment gives its container.
func (m *manifestsTest) args(t *testing.T) []string {
	t.Helper()
	containers := m.deployment.Spec.Template.Spec.Containers
	if len(containers) != 1 || len(containers[0].Args) == 0 {
		t.Fatalf("containers are %+v, want one with arguments", containers)
	}
	return slices.Clone(containers[0].Args)
}

// remove takes the rights of an overlay away, and leaves its kinds.
func (m *manifestsTest) remove(t *testing.T, overlay string) {
	t.Helper()
	rendered, err := kubectlOn(m.ctx, m.cluster, "kustomize", manifests+"/"+overlay)
	if err != nil {
		t.Fatalf("%v: %s", err, rendered)
	}
	for _, document := range strings.Split(rendered, "\n---\n") {
		var object metav1.PartialObjectMetadata
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(object.APIVersion, rbacv1.GroupName+"/") {
			continue
		}
		args := []string{"delete", strings.ToLower(object.Kind), object.Name}
		if object.Namespace != "" {
			args = append(args, "-n", object.Namespace)
		}
		if out, err := kubectlOn(m.ctx, m.cluster, args...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

func (m *manifestsTest) env(t *testing.T, namespace string) *env {
	return newEnvOn(t, m.cluster, namespace, aivensim.Options{Tokens: []aivensim.Token{tokenOwn}})
}

// config is the access of the account that the applied Deployment names.
func (m *manifestsTest) config(t *testing.T) *rest.Config {
	t.Helper()
	config, err := m.cluster.ServiceAccountConfig(m.ctx, operatorNamespace, m.deployment.Spec.Template.Spec.ServiceAccountName)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func (m *manifestsTest) may(t *testing.T, what authorizationv1.ResourceAttributes) {
	t.Helper()
	if !m.allowed(t, what) {
		t.Errorf("the operator may not %s", describe(what))
	}
}

func (m *manifestsTest) mayNot(t *testing.T, what authorizationv1.ResourceAttributes) {
	t.Helper()
	if m.allowed(t, what) {
		t.Errorf("the operator may %s", describe(what))
	}
}

// allowed asks the API server what the operator's account may do.
func (m *manifestsTest) allowed(t *testing.T, what authorizationv1.ResourceAttributes) bool {
	t.Helper()
	review, err := m.kube.AuthorizationV1().SubjectAccessReviews().Create(m.ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               "system:serviceaccount:" + operatorNamespace + ":" + operatorAccount,
			Groups:             []string{"system:serviceaccounts", "system:serviceaccounts:" + operatorNamespace, "system:authenticated"},
			ResourceAttributes: &what,
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

func describe(what authorizationv1.ResourceAttributes) string {
	where := "in namespace " + what.Namespace
	if what.Namespace == "" {
		where = "in all namespaces"
	}
	return what.Verb + " " + what.Resource + " " + what.Name + " " + where
}
