// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"

	clientset "github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/typed/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// Kind is a row of the table of kinds.
type Kind struct {
	// Name is the kind: "KafkaTopic".
	Name string
	// Resource is its plural: "kafkatopics".
	Resource string
	// Add makes the kind's controller and adds it to the engine.
	Add func(ctx context.Context, engine *reconcile.Engine, d Dependencies)
}

// Kinds is every kind that has a controller, in alphabetical order.
func Kinds() []Kind {
	type client = clientset.AivenV1alpha1Interface
	return []Kind{
		newKind("ConnectionPool", "connectionpools", connectionPool{}, client.ConnectionPools),
		newKind("Database", "databases", database{}, client.Databases),
		newKind("Kafka", "kafkas", kafkaService(), client.Kafkas),
		newKind("KafkaACL", "kafkaacls", kafkaACL{}, client.KafkaACLs),
		newKind("KafkaTopic", "kafkatopics", kafkaTopic{}, client.KafkaTopics),
		newKind("PostgreSQL", "postgresqls", postgreSQLService(), client.PostgreSQLs),
		newKind("ServiceUser", "serviceusers", serviceUser{}, client.ServiceUsers),
		newKind("Valkey", "valkeys", valkeyService(), client.Valkeys),
	}
}
