// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"
	"slices"
	"strings"
)

// exception is a kind of difference that is meant.
type exception struct {
	Reason  string
	Applies func(difference) bool
}

// notServed lists kinds that we leave to the other operator, and why.
var notServed = map[string]string{
	"openbaorestores.openbao.org": "kinds of who runs OpenBao servers, which we do not: they act on pods and volumes",
	"openbaotenants.openbao.org":  "kinds of who runs OpenBao servers, which we do not: they act on pods and volumes",
}

// exceptions lists what we do differently on purpose in the CRDs of each group,
// and why.
var exceptions = map[string][]exception{
	"aiven.io":    aivenExceptions,
	"openbao.org": openBaoExceptions,
}

var aivenExceptions = []exception{
	{
		Reason: "names to type less and to list all kinds at once",
		Applies: func(d difference) bool {
			return d.Path == "names" && d.Theirs == nil && slices.Contains([]string{"shortNames", "categories"}, d.What)
		},
	},
	{
		Reason: "columns that show at a glance whether an object is ready, behind the others",
		Applies: func(d difference) bool {
			column, _ := d.Ours.(object)
			name, _ := column["name"].(string)
			return d.What == whatColumn && d.Theirs == nil && slices.Contains([]string{"Ready", "Reason", "Age"}, name)
		},
	},
	{
		Reason: "no status field is required, so that a status can be written before there is an id",
		Applies: func(d difference) bool {
			return (d.Path == ".status" || strings.HasPrefix(d.Path, ".status.")) && d.What == "required" && d.Ours == nil
		},
	},
	{
		Reason: "conditions are merged by type, so that two writers do not overwrite each other",
		Applies: func(d difference) bool {
			return d.Path == ".status.conditions" && d.Theirs == nil && strings.HasPrefix(d.What, "x-kubernetes-list-")
		},
	},
	{
		Reason: "further fields of the status",
		Applies: func(d difference) bool {
			ours := []string{
				".status.observedGeneration", ".status.adopted", ".status.settings", ".status.userConfigSettings",
				".status.ipFilterRemoved", ".status.passwordSource", ".status.migrationSource",
			}
			return d.What == whatField && d.Theirs == nil && slices.Contains(ours, d.Path)
		},
	},
	{
		Reason: "integers are int64, which is what their int is as well",
		Applies: func(d difference) bool {
			return d.What == "format" && d.Ours == "int64" && d.Theirs == nil
		},
	},
	{
		Reason: "atomic lists, which is what lists are by default",
		Applies: func(d difference) bool {
			return d.What == "x-kubernetes-list-type" && d.Ours == "atomic" && d.Theirs == nil
		},
	},
	{
		Reason: "columns that are always empty with them, as their path leads to no field",
		Applies: func(d difference) bool {
			return d.What == whatDeadColumn
		},
	},
	{
		Reason: "the default that their webhook sets",
		Applies: func(d difference) bool {
			return d.Path == ".spec.poolSize" && d.What == "default" && d.Theirs == nil
		},
	},
	{
		Reason: "a service that the manifest says nothing of is neither powered on nor off",
		Applies: func(d difference) bool {
			return d.Path == ".spec.powered" && d.What == "default" && d.Ours == nil && d.Theirs == true
		},
	},
	{
		Reason: "rules that their webhooks hold",
		Applies: func(d difference) bool {
			return d.Path == ".spec" && d.What == "x-kubernetes-validations" && addsWebhookRules(d.Ours, d.Theirs)
		},
	},
	{
		Reason: "settings that Aiven added since",
		Applies: func(d difference) bool {
			return isUserConfig(d.Path) && d.What == whatField && d.Theirs == nil
		},
	},
	{
		Reason: "values that Aiven added since",
		Applies: func(d difference) bool {
			return isUserConfig(d.Path) && d.What == "enum" && contains(d.Ours, d.Theirs)
		},
	},
	{
		Reason: "objects of any content keep it; theirs lose it to pruning",
		Applies: func(d difference) bool {
			return isUserConfig(d.Path) && d.What == "x-kubernetes-preserve-unknown-fields" && d.Ours == true && d.Theirs == nil
		},
	},
}

// deliberate returns why a difference is meant, or "" if it is not.
func deliberate(d difference) string {
	_, group, _ := strings.Cut(d.CRD, ".")
	for _, e := range exceptions[group] {
		if e.Applies(d) {
			return e.Reason
		}
	}
	return ""
}

// userConfigs are the fields of a spec whose schema is Aiven's and gains settings
// over time: userConfig of services, and one for each type of integrations and of
// integration endpoints.
var userConfigs = []string{
	"autoscaler", "clickhouseKafka", "clickhousePostgresql", "datadog", "externalAWSCloudwatchLogs",
	"externalAWSCloudwatchMetrics", "externalElasticsearchLogs", "externalGoogleCloudBigquery",
	"externalGoogleCloudLogging", "externalKafka", "externalOpensearchLogs", "externalPostgresql",
	"externalSchemaRegistry", "jolokia", "kafkaConnect", "kafkaLogs", "kafkaMirrormaker", "logs", "metrics",
	"prometheus", "rsyslog", "userConfig",
}

// isUserConfig reports whether a path is below one of userConfigs.
func isUserConfig(path string) bool {
	rest, ok := strings.CutPrefix(path, ".spec.")
	if !ok {
		return false
	}
	field, _, below := strings.Cut(rest, ".")
	return below && slices.Contains(userConfigs, field)
}

// webhookRefusals are the beginnings of what their webhooks say to an object that
// they refuse.
var webhookRefusals = []string{
	"please set ProjectVPCID or ProjectVPCRef, not both",
	"got additional configuration for integration type ",
	"got additional configuration for integration endpoint type ",
}

// addsWebhookRules reports whether rules a are rules b and one or more that say
// what their webhooks say.
func addsWebhookRules(a, b any) bool {
	ours, _ := a.([]any)
	theirs, _ := b.([]any)
	if len(theirs) > 0 && !contains(ours, theirs) {
		return false
	}
	extra := 0
	for _, rule := range ours {
		if slices.ContainsFunc(theirs, func(v any) bool { return reflect.DeepEqual(v, rule) }) {
			continue
		}
		fields, _ := rule.(object)
		message, _ := fields["message"].(string)
		if !slices.ContainsFunc(webhookRefusals, func(s string) bool { return strings.HasPrefix(message, s) }) {
			return false
		}
		extra++
	}
	return extra > 0
}

// contains reports whether list a has all entries of list b.
func contains(a, b any) bool {
	all, _ := a.([]any)
	some, _ := b.([]any)
	if len(some) == 0 {
		return false
	}
	for _, v := range some {
		if !slices.ContainsFunc(all, func(w any) bool { return reflect.DeepEqual(v, w) }) {
			return false
		}
	}
	return true
}
