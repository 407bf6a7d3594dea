// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/tests/internal/baoimage"
	"github.com/bailiwick-operator/bailiwick/tests/node"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// The operator's image in the manifests, and on the node.
const (
	publishedImage = "ghcr.io/bailiwick-operator/bailiwick"
	localImage     = "localhost/bailiwick"
	localTag       = "demo"
)

// start starts the node with the image of the servers, while the operator's is built.
func (d *demo) start(ctx context.Context) error {
	operator := d.path("images/bailiwick")
	group, working := errgroup.WithContext(ctx)
	group.Go(func() error {
		return d.out.Part("operator's image", func() (string, error) { return localImage + ":" + localTag, d.buildImage(working, operator) })
	})
	group.Go(func() error {
		return d.out.Part("node", func() (string, error) { return d.startNode(working) })
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return d.node.LoadImage(ctx, operator)
}

// buildImage builds the operator's image as "make image" does, for this machine only.
func (d *demo) buildImage(ctx context.Context, layout string) error {
	command := filepath.Join(d.root, "bin", "hack-image")
	build := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join(d.root, "hack", "image"), "-trimpath", "-o", command, ".")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building hack/image: %w\n%s", err, out)
	}
	image := exec.CommandContext(ctx, command, "build", "-C", d.root, "--ref", localImage+":"+localTag,
		"--platforms", "linux/"+runtime.GOARCH, "--output", layout)
	if out, err := image.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

func (d *demo) startNode(ctx context.Context) (string, error) {
	servers, err := baoimage.Layout(d.path("images"))
	if err != nil {
		return "", err
	}
	images := []string{servers}
	if baoimage.IsTestServer() {
		next, err := baoimage.NextLayout(d.path("images"))
		if err != nil {
			return "", err
		}
		images = append(images, next)
	}
	if d.node, err = node.Start(ctx, node.Options{Logs: d.path(logFolder), Images: images}); err != nil {
		return "", err
	}
	if d.kube, err = kubernetes.NewForConfig(d.node.Config()); err != nil {
		return "", err
	}
	if d.api, err = versioned.NewForConfig(d.node.Config()); err != nil {
		return "", err
	}
	version, err := d.kube.Discovery().ServerVersion()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Kubernetes %s at %s", version.GitVersion, d.node.Address()), d.giveAccess()
}

// giveAccess writes the kubeconfig and the folder with kubectl, for people.
func (d *demo) giveAccess() error {
	access, err := clientcmd.LoadFromFile(d.node.Kubeconfig())
	if err != nil {
		return err
	}
	for _, context := range access.Contexts {
		context.Namespace = namespace
	}
	if err := clientcmd.WriteToFile(*access, d.path(kubeconfigFile)); err != nil {
		return err
	}
	kubectl, err := stack.Tool("kubectl")
	if err != nil {
		return err
	}
	d.bin = d.path("bin")
	if err := os.MkdirAll(d.bin, 0o700); err != nil {
		return err
	}
	return os.Symlink(kubectl, filepath.Join(d.bin, "kubectl"))
}

// sh runs a command in a shell that has kubectl, as a person would.
func (d *demo) sh(ctx context.Context, command string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.path(kubeconfigFile), "PATH="+d.bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	return string(out), nil
}

// kustomize writes a kustomization on top of a folder of the checkout, and applies it.
func (d *demo) kustomize(ctx context.Context, name, base, changes string) error {
	folder := d.path(name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	relative, err := filepath.Rel(folder, filepath.Join(d.root, base))
	if err != nil {
		return err
	}
	content := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - " + relative + "\n" + changes
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(content), 0o600); err != nil {
		return err
	}
	_, err = d.sh(ctx, "kubectl apply --server-side -k "+folder)
	return err
}

// install installs the operator with the image that was built.
func (d *demo) install(ctx context.Context) error {
	err := d.kustomize(ctx, "install", overlay, fmt.Sprintf("images:\n  - name: %s\n    newName: %s\n    newTag: %s\n", publishedImage, localImage, localTag))
	if err != nil {
		return err
	}
	for _, deployment := range []string{"bailiwick", "bailiwick-servers"} {
		err := d.out.Part("Deployment "+deployment, func() (string, error) {
			_, err := d.sh(ctx, fmt.Sprintf("kubectl -n %s rollout status deployment/%s --timeout=%s", operatorNamespace, deployment, d.timeout))
			return "its pods are ready", err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// apply applies the sample, with the image that the node has. The DNS server of the
// node is no pod, so that it needs a rule.
func (d *demo) apply(ctx context.Context) error {
	_, err := d.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return d.kustomize(ctx, "cluster", sample, fmt.Sprintf(`namespace: %s
patches:
  - patch: |-
      apiVersion: openbao.org/v1alpha1
      kind: OpenBaoCluster
      metadata:
        name: %s
      spec:
        image: %s
        version: %s
        resources:
          requests: {cpu: 10m, memory: 64Mi}
        network:
          egressRules:
            - to: [{ipBlock: {cidr: %s/32}}]
              ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
`, namespace, clusterName, baoimage.Reference, baoimage.Version(), d.node.Address()))
}

// grant waits for the command that lets the operator run servers in the namespace, and
// runs it.
func (d *demo) grant(ctx context.Context) error {
	var command string
	err := d.until(ctx, func(c *openbaov1alpha1.OpenBaoCluster) error {
		ready := readyOf(c)
		if ready.Reason != "NotGranted" {
			return fmt.Errorf("%s is Ready=%s, %s: %s", clusterName, ready.Status, ready.Reason, ready.Message)
		}
		var ok bool
		if _, command, ok = strings.Cut(ready.Message, "Run: "); !ok {
			return fmt.Errorf("the condition has no command: %s", ready.Message)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for part := range strings.SplitSeq(strings.ReplaceAll(command, " && ", " ; "), " ; ") {
		d.out.Line("  %s", part)
	}
	_, err = d.sh(ctx, command)
	return err
}

// leavesNothing checks that neither the requests of the first start nor a root token are
// in the namespace.
func (d *demo) leavesNothing(ctx context.Context) error {
	for _, suffix := range []string{"-initialize", "-root-token"} {
		_, err := d.kube.CoreV1().Secrets(namespace).Get(ctx, clusterName+suffix, metav1.GetOptions{})
		if err == nil {
			return fmt.Errorf("the Secret %s%s exists", clusterName, suffix)
		}
		if !apierrors.IsNotFound(err) {
			return err
		}
		d.out.Line("  no Secret %s%s", clusterName, suffix)
	}
	return nil
}

// endLeader kills the pod of the leader, and waits until all is as it was.
func (d *demo) endLeader(ctx context.Context) error {
	c, err := d.get(ctx)
	if err != nil {
		return err
	}
	leader := c.Status.ActiveLeader
	if leader == "" {
		return errors.New("no leader is known")
	}
	began := time.Now()
	if err := d.kube.CoreV1().Pods(namespace).Delete(ctx, leader, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
		return err
	}
	d.out.Line("  %s is killed", leader)
	err = d.until(ctx, func(c *openbaov1alpha1.OpenBaoCluster) error {
		if now := c.Status.ActiveLeader; now == "" || now == leader {
			return errors.New("no other server leads")
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.out.Line("  another server leads after %.1f s", time.Since(began).Seconds())
	return d.becomesReady(ctx)
}

// loseVolume deletes the volume of a server that does not lead, and waits until the server
// has joined again, with nothing but what the others gave it.
func (d *demo) loseVolume(ctx context.Context) error {
	c, err := d.get(ctx)
	if err != nil {
		return err
	}
	server := clusterName + "-0"
	if c.Status.ActiveLeader == server {
		server = clusterName + "-1"
	}
	claim := "data-" + server
	before, err := d.volume(ctx, claim)
	if err != nil {
		return err
	}
	began := time.Now()
	command := "kubectl delete pvc " + claim + " --wait=false"
	d.out.Line("  %s", command)
	if _, err := d.sh(ctx, command); err != nil {
		return err
	}
	err = d.until(ctx, func(*openbaov1alpha1.OpenBaoCluster) error {
		now, err := d.volume(ctx, claim)
		if err == nil && now == before {
			err = fmt.Errorf("%s is still there", claim)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := d.becomesReady(ctx); err != nil {
		return err
	}
	d.out.Line("  %s votes again after %.1f s, on another volume", server, time.Since(began).Seconds())
	return nil
}

// volume returns the UID of a PersistentVolumeClaim.
func (d *demo) volume(ctx context.Context, claim string) (types.UID, error) {
	found, err := d.kube.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, claim, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return found.UID, nil
}

// rolled says what roll changes.
func (d *demo) rolled() string {
	if baoimage.IsTestServer() {
		return "OpenBao " + baoimage.NextVersion
	}
	return "a restart"
}

// roll changes the version where there is another one, and otherwise only starts the
// servers again: the standbys first, the leader last.
func (d *demo) roll(ctx context.Context) error {
	change := fmt.Sprintf(`{"spec":{"version":%q,"image":%q}}`, baoimage.NextVersion, baoimage.NextReference)
	if !baoimage.IsTestServer() {
		change = fmt.Sprintf(`{"spec":{"maintenance":{"restartAt":%q}}}`, time.Now().UTC().Format(time.RFC3339))
	}
	began := time.Now()
	command := "kubectl patch openbaocluster " + clusterName + " --type merge --patch '" + change + "'"
	d.out.Line("  %s", command)
	if _, err := d.sh(ctx, command); err != nil {
		return err
	}
	if err := d.becomesReady(ctx); err != nil {
		return err
	}
	d.out.Line("  all servers are replaced after %.1f s", time.Since(began).Seconds())
	return nil
}
