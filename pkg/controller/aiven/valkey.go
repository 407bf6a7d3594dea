// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

func valkeyService() serviceHandler[*v1alpha1.Valkey] {
	return serviceHandler[*v1alpha1.Valkey]{serviceType: "valkey", connection: valkeyConnection}
}

func valkeyConnection(obj *v1alpha1.Valkey, s serviceState) connection {
	p := s.service.ServiceUriParams
	return details(obj,
		pair{"HOST", p["host"]}, pair{"PORT", p["port"]},
		pair{"USER", p["user"]}, pair{"PASSWORD", p["password"]}, pair{"SSL", p["ssl"]},
	)
}
