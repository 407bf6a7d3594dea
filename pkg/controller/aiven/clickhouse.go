// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

func clickhouseService() serviceHandler[*v1alpha1.Clickhouse] {
	return serviceHandler[*v1alpha1.Clickhouse]{serviceType: "clickhouse", connection: clickhouseConnection}
}

func clickhouseConnection(obj *v1alpha1.Clickhouse, s serviceState) connection {
	return details(obj, s.login()...).merge(unprefixed(s.login()...))
}
