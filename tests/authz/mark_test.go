// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openbao/openbao/api/v2"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// TestMarksOfAServer checks that a server keeps a mark as it is written and that it
// grants nothing, that the bootstrapper writes each mark of its object in mode Enforce
// and no other, and that it deletes none.
func TestMarksOfAServer(t *testing.T) {
	signer := newSigner(t, "a")
	for _, enforce := range []bool{true, false} {
		t.Run(fmt.Sprintf("enforce %t", enforce), func(t *testing.T) {
			server := fresh(t)
			root := rootClient(t, server)
			contract := desired(t, cluster(), signer.key)
			if !enforce {
				contract = desired(t, cluster(observe), signer.key)
			}
			send(t, root, authz.Requests(contract))
			grant, _ := contract.Bootstrapper()
			bootstrapper := logIn(t, server, signer, grant)
			own := func(nonce string) authz.Mark { return authz.Mark{Audience: grant.Role.Audiences[0], Nonce: nonce} }

			// An admin token writes the first one, over nothing.
			admin := ourClient(t, server, root.Token())
			if err := admin.WritePolicy(t.Context(), authz.MarkPolicy, own("1").Text(), nil); err != nil {
				t.Fatal(err)
			}
			for n := range 8 {
				read, err := bootstrapper.ReadPolicy(t.Context(), authz.MarkPolicy)
				if err != nil {
					t.Fatal(err)
				}
				mark := own(fmt.Sprint(n + 1))
				err = bootstrapper.WritePolicy(t.Context(), authz.MarkPolicy, mark.Text(), &read)
				if !enforce {
					if openbao.ClassOf(err) != openbao.PermissionDenied {
						t.Errorf("write %s: got %v", mark.Nonce, err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("write %s: %v", mark.Nonce, err)
				}
				if read, err = bootstrapper.ReadPolicy(t.Context(), authz.MarkPolicy); err != nil || read.Text != mark.Text() {
					t.Fatalf("read %q, %v", read.Text, err)
				}
			}
			for name, text := range map[string]string{
				"another nonce":  own("9").Text(),
				"another object": authz.Mark{Audience: grant.Role.Audiences[0] + "x", Nonce: "1"}.Text(),
				"with a right":   own("1").Text() + "\npath \"secret/*\" { capabilities = [\"read\"] }",
				"cut off":        strings.TrimSuffix(own("1").Text(), "}"),
			} {
				if got, body := bootstrapper.send(t, server, put(authz.PolicyPath(authz.MarkPolicy), map[string]any{"policy": text})); got != 403 {
					t.Errorf("%s: status %d: %s", name, got, body)
				}
			}
			if got, body := bootstrapper.send(t, server, remove(authz.PolicyPath(authz.MarkPolicy))); got != 403 {
				t.Errorf("delete: status %d: %s", got, body)
			}

			// Whoever gets it has no more rights by that.
			secret, err := root.Auth().Token().CreateWithContext(t.Context(), &api.TokenCreateRequest{
				Policies: []string{authz.MarkPolicy}, NoParent: true, NoDefaultPolicy: true, TTL: "10m",
			})
			if err != nil {
				t.Fatal(err)
			}
			held := rootClient(t, server)
			held.SetToken(secret.Auth.ClientToken)
			for _, path := range []string{authz.MarkPolicy, "sys/policies/acl/" + authz.MarkPolicy, "sys/mounts", "secret/data/x"} {
				if got, err := held.Sys().CapabilitiesSelfWithContext(t.Context(), path); err == nil && fmt.Sprint(got) != "[deny]" {
					t.Errorf("a token with the mark has %v on %s", got, path)
				}
			}
			if _, err := held.Sys().ListPoliciesWithContext(t.Context()); err == nil {
				t.Error("a token with the mark lists policies")
			}
		})
	}
}
