// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

func openSearchService() serviceHandler[*v1alpha1.OpenSearch] {
	return serviceHandler[*v1alpha1.OpenSearch]{serviceType: "opensearch", connection: openSearchConnection}
}

func openSearchConnection(obj *v1alpha1.OpenSearch, s serviceState) connection {
	return details(obj, append(s.login(), pair{"URI", s.service.ServiceUri})...).merge(unprefixed(s.login()...))
}
