// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shape says which values of a field mean the same.
type shape int

const (
	text shape = iota
	set        // a list whose order and repetitions do not matter
	seconds
	count
	flag
	mapping
	keySet // a set of PEM-encoded public keys
)

// field is how the server treats one field of a role or config.
type field struct {
	shape shape
	// fallback is what the server uses instead of an absent, empty or zero value.
	fallback any
}

// roleFields are the fields of roleData. Fields that only OIDC logins read are
// not among them: a role of type jwt ignores those.
var roleFields = map[string]field{
	"role_type":                      {shape: text},
	"user_claim":                     {shape: text},
	"user_claim_json_pointer":        {shape: flag},
	"groups_claim":                   {shape: text},
	"bound_subject":                  {shape: text},
	"bound_audiences":                {shape: set},
	"bound_claims_type":              {shape: text, fallback: "string"},
	boundClaims:                      {shape: mapping},
	"claim_mappings":                 {shape: mapping},
	"expiration_leeway":              {shape: seconds, fallback: int64(150)},
	"not_before_leeway":              {shape: seconds, fallback: int64(150)},
	"clock_skew_leeway":              {shape: seconds, fallback: int64(60)},
	"token_policies":                 {shape: set},
	"token_policies_template_claims": {shape: flag},
	"token_ttl":                      {shape: seconds},
	"token_max_ttl":                  {shape: seconds},
	"token_explicit_max_ttl":         {shape: seconds},
	"token_period":                   {shape: seconds},
	"token_num_uses":                 {shape: count},
	"token_bound_cidrs":              {shape: set},
	"token_strictly_bind_ip":         {shape: flag},
	"token_type":                     {shape: text, fallback: "default"},
	"token_no_default_policy":        {shape: flag},
}

// configFields are the fields of the mount's config that decide which tokens
// are accepted.
var configFields = map[string]field{
	"bound_issuer":           {shape: text},
	"jwt_validation_pubkeys": {shape: keySet},
	"jwt_supported_algs":     {shape: set},
	"jwks_url":               {shape: text},
	"jwks_pairs":             {shape: set},
	"oidc_discovery_url":     {shape: text},
	"default_role":           {shape: text},
	"provider_config":        {shape: mapping},
}

// configData completes the data of a config request with what the server sets
// for the fields that it leaves out.
func configData(request map[string]any) map[string]any {
	data := map[string]any{}
	for name := range configFields {
		data[name] = nil
	}
	maps.Copy(data, request)
	return data
}

// HoldsConfig reports whether a config as it is read from a server is what a request
// with this data makes of it.
func HoldsConfig(config, request map[string]any) bool {
	return len(compare(configFields, configData(request), config)) == 0
}

// compare returns the names of the fields that differ, sorted.
func compare(fields map[string]field, desired, observed map[string]any) []string {
	var differ []string
	for name, f := range fields {
		if f.normal(desired[name]) != f.normal(observed[name]) {
			differ = append(differ, name)
		}
	}
	slices.Sort(differ)
	return differ
}

// normal returns one text for all values of the field that mean the same.
func (f field) normal(value any) string {
	n := f.shape.normal(value)
	if f.fallback != nil && n == f.shape.normal(nil) {
		return f.shape.normal(f.fallback)
	}
	return n
}

func (s shape) normal(value any) string {
	switch s {
	case set:
		return joined(strs(value))
	case keySet:
		keys := strs(value)
		for i, k := range keys {
			keys[i] = normalPEM(k)
		}
		return joined(keys)
	case seconds, count:
		return strconv.FormatInt(integer(value), 10)
	case flag:
		return strconv.FormatBool(fmt.Sprint(value) == "true")
	case mapping:
		return encoded(value)
	default:
		if value == nil {
			return ""
		}
		return fmt.Sprint(value)
	}
}

func joined(list []string) string {
	slices.Sort(list)
	return encoded(slices.Compact(list))
}

func encoded(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	switch string(data) {
	case "null", "{}", "[]":
		return ""
	}
	return string(data)
}

// strs reads a list as Go or decoded JSON has it. The server also takes one
// text with commas.
func strs(value any) []string {
	switch v := value.(type) {
	case []string:
		return slices.Clone(v)
	case []any:
		list := make([]string, 0, len(v))
		for _, item := range v {
			list = append(list, fmt.Sprint(item))
		}
		return list
	case string:
		if v == "" {
			return nil
		}
		list := strings.Split(v, ",")
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
		return list
	}
	return nil
}

// integer reads a number of seconds or a count as Go or decoded JSON has it,
// and durations such as "1h".
func integer(value any) int64 {
	switch v := value.(type) {
	case int:
		return int64(v)
	case int64:
		return v
	case float64:
		return int64(v)
	case json.Number:
		return integer(v.String())
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n
		}
		if d, err := time.ParseDuration(v); err == nil {
			return int64(d.Seconds())
		}
	}
	return 0
}
