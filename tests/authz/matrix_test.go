// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// TestMatrix logs in as every identity and compares what it may do, on every path
// of the catalogue, with what is expected of it.
func TestMatrix(t *testing.T) {
	server := fresh(t)
	root := rootClient(t, server)
	signer := newSigner(t, "a")
	for _, test := range []struct {
		name   string
		mutate []func(*openbaov1alpha1.OpenBaoClusterSpec)
		// reads are the identities that can read a path, in the order of the grants.
		reads map[string]string
	}{
		{"document, rolling", nil, map[string]string{
			"sys/storage/raft/snapshot": "backup upgrade backup", "sys/storage/raft/configuration": "",
			"sys/storage/raft/autopilot/state": "upgrade", "sys/storage/raft/autopilot/configuration": "operator",
		}},
		{"document, blue/green", []func(*openbaov1alpha1.OpenBaoClusterSpec){blueGreen}, map[string]string{
			"sys/storage/raft/snapshot": "backup upgrade backup", "sys/storage/raft/configuration": "upgrade",
			"sys/storage/raft/autopilot/state": "upgrade", "sys/storage/raft/autopilot/configuration": "operator",
		}},
		{"minimal, rolling", []func(*openbaov1alpha1.OpenBaoClusterSpec){minimal}, map[string]string{
			"sys/storage/raft/snapshot": "backup backup", "sys/storage/raft/configuration": "",
			"sys/storage/raft/autopilot/state": "", "sys/storage/raft/autopilot/configuration": "operator",
		}},
		{"minimal, blue/green, observe", []func(*openbaov1alpha1.OpenBaoClusterSpec){minimal, blueGreen, observe}, map[string]string{
			"sys/storage/raft/snapshot": "backup backup", "sys/storage/raft/configuration": "upgrade",
			"sys/storage/raft/autopilot/state": "upgrade", "sys/storage/raft/autopilot/configuration": "operator",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			contract := desired(t, cluster(test.mutate...), signer.key)
			requests := authz.Requests(contract)
			if _, err := ourClient(t, server, server.RootToken).ReadConfig(t.Context(), authz.MountPath); err == nil {
				requests = requests[1:] // The mount is there already.
			}
			send(t, root, requests)
			catalogue := authz.Catalogue(contract)
			byDefault := authz.DefaultRights()
			readers := map[string][]string{}
			for _, g := range contract.Grants {
				client := logIn(t, server, signer, g)
				answers, err := client.CapabilitiesSelf(t.Context(), catalogue...)
				if err != nil {
					t.Fatalf("Role %s: %v", g.Role.Name, err)
				}
				granted := authz.RightsOf(g.Policy.Text)
				for _, path := range catalogue {
					want := granted.On(path)
					if !g.Role.NoDefaultPolicy && !withoutByNow(server, path) {
						want = append(want, byDefault.On(path)...)
					}
					slices.Sort(want)
					want = slices.Compact(want)
					got := slices.Sorted(slices.Values(answers[path]))
					if len(want) == 0 {
						want = []string{"deny"}
					}
					if !slices.Equal(got, want) {
						t.Errorf("Role %s may %q on %s, want %q", g.Role.Name, got, path, want)
					}
				}
				proof := authz.CompareCapabilities(g, answers)
				if len(proof.Missing)+len(proof.Excess) > 0 {
					t.Errorf("Role %s: %+v", g.Role.Name, proof)
				}
				if (len(proof.ViaDefault) == 0) != g.Role.NoDefaultPolicy {
					t.Errorf("Role %s has by default %q", g.Role.Name, proof.ViaDefault)
				}
				for path := range test.reads {
					if _, err := client.raw(t, path); !denied(t, err) {
						readers[path] = append(readers[path], string(g.Identity))
					}
				}
				if err := client.RevokeSelf(t.Context()); err != nil {
					t.Errorf("Role %s cannot revoke its token: %v", g.Role.Name, err)
				}
			}
			for path, want := range test.reads {
				if got := strings.Join(readers[path], " "); got != want {
					t.Errorf("%s was read by %q, want %q", path, got, want)
				}
			}
		})
	}
}

// withoutByNow tells whether the policy "default" of a server lacks a path which
// that of the release that OpenBao forked from has.
func withoutByNow(server *stack.OpenBao, path string) bool {
	return server.Kind == stack.Bao && slices.Contains([]string{"sys/renew", "sys/control-group/request"}, path)
}

// TestDefaultPolicy compares the policy "default" of the server with what is
// expected of it.
func TestDefaultPolicy(t *testing.T) {
	server := fresh(t)
	text, err := rootClient(t, server).Sys().GetPolicyWithContext(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	grant := authz.Grant{Policy: authz.Policy{Text: text}}
	rules := regexp.MustCompile(`(?m)^path "([^"]+)"`).FindAllStringSubmatch(text, -1)
	if len(rules) < 10 {
		t.Fatalf("the policy has only %d rules:\n%s", len(rules), text)
	}
	paths := authz.Catalogue(desired(t, cluster(), newSigner(t, "a").key))
	for _, rule := range rules {
		path := rule[1]
		if strings.Contains(path, "{{") {
			// The token's own entity; its path is not known beforehand.
			continue
		}
		paths = append(paths, path, strings.ReplaceAll(strings.ReplaceAll(path, "*", "some/thing"), "+", "one"))
	}
	granted, byDefault := authz.RightsOf(grant.Policy.Text), authz.DefaultRights()
	for _, path := range paths {
		if withoutByNow(server, path) {
			continue
		}
		if got, want := granted.On(path), byDefault.On(path); !slices.Equal(got, want) {
			t.Errorf("the policy grants %q on %s, expected is %q", got, path, want)
		}
	}
}
