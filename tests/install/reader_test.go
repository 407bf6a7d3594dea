// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/bailiwick-operator/bailiwick/tests/guide"
	"github.com/bailiwick-operator/bailiwick/tests/node"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	// patience bounds every wait; what is waited for takes far less on a machine that
	// does nothing else.
	patience = 3 * time.Minute
	// releaseURL is where the guides find the files of a release.
	releaseURL = "https://github.com/bailiwick-operator/bailiwick/releases/download/v0.1.0/"
	// The names that the guides use.
	system       = "bailiwick-system"
	guideService = "my-postgresql"
	guideSecret  = "postgresql-connection"
)

// reader is a person at a shell who has the files of a release, kubectl and helm with
// the rights of an administrator, a namespace, and an account at Aiven. There is no
// checkout.
type reader struct {
	*testing.T
	kube      kubernetes.Interface
	api       dynamic.Interface
	aiven     *aivenAPI
	namespace string
	// folder is where the person works: a copy of the release.
	folder      string
	environment []string
	// ours are the reader's own values in the place of those that the guides show.
	ours []string
	// before is what the cluster held before anything was installed.
	before map[string]bool
	// claimed are the blocks for nodes that this test runs, and ran those that it has.
	claimed []guide.Block
	ran     map[string]bool
}

// newReader makes a person who has a release. It skips the test where no node is
// available.
func newReader(t *testing.T, version string) *reader {
	t.Helper()
	node.Require(t)
	kube, err := kubernetes.NewForConfig(shared.Config())
	if err != nil {
		t.Fatal(err)
	}
	api, err := dynamic.NewForConfig(shared.Config())
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{
		T: t, kube: kube, api: api, aiven: serveAiven(t), namespace: shared.Namespace(t, nil),
		folder: t.TempDir(), ran: map[string]bool{}, claimed: claimedBy(t, t.Name()),
	}
	r.download(version)
	r.eventually("the namespace to be whole", func(ctx context.Context) error {
		_, err := kube.CoreV1().ConfigMaps(r.namespace).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		return err
	})
	kubeconfig, err := clientcmd.LoadFromFile(shared.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig.Contexts[kubeconfig.CurrentContext].Namespace = r.namespace
	// Not in the folder, which holds nothing but the release and what the person makes.
	home := t.TempDir()
	if err := clientcmd.WriteToFile(*kubeconfig, filepath.Join(home, "kubeconfig")); err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	for _, tool := range []string{"kubectl", "helm"} {
		binary, err := stack.Tool(tool)
		if err != nil {
			t.Fatal(err)
		}
		path = filepath.Dir(binary) + ":" + path
	}
	r.environment = []string{
		"HOME=" + home, "KUBECONFIG=" + filepath.Join(home, "kubeconfig"), "PATH=" + path,
		"HELM_CACHE_HOME=" + filepath.Join(home, "cache"), "HELM_CONFIG_HOME=" + filepath.Join(home, "config"),
		"HELM_DATA_HOME=" + filepath.Join(home, "data"),
	}
	r.before = r.all()
	for key := range r.before {
		if strings.HasSuffix(key, ".aiven.io") {
			t.Fatalf("An earlier test has left %s", key)
		}
	}
	return r
}

// download gives the person the files of a release, which the guides mean from then on.
func (r *reader) download(version string) {
	r.Helper()
	folder := filepath.Join(r.folder, version)
	if _, err := os.Stat(folder); err != nil {
		if err := os.CopyFS(folder, os.DirFS(filepath.Join(releases, version))); err != nil {
			r.Fatal(err)
		}
	}
	r.ours = []string{
		releaseURL, version + "/",
		"./bailiwick-0.1.0.tgz", "./" + chartOf(version),
		"YOUR_AIVEN_API_TOKEN", token,
		"YOUR_AIVEN_PROJECT", project,
	}
}

func chartOf(version string) string {
	return version + "/bailiwick-" + strings.TrimPrefix(version, "v") + ".tgz"
}

// step is a part of a test that needs the parts before it.
type step struct {
	name string
	run  func(r *reader)
}

// follow runs steps as subtests, up to the first that fails. Then it checks that all
// blocks for nodes that the test claims to run were run.
func (r *reader) follow(steps ...step) {
	r.Helper()
	for _, s := range steps {
		if !r.T.Run(s.name, func(t *testing.T) {
			of := *r
			of.T = t
			s.run(&of)
			r.ours = of.ours
		}) {
			r.wreckage()
			return
		}
	}
	for _, block := range r.claimed {
		if !r.ran[block.Place()] {
			r.Errorf("%s: the test did not run it", block.Place())
		}
	}
}

// wreckage shows what a failure has left. It stays: other tests of the package fail, too.
func (r *reader) wreckage() {
	for _, commands := range []string{
		"kubectl get pods --all-namespaces --output wide",
		"kubectl get events --all-namespaces --sort-by .lastTimestamp | tail -n 40",
		"for pod in $(kubectl get pods --all-namespaces --selector 'app.kubernetes.io/name in (bailiwick, bailiwick-test)' --output jsonpath='{range .items[*]}{.metadata.namespace}/{.metadata.name} {end}'); do" +
			" kubectl logs --namespace ${pod%/*} ${pod#*/} --tail 40; done",
	} {
		out, err := r.command(commands).CombinedOutput()
		r.Logf("%s: %v\n%s", commands, err, out)
	}
}

// command is a shell that runs commands, with the reader's own values.
func (r *reader) command(commands string) *exec.Cmd {
	script := "set -o errexit -o nounset -o pipefail\n" + strings.NewReplacer(r.ours...).Replace(commands)
	cmd := exec.CommandContext(r.Context(), "bash", "-c", script)
	cmd.Dir, cmd.Env = r.folder, r.environment
	return cmd
}

// sh runs commands as a person does, and returns what they printed.
func (r *reader) sh(commands string) string {
	r.Helper()
	return r.shell("", commands)
}

func (r *reader) shell(place, commands string) string {
	r.Helper()
	cmd := r.command(commands)
	var failures strings.Builder
	cmd.Stderr = &failures
	out, err := cmd.Output()
	if err != nil {
		r.Fatalf("%s: %v: %s%s\n%s", place, err, out, failures.String(), cmd.Args[len(cmd.Args)-1])
	}
	r.Logf("%s printed: %s%s", place, out, failures.String())
	return string(out)
}

// block runs a block of a guide as it stands, and returns what it printed.
func (r *reader) block(b guide.Block) string {
	r.Helper()
	out := r.shell(b.Place(), b.Code)
	r.ran[b.Place()] = true
	return out
}

// blocks runs all blocks for the shell of a section of a guide, or of one step in it.
// Those in which a word of without occurs are left out.
func (r *reader) blocks(page, section, number string, without ...string) []string {
	r.Helper()
	found, _, err := guide.Read(filepath.Join(checkout, page))
	if err != nil {
		r.Fatal(err)
	}
	var printed []string
	for _, b := range found {
		leftOut := slices.ContainsFunc(without, func(word string) bool { return strings.Contains(b.Code, word) })
		if b.Section == section && (number == "" || b.Step == number) && (b.Language == guide.Shell || b.Language == guide.Node) && !leftOut {
			printed = append(printed, r.block(b))
		}
	}
	if len(printed) == 0 {
		r.Fatalf("%s has no commands in %q %s", page, section, number)
	}
	return printed
}

// eventually waits until check returns nil, and fails the test if it never does.
func (r *reader) eventually(what string, check func(context.Context) error) {
	r.Helper()
	var last error
	err := wait.PollUntilContextTimeout(r.Context(), 200*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		r.Fatalf("Waiting for %s: %v (last: %v)", what, err, last)
	}
}

// all lists every object there is, as "group/resource namespace/name", and marks those
// that are being deleted or have a finalizer of ours. Events come and go by themselves,
// and Endpoints are deprecated.
func (r *reader) all() map[string]bool {
	r.Helper()
	lists, err := r.kube.Discovery().ServerPreferredResources()
	if err != nil {
		r.Fatal(err)
	}
	out := map[string]bool{}
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, lists) {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			r.Fatal(err)
		}
		for _, resource := range list.APIResources {
			if resource.Name == "events" || resource.Name == "endpoints" {
				continue
			}
			found, err := r.api.Resource(gv.WithResource(resource.Name)).List(r.Context(), metav1.ListOptions{})
			if err != nil {
				r.Fatalf("%s: %v", resource.Name, err)
			}
			for _, object := range found.Items {
				// The Lease of the node itself comes some time after the node.
				if object.GetNamespace() == corev1.NamespaceNodeLease {
					continue
				}
				key := gv.Group + "/" + resource.Name + " " + object.GetNamespace() + "/" + object.GetName()
				if object.GetDeletionTimestamp() != nil {
					key += " (being deleted)"
				}
				for _, finalizer := range object.GetFinalizers() {
					if !strings.Contains(finalizer, "kubernetes") {
						key += " (" + finalizer + ")"
					}
				}
				out[key] = true
			}
		}
	}
	return out
}

// leaves checks that the cluster holds what it held at first, and further only what
// is named, as all names it.
func (r *reader) leaves(more ...string) {
	r.Helper()
	want := maps.Clone(r.before)
	for _, key := range more {
		want[key] = true
	}
	r.eventually("nothing else to be left", func(context.Context) error {
		var problems []string
		left := r.all()
		for key := range left {
			if !want[key] {
				problems = append(problems, key+" is left")
			}
		}
		for key := range want {
			if !left[key] {
				problems = append(problems, key+" is gone")
			}
		}
		if len(problems) > 0 {
			slices.Sort(problems)
			return fmt.Errorf("%s", strings.Join(problems, "\n"))
		}
		return nil
	})
}

var postgresqls = schema.GroupVersionResource{Group: "aiven.io", Version: "v1alpha1", Resource: "postgresqls"}

// service makes an object that stands for a service. A Secret of it is published, by
// its name.
func (r *reader) service(name string, spec map[string]any) {
	r.Helper()
	all := map[string]any{
		"project": project, "cloudName": "google-europe-west1", "plan": "startup-4",
		"connInfoSecretTarget": map[string]any{"name": name + "-connection"},
	}
	maps.Copy(all, spec)
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "aiven.io/v1alpha1", "kind": "PostgreSQL", "metadata": map[string]any{"name": name}, "spec": all,
	}}
	if _, err := r.api.Resource(postgresqls).Namespace(r.namespace).Create(r.Context(), object, metav1.CreateOptions{}); err != nil {
		r.Fatalf("Creating %s: %v", name, err)
	}
}

// ofToken is the spec of an object with the Secret of the guides.
func ofToken() map[string]any {
	return map[string]any{"authSecretRef": map[string]any{"name": "aiven-token", "key": "token"}}
}

// ready waits until what the newest spec of an object says is there.
func (r *reader) ready(name string) {
	r.Helper()
	r.condition(name, "True", "")
}

// condition waits until the condition Ready of an object says something of its newest
// spec, and returns the message.
func (r *reader) condition(name, status, reason string) string {
	r.Helper()
	var message string
	r.eventually(fmt.Sprintf("%s to be Ready=%s %s", name, status, reason), func(ctx context.Context) error {
		object, err := r.api.Resource(postgresqls).Namespace(r.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		ready := readyOf(object)
		message = fmt.Sprint(ready["message"])
		if ready["status"] != status || reason != "" && ready["reason"] != reason || fmt.Sprint(ready["observedGeneration"]) != fmt.Sprint(object.GetGeneration()) {
			return fmt.Errorf("its generation is %d and the condition %v", object.GetGeneration(), ready)
		}
		return nil
	})
	return message
}

// readyOf returns the condition Ready of an object, which may be empty.
func readyOf(object *unstructured.Unstructured) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		if condition, ok := c.(map[string]any); ok && condition["type"] == "Ready" {
			return condition
		}
	}
	return nil
}

// published returns the data of a published Secret.
func (r *reader) published(name string) map[string][]byte {
	r.Helper()
	secret, err := r.kube.CoreV1().Secrets(r.namespace).Get(r.Context(), name, metav1.GetOptions{})
	if err != nil {
		r.Fatal(err)
	}
	if len(secret.Data) == 0 {
		r.Errorf("Secret %s is empty", name)
	}
	return secret.Data
}
