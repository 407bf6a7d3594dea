// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
)

// everything turns on what is off by default.
const everything = `
defaultTokenSecret: {name: aiven-token}
rbac: {watchSecrets: true, deleteMigrationSecrets: true}
openbao:
  proveIdentities: [{namespace: team-a, cluster: demo-bao, restore: true}]
  legacyAudiences: {team-a/demo-bao: openbao-internal}
servers: {namespaces: [team-a], extraArgs: [--profiling]}
metrics: {service: {enabled: true}, serviceMonitor: {enabled: true, labels: {release: prometheus}, interval: 30s}}
`

// TestEqual compares the chart with every kustomization that installs the operator,
// object for object.
func TestEqual(t *testing.T) {
	t.Parallel()
	h := New(t)
	migration, err := os.ReadFile(manifests + "/rbac/optional/delete_migration_secrets.yaml")
	if err != nil {
		t.Fatal(err)
	}
	in := func(namespace string, o objects) objects {
		out := objects{}
		for _, object := range o {
			object.SetNamespace(namespace)
			out[fmt.Sprintf("%s %s/%s", object.GetKind(), namespace, object.GetName())] = object
		}
		return out
	}
	for name, test := range map[string]struct {
		values string
		folder string
		// further are applied on top.
		further []objects
	}{
		"base":          {folder: "base"},
		"default-token": {folder: "overlays/default-token", values: "defaultTokenSecret: {name: aiven-token, key: token}\nrbac: {readSecrets: false}"},
		"namespaced":    {folder: "overlays/namespaced", values: "watchNamespaces: [team-a, team-b]"},
		"aiven-only":    {folder: "overlays/aiven-only", values: "openbao: {enabled: false}"},
		"openbao-only":  {folder: "overlays/openbao-only", values: "aiven: {enabled: false}"},
		"debug":         {folder: "overlays/debug", values: "logVerbosity: 6"},
		"watching":      {folder: "base", values: "rbac: {watchSecrets: true}", further: []objects{kustomize(t, "rbac/optional")}},
		"migration":     {folder: "base", values: "rbac: {deleteMigrationSecrets: true}", further: []objects{parse(t, string(migration))}},
		"servers": {
			folder: "base", values: "servers: {namespaces: [team-a]}",
			further: []objects{in("team-a", kustomize(t, "rbac/optional/run-servers"))},
		},
		"identities": {
			folder: "base", values: "openbao: {proveIdentities: [{namespace: team-a, cluster: demo-bao}]}",
			further: []objects{in("team-a", kustomize(t, "rbac/optional/prove-identities"))},
		},
		"identities and restore": {
			folder: "base", values: "openbao: {proveIdentities: [{namespace: team-a, cluster: demo-bao, restore: true}]}",
			further: []objects{
				in("team-a", kustomize(t, "rbac/optional/prove-identities")),
				in("team-a", kustomize(t, "rbac/optional/prove-identities/restore")),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := kustomize(t, test.folder)
			for _, further := range test.further {
				maps.Copy(want, further)
			}
			// Helm has its namespace made (--create-namespace), and does not own it.
			if want["Namespace /bailiwick-system"] == nil {
				t.Error("the manifests have no namespace")
			}
			delete(want, "Namespace /bailiwick-system")
			equal(t, withoutHelm(render(t, h, test.values)), want)
		})
	}
}

// TestCRDs stay when a release goes, and can be left to somebody else.
func TestCRDs(t *testing.T) {
	t.Parallel()
	h := New(t)
	kinds := 0
	for key, object := range render(t, h, "") {
		if object.GetKind() != "CustomResourceDefinition" {
			if object.GetAnnotations()["helm.sh/resource-policy"] != "" {
				t.Errorf("%s would stay", key)
			}
			continue
		}
		kinds++
		if object.GetAnnotations()["helm.sh/resource-policy"] != "keep" {
			t.Errorf("%s would go with all its objects", key)
		}
	}
	if want := len(kustomize(t, "crds")); kinds != want {
		t.Errorf("%d CRDs, want %d", kinds, want)
	}
	for key, object := range render(t, h, "crds: {install: false}") {
		if object.GetKind() == "CustomResourceDefinition" {
			t.Errorf("%s is left in", key)
		}
	}
}

// TestAnyName installs under other names and finds the same, with those names.
func TestAnyName(t *testing.T) {
	t.Parallel()
	h := New(t)
	for release, want := range map[string]string{
		"bailiwick":              "bailiwick",
		"my-bailiwick":           "my-bailiwick",
		"aiven-operator":         "aiven-operator-bailiwick",
		strings.Repeat("r", 53):  strings.Repeat("r", 45),
		"a" + "-b" + "-c" + "-d": "a-b-c-d-bailiwick",
	} {
		out := parse(t, renderText(t, h, release, "elsewhere", "crds: {install: false}"))
		if got := deployment(t, out); got.Name != want || got.Namespace != "elsewhere" {
			t.Errorf("release %s is %s/%s, want elsewhere/%s", release, got.Namespace, got.Name, want)
		}
	}

	ours := renderText(t, h, "bailiwick", "bailiwick-system", everything)
	theirs := renderText(t, h, "quokka", "wombat", everything+"fullnameOverride: platypus\nserviceAccount: {name: numbat}\n")
	if strings.Contains(theirs, "bailiwick-system") {
		t.Error("the namespace bailiwick-system is left over")
	}
	args := []string{"--deployment=platypus", "--leader-elect-resource-name=platypus", "--bootstrapper-service-account=platypus-bootstrapper", "--decoy-service-account=platypus-decoy", "--servers-service-account=platypus-servers", "--servers-cluster-role=platypus-servers-namespace"}
	for _, arg := range args {
		line := regexp.MustCompile(`\n *- ` + regexp.QuoteMeta(arg) + `\n`)
		if !line.MatchString(theirs) {
			t.Errorf("the operator is not told %s", arg)
		}
		theirs = line.ReplaceAllString(theirs, "\n")
	}
	theirs = strings.NewReplacer("platypus", "bailiwick", "numbat", "bailiwick", "wombat", "bailiwick-system", "quokka", "bailiwick").Replace(theirs)
	equal(t, parse(t, theirs), parse(t, ours))
}

// TestArguments asks the operator whether it accepts what the chart tells it.
func TestArguments(t *testing.T) {
	t.Parallel()
	h := New(t)
	for name, values := range map[string]string{
		"defaults":   "",
		"everything": everything,
		"others": `
replicas: 1
leaderElection: {enabled: false}
watchNamespaces: [team-a, team-b]
metrics: {enabled: false}
aiven: {url: "https://aiven.example", pollInterval: 1m30s}
openbao: {proofInterval: 1h}
logVerbosity: 4
logFormat: text
extraArgs: [--concurrent-syncs=3, --profiling]
`,
		"aiven only":   "openbao: {enabled: false}",
		"openbao only": "aiven: {enabled: false}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := deployments(t, parse(t, renderText(t, h, "other", "elsewhere", values+"\ncrds: {install: false}")))
			want := []string{"other-bailiwick", "other-bailiwick-servers"}
			if strings.Contains(values, "openbao: {enabled: false}") {
				want = want[:1]
			}
			if names := slices.Sorted(maps.Keys(found)); !slices.Equal(names, want) {
				t.Errorf("the Deployments are %q, want %q", names, want)
			}
			for name, d := range found {
				container := d.Spec.Template.Spec.Containers[0]
				if err := app.ValidateFlags(container.Args, map[string]string{"POD_NAMESPACE": "elsewhere", "POD_SERVICE_ACCOUNT": d.Spec.Template.Spec.ServiceAccountName}); err != nil {
					t.Errorf("%s: %v: %v", name, container.Args, err)
				}
				for _, arg := range container.Args {
					flag, _, _ := strings.Cut(arg, "=")
					// Both give a flag its default, and then something else.
					if n := count(container.Args, flag); n != 1 {
						t.Errorf("%s: %s is given %d times", name, flag, n)
					}
				}
			}
		})
	}
}

func count(args []string, flag string) int {
	n := 0
	for _, arg := range args {
		if name, _, _ := strings.Cut(arg, "="); name == flag {
			n++
		}
	}
	return n
}

// TestRightsOfHalves finds rights of what is turned off, where no overlay says it.
func TestRightsOfHalves(t *testing.T) {
	t.Parallel()
	h := New(t)
	for _, test := range []struct{ name, values, forbidden string }{
		{"aiven in namespaces", "openbao: {enabled: false}\nwatchNamespaces: [team-a]", `openbao\.org|configmaps|serviceaccounts|namespaces\b`},
		{"openbao in namespaces", "aiven: {enabled: false}\nwatchNamespaces: [team-a]", `aiven\.io`},
		{"namespaces", "watchNamespaces: [team-a]\nrbac: {watchSecrets: true, deleteMigrationSecrets: true}", `ClusterRole`},
		{"no servers", "servers: {enabled: false, namespaces: [team-a]}", `-server`},
		{"no rights", "rbac: {create: false}\nwatchNamespaces: [team-a]\n" + everythingButRights, `.`},
		{"no leader election", "replicas: 1\nleaderElection: {enabled: false}", `leases`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			forbidden := regexp.MustCompile(test.forbidden)
			for key, object := range render(t, h, test.values+"\ncrds: {install: false}") {
				if object.GroupVersionKind().Group != "rbac.authorization.k8s.io" {
					continue
				}
				// Nothing binds these in all namespaces.
				if test.name == "namespaces" && (key == "ClusterRole /bailiwick-servers-namespace" || key == "ClusterRole /bailiwick-openbao-server") {
					continue
				}
				// The lock of a cluster's operations is no leader election.
				if test.name == "no leader election" && key == "ClusterRole /bailiwick-servers-namespace" {
					continue
				}
				if found := forbidden.FindString(key + fmt.Sprint(object.Object)); found != "" {
					t.Errorf("%s has to do with %q", key, found)
				}
			}
		})
	}
	// The rights of migrations and of watching move to the namespaces with the others.
	role := render(t, h, "watchNamespaces: [team-a]\nrbac: {watchSecrets: true, deleteMigrationSecrets: true}\ncrds: {install: false}")["Role team-a/bailiwick"]
	for _, verbs := range []string{"[list watch]", "[delete]"} {
		if role == nil || !strings.Contains(fmt.Sprint(role.Object["rules"]), verbs) {
			t.Errorf("the Role of team-a has no rule with %s", verbs)
		}
	}
}

const everythingButRights = `
defaultTokenSecret: {name: aiven-token}
openbao: {proveIdentities: [{namespace: team-a, cluster: demo-bao, restore: true}]}
`

// TestSelectors finds what is about pods, and not about the operator's.
func TestSelectors(t *testing.T) {
	t.Parallel()
	out := renderText(t, New(t), "other", "elsewhere", "crds: {install: false}\n"+everything)
	found := deployments(t, parse(t, out))
	if len(found) != 2 {
		t.Fatalf("%d Deployments, want two", len(found))
	}
	for name, d := range found {
		want := d.Spec.Selector.MatchLabels
		for other, o := range found {
			matches := true
			for label, value := range want {
				matches = matches && o.Spec.Template.Labels[label] == value
			}
			if matches != (other == name) {
				t.Errorf("%s selects the pods of %s: %v", name, other, matches)
			}
		}
		for i, spread := range d.Spec.Template.Spec.TopologySpreadConstraints {
			if !maps.Equal(spread.LabelSelector.MatchLabels, want) {
				t.Errorf("constraint %d of %s is about %v, want %v", i, name, spread.LabelSelector, want)
			}
		}
		for kind, path := range map[string][]string{
			"PodDisruptionBudget": {"spec", "selector", "matchLabels"},
			"NetworkPolicy":       {"spec", "podSelector", "matchLabels"},
			"Service":             {"spec", "selector"},
			"ServiceMonitor":      {"spec", "selector", "matchLabels"},
		} {
			of := 0
			for _, object := range parse(t, out) {
				got, _, err := unstructured.NestedStringMap(object.Object, path...)
				if object.GetKind() == kind && err == nil && maps.Equal(got, want) {
					of++
				}
			}
			if of != 1 {
				t.Errorf("%d objects %s are about the pods of %s, want one", of, kind, name)
			}
		}
	}
}

// TestLint runs helm's own checks.
func TestLint(t *testing.T) {
	t.Parallel()
	h := New(t)
	for _, values := range []string{"", everything} {
		if out, err := h.Run(t.Context(), "lint", Dir, "--strict", "--values", Values(t, values)); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// TestPackage has the templates and the documentation in the archive, and the rendering
// of the archive is that of the folder.
func TestPackage(t *testing.T) {
	t.Parallel()
	h := New(t)
	archive := h.Package(t, Dir)
	out, err := h.Run(t.Context(), "template", "bailiwick", archive, "--namespace", "bailiwick-system", "--skip-tests")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, parse(t, out), render(t, h, ""))
	readme, err := h.Run(t.Context(), "show", "readme", archive)
	if err != nil || !strings.Contains(readme, "aiven-operator") {
		t.Errorf("the archive has no README.md: %v", err)
	}
}

// TestHelmTest checks what the test of the chart is made of.
func TestHelmTest(t *testing.T) {
	t.Parallel()
	h := New(t)
	values := Values(t, "crds: {install: false}\nimage: {digest: 'sha256:"+strings.Repeat("ab", 32)+"'}")
	out, err := h.Run(t.Context(), "template", "bailiwick", Dir, "--namespace", "bailiwick-system", "--values", values, "--show-only", "templates/tests/ready.yaml")
	if err != nil {
		t.Fatal(err)
	}
	hooks := parse(t, out)
	if want := []string{"NetworkPolicy bailiwick-system/bailiwick-test", "Pod bailiwick-system/bailiwick-test", "Service bailiwick-system/bailiwick-test"}; !slices.Equal(slices.Sorted(maps.Keys(hooks)), want) {
		t.Fatalf("the test is %v, want %v", slices.Sorted(maps.Keys(hooks)), want)
	}
	pod := hooks["Pod bailiwick-system/bailiwick-test"]
	operator := deployment(t, render(t, h, "crds: {install: false}\nimage: {digest: 'sha256:"+strings.Repeat("ab", 32)+"'}")).Spec
	// A test that counted as an operator would get its traffic, and be tested itself.
	matches := true
	for name, value := range operator.Selector.MatchLabels {
		matches = matches && pod.GetLabels()[name] == value
	}
	if matches {
		t.Errorf("the test pod has the labels of the operator's pods: %v", pod.GetLabels())
	}
	container := fmt.Sprint(pod.Object["spec"])
	for _, part := range []string{operator.Template.Spec.Containers[0].Image, "readOnlyRootFilesystem:true", "args:[check http://bailiwick-test." + pod.GetNamespace() + ".svc:8081/readyz]"} {
		if !strings.Contains(container, part) {
			t.Errorf("the test pod is %s, want it to have %s", container, part)
		}
	}
}
