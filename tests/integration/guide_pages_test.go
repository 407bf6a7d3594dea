// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/guide"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// What the pages call things.
const (
	// releaseURL is where the pages find the files of a release.
	releaseURL    = "https://github.com/bailiwick-operator/bailiwick/releases/download/v0.1.0/"
	guideService  = "my-postgresql"
	guideToken    = "aiven-token"
	peerNamespace = "aiven-operator-system"
	peerName      = "aiven-operator-controller-manager"
)

// guidePage follows a page. before is called with each of its blocks that is about to
// run, and after with what it printed.
type guidePage struct {
	prepare func(r *reader)
	before  func(r *reader, block guide.Block)
	after   func(r *reader, block guide.Block, printed string)
	finish  func(r *reader)
}

// guidePages are the pages whose blocks run on an API server with the operator. Those
// about OpenBao servers are TestGuideQuickStart's.
func guidePages() map[string]guidePage {
	return map[string]guidePage{
		checkout + "/README.md":                           readmePage(),
		checkout + "/docs/install.md":                     installPage(),
		checkout + "/docs/tokens.md":                      tokensPage(),
		checkout + "/docs/aiven-objects.md":               objectsPage(),
		checkout + "/docs/troubleshooting.md":             troubleshootingPage(),
		checkout + "/docs/migrate-from-terraform.md":      terraformPage(),
		checkout + "/docs/migrate-from-aiven-operator.md": peerPage(),
		manifests + "/README.md":                          samplesPage(),
		checkout + "/docs/upgrade-and-uninstall.md":       uninstallPage(),
	}
}

// TestGuidePages runs the commands of the pages as they stand, each page on its own
// operator and simulator. The pages install and remove what is there once in a cluster,
// so they share one, one after the other.
func TestGuidePages(t *testing.T) {
	t.Parallel()
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{manifests + "/crds"}})
	release := releaseFolder(t, cluster)
	pages := guidePages()
	// The first one installs the operator, and the last one removes it.
	first, last := checkout+"/README.md", checkout+"/docs/upgrade-and-uninstall.md"
	order := []string{first}
	for path := range pages {
		if path != first && path != last {
			order = append(order, path)
		}
	}
	slices.Sort(order[1:])
	for _, path := range append(order, last) {
		if !t.Run(strings.TrimPrefix(path, checkout+"/"), func(t *testing.T) { pages[path].follow(t, path, cluster, release) }) {
			break
		}
	}
}

// releaseFolder writes the files of a release that the pages name.
func releaseFolder(t *testing.T, cluster *stack.Kubernetes) string {
	t.Helper()
	folder := t.TempDir()
	for file, source := range map[string]string{"install.yaml": "/base", "crds.yaml": "/crds"} {
		rendered, err := kubectlOn(t.Context(), cluster, "kustomize", manifests+source)
		if err != nil {
			t.Fatalf("%v: %s", err, rendered)
		}
		if err := os.WriteFile(filepath.Join(folder, file), []byte(rendered), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func (p guidePage) follow(t *testing.T, path string, cluster *stack.Kubernetes, release string) {
	r := newReader(t, cluster, release)
	if p.prepare != nil {
		p.prepare(r)
	}
	blocks, _ := fences(t, path)
	ran := 0
	for _, block := range blocks {
		if _, ok := notRun[block.Code]; ok || block.Language != guide.Shell {
			continue
		}
		if p.before != nil {
			p.before(r, block)
		}
		printed := r.run(block.Place(), block.Code)
		if p.after != nil {
			p.after(r, block, printed)
		}
		ran++
	}
	if ran == 0 {
		t.Error("The page has no command")
	}
	if p.finish != nil {
		p.finish(r)
	}
}

// reader is a person at a shell who has what the pages take for granted: kubectl with the
// rights of an administrator, a checkout, an Aiven token and a project.
type reader struct {
	*env
	folder      string
	environment []string
	// ours are the reader's own values in the place of those that the pages show.
	ours []string
}

// newReader makes a reader of one page.
func newReader(t *testing.T, cluster *stack.Kubernetes, release string) *reader {
	t.Helper()
	e := newEnvOn(t, cluster, "default", aivensim.Options{
		Tokens: []aivensim.Token{tokenOwn, tokenOther}, Projects: []string{"demo-project"},
	})
	// Namespaces and kinds take their time to end.
	ctx, cancel := context.WithTimeout(context.Background(), 3*envTime)
	t.Cleanup(cancel)
	e.ctx = ctx
	r := &reader{env: e, folder: t.TempDir(), ours: []string{
		releaseURL, release + "/", "YOUR_AIVEN_API_TOKEN", tokenOwn.Value, "YOUR_AIVEN_PROJECT", project,
		"AIVEN_OPERATOR_NAMESPACE", peerNamespace, "AIVEN_OPERATOR", peerName, "--namespace NAMESPACE", "--namespace " + e.ns,
	}}
	source, err := filepath.Abs(manifests)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(source, filepath.Join(r.folder, "manifests")); err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := clientcmd.LoadFromFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig.Contexts[kubeconfig.CurrentContext].Namespace = e.ns
	if err := clientcmd.WriteToFile(*kubeconfig, filepath.Join(r.folder, "kubeconfig")); err != nil {
		t.Fatal(err)
	}
	kubectl, err := stack.Tool("kubectl")
	if err != nil {
		t.Fatal(err)
	}
	r.environment = []string{
		"HOME=" + r.folder, "KUBECONFIG=" + filepath.Join(r.folder, "kubeconfig"),
		"PATH=" + filepath.Dir(kubectl) + ":" + os.Getenv("PATH"),
	}
	// As the Deployment runs it: for all namespaces. Things happen as fast as the
	// simulator has them happen.
	e.change = append(e.change, func(o *app.Options) {
		o.WatchNamespaces = nil
		o.Aiven.EventLogInterval = 200 * time.Millisecond
	})
	return r
}

// run runs commands as a person does who has run those before in the same shell, and
// returns what they printed.
func (r *reader) run(place, commands string) string {
	r.Helper()
	script := "set -euo pipefail\nif [ -f variables ]; then . ./variables; fi\nset -a\n" +
		strings.NewReplacer(r.ours...).Replace(commands) + "\nset +a\nexport -p >variables\n"
	cmd := exec.CommandContext(r.ctx, "bash", "-c", script)
	cmd.Dir, cmd.Env = r.folder, r.environment
	var failures strings.Builder
	cmd.Stderr = &failures
	started := time.Now()
	out, err := cmd.Output()
	if err != nil {
		r.Fatalf("%s: %v: %s%s\n%s", place, err, out, failures.String(), commands)
	}
	r.Logf("%s took %s and printed: %s%s", place, time.Since(started).Round(100*time.Millisecond), out, failures.String())
	return string(out)
}

// uses makes later commands use another value.
func (r *reader) uses(shown, value string) {
	for i := 0; i < len(r.ours); i += 2 {
		if r.ours[i] == shown {
			r.ours[i+1] = value
		}
	}
}

// install applies the release, unless the page itself does.
func (r *reader) install() {
	r.Helper()
	r.run("the installation", "kubectl apply --server-side --force-conflicts -f "+releaseURL+"install.yaml")
}

// service makes the token Secret and the object of the pages, and waits until it is Ready.
func (r *reader) service() {
	r.Helper()
	r.tokenSecret(guideToken, tokenOwn.Value)
	r.create(r.object("PostgreSQL", guideService, tokenOf(guideToken), set("cloudName", "google-europe-west1"), set("plan", "startup-4")))
	r.ready("PostgreSQL", guideService)
}

// existing makes the service at Aiven, with a plan that the pages' manifest does not have.
func (r *reader) existing() {
	r.Helper()
	r.outside(r.sim.Console("POST", "/v1/project/"+project+"/service", map[string]any{
		"service_name": guideService, "service_type": "pg", "plan": "business-4", "cloud": "google-europe-west1",
	}))
}

// cleanUp deletes what a page leaves to its reader.
func (r *reader) cleanUp() {
	r.Helper()
	r.run("cleaning up", "kubectl delete aiven --all\nkubectl delete openbaoclusters --all\nkubectl delete secret "+guideToken+" --ignore-not-found")
}

// wantRemote checks whether the service of the pages exists at Aiven.
func (r *reader) wantRemote(want bool) {
	r.Helper()
	if got := slices.ContainsFunc(r.sim.Objects(), func(o aivensim.Object) bool { return o.Kind == "service" && o.Service == guideService }); got != want {
		r.Errorf("The service exists at Aiven: %t, want %t", got, want)
	}
}

func wantPrinted(r *reader, block guide.Block, printed string, parts ...string) {
	r.Helper()
	for _, part := range parts {
		if !strings.Contains(printed, part) {
			r.Errorf("%s printed %q, want it to contain %q", block.Place(), printed, part)
		}
	}
}

// readmePage is the way of a new user: from the installation to Ready, a token that
// breaks, why it does, and the commands that fix it.
func readmePage() guidePage {
	return guidePage{
		after: func(r *reader, block guide.Block, printed string) {
			switch block.Step {
			case "1":
				r.start()
			case "3":
				if strings.Contains(block.Code, "kubectl wait") {
					wantPrinted(r, block, printed, "condition met", "POSTGRESQL_PASSWORD")
					r.breakTokens()
				} else {
					wantPrinted(r, block, printed, guideService, "Ready")
				}
			}
		},
		finish: func(r *reader) { r.wantRemote(false) },
	}
}

// breakTokens breaks the token of the service in every way that a person can, finds the
// reason with kubectl, and runs the commands of the message as they are printed.
func (r *reader) breakTokens() {
	const annotate = "\nkubectl annotate postgresql " + guideService + ` bailiwick.dev/refresh="$(date +%s%N)" --overwrite`
	for _, broken := range []struct{ reason, commands string }{
		{"TokenRejected", `kubectl patch secret aiven-token --type merge --patch '{"stringData":{"token":"mistyped"}}'` + annotate},
		{"KeyNotFound", `kubectl patch secret aiven-token --type merge --patch '{"data":{"token":null,"other":"eA=="}}'` + annotate},
		{"EmptyToken", `kubectl patch secret aiven-token --type merge --patch '{"stringData":{"token":" "}}'` + annotate},
		{"MalformedToken", `kubectl patch secret aiven-token --type merge --patch '{"stringData":{"token":"two words"}}'` + annotate},
		{"SecretNotFound", "kubectl delete secret aiven-token" + annotate},
		{"NoToken", `kubectl patch postgresql my-postgresql --type merge --patch '{"spec":{"authSecretRef":null}}'`},
	} {
		r.run("breaking the token", broken.commands)
		r.unready("PostgreSQL", guideService, broken.reason)
		found := r.run("asking for the reason", "kubectl get postgresql "+guideService+` --output jsonpath='{.status.conditions[?(@.type=="Ready")]}'`)
		if !strings.Contains(found, broken.reason) {
			r.Errorf("kubectl shows %s, want the reason %s", found, broken.reason)
		}
		if !strings.Contains(pageText(r, checkout+"/docs/troubleshooting.md"), "\n### "+broken.reason+"\n") {
			r.Errorf("The page of reasons lacks %s", broken.reason)
		}
		message := r.run("asking for the command", "kubectl get postgresql "+guideService+` --output jsonpath='{.status.conditions[?(@.type=="Ready")].message}'`)
		_, fix, ok := strings.Cut(message, "To fix this, run:\n")
		if !ok {
			r.Fatalf("The message has no command: %s", message)
		}
		r.run("the command of "+broken.reason, onlyCommands(fix))
		r.ready("PostgreSQL", guideService)
	}
}

// onlyCommands drops the words between the commands of a message.
func onlyCommands(message string) string {
	var commands []string
	for line := range strings.SplitSeq(message, "\n") {
		if strings.HasPrefix(line, "kubectl ") {
			commands = append(commands, line)
		}
	}
	return strings.Join(commands, "\n")
}

func pageText(t testing.TB, path string) string {
	t.Helper()
	_, text := fences(t, path)
	return text
}

func installPage() guidePage {
	return guidePage{
		before: func(r *reader, block guide.Block) {
			if strings.Contains(block.Code, "migration-source") {
				r.tokenSecret("migration-source", "x")
			}
		},
		finish: func(r *reader) {
			r.run("cleaning up", "kubectl delete -k manifests/rbac/optional\nkubectl delete -f manifests/rbac/optional/delete_migration_secrets.yaml\n"+
				"kubectl delete role,rolebinding bailiwick-read\nkubectl delete secret migration-source")
		},
	}
}

func tokensPage() guidePage {
	return guidePage{
		prepare: func(r *reader) { r.install(); r.start() },
		before: func(r *reader, block guide.Block) {
			if block.Section == "Renew a token" {
				r.uses("YOUR_AIVEN_API_TOKEN", tokenOther.Value)
			}
		},
		after: func(r *reader, block guide.Block, printed string) {
			switch block.Section {
			case "Renew a token":
				r.eventually("a request with the new token", func() error {
					if r.sim.Count(aivensim.ByToken(tokenOther.Name)) == 0 {
						return fmt.Errorf("there is none")
					}
					return nil
				})
			case "Find out why a token does not work":
				if strings.Contains(block.Code, "jsonpath") {
					wantPrinted(r, block, printed, guideService, "running")
				}
			}
		},
		finish: func(r *reader) { r.wantRemote(true); r.cleanUp() },
	}
}

func objectsPage() guidePage {
	return guidePage{
		prepare: func(r *reader) { r.install(); r.start(); r.service() },
		finish:  func(r *reader) { r.wantRemote(true); r.cleanUp() },
	}
}

func troubleshootingPage() guidePage {
	return guidePage{
		prepare: func(r *reader) {
			r.install()
			r.start()
			r.service()
			r.run("the cluster", "kubectl apply -f - <<YAML\napiVersion: openbao.org/v1alpha1\nkind: OpenBaoCluster\nmetadata: {name: demo-bao}\nspec: {}\nYAML\n"+
				"kubectl wait --for=condition=AuthorizationReady=false --timeout=2m openbaocluster/demo-bao")
		},
		before: func(r *reader, block guide.Block) {
			if strings.Contains(block.Code, "deletion-policy-") {
				r.annotate("PostgreSQL", guideService, "controllers.aiven.io/deletion-policy", "Orphaned")
			}
			if strings.Contains(block.Code, "management-policy-") {
				r.annotate("PostgreSQL", guideService, "bailiwick.dev/management-policy", "Observed")
				r.unready("PostgreSQL", guideService, "InvalidManagementPolicy")
			}
		},
		after: func(r *reader, block guide.Block, printed string) {
			if strings.Contains(block.Code, "management-policy-") {
				r.ready("PostgreSQL", guideService)
			}
			if block.Section == "Find the reason of an OpenBaoCluster" {
				wantPrinted(r, block, printed, "demo-bao", "spec.authorization")
			}
		},
		finish: func(r *reader) { r.cleanUp(); r.wantRemote(false) },
	}
}

func terraformPage() guidePage {
	return guidePage{
		prepare: func(r *reader) { r.existing(); r.install(); r.start() },
		after: func(r *reader, block guide.Block, printed string) {
			if strings.Contains(block.Code, "jsonpath='{.status.conditions") {
				wantPrinted(r, block, printed, "plan")
			}
		},
		finish: func(r *reader) {
			if n := r.sim.Count(aivensim.Mutating); n != 0 {
				r.Errorf("The take-over sent %d requests that change something", n)
			}
			r.cleanUp()
		},
	}
}

func peerPage() guidePage {
	return guidePage{
		prepare: func(r *reader) {
			r.existing()
			r.tokenSecret(guideToken, tokenOwn.Value)
			r.create(r.object("PostgreSQL", guideService, tokenOf(guideToken), set("cloudName", "google-europe-west1"), set("plan", "startup-4")))
			r.installPeer()
		},
		before: func(r *reader, block guide.Block) {
			if strings.HasPrefix(block.Section, "3.") && strings.Contains(block.Code, "Drifted") {
				// The API server has the rights and kinds now, and the pod would start.
				r.start()
				r.wantCondition("Synced", metav1.ConditionFalse, "Drifted", r.conditions("PostgreSQL", guideService))
				r.eventually("the event", func() error {
					events, err := r.kube.CoreV1().Events(r.ns).List(r.ctx, metav1.ListOptions{FieldSelector: "reason=Drifted"})
					if err == nil && len(events.Items) == 0 {
						err = fmt.Errorf("there is none")
					}
					return err
				})
			}
		},
		after: func(r *reader, block guide.Block, printed string) {
			switch {
			case strings.HasPrefix(block.Section, "1."):
				if _, err := r.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(r.ctx, peerName, metav1.GetOptions{}); strings.Contains(block.Code, "webhook") && !apierrors.IsNotFound(err) {
					r.Errorf("The webhook: %v", err)
				}
			case strings.HasPrefix(block.Section, "3."):
				wantPrinted(r, block, printed, guideService, "plan")
				if n := r.sim.Count(aivensim.Mutating); n != 0 {
					r.Errorf("Observing sent %d requests that change something", n)
				}
			case strings.HasPrefix(block.Section, "4."):
				r.eventually("a change after the object was handed over", func() error {
					if r.sim.Count(aivensim.Mutating) == 0 {
						return fmt.Errorf("there is none")
					}
					return nil
				})
				r.ready("PostgreSQL", guideService)
			}
		},
		finish: func(r *reader) {
			r.cleanUp()
			r.run("cleaning up", "kubectl delete namespace "+peerNamespace)
		},
	}
}

// installPeer makes what is left of an aiven-operator once nothing of it runs.
func (r *reader) installPeer() {
	r.Helper()
	if _, err := r.kube.CoreV1().Namespaces().Create(r.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: peerNamespace}}, metav1.CreateOptions{}); err != nil {
		r.Fatal(err)
	}
	labels := map[string]string{"app.kubernetes.io/name": "aiven-operator"}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: peerName, Labels: labels}}
	deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	deployment.Spec.Template.Labels = labels
	deployment.Spec.Template.Spec.Containers = []corev1.Container{{Name: "manager", Image: "manager"}}
	if _, err := r.kube.AppsV1().Deployments(peerNamespace).Create(r.ctx, deployment, metav1.CreateOptions{}); err != nil {
		r.Fatal(err)
	}
	webhook := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: peerName, Labels: labels}}
	if _, err := r.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(r.ctx, webhook, metav1.CreateOptions{}); err != nil {
		r.Fatal(err)
	}
}

func samplesPage() guidePage {
	return guidePage{
		prepare: func(r *reader) { r.install(); r.start() },
		finish: func(r *reader) {
			r.run("cleaning up", "kubectl delete -k manifests/samples")
			r.cleanUp()
		},
	}
}

func uninstallPage() guidePage {
	return guidePage{
		prepare: func(r *reader) {
			r.install()
			r.start()
			r.service()
			r.run("the cluster", "kubectl apply -f - <<YAML\napiVersion: openbao.org/v1alpha1\nkind: OpenBaoCluster\nmetadata: {name: demo-bao}\nspec: {}\nYAML")
		},
		before: func(r *reader, block guide.Block) {
			switch {
			case block.Step == "5":
				r.wantRemote(true)
				// The pod ends with its namespace.
				r.stopOperator()
			case strings.HasPrefix(block.Section, "The operator is gone"):
				r.run("the object that is left", "kubectl apply --server-side -k manifests/crds\nkubectl wait --for=condition=Established crd/postgresqls.aiven.io")
				stuck := r.object("PostgreSQL", guideService, set("cloudName", "google-europe-west1"), set("plan", "startup-4"))
				stuck.SetFinalizers([]string{"finalizers.aiven.io/delete-remote-resource"})
				r.eventually("the kind to be served", func() error {
					_, err := r.client("PostgreSQL").Create(r.ctx, stuck, metav1.CreateOptions{})
					return err
				})
				r.delete("PostgreSQL", guideService)
			}
		},
		after: func(r *reader, block guide.Block, printed string) {
			switch {
			case block.Step == "4":
				wantPrinted(r, block, printed)
				r.eventually("the page to show that none is left", func() error {
					if printed := r.run(block.Place(), block.Code); strings.TrimSpace(printed) != "" {
						return fmt.Errorf("left are %s", printed)
					}
					return nil
				})
			case strings.HasPrefix(block.Section, "What remains") && strings.TrimSpace(printed) != "":
				r.Errorf("%s shows what remains: %s", block.Place(), printed)
			}
		},
		finish: func(r *reader) { r.gone("PostgreSQL", guideService) },
	}
}
