// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// StateOf returns a digest of what a server holds under a name, empty if there is
// nothing. It is the same for what means the same, however the server spells it, so
// that what was sent can be recognized when the answer got lost.
func StateOf(observed Observed, kind Kind, name string) string {
	switch kind {
	case KindMount:
		if observed.Mount != nil {
			return digestOf(map[string]string{"type": observed.Mount.Type, "description": observed.Mount.Description})
		}
	case KindConfig:
		if observed.Config != nil {
			return digestFields(configFields, observed.Config)
		}
	case KindPolicy:
		if text, ok := observed.Policies[name]; ok {
			return digestOf(map[string]string{"policy": strings.TrimSpace(text)})
		}
	case KindRole:
		if role, ok := observed.Roles[name]; ok {
			return digestFields(roleFields, role)
		}
	}
	return ""
}

// stateAfter returns StateOf once a request was carried out.
func stateAfter(r Request) string {
	text := func(field string) string { s, _ := r.Data[field].(string); return s }
	switch r.Kind {
	case KindMount:
		return digestOf(map[string]string{"type": text("type"), "description": text("description")})
	case KindConfig:
		return digestFields(configFields, configData(r.Data))
	case KindPolicy:
		return digestOf(map[string]string{"policy": strings.TrimSpace(text("policy"))})
	case KindRole:
		return digestFields(roleFields, r.Data)
	}
	return ""
}

// states fills in what each change begins with and ends in.
func (p Plan) states(observed Observed) Plan {
	for i, c := range p {
		p[i].Before = StateOf(observed, c.Kind, c.Name)
		switch {
		case c.Action == Delete:
		case c.Kind == KindRole && c.Action == Update:
			// What the request leaves out stays as it is.
			role := maps.Clone(observed.Roles[c.Name])
			maps.Copy(role, c.Request.Data)
			p[i].After = digestFields(roleFields, role)
		default:
			p[i].After = stateAfter(c.Request)
		}
	}
	return p
}

func digestFields(fields map[string]field, values map[string]any) string {
	normal := map[string]string{}
	for name, f := range fields {
		normal[name] = f.normal(values[name])
	}
	return digestOf(normal)
}

func digestOf(values map[string]string) string {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		// A hash takes all that is written to it.
		_, _ = hash.Write([]byte(name + "\x00" + values[name] + "\x00"))
	}
	return hex.EncodeToString(hash.Sum(nil))[:32]
}
