// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	// release and home are what people who come from the aiven-operator call theirs.
	release = "aiven-operator"
	home    = "operators"
)

// TestHelmInstall lives with an operator that Helm has installed, under the name and
// with the values of the aiven-operator's guide.
func TestHelmInstall(t *testing.T) {
	r := newReader(t, previous)
	r.follow(
		step{"install", (*reader).helmInstalls},
		step{"upgrade", (*reader).helmUpgrades},
		step{"rollback", (*reader).helmRollsBack},
		step{"uninstall", (*reader).helmUninstalls},
		step{"the page", (*reader).helmPage},
	)
}

// values writes the reader's values: the token, and where Aiven is for this reader.
func (r *reader) values() {
	r.Helper()
	text := "defaultTokenSecret:\n  name: aiven-token\n  key: token\n" +
		"aiven:\n  url: " + r.aiven.url + "\nextraArgs: [--aiven-allow-http]\n"
	if err := os.WriteFile(filepath.Join(r.folder, "values.yaml"), []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

func (r *reader) helmInstalls() {
	r.values()
	r.sh("kubectl create namespace " + home + "\n" +
		"kubectl create secret generic aiven-token --namespace " + home + " --from-literal=token=" + token + "\n" +
		"helm install " + release + " ./" + chartOf(previous) + " --namespace " + home + " --values values.yaml --wait --timeout 3m")
	r.versions(home, previous)
	r.service("without-a-reference", nil)
	r.ready("without-a-reference")
	r.aiven.created(r.T, "without-a-reference")
	r.helmTest()
}

// helmTest runs the test of the chart, which leaves nothing when it succeeds.
func (r *reader) helmTest() {
	r.Helper()
	before := r.all()
	if printed := r.sh("helm test " + release + " --namespace " + home + " --timeout 3m"); !strings.Contains(printed, "Succeeded") {
		r.Errorf("The test of the chart printed %q", printed)
	}
	for key := range r.all() {
		// Helm keeps the result with the release, and the slices of a Service go soon after it.
		if !before[key] && !strings.Contains(key, " "+home+"/sh.helm.release.") && !strings.Contains(key, "endpointslices") && !strings.Contains(key, "leases") {
			r.Errorf("The test of the chart left %s", key)
		}
	}
}

func (r *reader) helmUpgrades() {
	r.download(current)
	published := r.published("without-a-reference-connection")
	r.sh("helm upgrade " + release + " ./" + chartOf(current) + " --namespace " + home + " --values values.yaml --wait --timeout 3m")
	r.versions(home, current)
	r.service("after-the-upgrade", nil)
	r.ready("after-the-upgrade")
	r.ready("without-a-reference")
	if now := r.published("without-a-reference-connection"); !maps.EqualFunc(now, published, slices.Equal) {
		r.Error("The upgrade changed a published Secret")
	}
	r.aiven.created(r.T, "without-a-reference", "after-the-upgrade")
	r.helmTest()
}

func (r *reader) helmRollsBack() {
	r.sh("helm rollback " + release + " 1 --namespace " + home + " --wait --timeout 3m")
	r.versions(home, previous)
	r.service("after-the-rollback", nil)
	r.ready("after-the-rollback")
	r.aiven.created(r.T, "without-a-reference", "after-the-upgrade", "after-the-rollback")
}

// helmUninstalls leaves the kinds and the objects, as Helm's users expect, and removes
// what is left as the page says.
func (r *reader) helmUninstalls() {
	r.sh("kubectl annotate aiven --all controllers.aiven.io/deletion-policy=Orphan --overwrite")
	kept := r.aiven.services()
	r.sh("helm uninstall " + release + " --namespace " + home + " --wait --timeout 3m")
	if printed := r.sh("kubectl get postgresqls --output name"); !strings.Contains(printed, "after-the-rollback") {
		r.Errorf("After the uninstallation there are %q, want all objects", printed)
	}
	r.eventually("the Leases alone to be left in its namespace", func(context.Context) error {
		left := r.sh("kubectl get all,configmaps,leases,networkpolicies,poddisruptionbudgets,roles,rolebindings,serviceaccounts --namespace " + home + " --output name" +
			" | grep --invert-match --extended-regexp '/kube-root-ca.crt$|serviceaccount/default$' || true")
		if want := "lease.coordination.k8s.io/aiven-operator-bailiwick\nlease.coordination.k8s.io/aiven-operator-bailiwick-servers"; strings.TrimSpace(left) != want {
			return fmt.Errorf("there are %s", left)
		}
		return nil
	})
	// The objects need an operator to go.
	r.sh("helm install " + release + " ./" + chartOf(current) + " --namespace " + home + " --values values.yaml --wait --timeout 3m\n" +
		"kubectl delete aiven --all --timeout=3m")
	r.noneLeft()
	r.sh("helm uninstall " + release + " --namespace " + home + " --wait --timeout 3m\n" +
		"kubectl delete -f " + current + "/crds.yaml\n" +
		"kubectl delete namespace " + home)
	r.leaves()
	if left := r.aiven.services(); !slices.Equal(left, kept) || len(kept) == 0 {
		r.Errorf("Aiven has %v, want what was kept: %v", left, kept)
	}
}

// helmPage follows the page on installation, and removes what it has made.
func (r *reader) helmPage() {
	// Aiven is elsewhere for this reader.
	r.ours = append([]string{"--set defaultTokenSecret.key=token", "--set defaultTokenSecret.key=token --wait --timeout 3m" +
		" --set aiven.url=" + r.aiven.url + " --set 'extraArgs={--aiven-allow-http}'"}, r.ours...)
	r.blocks("docs/install.md", "With Helm", "")
	r.service("from-the-page", nil)
	r.ready("from-the-page")
	// kubectl keeps what it knows of kinds for a while, and has just seen these go.
	r.sh("kubectl api-resources --api-group aiven.io\n" +
		"kubectl delete aiven --all --timeout=3m")
	r.noneLeft()
	r.sh("helm uninstall bailiwick --namespace bailiwick-system --wait --timeout 3m\n" +
		"kubectl delete -f " + current + "/crds.yaml\n" +
		"kubectl delete namespace bailiwick-system")
	r.leaves()
}
