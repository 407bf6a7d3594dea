// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// ServerCounts are the numbers of servers of one OpenBaoCluster.
type ServerCounts struct {
	Namespace, Name string
	// Wanted is how many the object asks for. The others are how many were Ready,
	// unsealed and voting when they were last asked.
	Wanted, Ready, Unsealed, Voters int
}

// Servers is a collector over the servers of OpenBaoClusters, from caches that are there
// anyway. The series of an object end with it.
type Servers struct {
	servers *prometheus.Desc
	list    func() []ServerCounts
}

// NewServers returns a collector over what list returns.
func NewServers(list func() []ServerCounts) *Servers {
	return &Servers{
		servers: prometheus.NewDesc(prometheus.BuildFQName(namespace, "openbao", "servers"),
			"Servers of an OpenBaoCluster by state (wanted, ready, unsealed, voters).", []string{"namespace", "name", "state"}, nil),
		list: list,
	}
}

// Describe implements prometheus.Collector.
func (s *Servers) Describe(ch chan<- *prometheus.Desc) { ch <- s.servers }

// Collect implements prometheus.Collector.
func (s *Servers) Collect(ch chan<- prometheus.Metric) {
	for _, o := range s.list() {
		for _, state := range []struct {
			name  string
			count int
		}{{"wanted", o.Wanted}, {"ready", o.Ready}, {"unsealed", o.Unsealed}, {"voters", o.Voters}} {
			ch <- prometheus.MustNewConstMetric(s.servers, prometheus.GaugeValue, float64(state.count), o.Namespace, o.Name, state.name)
		}
	}
}
