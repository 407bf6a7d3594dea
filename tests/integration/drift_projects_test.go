// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"maps"
	"slices"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

func projectDrifts() driftCase {
	update := func(fields map[string]any) func(e *env) error {
		return func(e *env) error { return e.sim.OutsideProject("x").Update(fields) }
	}
	return driftCase{
		spec: map[string]any{
			"accountId": aivensim.DefaultAccountID, "billingAddress": "NYC", "billingCurrency": "EUR", "billingEmails": []any{"b@example.com"},
			"billingExtraText": "order 1", "cardId": "4242", "cloud": "aws-eu-west-1", "countryCode": "FI",
			"tags": map[string]any{"team": "a"}, "technicalEmails": []any{"a@example.com"},
		},
		state: func(e *env) any {
			settings, _ := e.sim.Project("x").Settings()
			return settings
		},
		changes: map[string]func(e *env) error{
			"accountId": func(e *env) error {
				account, _ := e.sim.AddUnit("other")
				return update(map[string]any{"account_id": account})(e)
			},
			"billingAddress":   update(map[string]any{"billing_address": "LA"}),
			"billingCurrency":  update(map[string]any{"billing_currency": "USD"}),
			"billingEmails":    update(map[string]any{"billing_emails": []any{}}),
			"billingExtraText": update(map[string]any{"billing_extra_text": "order 2"}),
			"cardId":           update(map[string]any{"card_id": ""}),
			"cloud":            update(map[string]any{"cloud": "google-europe-west1"}),
			"countryCode":      update(map[string]any{"country_code": "DE"}),
			"tags":             update(map[string]any{"tags": map[string]string{"team": "b"}}),
			"tags gone":        update(map[string]any{"tags": map[string]string{}}),
			"technicalEmails":  update(map[string]any{"tech_emails": []any{map[string]any{"email": "c@example.com"}}}),
		},
	}
}

func organizationProjectDrifts() driftCase {
	update := func(fields map[string]any) func(e *env) error {
		return func(e *env) error {
			return e.sim.OutsideOrganization(aivensim.DefaultOrganizationID).UpdateProject("org-project", fields)
		}
	}
	return driftCase{
		spec: map[string]any{
			"basePort": int64(12000), "tags": map[string]any{"team": "a"}, "technicalEmails": []any{"a@example.com"},
		},
		state: func(e *env) any {
			settings, _ := e.sim.Project("org-project").Settings()
			return settings
		},
		changes: map[string]func(e *env) error{
			"parentId": func(e *env) error {
				account, _ := e.sim.AddUnit("other")
				return update(map[string]any{"parent_id": account})(e)
			},
			"basePort":             update(map[string]any{"base_port": 13000}),
			"tags":                 update(map[string]any{"tags": map[string]string{"team": "b", "more": "c"}}),
			"tags gone":            update(map[string]any{"tags": map[string]string{}}),
			"technicalEmails":      update(map[string]any{"tech_emails": []any{map[string]any{"email": "c@example.com"}}}),
			"technicalEmails gone": update(map[string]any{"tech_emails": []any{}}),
		},
	}
}

func integrationDrifts() driftCase {
	update := func(config map[string]any) func(e *env) error {
		return func(e *env) error {
			return e.sim.OutsideProject(project).UpdateIntegration(e.onlyRemote("ServiceIntegration"), config)
		}
	}
	return driftCase{
		spec: map[string]any{"kafkaLogs": map[string]any{"kafka_topic": "logs", "selected_log_fields": []any{"HOSTNAME", "PRIORITY"}}},
		state: func(e *env) any {
			sv, _ := e.sim.Project(project).Service("host")
			if len(sv.Integrations) != 1 {
				return nil
			}
			return sv.Integrations[0].UserConfig
		},
		changes: map[string]func(e *env) error{
			"kafkaLogs.kafka_topic":              update(map[string]any{"kafka_topic": "drifted"}),
			"kafkaLogs.selected_log_fields":      update(map[string]any{"selected_log_fields": []any{"PRIORITY"}}),
			"kafkaLogs.selected_log_fields gone": update(map[string]any{"selected_log_fields": nil}),
		},
	}
}

func endpointDrifts() driftCase {
	changes := map[string]func(e *env) error{}
	drifted := map[string]any{"server": "other.example.com", "port": 99, "format": "rfc3164", "tls": false, "key": "another key", "logline": "changed"}
	for _, field := range slices.Sorted(maps.Keys(drifted)) {
		changes["rsyslog."+field] = func(e *env) error {
			return e.sim.OutsideProject(project).UpdateEndpoint(e.onlyRemote("ServiceIntegrationEndpoint"), map[string]any{field: drifted[field]})
		}
	}
	return driftCase{
		spec: map[string]any{"rsyslog": map[string]any{
			"server": "logs.example.com", "port": int64(514), "format": "rfc5424", "tls": true, "key": "a secret key", "logline": "a line",
		}},
		state: func(e *env) any {
			if list := e.sim.Project(project).Endpoints(); len(list) == 1 {
				return list[0].UserConfig
			}
			return nil
		},
		changes: changes,
	}
}
