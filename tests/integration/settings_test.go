// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// What leaves the configuration of an integration or of an endpoint goes back to
// its default, also when the operator was down meanwhile.
func TestRemovedIntegrationSettingsAreReset(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.hostOf("kafka")
	e.start()
	e.create(e.object("ServiceIntegration", "x", set("kafkaLogs", map[string]any{"kafka_topic": "logs", "selected_log_fields": []any{"HOSTNAME"}})))
	e.create(e.object("ServiceIntegrationEndpoint", "x"))
	e.ready("ServiceIntegration", "x")
	e.ready("ServiceIntegrationEndpoint", "x")
	sv, _ := e.sim.Project(project).Service("host")
	if _, ok := sv.Integrations[0].UserConfig["selected_log_fields"]; !ok {
		t.Fatalf("the integration has %v", sv.Integrations[0].UserConfig)
	}
	e.stopOperator()
	e.patch("ServiceIntegration", "x", `{"spec":{"kafkaLogs":{"selected_log_fields":null}}}`)
	e.patch("ServiceIntegrationEndpoint", "x", `{"spec":{"rsyslog":{"key":null}}}`)
	e.sim.ResetRequests()
	e.start()
	e.ready("ServiceIntegration", "x")
	e.ready("ServiceIntegrationEndpoint", "x")
	sv, _ = e.sim.Project(project).Service("host")
	if config := sv.Integrations[0].UserConfig; config["selected_log_fields"] != nil || config["kafka_topic"] != "logs" {
		t.Errorf("the integration has %v", config)
	}
	if config := e.sim.Project(project).Endpoints()[0].UserConfig; config["key"] != nil || config["server"] != "logs.example.com" {
		t.Errorf("the endpoint has the settings %v", settingNames(config))
	}
	if n := e.sim.Count(aivensim.Mutating); n != 2 {
		t.Errorf("%d changes were sent, want 2", n)
	}
}

func settingNames(config map[string]any) (names []string) {
	for name := range config {
		names = append(names, name)
	}
	return names
}

// Settings that Aiven takes only when it creates a service are sent once, and what
// Aiven shows of them later is no drift.
func TestForkIsMadeOnce(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.hostOf("pg")
	e.start()
	e.create(e.object("PostgreSQL", "x", set("userConfig", map[string]any{
		"service_to_fork_from": "host", "project_to_fork_from": project, "admin_username": "boss", "backup_hour": int64(3),
	})))
	e.ready("PostgreSQL", "x")
	if sv, _ := e.serviceOf("PostgreSQL"); sv.UserConfig["service_to_fork_from"] != "host" || sv.UserConfig["admin_username"] != "boss" {
		t.Fatalf("the service was made with %v", sv.UserConfig)
	}
	e.sim.ResetRequests()
	e.outside(e.sim.Outside(project, "x").UpdateService(map[string]any{"user_config": map[string]any{
		"service_to_fork_from": nil, "project_to_fork_from": nil, "backup_hour": 4,
	}}))
	e.eventually("the drift to be repaired", func() error {
		if sv, _ := e.serviceOf("PostgreSQL"); fmt.Sprint(sv.UserConfig["backup_hour"]) != "3" {
			return fmt.Errorf("the configuration is %v", sv.UserConfig)
		}
		return nil
	})
	e.ready("PostgreSQL", "x")
	e.patch("PostgreSQL", "x", `{"spec":{"plan":"business-4","userConfig":{"service_to_fork_from":null,"project_to_fork_from":null}}}`)
	e.ready("PostgreSQL", "x")
	sv, _ := e.serviceOf("PostgreSQL")
	if sv.Plan != "business-4" || sv.UserConfig["admin_username"] != "boss" {
		t.Errorf("the service has plan %s and %v", sv.Plan, sv.UserConfig)
	}
	if n := e.sim.Count(aivensim.ByOperation("ServiceUpdate")); n != 2 {
		t.Errorf("%d updates, want 2", n)
	}
}

// The size of a disk that an autoscaler manages is left to it, and the condition
// says so until the autoscaler is gone.
func TestAutoscaledDisk(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.start()
	e.create(e.object("PostgreSQL", "x", set("disk_space", "100GiB")))
	e.ready("PostgreSQL", "x")
	outside := e.sim.OutsideProject(project)
	endpoint, err := outside.CreateEndpoint(map[string]any{
		"endpoint_name": "scale", "endpoint_type": "autoscaler",
		"user_config": map[string]any{"autoscaling": []any{map[string]any{"type": "autoscale_disk", "cap_gb": 1000}}},
	})
	e.outside(err)
	integration, err := outside.CreateIntegration(map[string]any{
		"integration_type": "autoscaler", "source_service": "x", "dest_endpoint_id": endpoint,
	})
	e.outside(err)
	e.sim.ResetRequests()
	e.outside(e.sim.Outside(project, "x").UpdateService(map[string]any{"disk_space_mb": 120 * 1024}))
	const note = "Instance is running on Aiven side. spec.disk_space is not applied, since an autoscaler integration manages the disk, which has 120 GiB now"
	e.eventually("the condition to say why", func() error {
		_, conditions, err := e.conditions("PostgreSQL", "x")()
		for _, c := range conditions {
			if c.Type == "Ready" && c.Status == "True" && strings.HasPrefix(c.Message, note) {
				return nil
			}
		}
		return fmt.Errorf("conditions are %+v, error %w", conditions, err)
	})
	e.patch("PostgreSQL", "x", `{"spec":{"disk_space":"110GiB","tags":{"a":"b"},"maintenanceWindowDow":"monday"}}`)
	e.ready("PostgreSQL", "x")
	if sv, _ := e.serviceOf("PostgreSQL"); sv.DiskSpaceMB != 120*1024 || sv.Maintenance.Dow != "monday" {
		t.Errorf("the disk has %d MiB", sv.DiskSpaceMB)
	}

	t.Log("Without the autoscaler the spec counts again")
	e.outside(outside.DeleteIntegration(integration))
	e.eventually("the size of the spec", func() error {
		if sv, _ := e.serviceOf("PostgreSQL"); sv.DiskSpaceMB != 110*1024 {
			return fmt.Errorf("the disk has %d MiB", sv.DiskSpaceMB)
		}
		return nil
	})
	e.ready("PostgreSQL", "x")
}

// A read replica waits for its source, and for the backup that it is built from.
func TestReadReplicaWaitsForItsSource(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{Timing: aivensim.Timing{ServiceBuild: 500 * time.Millisecond}})
	e.hostWith("kafka", nil) // which has no backups
	e.start()
	replicaOf := func(name string) func(map[string]any) {
		return set("serviceIntegrations", []any{map[string]any{"integrationType": "read_replica", "sourceServiceName": name}})
	}
	e.create(e.object("PostgreSQL", "never", replicaOf("host")))
	e.create(e.object("PostgreSQL", "replica", replicaOf("x")))
	e.unready("PostgreSQL", "replica", "WaitingForService")
	e.unready("PostgreSQL", "never", "WaitingForBackup")
	e.create(e.object("PostgreSQL", "x"))
	e.ready("PostgreSQL", "replica")
	sv, _ := e.sim.Project(project).Service("replica")
	if len(sv.Integrations) != 1 || sv.Integrations[0].SourceService != "x" {
		t.Errorf("integrations are %+v", sv.Integrations)
	}
	if n := e.sim.Count(aivensim.ByOperation("ServiceCreate")); n != 2 {
		t.Errorf("%d attempts to create a service, want 2", n)
	}
}
