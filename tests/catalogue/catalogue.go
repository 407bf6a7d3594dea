// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package catalogue reads from a server which paths it has, for the files in
// pkg/authz/catalogue.
package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/openbao/openbao/api/v2"
)

// mount is where Read mounts the JWT method, under a name that no path has.
const mount = "jwt-of-the-catalogue"

// families are what comes before the paths that decide about the whole server.
var families = []string{"sys/", "identity/", "auth/token/", "auth/{mount}/", "cubbyhole/"}

// Read returns the paths that a server has of its own and those of a JWT mount, as
// it answers them to a root token, sorted. Each variable is in braces, {mount} for
// the JWT mount. The server gets a JWT mount for that.
func Read(ctx context.Context, root *api.Client) ([]string, error) {
	if err := root.Sys().EnableAuthWithOptionsWithContext(ctx, mount, &api.EnableAuthOptions{Type: "jwt"}); err != nil {
		return nil, fmt.Errorf("mount the JWT method: %w", err)
	}
	response, err := root.Logical().ReadRawWithContext(ctx, "sys/internal/specs/openapi")
	if err != nil {
		return nil, fmt.Errorf("read the list of paths: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the list of paths: %w", err)
	}
	var document struct {
		Paths map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return nil, fmt.Errorf("parse the list of paths: %w", err)
	}
	paths := map[string]bool{}
	for path, item := range document.Paths {
		path = template(path)
		if !slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(path, f) }) {
			continue
		}
		paths[path] = true
		if lists(item) {
			// A rule for a list is about the path with a slash at its end, or without.
			bare := strings.TrimSuffix(path, "/")
			paths[bare], paths[bare+"/"] = true, true
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("the list of paths has none of %s", strings.Join(families, ", "))
	}
	return slices.Sorted(maps.Keys(paths)), nil
}

var variable = regexp.MustCompile(`\{[^}]*\}`)

// template spells a path as the files do: what a variable is called says nothing.
func template(path string) string {
	path = variable.ReplaceAllString(strings.TrimPrefix(path, "/"), "{name}")
	return strings.Replace(path, "auth/"+mount+"/", "auth/{mount}/", 1)
}

// lists reports whether a path of the document can be listed.
func lists(item json.RawMessage) bool {
	var operations struct {
		List json.RawMessage `json:"list"`
		Get  struct {
			Parameters []struct {
				Name string `json:"name"`
			} `json:"parameters"`
		} `json:"get"`
	}
	if json.Unmarshal(item, &operations) != nil {
		return true // one path too many does no harm
	}
	for _, p := range operations.Get.Parameters {
		if p.Name == "list" {
			return true
		}
	}
	return operations.List != nil
}
