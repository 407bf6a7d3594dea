// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/tests/guide"
)

const guidePage = "../../docs/openbao-servers.md"

// TestGuide runs all commands of the guide for servers, in its order and as they stand.
// Its manifest gets the image of this node, and the network that DNS outside of pods needs.
func TestGuide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	blocks, _, err := guide.Read(guidePage)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	store := w.newStore("")
	environment := append(w.environment(), "ACCESS_KEY_ID="+storeAccessKey, "SECRET_ACCESS_KEY="+storeSecretKey)
	var shown string
	var dead []types.UID
	printed := map[string][]string{}
	for _, b := range blocks {
		switch {
		case b.Comment != "":
			if err := os.WriteFile(filepath.Join(folder, b.Comment), w.onThisNode(b, store), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		case b.Language != guide.Node:
			continue
		case strings.Contains(b.Code, "delete pod"):
			victim := "my-bao-0"
			if strings.Contains(b.Code, "activeLeader") {
				victim = w.get("my-bao").Status.ActiveLeader
			}
			dead = append(dead, w.pod(victim).UID)
		}
		cmd := exec.CommandContext(w.ctx, "bash", "-c", "set -o errexit -o nounset -o pipefail\n"+b.Code)
		cmd.Dir, cmd.Env = folder, environment
		raw, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s\n%s", b.Place(), err, b.Code, raw)
		}
		t.Logf("%s printed: %s", b.Place(), raw)
		printed[b.Section] = append(printed[b.Section], string(raw))
		// The command of the guide is the one that the condition has shown.
		if _, args, ok := strings.Cut(oneLine(b.Code), "create rolebinding "); ok && !strings.Contains(oneLine(shown), "create rolebinding "+args) {
			t.Errorf("%s: the condition said: %s", b.Place(), shown)
		}
		shown = string(raw)
	}

	if got := printed["Look"]; len(got) != 1 || strings.Count(got[0], "my-bao-") < 3 || !strings.Contains(got[0], "Leader") || !strings.Contains(got[0], "Running") {
		t.Errorf("A look shows %q", got)
	}
	if got := printed["Back up a cluster"]; len(got) != 5 || !strings.Contains(got[4], ".snap") || len(store.published()) == 0 {
		t.Errorf("The backup shows %q", got)
	}
	if len(dead) != 2 {
		t.Fatalf("%d servers were lost, and the guide tells of two", len(dead))
	}
	// The cluster is Ready while one server is away.
	w.eventually("all servers to be back", func() error {
		voters := 0
		for _, s := range w.get("my-bao").Status.Servers {
			if s.Role == openbaov1alpha1.ServerLeader || s.Role == openbaov1alpha1.ServerVoter {
				voters++
			}
		}
		if voters != 3 {
			return errMessage("some are away")
		}
		return nil
	})
	c := w.get("my-bao")
	w.isWhole(c)
	for _, s := range c.Status.Servers {
		if slices.Contains(dead, w.pod(s.Name).UID) {
			t.Errorf("%s is the pod of before", s.Name)
		}
	}
}

// oneLine undoes the breaks of a long command.
func oneLine(command string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(command, "\\\n", " ")), " ")
}

// onThisNode returns the manifest of a guide with what only servers of this node need.
func (w *world) onThisNode(b guide.Block, s *bucketStore) []byte {
	w.Helper()
	var c openbaov1alpha1.OpenBaoCluster
	if err := yaml.UnmarshalStrict([]byte(b.Code), &c); err != nil {
		w.Fatalf("%s: %v", b.Place(), err)
	}
	if c.Spec.Backup != nil {
		return s.patch(b)
	}
	ours := w.cluster(c.Name)
	c.Spec.Image, c.Spec.Version, c.Spec.Network, c.Spec.Resources = ours.Spec.Image, ours.Spec.Version, ours.Spec.Network, ours.Spec.Resources
	out, err := yaml.Marshal(&c)
	if err != nil {
		w.Fatal(err)
	}
	return out
}

// environment is that of a person who has kubectl and works in the namespace of the test.
func (w *world) environment() []string {
	w.Helper()
	kubeconfig, err := clientcmd.LoadFromFile(shared.Kubeconfig())
	if err != nil {
		w.Fatal(err)
	}
	kubeconfig.Contexts[kubeconfig.CurrentContext].Namespace = w.ns
	home := w.TempDir()
	if err := clientcmd.WriteToFile(*kubeconfig, filepath.Join(home, "kubeconfig")); err != nil {
		w.Fatal(err)
	}
	return append(os.Environ(), "HOME="+home, "KUBECONFIG="+filepath.Join(home, "kubeconfig"), "PATH="+w.path())
}
