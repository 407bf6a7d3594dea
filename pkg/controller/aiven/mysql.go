// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

const serviceTypeMySQL = "mysql"

func mySQLService() serviceHandler[*v1alpha1.MySQL] {
	return serviceHandler[*v1alpha1.MySQL]{
		serviceType:   serviceTypeMySQL,
		needsCA:       true,
		connection:    mySQLConnection,
		migration:     func(obj *v1alpha1.MySQL) *v1alpha1.MigrationSecretSource { return obj.Spec.MigrationSecretSource },
		migrationKeys: mySQLMigrationKeys[:],
	}
}

func mySQLConnection(obj *v1alpha1.MySQL, s serviceState) connection {
	p := s.service.ServiceUriParams
	return details(obj,
		pair{"HOST", p["host"]}, pair{"PORT", p["port"]}, pair{"DATABASE", p["dbname"]},
		pair{"USER", p["user"]}, pair{"PASSWORD", p["password"]}, pair{"SSL_MODE", p["ssl-mode"]},
		// Plans with one node have no replica.
		pair{"URI", s.service.ServiceUri}, pair{"REPLICA_URI", deref(s.info().MysqlReplicaUri)},
		pair{"CA_CERT", s.ca},
	)
}
