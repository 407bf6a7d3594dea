// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// runJob does for the Job of the guide what the Job controller and a kubelet do, and
// checks that its one container did its work.
func (n *newcomer) runJob() {
	n.Helper()
	job, err := n.kube.BatchV1().Jobs(n.ns).Get(n.ctx, guideJob, metav1.GetOptions{})
	if err != nil {
		n.Fatal(err)
	}
	pod, err := n.kube.CoreV1().Pods(n.ns).Create(n.ctx,
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: job.Name}, Spec: job.Spec.Template.Spec}, metav1.CreateOptions{})
	if err != nil {
		n.Fatal(err)
	}
	if len(pod.Spec.Containers) != 1 {
		n.Fatalf("The Job has %d containers", len(pod.Spec.Containers))
	}
	container := pod.Spec.Containers[0]

	// The file system of the container is a folder for each mount, and one for /tmp.
	scratch := n.TempDir()
	folders := []string{"/tmp/", scratch + "/"}
	var tokens []string
	for _, mount := range container.VolumeMounts {
		at := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		folder := n.TempDir()
		files := n.volume(pod, pod.Spec.Volumes[at])
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
				n.Fatal(err)
			}
			if pod.Spec.Volumes[at].Projected != nil {
				tokens = append(tokens, string(content))
			}
		}
		folders = append(folders, mount.MountPath+"/", folder+"/")
	}
	inContainer := strings.NewReplacer(folders...).Replace

	words := append(slices.Clone(container.Command), container.Args...)
	for i := range words {
		words[i] = inContainer(words[i])
	}
	cmd := exec.CommandContext(n.ctx, words[0], words[1:]...)
	cmd.Dir, cmd.Env = scratch, []string{"HOME=" + scratch, n.environment[slices.IndexFunc(n.environment, isPath)]}
	for _, variable := range container.Env {
		if variable.ValueFrom != nil {
			n.Fatalf("The test knows no source for the variable %s", variable.Name)
		}
		cmd.Env = append(cmd.Env, variable.Name+"="+inContainer(variable.Value))
	}
	before := n.gateway.seen()
	out, err := cmd.CombinedOutput()
	if err != nil {
		n.Fatalf("The Job failed: %v: %s", err, out)
	}
	n.Logf("The Job printed: %s", out)

	snapshot, err := os.ReadFile(filepath.Join(scratch, "snapshot"))
	if err != nil {
		n.Fatal(err)
	}
	// A snapshot is compressed by gzip.
	if !bytes.HasPrefix(snapshot, []byte{0x1f, 0x8b}) {
		n.Errorf("The snapshot is %d bytes, and not one", len(snapshot))
	}
	n.Logf("The snapshot has %d bytes", len(snapshot))
	n.jobRequests(before, tokens)
}

func isPath(variable string) bool { return strings.HasPrefix(variable, "PATH=") }

// volume returns the files of a volume.
func (n *newcomer) volume(pod *corev1.Pod, volume corev1.Volume) map[string][]byte {
	n.Helper()
	switch {
	case volume.Secret != nil:
		secret, err := n.kube.CoreV1().Secrets(n.ns).Get(n.ctx, volume.Secret.SecretName, metav1.GetOptions{})
		if err != nil {
			n.Fatal(err)
		}
		return maps.Clone(secret.Data)
	case volume.Projected != nil && len(volume.Projected.Sources) == 1 && volume.Projected.Sources[0].ServiceAccountToken != nil:
		source := volume.Projected.Sources[0].ServiceAccountToken
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			Audiences: []string{source.Audience}, ExpirationSeconds: source.ExpirationSeconds,
			BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
		}}
		response, err := n.kube.CoreV1().ServiceAccounts(n.ns).CreateToken(n.ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
		if err != nil {
			n.Fatal(err)
		}
		return map[string][]byte{source.Path: []byte(response.Status.Token)}
	default:
		n.Fatalf("The test knows no volume such as %s", volume.Name)
		return nil
	}
}

// jobRequests checks that the Job logged in with its projected token, was allowed the
// snapshot, and left no token of its own behind.
func (n *newcomer) jobRequests(before, projected []string) {
	n.Helper()
	seen := n.gateway.seen()
	if len(projected) != 1 || slices.Contains(before, projected[0]) || !slices.Contains(seen, projected[0]) {
		n.Errorf("The server never got the projected token, one of %d", len(projected))
	}
	var snapshots []int
	for _, e := range n.gateway.exchanged() {
		if e.request == "GET sys/storage/raft/snapshot" {
			snapshots = append(snapshots, e.status)
		}
	}
	if !slices.Equal(snapshots, []int{http.StatusOK}) {
		n.Errorf("The requests for a snapshot were answered with %v", snapshots)
	}
	// What is new besides is the token of the login, and what Bailiwick logs in for meanwhile.
	logins := 0
	for _, credential := range seen {
		if slices.Contains(before, credential) || strings.Count(credential, ".") == 2 {
			continue
		}
		logins++
		n.eventually("the end of the tokens of "+guideJob, func() error {
			secret, err := n.root.Auth().Token().LookupWithContext(n.ctx, credential)
			if refused(err) {
				return nil
			}
			if err != nil {
				return err
			}
			policies, err := secret.TokenPolicies()
			if slices.Contains(policies, "openbao-operator-backup") {
				return errors.New("one of them still lives")
			}
			return err
		})
	}
	if logins == 0 {
		n.Error("The server never got the token of the login")
	}
}
