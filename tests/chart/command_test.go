// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	openbaocontroller "github.com/bailiwick-operator/bailiwick/pkg/controller/openbao"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// TestPrintedCommand installs a release whose objects have names of their own, and runs the
// command with which its process asks to be let into a namespace, as it is printed.
func TestPrintedCommand(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{})
	kube, err := kubernetes.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	api, err := versioned.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "wombat"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	h := New(t)
	h.Kubeconfig = cluster.Kubeconfig
	if _, err := h.Run(ctx, "install", "quokka", Dir, "--namespace", "wombat", "--values", Values(t, "serviceAccount: {name: numbat}")); err != nil {
		t.Fatal(err)
	}
	const servers = "quokka-bailiwick-servers"
	deployment, err := kube.AppsV1().Deployments("wombat").Get(ctx, servers, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod := deployment.Spec.Template.Spec
	if pod.ServiceAccountName != servers {
		t.Fatalf("the process runs as %s", pod.ServiceAccountName)
	}
	ns := cluster.Namespace(t)
	c := &v1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Name: "main"}}
	c.Spec = v1alpha1.OpenBaoClusterSpec{
		Version: "2.6.2", Profile: v1alpha1.ProfileDevelopment, Replicas: new(int32(1)),
		Storage: &v1alpha1.StorageSpec{Size: "1Gi"}, TLS: &v1alpha1.TLSSpec{Enabled: true},
		SelfInit: &v1alpha1.SelfInitSpec{Enabled: true}, Network: &v1alpha1.NetworkSpec{APIServerCIDR: "10.96.0.0/16"},
		Authorization: &v1alpha1.AuthorizationSpec{}, Backup: &v1alpha1.BackupSpec{},
	}
	poll(ctx, t, "the kind to be served", func(ctx context.Context) error {
		_, err := api.OpenBaoV1alpha1().OpenBaoClusters(ns).Create(ctx, c, metav1.CreateOptions{})
		return err
	})
	startWith(t, cluster, "wombat", pod.ServiceAccountName, pod.Containers[0].Args)

	var command string
	poll(ctx, t, "the command", func(ctx context.Context) error {
		now, err := api.OpenBaoV1alpha1().OpenBaoClusters(ns).Get(ctx, "main", metav1.GetOptions{})
		if err != nil {
			return err
		}
		ready := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Reason != openbaocontroller.ReasonNotGranted {
			return fmt.Errorf("the condition Ready is %+v", ready)
		}
		_, command, _ = strings.Cut(ready.Message, " Run: ")
		return nil
	})
	may := func(namespace, account string, what authorizationv1.ResourceAttributes) bool {
		review, err := kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User:   "system:serviceaccount:" + namespace + ":" + account,
				Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"}, ResourceAttributes: &what,
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return review.Status.Allowed
	}
	token := authorizationv1.ResourceAttributes{Namespace: ns, Verb: "create", Resource: "serviceaccounts", Subresource: "token", Name: "main-backup-serviceaccount"}
	if may("wombat", "numbat", token) {
		t.Error("the tokens of jobs are granted before the command")
	}

	bin, err := stack.Tool("kubectl")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Symlink(bin, filepath.Join(folder, "kubectl")); err != nil {
		t.Fatal(err)
	}
	t.Log(command)
	run := exec.CommandContext(ctx, "bash", "-c", command)
	run.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig, "PATH="+folder+":"+os.Getenv("PATH"))
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	poll(ctx, t, "the servers to be started", func(ctx context.Context) error {
		_, err := kube.AppsV1().StatefulSets(ns).Get(ctx, "main", metav1.GetOptions{})
		return err
	})
	poll(ctx, t, "the tokens of jobs to be granted", func(context.Context) error {
		if !may("wombat", "numbat", token) {
			return errors.New("they are not")
		}
		return nil
	})
	other := token
	other.Name = "other-backup-serviceaccount"
	if may("wombat", "numbat", other) || may("wombat", servers, token) {
		t.Error("the command grants more than that")
	}
}

// startWith runs the process with the arguments of a Deployment, until the test ends.
func startWith(t *testing.T, cluster *stack.Kubernetes, namespace, account string, args []string) {
	t.Helper()
	opts := app.NewOptions()
	opts.ReadEnvironment(func(name string) string {
		return map[string]string{"POD_NAMESPACE": namespace, "POD_SERVICE_ACCOUNT": account}[name]
	})
	flags := pflag.NewFlagSet("bailiwick", pflag.ContinueOnError)
	// Those of logs are added elsewhere.
	flags.ParseErrorsAllowlist.UnknownFlags = true
	opts.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	config, err := cluster.ServiceAccountConfig(t.Context(), namespace, account)
	if err != nil {
		t.Fatal(err)
	}
	opts.RESTConfig, opts.HealthBindAddress, opts.MetricsBindAddress = config, "0", "0"
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx, opts) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the process ended with: %v", err)
		}
	})
}

func poll(ctx context.Context, t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("waiting for %s: %v", what, last)
	}
}
