// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"fmt"
	"sync"

	"github.com/aiven/go-api-schemas/pkg/dist"
	"go.yaml.in/yaml/v3"
)

// schemaSource parses embedded schemas once; they are read-only.
type schemaSource func() (map[string]*schema, error)

func parseSchemas(data []byte) schemaSource {
	return sync.OnceValues(func() (map[string]*schema, error) {
		out := map[string]*schema{}
		if err := yaml.Unmarshal(data, &out); err != nil {
			return nil, fmt.Errorf("parse Aiven's schemas: %w", err)
		}
		return out, nil
	})
}

var (
	integrationSchemas = parseSchemas(dist.IntegrationTypes)
	endpointSchemas    = parseSchemas(dist.IntegrationEndpointTypes)
)

// schemaOf returns the schema of a type. A type without one takes no keys.
func (source schemaSource) schemaOf(typeName string) (*schema, error) {
	schemas, err := source()
	if err != nil {
		return nil, err
	}
	if sc := schemas[typeName]; sc != nil && sc.Properties != nil {
		return sc, nil
	}
	return &schema{Type: stringOrList{"object"}, Properties: map[string]*schema{}}, nil
}

// newConfigOf is the configuration of a new integration or endpoint.
func newConfigOf(source schemaSource, typeName string, in map[string]any) (map[string]any, error) {
	sc, err := source.schemaOf(typeName)
	if err != nil {
		return nil, err
	}
	if err := sc.check("user_config", in, true); err != nil {
		return nil, err
	}
	out := sc.defaults()
	sc.merge(out, in)
	return out, nil
}

// changeConfigOf merges a change as for services: null returns a key to its
// default and arrays are replaced. A change of nothing is refused.
func changeConfigOf(source schemaSource, typeName string, current, in map[string]any) (map[string]any, error) {
	sc, err := source.schemaOf(typeName)
	if err != nil {
		return nil, err
	}
	if err := sc.check("user_config", in, false); err != nil {
		return nil, err
	}
	out := deepCopy(current)
	sc.merge(out, in)
	if fmt.Sprint(deepCopy(out)) == fmt.Sprint(deepCopy(current)) {
		return nil, badRequest("User config not changed")
	}
	return out, nil
}

// withoutSecrets copies a configuration without the keys that the schema marks
// as secure, at any depth of objects and lists.
func (sc *schema) withoutSecrets(config map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range config {
		p := sc.Properties[key]
		switch v := value.(type) {
		case map[string]any:
			if p != nil {
				value = p.withoutSecrets(v)
			}
		case []any:
			if p != nil && p.Items != nil {
				list := []any{}
				for _, item := range v {
					if object, ok := item.(map[string]any); ok {
						item = p.Items.withoutSecrets(object)
					}
					list = append(list, item)
				}
				value = list
			}
		}
		if p == nil || !p.Secure {
			out[key] = value
		}
	}
	return out
}
