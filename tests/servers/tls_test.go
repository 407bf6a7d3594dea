// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/certs"
	"github.com/bailiwick-operator/bailiwick/tests/internal/pki"
)

// TestExternalTLS has somebody else issue the certificate, and renew it.
func TestExternalTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authority, err := pki.NewAuthority("people")
	if err != nil {
		t.Fatal(err)
	}
	w.grant()
	w.start()
	w.create(w.cluster("prod", one, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.TLS.Mode, c.Spec.TLS.RotationPeriod = openbaov1alpha1.TLSExternal, ""
	}))
	w.eventually("the certificate to be missed", w.condition("prod", openbaov1alpha1.ConditionReady, metav1.ConditionFalse, "CertificateInvalid"))
	issue := func() *corev1.Secret {
		host := "prod." + w.ns + ".svc"
		pair, err := authority.Server(nil, host, "*."+host, "prod-active."+w.ns+".svc", "prod-public."+w.ns+".svc", "localhost")
		if err != nil {
			t.Fatal(err)
		}
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "prod-tls-server", Namespace: w.ns}, Type: corev1.SecretTypeTLS,
			Data: map[string][]byte{"tls.crt": pair.Certificate, "tls.key": pair.Key, "ca.crt": authority.PEM},
		}
	}
	if _, err := w.kube.CoreV1().Secrets(w.ns).Create(w.ctx, issue(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// The Secret of somebody else is not watched.
	w.patch("prod", `{"spec":{"podMetadata":{"annotations":{"certificate":"first"}}}}`)
	c := w.ready("prod")
	w.isWhole(c)

	renewed := issue()
	serial, err := certs.SerialOfPEM(renewed.Data["tls.crt"])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.kube.CoreV1().Secrets(w.ns).Update(w.ctx, renewed, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.patch("prod", `{"metadata":{"annotations":{"certificate":"second"}},"spec":{"paused":false}}`)
	w.showsSerial("prod", serial)
}

// TestCertificateIsReplaced asks for one more name in the certificate, and has servers
// that run take it over.
func TestCertificateIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	w.create(w.cluster("prod", one))
	before := w.ready("prod")
	pod, err := w.kube.CoreV1().Pods(w.ns).Get(w.ctx, "prod-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.patch("prod", `{"spec":{"tls":{"extraSANs":["bao.example.com"]}}}`)
	w.eventually("another certificate", func() error {
		secret, err := w.kube.CoreV1().Secrets(w.ns).Get(w.ctx, "prod-tls-server", metav1.GetOptions{})
		if err != nil {
			return err
		}
		serial, err := certs.SerialOfPEM(secret.Data["tls.crt"])
		if err == nil && serial == before.Status.Servers[0].CertificateSerial {
			err = errMessage("it is the same")
		}
		return err
	})
	secret, err := w.kube.CoreV1().Secrets(w.ns).Get(w.ctx, "prod-tls-server", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	serial, err := certs.SerialOfPEM(secret.Data["tls.crt"])
	if err != nil {
		t.Fatal(err)
	}
	w.showsSerial("prod", serial)
	after, err := w.kube.CoreV1().Pods(w.ns).Get(w.ctx, "prod-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if after.UID != pod.UID || after.Status.ContainerStatuses[0].RestartCount != pod.Status.ContainerStatuses[0].RestartCount {
		t.Error("The server was restarted")
	}
}

// showsSerial waits until the status says that a server still shows another certificate,
// and then, that it shows the one with this serial.
func (w *world) showsSerial(name, serial string) {
	w.Helper()
	w.eventually("the status to say that the certificate is not shown yet",
		w.condition(name, openbaov1alpha1.ConditionTLSReady, metav1.ConditionFalse, "Rotating"))
	w.eventually("the server to show it", func() error {
		n, err := w.probe(name, name+"-0")
		if err == nil && n.CertificateSerial != serial {
			err = fmt.Errorf("it shows %s", n.CertificateSerial)
		}
		if err == nil && n.Sealed {
			w.Fatal("The server is sealed")
		}
		return err
	})
	w.eventually("the status to say so", w.condition(name, openbaov1alpha1.ConditionTLSReady, metav1.ConditionTrue, "Current"))
	c := w.get(name)
	if got := c.Status.Servers[0].CertificateSerial; got != serial {
		w.Errorf("The status has the serial %s, want %s", got, serial)
	}
	if !meta.IsStatusConditionTrue(c.Status.Conditions, openbaov1alpha1.ConditionReady) {
		w.ready(name)
	}
}
