// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package openbaotest evaluates policies for servers that tests make up. It does so
// after the documentation of the server and by other means than pkg/authz, so that
// a mistake there does not confirm itself; tests/authz compares it with real servers.
// Conditions on parameters are not evaluated.
package openbaotest

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"
)

// ACL is what a token may do that has some policies.
type ACL struct {
	exact    map[string][]string
	patterns []pattern
}

type pattern struct {
	text         string
	matches      *regexp.Regexp
	capabilities []string
}

// NewACL reads the policies of a token. One that does not parse grants nothing.
func NewACL(policies ...string) ACL {
	rules := map[string][]string{}
	for _, text := range policies {
		var policy struct {
			Paths []struct {
				Path         string   `hcl:",key"`
				Capabilities []string `hcl:"capabilities"`
			} `hcl:"path"`
		}
		if hcl.Decode(&policy, text) != nil {
			continue
		}
		for _, p := range policy.Paths {
			path := strings.TrimPrefix(p.Path, "/")
			rules[path] = append(rules[path], p.Capabilities...)
		}
	}
	acl := ACL{exact: map[string][]string{}}
	for path, capabilities := range rules {
		if expression, wild := expressionOf(path); wild {
			acl.patterns = append(acl.patterns, pattern{path, regexp.MustCompile(expression), capabilities})
		} else {
			acl.exact[path] = capabilities
		}
	}
	slices.SortFunc(acl.patterns, func(a, b pattern) int { return priority(b.text, a.text) })
	return acl
}

// expressionOf turns a path with wildcards into a regular expression.
func expressionOf(path string) (expression string, wild bool) {
	body, rest := path, "$"
	if glob, ok := strings.CutSuffix(path, "*"); ok {
		body, rest, wild = glob, "", true
	}
	segments := strings.Split(body, "/")
	for i, segment := range segments {
		if segment == "+" && (i < len(segments)-1 || rest == "$") {
			segments[i], wild = "[^/]*", true
		} else {
			segments[i] = regexp.QuoteMeta(segment)
		}
	}
	return "^" + strings.Join(segments, "/") + rest, wild
}

// priority orders patterns as https://openbao.org/docs/concepts/policies/ does: it
// is positive if a is applied before b.
func priority(a, b string) int {
	glob := func(p string) int {
		if strings.HasSuffix(p, "*") {
			return 0
		}
		return 1
	}
	segments := func(p string) int { return -strings.Count("/"+strings.TrimSuffix(p, "*")+"/", "/+/") }
	return cmp.Or(
		cmp.Compare(strings.IndexAny(a, "+*"), strings.IndexAny(b, "+*")),
		cmp.Compare(glob(a), glob(b)),
		cmp.Compare(segments(a), segments(b)),
		cmp.Compare(len(a), len(b)),
		cmp.Compare(a, b),
	)
}

// On returns the capabilities on a path as sys/capabilities-self answers them: "deny"
// if there are none.
func (a ACL) On(path string) []string {
	capabilities, ok := a.exact[path]
	if !ok {
		capabilities, ok = a.exact[strings.TrimSuffix(path, "/")]
	}
	for i := 0; !ok && i < len(a.patterns); i++ {
		if ok = a.patterns[i].matches.MatchString(path); ok {
			capabilities = a.patterns[i].capabilities
		}
	}
	if len(capabilities) == 0 || slices.Contains(capabilities, "deny") {
		return []string{"deny"}
	}
	return slices.Compact(slices.Sorted(slices.Values(capabilities)))
}

// DefaultPolicy is the policy "default" of a new server, as OpenBao 2.6 has it.
const DefaultPolicy = `
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
path "sys/tools/hash" { capabilities = ["update"] }
path "sys/tools/hash/*" { capabilities = ["update"] }
path "identity/oidc/provider/+/authorize" { capabilities = ["read", "update"] }
`
