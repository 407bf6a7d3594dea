// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	codegen "github.com/aiven/go-client-codegen/handler/kafkaconnect"
)

// Connector is a Kafka connector, of a kafka service with kafka_connect or of a
// kafka_connect service.
type Connector struct {
	Name   string
	Config map[string]string
	// State is RUNNING, PAUSED, FAILED, STOPPED or UNASSIGNED; the tasks share it.
	State string
	// Trace is the stack trace of the tasks of a failed connector.
	Trace string
	Tasks int
}

func connectRoutes() []route {
	const pattern = servicePattern + "/connectors"
	const one = pattern + "/{connector_name}"
	return []route{
		{operation: "ServiceKafkaConnectGetAvailableConnectors", method: http.MethodGet, pattern: servicePattern + "/available-connectors", handle: (*call).pluginList},
		{operation: "ServiceKafkaConnectList", method: http.MethodGet, pattern: pattern, handle: (*call).connectorList},
		{operation: "ServiceKafkaConnectCreateConnector", method: http.MethodPost, pattern: pattern, handle: (*call).connectorCreate},
		{operation: "ServiceKafkaConnectEditConnector", method: http.MethodPut, pattern: one, handle: (*call).connectorEdit},
		{operation: "ServiceKafkaConnectDeleteConnector", method: http.MethodDelete, pattern: one, handle: (*call).connectorDelete},
		{operation: "ServiceKafkaConnectGetConnectorStatus", method: http.MethodGet, pattern: one + "/status", handle: (*call).connectorStatus},
		{operation: "ServiceKafkaConnectPauseConnector", method: http.MethodPost, pattern: one + "/pause", handle: connectorTo(codegen.ServiceKafkaConnectConnectorStateTypePaused)},
		{operation: "ServiceKafkaConnectResumeConnector", method: http.MethodPost, pattern: one + "/resume", handle: connectorTo(codegen.ServiceKafkaConnectConnectorStateTypeRunning)},
		{operation: "ServiceKafkaConnectRestartConnector", method: http.MethodPost, pattern: one + "/restart", handle: connectorTo(codegen.ServiceKafkaConnectConnectorStateTypeRunning)},
	}
}

var connectorNamePattern = regexp.MustCompile(`^[^\x00-\x1f/]{1,255}$`)

// connectPlugins lists the plugins that the simulator knows, by class.
func connectPlugins() []codegen.PluginOut {
	plugin := func(class, author, title, docs string, kind codegen.PluginType, version string) codegen.PluginOut {
		return codegen.PluginOut{Class: class, Author: author, Title: title, DocUrl: "https://aiven.io/docs/products/kafka/kafka-connect/" + docs, Type: kind, Version: version}
	}
	const source, sink = codegen.PluginTypeSource, codegen.PluginTypeSink
	return []codegen.PluginOut{
		plugin("io.aiven.connect.jdbc.JdbcSinkConnector", "Aiven", "JDBC sink", "jdbc-sink", sink, "6.10.0"),
		plugin("io.aiven.connect.jdbc.JdbcSourceConnector", "Aiven", "JDBC source", "jdbc-source", source, "6.10.0"),
		plugin("io.aiven.kafka.connect.gcs.GcsSinkConnector", "Aiven", "Google Cloud Storage sink", "gcs-sink", sink, "3.0.0"),
		plugin("io.aiven.kafka.connect.http.HttpSinkConnector", "Aiven", "HTTP sink", "http-sink", sink, "0.9.0"),
		plugin("io.aiven.kafka.connect.opensearch.OpensearchSinkConnector", "Aiven", "OpenSearch sink", "opensearch-sink", sink, "3.1.1"),
		plugin("io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector", "Aiven", "S3 sink", "s3-sink", sink, "2.15.0"),
		plugin("io.debezium.connector.mysql.MySqlConnector", "Debezium", "Debezium - MySQL", "debezium-mysql", source, "2.7.4"),
		plugin("io.debezium.connector.postgresql.PostgresConnector", "Debezium", "Debezium - PostgreSQL", "debezium-pg", source, "2.7.4"),
	}
}

// connect refuses services that run no connectors.
func (c *call) connect() error {
	if err := c.only("kafka", "kafka_connect"); err != nil {
		return err
	}
	if c.service.Type == "kafka" && !c.service.configBool("kafka_connect") {
		return conflict("Kafka Connect is not enabled for the service")
	}
	return c.service.writable()
}

func (k *Connector) view() map[string]any {
	var plugin codegen.PluginOut
	for _, p := range connectPlugins() {
		if p.Class == k.Config["connector.class"] {
			plugin = p
		}
	}
	tasks := []any{}
	for i := range k.Tasks {
		tasks = append(tasks, map[string]any{"connector": k.Name, "task": i})
	}
	return map[string]any{"name": k.Name, "config": k.Config, "plugin": plugin, "tasks": tasks}
}

func (c *call) pluginList() (any, error) {
	if err := c.connect(); err != nil {
		return nil, err
	}
	return map[string]any{"plugins": connectPlugins()}, nil
}

func (c *call) connectorList() (any, error) {
	if err := c.connect(); err != nil {
		return nil, err
	}
	out := []any{}
	for _, k := range c.service.Connectors {
		out = append(out, k.view())
	}
	return map[string]any{"connectors": out, "failed_connectors": []any{}}, nil
}

func (c *call) findConnector() (*Connector, error) {
	if err := c.connect(); err != nil {
		return nil, err
	}
	for _, k := range c.service.Connectors {
		if k.Name == c.vars["connector_name"] {
			return k, nil
		}
	}
	return nil, notFound("Connector '%s' not found", c.vars["connector_name"])
}

// connectorConfig checks a configuration and returns the number of tasks.
func connectorConfig(config map[string]string) (int, error) {
	class := config["connector.class"]
	if err := required("connector.class", class); err != nil {
		return 0, err
	}
	if !slices.ContainsFunc(connectPlugins(), func(p codegen.PluginOut) bool { return p.Class == class }) {
		return 0, badRequest("Failed to find any class that implements Connector and which name matches %s", class)
	}
	tasks := 1
	if raw, ok := config["tasks.max"]; ok {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 1 {
			return 0, badRequest("Invalid value %s for configuration tasks.max", raw)
		}
		tasks = n
	}
	return tasks, nil
}

func (c *call) connectorCreate() (any, error) {
	var config map[string]string
	if err := decode(c.body, &config); err != nil {
		return nil, err
	}
	if err := c.connect(); err != nil {
		return nil, err
	}
	name := config["name"]
	if !connectorNamePattern.MatchString(name) {
		return nil, badRequest("Invalid 'name': '%s'", name)
	}
	tasks, err := connectorConfig(config)
	if err != nil {
		return nil, err
	}
	for _, k := range c.service.Connectors {
		if k.Name == name {
			return nil, conflict("Connector %s already exists", name)
		}
	}
	k := &Connector{Name: name, Config: config, State: string(codegen.ServiceKafkaConnectConnectorStateTypeRunning), Tasks: tasks}
	c.service.Connectors = append(c.service.Connectors, k)
	c.log("service_kafka_connector_create", c.service.Name, "Created connector %s", name)
	return map[string]any{"connector": k.view()}, nil
}

// connectorEdit replaces the configuration as a whole; a failed connector starts
// again with it.
func (c *call) connectorEdit() (any, error) {
	var config map[string]string
	if err := decode(c.body, &config); err != nil {
		return nil, err
	}
	k, err := c.findConnector()
	if err != nil {
		return nil, err
	}
	if name, ok := config["name"]; ok && name != k.Name {
		return nil, badRequest("Connector name configuration (%s) doesn't match connector name in the URL (%s)", name, k.Name)
	}
	tasks, err := connectorConfig(config)
	if err != nil {
		return nil, err
	}
	k.Config = maps.Clone(config)
	k.Config["name"] = k.Name
	k.Tasks, k.State, k.Trace = tasks, string(codegen.ServiceKafkaConnectConnectorStateTypeRunning), ""
	c.log("service_kafka_connector_update", c.service.Name, "Updated connector %s", k.Name)
	return map[string]any{"connector": k.view()}, nil
}

func (c *call) connectorDelete() (any, error) {
	k, err := c.findConnector()
	if err != nil {
		return nil, err
	}
	c.service.Connectors = slices.DeleteFunc(c.service.Connectors, func(o *Connector) bool { return o == k })
	c.log("service_kafka_connector_delete", c.service.Name, "Deleted connector %s", k.Name)
	return message("deleted"), nil
}

func (c *call) connectorStatus() (any, error) {
	k, err := c.findConnector()
	if err != nil {
		return nil, err
	}
	tasks := []any{}
	for i := range k.Tasks {
		tasks = append(tasks, map[string]any{"id": i, "state": k.State, "trace": k.Trace})
	}
	return map[string]any{"status": map[string]any{"state": k.State, "tasks": tasks}}, nil
}

func connectorTo(state codegen.ServiceKafkaConnectConnectorStateType) func(*call) (any, error) {
	return func(c *call) (any, error) {
		k, err := c.findConnector()
		if err != nil {
			return nil, err
		}
		k.State, k.Trace = string(state), ""
		c.log("service_kafka_connector_state", c.service.Name, "Connector %s is %s", k.Name, state)
		return message("updated"), nil
	}
}

// SetConnectorState makes a connector and its tasks run, pause or fail with a
// stack trace, as Kafka Connect itself would: without an entry in the event log.
func (s *Server) SetConnectorState(project, service, connector, state, trace string) error {
	if err := oneOf("state", state, codegen.ServiceKafkaConnectConnectorStateTypeChoices()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.projects[project]
	if p == nil || p.services[service] == nil {
		return notFound("Service not found")
	}
	for _, k := range p.services[service].Connectors {
		if k.Name == connector {
			k.State, k.Trace = state, trace
			s.wake()
			return nil
		}
	}
	return notFound("Connector '%s' not found", connector)
}
