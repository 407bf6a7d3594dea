// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/openbao/openbao/api/v2"
	"k8s.io/apimachinery/pkg/runtime"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// selfInitialized starts a server that initialises itself with a contract, and
// with a request of a user that leaves a way in: the server revokes the token that
// it carries the requests out with.
func selfInitialized(t *testing.T, contract authz.Contract) *stack.OpenBao {
	t.Helper()
	const token = "a-way-in"
	requests, err := authz.RenderSelfInit([]openbaov1alpha1.SelfInitRequest{{
		Name: "people", Operation: openbaov1alpha1.RequestUpdate, Path: "auth/token/create",
		Data: &runtime.RawExtension{Raw: []byte(`{"id": "` + token + `", "policies": ["root"], "no_parent": true}`)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := stack.NewOpenBao(t, stack.OpenBaoOptions{SelfInit: &stack.SelfInit{
		Stanzas: string(slices.Concat(authz.RenderInitialize(contract), requests)), RootToken: token,
	}})
	return server
}

// TestServerInitializesItself boots a server with the rendered stanzas into the
// state that the API requests leave, and has the standing identity keep it.
func TestServerInitializesItself(t *testing.T) {
	signer := newSigner(t, "a")
	for name, contract := range map[string]authz.Contract{
		"document, enforced":           desired(t, cluster(), signer.key),
		"minimal, blue/green, observe": desired(t, cluster(minimal, blueGreen, observe), signer.key),
	} {
		t.Run(name, func(t *testing.T) {
			byAPI := fresh(t)
			byAPI.Require(t, stack.FeatureSelfInit)
			byItself := selfInitialized(t, contract)
			send(t, rootClient(t, byAPI), authz.Requests(contract))
			root := rootClient(t, byItself)
			if got, want := stateOf(t, root), stateOf(t, rootClient(t, byAPI)); !reflect.DeepEqual(got, want) {
				t.Errorf("the server has\n%v\nthe API requests leave\n%v", got, want)
			}
			if tokens := accessors(t, root); len(tokens) != 1 {
				t.Errorf("%d tokens live, want the one that was asked for", len(tokens))
			}

			grant, _ := contract.Bootstrapper()
			bootstrapper := logIn(t, byItself, signer, grant)
			if plan := authz.Diff(contract, readAll(t, bootstrapper, contract), authz.Recorded{}); len(plan) > 0 {
				t.Errorf("the standing identity finds %+v", plan)
			}
			for _, g := range contract.Grants {
				logIn(t, byItself, signer, g)
			}
			if err := root.Sys().DeletePolicyWithContext(t.Context(), backupName); err != nil {
				t.Fatal(err)
			}
			plan := authz.Diff(contract, readAll(t, bootstrapper, contract), authz.Recorded{})
			if len(plan) != 1 || plan[0].Name != backupName {
				t.Fatalf("the standing identity finds %+v", plan)
			}
			err := apply(t, bootstrapper, plan[0])
			if enforced := len(plan.Repairable()) == 1; (err == nil) != enforced || enforced != (name == "document, enforced") {
				t.Errorf("repairing %+v: %v", plan, err)
			}

			// A second start changes nothing.
			held := stateOf(t, root)
			if err := byItself.StopServer(); err != nil {
				t.Fatal(err)
			}
			if err := byItself.StartServer(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := stateOf(t, root); !reflect.DeepEqual(got, held) {
				t.Errorf("the server had\n%v\nand has after a restart\n%v", held, got)
			}
		})
	}
}

func accessors(t *testing.T, client *api.Client) []any {
	t.Helper()
	secret, err := client.Logical().ListWithContext(t.Context(), "auth/token/accessors")
	if err != nil {
		t.Fatal(err)
	}
	list, _ := secret.Data["keys"].([]any)
	return list
}

// TestConcurrentPolicyWriters has many write one policy at once, each from what it
// has read: the server lets one of them through.
func TestConcurrentPolicyWriters(t *testing.T) {
	server := fresh(t)
	server.Require(t, stack.FeaturePolicyCAS)
	signer := newSigner(t, "a")
	contract := desired(t, cluster(), signer.key)
	send(t, rootClient(t, server), authz.Requests(contract))
	grant, _ := contract.Bootstrapper()
	bootstrapper, root := logIn(t, server, signer, grant), ourClient(t, server, server.RootToken)
	text := contract.Grants[1].Policy.Text

	// at once returns how many of the writers succeeded; the others must have been
	// told why.
	atOnce := func(client *openbao.Client, read *openbao.Policy) int {
		t.Helper()
		const writers = 8
		errs := make([]error, writers)
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() { errs[i] = client.WritePolicy(t.Context(), backupName, text, read) })
		}
		wg.Wait()
		written := 0
		for _, err := range errs {
			switch openbao.ClassOf(err) {
			case "":
				written++
			case openbao.Conflict:
			default:
				t.Errorf("class %q: %v", openbao.ClassOf(err), err)
			}
		}
		return written
	}
	for who, client := range map[string]*openbao.Client{"an admin token": root, "the standing identity": bootstrapper.Client} {
		for range 5 {
			read, err := client.ReadPolicy(t.Context(), backupName)
			if err != nil {
				t.Fatal(err)
			}
			if read.Version == nil {
				t.Fatal("the server does not count the writes of a policy")
			}
			if n := atOnce(client, &read); n != 1 {
				t.Errorf("%s: %d of the writers replaced the policy, want 1", who, n)
			}
			if err := client.DeletePolicy(t.Context(), backupName); err != nil {
				t.Fatal(err)
			}
			if n := atOnce(client, nil); n != 1 {
				t.Errorf("%s: %d of the writers made the policy, want 1", who, n)
			}
		}
	}

	// Another writer in between is noticed, and stays.
	read, err := bootstrapper.ReadPolicy(t.Context(), backupName)
	if err != nil {
		t.Fatal(err)
	}
	const theirs = `path "x" { capabilities = ["read"] }`
	write(t, rootClient(t, server), authz.PolicyPath(backupName), map[string]any{"policy": theirs})
	if err := bootstrapper.WritePolicy(t.Context(), backupName, text, &read); openbao.ClassOf(err) != openbao.Conflict {
		t.Errorf("writing over another writer: %v", err)
	}
	if now, err := bootstrapper.ReadPolicy(t.Context(), backupName); err != nil || now.Text != theirs {
		t.Errorf("the policy is %q, %v", now.Text, err)
	}
}
