// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// openBao counts what happens on OpenBao servers.
type openBao struct {
	logins  *prometheus.CounterVec
	repairs *prometheus.CounterVec
}

func newOpenBao() openBao {
	return openBao{
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "openbao_logins_total",
			Help: "Logins at OpenBao servers by purpose (standing: to look and repair, proof: to prove an identity, " +
				"refusal: with what must be refused) and result (ok, refused, error).",
		}, []string{"purpose", "result"}),
		repairs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "openbao_repairs_total",
			Help:      "Changes that brought an OpenBao server back to its contract, by kind (config, policy, role).",
		}, []string{"kind"}),
	}
}

// OpenBaoLogin counts a login.
func (m *Metrics) OpenBaoLogin(purpose, result string) {
	m.openBao.logins.WithLabelValues(purpose, result).Inc()
}

// OpenBaoRepair counts a repair.
func (m *Metrics) OpenBaoRepair(kind string) { m.openBao.repairs.WithLabelValues(kind).Inc() }

// Authorization is what is known of the authorization of one OpenBaoCluster.
type Authorization struct {
	Namespace, Name string
	// Drift counts what differs on the server and was not repaired, by kind.
	Drift map[string]int
	// SigningKeys is how many keys the server accepts.
	SigningKeys int
	Identities  []Identity
}

// Identity is a role of an OpenBaoCluster.
type Identity struct {
	// Identity is operator, backup, restore, upgrade or bootstrapper.
	Identity string
	Role     string
	Proved   bool
}

// driftKinds are all kinds that can differ. All are reported, so that a series
// does not vanish at 0.
var driftKinds = [...]string{"mount", "config", "policy", "role"}

// Authorizations is a collector over what is recorded of OpenBaoClusters, from
// caches that are there anyway. The series of an object end with it.
type Authorizations struct {
	drift, proved, keys *prometheus.Desc
	list                func() []Authorization
}

// NewAuthorizations returns a collector over what list returns.
func NewAuthorizations(list func() []Authorization) *Authorizations {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "openbao", name), help, append([]string{"namespace", "name"}, labels...), nil)
	}
	return &Authorizations{
		drift:  desc("drift", "What differs from the contract on the server of an OpenBaoCluster and was not repaired, by kind.", "kind"),
		proved: desc("identity_proved", "Whether an identity of an OpenBaoCluster was seen to have exactly the rights of the contract, within twice the proof interval.", "identity", "role"),
		keys:   desc("signing_keys", "Signing keys of ServiceAccount tokens that the server of an OpenBaoCluster accepts."),
		list:   list,
	}
}

// Describe implements prometheus.Collector.
func (a *Authorizations) Describe(ch chan<- *prometheus.Desc) {
	ch <- a.drift
	ch <- a.proved
	ch <- a.keys
}

// Collect implements prometheus.Collector.
func (a *Authorizations) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	for _, o := range a.list() {
		for _, kind := range driftKinds {
			gauge(a.drift, o.Drift[kind], o.Namespace, o.Name, kind)
		}
		for _, i := range o.Identities {
			proved := 0
			if i.Proved {
				proved = 1
			}
			gauge(a.proved, proved, o.Namespace, o.Name, i.Identity, i.Role)
		}
		gauge(a.keys, o.SigningKeys, o.Namespace, o.Name)
	}
}
