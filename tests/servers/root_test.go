// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// auditEntry is as much of a line of an audit device as is looked at.
type auditEntry struct {
	Type string
	Auth struct {
		Accessor string
		Policies []string
	}
	Request struct{ Operation, Path string }
	Error   string
}

// TestNoRootTokenIsLeft reads from a server's own audit device which root tokens have sent
// requests during a first start by self-initialization, and asks the server whether any of
// them, or any other, still exists.
func TestNoRootTokenIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	// A token of the test, which is no child of the root token and so outlives it.
	auditor := rand.Text()
	w.create(w.cluster("prod", one, audited, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.SelfInit.Requests = append(asking("auditor", `
path "auth/token/accessors"        { capabilities = ["list", "sudo"] }
path "auth/token/accessors/"       { capabilities = ["list", "sudo"] }
path "auth/token/lookup-accessor"  { capabilities = ["create", "update"] }
`), tokenOf(t, "auditor", auditor))
	}))
	w.isWhole(w.ready("prod"))

	entries := w.audit("prod-0")
	var roots []string
	last := -1
	for i, e := range entries {
		if !slices.Contains(e.Auth.Policies, "root") {
			continue
		}
		last = i
		if !slices.Contains(roots, e.Auth.Accessor) {
			roots = append(roots, e.Auth.Accessor)
		}
	}
	// The contract was written by somebody: else the device shows nothing of what is asked.
	wrote := func(path string) bool {
		return slices.ContainsFunc(entries, func(e auditEntry) bool {
			return strings.HasPrefix(e.Request.Path, path) && slices.Contains(roots, e.Auth.Accessor)
		})
	}
	for _, path := range []string{"sys/policies/acl/", "auth/", "auth/token/revoke-self"} {
		if !wrote(path) {
			t.Errorf("No root token has sent a request to %s, by %d lines of audit and %d root tokens", path, len(entries), len(roots))
		}
	}
	if len(entries) == last+1 {
		t.Error("Nothing was sent after the last request of a root token, as the proofs of the identities are")
	}
	t.Logf("%d lines of audit, %d root tokens, the last request of one at line %d: %s", len(entries), len(roots), last+1, entries[max(last, 0)].Request.Path)

	for _, accessor := range roots {
		if found, status := w.lookup("prod", auditor, accessor); status < 400 {
			t.Errorf("The root token with the accessor %s exists: %+v", accessor, found)
		}
	}
	var list struct{ Data struct{ Keys []string } }
	w.request("prod", "LIST", "auth/token/accessors", auditor, nil, &list)
	if len(list.Data.Keys) == 0 {
		t.Error("The server lists no token, and this test has one")
	}
	own := false
	for _, accessor := range list.Data.Keys {
		found, status := w.lookup("prod", auditor, accessor)
		if status >= 400 {
			continue // It has ended in between.
		}
		if slices.Contains(found.Policies, "root") {
			t.Errorf("There is a root token: %+v", found)
		}
		own = own || slices.Contains(found.Policies, "auditor")
	}
	if !own {
		t.Error("The token of this test is not among those that the server lists")
	}
}

// audited has servers write what they are asked to their output, with the accessors of
// tokens as they are.
func audited(c *openbaov1alpha1.OpenBaoCluster) {
	c.Spec.Audit = []openbaov1alpha1.AuditDevice{{
		Type: "file", Path: "stdout", FileOptions: &openbaov1alpha1.FileAuditOptions{FilePath: "stdout"},
		Options: &runtime.RawExtension{Raw: []byte(`{"hmac_accessor":"false"}`)},
	}}
}

// asking returns the request of a first start that writes a policy.
func asking(name, policy string) []openbaov1alpha1.SelfInitRequest {
	return []openbaov1alpha1.SelfInitRequest{{
		Name: "policy-" + name, Operation: openbaov1alpha1.RequestUpdate, Path: "sys/policies/acl/" + name,
		Policy: &openbaov1alpha1.PolicyRequest{Policy: policy},
	}}
}

// tokenOf returns the request of a first start that makes a token with one policy.
func tokenOf(t *testing.T, policy, token string) openbaov1alpha1.SelfInitRequest {
	t.Helper()
	data, err := json.Marshal(map[string]any{"id": token, "policies": []string{policy}, "no_parent": true, "period": "24h"})
	if err != nil {
		t.Fatal(err)
	}
	return openbaov1alpha1.SelfInitRequest{
		Name: "token-" + policy, Operation: openbaov1alpha1.RequestUpdate, Path: "auth/token/create", Data: &runtime.RawExtension{Raw: data},
	}
}

// audit returns what a server has written to its output of what it was asked.
func (w *world) audit(pod string) []auditEntry {
	w.Helper()
	var out []auditEntry
	for line := range strings.Lines(w.sh("kubectl -n " + w.ns + " logs " + pod)) {
		var e auditEntry
		if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &e) == nil && e.Request.Path != "" {
			out = append(out, e)
		}
	}
	return out
}

// foundToken is what a server says of a token.
type foundToken struct {
	Path     string
	Policies []string
}

// lookup asks the first server of a cluster for the token of an accessor.
func (w *world) lookup(cluster, token, accessor string) (foundToken, int) {
	w.Helper()
	var found struct{ Data foundToken }
	status, answer := w.send(cluster, http.MethodPut, "auth/token/lookup-accessor", token, map[string]any{"accessor": accessor})
	switch {
	case status < 300:
		if err := json.Unmarshal(answer, &found); err != nil {
			w.Fatal(err)
		}
	// What else may be wrong says nothing about the token.
	case status != http.StatusForbidden && status != http.StatusNotFound && status != http.StatusBadRequest,
		!strings.Contains(string(answer), "invalid accessor") && !strings.Contains(string(answer), "not found"):
		w.Fatal(fmt.Errorf("looking up the accessor %s: %d %s", accessor, status, answer))
	}
	return found.Data, status
}
