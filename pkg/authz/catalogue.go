// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"embed"
	"maps"
	"slices"
	"strings"
)

// catalogueFiles hold the paths that a server has, one file for each minor version
// that was asked: hack/catalogue.sh reads them with a root token. mounts.txt is
// written by hand: paths of mounts that servers often have.
//
//go:embed catalogue/*.txt
var catalogueFiles embed.FS

// The variables in the paths of the files.
const (
	// mountVariable is the path of the contract's own mount.
	mountVariable = "{mount}"
	// anyName stands for all names that a server or a user gives.
	anyName = "any"
)

// Catalogue returns the paths on which the rights of every identity are compared,
// sorted: all that the contract names, and all that a server of any known version
// has of its own.
//
// The version that the server reports chooses nothing. It comes from an answer that
// anyone can give, and a right on a path that the server lacks today is one that
// neither the contract gives nor the next version has to.
func Catalogue(c Contract) []string {
	paths := map[string]bool{}
	for _, template := range templates() {
		paths[fill(template, c.Mount.Path, anyName)] = true
	}
	addPolicy := func(name string) { paths[PolicyPath(name)] = true }
	addRole := func(name string) {
		paths[RolePath(c.Mount.Path, name)] = true
		paths[RolePath(c.Mount.Path, PinnedRoleName(name))] = true
	}
	paths[MountAPIPath(c.Mount.Path)] = true
	paths[MountAPIPath(c.Mount.Path)+"/tune"] = true
	addPolicy("default")
	addPolicy(MarkPolicy)
	for _, g := range c.Grants {
		addPolicy(g.Policy.Name)
		addRole(g.Role.Name)
		for path := range rulesOf(g.Policy.Text) {
			if !isPattern(path) {
				paths[path] = true
			}
		}
	}
	// What is not requested at the moment is Bailiwick's all the same.
	for _, id := range identities {
		addPolicy(id.defaultName)
		addRole(id.defaultName)
	}
	addPolicy(bootstrapperName)
	addRole(bootstrapperName)
	return slices.Sorted(maps.Keys(paths))
}

// templates returns the paths of all files, with their variables.
func templates() []string {
	entries, err := catalogueFiles.ReadDir("catalogue")
	if err != nil {
		panic("the catalogue is embedded: " + err.Error())
	}
	var all []string
	for _, entry := range entries {
		text, err := catalogueFiles.ReadFile("catalogue/" + entry.Name())
		if err != nil {
			panic("the catalogue is embedded: " + err.Error())
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				all = append(all, line)
			}
		}
	}
	return all
}

// fill replaces the variables of a path: one for the mount, and any other by name.
func fill(template, mount, name string) string {
	segments := strings.Split(template, "/")
	for i, segment := range segments {
		switch {
		case segment == mountVariable:
			segments[i] = mount
		case strings.HasPrefix(segment, "{"):
			segments[i] = name
		}
	}
	return strings.Join(segments, "/")
}
