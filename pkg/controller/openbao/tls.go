// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/certs"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// caSecretName is the Secret with the CA that Bailiwick keeps. Pods don't mount it.
func caSecretName(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + "-tls-ca" }

// prepareTLS makes or checks the certificate of the servers. Without one, no pod starts.
func (t *task) prepareTLS(ctx context.Context) error {
	names := certs.Names{Cluster: t.obj.Name, Namespace: t.obj.Namespace, Ordinals: serverconfig.MaxServers, Extra: t.obj.Spec.TLS.ExtraSANs}
	server, err := t.readSecret(ctx, workload.TLSSecretName(t.obj))
	if err != nil {
		return err
	}
	if t.obj.Spec.TLS.Mode == openbaov1alpha1.TLSExternal {
		return t.checkExternal(server, names)
	}
	return t.keepCertificates(ctx, server, names)
}

// checkExternal checks what somebody else has put into the Secret of the servers.
func (t *task) checkExternal(server *corev1.Secret, names certs.Names) error {
	// The number of servers may change without another certificate up to the wildcard.
	names.Ordinals = int(t.want())
	info, err := certs.CheckExternal(dataOf(server), names, t.now)
	if err != nil {
		return waiting(ReasonCertificateInvalid, text.Sentence(err.Error()), t.opts.RecheckInterval)
	}
	t.certificate, t.bundle = info, server.Data[certs.KeyCA]
	return nil
}

// keepCertificates makes the CA and the certificate, and replaces them in time.
func (t *task) keepCertificates(ctx context.Context, server *corev1.Secret, names certs.Names) error {
	ca, err := t.readSecret(ctx, caSecretName(t.obj))
	if err != nil {
		return err
	}
	if ca != nil {
		if err := t.ownSecret(ca, true); err != nil {
			return err
		}
	}
	if server != nil {
		if err := t.ownSecret(server, false); err != nil {
			return err
		}
	}
	// A mistake in it was reported, and certificates do not wait for it to be corrected.
	rotateBefore, _ := parsePeriod(t.obj.Spec.TLS.RotationPeriod)
	result, err := certs.Next(certs.Material{CA: dataOf(ca), Server: dataOf(server)}, t.provenCertificates(server), certs.Options{
		Names: names, RotateBefore: rotateBefore, Now: t.now,
	})
	if err != nil {
		return waiting(ReasonCertificateInvalid, text.Sentence(err.Error()), t.opts.RecheckInterval)
	}
	if t.paused() {
		if server != nil {
			t.certificate, t.bundle = result.Leaf, server.Data[certs.KeyCA]
		}
		return nil
	}
	// The CA comes first: it has the key of what the other Secret was signed with.
	if result.CAChanged {
		if err := t.replaceSecret(ctx, ca, t.newSecret(caSecretName(t.obj), true, result.Material.CA)); err != nil {
			return err
		}
	}
	if result.ServerChanged {
		made := t.newSecret(workload.TLSSecretName(t.obj), false, result.Material.Server)
		made.Type = corev1.SecretTypeTLS
		if err := t.replaceSecret(ctx, server, made); err != nil {
			return err
		}
	}
	for _, change := range result.Changes {
		t.events = append(t.events, func() { t.announce(corev1.EventTypeNormal, string(change.Reason), change.Message) })
	}
	t.certificate, t.bundle, t.tlsWaiting = result.Leaf, result.Material.Server[certs.KeyCA], result.Waiting
	t.nextLook = result.LookAgain
	return nil
}

// replaceSecret writes a Secret whose keys are exactly those of wanted.
func (t *task) replaceSecret(ctx context.Context, live, wanted *corev1.Secret) error {
	client := t.opts.Kube.CoreV1().Secrets(wanted.Namespace)
	if live == nil {
		if _, err := client.Create(ctx, wanted, createOptions()); err != nil {
			return t.objectProblem(fmt.Errorf("create Secret %s: %w", wanted.Name, err))
		}
		t.changed = true
		return nil
	}
	if maps.EqualFunc(live.Data, wanted.Data, slices.Equal) {
		return nil
	}
	return t.applySecret(ctx, wanted)
}

// provenCertificates is what is known of the pods that run: which bundle they were started
// with, and what each shows.
func (t *task) provenCertificates(server *corev1.Secret) certs.Proven {
	if server == nil {
		return certs.Proven{}
	}
	proven := certs.Proven{BundleDigest: certs.BundleDigest(server.Data[certs.KeyCA])}
	for _, pod := range t.pods {
		if containerStarted(pod).IsZero() || pod.Annotations[workload.AnnotationTrustDigest] != proven.BundleDigest {
			proven.BundleDigest = ""
		}
	}
	if len(t.pods) == 0 {
		proven.BundleDigest = ""
	}
	for _, known := range t.obj.Status.Servers {
		if !slices.ContainsFunc(t.pods, func(pod *corev1.Pod) bool { return pod.Name == known.Name }) {
			// It has no pod, and shows nothing.
			continue
		}
		if known.CertificateSerial == "" {
			return certs.Proven{BundleDigest: proven.BundleDigest}
		}
		proven.LeafSerials = append(proven.LeafSerials, known.CertificateSerial)
	}
	if len(proven.LeafSerials) < len(t.pods) {
		proven.LeafSerials = nil
	}
	return proven
}

// containerStarted is when the server in a pod was started, zero if it does not run.
func containerStarted(pod *corev1.Pod) time.Time {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == workload.ContainerName && status.State.Running != nil {
			return status.State.Running.StartedAt.Time
		}
	}
	return time.Time{}
}

func dataOf(secret *corev1.Secret) map[string][]byte {
	if secret == nil {
		return nil
	}
	return secret.Data
}

// parsePeriod reads spec.tls.rotationPeriod. Empty means the default.
func parsePeriod(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	period, err := time.ParseDuration(text)
	if err != nil || period <= 0 {
		return 0, &authz.SpecError{Field: "spec.tls.rotationPeriod", Problem: fmt.Sprintf("%q is not a duration such as 720h", text)}
	}
	return period, nil
}
