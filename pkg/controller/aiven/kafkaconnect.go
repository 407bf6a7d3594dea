// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// kafkaConnectService publishes nothing: its users reach it through Kafka.
func kafkaConnectService() serviceHandler[*v1alpha1.KafkaConnect] {
	return serviceHandler[*v1alpha1.KafkaConnect]{serviceType: "kafka_connect", stateless: true}
}
