// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
)

// decode reads a request body into out and refuses unknown fields, wrong types
// and trailing data, naming the field. An absent body is an empty object, as
// the stock client omits the body of a zero request.
func decode(body []byte, out any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(out); err != nil {
		var typeErr *json.UnmarshalTypeError
		if errors.As(err, &typeErr) {
			return badRequest("Invalid '%s': %s is not of type %s", typeErr.Field, typeErr.Value, typeErr.Type)
		}
		if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return badRequest("Additional properties are not allowed ('%s' was unexpected)", strings.Trim(field, `"`))
		}
		return badRequest("Invalid JSON in request body: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("Invalid JSON in request body: data after the object")
	}
	return nil
}

// presentFields returns the top-level keys of a JSON object, for the fields
// where absent and null differ.
func presentFields(body []byte) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	// A body that is no object has been refused by decode before.
	_ = json.Unmarshal(body, &fields)
	return fields
}

// oneOf refuses a value that is not among the choices; empty means unset.
func oneOf[T ~string](field string, value T, choices []string) error {
	if value == "" || slices.Contains(choices, string(value)) {
		return nil
	}
	return badRequest("Invalid '%s': '%s' is not one of %s", field, value, strings.Join(choices, ", "))
}

// required refuses an empty string.
func required(field, value string) error {
	if value == "" {
		return badRequest("'%s' is a required property", field)
	}
	return nil
}

// deepCopy copies a value of plain data through JSON.
func deepCopy[T any](in T) T {
	var out T
	data, err := json.Marshal(in)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		panic("aivensim: " + reflect.TypeFor[T]().String() + " does not survive JSON: " + err.Error())
	}
	return out
}
