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
	"github.com/bailiwick-operator/bailiwick/tests/internal/baoimage"
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
// them, or any other, still exists. Servers before 2.6 show that it finds one that does.
func TestNoRootTokenIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		image, version string
		left           bool
	}{
		"it is revoked":                    {},
		"it stays, as in earlier versions": {keepingImage, keepingVersion, true},
	} {
		t.Run(name, func(t *testing.T) {
			if c.image != "" && !baoimage.IsTestServer() {
				t.Skip("OpenBao keeps the root token of a self-initialization before 2.6, and this is another version")
			}
			t.Parallel()
			w := newWorld(t)
			w.grant()
			w.start()
			// A token of the test, which is no child of the root token and so outlives it.
			auditor := rand.Text()
			w.create(w.cluster("prod", one, audited, func(cluster *openbaov1alpha1.OpenBaoCluster) {
				if c.image != "" {
					cluster.Spec.Image, cluster.Spec.Version = c.image, c.version
				}
				cluster.Spec.SelfInit.Requests = append(asking("auditor", `
path "auth/token/accessors"       { capabilities = ["list", "sudo"] }
path "auth/token/accessors/"      { capabilities = ["list", "sudo"] }
path "auth/token/lookup-accessor" { capabilities = ["create", "update"] }
`), tokenOf(t, "auditor", auditor))
			}))
			w.isWhole(w.ready("prod"))

			var left []string
			for _, accessor := range w.rootsSeen("prod-0", c.left) {
				if found, ok := w.lookup("prod", auditor, accessor); ok {
					left = append(left, fmt.Sprintf("%s, which was seen: %+v", accessor, found))
				}
			}
			if seen := len(left) > 0; seen != c.left {
				t.Errorf("Of the root tokens that were seen, these exist: %q", left)
			}
			if listed := w.rootsListed("prod", auditor); len(listed) > 0 != c.left {
				t.Errorf("These root tokens exist: %q", listed)
			}
		})
	}
}

// rootsSeen returns the accessors of the root tokens that have sent requests to a server
// since it was started. They have written the contract, and then sent nothing more.
func (w *world) rootsSeen(pod string, kept bool) []string {
	w.Helper()
	entries := w.audit(pod)
	var roots, paths []string
	last := -1
	for i, e := range entries {
		if !slices.Contains(e.Auth.Policies, "root") {
			continue
		}
		last = i
		paths = append(paths, e.Request.Path)
		if !slices.Contains(roots, e.Auth.Accessor) {
			roots = append(roots, e.Auth.Accessor)
		}
	}
	w.Logf("%d lines of audit, %d root tokens, the last line of one is number %d", len(entries), len(roots), last+1)
	want := []string{"sys/policies/acl/", "auth/"}
	if !kept {
		want = append(want, "auth/token/revoke-self")
	}
	for _, prefix := range want {
		if !slices.ContainsFunc(paths, func(path string) bool { return strings.HasPrefix(path, prefix) }) {
			w.Errorf("No root token has sent a request to %s; they have sent to %q", prefix, paths)
		}
	}
	// The proofs of the identities come afterwards.
	if later := entries[last+1:]; !slices.ContainsFunc(later, func(e auditEntry) bool { return strings.HasSuffix(e.Request.Path, "/login") }) {
		w.Errorf("Nobody has logged in after the last request of a root token, at line %d of %d", last+1, len(entries))
	}
	return roots
}

// rootsListed returns what a server says of all root tokens that it lists.
func (w *world) rootsListed(cluster, auditor string) []string {
	w.Helper()
	var list struct{ Data struct{ Keys []string } }
	w.request(cluster, "LIST", "auth/token/accessors", auditor, nil, &list)
	var roots []string
	own := false
	for _, accessor := range list.Data.Keys {
		found, ok := w.lookup(cluster, auditor, accessor)
		if !ok {
			continue // It has ended in between.
		}
		if slices.Contains(found.Policies, "root") {
			roots = append(roots, fmt.Sprintf("%s: %+v", accessor, found))
		}
		own = own || slices.Contains(found.Policies, "auditor")
	}
	if !own {
		w.Error("The token of this test is not among those that the server lists")
	}
	return roots
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

// lookup asks the first server of a cluster for the token of an accessor, and reports
// whether there is one.
func (w *world) lookup(cluster, token, accessor string) (foundToken, bool) {
	w.Helper()
	var found struct{ Data foundToken }
	status, answer := w.send(cluster, http.MethodPut, "auth/token/lookup-accessor", token, map[string]any{"accessor": accessor})
	if status < 300 {
		if err := json.Unmarshal(answer, &found); err != nil {
			w.Fatal(err)
		}
		return found.Data, true
	}
	// Any other error says nothing about the token.
	if !strings.Contains(string(answer), "invalid accessor") {
		w.Fatalf("Looking up the accessor %s: %d %s", accessor, status, answer)
	}
	return foundToken{}, false
}
