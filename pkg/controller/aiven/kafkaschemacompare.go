// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"
	"k8s.io/apimachinery/pkg/types"
)

// acceptedSchemas remembers under which id the registry knows the schemas that
// this process registered: the registry can show one in a form that does not
// compare equal. An entry ends with its object. Nothing depends on it but one more
// request: to register a schema again returns the same id.
type acceptedSchemas struct {
	mu      sync.Mutex
	schemas map[types.UID]acceptedSchema
}

type acceptedSchema struct {
	digest [sha256.Size]byte
	id     int
}

func (a *acceptedSchemas) get(uid types.UID) acceptedSchema {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.schemas[uid]
}

func (a *acceptedSchemas) set(uid types.UID, s acceptedSchema) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.schemas[uid] = s
}

func (a *acceptedSchemas) forget(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.schemas, uid)
}

// versionSays reports whether a version has that schema.
func versionSays(v *schemaVersion, want *kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn) bool {
	// The registry leaves out what is its default.
	language := cmp.Or(want.SchemaType, kafkaschemaregistry.SchemaTypeAvro)
	if cmp.Or(v.SchemaType, kafkaschemaregistry.SchemaTypeAvro) != language {
		return false
	}
	references := make([]kafkaschemaregistry.ReferenceIn, 0, len(v.References))
	for _, ref := range v.References {
		references = append(references, kafkaschemaregistry.ReferenceIn(ref))
	}
	byName := func(a, b kafkaschemaregistry.ReferenceIn) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(references, byName)
	wanted := slices.SortedFunc(slices.Values(deref(want.References)), byName)
	return slices.Equal(references, wanted) && sameSchema(language, v.Schema, want.Schema)
}

func digest(in *kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn) [sha256.Size]byte {
	raw, _ := json.Marshal(in) // strings and numbers always marshal
	return sha256.Sum256(raw)
}

// sameSchema reports whether two texts of a schema language mean the same. The
// registry may show a schema in another form than it was given.
func sameSchema(language kafkaschemaregistry.SchemaType, a, b string) bool {
	if a == b {
		return true
	}
	if language == kafkaschemaregistry.SchemaTypeProtobuf {
		return slices.Equal(protobufTokens(a), protobufTokens(b))
	}
	x, ok := decodeSchema(a)
	y, ok2 := decodeSchema(b)
	if !ok || !ok2 {
		return false
	}
	if language == kafkaschemaregistry.SchemaTypeAvro {
		x, y = plainAvro(x), plainAvro(y)
	}
	return reflect.DeepEqual(x, y)
}

func decodeSchema(text string) (value any, ok bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return value, d.Decode(&value) == nil
}

// plainAvro replaces {"type": t} with t, which is the shorter way to write it.
func plainAvro(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainAvro(v[i])
		}
		return out
	case map[string]any:
		if t, ok := v["type"]; ok && len(v) == 1 {
			return plainAvro(t)
		}
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = plainAvro(value)
		}
		return out
	}
	return v
}

// protobufTokens cuts a Protobuf schema into words, strings and signs, without
// comments and space.
func protobufTokens(text string) []string {
	var tokens []string
	for text != "" {
		n := 1
		switch c := text[0]; {
		case strings.HasPrefix(text, "//"):
			_, text, _ = strings.Cut(text, "\n")
			continue
		case strings.HasPrefix(text, "/*"):
			_, text, _ = strings.Cut(text[2:], "*/")
			continue
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			text = text[1:]
			continue
		case c == '"' || c == '\'':
			for n < len(text) && text[n] != c {
				if text[n] == '\\' {
					n++
				}
				n++
			}
			n = min(n+1, len(text))
		case isWord(c):
			for n < len(text) && isWord(text[n]) {
				n++
			}
		}
		tokens = append(tokens, text[:n])
		text = text[n:]
	}
	return tokens
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c >= 0x80
}
