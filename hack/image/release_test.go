// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"golang.org/x/mod/modfile"
	"sigs.k8s.io/yaml"
)

// object is what the tests read of a manifest.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Template struct {
			Spec struct {
				Containers []struct {
					Image string `json:"image"`
				} `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

func objectsOf(t *testing.T, manifest []byte) []object {
	t.Helper()
	var out []object
	for document := range bytes.SplitSeq(manifest, []byte("\n---\n")) {
		var o object
		if err := yaml.Unmarshal(document, &o); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if o.APIVersion == "" || o.Kind == "" || o.Metadata.Name == "" {
			t.Fatalf("no object: %s", document)
		}
		out = append(out, o)
	}
	return out
}

func TestManifests(t *testing.T) {
	b := theBuild(t)
	overlays := must(os.ReadDir("../../manifests/overlays"))(t)
	names := []string{"install.yaml"}
	for _, o := range overlays {
		names = append(names, "install-"+o.Name()+".yaml")
	}
	if len(names) < 2 {
		t.Error("there are no overlays")
	}
	for _, name := range names {
		objects := objectsOf(t, b.file(t, name))
		if objects[0].Kind != "Namespace" {
			t.Errorf("%s starts with a %s, want the namespace of what follows", name, objects[0].Kind)
		}
		var images []string
		for _, o := range objects {
			for _, c := range o.Spec.Template.Spec.Containers {
				images = append(images, c.Image)
			}
		}
		if want := repository + ":" + testVersion + "@" + b.digest.String(); !slices.Equal(slices.Compact(images), []string{want}) {
			t.Errorf("%s runs %q, want only %q", name, images, want)
		}
	}
	var definitions []string
	for _, o := range objectsOf(t, b.file(t, "crds.yaml")) {
		if o.Kind != "CustomResourceDefinition" {
			t.Errorf("crds.yaml has the %s %s", o.Kind, o.Metadata.Name)
		}
		definitions = append(definitions, o.Metadata.Name)
	}
	for _, o := range objectsOf(t, b.file(t, "install.yaml")) {
		if o.Kind == "CustomResourceDefinition" && !slices.Contains(definitions, o.Metadata.Name) {
			t.Errorf("crds.yaml lacks %s", o.Metadata.Name)
		}
	}
	if len(definitions) < 31 {
		t.Errorf("there are %d definitions", len(definitions))
	}
}

// kubectl kustomize and a release must not render the same kustomization differently.
func TestKustomizeOfKubectl(t *testing.T) {
	version := func(path string) string {
		mod := must(modfile.Parse(path, must(os.ReadFile(path))(t), nil))(t)
		for _, r := range mod.Require {
			if r.Mod.Path == "sigs.k8s.io/kustomize/api" {
				return r.Mod.Version
			}
		}
		t.Fatalf("%s requires no kustomize", path)
		return ""
	}
	if ours, kubectls := version("go.mod"), version("../tools/kubernetes/go.mod"); ours != kubectls {
		t.Errorf("kustomize is %s here, and %s in kubectl; use that one", ours, kubectls)
	}
}

func TestReleaseFolder(t *testing.T) {
	b := theBuild(t)
	image := "bailiwick-" + testVersion + "-image.tar"
	want := []string{attestationsName, image, checksumsName, "crds.yaml", "install.yaml", provenanceName, notesName, sbomName(platforms()[0]), sbomName(platforms()[1])}
	var got []string
	for _, f := range b.files {
		if !strings.HasPrefix(f.name, "install-") && !strings.HasSuffix(f.name, ".tgz") {
			got = append(got, f.name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the release is %q, want %q", got, want)
	}

	// checksums.txt is about all but itself.
	checksums := map[string]string{}
	for line := range strings.Lines(string(b.file(t, checksumsName))) {
		digest, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		checksums[name] = digest
	}
	for _, f := range b.files {
		if f.name != checksumsName && checksums[f.name] != fmt.Sprintf("%x", sha256.Sum256(f.content)) {
			t.Errorf("the checksum of %s is %q", f.name, checksums[f.name])
		}
	}
	if len(checksums) != len(b.files)-1 {
		t.Errorf("there are %d checksums of %d files", len(checksums), len(b.files))
	}

	// The provenance is about the images and all files but itself and the checksums.
	s := checkProvenance(t, b, b.file(t, provenanceName), 3+len(b.files)-2)
	for _, subject := range s.Subject[3:] {
		if checksums[subject.Name] != subject.Digest["sha256"] {
			t.Errorf("the provenance is about another %s", subject.Name)
		}
	}

	// The archive is an OCI layout of one image, by its name, and of nothing else.
	dir := t.TempDir()
	if err := unpack(filepath.Join(theRelease.dir, "dist", testVersion, image), dir); err != nil {
		t.Fatal(err)
	}
	manifest := must(must(layout.ImageIndexFromPath(dir))(t).IndexManifest())(t)
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest != b.digest {
		t.Fatalf("the archive has %+v", manifest.Manifests)
	}
	for _, key := range []string{"io.containerd.image.name", "org.opencontainers.image.ref.name"} {
		if name := manifest.Manifests[0].Annotations[key]; name != b.ref {
			t.Errorf("%s is %q, want %q", key, name, b.ref)
		}
	}
	blobs := 0
	for _, f := range must(readFolder(dir))(t) {
		if name, ok := strings.CutPrefix(f.name, "blobs/sha256/"); ok {
			blobs++
			if name != sum(f) {
				t.Errorf("the blob %s has the digest %s", name, sum(f))
			}
		}
	}
	// An index, two manifests, configs and layers with the operator, and one layer
	// that they share.
	if blobs != 8 {
		t.Errorf("there are %d blobs", blobs)
	}
	// The layers were compared with their digests above and as they were read.
	if err := validate.Index(b.index, validate.Fast); err != nil {
		t.Error(err)
	}
}

// repo makes a repository without a commit.
func repo(t *testing.T) source {
	t.Helper()
	for key, value := range map[string]string{
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull, "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com",
		"GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@example.com", "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
	} {
		t.Setenv(key, value)
	}
	s := source{dir: t.TempDir()}
	s.mustGit(t, "init", "--quiet", "--initial-branch=main")
	return s
}

func (s source) mustGit(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(must(s.git(t.Context(), args...))(t))
}

// commit commits files with a subject.
func (s source) commitFiles(t *testing.T, subject string, paths ...string) {
	t.Helper()
	for _, path := range paths {
		path = filepath.Join(s.dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(subject), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.mustGit(t, "add", "--all")
	s.mustGit(t, "commit", "--quiet", "--allow-empty", "--message", subject)
}

func TestSource(t *testing.T) {
	s := repo(t)
	check := func(want string, dirty bool) {
		t.Helper()
		got := must(sourceOf(t.Context(), s.dir))(t)
		if got.commit != s.mustGit(t, "rev-parse", "HEAD") || got.dirty != dirty || !got.time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
			t.Errorf("got %+v", got)
		}
		version := must(got.version(t.Context()))(t)
		if !regexp.MustCompile("^" + want + "$").MatchString(version) {
			t.Errorf("the version is %s, want %s", version, want)
		}
	}
	s.commitFiles(t, "One", "a")
	check(`v0\.0\.0-20260102030405-[0-9a-f]{12}`, false)
	s.mustGit(t, "tag", "--annotate", "--message", "x", "v1.2.3")
	check(`v1\.2\.3`, false)
	s.mustGit(t, "tag", "vague")
	s.commitFiles(t, "Two", "b")
	check(`v1\.2\.4-0\.20260102030405-[0-9a-f]{12}`, false)
	if err := os.WriteFile(filepath.Join(s.dir, "c"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check(`v1\.2\.4-0\.20260102030405-[0-9a-f]{12}\+dirty`, true)

	none := must(sourceOf(t.Context(), t.TempDir()))(t)
	if none.revision() != "unknown" || none.dirty || none.time.Unix() != 0 || must(none.version(t.Context()))(t) != "v0.0.0-unknown" {
		t.Errorf("without git it is %+v", none)
	}
}

func TestCheckRelease(t *testing.T) {
	s := repo(t)
	s.commitFiles(t, "One", "a")
	s.mustGit(t, "tag", "v1.0.0")
	s.commitFiles(t, "Two", "a")
	s.mustGit(t, "tag", "--annotate", "--message", "x", "v1.1.0")
	check := func(version string, dirtyOK bool, want string) {
		t.Helper()
		err := checkRelease(t.Context(), must(sourceOf(t.Context(), s.dir))(t), version, dirtyOK)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got error %v, want %q", version, err, want)
		}
	}
	for _, version := range []string{"", "1.2.3", "v1", "v1.2", "v1.2.3.4", "v01.2.3", "v1.2.3+build", "latest", "v1.2.3 "} {
		check(version, false, "semantic version")
	}
	check("v1.1.0", false, "") // again
	check("v1.2.0-rc.1", false, "")
	check("v1.0.0", false, "on commit")
	check("v1.0.9", false, "comes after v1.1.0")
	if err := os.WriteFile(filepath.Join(s.dir, "left over"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("v1.2.0", false, "left over")
	check("v1.2.0", true, "")
	err := checkRelease(t.Context(), must(sourceOf(t.Context(), t.TempDir()))(t), "v1.2.0", false)
	if err == nil || !strings.Contains(err.Error(), "no git checkout") {
		t.Errorf("without git the error is %v", err)
	}
}

func TestNotes(t *testing.T) {
	s := repo(t)
	notes := func(version string) string {
		t.Helper()
		b := built{source: must(sourceOf(t.Context(), s.dir))(t), version: version, ref: repository + ":" + version}
		return string(must(b.notes(t.Context()))(t))
	}
	s.commitFiles(t, "Begin", "pkg/app/run.go")
	if got := notes("v1.0.0"); !strings.Contains(got, "first release") || !strings.HasSuffix(got, "## Operator\n\n- Begin\n") {
		t.Errorf("got notes\n%s", got)
	}
	s.mustGit(t, "tag", "v1.0.0")
	s.commitFiles(t, "Retry *_ids of <kafka>", "pkg/controller/aiven/kafka.go", "pkg/app/run.go", "README.md")
	s.mustGit(t, "tag", "v1.1.0-rc.1")
	s.mustGit(t, "checkout", "--quiet", "-b", "side")
	s.commitFiles(t, "Test bao", "pkg/bootstrap/sync_test.go")
	s.commitFiles(t, "Fix bao", "pkg/bootstrap/sync.go")
	s.mustGit(t, "checkout", "--quiet", "main")
	s.commitFiles(t, "Explain", "pkg/README.md")
	s.commitFiles(t, "Ship", "charts/bailiwick/Chart.yaml")
	s.mustGit(t, "merge", "--quiet", "--no-ff", "--message", "Merge side", "side")
	s.commitFiles(t, "Nothing")
	want := `
Changes since v1.0.0:

## Aiven

- Retry \*\_ids of \<kafka>

## OpenBao

- Fix bao

## Installation

- Ship

## Documentation

- Explain

## Tests and tools

- Nothing
- Test bao
`
	if got := notes("v1.1.0"); !strings.HasSuffix(got, want) {
		t.Errorf("got notes\n%s\nwant\n%s", got, want)
	}
	if got := notes("v1.1.0-rc.2"); !strings.Contains(got, "Changes since v1.1.0-rc.1:") || strings.Contains(got, "Retry") {
		t.Errorf("got notes\n%s", got)
	}
}

func TestChart(t *testing.T) {
	b := built{source: source{dir: t.TempDir(), time: time.Unix(1700000000, 0)}, version: "v1.2.3"}
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(b.source.dir, chartFolder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("values.yaml", "image:\n  tag: \"\"\n")
	if _, err := b.chart(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no charts/bailiwick/Chart.yaml") {
		t.Errorf("got error %v", err)
	}
	write("Chart.yaml", "name: bailiwick\nversion: 0.1.0\n")
	if _, err := b.chart(t.Context()); err == nil || !strings.Contains(err.Error(), "no appVersion") {
		t.Errorf("got error %v", err)
	}
	write("Chart.yaml", "apiVersion: v2\nname: bailiwick\nversion: 0.1.0\nappVersion: v0.1.0\n")
	write(".helmignore", "*.tmp\n")
	write("templates/tests/ready.yaml", "a: b\n")
	got := must(b.chart(t.Context()))(t)
	if got.name != "bailiwick-1.2.3.tgz" {
		t.Errorf("it is called %s", got.name)
	}
	content := must(io.ReadAll(must(gzip.NewReader(bytes.NewReader(got.content)))(t)))(t)
	files := map[string]string{}
	for _, e := range must(readTar(bytes.NewReader(content)))(t) {
		if !e.header.ModTime.Equal(b.source.time) {
			t.Errorf("%s is of %s", e.header.Name, e.header.ModTime)
		}
		files[e.header.Name] = string(e.content)
	}
	want := "apiVersion: v2\nname: bailiwick\nversion: 1.2.3\nappVersion: \"v1.2.3\"\n"
	if files["bailiwick/Chart.yaml"] != want || files["bailiwick/templates/tests/ready.yaml"] != "a: b\n" || files["bailiwick/values.yaml"] == "" {
		t.Errorf("got %q", files)
	}
	if _, ok := files["bailiwick/.helmignore"]; ok {
		t.Error(".helmignore is packaged")
	}
}

// A release has the chart, with its version, if there is one.
func TestReleaseHasTheChart(t *testing.T) {
	b := theBuild(t)
	_, err := os.Stat(filepath.Join("../..", chartFolder))
	name := "bailiwick-" + strings.TrimPrefix(testVersion, "v") + ".tgz"
	has := slices.ContainsFunc(b.files, func(f file) bool { return f.name == name })
	if has != (err == nil) {
		t.Errorf("the release has %s: %t; there is a chart: %t", name, has, err == nil)
	}
}

// A failure leaves what was there; a folder of others is left alone.
func TestReplaceFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bin", "image")
	put := func(name, content string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600) }
	}
	if err := replaceFolder(dir, put("oci-layout", "1")); err != nil {
		t.Fatal(err)
	}
	if err := replaceFolder(dir, func(string) error { return io.ErrUnexpectedEOF }); err == nil {
		t.Error("the failure was lost")
	}
	if err := replaceFolder(dir, put("oci-layout", "2")); err != nil {
		t.Fatal(err)
	}
	if got := must(os.ReadFile(filepath.Join(dir, "oci-layout")))(t); string(got) != "2" {
		t.Errorf("got %s", got)
	}
	if left := must(os.ReadDir(filepath.Dir(dir)))(t); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	// One file that looks like ours makes nobody's folder ours.
	for _, ours := range []string{"", "oci-layout", checksumsName} {
		other := t.TempDir()
		for _, name := range []string{"thesis.txt", ours} {
			if name == "" {
				continue
			}
			if err := put(name, "mine")(other); err != nil {
				t.Fatal(err)
			}
		}
		if err := replaceFolder(other, put("oci-layout", "1")); err == nil || !strings.Contains(err.Error(), "other files") {
			t.Errorf("beside %q: got error %v", ours, err)
		}
		if _, err := os.Stat(filepath.Join(other, "thesis.txt")); err != nil {
			t.Errorf("beside %q: %v", ours, err)
		}
	}
}

func TestArguments(t *testing.T) {
	for want, args := range map[string][]string{
		"usage":               {},
		`command "publish"`:   {"publish"},
		`argument "x"`:        {"build", "x"},
		"flag provided":       {"build", "--dirty-ok"},
		"--platforms":         {"build", "--version", "v1.0.0", "--platforms", "linux/amd64,windows/amd64"},
		"said twice":          {"build", "--version", "v1.0.0", "--platforms", "linux/amd64,linux/amd64"},
		"no such file":        {"push", "--ref", "localhost/a:b", "--image", "/nonexistent"},
		"and tag":             {"push", "--ref", "a:b"},
		"registry and tag":    {"build", "--version", "v1.0.0", "--ref", "bailiwick"},
		"semantic version":    {"release", "--version", "1.0"},
		"no git checkout, so": {"release", "-C", t.TempDir(), "--version", "v1.0.0"},
	} {
		if err := run(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", args, err, want)
		}
	}
}

// What people type works, or says what is missing.
func TestMake(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "release")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "VERSION=", "MAKEFLAGS=")
	if _, err := output(cmd); err == nil || !strings.Contains(err.Error(), "make release VERSION=v1.2.3") {
		t.Errorf("got error %v", err)
	}
}
