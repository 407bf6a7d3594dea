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
		newKind("Clickhouse", "clickhouses", clickhouseService(), client.Clickhouses),
		newKind("ClickhouseDatabase", "clickhousedatabases", clickhouseDatabase{}, client.ClickhouseDatabases),
		newKind("ClickhouseGrant", "clickhousegrants", clickhouseGrant{}, client.ClickhouseGrants),
		newKind("ClickhouseRole", "clickhouseroles", clickhouseRole{}, client.ClickhouseRoles),
		newKind("ClickhouseUser", "clickhouseusers", newClickhouseUser(), client.ClickhouseUsers),
		newKind("ConnectionPool", "connectionpools", connectionPool{}, client.ConnectionPools),
		newKind("Database", "databases", database{}, client.Databases),
		newKind("Flink", "flinks", flinkService(), client.Flinks),
		newKind("Grafana", "grafanas", grafanaService(), client.Grafanas),
		newKind("Kafka", "kafkas", kafkaService(), client.Kafkas),
		newKind("KafkaACL", "kafkaacls", kafkaACL{}, client.KafkaACLs),
		newKind("KafkaConnect", "kafkaconnects", kafkaConnectService(), client.KafkaConnects),
		newKind("KafkaConnector", "kafkaconnectors", kafkaConnector{}, client.KafkaConnectors),
		newKind("KafkaNativeACL", "kafkanativeacls", kafkaNativeACL{}, client.KafkaNativeACLs),
		newKind("KafkaQuota", "kafkaquotas", kafkaQuota{}, client.KafkaQuotas),
		newKind("KafkaSchema", "kafkaschemas", newKafkaSchema(), client.KafkaSchemas),
		newKind("KafkaSchemaRegistryACL", "kafkaschemaregistryacls", kafkaSchemaRegistryACL{}, client.KafkaSchemaRegistryACLs),
		newKind("KafkaTopic", "kafkatopics", kafkaTopic{}, client.KafkaTopics),
		newKind("MySQL", "mysqls", mySQLService(), client.MySQLs),
		newKind("OpenSearch", "opensearches", openSearchService(), client.OpenSearches),
		newKind("OpenSearchACLConfig", "opensearchaclconfigs", openSearchACLConfig{}, client.OpenSearchACLConfigs),
		newKind(kindOrganizationProject, "organizationprojects", organizationProject{}, client.OrganizationProjects),
		newKind("PostgreSQL", "postgresqls", postgreSQLService(), client.PostgreSQLs),
		newKind("ProjectVPC", "projectvpcs", projectVPC{}, client.ProjectVPCs),
		newKind(kindProject, "projects", aivenProject{}, client.Projects),
		newKind("ServiceIntegration", "serviceintegrations", serviceIntegration{}, client.ServiceIntegrations),
		newKind(kindServiceIntegrationEndpoint, "serviceintegrationendpoints", serviceIntegrationEndpoint{}, client.ServiceIntegrationEndpoints),
		newKind("ServiceUser", "serviceusers", serviceUser{}, client.ServiceUsers),
		newKind("UpgradePipelineStep", "upgradepipelinesteps", upgradePipelineStep{}, client.UpgradePipelineSteps),
		newKind("Valkey", "valkeys", valkeyService(), client.Valkeys),
	}
}
