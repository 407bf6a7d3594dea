// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// ObservabilitySpec says how metrics are scraped.
type ObservabilitySpec struct {
	// metrics says how metrics are scraped.
	// +optional
	Metrics *MetricsSpec `json:"metrics,omitempty"`
}

// MetricsSpec says how metrics are scraped.
type MetricsSpec struct {
	// enabled has the servers serve metrics.
	// +kubebuilder:default=false
	Enabled bool `json:"enabled"`
	// serviceMonitor describes the ServiceMonitor of the Prometheus operator.
	// +optional
	ServiceMonitor *ServiceMonitorSpec `json:"serviceMonitor,omitempty"`
}

// ServiceMonitorSpec describes a ServiceMonitor of the Prometheus operator.
type ServiceMonitorSpec struct {
	// enabled says whether there is one.
	// +kubebuilder:default=true
	Enabled bool `json:"enabled"`
	// interval is the time between two scrapes.
	// +kubebuilder:default="30s"
	// +optional
	Interval string `json:"interval,omitempty"`
	// scrapeTimeout is how long a scrape may take.
	// +kubebuilder:default="10s"
	// +optional
	ScrapeTimeout string `json:"scrapeTimeout,omitempty"`
}

// TelemetrySpec says where the servers send their metrics, and which.
type TelemetrySpec struct {
	// usageGaugePeriod is how often token, secret and entity counts are taken.
	// +optional
	UsageGaugePeriod string `json:"usageGaugePeriod,omitempty"`
	// maximumGaugeCardinality is the most labels that such a count has.
	// +optional
	MaximumGaugeCardinality *int32 `json:"maximumGaugeCardinality,omitempty"`
	// disableHostname leaves the host out of the names of gauges.
	// +optional
	DisableHostname *bool `json:"disableHostname,omitempty"`
	// enableHostnameLabel gives all metrics a label with the host.
	// +optional
	EnableHostnameLabel *bool `json:"enableHostnameLabel,omitempty"`
	// metricsPrefix is what all names begin with.
	// +optional
	MetricsPrefix string `json:"metricsPrefix,omitempty"`
	// leaseMetricsEpsilon is the width of the buckets of lease expirations.
	// +optional
	LeaseMetricsEpsilon string `json:"leaseMetricsEpsilon,omitempty"`

	// prometheusRetentionTime is how long values are kept for Prometheus to scrape.
	// +optional
	PrometheusRetentionTime string `json:"prometheusRetentionTime,omitempty"`

	// statsiteAddress is the address of a statsite server.
	// +optional
	StatsiteAddress string `json:"statsiteAddress,omitempty"`
	// statsdAddress is the address of a statsd server.
	// +optional
	StatsdAddress string `json:"statsdAddress,omitempty"`

	// dogStatsdAddress is the address of a DogStatsD server.
	// +optional
	DogStatsdAddress string `json:"dogStatsdAddress,omitempty"`
	// dogStatsdTags are tags of all metrics there.
	// +optional
	DogStatsdTags []string `json:"dogStatsdTags,omitempty"`

	// circonusAPIKey is the API token of Circonus. It stands in the object for
	// everybody who may read it.
	// +optional
	CirconusAPIKey string `json:"circonusAPIKey,omitempty"`
	// circonusAPIApp is the application that the token is for.
	// +optional
	CirconusAPIApp string `json:"circonusAPIApp,omitempty"`
	// circonusAPIURL is the address of the API.
	// +optional
	CirconusAPIURL string `json:"circonusAPIURL,omitempty"`
	// circonusSubmissionInterval is the time between two submissions.
	// +optional
	CirconusSubmissionInterval string `json:"circonusSubmissionInterval,omitempty"`
	// circonusCheckID is the id of the check that metrics belong to.
	// +optional
	CirconusCheckID string `json:"circonusCheckID,omitempty"`
	// circonusCheckForceMetricActivation activates metrics that exist already.
	// +optional
	CirconusCheckForceMetricActivation string `json:"circonusCheckForceMetricActivation,omitempty"`
	// circonusCheckInstanceID tells apart the metrics of several servers.
	// +optional
	CirconusCheckInstanceID string `json:"circonusCheckInstanceID,omitempty"`
	// circonusCheckSearchTag finds the check where it has no id.
	// +optional
	CirconusCheckSearchTag string `json:"circonusCheckSearchTag,omitempty"`
	// circonusCheckDisplayName is the name of the check for people.
	// +optional
	CirconusCheckDisplayName string `json:"circonusCheckDisplayName,omitempty"`
	// circonusCheckTags are further tags of a new check, with commas between them.
	// +optional
	CirconusCheckTags string `json:"circonusCheckTags,omitempty"`
	// circonusBrokerID is the broker of a new check.
	// +optional
	CirconusBrokerID string `json:"circonusBrokerID,omitempty"`
	// circonusBrokerSelectTag chooses the broker of a new check where none is named.
	// +optional
	CirconusBrokerSelectTag string `json:"circonusBrokerSelectTag,omitempty"`

	// stackdriverProjectID is the Google Cloud project of the metrics.
	// +optional
	StackdriverProjectID string `json:"stackdriverProjectID,omitempty"`
	// stackdriverLocation is the zone or region of the metrics.
	// +optional
	StackdriverLocation string `json:"stackdriverLocation,omitempty"`
	// stackdriverNamespace tells apart the metrics of several clusters.
	// +optional
	StackdriverNamespace string `json:"stackdriverNamespace,omitempty"`
	// stackdriverDebugLogs logs what is sent.
	// +optional
	StackdriverDebugLogs *bool `json:"stackdriverDebugLogs,omitempty"`
}
