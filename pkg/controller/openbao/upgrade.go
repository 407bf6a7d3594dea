// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"fmt"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// checkVersion refuses a version that the servers cannot come to from where they are. What
// the spec says is then not applied at all: a pod that ends by itself would come back with
// that version.
func (t *task) checkVersion() error {
	status := t.obj.Status
	if !t.initialized() || status.CurrentVersion == "" {
		return nil
	}
	from := status.CurrentVersion
	if u := status.Upgrade; u != nil && u.LastStepDownTime != nil {
		// A server of the new version has led. What it wrote is there to be read.
		from = u.TargetVersion
	}
	known, err := serverconfig.ParseVersion(from)
	if err != nil {
		return fmt.Errorf("read status.currentVersion: %w", err)
	}
	wanted, err := serverconfig.ParseVersion(t.obj.Spec.Version)
	if err != nil || status.Upgrade != nil && status.Upgrade.TargetVersion == t.obj.Spec.Version {
		// It is reported with the configuration, or was let pass when the upgrade began.
		return nil //nolint:nilerr // See above.
	}
	maintenance := t.obj.Spec.Maintenance
	hop := serverconfig.Hop{From: known, To: wanted, Disturbs: maintenance != nil && maintenance.Enabled != nil && *maintenance.Enabled}
	if problem := hop.Problem(); problem != "" {
		return &authz.SpecError{Field: "spec.version", Problem: problem}
	}
	return nil
}

// recordUpgrade keeps status.upgrade and status.currentVersion.
func (t *task) recordUpgrade(n tally) {
	status := &t.obj.Status
	if !t.initialized() || status.CurrentVersion == "" {
		return
	}
	target := t.version()
	t.recordNewLeader()
	if target == status.CurrentVersion && (status.Upgrade == nil || status.Upgrade.LastStepDownTime == nil) {
		// Nothing is to change, or what had begun was taken back in time.
		status.Upgrade = nil
		return
	}
	if t.upgraded(n) {
		status.CurrentVersion, status.Upgrade = target, nil
		return
	}
	if t.statefulSet == nil || len(n.outdated) == 0 && status.Upgrade == nil {
		return
	}
	if status.Upgrade == nil {
		status.Upgrade = &openbaov1alpha1.UpgradeStatus{FromVersion: status.CurrentVersion, StartedAt: t.stamp()}
	}
	u := status.Upgrade
	if u.LastStepDownTime == nil {
		u.TargetVersion = target
	}
	u.CompletedPods, u.CurrentPartition = nil, t.want()
	for _, s := range t.servers {
		ordinal, ok := workload.ParseOrdinal(t.obj, s.pod.Name)
		if current := t.isCurrent(s.pod); !ok || current == nil || !*current || s.node == nil || s.node.Sealed || t.mistakeOf(s) != "" {
			continue
		}
		u.CompletedPods = append(u.CompletedPods, int32(ordinal))    //nolint:gosec // At most a few servers.
		u.CurrentPartition = min(u.CurrentPartition, int32(ordinal)) //nolint:gosec // The same.
	}
}

// recordNewLeader records that a server of a later version than the cluster had leads,
// whatever the spec says by now: what it writes is there to be read.
func (t *task) recordNewLeader() {
	leader, status := t.leader(), &t.obj.Status
	if leader == nil || status.Upgrade != nil && status.Upgrade.LastStepDownTime != nil {
		return
	}
	before, err := serverconfig.ParseVersion(status.CurrentVersion)
	leads, errLeads := serverconfig.ParseVersion(leader.node.Version)
	if err != nil || errLeads != nil || !before.Before(leads) {
		return
	}
	if status.Upgrade == nil {
		status.Upgrade = &openbaov1alpha1.UpgradeStatus{FromVersion: status.CurrentVersion, TargetVersion: leads.String(), StartedAt: t.stamp()}
	}
	status.Upgrade.LastStepDownTime = t.stamp()
}

// upgraded reports whether all servers run what the spec asks for, as far as they say.
func (t *task) upgraded(n tally) bool {
	if len(n.outdated) > 0 || len(t.servers) < int(t.want()) || n.leaders != 1 {
		return false
	}
	for _, s := range t.servers {
		if current := t.isCurrent(s.pod); current == nil || !*current || s.node == nil || s.node.Sealed || t.mistakeOf(s) != "" {
			return false
		}
	}
	return true
}

// upgradeMessage says how far an upgrade has come, empty if there is none.
func (t *task) upgradeMessage() string {
	u := t.obj.Status.Upgrade
	if u == nil {
		return ""
	}
	return fmt.Sprintf("The servers go from OpenBao %s to %s: %d of %d run it.", u.FromVersion, u.TargetVersion, len(u.CompletedPods), t.want())
}
