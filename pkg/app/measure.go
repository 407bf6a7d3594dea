// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	"github.com/bailiwick-operator/bailiwick/pkg/metrics"
)

// measure returns what is recorded of cached OpenBaoClusters for the metrics.
// The objects are not changed; those without a record are left out.
func measure(objects []any) []metrics.Authorization {
	var out []metrics.Authorization
	for _, object := range objects {
		obj, ok := object.(*openbaov1alpha1.OpenBaoCluster)
		if !ok {
			continue
		}
		record := bootstrap.RecordOf(obj)
		if record == nil {
			continue
		}
		one := metrics.Authorization{
			Namespace: obj.Namespace, Name: obj.Name, Drift: map[string]int{}, SigningKeys: len(record.SigningKeys),
		}
		for _, change := range record.Plan {
			one.Drift[change.Kind]++
		}
		for _, i := range record.Identities {
			one.Identities = append(one.Identities, metrics.Identity{
				Identity: i.Identity, Role: i.Role, Proved: i.State == openbaov1alpha1.Proved,
			})
		}
		out = append(out, one)
	}
	return out
}
