// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/kafkatopic"
	"github.com/aiven/go-client-codegen/handler/postgresql"
	"github.com/aiven/go-client-codegen/handler/service"
)

// The typed calls of the official client, over the object's own connection.

func (r *remote) services() service.Handler {
	h := service.NewHandler(r)
	return &h
}

func (r *remote) postgreSQL() postgresql.Handler {
	h := postgresql.NewHandler(r)
	return &h
}

func (r *remote) kafka() kafka.Handler {
	h := kafka.NewHandler(r)
	return &h
}

func (r *remote) kafkaTopics() kafkatopic.Handler {
	h := kafkatopic.NewHandler(r)
	return &h
}
