// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"strconv"

	"github.com/aiven/go-client-codegen/handler/service"
)

// address is where a component of a service listens; empty if it does not.
type address struct{ host, port string }

// endpoint returns the address of the first component of this name.
func endpoint(components []service.ComponentOut, name string) address {
	return find(components, func(c service.ComponentOut) bool { return c.Component == name })
}

// saslEndpoint returns where Kafka takes user names and passwords.
func saslEndpoint(components []service.ComponentOut) address {
	return find(components, func(c service.ComponentOut) bool {
		return c.Component == serviceTypeKafka && c.KafkaAuthenticationMethod == service.KafkaAuthenticationMethodTypeSasl
	})
}

func find(components []service.ComponentOut, is func(service.ComponentOut) bool) address {
	for _, c := range components {
		if is(c) {
			return address{c.Host, strconv.Itoa(c.Port)}
		}
	}
	return address{}
}
