// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

const (
	defaultScrapeInterval = "30s"
	defaultScrapeTimeout  = "10s"
)

func serviceMonitorKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor"}
}

// wantsServiceMonitor reports whether the spec asks for a ServiceMonitor, of metrics
// that are served.
func wantsServiceMonitor(c *openbaov1alpha1.OpenBaoCluster) bool {
	return metricsEnabled(c) && c.Spec.Observability.Metrics.ServiceMonitor != nil &&
		c.Spec.Observability.Metrics.ServiceMonitor.Enabled
}

// serviceMonitor has Prometheus scrape each server through the headless Service, the
// only one with that port.
//
// API: https://github.com/prometheus-operator/prometheus-operator/blob/main/Documentation/api-reference/api.md#servicemonitor
func serviceMonitor(c *openbaov1alpha1.OpenBaoCluster) *unstructured.Unstructured {
	spec := c.Spec.Observability.Metrics.ServiceMonitor
	labels := map[string]any{}
	for key, value := range Labels(c) {
		labels[key] = value
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{
			"selector": map[string]any{"matchLabels": labels},
			"endpoints": []any{map[string]any{
				"port":          portNameMetrics,
				"scheme":        "https",
				"path":          "/v1/sys/metrics",
				"params":        map[string]any{"format": []any{"prometheus"}},
				"interval":      cmp.Or(spec.Interval, defaultScrapeInterval),
				"scrapeTimeout": cmp.Or(spec.ScrapeTimeout, defaultScrapeTimeout),
				"tlsConfig": map[string]any{
					"ca": map[string]any{"secret": map[string]any{"name": TLSSecretName(c), "key": "ca.crt"}},
					// The certificates of all servers carry this name, and none the
					// address by which Prometheus reaches them.
					"serverName": fmt.Sprintf("%s.%s.svc", c.Name, c.Namespace),
				},
			}},
		},
	}}
	u.SetGroupVersionKind(serviceMonitorKind())
	u.SetName(c.Name)
	return u
}

// scrapePattern is the form of a duration of Prometheus.
var scrapePattern = regexp.MustCompile(`^(?:([0-9]+)y)?(?:([0-9]+)w)?(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?$`)

// scrapeDuration reads a duration of Prometheus, which must not be 0.
func scrapeDuration(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	units := [...]time.Duration{365 * day, 7 * day, day, time.Hour, time.Minute, time.Second, time.Millisecond}
	var sum time.Duration
	for i, digits := range scrapePattern.FindStringSubmatch(text) {
		if i == 0 || digits == "" {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || n > int64(math.MaxInt64-sum)/int64(units[i-1]) {
			return 0, fmt.Errorf("%q is too long", text)
		}
		sum += time.Duration(n) * units[i-1]
	}
	if sum <= 0 {
		return 0, fmt.Errorf("%q is not a duration of Prometheus: write for example 30s", text)
	}
	return sum, nil
}
