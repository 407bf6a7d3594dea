// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"fmt"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// maxRequestDuration ends requests that take longer. It is also the default of
// OpenBao.
const maxRequestDuration = "90s"

// listeners renders the listener of the API, and that of the metrics.
func (r *renderer) listeners() {
	var l openbaov1alpha1.ListenerSpec
	if r.spec.Configuration != nil && r.spec.Configuration.Listener != nil {
		l = *r.spec.Configuration.Listener
	}
	if l.TLSDisable != nil && *l.TLSDisable {
		r.add("spec.configuration.listener.tlsDisable", "the servers always listen with TLS; remove it")
	}

	api := r.listener(APIPort)
	api.set("max_request_duration", maxRequestDuration)
	switch l.ProxyProtocolBehavior {
	case "":
	case "use_always":
		api.set("proxy_protocol_behavior", l.ProxyProtocolBehavior)
	case "deny_unauthorized":
		// The server would start, and then close every connection.
		r.add("spec.configuration.listener.proxyProtocolBehavior", "deny_unauthorized needs the addresses of the proxies, for which there is no field; set use_always, or remove it")
	default:
		r.add("spec.configuration.listener.proxyProtocolBehavior", "OpenBao has no %s and does not start with it; set use_always, or remove it", l.ProxyProtocolBehavior)
	}
	if !r.metricsEnabled() {
		r.public.add(api, "listener", "tcp")
		return
	}

	r.needs(MetricsListener, "spec.observability.metrics.enabled")
	api.add(body{settings: []setting{{"disallow_metrics", true}}}, "telemetry")
	r.public.add(api, "listener", "tcp")
	metrics := r.listener(MetricsPort)
	metrics.add(body{settings: []setting{{"metrics_only", true}, {"unauthenticated_metrics_access", true}}}, "telemetry")
	r.public.add(metrics, "listener", "tcp")
}

// listener returns the settings that all listeners have. Client certificates are not
// asked for.
func (r *renderer) listener(port int) body {
	var b body
	b.set("address", fmt.Sprintf("[::]:%d", port))
	if port == APIPort {
		b.set("cluster_address", fmt.Sprintf("[::]:%d", ClusterPort))
	}
	b.set("tls_cert_file", TLSDir+"/tls.crt")
	b.set("tls_key_file", TLSDir+"/tls.key")
	if r.version.Supports(TLSAutoReload) {
		b.set("tls_auto_reload", true)
	}
	return b
}

func (r *renderer) metricsEnabled() bool {
	o := r.spec.Observability
	return o != nil && o.Metrics != nil && o.Metrics.Enabled
}
