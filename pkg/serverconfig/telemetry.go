// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// defaultRetention is how long values are kept where metrics are scraped.
const defaultRetention = "30s"

// telemetry renders where metrics go. The defaults for scraping are good for
// Prometheus: names without the host, and values that do not outlive their server.
func (r *renderer) telemetry() {
	t := r.spec.Telemetry
	scraped := r.metricsEnabled()
	if t == nil && !scraped {
		return
	}
	if t == nil {
		t = &openbaov1alpha1.TelemetrySpec{}
	}
	const prefix = "spec.telemetry."
	disableHostname, retention := t.DisableHostname, t.PrometheusRetentionTime
	kept := r.duration(prefix+"prometheusRetentionTime", retention, 0)
	if scraped {
		if disableHostname == nil {
			disableHostname = new(true)
		}
		if retention == "" {
			retention = defaultRetention
		} else if kept == 0 {
			r.add(prefix+"prometheusRetentionTime", "%s turns off the metrics that spec.observability.metrics.enabled asks for; set a positive duration, or remove it", retention)
		}
	}
	if t.UsageGaugePeriod != "none" {
		r.duration(prefix+"usageGaugePeriod", t.UsageGaugePeriod, 0)
	}
	if t.LeaseMetricsEpsilon != "none" {
		r.duration(prefix+"leaseMetricsEpsilon", t.LeaseMetricsEpsilon, 0)
	}
	if n := t.MaximumGaugeCardinality; n != nil && *n < 0 {
		r.add(prefix+"maximumGaugeCardinality", "%d is negative; set the number of labels, or remove it", *n)
	}
	r.goDuration(prefix+"circonusSubmissionInterval", t.CirconusSubmissionInterval)

	var b body
	b.setText("usage_gauge_period", t.UsageGaugePeriod)
	setNumber(&b, "maximum_gauge_cardinality", t.MaximumGaugeCardinality)
	b.setBool("disable_hostname", disableHostname)
	b.setBool("enable_hostname_label", t.EnableHostnameLabel)
	b.setText("metrics_prefix", t.MetricsPrefix)
	b.setText("lease_metrics_epsilon", t.LeaseMetricsEpsilon)
	b.setText("prometheus_retention_time", retention)
	b.setText("statsite_address", t.StatsiteAddress)
	b.setText("statsd_address", t.StatsdAddress)
	b.setText("dogstatsd_addr", t.DogStatsdAddress)
	if len(t.DogStatsdTags) > 0 {
		b.set("dogstatsd_tags", t.DogStatsdTags)
	}
	b.setText("circonus_api_token", t.CirconusAPIKey)
	b.setText("circonus_api_app", t.CirconusAPIApp)
	b.setText("circonus_api_url", t.CirconusAPIURL)
	b.setText("circonus_submission_interval", t.CirconusSubmissionInterval)
	b.setText("circonus_check_id", t.CirconusCheckID)
	b.setText("circonus_check_force_metric_activation", t.CirconusCheckForceMetricActivation)
	b.setText("circonus_check_instance_id", t.CirconusCheckInstanceID)
	b.setText("circonus_check_search_tag", t.CirconusCheckSearchTag)
	b.setText("circonus_check_display_name", t.CirconusCheckDisplayName)
	b.setText("circonus_check_tags", t.CirconusCheckTags)
	b.setText("circonus_broker_id", t.CirconusBrokerID)
	b.setText("circonus_broker_select_tag", t.CirconusBrokerSelectTag)
	b.setText("stackdriver_project_id", t.StackdriverProjectID)
	b.setText("stackdriver_location", t.StackdriverLocation)
	b.setText("stackdriver_namespace", t.StackdriverNamespace)
	b.setBool("stackdriver_debug_logs", t.StackdriverDebugLogs)
	if !b.empty() {
		r.stanza(t.CirconusAPIKey != "", b, "telemetry")
	}
}
