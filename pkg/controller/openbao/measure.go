// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"time"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/metrics"
)

// Measure returns the numbers of servers of cached OpenBaoClusters for the metrics. The
// objects are not changed; those that describe no servers are left out.
func Measure(objects []any) []metrics.ServerCounts {
	var out []metrics.ServerCounts
	for _, object := range objects {
		obj, ok := object.(*openbaov1alpha1.OpenBaoCluster)
		if !ok || !obj.DescribesServers() {
			continue
		}
		one := metrics.ServerCounts{Namespace: obj.Namespace, Name: obj.Name, Wanted: int(wanted(obj))}
		if ready := obj.Status.ReadyReplicas; ready != nil {
			one.Ready = int(*ready)
		}
		for _, s := range obj.Status.Servers {
			if s.Initialized != nil && *s.Initialized && s.Sealed != nil && !*s.Sealed {
				one.Unsealed++
			}
			if s.Role == openbaov1alpha1.ServerLeader || s.Role == openbaov1alpha1.ServerVoter {
				one.Voters++
			}
		}
		out = append(out, one)
	}
	return out
}

// MeasureBackups returns what is known of the backups of cached OpenBaoClusters for the
// metrics. The objects are not changed; those that ask for none are left out.
func MeasureBackups(objects []any) []metrics.Backup {
	var out []metrics.Backup
	for _, object := range objects {
		obj, ok := object.(*openbaov1alpha1.OpenBaoCluster)
		if !ok || !obj.DescribesServers() || obj.Spec.Backup == nil || obj.Spec.Backup.Target == nil {
			continue
		}
		one := metrics.Backup{Namespace: obj.Namespace, Name: obj.Name}
		if status := obj.Status.Backup; status != nil {
			one.LastSuccess, one.Next, one.UnderWay = timeOf(status.LastBackupTime), timeOf(status.NextScheduledBackup), status.Operation != nil
			if status.LastBackupSize != nil {
				one.Size = *status.LastBackupSize
			}
			if status.ConsecutiveFailures != nil {
				one.Failures = int(*status.ConsecutiveFailures)
			}
			// It was written by this package.
			one.Duration, _ = time.ParseDuration(status.LastBackupDuration)
		}
		out = append(out, one)
	}
	return out
}
