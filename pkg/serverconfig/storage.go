// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import "fmt"

// DefaultPerformanceMultiplier is that of servers whose spec does not name one. With
// OpenBao's own, 5, a follower waits up to ten seconds before it takes the place of a
// leader that is gone; with this one, up to four.
const DefaultPerformanceMultiplier = 2

// storage renders the storage and the registration of servers. The names of all
// servers that there can be are listed; the server's own, and those that do not
// resolve, do no harm.
func (r *renderer) storage() {
	var raft body
	raft.set("path", DataDir)
	multiplier := int32(DefaultPerformanceMultiplier)
	if c := r.spec.Configuration; c != nil && c.Raft != nil && c.Raft.PerformanceMultiplier != nil {
		multiplier = *c.Raft.PerformanceMultiplier
	}
	switch {
	case multiplier < 0:
		r.add("spec.configuration.raft.performanceMultiplier", "%d is negative; set 1 to 10, or 0 for OpenBao's own default", multiplier)
	case multiplier > 0:
		raft.set("performance_multiplier", int64(multiplier))
	}
	for i := range MaxServers {
		host := fmt.Sprintf("%s-%d.%s.%s.svc", r.name, i, r.name, r.namespace)
		var join body
		join.set("leader_api_addr", fmt.Sprintf("https://%s:%d", host, APIPort))
		join.set("leader_ca_cert_file", TLSDir+"/ca.crt")
		join.set("leader_tls_servername", host)
		raft.add(join, "retry_join")
	}
	r.public.add(raft, "storage", "raft")
	r.public.add(body{}, "service_registration", "kubernetes")
}
