// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"github.com/aiven/go-client-codegen/handler/clickhouse"
	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/kafkaconnect"
	"github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"
	"github.com/aiven/go-client-codegen/handler/kafkatopic"
	"github.com/aiven/go-client-codegen/handler/organizationprojects"
	"github.com/aiven/go-client-codegen/handler/postgresql"
	"github.com/aiven/go-client-codegen/handler/project"
	"github.com/aiven/go-client-codegen/handler/service"
	"github.com/aiven/go-client-codegen/handler/upgradepipeline"
	"github.com/aiven/go-client-codegen/handler/vpc"
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

func (r *remote) clickhouse() clickhouse.Handler {
	h := clickhouse.NewHandler(r)
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

func (r *remote) kafkaConnect() kafkaconnect.Handler {
	h := kafkaconnect.NewHandler(r)
	return &h
}

func (r *remote) schemaRegistry() kafkaschemaregistry.Handler {
	h := kafkaschemaregistry.NewHandler(r)
	return &h
}

func (r *remote) vpcs() vpc.Handler {
	h := vpc.NewHandler(r)
	return &h
}

func (r *remote) projects() project.Handler {
	h := project.NewHandler(r)
	return &h
}

func (r *remote) organizationProjects() organizationprojects.Handler {
	h := organizationprojects.NewHandler(r)
	return &h
}

func (r *remote) upgradePipeline() upgradepipeline.Handler {
	h := upgradepipeline.NewHandler(r)
	return &h
}
