// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditioned is an object with conditions.
type Conditioned interface {
	Conditions() *[]metav1.Condition
}

// Objects is a collector that counts objects by kind and by their Ready
// condition when it is asked, from caches that are there anyway.
type Objects struct {
	desc *prometheus.Desc
	// list returns the cached objects by kind. They are not changed.
	list func() map[string][]any
}

// NewObjects returns a collector over what list returns.
func NewObjects(list func() map[string][]any) *Objects {
	return &Objects{
		desc: prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "objects"),
			"Objects by kind and status of their Ready condition.", []string{"kind", "ready"}, nil),
		list: list,
	}
}

// Describe implements prometheus.Collector.
func (o *Objects) Describe(ch chan<- *prometheus.Desc) { ch <- o.desc }

// Collect implements prometheus.Collector.
func (o *Objects) Collect(ch chan<- prometheus.Metric) {
	// All statuses are reported, so that a series does not vanish at 0.
	statuses := []string{string(metav1.ConditionTrue), string(metav1.ConditionFalse), string(metav1.ConditionUnknown)}
	for kind, objects := range o.list() {
		counts := map[string]int{}
		for _, object := range objects {
			if c, ok := object.(Conditioned); ok {
				counts[readyStatus(*c.Conditions())]++
			}
		}
		for _, status := range statuses {
			ch <- prometheus.MustNewConstMetric(o.desc, prometheus.GaugeValue, float64(counts[status]), kind, status)
		}
	}
}

func readyStatus(conditions []metav1.Condition) string {
	ready := meta.FindStatusCondition(conditions, "Ready")
	known := []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse}
	if ready == nil || !slices.Contains(known, ready.Status) {
		return string(metav1.ConditionUnknown)
	}
	return string(ready.Status)
}
