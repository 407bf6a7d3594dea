// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/aiven/go-api-schemas/pkg/dist"

// source is one schema file of go-api-schemas.
type source struct {
	// Dir is the folder of its packages below the output folder.
	Dir string
	// What the schemas in the file are, for package comments.
	What string
	// YAML is the file: a map from the type's name at Aiven to its schema.
	YAML []byte
	// Types lists what is generated, by name at Aiven. A type goes into a package
	// of the same name, less its underscores.
	Types []string
}

// sources is the list of everything that is generated. To serve a further kind,
// add its type here and run hack/update-codegen.sh.
func sources() []source {
	return []source{
		{
			Dir:  "service",
			What: "service type",
			YAML: dist.ServiceTypes,
			Types: []string{
				"clickhouse", "flink", "grafana", "kafka", "kafka_connect", "mysql", "opensearch", "pg", "valkey",
			},
		},
		{
			Dir:  "integration",
			What: "integration type",
			YAML: dist.IntegrationTypes,
			Types: []string{
				"autoscaler", "clickhouse_kafka", "clickhouse_postgresql", "datadog", "external_aws_cloudwatch_metrics",
				"kafka_connect", "kafka_logs", "kafka_mirrormaker", "logs", "metrics",
			},
		},
		{
			Dir:  "integrationendpoint",
			What: "integration endpoint type",
			YAML: dist.IntegrationEndpointTypes,
			Types: []string{
				"autoscaler", "datadog", "external_aws_cloudwatch_logs", "external_aws_cloudwatch_metrics",
				"external_elasticsearch_logs", "external_google_cloud_bigquery", "external_google_cloud_logging", "external_kafka",
				"external_opensearch_logs", "external_postgresql", "external_schema_registry", "jolokia", "prometheus", "rsyslog",
			},
		},
	}
}
