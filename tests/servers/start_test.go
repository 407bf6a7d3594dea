// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// withJobs asks for the identities of all jobs.
func withJobs(c *openbaov1alpha1.OpenBaoCluster) {
	c.Spec.Authorization = &openbaov1alpha1.AuthorizationSpec{}
	c.Spec.Backup, c.Spec.Restore, c.Spec.Upgrade = &openbaov1alpha1.BackupSpec{}, &openbaov1alpha1.RestoreSpec{}, &openbaov1alpha1.UpgradeSpec{}
}

// TestStart follows a person from a manifest to servers that are proved, and has the
// leader and the volume of the first server go.
func TestStart(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.create(w.cluster("prod", withJobs))
	w.eventually("Bailiwick to ask for its rights", w.condition("prod", openbaov1alpha1.ConditionReady, metav1.ConditionFalse, "NotGranted"))
	message := meta.FindStatusCondition(w.get("prod").Status.Conditions, openbaov1alpha1.ConditionReady).Message
	_, command, ok := strings.Cut(message, "Run: ")
	if !ok {
		t.Fatalf("The condition has no command: %s", message)
	}
	began := time.Now()
	w.sh(command)
	c := w.ready("prod")
	t.Logf("Ready %s after the command", time.Since(began).Round(100*time.Millisecond))

	w.isWhole(c)
	for _, identity := range c.Status.Authorization.Identities {
		if identity.State != openbaov1alpha1.Proved {
			t.Errorf("The identity %s is %s: %s", identity.Role, identity.State, identity.Message)
		}
	}
	if want := 6; len(c.Status.Authorization.Identities) != want {
		t.Errorf("%d identities are proved, want %d", len(c.Status.Authorization.Identities), want)
	}
	if err := gone(w.secret("prod-initialize")); err != nil {
		t.Errorf("The requests of the first start: %v", err)
	}

	t.Run("a leader that dies", func(t *testing.T) {
		leader := w.get("prod").Status.ActiveLeader
		if err := w.kube.CoreV1().Pods(w.ns).Delete(w.ctx, leader, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
			t.Fatal(err)
		}
		w.eventually("another leader", func() error {
			if now := w.get("prod").Status.ActiveLeader; now == "" || now == leader {
				return fmt.Errorf("it is %q", now)
			}
			return nil
		})
		w.isWhole(w.ready("prod"))
	})
	t.Run("a first server that loses its volume", func(t *testing.T) {
		w.lose("prod-0")
		w.eventually("the first server to be part of the cluster again", func() error {
			n, err := w.probe("prod", "prod-0")
			if err != nil {
				return err
			}
			if n.Initialized && n.ClusterID != "" && n.ClusterID != c.Status.ClusterID {
				t.Fatalf("It started the cluster %s beside %s", n.ClusterID, c.Status.ClusterID)
			}
			if n.Sealed || n.ClusterID == "" {
				return errors.New("it is sealed")
			}
			return nil
		})
		w.isWhole(w.ready("prod"))
	})
	t.Run("a CA that is replaced", func(t *testing.T) {
		of := *w
		of.T = t
		of.replaceCA("prod")
	})
}

func (w *world) secret(name string) error {
	_, err := w.kube.CoreV1().Secrets(w.ns).Get(w.ctx, name, metav1.GetOptions{})
	return err
}

// lose deletes the volume of a server, and its pod.
func (w *world) lose(pod string) {
	w.Helper()
	if err := w.kube.CoreV1().PersistentVolumeClaims(w.ns).Delete(w.ctx, "data-"+pod, metav1.DeleteOptions{}); err != nil {
		w.Fatal(err)
	}
	if err := w.kube.CoreV1().Pods(w.ns).Delete(w.ctx, pod, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
		w.Fatal(err)
	}
}

// isWhole waits until all servers of a cluster are unsealed and vote, and checks that the
// status says what they are.
func (w *world) isWhole(c *openbaov1alpha1.OpenBaoCluster) {
	w.Helper()
	w.eventually("all servers to vote", func() error {
		c = w.get(c.Name)
		for _, s := range c.Status.Servers {
			if s.Role != openbaov1alpha1.ServerLeader && s.Role != openbaov1alpha1.ServerVoter {
				return fmt.Errorf("%s is %s: %s", s.Name, s.Role, s.Message)
			}
		}
		return nil
	})
	if len(c.Status.Servers) != int(*c.Spec.Replicas) {
		w.Errorf("The status has %d servers, want %d", len(c.Status.Servers), *c.Spec.Replicas)
	}
	leaders := 0
	for _, s := range c.Status.Servers {
		n, err := w.probe(c.Name, s.Name)
		if err != nil {
			w.Errorf("%s: %v", s.Name, err)
			continue
		}
		if n.Sealed || n.ClusterID != c.Status.ClusterID {
			w.Errorf("%s says %+v, and the cluster is %s", s.Name, n, c.Status.ClusterID)
		}
		if s.CertificateSerial != n.CertificateSerial || s.CertificateSerial == "" {
			w.Errorf("%s shows the certificate %q, and the status has %q", s.Name, n.CertificateSerial, s.CertificateSerial)
		}
		if s.Role == openbaov1alpha1.ServerLeader {
			leaders++
		}
	}
	if leaders != 1 {
		w.Errorf("%d servers are the leader", leaders)
	}
	pods, err := w.kube.CoreV1().Pods(w.ns).List(w.ctx, metav1.ListOptions{LabelSelector: "openbao.org/component=server,openbao.org/cluster=" + c.Name})
	if err != nil {
		w.Fatal(err)
	}
	for _, pod := range pods.Items {
		if len(pod.Spec.Containers) != 1 || len(pod.Spec.InitContainers) != 0 {
			w.Errorf("Pod %s has more than the server in it", pod.Name)
		}
		for _, status := range pod.Status.ContainerStatuses {
			if status.State.Running == nil {
				w.Errorf("The container of pod %s is %+v", pod.Name, status.State)
			}
		}
	}
}
