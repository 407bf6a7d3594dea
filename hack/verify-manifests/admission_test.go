// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"
)

const testRole = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: x}
rules:
  - apiGroups: [""]
    resources: [things]
    verbs: [get, list, watch, create, patch]
  - nonResourceURLs: [/x]
    verbs: [get]
`

const testPolicy = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: things}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [CREATE, UPDATE]
        resources: [things]
  matchConditions:
    - name: operator
      expression: request.userInfo.username == 'system:serviceaccount:bailiwick-system:bailiwick'
  validations:
    - expression: object.metadata.name == 'x'
      message: only x
`

const testBinding = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: things}
spec:
  policyName: things
  validationActions: [Deny]
`

func renderingOf(t *testing.T, documents ...string) *rendering {
	t.Helper()
	r := &rendering{}
	for _, document := range documents {
		if err := r.add([]byte(document)); err != nil {
			t.Fatalf("%v: %s", err, document)
		}
	}
	return r
}

// A granted write has to be limited by a policy that has no way around it.
func TestWritesAreLimited(t *testing.T) {
	t.Parallel()
	type edit struct{ old, new string }
	core := "apiGroups: [\"\"]\n    resources: [things]"
	for name, test := range map[string]struct {
		role, policy, binding edit
		// problem is part of all that is found, empty where nothing is.
		problem string
	}{
		"limited":              {},
		"limited by wildcards": {policy: edit{"resources: [things]", `resources: ["*"]`}},
		"reads only":           {role: edit{", create, patch", ""}, policy: edit{"resources: [things]", "resources: [others]"}},
		"update as patch":      {role: edit{"patch", "update"}},
		"our own status":       {role: edit{core, "apiGroups: [aiven.io, openbao.org]\n    resources: [kafkas/status]"}},

		"a verb more":       {role: edit{"patch", "patch, delete"}, problem: `"/things delete", which is not limited: no ValidatingAdmissionPolicy matches DELETE of /things`},
		"deletecollection":  {role: edit{"patch", "patch, deletecollection"}, problem: "no ValidatingAdmissionPolicy matches DELETE"},
		"create only":       {policy: edit{"CREATE, UPDATE", "CREATE"}, problem: "no ValidatingAdmissionPolicy matches UPDATE of /things"},
		"a group more":      {role: edit{`[""]`, `["", apps]`}, problem: "of apps/things"},
		"a resource more":   {role: edit{"[things]", "[things, others]"}, problem: "of /others"},
		"a subresource":     {role: edit{"[things]", "[things/token]"}, policy: edit{"[things]", `["*"]`}, problem: "of /things/token"},
		"any resource":      {role: edit{"[things]", `["*"]`}, problem: "of /*"},
		"any verb":          {role: edit{"patch", `"*"`}, problem: `the verb "*"`},
		"escalation":        {role: edit{"patch", "escalate"}, problem: `the verb "escalate"`},
		"impersonation":     {role: edit{"patch", "impersonate"}, problem: `the verb "impersonate"`},
		"our kinds":         {role: edit{core, "apiGroups: [aiven.io]\n    resources: [kafkas]"}, problem: "of aiven.io/kafkas"},
		"our kinds' scale":  {role: edit{core, "apiGroups: [aiven.io]\n    resources: [kafkas/scale]"}, problem: "of aiven.io/kafkas/scale"},
		"a foreign status":  {role: edit{core, "apiGroups: [apps]\n    resources: [things/status]"}, problem: "of apps/things/status"},
		"another account":   {policy: edit{":bailiwick'", ":other'"}, problem: "other match conditions"},
		"another namespace": {policy: edit{"bailiwick-system", "default"}, problem: "other match conditions"},
		"another condition": {policy: edit{"  validations:", "    - {name: some, expression: request.namespace != 'x'}\n  validations:"}, problem: "other match conditions"},
		"ignored failures":  {policy: edit{"Policy: Fail", "Policy: Ignore"}, problem: "when it fails"},
		"parameters":        {policy: edit{"  matchConditions", "  paramKind: {apiVersion: v1, kind: ConfigMap}\n  matchConditions"}, problem: "depends on an object"},
		"some namespaces":   {policy: edit{"    resourceRules", "    namespaceSelector: {matchLabels: {a: b}}\n    resourceRules"}, problem: "leaves out"},
		"some objects":      {policy: edit{"    resourceRules", "    objectSelector: {matchLabels: {a: b}}\n    resourceRules"}, problem: "leaves out"},
		"an exception":      {policy: edit{"    resourceRules", "    excludeResourceRules: [{resources: [things]}]\n    resourceRules"}, problem: "leaves out"},
		"some names":        {policy: edit{"resources: [things]", "resources: [things]\n        resourceNames: [x]"}, problem: "no ValidatingAdmissionPolicy"},
		"some scopes":       {policy: edit{"resources: [things]", "resources: [things]\n        scope: Cluster"}, problem: "no ValidatingAdmissionPolicy"},
		"one version":       {policy: edit{"    resourceRules", "    matchPolicy: Exact\n    resourceRules"}, problem: "other versions"},
		"nothing refused":   {policy: edit{"object.metadata.name == 'x'", "'true'"}, problem: "refuses nothing"},
		"no message":        {policy: edit{"message: only x", "reason: Forbidden"}, problem: "without a message"},
		"a warning":         {binding: edit{"Deny", "Warn"}, problem: "no binding that denies"},
		"bound to another":  {binding: edit{"policyName: things", "policyName: others"}, problem: "no binding that denies"},
		"bound for some":    {binding: edit{"  validationActions", "  matchResources: {namespaceSelector: {matchLabels: {a: b}}}\n  validationActions"}, problem: "no binding that denies"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			apply := func(to string, e edit) string {
				if !strings.Contains(to, e.old) {
					t.Fatalf("there is no %q to edit", e.old)
				}
				return strings.Replace(to, e.old, e.new, 1)
			}
			problems := writesAreLimited(renderingOf(t, apply(testRole, test.role), apply(testPolicy, test.policy), apply(testBinding, test.binding)))
			if (len(problems) > 0) != (test.problem != "") {
				t.Errorf("found %q, want %q", problems, test.problem)
			}
			for _, problem := range problems {
				if !strings.Contains(problem, test.problem) {
					t.Errorf("found %q, want %q", problem, test.problem)
				}
			}
		})
	}
}

// Of several policies one that limits is enough, whatever else there is.
func TestOnePolicyIsEnough(t *testing.T) {
	t.Parallel()
	open := strings.ReplaceAll(strings.Replace(testPolicy, "Fail", "Ignore", 1), "{name: things}", "{name: open}")
	for _, documents := range [][]string{{testPolicy, open}, {open, testPolicy}} {
		if problems := writesAreLimited(renderingOf(t, append(documents, testRole, testBinding)...)); len(problems) > 0 {
			t.Errorf("found %q", problems)
		}
	}
	if problems := writesAreLimited(renderingOf(t, open, testRole, testBinding)); len(problems) != 2 {
		t.Errorf("found %q, want a create and a patch", problems)
	}
}

// A role grants exactly what is expected of it.
func TestGrantsWhatIsUsed(t *testing.T) {
	t.Parallel()
	const leases = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: bailiwick-leader-election, namespace: bailiwick-system}
rules:
  - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}
  - {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [bailiwick], verbs: [get, update]}
  - {apiGroups: [""], resources: [events], verbs: [create, patch]}
`
	for name, test := range map[string]struct{ old, new, problem string }{
		"as expected":       {},
		"any name":          {" resourceNames: [bailiwick],", "", `grants "coordination.k8s.io/leases get"`},
		"another name":      {"[bailiwick]", "[other]", `of other"`},
		"a verb more":       {"[create]}", "[create, list]}", `grants "coordination.k8s.io/leases list"`},
		"a verb less":       {"[get, update]", "[get]", `does not grant "coordination.k8s.io/leases update of bailiwick"`},
		"another namespace": {"bailiwick-system", "default", "is not in bailiwick-system"},
		"an unknown role":   {"bailiwick-leader-election", "bailiwick-x", "is not expected"},
		"an unknown kind":   {"kind: Role", "kind: ClusterRole", "is not expected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := grantsWhatIsUsed(renderingOf(t, strings.Replace(leases, test.old, test.new, 1)))
			if test.problem == "" {
				if len(problems) > 0 {
					t.Errorf("found %q", problems)
				}
				return
			}
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, test.problem) }) {
				t.Errorf("found %q, want %q", problems, test.problem)
			}
		})
	}
}
