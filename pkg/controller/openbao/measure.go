// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
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
