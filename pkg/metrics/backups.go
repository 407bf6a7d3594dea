// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Backup is what is known of the backups of one OpenBaoCluster that asks for some.
type Backup struct {
	Namespace, Name string
	// LastSuccess is when the last one succeeded, and Next when one is due. Both are zero if
	// there is none.
	LastSuccess, Next time.Time
	Size              int64
	Duration          time.Duration
	Failures          int
	UnderWay          bool
}

// Backups is a collector over the backups of OpenBaoClusters, from caches that are there
// anyway. The series of an object end with it. Those that never succeeded report 0 as the
// time of the last success, so that an alert on its age includes them.
type Backups struct {
	success, next, size, duration, failures, underWay *prometheus.Desc
	list                                              func() []Backup
}

// NewBackups returns a collector over what list returns.
func NewBackups(list func() []Backup) *Backups {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "openbao_backup", name), help, []string{"namespace", "name"}, nil)
	}
	return &Backups{
		success:  desc("last_success_timestamp_seconds", "When the last backup of an OpenBaoCluster was taken that is verified and stored; 0 if none was."),
		next:     desc("next_timestamp_seconds", "When the next backup of an OpenBaoCluster is due; 0 if nothing says so."),
		size:     desc("last_size_bytes", "Size of the last snapshot of an OpenBaoCluster."),
		duration: desc("last_duration_seconds", "How long the last backup of an OpenBaoCluster took that succeeded."),
		failures: desc("consecutive_failures", "Backups of an OpenBaoCluster that failed since the last that succeeded."),
		underWay: desc("in_progress", "Whether a backup of an OpenBaoCluster is under way."),
		list:     list,
	}
}

// Describe implements prometheus.Collector.
func (b *Backups) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{b.success, b.next, b.size, b.duration, b.failures, b.underWay} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (b *Backups) Collect(ch chan<- prometheus.Metric) {
	seconds := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return float64(t.Unix())
	}
	for _, o := range b.list() {
		underWay := 0.0
		if o.UnderWay {
			underWay = 1
		}
		for desc, value := range map[*prometheus.Desc]float64{
			b.success: seconds(o.LastSuccess), b.next: seconds(o.Next), b.size: float64(o.Size), b.duration: o.Duration.Seconds(),
			b.failures: float64(o.Failures), b.underWay: underWay,
		} {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, o.Namespace, o.Name)
		}
	}
}
