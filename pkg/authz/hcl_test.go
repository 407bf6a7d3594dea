// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// update rewrites the golden files: go test ./pkg/authz -run Golden -update
var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil { //nolint:gosec // A file of the repository.
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what was rendered. If that is right, run: go test ./pkg/authz -run Golden -update\n%s", path, got)
	}
}

// rendered are the contracts with golden files.
var rendered = map[string][]func(*openbaov1alpha1.OpenBaoClusterSpec){
	"initialize-operator":           {},
	"initialize-all":                {all},
	"initialize-minimal-blue-green": {all, blueGreen, minimal},
	"initialize-enforce":            {all, mode(openbaov1alpha1.AuthorizationEnforce), additional("Second", "backup")},
	"initialize-observe":            {all, mode(openbaov1alpha1.AuthorizationObserve)},
}

func TestGoldenInitialize(t *testing.T) {
	for name, mutate := range rendered {
		t.Run(name, func(t *testing.T) {
			contract := mustDesire(t, cluster(mutate...), inputs())
			text := authz.RenderInitialize(contract)
			golden(t, name+".hcl", text)
			if again := authz.RenderInitialize(mustDesire(t, cluster(mutate...), inputs())); !bytes.Equal(text, again) {
				t.Error("the same contract was rendered otherwise")
			}
			sameRequests(t, parseInitialize(t, text), authz.Requests(contract))
		})
	}
}

func TestGoldenBootstrapperPolicy(t *testing.T) {
	for _, m := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce} {
		g, _ := mustDesire(t, cluster(all, mode(m)), inputs()).Bootstrapper()
		golden(t, fmt.Sprintf("bootstrapper-%s.hcl", m), []byte(g.Policy.Text+"\n"))
	}
}

// TestInitializeTakesAnyText checks that texts from the object cannot leave their
// quotes.
func TestInitializeTakesAnyText(t *testing.T) {
	for _, audience := range []string{
		`"`, `\`, `a" }`, "${env.HOME}", "${", "$${x}", `\u0024{x}`, "*/ /*", "<<EOF", "# x", "ä€𝄞", "a b", `\"${`, "$", "}",
	} {
		contract := mustDesire(t, cluster(all, mode(openbaov1alpha1.AuthorizationEnforce), func(s *openbaov1alpha1.OpenBaoClusterSpec) {
			s.Authorization.Audience = audience
		}), inputs())
		sameRequests(t, parseInitialize(t, authz.RenderInitialize(contract)), authz.Requests(contract))
		// The bootstrapper's policy carries the audience in quotes within quotes.
		g, _ := contract.Bootstrapper()
		var policy map[string]any
		if err := hcl.Decode(&policy, g.Policy.Text); err != nil {
			t.Errorf("audience %q: %v", audience, err)
		}
	}
}

// parseInitialize reads an initialize stanza as the server does
// (helper/profiles/config.go of OpenBao).
func parseInitialize(t *testing.T, text []byte) []authz.Request {
	t.Helper()
	file, err := hcl.ParseBytes(text)
	if err != nil {
		t.Fatal(err)
	}
	stanzas := file.Node.(*ast.ObjectList).Filter("initialize").Items
	if len(stanzas) != 1 || len(stanzas[0].Keys) != 1 {
		t.Fatalf("there are %d initialize stanzas, want one with one name", len(stanzas))
	}
	var requests []authz.Request
	for _, item := range stanzas[0].Val.(*ast.ObjectType).List.Filter("request").Items {
		if len(item.Keys) != 1 {
			t.Fatalf("a request has %d names", len(item.Keys))
		}
		var body struct {
			Operation string         `hcl:"operation"`
			Path      string         `hcl:"path"`
			Data      map[string]any `hcl:"data"`
		}
		if err := hcl.DecodeObject(&body, item.Val); err != nil {
			t.Fatal(err)
		}
		for name, value := range body.Data {
			// The parser makes a list of every object, and the server undoes that.
			if list, ok := value.([]map[string]any); ok && len(list) == 1 {
				body.Data[name] = list[0]
			}
		}
		requests = append(requests, authz.Request{
			ID: item.Keys[0].Token.Value().(string), Operation: body.Operation, Path: body.Path, Data: body.Data,
		})
	}
	return requests
}

func sameRequests(t *testing.T, got, want []authz.Request) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d requests, want %d", len(got), len(want))
	}
	for i, w := range want {
		// Kind and name are for the reader of a plan; lists come as decoded.
		w.Kind, w.Name = "", ""
		data := map[string]any{}
		for name, value := range w.Data {
			if list, ok := value.([]string); ok {
				items := []any{}
				for _, item := range list {
					items = append(items, item)
				}
				value = items
			}
			data[name] = value
		}
		w.Data = data
		if !reflect.DeepEqual(got[i], w) {
			t.Errorf("request %d:\ngot  %+v\nwant %+v", i, got[i], w)
		}
	}
}
