// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	// patience bounds every wait; what is waited for normally takes far less.
	patience = 2 * time.Minute
	// The release of the aiven-operator's guide, in a namespace of one's own.
	release   = "aiven-operator"
	namespace = "platform"
	account   = "aiven-operator-bailiwick"
	// releaseLimit is what Kubernetes lets a Secret hold.
	releaseLimit = 1 << 20
)

// TestRelease installs, upgrades and uninstalls the chart on an API server, and hands
// the CRDs that stay, and what kubectl installed, to another release. There are no nodes, so nothing is waited for.
func TestRelease(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{})
	kube, err := kubernetes.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	api, err := dynamic.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	r := &releaseTest{ctx: ctx, cluster: cluster, kube: kube, api: api, helm: New(t)}
	r.helm.Kubeconfig = cluster.Kubeconfig
	for _, name := range []string{namespace, "team-a"} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
		if _, err := kube.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	r.settle(t)
	before := r.all(t)
	values := Values(t, "defaultTokenSecret:\n  name: \"aiven-token\"\n  key: \"token\"\n")

	// An older chart, which lacks a column of a CRD.
	older := filepath.Join(t.TempDir(), "bailiwick")
	if err := os.CopyFS(older, os.DirFS(Dir)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(older, "templates/generated/crds/aiven.io_valkeys.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const column = "    - jsonPath: .spec.project\n      name: Project\n      type: string\n"
	if !strings.Contains(string(text), column) {
		t.Fatalf("the CRD has no column %q", column)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), column, "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}

	t.Run("install", func(t *testing.T) {
		out := r.run(t, "install", release, r.helm.Package(t, older), "--namespace", namespace, "--values", values)
		for _, part := range []string{
			"kubectl --namespace platform create secret generic aiven-token --from-literal=token=",
			"helm --namespace platform test aiven-operator", "rollout status deployment/aiven-operator-bailiwick", "kind: PostgreSQL",
		} {
			if !strings.Contains(out, part) {
				t.Errorf("the notes are %q, want them to contain %q", out, part)
			}
		}
		d, err := kube.AppsV1().Deployments(namespace).Get(ctx, account, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if *d.Spec.Replicas != 2 || d.Spec.Template.Spec.ServiceAccountName != account {
			t.Errorf("%d replicas run as %s", *d.Spec.Replicas, d.Spec.Template.Spec.ServiceAccountName)
		}
		r.columns(t, false)
		r.fits(t)
		r.limited(t)
		// Admission judges pods, not Deployments.
		r.admits(t, &corev1.Pod{ObjectMeta: d.Spec.Template.ObjectMeta, Spec: d.Spec.Template.Spec})
		for _, hook := range parse(t, r.run(t, "get", "hooks", release, "--namespace", namespace)) {
			if hook.GetKind() == "Pod" {
				pod := &corev1.Pod{}
				if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(hook.Object, pod, true); err != nil {
					t.Fatal(err)
				}
				r.admits(t, pod)
			}
		}
	})

	t.Run("upgrade", func(t *testing.T) {
		r.run(t, "upgrade", release, r.helm.Package(t, Dir), "--namespace", namespace, "--values", values, "--set", "logVerbosity=6,watchNamespaces={team-a}")
		r.columns(t, true)
		d, err := kube.AppsV1().Deployments(namespace).Get(ctx, account, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if args := d.Spec.Template.Spec.Containers[0].Args; !slices.Contains(args, "-v=6") || !slices.Contains(args, "--watch-namespaces=team-a") {
			t.Errorf("arguments are %v", args)
		}
		// The rights are those of one namespace now, and what was granted before is gone.
		r.mayPatchSecrets(t, "team-a", true)
		r.mayPatchSecrets(t, "default", false)
		r.limited(t)
		r.run(t, "rollback", release, "1", "--namespace", namespace)
		r.mayPatchSecrets(t, "default", true)
		r.columns(t, false)
	})

	valkeys := schema.GroupVersionResource{Group: "aiven.io", Version: "v1alpha1", Resource: "valkeys"}
	t.Run("uninstall", func(t *testing.T) {
		valkey := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "metadata": map[string]any{"name": "kept"},
			"spec": map[string]any{"project": "p", "plan": "startup-4", "cloudName": "google-europe-west1"},
		}}
		if _, err := api.Resource(valkeys).Namespace("team-a").Create(ctx, valkey, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		r.run(t, "uninstall", release, "--namespace", namespace)
		want := map[string]bool{"aiven.io/valkeys team-a/kept": true}
		for key := range kustomize(t, "crds") {
			want["apiextensions.k8s.io/customresourcedefinitions /"+strings.TrimPrefix(key, "CustomResourceDefinition /")] = true
		}
		var problem error
		err := wait.PollUntilContextTimeout(ctx, time.Second, patience, true, func(context.Context) (bool, error) {
			problem = nil
			left := r.all(t)
			maps.DeleteFunc(left, func(key string, _ bool) bool { return before[key] })
			for key := range left {
				if !want[key] {
					problem = errors.Join(problem, fmt.Errorf("%s is left", key))
				}
			}
			for key := range want {
				if !left[key] {
					problem = errors.Join(problem, fmt.Errorf("%s is gone", key))
				}
			}
			return problem == nil, nil
		})
		if err != nil {
			t.Fatalf("%v: %v", err, problem)
		}
	})

	t.Run("install again", func(t *testing.T) {
		r.run(t, "install", release, Dir, "--namespace", namespace)
		r.columns(t, true)
		r.run(t, "uninstall", release, "--namespace", namespace)
	})

	t.Run("take over from kubectl", func(t *testing.T) {
		// The CRDs belong to the release that is gone, and the rest to none.
		const namespace = "bailiwick-system"
		kubectl, err := stack.Tool("kubectl")
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"apply", "--server-side", "--force-conflicts", "-k", manifests + "/base"},
			{"delete", "deployment", "bailiwick", "bailiwick-servers", "--namespace", namespace},
		} {
			if out, err := exec.CommandContext(ctx, kubectl, append([]string{"--kubeconfig", cluster.Kubeconfig}, args...)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		if _, err := r.helm.Run(ctx, "install", "bailiwick", Dir, "--namespace", namespace); err == nil || !strings.Contains(err.Error(), "invalid ownership metadata") {
			t.Errorf("error = %v, want one about who owns the objects", err)
		}
		r.run(t, "install", "bailiwick", Dir, "--namespace", namespace, "--take-ownership", "--force-conflicts")
		if _, err := kube.AppsV1().Deployments(namespace).Get(ctx, "bailiwick", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
		if _, err := api.Resource(valkeys).Namespace("team-a").Get(ctx, "kept", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
		r.run(t, "upgrade", "bailiwick", Dir, "--namespace", namespace, "--set", "logVerbosity=1")

		// A second operator, which leaves the CRDs to the first.
		r.run(t, "install", release, Dir, "--namespace", "platform", "--set", "crds.install=false,servers.clusterRole=false,watchNamespaces={team-a}")
	})
}

type releaseTest struct {
	ctx     context.Context
	cluster *stack.Kubernetes
	kube    kubernetes.Interface
	api     dynamic.Interface
	helm    *Helm
}

func (r *releaseTest) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := r.helm.Run(r.ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// settle waits until every namespace has what the controller manager puts there.
func (r *releaseTest) settle(t *testing.T) {
	t.Helper()
	err := wait.PollUntilContextTimeout(r.ctx, time.Second, patience, true, func(ctx context.Context) (bool, error) {
		list, err := r.kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		for _, ns := range list.Items {
			_, account := r.kube.CoreV1().ServiceAccounts(ns.Name).Get(ctx, "default", metav1.GetOptions{})
			_, ca := r.kube.CoreV1().ConfigMaps(ns.Name).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
			if err := errors.Join(account, ca); apierrors.IsNotFound(account) || apierrors.IsNotFound(ca) {
				return false, nil
			} else if err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// all lists every object there is, as "group/resource namespace/name". Events and
// leases come and go by themselves, APIServices with CRDs, and Endpoints are deprecated.
func (r *releaseTest) all(t *testing.T) map[string]bool {
	t.Helper()
	lists, err := r.kube.Discovery().ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, lists) {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range list.APIResources {
			switch resource.Name {
			case "apiservices", "endpoints", "events", "leases":
				continue
			}
			found, err := r.api.Resource(gv.WithResource(resource.Name)).List(r.ctx, metav1.ListOptions{})
			if err != nil {
				t.Fatalf("%s: %v", resource.Name, err)
			}
			for _, object := range found.Items {
				out[gv.Group+"/"+resource.Name+" "+object.GetNamespace()+"/"+object.GetName()] = true
			}
		}
	}
	return out
}

// columns checks which CRD is installed, the current one or that of the older chart.
func (r *releaseTest) columns(t *testing.T, current bool) {
	t.Helper()
	crds := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	crd, err := r.api.Resource(crds).Get(r.ctx, "valkeys.aiven.io", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Contains(fmt.Sprint(crd.Object["spec"]), "name:Project "); got != current {
		t.Errorf("the CRD has its column Project: %v, want %v", got, current)
	}
}

// fits measures what Helm keeps of a release: the chart and all objects, in one Secret.
func (r *releaseTest) fits(t *testing.T) {
	t.Helper()
	secrets, err := r.kube.CoreV1().Secrets(namespace).List(r.ctx, metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil {
		t.Fatal(err)
	}
	if len(secrets.Items) != 1 {
		t.Fatalf("%d releases, want one", len(secrets.Items))
	}
	size := len(secrets.Items[0].Data["release"])
	t.Logf("the release takes %d KiB of %d", size>>10, releaseLimit>>10)
	if size > releaseLimit*3/4 {
		t.Errorf("the release takes %d bytes of %d; leave descriptions of the CRDs out of the chart before it does not fit", size, releaseLimit)
	}
}

// limited checks that the admission policies are about the account of this release.
func (r *releaseTest) limited(t *testing.T) {
	t.Helper()
	config, err := r.cluster.ServiceAccountConfig(r.ctx, namespace, account)
	if err != nil {
		t.Fatal(err)
	}
	operator, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	// Policies count some time after they were created.
	var last error
	err = wait.PollUntilContextTimeout(r.ctx, time.Second, patience, true, func(ctx context.Context) (bool, error) {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "not-ours"}}
		_, last = operator.CoreV1().Secrets("team-a").Create(ctx, secret, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return last != nil && strings.Contains(last.Error(), account+"-secrets") && strings.Contains(last.Error(), "ownerReference"), nil
	})
	if err != nil {
		t.Errorf("the account may create a Secret of its own: %v", last)
	}
}

// admits checks that the API server lets a pod into a namespace with restricted pod
// security.
func (r *releaseTest) admits(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	pod.Name = "admitted"
	if _, err := r.kube.CoreV1().Pods(namespace).Create(r.ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Error(err)
	}
	pod.Spec.Containers[0].SecurityContext = nil
	if _, err := r.kube.CoreV1().Pods(namespace).Create(r.ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); !apierrors.IsForbidden(err) {
		t.Errorf("error = %v for a pod that is not restricted: nothing is checked", err)
	}
}

func (r *releaseTest) mayPatchSecrets(t *testing.T, in string, want bool) {
	t.Helper()
	var got bool
	err := wait.PollUntilContextTimeout(r.ctx, time.Second, patience, true, func(ctx context.Context) (bool, error) {
		review, err := r.kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User:               "system:serviceaccount:" + namespace + ":" + account,
				Groups:             []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: in, Verb: "patch", Resource: "secrets"},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return false, err
		}
		got = review.Status.Allowed
		return got == want, nil
	})
	if err != nil {
		t.Errorf("the operator may patch Secrets in %s: %v, want %v (%v)", in, got, want, err)
	}
}
