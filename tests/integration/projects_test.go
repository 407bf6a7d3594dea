// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

func serviceIntegrationEndpointCase() kindCase {
	port := func(e *env) string {
		list := e.sim.Project(project).Endpoints()
		if len(list) != 1 {
			return ""
		}
		return fmt.Sprint(list[0].UserConfig["port"])
	}
	return kindCase{
		remote: "integration-endpoint",
		spec: map[string]any{"endpointType": "rsyslog", "rsyslog": map[string]any{
			"server": "logs.example.com", "port": int64(514), "format": "rfc5424", "tls": true, "key": "a secret key",
		}},
		edit:            `{"spec":{"rsyslog":{"port":1514}}}`,
		editedAt:        func(e *env) bool { return port(e) == "1514" },
		createOperation: "ServiceIntegrationEndpointCreate",
		driftAt: func(e *env, id string) error {
			return e.sim.OutsideProject(project).UpdateEndpoint(id, map[string]any{"port": 99})
		},
		vanishAt: func(e *env, id string) error { return e.sim.OutsideProject(project).DeleteEndpoint(id) },
	}
}

func serviceIntegrationCase() kindCase {
	topic := func(e *env) string {
		sv, _ := e.sim.Project(project).Service("host")
		if len(sv.Integrations) != 1 {
			return ""
		}
		return fmt.Sprint(sv.Integrations[0].UserConfig["kafka_topic"])
	}
	return kindCase{
		host: "kafka", remote: "integration",
		spec: map[string]any{
			"integrationType": "kafka_logs", "sourceServiceName": "host", "destinationServiceName": "host",
			"kafkaLogs": map[string]any{"kafka_topic": "logs"},
		},
		edit:            `{"spec":{"kafkaLogs":{"kafka_topic":"others"}}}`,
		editedAt:        func(e *env) bool { return topic(e) == "others" },
		createOperation: "ServiceIntegrationCreate",
		driftAt: func(e *env, id string) error {
			return e.sim.OutsideProject(project).UpdateIntegration(id, map[string]any{"kafka_topic": "drifted"})
		},
		vanishAt: func(e *env, id string) error { return e.sim.OutsideProject(project).DeleteIntegration(id) },
	}
}

func projectCase() kindCase {
	return kindCase{
		remote: "project", publishes: true, keys: []string{"PROJECT_CA_CERT", "CA_CERT"},
		spec: map[string]any{"tags": map[string]any{"team": "a"}, "technicalEmails": []any{"A@Example.com"}},
		edit: `{"spec":{"tags":{"team":"b"},"cloud":"aws-eu-west-1","billingEmails":["b@example.com"],"cardId":"4242","countryCode":"FI"}}`,
		editedAt: func(e *env) bool {
			s, ok := e.sim.Project("x").Settings()
			return ok && maps.Equal(s.Tags, map[string]string{"team": "b"}) && s.Cloud == "aws-eu-west-1" && s.CardID == aivensim.DefaultCardID &&
				slices.Equal(s.TechEmails, []string{"A@example.com"}) && slices.Equal(s.BillingEmails, []string{"b@example.com"}) && s.CountryCode == "FI"
		},
		createOperation: "ProjectCreate",
		driftAt: func(e *env, name string) error {
			return e.sim.OutsideProject(name).Update(map[string]any{"tags": map[string]string{}, "tech_emails": []any{}, "cloud": "google-europe-west1"})
		},
		vanishAt: func(e *env, name string) error { return e.sim.OutsideProject(name).Delete() },
	}
}

func organizationProjectCase() kindCase {
	outside := func(e *env) aivensim.OutsideOrganization {
		return e.sim.OutsideOrganization(aivensim.DefaultOrganizationID)
	}
	return kindCase{
		remote: "project", publishes: true, keys: []string{"ORGANIZATIONPROJECT_CA_CERT"},
		spec: map[string]any{
			"organizationId": aivensim.DefaultOrganizationID, "projectId": "org-project", "parentId": aivensim.DefaultOrganizationID,
			"billingGroupId": aivensim.DefaultBillingGroupID,
		},
		edit: `{"spec":{"tags":{"team":"b"},"technicalEmails":["b@Example.com"],"basePort":12000}}`,
		editedAt: func(e *env) bool {
			s, ok := e.sim.Project("org-project").Settings()
			return ok && s.Tags["team"] == "b" && slices.Equal(s.TechEmails, []string{"b@example.com"}) && s.BasePort == 12000
		},
		createOperation: "OrganizationProjectsCreate",
		driftAt: func(e *env, name string) error {
			return outside(e).UpdateProject(name, map[string]any{"tags": map[string]string{"team": "c"}, "tech_emails": []any{}})
		},
		vanishAt: func(e *env, name string) error { return outside(e).DeleteProject(name) },
	}
}

func upgradePipelineStepCase() kindCase {
	outside := func(e *env) aivensim.OutsideOrganization {
		return e.sim.OutsideOrganization(aivensim.DefaultOrganizationID)
	}
	return kindCase{
		remote: "upgrade-step",
		prepare: func(e *env) {
			for _, name := range []string{"first", "second"} {
				e.outside(e.sim.Console("POST", "/v1/project/"+project+"/service", map[string]any{
					"service_name": name, "service_type": "pg", "plan": "startup-4", "cloud": "google-europe-west1",
				}))
			}
		},
		spec: map[string]any{
			"organizationId": aivensim.DefaultOrganizationID, "sourceProjectName": project, "sourceServiceName": "first",
			"destinationProjectName": project, "destinationServiceName": "second",
		},
		edit: `{"spec":{"autoValidationDelayDays":3}}`,
		editedAt: func(e *env) bool {
			steps := e.sim.UpgradeSteps()
			return len(steps) == 1 && steps[0].AutoValidationDelayDays == 3
		},
		createOperation: "UpgradePipelineStepCreate",
		driftAt:         func(e *env, id string) error { return outside(e).UpdateStep(id, 9) },
		vanishAt:        func(e *env, id string) error { return outside(e).DeleteStep(id) },
	}
}

// An integration waits for its endpoint, is woken by it, and both can be deleted
// at once.
func TestIntegrationFollowsItsEndpoint(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.hostOf("kafka")
	e.start()
	e.create(e.object("ServiceIntegration", "x", func(spec map[string]any) {
		clear(spec)
		maps.Copy(spec, map[string]any{
			"project": project, "integrationType": "rsyslog", "sourceServiceName": "host",
			"destinationEndpointRef": map[string]any{"name": "logs"},
		})
	}))
	e.unready("ServiceIntegration", "x", "WaitingForEndpoint")
	e.create(e.object("ServiceIntegrationEndpoint", "logs"))
	e.ready("ServiceIntegration", "x")
	sv, _ := e.sim.Project(project).Service("host")
	endpoints := e.sim.Project(project).Endpoints()
	if len(sv.Integrations) != 1 || len(endpoints) != 1 || sv.Integrations[0].DestEndpointID != endpoints[0].ID {
		t.Errorf("integrations are %+v", sv.Integrations)
	}
	e.delete("ServiceIntegrationEndpoint", "logs")
	e.delete("ServiceIntegration", "x")
	e.gone("ServiceIntegration", "x")
	e.gone("ServiceIntegrationEndpoint", "logs")
	e.noRemote("ServiceIntegration")
	e.noRemote("ServiceIntegrationEndpoint")
}
