// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	aivenv1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// keys are the documented keys of a connection Secret.
type keys struct {
	// filled have a value, empty may have none.
	filled, empty []string
	// optional are there or not, as the service's settings have it.
	optional []string
}

// documented says which keys applications find, after the object's prefix. An
// application relies on them, so they are spelled out here once more rather than
// taken from the operator.
var documented = map[string]keys{
	"PostgreSQL": {filled: []string{"HOST", "PORT", "DATABASE", "USER", "PASSWORD", "SSLMODE", "DATABASE_URI", "CA_CERT"}},
	"Kafka": {
		filled: []string{"HOST", "PORT", "USERNAME", "PASSWORD", "ACCESS_CERT", "ACCESS_KEY", "CA_CERT"},
		empty:  []string{"REST_URI", "SCHEMA_REGISTRY_URI"},
		optional: []string{
			"SASL_HOST", "SASL_PORT", "SCHEMA_REGISTRY_HOST", "SCHEMA_REGISTRY_PORT",
			"CONNECT_HOST", "CONNECT_PORT", "REST_HOST", "REST_PORT",
		},
	},
	"Valkey":         {filled: []string{"HOST", "PORT", "USER", "PASSWORD", "SSL"}},
	"ConnectionPool": {filled: []string{"NAME", "HOST", "PORT", "DATABASE", "USER", "PASSWORD", "SSLMODE", "DATABASE_URI", "CA_CERT"}},
	"ServiceUser":    {filled: []string{"HOST", "PORT", "USERNAME", "PASSWORD", "CA_CERT"}, empty: []string{"ACCESS_CERT", "ACCESS_KEY"}},
}

// libpq are the keys without prefix that PostgreSQL's own clients take from
// their environment.
var libpq = []string{"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSSLMODE", "DATABASE_URI"}

// withoutPrefix are keys that are there without a prefix as well.
var withoutPrefix = map[string][]string{
	"PostgreSQL":     libpq,
	"ConnectionPool": libpq,
	"Kafka":          {"HOST", "PORT", "USERNAME", "PASSWORD", "ACCESS_CERT", "ACCESS_KEY", "CA_CERT"},
}

// wantedKeys returns the keys of an object's Secret. serviceType is that of the
// service that it is or lives in.
func wantedKeys(object aivenv1alpha1.Publisher, serviceType string) keys {
	kind := object.GetObjectKind().GroupVersionKind().Kind
	target, _ := object.ConnInfoTarget()
	wanted := documented[kind]
	if kind == "ServiceUser" && serviceType == "kafka" {
		wanted.filled = slices.Concat(wanted.filled, wanted.empty)
		wanted.empty = []string{"SASL_HOST", "SASL_PORT", "SCHEMA_REGISTRY_HOST", "SCHEMA_REGISTRY_PORT"}
	}
	prefixed := func(names []string) []string {
		var out []string
		for _, name := range names {
			out = append(out, target.Prefix+name)
		}
		return out
	}
	return keys{
		filled:   append(prefixed(wanted.filled), withoutPrefix[kind]...),
		empty:    prefixed(wanted.empty),
		optional: prefixed(wanted.optional),
	}
}

// checkKeys compares the content of a Secret with the documented keys.
func checkKeys(data map[string]string, wanted keys) error {
	if len(wanted.filled) == 0 {
		return fmt.Errorf("no keys are documented")
	}
	var problems []string
	for _, key := range wanted.filled {
		if data[key] == "" {
			problems = append(problems, "no value for "+key)
		}
	}
	for _, key := range wanted.empty {
		if _, ok := data[key]; !ok {
			problems = append(problems, "no "+key)
		}
	}
	known := slices.Concat(wanted.filled, wanted.empty, wanted.optional)
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if !slices.Contains(known, key) {
			problems = append(problems, "an undocumented "+key)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("it has %s", strings.Join(problems, ", "))
	}
	return nil
}

// isPassword tells whether a key of a connection Secret holds a password.
func isPassword(key string) bool { return strings.HasSuffix(key, "PASSWORD") }
