// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metrics defines what Bailiwick measures about itself.
//
// Every Metrics has a registry of its own, so that a process may hold several.
// What client-go measures (queues, requests to the API server, leases) lives in
// the process-wide registry of component-base; Handler serves both. No label
// ever holds a token, or the name of a Secret or a project. Only OpenBaoClusters,
// of which there are few, are named: everywhere else the number of series does not
// grow with what users create.
package metrics

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/bailiwick-operator/bailiwick/pkg/version"

	// Makes client-go report its metrics to the process-wide registry.
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
)

const namespace = "bailiwick"

// Metrics is a set of metrics and the registry they are in.
type Metrics struct {
	registry *prometheus.Registry

	aivenRequests *prometheus.CounterVec
	aivenDuration *prometheus.HistogramVec
	tokenReads    *prometheus.CounterVec
	leader        prometheus.Gauge
	openBao       openBao
}

// New returns metrics that are registered nowhere else. build is what runs.
func New(build version.Info) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		aivenRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "aiven_requests_total",
			Help:      "Requests to the Aiven API by operation, status code class (none: no answer), and class of the error, if any.",
		}, []string{"operation", "code", "error"}),
		aivenDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace,
			Name:      "aiven_request_duration_seconds",
			Help:      "Time that requests to the Aiven API took, by operation.",
			Buckets:   []float64{.05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"operation"}),
		tokenReads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "token_secret_reads_total",
			Help:      "Reads of Secrets for tokens, by result. Tokens are cached: this grows with Secrets and renewals, not with objects.",
		}, []string{"result"}),
		leader: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace,
			Name:      "leader",
			Help:      "Whether this process leads.",
		}),
		openBao: newOpenBao(),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace:   namespace,
		Name:        "build_info",
		Help:        "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "go_version": build.GoVersion},
	})
	info.Set(1)
	m.registry.MustRegister(m.aivenRequests, m.aivenDuration, m.tokenReads, m.leader, m.openBao.logins, m.openBao.repairs, info)
	return m
}

// AivenRequest counts a request. status is 0 if there was no answer; class is
// the class of its error, empty if there was none.
func (m *Metrics) AivenRequest(operation string, status int, class string, duration time.Duration) {
	code := "none"
	if status > 0 {
		code = strconv.Itoa(status/100) + "xx"
	}
	m.aivenRequests.WithLabelValues(operation, code, class).Inc()
	m.aivenDuration.WithLabelValues(operation).Observe(duration.Seconds())
}

// Leading says whether this process leads.
func (m *Metrics) Leading(leading bool) {
	m.leader.Set(0)
	if leading {
		m.leader.Set(1)
	}
}

// Register adds a collector, such as the one of NewObjects.
func (m *Metrics) Register(c prometheus.Collector) error { return m.registry.Register(c) }

// Handler serves these metrics and those of the process.
func (m *Metrics) Handler() http.Handler {
	gatherers := prometheus.Gatherers{m.registry, prometheus.GathererFunc(legacyregistry.DefaultGatherer.Gather)}
	return promhttp.HandlerFor(gatherers, promhttp.HandlerOpts{})
}

// TokenReads returns a getter that counts the reads that go through it.
func (m *Metrics) TokenReads(getter corev1client.SecretsGetter) corev1client.SecretsGetter {
	return countedSecrets{getter, m.tokenReads}
}

type countedSecrets struct {
	corev1client.SecretsGetter
	reads *prometheus.CounterVec
}

// Secrets implements corev1client.SecretsGetter.
func (c countedSecrets) Secrets(namespace string) corev1client.SecretInterface {
	return countedSecret{c.SecretsGetter.Secrets(namespace), c.reads}
}

type countedSecret struct {
	corev1client.SecretInterface
	reads *prometheus.CounterVec
}

// Get implements corev1client.SecretInterface.
func (c countedSecret) Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error) {
	secret, err := c.SecretInterface.Get(ctx, name, opts)
	c.reads.WithLabelValues(readResult(err)).Inc()
	return secret, err
}

func readResult(err error) string {
	switch {
	case err == nil:
		return "ok"
	case apierrors.IsNotFound(err):
		return "not_found"
	case apierrors.IsForbidden(err):
		return "forbidden"
	}
	return "error"
}
