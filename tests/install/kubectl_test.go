// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// TestKubectlInstall lives with the operator as the guides say: from the installation
// of one release, through failures and the upgrade to the next one, to the end.
func TestKubectlInstall(t *testing.T) {
	r := newReader(t, previous)
	bao := stack.NewOpenBao(t, stack.OpenBaoOptions{Listen: net.JoinHostPort(shared.GatewayAddr(), baoPort)})
	r.follow(
		step{"install", (*reader).installs},
		step{"first object", (*reader).firstObject},
		step{"pods", (*reader).confined},
		step{"OpenBao", func(r *reader) { r.authorizesOpenBao(bao) }},
		step{"network policy", (*reader).fenced},
		step{"disruption budget", (*reader).budgeted},
		step{"optional rights", (*reader).optionalRights},
		step{"failover", (*reader).failsOver},
		step{"upgrade", (*reader).upgrades},
		step{"rollback", (*reader).rollsBack},
		step{"uninstall", (*reader).uninstalls},
	)
}

// installs follows the commands of the README and the page on installation.
func (r *reader) installs() {
	printed := r.blocks("README.md", "Install it on a cluster", "1")
	if status := printed[len(printed)-1]; !strings.Contains(status, "successfully rolled out") {
		r.Errorf("The rollout's status is %q", status)
	}
	// The page has the same commands, which change nothing the second time.
	pods := r.readyPods(system)
	r.blocks("docs/install.md", "From a release", "")
	for i, pod := range r.readyPods(system) {
		if pod.UID != pods[i].UID {
			r.Errorf("%s was replaced when the same release was applied again", pods[i].Name)
		}
	}
	// Aiven is elsewhere for this reader, who changes a setting as the page shows.
	r.configure(previous)
	r.sh("kubectl apply --server-side -f " + releaseURL + "install.yaml\n" +
		"kubectl --namespace bailiwick-system rollout status deployment/bailiwick")
}

// configure builds a release with the reader's own settings, as the page on
// installation shows. From then on the guides' install.yaml is what comes of it.
func (r *reader) configure(version string) {
	r.Helper()
	r.download(version)
	file := filepath.Join(r.folder, version, "kustomization.yaml")
	kustomization := fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [install.yaml]
patches:
  - target: {kind: Deployment, name: bailiwick}
    patch: |-
      - op: add
        path: /spec/template/spec/containers/0/args/-
        value: --aiven-url=%s
      - op: add
        path: /spec/template/spec/containers/0/args/-
        value: --aiven-allow-http
`, r.aiven.url)
	if err := os.WriteFile(file, []byte(kustomization), 0o600); err != nil {
		r.Fatal(err)
	}
	r.sh("kubectl kustomize " + version + " > " + version + "/own.yaml")
	r.ours = append([]string{releaseURL + "install.yaml", version + "/own.yaml"}, r.ours...)
}

// firstObject follows the README to a service that is Ready.
func (r *reader) firstObject() {
	r.blocks("README.md", "Install it on a cluster", "2")
	printed := strings.Join(r.blocks("README.md", "Install it on a cluster", "3"), "")
	for _, want := range []string{"condition met", "POSTGRESQL_PASSWORD", guideService} {
		if !strings.Contains(printed, want) {
			r.Errorf("Printed %q, want %q in it", printed, want)
		}
	}
	r.aiven.created(r.T, guideService)
	r.eventually("Aiven to see the release", func(ctx context.Context) error { return r.aiven.saw(ctx, previous) })
}
