// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"time"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	"github.com/bailiwick-operator/bailiwick/pkg/metrics"
)

// measure returns what is recorded of cached OpenBaoClusters for the metrics.
// The objects are not changed; those without a record are left out. A proof that is
// too old by now, or of another contract than the one that the server holds, counts
// for nothing, whatever the last sync wrote.
func measure(objects []any, now time.Time, proofInterval time.Duration) []metrics.Authorization {
	var out []metrics.Authorization
	for _, object := range objects {
		obj, ok := object.(*openbaov1alpha1.OpenBaoCluster)
		if !ok {
			continue
		}
		record := bootstrap.ShownRecord(obj)
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
				Identity: i.Identity, Role: i.Role,
				Proved: i.State == openbaov1alpha1.Proved && i.Digest == record.Digest && authz.StaleProof(i, record.Digest, now, proofInterval) == "",
			})
		}
		out = append(out, one)
	}
	return out
}
