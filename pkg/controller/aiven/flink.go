// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"strings"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

func flinkService() serviceHandler[*v1alpha1.Flink] {
	return serviceHandler[*v1alpha1.Flink]{serviceType: "flink", connection: flinkConnection}
}

// flinkConnection has no port: the URI holds it.
func flinkConnection(obj *v1alpha1.Flink, s serviceState) connection {
	p := s.service.ServiceUriParams
	return details(obj,
		pair{"HOST", p["host"]}, pair{"USER", p["user"]}, pair{"PASSWORD", p["password"]},
		pair{"URI", s.service.ServiceUri}, pair{"HOSTS", strings.Join(s.info().Flink, ",")},
	)
}
