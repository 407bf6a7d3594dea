// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/certs"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/tests/internal/baoimage"
	"github.com/bailiwick-operator/bailiwick/tests/internal/pki"
)

// TestExternalTLS has somebody else issue the certificate, as cert-manager writes it, and
// renew it.
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
	w.nudge("prod")
	c := w.ready("prod")
	w.isWhole(c)
	before := c.Status.Servers[0].CertificateSerial

	renewed := issue()
	serial := serialOf(t, renewed)
	if _, err := w.kube.CoreV1().Secrets(w.ns).Update(w.ctx, renewed, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.nudge("prod")
	w.restartsInto("prod", serial)
	if serial == before {
		t.Error("The servers showed the renewed certificate before it was written")
	}
	// Nothing was written by Bailiwick, and there is no CA of its own.
	after := w.tls("prod")
	for key, want := range renewed.Data {
		if !bytes.Equal(after.Data[key], want) {
			t.Errorf("%s of somebody else's Secret was changed", key)
		}
	}
	if err := gone(w.secret("prod-tls-ca")); err != nil {
		t.Errorf("A CA of Bailiwick's: %v", err)
	}
}

// TestCertificateIsReplaced asks for one more name in the certificate, and has servers
// that run take it over: those before 2.7 when they are started again.
func TestCertificateIsReplaced(t *testing.T) {
	asks := func(t *testing.T, change ...func(*openbaov1alpha1.OpenBaoCluster)) (w *world, before *corev1.Pod, serial string) {
		t.Parallel()
		w = newWorld(t)
		w.grant()
		w.start()
		w.create(w.cluster("prod", append(change, one)...))
		shown := w.ready("prod").Status.Servers[0].CertificateSerial
		before = w.pod("prod-0")
		w.patch("prod", `{"spec":{"tls":{"extraSANs":["bao.example.com"]}}}`)
		w.eventually("another certificate", func() error {
			if serial = serialOf(w.T, w.tls("prod")); serial == shown {
				return errMessage("it is the same")
			}
			return nil
		})
		return w, before, serial
	}
	t.Run("by a restart", func(t *testing.T) {
		w, before, serial := asks(t)
		w.restartsInto("prod", serial)
		if w.pod("prod-0").UID == before.UID {
			t.Error("The server was not started again, and shows the new certificate")
		}
	})
	t.Run("by servers that watch it", func(t *testing.T) {
		if !baoimage.IsTestServer() {
			t.Skip("OpenBao reads a new certificate by itself from 2.7 on, which is not released")
		}
		w, before, serial := asks(t, func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.Image, c.Spec.Version = watchingImage, watchingVersion
		})
		w.shows("prod", "prod-0", serial)
		w.eventually("the status to say so", w.condition("prod", openbaov1alpha1.ConditionTLSReady, metav1.ConditionTrue, "Current"))
		after := w.pod("prod-0")
		if after.UID != before.UID || after.Status.ContainerStatuses[0].RestartCount != before.Status.ContainerStatuses[0].RestartCount {
			t.Error("The server was started again")
		}
	})
}

// replaceCA has a person throw away the CA of three servers that run. The next one is
// trusted by all of them before it signs, and at no time is there a server that somebody
// who has read the bundle in between cannot verify.
func (w *world) replaceCA(name string) {
	w.Helper()
	before := w.tls(name)
	pods := map[string]types.UID{}
	for _, s := range w.get(name).Status.Servers {
		pods[s.Name] = w.pod(s.Name).UID
	}
	w.sh("kubectl -n " + w.ns + " delete secret " + name + "-tls-ca")
	w.nudge(name)
	var overlap *corev1.Secret
	w.eventually("both CAs to be published", func() error {
		overlap = w.tls(name)
		if n := bytes.Count(overlap.Data["ca.crt"], []byte("BEGIN CERTIFICATE")); n != 2 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
	if !bytes.Equal(overlap.Data["tls.crt"], before.Data["tls.crt"]) {
		w.Error("The next CA has signed before any server trusts it")
	}
	ca, err := w.kube.CoreV1().Secrets(w.ns).Get(w.ctx, name+"-tls-ca", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	// The CA that signs comes first.
	block, _ := pem.Decode(ca.Data["ca.crt"])
	if block == nil {
		w.Fatal("The Secret of the CA holds none")
	}
	next := pem.EncodeToMemory(block)
	if !verifies(w.T, before.Data["tls.crt"], before.Data["ca.crt"]) || verifies(w.T, before.Data["tls.crt"], next) {
		w.Fatal("What the servers show is not of the CA of before")
	}

	// The servers are started again one after the other, so that all of them trust both.
	var signed *corev1.Secret
	w.eventually("the next CA to sign", func() error {
		if signed = w.tls(name); bytes.Equal(signed.Data["tls.crt"], before.Data["tls.crt"]) {
			return errMessage("it has not")
		}
		return nil
	})
	for pod, uid := range pods {
		if w.pod(pod).UID == uid {
			w.Errorf("The next CA has signed while %s does not trust it", pod)
		}
	}
	if !verifies(w.T, signed.Data["tls.crt"], next) || verifies(w.T, signed.Data["tls.crt"], before.Data["ca.crt"]) {
		w.Error("The certificate is not one of the next CA")
	}
	if !verifies(w.T, before.Data["tls.crt"], signed.Data["ca.crt"]) {
		w.Error("Servers that still show the certificate of before cannot be verified with the bundle")
	}
	trusts := func(pod string) {
		opts, err := w.optionsOf(name, pod)
		if err != nil {
			return // It is being started again, and has no address yet.
		}
		opts.CABundle = overlap.Data["ca.crt"]
		// One that starts does not answer.
		if _, err := openbao.ProbeNode(w.ctx, opts); openbao.ClassOf(err) == openbao.Untrusted {
			w.Errorf("Somebody who has read both CAs cannot verify %s: %v", pod, err)
		}
	}
	for _, s := range w.get(name).Status.Servers {
		trusts(s.Name)
	}
	w.restartsInto(name, serialOf(w.T, signed))
	for _, s := range w.get(name).Status.Servers {
		trusts(s.Name)
	}
}

// restartsInto waits until all servers were started again, and show the certificate with
// this serial.
func (w *world) restartsInto(name, serial string) {
	w.Helper()
	for _, s := range w.get(name).Status.Servers {
		w.shows(name, s.Name, serial)
	}
	w.eventually("the status to say so", w.condition(name, openbaov1alpha1.ConditionTLSReady, metav1.ConditionTrue, "Current"))
	w.isWhole(w.ready(name))
}

// shows waits until a server shows the certificate with this serial, and is unsealed.
func (w *world) shows(name, pod, serial string) {
	w.Helper()
	w.eventually(pod+" to show the certificate", func() error {
		n, err := w.probe(name, pod)
		if err != nil {
			return err
		}
		if n.CertificateSerial != serial || n.Sealed {
			return fmt.Errorf("it shows %s, and sealed is %t", n.CertificateSerial, n.Sealed)
		}
		return nil
	})
}

// nudge has a cluster looked at again: Secrets are not watched.
func (w *world) nudge(name string) {
	w.Helper()
	w.patch(name, `{"spec":{"paused":true}}`)
	w.patch(name, `{"spec":{"paused":false}}`)
}

func (w *world) pod(name string) *corev1.Pod {
	w.Helper()
	pod, err := w.kube.CoreV1().Pods(w.ns).Get(w.ctx, name, metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return pod
}

// tls returns the Secret with what the servers show.
func (w *world) tls(name string) *corev1.Secret {
	w.Helper()
	secret, err := w.kube.CoreV1().Secrets(w.ns).Get(w.ctx, name+"-tls-server", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return secret
}

func serialOf(t *testing.T, secret *corev1.Secret) string {
	t.Helper()
	serial, err := certs.SerialOfPEM(secret.Data["tls.crt"])
	if err != nil {
		t.Fatal(err)
	}
	return serial
}

// verifies reports whether a certificate is one of the CAs of a bundle.
func verifies(t *testing.T, certificate, bundle []byte) bool {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		t.Fatal("The bundle holds no certificate")
	}
	block, _ := pem.Decode(certificate)
	if block == nil {
		t.Fatal("There is no certificate")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots})
	return err == nil
}
