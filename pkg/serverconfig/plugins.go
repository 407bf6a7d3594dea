// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"fmt"
	"regexp"
	"strings"
)

// pluginKMS is the type of the plugins that are seals.
const pluginKMS = "kms"

var (
	// imageRepository matches an image without tag and digest.
	imageRepository = regexp.MustCompile(`^([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)
	// imageTag matches the tag of an image.
	imageTag  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	sha256Sum = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
)

// plugins renders the plugins. One with environment variables is in the secret file,
// since nobody can tell which of them are credentials.
func (r *renderer) plugins() {
	seen := map[string]bool{}
	if len(r.spec.Plugins) > 0 {
		r.needs(DeclarativePlugins, "spec.plugins")
	}
	for i, p := range r.spec.Plugins {
		field := fmt.Sprintf("spec.plugins[%d]", i)
		switch p.Type {
		case "secret", "auth", "database":
		case pluginKMS:
			r.needs(KMSPlugins, field+".type")
		default:
			r.add(field+".type", "OpenBao has no plugins of the type %q; set secret, auth, database or kms", p.Type)
		}
		r.required(field+".name", p.Name)
		r.required(field+".version", p.Version)
		r.required(field+".binaryName", p.BinaryName)
		switch {
		case p.Image == "" && p.Command == "":
			r.add(field, "it has neither an image nor a command; set one of them")
		case p.Image != "" && p.Command != "":
			r.add(field, "it has an image and a command; remove one of them")
		case p.Image != "" && !imageRepository.MatchString(p.Image):
			r.add(field+".image", "%q is not an image without a tag; write registry.example.com/org/plugin for example", p.Image)
		case p.Image != "" && p.Version != "" && !imageTag.MatchString(p.Version):
			r.add(field+".version", "%q is not the tag of an image; write v1.0.0 for example", p.Version)
		case strings.Contains(p.Command, "/"):
			r.add(field+".command", "%q is not the name of a program; the program must be in %s, and is named without a folder", p.Command, PluginDir)
		}
		if !sha256Sum.MatchString(p.SHA256Sum) {
			r.add(field+".sha256sum", "it must be 64 hexadecimal digits; set the output of sha256sum for the program")
		}
		for j, e := range p.Env {
			if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
				r.add(fmt.Sprintf("%s.env[%d]", field, j), "it must be NAME=value; write both, with an equals sign")
			}
		}
		if key := fmt.Sprintf("%q %q %q", p.Type, p.Name, p.Version); seen[key] {
			r.add(field, "there is another plugin with this type, name and version; remove one of them")
		} else {
			seen[key] = true
		}

		var b body
		b.setText("image", p.Image)
		b.setText("command", p.Command)
		b.setText("version", p.Version)
		b.setText("binary_name", p.BinaryName)
		b.setText("sha256sum", p.SHA256Sum)
		if len(p.Args) > 0 {
			b.set("args", p.Args)
		}
		if len(p.Env) > 0 {
			b.set("env", p.Env)
		}
		r.stanza(len(p.Env) > 0, b, "plugin", p.Type, p.Name)
	}
}
