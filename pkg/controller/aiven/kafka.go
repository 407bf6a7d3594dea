// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"slices"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

const serviceTypeKafka = "kafka"

func kafkaService() serviceHandler[*v1alpha1.Kafka] {
	return serviceHandler[*v1alpha1.Kafka]{
		serviceType: serviceTypeKafka, needsCA: true, connection: kafkaConnection,
		ignored: func(obj *v1alpha1.Kafka) string {
			if obj.Spec.Karapace == nil {
				return ""
			}
			return "spec.karapace has no effect: remove it, and set userConfig.schema_registry and userConfig.kafka_rest."
		},
	}
}

func kafkaConnection(obj *v1alpha1.Kafka, s serviceState) connection {
	p := s.service.ServiceUriParams
	info := s.info()
	username, password := primaryUser(s.users)
	cert, key := deref(info.KafkaAccessCert), deref(info.KafkaAccessKey)
	out := details(obj,
		pair{"HOST", p["host"]}, pair{"PORT", p["port"]},
		pair{"USERNAME", username}, pair{"PASSWORD", password},
		pair{"ACCESS_CERT", cert}, pair{"ACCESS_KEY", key},
		pair{"REST_URI", deref(info.KafkaRestUri)}, pair{"SCHEMA_REGISTRY_URI", deref(info.SchemaRegistryUri)},
		pair{"CA_CERT", s.ca},
	).merge(unprefixed(
		pair{"HOST", p["host"]}, pair{"PORT", p["port"]},
		pair{"USERNAME", username}, pair{"PASSWORD", password},
		pair{"ACCESS_CERT", cert}, pair{"ACCESS_KEY", key},
		pair{"CA_CERT", s.ca},
	))
	for _, c := range []struct {
		prefix string
		address
	}{
		{"SASL", saslEndpoint(s.components)},
		{"SCHEMA_REGISTRY", endpoint(s.components, "schema_registry")},
		{"CONNECT", endpoint(s.components, "kafka_connect")},
		{"REST", endpoint(s.components, "kafka_rest")},
	} {
		if c.address != (address{}) {
			out.merge(details(obj, pair{c.prefix + "_HOST", c.host}, pair{c.prefix + "_PORT", c.port}))
		}
	}
	return out
}

// primaryUser returns the credentials of the user that Aiven made with the
// service.
func primaryUser(users []*service.UserOut) (name, password string) {
	i := slices.IndexFunc(users, func(u *service.UserOut) bool { return u.Type == "primary" })
	if i < 0 {
		i = slices.IndexFunc(users, func(u *service.UserOut) bool { return builtIn(u.Username) })
	}
	if i < 0 {
		return "", ""
	}
	return users[i].Username, users[i].Password
}
