// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// ofOthers are names in these pages that Kubernetes, Aiven or a tool has made.
var ofOthers = []string{
	"--server-side", "--help", "--version", "OwnerReferencesPermissionEnforcement", "Opaque", "Terminating",
	"NamespaceDeletionContentFailure", "True", "False", "Unknown", "AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration",
}

// pageNames knows the names that pages about Aiven objects and the installation use.
type pageNames struct {
	*guideNames
	schemas []map[string]any
	tests   string
}

func newPageNames(t testing.TB) *pageNames {
	t.Helper()
	p := &pageNames{guideNames: newGuideNames(t)}
	crds, err := filepath.Glob(manifests + "/crds/*_*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range crds {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd struct {
			Spec struct {
				Names    struct{ Kind string }
				Versions []struct {
					Schema struct {
						OpenAPIV3Schema map[string]any `yaml:"openAPIV3Schema"`
					}
				}
			}
		}
		if err := yaml.Unmarshal(raw, &crd); err != nil {
			t.Fatal(err)
		}
		p.literals[crd.Spec.Names.Kind] = true
		p.schemas = append(p.schemas, crd.Spec.Versions[0].Schema.OpenAPIV3Schema)
	}
	for _, pattern := range []string{"*_test.go", "../../pkg/*/*_test.go", "../../pkg/controller/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p.tests += string(raw)
		}
	}
	return p
}

var (
	testName = regexp.MustCompile(`^Test[A-Z]\w+$`)
	path     = regexp.MustCompile(`^(rbac|overlays|manifests|hack|pkg|docs|tests)/[a-z_/.-]+$`)
)

// known reports whether a name exists; names of a form that says nothing about whose they
// are count as known.
func (p *pageNames) known(name string) bool {
	name, _, _ = strings.Cut(name, ": ")
	bare, value, hasValue := strings.Cut(name, "=")
	switch {
	case strings.HasPrefix(name, "--"):
		return p.hasFlag(strings.TrimPrefix(bare, "--"))
	case strings.HasPrefix(name, "spec."), strings.HasPrefix(name, "status."):
		return slices.ContainsFunc(p.schemas, func(schema map[string]any) bool { return (&guideNames{schema: schema}).hasField(name) })
	case testName.MatchString(name):
		return strings.Contains(p.tests, "func "+name+"(")
	case constant.MatchString(name):
		return p.literals[name]
	case hasValue && constant.MatchString(bare):
		return p.literals[bare] && slices.Contains([]string{"True", "False"}, value)
	case strings.Contains(bare, "bailiwick.dev/"), strings.Contains(bare, ".aiven.io/"), strings.HasPrefix(bare, "bailiwick-") && !strings.Contains(bare, "."):
		parts := placeholder.Split(strings.TrimSuffix(bare, "*"), -1)
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(p.source, part) })
	case path.MatchString(name):
		_, inManifests := os.Stat(manifests + "/" + name)
		_, inCheckout := os.Stat(checkout + "/" + name)
		return inManifests == nil || inCheckout == nil
	}
	return true
}

// Every flag, field, reason, kind, annotation, policy, file and test that the pages name
// exists.
func TestGuideNamesOfPages(t *testing.T) {
	t.Parallel()
	p := newPageNames(t)
	for name, want := range map[string]bool{
		"--poll-interval": true, "--poll-intervals": false, "spec.authSecretRef": true, "spec.authSecretRef.key": true, "spec.secretRef": false,
		"spec.connInfoSecretTargetDisabled: true": true, "KafkaTopic": true, "KafkaTopics": false, "NoToken": true, "Ready=False": true,
		"bailiwick.dev/management-policy: Observe": true, "bailiwick.dev/policy": false, "bailiwick-secrets": true, "bailiwick-secretz": false,
		"rbac/optional": true, "rbac/option": false, "manifests/base": true, "TestAdoption": true, "TestAdopted": false,
		"bailiwick-openbao-record-<UID>": true, "controllers.aiven.io/deletion-policy=Orphan": true,
	} {
		if got := p.known(name); got != want {
			t.Errorf("%s is known: %t, want %t", name, got, want)
		}
	}
	names := 0
	for _, page := range append(pagesForUsers(t), checkout+"/SECURITY.md", checkout+"/CHANGELOG.md") {
		if page == openBaoGuide || page == openBaoReference {
			// TestGuideNames reads these with more knowledge.
			continue
		}
		_, text := fences(t, page)
		for _, match := range codeSpan.FindAllStringSubmatch(text, -1) {
			name := strings.ReplaceAll(match[1], "\n", " ")
			names++
			if !slices.Contains(ofOthers, name) && !p.known(name) {
				t.Errorf("%s: there is no %s", page, name)
			}
		}
	}
	if names < 100 {
		t.Errorf("The pages have %d names", names)
	}
}
