// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const granting = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: a}
rules:
  - {apiGroups: [""], resources: [pods, serviceaccounts/token], verbs: [list, create]}
  - {apiGroups: [apps], resources: [statefulsets], verbs: [get]}
  - {nonResourceURLs: [/openid/v1/jwks], verbs: [get]}
  - {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [x], verbs: [bind]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: a}
rules:
  - {apiGroups: [""], resources: [secrets], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a}
roleRef: {kind: ClusterRole, name: a}
subjects: [{kind: ServiceAccount, name: bailiwick-servers}]
`

// event is a line of an audit log.
func event(account, verb, resource, decision, message string) string {
	return fmt.Sprintf(`{"verb":%q,"requestURI":"/u","user":{"username":"system:serviceaccount:bailiwick-system:%s"},`+
		`"objectRef":{"resource":%q},"responseStatus":{"message":%q},"annotations":{"authorization.k8s.io/decision":%q}}`+"\n",
		verb, account, resource, message, decision)
}

// TestComparison finds what is unused and what was refused, of one account.
func TestComparison(t *testing.T) {
	t.Parallel()
	granted, err := Granted(strings.Split(granting, "\n---\n"), Servers)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(Sorted(granted)); got != "[get /openid/v1/jwks create pods list pods create serviceaccounts/token list serviceaccounts/token get statefulsets.apps]" {
		t.Errorf("granted are %s", got)
	}
	if _, err := Granted(strings.Split(granting, "\n---\n"), Operator); err == nil {
		t.Error("an account without rights was accepted")
	}
	for name, test := range map[string]struct {
		log string
		// hindered is what an account lacks, too.
		unused, hindered string
	}{
		"nothing":             {"", "[jwks pods token statefulsets]", "[]"},
		"of another account":  {event(Operator, "create", "pods", "allow", ""), "[jwks pods token statefulsets]", "[]"},
		"used":                {event(Servers, "create", "pods", "allow", ""), "[jwks token statefulsets]", "[]"},
		"refused and granted": {event(Servers, "create", "pods", "forbid", ""), "[jwks pods token statefulsets]", "[]"},
		"refused":             {event(Servers, "delete", "pods", "forbid", ""), "[jwks pods token statefulsets]", "[delete pods]"},
		"denied": {event(Servers, "create", "pods", "allow", "ValidatingAdmissionPolicy 'bailiwick-x' denied"),
			"[jwks token statefulsets]", "[an admission policy]"},
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "a.log"), []byte(test.log), 0o600); err != nil {
			t.Fatal(err)
		}
		log, err := ReadAll(folder, Servers)
		if err != nil {
			t.Fatal(err)
		}
		compare := func(what, want string, got []error) {
			words := strings.Fields(strings.Trim(want, "[]"))
			if want == "[delete pods]" || want == "[an admission policy]" {
				words = []string{strings.Trim(want, "[]")}
			}
			if len(got) != len(words) {
				t.Errorf("%s: %s are %v, want %s", name, what, got, want)
				return
			}
			for i, word := range words {
				if !strings.Contains(got[i].Error(), word) {
					t.Errorf("%s: %s are %v, want %s", name, what, got, want)
				}
			}
		}
		compare("unused", test.unused, log.Unused(Servers, granted))
		compare("hindered", test.hindered, append(log.Hindered(Servers), log.Lacking(Servers, granted)...))
		if left := log.Unused(Servers, granted, Right{"create", "serviceaccounts/token"}); len(left) != len(log.Unused(Servers, granted))-1 {
			t.Errorf("%s: what is used elsewhere is among %v", name, left)
		}
	}
}
