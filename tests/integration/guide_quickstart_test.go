// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	"github.com/bailiwick-operator/bailiwick/tests/guide"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// The names that the quick start uses.
const (
	guideAddress = "https://bao.example.com:8200"
	guideCluster = "demo-bao"
	guideJob     = "demo-bao-snapshot"
)

// newcomer is a person who follows a guide, in a folder of their own and one shell.
type newcomer struct {
	*baoEnv
	folder      string
	environment []string
}

// newNewcomer has what the quick start says that one needs: a server, its CA in
// ca.pem, a login that may write policies and create tokens with them, and a checkout.
func (b *baoEnv) newNewcomer() *newcomer {
	b.Helper()
	n := &newcomer{baoEnv: b, folder: b.TempDir()}
	n.file("ca.pem", b.ca)
	checkout, err := filepath.Abs(manifests)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Symlink(checkout, filepath.Join(n.folder, "manifests")); err != nil {
		b.Fatal(err)
	}
	kubeconfig, err := clientcmd.LoadFromFile(b.env.cluster.Kubeconfig)
	if err != nil {
		b.Fatal(err)
	}
	kubeconfig.Contexts[kubeconfig.CurrentContext].Namespace = b.ns
	if err := clientcmd.WriteToFile(*kubeconfig, filepath.Join(n.folder, "kubeconfig")); err != nil {
		b.Fatal(err)
	}
	kubectl, err := stack.Tool("kubectl")
	if err != nil {
		b.Fatal(err)
	}
	b.write("sys/policies/acl/newcomer", map[string]any{"policy": `
path "sys/policies/acl/*" { capabilities = ["create", "update"] }
path "auth/token/create" { capabilities = ["create", "update", "sudo"] }`})
	n.environment = []string{
		"HOME=" + n.folder, "KUBECONFIG=" + filepath.Join(n.folder, "kubeconfig"),
		"PATH=" + filepath.Dir(kubectl) + ":" + b.guideBao() + ":" + os.Getenv("PATH"),
		"BAO_ADDR=" + b.address, "BAO_CACERT=" + filepath.Join(n.folder, "ca.pem"), "BAO_TOKEN=" + b.adminToken("newcomer"),
	}
	return n
}

func (n *newcomer) file(name, content string) {
	n.Helper()
	if err := os.WriteFile(filepath.Join(n.folder, name), []byte(content), 0o600); err != nil {
		n.Fatal(err)
	}
}

func (n *newcomer) content(name string) string {
	n.Helper()
	content, err := os.ReadFile(filepath.Join(n.folder, name))
	if err != nil {
		n.Fatal(err)
	}
	return string(content)
}

// follow runs blocks of a guide, one after the other in one shell, and then a last
// command. It returns what each block printed.
func (n *newcomer) follow(blocks []guide.Block, last string) []string {
	n.Helper()
	script := "set -euo pipefail\n"
	name := func(i int, what string) string { return fmt.Sprintf("block-%d.%s", i, what) }
	for i, block := range blocks {
		n.file(name(i, "sh"), strings.ReplaceAll(block.Code, guideAddress, n.address))
		script += fmt.Sprintf("echo 'line %d of the guide' >&2\n. ./%s >%s\n", block.Line, name(i, "sh"), name(i, "out"))
	}
	cmd := exec.CommandContext(n.ctx, "bash", "-c", script+last)
	cmd.Dir, cmd.Env = n.folder, n.environment
	out, err := cmd.CombinedOutput()
	if err != nil {
		n.Fatalf("Following the guide: %v: %s", err, out)
	}
	var printed []string
	for i := range blocks {
		printed = append(printed, n.content(name(i, "out")))
	}
	return printed
}

// The quick start does what it says, from the admin token to the Job. Its first step,
// the installation, is TestManifests'.
func TestGuideQuickStart(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.start()
	n := b.newNewcomer()

	found, _ := fences(t, openBaoGuide)
	var commands []guide.Block
	var table string
	for _, block := range found {
		switch {
		case block.Section != "Quick start" || block.Step == "1":
		case block.Language == "sh":
			commands = append(commands, block)
		case block.Language == "" && block.Step == "5":
			table = block.Code
		case block.Comment != "":
			n.file(block.Comment, block.Code)
		default:
			t.Errorf("%s:%d: the test does not know what this block is for", openBaoGuide, block.Line)
		}
	}
	// Whoever goes on in the same shell still has their own login.
	printed := n.follow(commands, `printf %s "$ADMIN_TOKEN" >admin-token; printf %s "$BAO_TOKEN" >login`)
	t.Logf("Printed: %q", printed)
	b.tokens = append(b.tokens, n.content("admin-token"))

	n.printed(commands, printed, table)
	n.finished()
	if login := n.content("login"); login != b.tokens[0] || !b.accepted(login) {
		t.Error("The newcomer lost their own login")
	}
	n.runJob()
}

// The commands of the OpenBao pages that follow the quick start do what the text says.
func TestGuideOpenBaoCommands(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	n := b.newNewcomer()
	n.environment = append(n.environment, "BAO_TOKEN="+b.root.Token())
	giveToken := func() {
		b.setSecret(guideCluster+"-admin-token", map[string]string{"token": b.adminToken("root")})
	}
	giveToken()
	before := b.holds()
	b.setSecret(guideCluster+"-client-cert", map[string]string{"tls.crt": "x", "tls.key": "x"})
	b.start()
	b.cluster(guideCluster, func(s *v1alpha1.OpenBaoClusterSpec) {
		s.Authorization.Mode = v1alpha1.AuthorizationEnforce
		s.Authorization.AdminTokenSecretRef.Name = guideCluster + "-admin-token"
	})
	b.applied(guideCluster)
	// The one that the openbao-operator runs. Nothing listens at its address.
	if _, err := b.api.OpenBaoV1alpha1().OpenBaoClusters(b.ns).Create(b.ctx, &v1alpha1.OpenBaoCluster{ObjectMeta: metav1.ObjectMeta{Name: "prod"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	ran := map[string]int{}
	for _, page := range []string{openBaoReference, openBaoGuide} {
		blocks, _ := fences(t, page)
		for _, block := range blocks {
			if block.Section == "Quick start" || block.Language != guide.Shell {
				continue
			}
			if block.Section == "Removing the contract" {
				// A block above has disabled the mount: it is written again, with a token of its own.
				giveToken()
				b.refresh(guideCluster)
				b.eventually("the end of the token", func() error {
					if b.accepted(b.tokens[len(b.tokens)-1]) {
						return errors.New("the server still accepts it")
					}
					return nil
				})
				b.applied(guideCluster)
				giveToken()
			}
			block.Code = strings.ReplaceAll(block.Code, "-n openbao ", "-n "+b.ns+" ")
			t.Logf("%s printed: %q", block.Place(), n.follow([]guide.Block{block}, ""))
			ran[block.Section]++
			switch block.Section {
			case "Secrets and addresses":
				secret, err := b.kube.CoreV1().Secrets(b.ns).Get(b.ctx, guideCluster+"-client-cert", metav1.GetOptions{})
				if err != nil || secret.Labels[v1alpha1.LabelCredential] != "true" || secret.Annotations[v1alpha1.AnnotationCredentialAddress] != n.address {
					t.Errorf("The Secret does not agree to be sent: %v, %+v", err, secret.ObjectMeta)
				}
			case "Removing the contract":
				b.wantCondition(v1alpha1.ConditionAuthorizationReady, metav1.ConditionFalse, bootstrap.ReasonNotRequested, b.clusterConditions(guideCluster))
				b.eventually("what was written to be gone", func() error { return same(before, b.holds()) })
			}
		}
	}
	for _, section := range []string{"Secrets and addresses", "Signing keys", "Modes", "Alongside the openbao-operator", "Removing the contract"} {
		if ran[section] == 0 {
			t.Errorf("The section %q has no command", section)
		}
	}
	if mode := b.getCluster("prod").Annotations[v1alpha1.AnnotationMode]; mode != string(v1alpha1.AuthorizationEnforce) {
		t.Errorf("The mode in the annotation is %q", mode)
	}
}

// printed checks what step 5 shows against what the guide shows, but for the age.
func (n *newcomer) printed(commands []guide.Block, printed []string, table string) {
	n.Helper()
	at := slices.IndexFunc(commands, func(c guide.Block) bool { return c.Step == "5" })
	if at < 0 || at+1 >= len(commands) || commands[at+1].Step != "5" {
		n.Fatal("Step 5 has not the two blocks that the test knows")
	}
	lines := strings.Split(strings.TrimSpace(printed[at]), "\n")
	want := strings.Split(strings.TrimSpace(table), "\n")
	if len(want) != 2 || len(lines) < 2 {
		n.Fatalf("The guide shows %q, and kubectl %q", table, printed[at])
	}
	got := lines[len(lines)-2:]
	if got[0] != want[0] || withoutAge(got[1]) != withoutAge(want[1]) {
		n.Errorf("kubectl prints\n%s\nand the guide shows\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !strings.Contains(printed[at], "openbaocluster.openbao.org/"+guideCluster+" condition met\n") {
		n.Errorf("kubectl wait was not satisfied: %s", printed[at])
	}
	// Nothing lacks anything: four identities without a message.
	proved := ""
	for _, role := range []string{"openbao-operator", "openbao-operator-backup", "openbao-operator-bootstrapper", "openbao-operator-upgrade"} {
		proved += role + "\tProved\t\n"
	}
	if printed[at+1] != proved {
		n.Errorf("The identities are\n%s\nwant\n%s", printed[at+1], proved)
	}
}

// withoutAge is a row of a table of kubectl without its last column.
func withoutAge(row string) string { return row[:strings.LastIndex(row, " ")+1] }

// finished checks that the admin token and its Secret are gone, and not missed.
func (n *newcomer) finished() {
	n.Helper()
	if _, err := n.kube.CoreV1().Secrets(n.ns).Get(n.ctx, guideCluster+"-admin-token", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		n.Errorf("The Secret of the admin token: %v", err)
	}
	token := n.tokens[len(n.tokens)-1]
	if token == "" || n.accepted(token) {
		n.Error("The admin token still lives")
	}
	n.noTokenAnywhere()
	before := len(n.gateway.all())
	n.refresh(guideCluster)
	n.anotherLook(before)
	n.applied(guideCluster)
	if proved := n.getCluster(guideCluster).Status.Authorization.Proved; proved != "4/4" {
		n.Errorf("Proved is %s after the Secret is gone", proved)
	}
}
