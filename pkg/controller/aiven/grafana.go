// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"strings"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

func grafanaService() serviceHandler[*v1alpha1.Grafana] {
	return serviceHandler[*v1alpha1.Grafana]{serviceType: "grafana", connection: grafanaConnection}
}

func grafanaConnection(obj *v1alpha1.Grafana, s serviceState) connection {
	return details(obj, append(s.login(),
		pair{"URI", s.service.ServiceUri}, pair{"HOSTS", strings.Join(s.info().Grafana, ",")},
	)...)
}
