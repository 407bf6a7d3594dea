// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// The aiven-operator itself, and its CRDs, are taken from these. The binary has to
// be called manager, as it is in its image.
const (
	peerVariable     = "BAILIWICK_PEER"
	peerCRDsVariable = "BAILIWICK_PEER_CRDS"
)

// The aiven-operator makes everything, is stopped, and its CRDs are replaced; then
// ours runs on what it has left.
func TestTakeoverFromTheRunningPeer(t *testing.T) {
	binary, crds := os.Getenv(peerVariable), os.Getenv(peerCRDsVariable)
	if binary == "" || crds == "" {
		t.Skipf("%s and %s name no aiven-operator and no folder of its CRDs", peerVariable, peerCRDsVariable)
	}
	t.Parallel()
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{crds}})
	e := newEnvOn(t, cluster, cluster.Namespace(t), aivensim.Options{Tokens: []aivensim.Token{tokenOwn}})
	e.outside(e.sim.Console("POST", "/v1/project/"+project+"/service", map[string]any{
		"service_name": "my-clickhouse", "service_type": "clickhouse", "plan": "startup-16", "cloud": "google-europe-west1",
	}))
	objects := readRecorded(t, nil)
	e.tokenSecret("aiven-token", tokenOwn.Value)
	e.passwordSecret("source", "from-the-source")
	stop := e.runPeer(binary)
	for _, r := range objects {
		e.applied(r)
	}
	for _, r := range objects {
		e.within(4*time.Minute, r.kind()+" of the peer's", func() error {
			obj := e.get(r.kind(), r.name())
			annotations := obj.GetAnnotations()
			if annotations["controllers.aiven.io/instance-is-running"] == "" || annotations["controllers.aiven.io/generation-was-processed"] != fmt.Sprint(obj.GetGeneration()) {
				return fmt.Errorf("annotations are %v, status %v", annotations, obj.Object["status"])
			}
			return nil
		})
	}
	stop()

	for _, folder := range []string{"/crds", "/rbac", "/admission"} {
		if out, err := kubectlOn(e.ctx, cluster, "apply", "--server-side", "--force-conflicts", "-k", manifests+folder); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	secrets, specs := map[string]map[string][]byte{}, map[string]any{}
	for i, r := range objects {
		specs[r.kind()] = e.get(r.kind(), r.name()).Object["spec"]
		objects[i].object.Object["spec"] = specs[r.kind()]
		if r.secret != nil {
			secrets[r.secret.Name] = e.secret(r.secret.Name).Data
			objects[i].secret.StringData = map[string]string{}
			for key, value := range secrets[r.secret.Name] {
				objects[i].secret.StringData[key] = string(value)
			}
		}
		t.Logf("%s is managed by%s", r.kind(), managedBy(e.get(r.kind(), r.name())))
	}
	e.sim.ResetRequests()
	e.start(quickEvents)
	for _, r := range objects {
		e.ready(r.kind(), r.name())
		e.eventually("nothing of the peer's to be left on "+r.kind(), func() error { return e.tracesOfPeer(r) })
	}
	for _, r := range e.sim.Requests(aivensim.Mutating) {
		t.Errorf("Aiven was sent %s %s", r.Method, r.Path)
	}
	for name, data := range secrets {
		if got := e.secret(name).Data; !maps.EqualFunc(got, data, bytes.Equal) {
			t.Errorf("Secret %s holds %q, held %q", name, got, data)
		}
	}
	for _, r := range objects {
		if got := e.get(r.kind(), r.name()).Object["spec"]; !reflect.DeepEqual(got, specs[r.kind()]) {
			t.Errorf("the spec of %s is %v, was %v", r.kind(), got, specs[r.kind()])
		}
		e.delete(r.kind(), r.name())
	}
	for _, r := range objects {
		e.gone(r.kind(), r.name())
	}
}

// applied creates the part of a recorded object that its user wrote.
func (e *env) applied(r recorded) *unstructured.Unstructured {
	e.Helper()
	obj := r.object.DeepCopy()
	obj.SetFinalizers(nil)
	obj.SetAnnotations(map[string]string{"example.com/the-users": "kept"})
	unstructured.RemoveNestedField(obj.Object, "status")
	empty := map[string]any{"name": ""}
	if target, _, _ := unstructured.NestedMap(obj.Object, "spec", "connInfoSecretTarget"); reflect.DeepEqual(target, empty) {
		unstructured.RemoveNestedField(obj.Object, "spec", "connInfoSecretTarget")
	}
	live, err := e.client(r.kind()).Create(e.ctx, obj, metav1.CreateOptions{FieldManager: "kubectl-client-side-apply"})
	if err != nil {
		e.Fatal(err)
	}
	return live
}

func managedBy(obj *unstructured.Unstructured) string {
	out := ""
	for _, entry := range obj.GetManagedFields() {
		out += fmt.Sprintf("\n%s %s %s %s", entry.Manager, entry.Operation, entry.Subresource, entry.FieldsV1.GetRawString())
	}
	return out
}

// runPeer runs the aiven-operator in this namespace, as the administrator, until
// the returned function is called.
func (e *env) runPeer(binary string) (stop func()) {
	e.Helper()
	target, err := url.Parse(e.sim.URL())
	if err != nil {
		e.Fatal(err)
	}
	// It takes for granted that a user is shown with the password; the simulator
	// wants to be asked for it.
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		query := r.Out.URL.Query()
		query.Set("include_secrets", "true")
		r.Out.URL.RawQuery = query.Encode()
	}})
	e.Cleanup(front.Close)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, "--kubeconfig="+e.cluster.Kubeconfig, "--metrics-bind-address=0", "--health-probe-bind-address=0")
	cmd.Env = []string{"AIVEN_WEB_URL=" + front.URL, "ENABLE_WEBHOOKS=false", "WATCHED_NAMESPACES=" + e.ns, "PATH=" + os.Getenv("PATH")}
	log := &logBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		e.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			_ = cmd.Wait()
		}
	}
	e.Cleanup(func() {
		stop()
		if e.Failed() {
			e.Logf("Log of the aiven-operator:\n%s", log.tail(40))
		}
	})
	return stop
}
