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

		"a verb more":       {role: edit{"patch", "patch, delete"}, problem: `"/things delete" to bailiwick, which is not limited: no ValidatingAdmissionPolicy matches DELETE of /things`},
		"deletecollection":  {role: edit{"patch", "patch, deletecollection"}, problem: "no ValidatingAdmissionPolicy matches DELETE"},
		"create only":       {policy: edit{"CREATE, UPDATE", "CREATE"}, problem: "no ValidatingAdmissionPolicy matches UPDATE of /things"},
		"a group more":      {role: edit{`[""]`, `["", apps]`}, problem: "of apps/things"},
		"a resource more":   {role: edit{"[things]", "[things, others]"}, problem: "of /others"},
		"a subresource":     {role: edit{"[things]", "[things/token]"}, policy: edit{"[things]", `["*"]`}, problem: "of /things/token"},
		"any resource":      {role: edit{"[things]", `["*"]`}, problem: "of /*"},
		"any verb":          {role: edit{"patch", `"*"`}, problem: `the verb "*"`},
		"binding":           {role: edit{"patch", "bind"}, problem: `the verb "bind"`},
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

// serversPolicy is testPolicy for the account that runs servers.
func serversPolicy() string {
	return strings.ReplaceAll(strings.Replace(testPolicy, ":bailiwick'", ":bailiwick-servers'", 1), "{name: things}", "{name: servers}")
}

// bindingOf binds testRole to an account.
func bindingOf(account string) string {
	return `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: x}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: x}
subjects: [{kind: ServiceAccount, name: ` + account + `, namespace: bailiwick-system}]
`
}

// What is granted to an account has to be limited for that account.
func TestLimitsOfAccounts(t *testing.T) {
	t.Parallel()
	both := strings.Replace(testPolicy, "== 'system:serviceaccount:bailiwick-system:bailiwick'",
		"in ['system:serviceaccount:bailiwick-system:bailiwick', 'system:serviceaccount:bailiwick-system:bailiwick-servers']", 1)
	serversBinding := strings.ReplaceAll(testBinding, "things", "servers")
	for name, test := range map[string]struct {
		documents []string
		problem   string
	}{
		"its own policy":            {documents: []string{bindingOf("bailiwick-servers"), serversPolicy(), serversBinding}},
		"a policy for both":         {documents: []string{bindingOf("bailiwick-servers"), both, testBinding}},
		"a policy for both, two":    {documents: []string{bindingOf("bailiwick-servers"), bindingOf("bailiwick"), both, testBinding}},
		"two policies":              {documents: []string{bindingOf("bailiwick-servers"), bindingOf("bailiwick"), serversPolicy(), serversBinding, testPolicy, testBinding}},
		"the policy of the other":   {documents: []string{bindingOf("bailiwick-servers"), testPolicy, testBinding}, problem: "to bailiwick-servers, which is not limited"},
		"the other without a limit": {documents: []string{bindingOf("bailiwick-servers"), bindingOf("bailiwick"), serversPolicy(), serversBinding}, problem: "to bailiwick, which is not limited"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, writesAreLimited(renderingOf(t, append(test.documents, testRole)...)), test.problem)
		})
	}
}

// wantProblem checks that all problems have a part in common, or that there are none.
func wantProblem(t *testing.T, problems []string, part string) {
	t.Helper()
	if (len(problems) > 0) != (part != "") {
		t.Errorf("found %q, want %q", problems, part)
	}
	for _, problem := range problems {
		if !strings.Contains(problem, part) {
			t.Errorf("found %q, want %q", problem, part)
		}
	}
}

// Two policies that divide the Secrets between them limit as one does.
func TestDividedPolicies(t *testing.T) {
	t.Parallel()
	divided := func(name, condition string) string {
		text := strings.ReplaceAll(testPolicy, "things", "secrets")
		text = strings.Replace(text, "{name: secrets}", "{name: "+name+"}", 1)
		return strings.Replace(text, "  validations:", "    - name: divided\n      expression: \""+condition+"\"\n  validations:", 1)
	}
	binding := func(name string) string { return strings.ReplaceAll(testBinding, "things", name) }
	role := strings.Replace(testRole, "things", "secrets", 1)
	one, other := divided("one", ofServersCondition), divided("other", notOfServersCondition)
	for name, test := range map[string]struct {
		documents []string
		problem   string
	}{
		"both":           {documents: []string{one, other, binding("one"), binding("other")}},
		"one":            {documents: []string{one, binding("one")}, problem: "some objects only"},
		"the other":      {documents: []string{other, binding("other")}, problem: "some objects only"},
		"one twice":      {documents: []string{one, binding("one"), divided("two", ofServersCondition), binding("two")}, problem: "some objects only"},
		"one not bound":  {documents: []string{one, other, binding("other")}, problem: "some objects only"},
		"another choice": {documents: []string{one, binding("one"), divided("other", "request.namespace != 'x'"), binding("other")}, problem: "match conditions"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := writesAreLimited(renderingOf(t, append(test.documents, role)...))
			if name == "another choice" {
				if len(problems) == 0 {
					t.Error("found nothing")
				}
				return
			}
			wantProblem(t, problems, test.problem)
		})
	}
	// A kind that is not divided is whole in the policy of servers, and missing in the other.
	for condition, problem := range map[string]string{ofServersCondition: "", notOfServersCondition: "some objects only"} {
		policy := strings.ReplaceAll(divided("one", condition), "resources: [secrets]", "resources: [things]")
		wantProblem(t, writesAreLimited(renderingOf(t, testRole, policy, binding("one"))), problem)
	}
}

// The verb bind is limited by its name and by the policy of RoleBindings.
func TestBindIsLimited(t *testing.T) {
	t.Parallel()
	const role = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: x}
rules:
  - {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [bailiwick-openbao-server], verbs: [bind]}
`
	policy := strings.NewReplacer(`[""]`, "[rbac.authorization.k8s.io]", "resources: [things]", "resources: [rolebindings]").Replace(testPolicy)
	for name, test := range map[string]struct {
		role, policy string
		problem      string
	}{
		"that role":         {role, policy, ""},
		"another role":      {strings.Replace(role, "bailiwick-openbao-server", "cluster-admin", 1), policy, `the verb "bind"`},
		"any role":          {strings.Replace(role, "resourceNames: [bailiwick-openbao-server], ", "", 1), policy, `the verb "bind"`},
		"a namespaced role": {strings.Replace(role, "[clusterroles]", "[roles]", 1), policy, `the verb "bind"`},
		"no policy":         {role, testPolicy, `the verb "bind"`},
		"creation only":     {role, strings.Replace(policy, "CREATE, UPDATE", "CREATE", 1), `the verb "bind"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, writesAreLimited(renderingOf(t, test.role, test.policy, testBinding)), test.problem)
		})
	}
}

// Each account has its own roles, and the one that is bound in single namespaces is bound
// nowhere else.
func TestBindingsFit(t *testing.T) {
	t.Parallel()
	const account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: bailiwick-servers, namespace: bailiwick-system}\n"
	role := func(name string) string { return strings.Replace(testRole, "{name: x}", "{name: "+name+"}", 1) }
	bind := func(role, account string) string {
		return strings.Replace(bindingOf(account), "ClusterRole, name: x", "ClusterRole, name: "+role, 1)
	}
	for name, test := range map[string]struct {
		documents []string
		problem   string
	}{
		"each its own":             {documents: []string{account, role("bailiwick-aiven"), bind("bailiwick-aiven", "bailiwick"), role("bailiwick-servers"), bind("bailiwick-servers", "bailiwick-servers")}},
		"shared":                   {documents: []string{account, role("bailiwick-events"), bind("bailiwick-events", "bailiwick"), bind("bailiwick-events", "bailiwick-servers")}},
		"one process":              {documents: []string{role("bailiwick-servers"), bind("bailiwick-servers", "bailiwick")}},
		"bound in namespaces":      {documents: []string{account, role("bailiwick-servers-namespace"), role("bailiwick-openbao-server")}},
		"tokens for servers":       {documents: []string{account, role("bailiwick-aiven"), bind("bailiwick-aiven", "bailiwick-servers")}, problem: "gives rights to"},
		"servers for the operator": {documents: []string{account, role("bailiwick-servers"), bind("bailiwick-servers", "bailiwick")}, problem: "gives rights to"},
		"everywhere":               {documents: []string{account, role("bailiwick-servers-namespace"), bind("bailiwick-servers-namespace", "bailiwick-servers")}, problem: "in all namespaces"},
		"nobody":                   {documents: []string{account, role("bailiwick-servers")}, problem: "bound to nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, bindingsFit(renderingOf(t, test.documents...)), test.problem)
		})
	}
}
