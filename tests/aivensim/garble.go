// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"encoding/json"
	"slices"
)

// enumerations are the fields of answers whose values are one of a few words.
var enumerations = []string{
	"state", "status", "type", "service_type", "integration_type", "endpoint_type",
	"permission", "permission_type", "pattern_type", "operation", "pool_mode", "dow",
}

// spot is a place in an answer whose value can be exchanged.
type spot struct {
	field string
	value any
	set   func(any)
}

// garble returns an answer's body with one value, chosen by draw, of another
// type, or with a word that no enumeration has.
func garble(body []byte, action Action, draw func(n int) int) []byte {
	var root any
	if err := json.Unmarshal(body, &root); err != nil {
		return body
	}
	var spots []spot
	collectSpots(root, &spots)
	if action == UnknownEnum {
		spots = slices.DeleteFunc(spots, func(s spot) bool {
			_, isString := s.value.(string)
			return !isString || !slices.Contains(enumerations, s.field)
		})
	}
	if len(spots) == 0 {
		return body
	}
	s := spots[draw(len(spots))]
	if action == UnknownEnum {
		s.set("UNHEARD_OF")
	} else {
		s.set(ofAnotherType(s.value))
	}
	// What was decoded from JSON can be encoded.
	garbled, _ := json.Marshal(root)
	return garbled
}

func ofAnotherType(value any) any {
	switch value.(type) {
	case string:
		return 4711
	case float64, bool, nil:
		return "unexpected"
	case []any:
		return map[string]any{"unexpected": true}
	default:
		return []any{"unexpected"}
	}
}

// collectSpots lists the values below value in a fixed order.
func collectSpots(value any, spots *[]spot) {
	switch v := value.(type) {
	case map[string]any:
		fields := make([]string, 0, len(v))
		for field := range v {
			fields = append(fields, field)
		}
		slices.Sort(fields)
		for _, field := range fields {
			*spots = append(*spots, spot{field: field, value: v[field], set: func(to any) { v[field] = to }})
			collectSpots(v[field], spots)
		}
	case []any:
		for i := range v {
			*spots = append(*spots, spot{value: v[i], set: func(to any) { v[i] = to }})
			collectSpots(v[i], spots)
		}
	}
}
