// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

const serviceTypePostgreSQL = "pg"

func postgreSQLService() serviceHandler[*v1alpha1.PostgreSQL] {
	return serviceHandler[*v1alpha1.PostgreSQL]{
		serviceType:    serviceTypePostgreSQL,
		needsCA:        true,
		connection:     postgreSQLConnection,
		migration:      func(obj *v1alpha1.PostgreSQL) *v1alpha1.MigrationSecretSource { return obj.Spec.MigrationSecretSource },
		versionSetting: "pg_version",
	}
}

func postgreSQLConnection(obj *v1alpha1.PostgreSQL, s serviceState) connection {
	p, uri := s.service.ServiceUriParams, s.service.ServiceUri
	return details(obj,
		pair{"HOST", p["host"]}, pair{"PORT", p["port"]}, pair{"DATABASE", p["dbname"]},
		pair{"USER", p["user"]}, pair{"PASSWORD", p["password"]}, pair{"SSLMODE", p["sslmode"]},
		pair{"DATABASE_URI", uri}, pair{"CA_CERT", s.ca},
	).merge(postgresEnvironment(p["host"], p["port"], p["dbname"], p["user"], p["password"], p["sslmode"], uri))
}
