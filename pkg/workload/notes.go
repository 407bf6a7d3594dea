// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// notesOf returns what a person should know about a spec that is in order.
func notesOf(c *openbaov1alpha1.OpenBaoCluster, f Facts) []string {
	var notes []string
	note := func(applies bool, text string) {
		if applies {
			notes = append(notes, text)
		}
	}
	note(c.Spec.InitContainer != nil,
		"spec.initContainer is not used: the servers need no init container.")
	if n := replicas(c); n%2 == 0 {
		note(true, fmt.Sprintf("%d servers survive the loss of %d, as %d would: an odd number is better.", n, (n-1)/2, n-1))
	}
	for _, suffix := range []string{"-public", "-active"} {
		note(strings.HasSuffix(c.Name, suffix), fmt.Sprintf(
			"The name ends in %s: in one namespace with a cluster %q, both need a Service %s, and the second one fails.",
			suffix, strings.TrimSuffix(c.Name, suffix), c.Name))
	}
	note(c.Spec.DeletionPolicy == openbaov1alpha1.DeletionDeletePVCs,
		"When the object is deleted, its volumes are deleted with it (spec.deletionPolicy DeletePVCs).")
	note(c.Spec.DeletionPolicy == openbaov1alpha1.DeletionDeleteAll,
		"When the object is deleted, its volumes and the Secrets with their keys are deleted with it (spec.deletionPolicy DeleteAll).")
	note(c.Spec.Backup != nil && c.Spec.Backup.Target == nil, "No backups are taken: spec.backup.target does not say where they go.")
	note(c.Spec.Backup != nil && c.Spec.Backup.Image != "", "spec.backup.image is not used: the Jobs of backups run the image of Bailiwick.")
	note(c.Spec.Backup != nil && c.Spec.Backup.Target != nil && c.Spec.Backup.Target.GCS != nil && c.Spec.Backup.Target.GCS.Project != "",
		"spec.backup.target.gcs.project is not used: the name of a bucket is enough.")
	note(c.Spec.Upgrade != nil && c.Spec.Upgrade.PreUpgradeSnapshot != nil && *c.Spec.Upgrade.PreUpgradeSnapshot,
		"spec.upgrade.preUpgradeSnapshot is not carried out yet: no snapshot is taken before an upgrade.")
	note(c.Spec.BreakGlassAck != "", "spec.breakGlassAck is not used: nothing waits for it.")
	notes = append(notes, networkNotes(c)...)
	notes = append(notes, metricsNotes(c, f)...)
	if tlsMode(c) == openbaov1alpha1.TLSExternal && c.Spec.TLS != nil {
		note(c.Spec.TLS.RotationPeriod != "", "spec.tls.rotationPeriod is not used: it belongs to the mode OperatorManaged.")
		note(len(c.Spec.TLS.ExtraSANs) > 0, "spec.tls.extraSANs is not used: whoever issues the certificate decides about its names.")
	}
	if c.Spec.Profile == openbaov1alpha1.ProfileDevelopment {
		notes = append(notes, developmentNotes(c)...)
	}
	return notes
}

func networkNotes(c *openbaov1alpha1.OpenBaoCluster) []string {
	var notes []string
	n := networkOf(c)
	if len(n.IngressRules) == 0 {
		notes = append(notes, "Only Bailiwick, the servers and their jobs can connect to the servers: allow clients in spec.network.ingressRules.")
	}
	if len(n.EgressRules) > 0 {
		return notes
	}
	if kind := sealType(c); kind != openbaov1alpha1.UnsealStatic {
		notes = append(notes, fmt.Sprintf("The servers cannot connect to the service of the seal %s: allow that in spec.network.egressRules.", kind))
	}
	if downloadsPlugins(c) {
		notes = append(notes, "The servers cannot connect to a registry to download plugins: allow that in spec.network.egressRules.")
	}
	return notes
}

func metricsNotes(c *openbaov1alpha1.OpenBaoCluster, f Facts) []string {
	if c.Spec.Observability == nil || c.Spec.Observability.Metrics == nil {
		return nil
	}
	metrics := c.Spec.Observability.Metrics
	switch {
	case metrics.ServiceMonitor == nil || !metrics.ServiceMonitor.Enabled:
		return nil
	case !metrics.Enabled:
		return []string{"spec.observability.metrics.serviceMonitor is not used while spec.observability.metrics.enabled is false."}
	case !f.ServiceMonitors:
		return []string{"There is no ServiceMonitor, since the API server does not have that kind: install the Prometheus operator, " +
			"or set spec.observability.metrics.serviceMonitor.enabled to false."}
	}
	return nil
}

// developmentNotes say what the profile Development accepts and Hardened would not.
func developmentNotes(c *openbaov1alpha1.OpenBaoCluster) []string {
	var notes []string
	hardened := *c
	hardened.Spec.Profile = openbaov1alpha1.ProfileHardened
	for _, rule := range hardenedRules() {
		if rule.broken(&hardened) {
			notes = append(notes, fmt.Sprintf("Not fit for production: %s: %s.", rule.Field, rule.Problem))
		}
	}
	return notes
}
