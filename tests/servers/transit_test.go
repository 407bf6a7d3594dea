// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// TestTransitSeal has the transit engine of one cluster unseal another, with a token that
// is nowhere but in its Secret.
func TestTransitSeal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	// The token may be renewed, and is, by the servers that have it.
	token := rand.Text()
	w.create(w.cluster("keys", one, audited, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.SelfInit.Requests = append(append([]openbaov1alpha1.SelfInitRequest{
			{
				Name: "engine", Operation: openbaov1alpha1.RequestUpdate, Path: "sys/mounts/transit",
				SecretEngine: &openbaov1alpha1.SecretEngineRequest{Type: "transit"},
			},
			{
				Name: "key", Operation: openbaov1alpha1.RequestUpdate, Path: "transit/keys/prod",
				Data: &runtime.RawExtension{Raw: []byte(`{"type":"aes256-gcm96"}`)},
			},
		}, asking("seal", `
path "transit/encrypt/prod" { capabilities = ["update"] }
path "transit/decrypt/prod" { capabilities = ["update"] }
`)...), tokenOf(t, "seal", token))
		c.Spec.Network.IngressRules = append(c.Spec.Network.IngressRules, openbaov1alpha1.NetworkPolicyIngressRule{
			From: []openbaov1alpha1.NetworkPolicyPeer{serversOf("prod")}, Ports: apiPort(),
		})
	}))
	w.isWhole(w.ready("keys"))
	if _, err := w.kube.CoreV1().Secrets(w.ns).Create(w.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "seal"},
		StringData: map[string]string{"token": token, "ca.crt": string(w.tls("keys").Data["ca.crt"])},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	w.create(w.cluster("prod", one, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Unseal = &openbaov1alpha1.UnsealSpec{
			Type: openbaov1alpha1.UnsealTransit, CredentialsSecretRef: &openbaov1alpha1.LocalObjectReference{Name: "seal"},
			Transit: &openbaov1alpha1.TransitUnseal{
				Address: "https://keys-active." + w.ns + ".svc:8200", KeyName: "prod", MountPath: "transit",
			},
		}
		c.Spec.Network.EgressRules = append(c.Spec.Network.EgressRules, openbaov1alpha1.NetworkPolicyEgressRule{
			To: []openbaov1alpha1.NetworkPolicyPeer{serversOf("keys")}, Ports: apiPort(),
		})
	}))
	w.isWhole(w.ready("prod"))
	if n := w.asked("encrypt"); n == 0 {
		t.Error("The engine was not asked to encrypt anything")
	}

	// Without the engine the servers stay sealed, and with it they unseal themselves.
	w.patch("keys", `{"spec":{"paused":true}}`)
	w.sh("kubectl -n " + w.ns + " scale statefulset keys --replicas=0")
	w.eventually("the engine to be gone", func() error {
		_, err := w.kube.CoreV1().Pods(w.ns).Get(w.ctx, "keys-0", metav1.GetOptions{})
		return gone(err)
	})
	w.sh("kubectl -n " + w.ns + " delete pod prod-0")
	w.eventually("the server to miss the engine", func() error {
		// As long as it is not unsealed: one version waits, and another ends.
		if n, err := w.probe("prod", "prod-0"); err == nil && !n.Sealed {
			t.Fatal("The server is unsealed, and the engine is gone")
		}
		pod, err := w.kube.CoreV1().Pods(w.ns).Get(w.ctx, "prod-0", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, s := range pod.Status.ContainerStatuses {
			if s.RestartCount > 0 {
				return nil
			}
		}
		n, err := w.probe("prod", "prod-0")
		if err == nil && n.Sealed && n.Initialized {
			return nil
		}
		return fmt.Errorf("it says %+v, and %w", n, errOr(err, "has not ended"))
	})
	w.patch("keys", `{"spec":{"paused":false}}`)
	w.isWhole(w.ready("keys"))
	w.votes("prod", "prod-0", "")
	w.isWhole(w.ready("prod"))
	if n := w.asked("decrypt"); n == 0 {
		t.Error("The engine was not asked to decrypt anything")
	}

	// The object of the other cluster has it, since this test made it there.
	for _, objects := range []string{"configmaps,statefulsets,pods,events", "openbaocluster prod"} {
		if strings.Contains(w.sh("kubectl -n "+w.ns+" get "+objects+" -o yaml"), token) {
			t.Errorf("The token of the seal is shown by one of: %s", objects)
		}
	}
	if strings.Contains(w.sh("kubectl -n "+w.ns+" logs prod-0"), token) || w.logs.contains(token) {
		t.Error("A log shows the token of the seal")
	}
	if err := gone(w.secret("prod-unseal-key")); err != nil {
		t.Errorf("The key of a static seal: %v", err)
	}
}

// asked counts the requests to the engine of one kind that it has carried out since its
// server was started.
func (w *world) asked(operation string) int {
	w.Helper()
	n := 0
	for _, e := range w.audit("keys-0") {
		if e.Type == "response" && e.Request.Path == "transit/"+operation+"/prod" && e.Error == "" {
			n++
		}
	}
	return n
}

func errOr(err error, otherwise string) error {
	if err != nil {
		return err
	}
	return errMessage(otherwise)
}

// serversOf are the servers of a cluster in the same namespace.
func serversOf(cluster string) openbaov1alpha1.NetworkPolicyPeer {
	return openbaov1alpha1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{
		"openbao.org/cluster": cluster, "openbao.org/component": "server",
	}}}
}

// apiPort is the port of a server's API.
func apiPort() []openbaov1alpha1.NetworkPolicyPort {
	return []openbaov1alpha1.NetworkPolicyPort{{Protocol: new("TCP"), Port: new(intstr.FromInt32(8200))}}
}
