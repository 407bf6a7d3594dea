// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

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

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	"sigs.k8s.io/yaml"

	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	openbaocontroller "github.com/bailiwick-operator/bailiwick/pkg/controller/openbao"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// serviceMonitors stands for the kind of the Prometheus operator.
const serviceMonitors = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: ServiceMonitor, listKind: ServiceMonitorList, plural: servicemonitors, singular: servicemonitor}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// serversWorld is an API server of its own, and the process that runs servers, with the
// rights that the manifests give it. There is no node: pods stay pending.
type serversWorld struct {
	testing.TB
	ctx     context.Context
	cluster *stack.Kubernetes
	kube    kubernetes.Interface
	api     versioned.Interface
	dynamic dynamic.Interface
	logs    *logBuffer
}

func newServersWorld(t testing.TB, args ...string) *serversWorld {
	t.Helper()
	crd := filepath.Join(t.TempDir(), "servicemonitors.yaml")
	if err := os.WriteFile(crd, []byte(serviceMonitors), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), envTime)
	t.Cleanup(cancel)
	w := &serversWorld{TB: t, ctx: ctx, logs: &logBuffer{}}
	w.cluster = stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{manifests + "/crds", crd}, APIServerArgs: args})
	if err := install(ctx, w.cluster); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.kube, err = kubernetes.NewForConfig(w.cluster.Config()); err != nil {
		t.Fatal(err)
	}
	if w.api, err = versioned.NewForConfig(w.cluster.Config()); err != nil {
		t.Fatal(err)
	}
	if w.dynamic, err = dynamic.NewForConfig(w.cluster.Config()); err != nil {
		t.Fatal(err)
	}
	return w
}

// start runs the process as its Deployment does, until the test ends.
func (w *serversWorld) start() {
	w.Helper()
	config, err := w.cluster.ServiceAccountConfig(w.ctx, operatorNamespace, serversAccount)
	if err != nil {
		w.Fatal(err)
	}
	opts := app.NewOptions()
	opts.RESTConfig, opts.Namespace, opts.ServiceAccount = config, operatorNamespace, serversAccount
	opts.Controllers = []string{"OpenBaoServers"}
	opts.OpenBao.AuthorizerServiceAccount = operatorAccount
	opts.Deployment, opts.LeaderElection.LeaseName = serversAccount, serversAccount
	opts.LeaderElection.RetryPeriod = time.Second
	opts.HealthBindAddress, opts.MetricsBindAddress = "0", "0"
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(),
		textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(2), textlogger.Output(w.logs)))))
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx, opts) }()
	w.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("The process ended with: %v", err)
		}
		if w.Failed() {
			w.Logf("Log of the process:\n%s", w.logs.tail(100))
		}
	})
}

// serversSpec is a cluster whose objects are of every kind.
const serversSpec = `
version: 2.6.2
profile: Development
replicas: 1
storage: {size: 1Gi}
tls: {enabled: true, rotationPeriod: 720h}
selfInit: {enabled: true}
authorization: {}
backup: {}
restore: {}
observability: {metrics: {enabled: true, serviceMonitor: {enabled: true}}}
network: {apiServerCIDR: 10.96.0.0/16}
`

// object returns an OpenBaoCluster, with what a merge patch changes in its spec.
func (w *serversWorld) object(ns, name, change string) *v1alpha1.OpenBaoCluster {
	w.Helper()
	var spec, patch map[string]any
	if err := yaml.UnmarshalStrict([]byte(serversSpec), &spec); err != nil {
		w.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(change), &patch); err != nil {
		w.Fatalf("%v in %s", err, change)
	}
	merge(spec, patch)
	raw, err := yaml.Marshal(map[string]any{"metadata": map[string]any{"name": name, "namespace": ns}, "spec": spec})
	if err != nil {
		w.Fatal(err)
	}
	c := &v1alpha1.OpenBaoCluster{}
	if err := yaml.UnmarshalStrict(raw, c); err != nil {
		w.Fatalf("%v in %s", err, raw)
	}
	return c
}

func (w *serversWorld) create(c *v1alpha1.OpenBaoCluster) *v1alpha1.OpenBaoCluster {
	w.Helper()
	created, err := w.api.OpenBaoV1alpha1().OpenBaoClusters(c.Namespace).Create(w.ctx, c, metav1.CreateOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return created
}

// patch changes a cluster, or one of its subresources, as an administrator does.
func (w *serversWorld) patch(ns, name, patch string, subresources ...string) {
	w.Helper()
	raw, err := yaml.YAMLToJSON([]byte(patch))
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.api.OpenBaoV1alpha1().OpenBaoClusters(ns).Patch(w.ctx, name, types.MergePatchType, raw, metav1.PatchOptions{}, subresources...); err != nil {
		w.Fatal(err)
	}
}

func (w *serversWorld) until(what string, check func() error) {
	w.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || w.ctx.Err() != nil {
			w.Fatalf("Waiting for %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// ready waits until the condition Ready of a cluster has a reason, for the newest
// generation, and returns its message.
func (w *serversWorld) ready(ns, name, reason string) (message string) {
	w.Helper()
	w.until("Ready of "+name+" to be "+reason, func() error {
		c, err := w.api.OpenBaoV1alpha1().OpenBaoClusters(ns).Get(w.ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		found := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
		if found == nil || found.Reason != reason || found.ObservedGeneration != c.Generation {
			return fmt.Errorf("it is %+v", found)
		}
		message = found.Message
		return nil
	})
	return message
}

// grant runs the command that a condition shows, as it stands there.
func (w *serversWorld) grant(message string) {
	w.Helper()
	_, command, found := strings.Cut(message, " Run: ")
	if !found {
		w.Fatalf("There is no command in %s", message)
	}
	bin, err := stack.Tool("kubectl")
	if err != nil {
		w.Fatal(err)
	}
	folder := w.TempDir()
	if err := os.Symlink(bin, filepath.Join(folder, "kubectl")); err != nil {
		w.Fatal(err)
	}
	cmd := exec.CommandContext(w.ctx, "bash", "-c", command)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+w.cluster.Kubeconfig, "PATH="+folder+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// ownedResources are those that a cluster has objects of.
func ownedResources() []schema.GroupVersionResource {
	return []schema.GroupVersionResource{
		{Version: "v1", Resource: "configmaps"},
		{Version: "v1", Resource: "services"},
		{Version: "v1", Resource: "serviceaccounts"},
		{Version: "v1", Resource: "secrets"},
		{Group: "apps", Version: "v1", Resource: "statefulsets"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
		{Group: "monitoring.coreos.com", Version: "v1", Resource: "servicemonitors"},
		{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
		{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	}
}

const managedByLabel = "app.kubernetes.io/managed-by"

// spoil takes a label from every object of a cluster that is kept as it is wanted, and
// waits until all have it again. It returns how many of each resource there are.
func (w *serversWorld) spoil(ns, cluster string) map[string]int {
	w.Helper()
	count := map[string]int{}
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:null}}}`, managedByLabel)
	of := metav1.ListOptions{LabelSelector: "openbao.org/cluster=" + cluster}
	// Of Secrets, only the requests of the first start are compared as a whole.
	compared := func(o unstructured.Unstructured) bool {
		return o.GetKind() != "Secret" || strings.HasSuffix(o.GetName(), "-initialize")
	}
	for _, resource := range ownedResources() {
		client := w.dynamic.Resource(resource).Namespace(ns)
		list, err := client.List(w.ctx, of)
		if err != nil {
			w.Fatal(err)
		}
		for _, o := range list.Items {
			if !compared(o) {
				continue
			}
			count[resource.Resource]++
			if _, err := client.Patch(w.ctx, o.GetName(), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
				w.Fatal(err)
			}
		}
	}
	for _, resource := range ownedResources() {
		w.until("the "+resource.Resource+" of "+cluster+" to be repaired", func() error {
			list, err := w.dynamic.Resource(resource).Namespace(ns).List(w.ctx, of)
			if err != nil {
				return err
			}
			for _, o := range list.Items {
				if compared(o) && o.GetLabels()[managedByLabel] != "bailiwick" {
					return fmt.Errorf("%s has the labels %v", o.GetName(), o.GetLabels())
				}
			}
			return nil
		})
	}
	return count
}

// gone waits until an object does not exist.
func (w *serversWorld) gone(resource schema.GroupVersionResource, ns, name string) {
	w.Helper()
	w.until(resource.Resource+" "+name+" to be deleted", func() error {
		_, err := w.dynamic.Resource(resource).Namespace(ns).Get(w.ctx, name, metav1.GetOptions{})
		if err == nil {
			return errors.New("it is there")
		}
		return ignoreNotFound(err)
	})
}

// TestServersUseTheirRights has the process that runs servers do all that it can do where
// no server ever answers: checkRights finds what it is granted beyond that. A person lets
// it with the command that it prints.
func TestServersUseTheirRights(t *testing.T) {
	t.Parallel()
	w := newServersWorld(t, audited(t)...)
	ns := w.cluster.Namespace(t)
	w.start()

	t.Log("A first start, as far as it goes")
	w.create(w.object(ns, "first", ""))
	w.grant(w.ready(ns, "first", openbaocontroller.ReasonNotGranted))
	initialize := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	w.until("the volume to be noted", func() error {
		c, err := w.api.OpenBaoV1alpha1().OpenBaoClusters(ns).Get(w.ctx, "first", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if c.Status.FirstStart == nil || c.Status.FirstStart.VolumeUID == "" {
			return fmt.Errorf("the first start is %+v", c.Status.FirstStart)
		}
		_, err = w.dynamic.Resource(initialize).Namespace(ns).Get(w.ctx, "first-initialize", metav1.GetOptions{})
		return err
	})
	count := w.spoil(ns, "first")
	for _, resource := range ownedResources() {
		// Of one server there is no budget.
		if count[resource.Resource] == 0 && resource.Resource != "poddisruptionbudgets" {
			t.Errorf("The cluster has no %s", resource.Resource)
		}
	}

	t.Log("What the spec does not ask for any more")
	w.patch(ns, "first", "{spec: {backup: null, observability: null}}")
	w.gone(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}, ns, "first-backup-serviceaccount")
	w.gone(schema.GroupVersionResource{Group: "monitoring.coreos.com", Version: "v1", Resource: "servicemonitors"}, ns, "first")

	t.Log("The same event twice")
	for range 2 {
		w.patch(ns, "first", "{spec: {securityContext: {runAsUser: 0}}}")
		w.ready(ns, "first", openbaocontroller.ReasonInvalidSpec)
		w.patch(ns, "first", "{spec: {securityContext: null}}")
		w.ready(ns, "first", openbaocontroller.ReasonStarting)
	}

	t.Log("A cluster whose first start is over")
	done := w.create(w.object(ns, "done", "{replicas: 3, paused: true}"))
	labels := map[string]string{"openbao.org/cluster": "done", managedByLabel: "bailiwick"}
	key := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "done-unseal-key", Labels: labels, Annotations: map[string]string{"bailiwick.dev/owner-uid": string(done.UID)}},
		Data:       map[string][]byte{"key": make([]byte, 32)},
	}
	requests := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "done-initialize", Labels: labels, OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "openbao.org/v1alpha1", Kind: "OpenBaoCluster", Name: "done", UID: done.UID, Controller: new(true),
		}}},
		Data: map[string][]byte{"initialize.hcl": []byte("# Nothing.")},
	}
	for _, secret := range []*corev1.Secret{key, requests} {
		if _, err := w.kube.CoreV1().Secrets(ns).Create(w.ctx, secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.patch(ns, "done", fmt.Sprintf("{status: {initialized: true, clusterID: x, firstStart: {completedAt: %q}}}", time.Now().UTC().Format(time.RFC3339)), "status")
	w.patch(ns, "done", "{spec: {paused: false}}")
	w.gone(initialize, ns, "done-initialize")
	budgets := schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
	w.until("a budget", func() error {
		_, err := w.dynamic.Resource(budgets).Namespace(ns).Get(w.ctx, "done-pdb", metav1.GetOptions{})
		return err
	})
	if n := w.spoil(ns, "done")["poddisruptionbudgets"]; n != 1 {
		t.Errorf("The cluster has %d budgets", n)
	}
	w.patch(ns, "done", "{spec: {replicas: 1}}")
	w.gone(budgets, ns, "done-pdb")
	set, err := w.kube.AppsV1().StatefulSets(ns).Get(w.ctx, "done", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if *set.Spec.Replicas != 3 {
		t.Errorf("Of 3 servers, there are %d", *set.Spec.Replicas)
	}
}
