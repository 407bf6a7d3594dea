// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
)

// theirTLSRule is the one rule of their spec. Where rotationPeriod is absent it
// does not say what its message says but fails, and manifests such as that of
// their own quick start are refused.
const theirTLSRule = "self.tls.mode != 'OperatorManaged' || size(self.tls.rotationPeriod) > 0"

var openBaoExceptions = []exception{
	{
		Reason: "columns that show at a glance who is authorized; theirs has none",
		Applies: func(d difference) bool {
			return d.What == whatColumn && d.Theirs == nil
		},
	},
	{
		Reason: "what Bailiwick adds: how authorization is kept, and what was found",
		Applies: func(d difference) bool {
			ours := []string{".spec.authorization", ".status.authorization", ".status.observedGeneration"}
			return d.What == whatField && d.Theirs == nil && slices.Contains(ours, d.Path)
		},
	},
	{
		Reason: "required by a rule, as an object with spec.authorization is for servers that somebody else runs",
		Applies: func(d difference) bool {
			return (d.Path == ".spec" || d.Path == ".spec.backup") && d.What == "required" && d.Ours == nil
		},
	},
	{
		Reason: "rules that require what theirs does, and no tls.rotationPeriod, which their quick start leaves out",
		Applies: func(d difference) bool {
			return d.Path == ".spec" && d.What == "x-kubernetes-validations" && d.Ours != nil &&
				slices.Equal(rulesOf(d.Theirs), []string{theirTLSRule}) &&
				!slices.ContainsFunc(rulesOf(d.Ours), func(rule string) bool { return !strings.HasPrefix(rule, "has(self.authorization) || ") })
		},
	},
}

// rulesOf returns the expressions of x-kubernetes-validations.
func rulesOf(validations any) []string {
	var out []string
	list, _ := validations.([]any)
	for _, v := range list {
		o, _ := v.(object)
		rule, _ := o["rule"].(string)
		out = append(out, rule)
	}
	return out
}
