// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// testVersion is later than any release.
const testVersion = "v999.0.0"

// fixture is the release of this checkout, as it is in its folder.
type fixture struct {
	// tool is this program.
	tool   string
	source source
	ref    string
	digest v1.Hash
	index  v1.ImageIndex
	images []imageFixture
	files  []file
}

// imageFixture is the image of one platform.
type imageFixture struct {
	platform v1.Platform
	image    v1.Image
	digest   v1.Hash
	root     map[string]entry
	info     *buildinfo.BuildInfo
}

// shared is the release that all tests look at. It is made by the first of them that
// asks for it.
type shared struct {
	once sync.Once
	dir  string
	fixture
	err error
}

var theRelease shared

func TestMain(m *testing.M) {
	code := m.Run()
	if err := os.RemoveAll(theRelease.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func theBuild(t *testing.T) *fixture {
	t.Helper()
	s := &theRelease
	s.once.Do(func() { s.err = s.make(context.Background()) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return &s.fixture
}

// make runs this program, built as make builds it, without the race detector that
// would make a second's work a minute's.
func (s *shared) make(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "bailiwick-release-"); err != nil {
		return err
	}
	s.tool = filepath.Join(s.dir, "hack-image")
	compile := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", s.tool, ".")
	compile.Env = append(os.Environ(), "GOWORK=off")
	if _, err := output(compile); err != nil {
		return err
	}
	if s.source, err = sourceOf(ctx, "../.."); err != nil {
		return err
	}
	dist := filepath.Join(s.dir, "dist")
	if _, err := output(exec.CommandContext(ctx, s.tool, "release", "-C", s.source.dir, "--version", testVersion, "--output", dist, "--dirty-ok")); err != nil {
		return err
	}
	s.ref = repository + ":" + testVersion
	folder := filepath.Join(dist, testVersion)
	if s.files, err = readFolder(folder); err != nil {
		return err
	}
	image := filepath.Join(s.dir, "image")
	if err := unpack(filepath.Join(folder, "bailiwick-"+testVersion+"-image.tar"), image); err != nil {
		return err
	}
	return s.read(image)
}

// read reads the image from its layout.
func (f *fixture) read(dir string) error {
	all, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return err
	}
	outer, err := all.IndexManifest()
	if err != nil {
		return err
	}
	f.digest = outer.Manifests[0].Digest
	if f.index, err = all.ImageIndex(f.digest); err != nil {
		return err
	}
	inner, err := f.index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range inner.Manifests {
		one := imageFixture{platform: *d.Platform, digest: d.Digest}
		if one.image, err = f.index.Image(d.Digest); err != nil {
			return err
		}
		if one.root, err = rootOf(one.image); err != nil {
			return err
		}
		if one.info, err = buildinfo.Read(bytes.NewReader(one.root["bailiwick"].content)); err != nil {
			return err
		}
		f.images = append(f.images, one)
	}
	return nil
}

// pinned is the name that manifests give the image.
func (f *fixture) pinned() string { return f.ref + "@" + f.digest.String() }

// file returns a file of the release.
func (f *fixture) file(t *testing.T, name string) []byte {
	t.Helper()
	for _, f := range f.files {
		if f.name == name {
			return f.content
		}
	}
	t.Fatalf("the release has no %s", name)
	return nil
}

// must returns what a call returned that may not fail.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// copyOf copies the checkout to another folder, with files that only their owner may
// read.
func copyOf(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "elsewhere", "bailiwick")
	must(output(exec.Command("git", "clone", "--quiet", "--shared", "--no-checkout", from, to)))(t)
	reset := exec.Command("git", "reset", "--quiet")
	reset.Dir = to
	must(output(reset))(t)
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = from
	for name := range strings.SplitSeq(strings.TrimRight(must(output(list))(t), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) { // removed, and not yet committed
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		content := must(os.ReadFile(filepath.Join(from, name)))(t)
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), content, info.Mode()&0o700); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// A build of the same source in another folder, under another umask, at another time
// and in another time zone makes the same bytes.
func TestSameBytesAnywhere(t *testing.T) {
	first := theBuild(t)
	elsewhere := copyOf(t, first.source.dir)
	t.Setenv("TZ", "Pacific/Kiritimati")
	t.Setenv("GOFLAGS", "-tags=other")
	defer syscall.Umask(syscall.Umask(0o077))
	out := filepath.Join(t.TempDir(), "dist")
	said := must(output(exec.CommandContext(t.Context(), first.tool, "release", "-C", elsewhere, "--version", testVersion, "--output", out, "--dirty-ok")))(t)
	if !strings.Contains(said, first.pinned()) {
		t.Errorf("the image is %s there, and %s here", said, first.pinned())
	}
	again := must(readFolder(filepath.Join(out, testVersion)))(t)
	names := map[string]bool{}
	for _, f := range again {
		names[f.name] = true
		if !bytes.Equal(f.content, first.file(t, f.name)) {
			t.Errorf("%s differs", f.name)
		}
	}
	if len(names) != len(first.files) {
		t.Errorf("the release is %v there, and has %d files here", slices.Sorted(maps.Keys(names)), len(first.files))
	}
}

// entry is a file in a layer.
type entry struct {
	header  tar.Header
	content []byte
}

func readTar(r io.Reader) ([]entry, error) {
	var out []entry
	for in := tar.NewReader(r); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		out = append(out, entry{*header, content})
	}
}

// rootOf returns the files of an image, none of which may be in two layers.
func rootOf(image v1.Image) (map[string]entry, error) {
	out := map[string]entry{}
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		r, err := l.Uncompressed()
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		if id, err := l.DiffID(); err != nil || id.Hex != fmt.Sprintf("%x", sha256.Sum256(content)) {
			return nil, fmt.Errorf("the config has the layer %s, which is another one: %w", id, err)
		}
		entries, err := readTar(bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if _, twice := out[e.header.Name]; twice {
				return nil, fmt.Errorf("%s is in two layers", e.header.Name)
			}
			out[e.header.Name] = e
		}
	}
	return out, nil
}

func TestFiles(t *testing.T) {
	want := map[string]int64{
		"bailiwick": 0o755, "bailiwick-job": 0o755, "etc/": 0o755, "etc/group": 0o644, "etc/passwd": 0o644,
		"etc/ssl/": 0o755, "etc/ssl/certs/": 0o755, "etc/ssl/certs/ca-certificates.crt": 0o644,
		"usr/": 0o755, "usr/share/": 0o755, "usr/share/doc/": 0o755, "usr/share/doc/bailiwick/": 0o755,
		"usr/share/doc/bailiwick/LICENSE": 0o644, "usr/share/doc/bailiwick/THIRD_PARTY_LICENSES": 0o644,
	}
	for _, image := range theBuild(t).images {
		t.Run(image.platform.Architecture, func(t *testing.T) {
			root := image.root
			got := map[string]int64{}
			for name, e := range root {
				got[name] = e.header.Mode
				if e.header.Uid != 0 || e.header.Gid != 0 || e.header.Uname != "" || e.header.Gname != "" {
					t.Errorf("%s belongs to %d:%d (%q:%q)", name, e.header.Uid, e.header.Gid, e.header.Uname, e.header.Gname)
				}
				if !e.header.ModTime.Equal(time.Unix(0, 0)) {
					t.Errorf("%s is of %s", name, e.header.ModTime)
				}
				if isDir := strings.HasSuffix(name, "/"); (e.header.Typeflag == tar.TypeDir) != isDir || (e.header.Typeflag == tar.TypeReg) == isDir {
					t.Errorf("%s is of type %c", name, e.header.Typeflag)
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("got files with modes %v, want %v", got, want)
			}
			if passwd := string(root["etc/passwd"].content); !strings.Contains(passwd, "\nnonroot:x:65532:65532:") {
				t.Errorf("the user is not in %q", passwd)
			}
			others := string(root["usr/share/doc/bailiwick/THIRD_PARTY_LICENSES"].content)
			for _, m := range image.info.Deps {
				if !strings.Contains(others, "== "+m.Path+" "+m.Version+": ") {
					t.Errorf("there is no licence of %s", m.Path)
				}
			}
			if !strings.Contains(others, "== Go "+strings.TrimPrefix(image.info.GoVersion, "go")+": LICENSE") {
				t.Error("there is no licence of Go")
			}
		})
	}
}

// An image has nothing that a program could be linked to or run by.
func TestBinaryIsStatic(t *testing.T) {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	for _, image := range theBuild(t).images {
		program := must(elf.NewFile(bytes.NewReader(image.root["bailiwick"].content)))(t)
		if program.Machine != machines[image.platform.Architecture] {
			t.Errorf("the binary for %s is for %s", image.platform.String(), program.Machine)
		}
		for _, p := range program.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("the binary for %s is linked dynamically", image.platform.String())
			}
		}
	}
}

func TestConfig(t *testing.T) {
	b := theBuild(t)
	index := must(b.index.IndexManifest())(t)
	if len(index.Manifests) != 2 {
		t.Fatalf("there are %d images", len(index.Manifests))
	}
	for i, image := range b.images {
		if d := index.Manifests[i]; d.Platform.String() != platforms()[i].String() || d.Digest != image.digest {
			t.Errorf("the index has %s as %s, want %s as %s", d.Digest, d.Platform, image.digest, platforms()[i].String())
		}
		config := must(image.image.ConfigFile())(t)
		if config.OS != "linux" || config.Architecture != image.platform.Architecture || !config.Created.Equal(b.source.time) {
			t.Errorf("the config is of %s/%s, made at %s", config.OS, config.Architecture, config.Created)
		}
		if config.Config.User != "65532:65532" || !slices.Equal(config.Config.Entrypoint, []string{"/bailiwick"}) || len(config.Config.Cmd) > 0 {
			t.Errorf("user %q runs %q %q", config.Config.User, config.Config.Entrypoint, config.Config.Cmd)
		}
		manifest := must(image.image.Manifest())(t)
		for where, values := range map[string]map[string]string{"labels": config.Config.Labels, "manifest": manifest.Annotations, "index": index.Annotations} {
			for key, want := range map[string]string{
				"source": sourceURL, "version": testVersion, "revision": b.source.revision(), "licenses": "Apache-2.0", "created": b.source.time.Format(time.RFC3339),
			} {
				if got := values["org.opencontainers.image."+key]; got != want {
					t.Errorf("%s: %s is %q, want %q", where, key, got, want)
				}
			}
		}
	}
}

// The binary of this machine runs with nothing but the image around it, and says what
// it was built from.
func TestRuns(t *testing.T) {
	b := theBuild(t)
	i := slices.IndexFunc(b.images, func(i imageFixture) bool {
		return i.platform.OS == runtime.GOOS && i.platform.Architecture == runtime.GOARCH
	})
	if i < 0 {
		t.Skipf("there is no image for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	if os.Getuid() != 0 {
		t.Skip("only root may change to the root of the image")
	}
	dir := t.TempDir()
	for name, e := range b.images[i].root {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if e.header.Typeflag == tar.TypeReg {
			if err := os.WriteFile(path, e.content, os.FileMode(e.header.Mode)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), entrypoint, "--version")
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	said := must(output(cmd))(t)
	want := fmt.Sprintf("bailiwick version %s (revision %s, %s)\n", testVersion, b.source.revision(), b.images[i].info.GoVersion)
	if said != want {
		t.Errorf("it says %q, want %q", said, want)
	}
}

func TestRoots(t *testing.T) {
	got := map[string]bool{}
	for rest := must(roots())(t); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatal("there is something else than certificates")
		}
		c := must(x509.ParseCertificate(block.Bytes))(t)
		if !c.IsCA {
			t.Errorf("%s is no authority", c.Subject)
		}
		got[c.Subject.CommonName] = true
	}
	// Those that the API of Aiven, and public servers at large, have certificates of.
	for _, name := range []string{"ISRG Root X1", "ISRG Root X2", "GTS Root R1", "GTS Root R4", "DigiCert Global Root G2", "Amazon Root CA 1"} {
		if !got[name] {
			t.Errorf("%s is not trusted", name)
		}
	}
	// Go looks for a file of that name.
	goroot := strings.TrimSpace(must(output(exec.Command("go", "env", "GOROOT")))(t))
	if code := must(os.ReadFile(filepath.Join(goroot, "src/crypto/x509/root_linux.go")))(t); !bytes.Contains(code, []byte(`"/etc/ssl/certs/ca-certificates.crt"`)) {
		t.Error("Go does not read /etc/ssl/certs/ca-certificates.crt")
	}
}

func TestSBOM(t *testing.T) {
	for _, image := range theBuild(t).images {
		t.Run(image.platform.Architecture, func(t *testing.T) {
			var got spdxDocument
			if err := json.Unmarshal(theBuild(t).file(t, sbomName(image.platform)), &got); err != nil {
				t.Fatal(err)
			}
			packages := map[string]spdxPackage{documentID: {}}
			byName := map[string]spdxPackage{}
			for _, p := range got.Packages {
				if _, twice := packages[p.ID]; twice {
					t.Errorf("%s is said twice", p.ID)
				}
				packages[p.ID], byName[p.Name] = p, p
				if p.Name == "" || p.Version == "" || p.Declared == "" || p.Declared == noAssertion {
					t.Errorf("little is said of %+v", p)
				}
				// Some of what SPDX knows.
				if !slices.Contains([]string{"APPLICATION", "LIBRARY", "CONTAINER", "FILE"}, p.Purpose) || !regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`).MatchString(p.ID) {
					t.Errorf("%s is a %s", p.ID, p.Purpose)
				}
			}
			related := map[string]bool{documentID: true}
			for _, r := range got.Relationships {
				if _, ok := packages[r.Element]; !ok {
					t.Errorf("%s is no package", r.Element)
				}
				related[r.Related] = true
			}
			if !maps.Equal(related, setOf(maps.Keys(packages))) {
				t.Error("not all packages are related to another, or some that are do not exist")
			}

			// What go itself says of the programs in the image.
			modules := map[string]bool{}
			for _, program := range []string{"bailiwick", "bailiwick-job"} {
				path := filepath.Join(t.TempDir(), program)
				if err := os.WriteFile(path, image.root[program].content, 0o600); err != nil {
					t.Fatal(err)
				}
				for line := range strings.Lines(must(output(exec.Command("go", "version", "-m", path)))(t)) {
					fields := strings.Fields(line)
					if len(fields) != 4 || fields[0] != "dep" {
						continue
					}
					modules[fields[1]] = true
					p := byName[fields[1]]
					if p.Version != fields[2] || len(p.Checksums) != 1 || len(p.Checksums[0].Value) != 64 {
						t.Errorf("%s %s of %s is listed as %+v", fields[1], fields[2], program, p)
					}
				}
			}
			if len(modules) < 50 || len(got.Packages) != len(modules)+4 {
				t.Errorf("there are %d packages, and %d modules in the programs", len(got.Packages), len(modules))
			}
			if certificates := byName[rootsModule]; certificates.Version == "" {
				t.Error("the certificates are not listed")
			}
			if b := byName["bailiwick image for "+image.platform.String()]; b.Checksums[0].Value != image.digest.Hex {
				t.Errorf("it is about the image %s, not %s", b.Checksums[0].Value, image.digest)
			}
			if version := byName["Go standard library"].Version; "go"+version != strings.Fields(image.info.GoVersion)[0] {
				t.Errorf("Go is said to be %s", version)
			}
		})
	}
}

func setOf[K comparable](keys func(func(K) bool)) map[K]bool {
	out := map[K]bool{}
	for k := range keys {
		out[k] = true
	}
	return out
}

// What is told of the image names it as its subject, in a layout of its own.
func TestAttestations(t *testing.T) {
	b := theBuild(t)
	dir := t.TempDir()
	archive := filepath.Join(dir, attestationsName)
	if err := errors.Join(os.WriteFile(archive, b.file(t, attestationsName), 0o600), unpack(archive, dir)); err != nil {
		t.Fatal(err)
	}
	index := must(layout.ImageIndexFromPath(dir))(t)
	manifest := must(index.IndexManifest())(t)
	got := map[string]v1.Hash{}
	for _, d := range manifest.Manifests {
		image := must(index.Image(d.Digest))(t)
		m := must(image.Manifest())(t)
		title := m.Layers[0].Annotations["org.opencontainers.image.title"]
		if m.ArtifactType != d.ArtifactType || string(m.Layers[0].MediaType) != m.ArtifactType || m.Subject == nil {
			t.Fatalf("%s is %+v", title, m)
		}
		got[title] = m.Subject.Digest
		content := must(must(image.Layers())(t)[0].Compressed())(t)
		text := must(io.ReadAll(content))(t)
		if config := must(image.RawConfigFile())(t); string(config) != "{}" {
			t.Errorf("%s has the config %s", title, config)
		}
		if title == provenanceName {
			checkProvenance(t, b, text, 3)
		} else if !bytes.Equal(text, b.file(t, title)) {
			t.Errorf("%s is another one", title)
		}
	}
	want := map[string]v1.Hash{provenanceName: b.digest}
	for _, image := range b.images {
		want[sbomName(image.platform)] = image.digest
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A registry lists what was told of an image for whoever has only the image's digest.
func TestPush(t *testing.T) {
	b := theBuild(t)
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	ref := strings.TrimPrefix(server.URL, "http://") + "/team/bailiwick:" + testVersion
	folder := filepath.Join(theRelease.dir, "dist", testVersion)
	args := []string{"push", "--ref", ref, "--image", filepath.Join(folder, "bailiwick-"+testVersion+"-image.tar"), "--attestations", filepath.Join(folder, attestationsName)}
	for range 2 { // as after a failure
		if err := run(t.Context(), args, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	tag := must(parseRef(ref))(t)
	index := must(remote.Index(tag))(t)
	if digest := must(index.Digest())(t); digest != b.digest {
		t.Errorf("the registry has %s, want %s", digest, b.digest)
	}
	if err := validate.Index(index, validate.Fast); err != nil {
		t.Error(err)
	}
	subjects := map[v1.Hash]string{b.digest: string(provenanceType)}
	for _, image := range b.images {
		subjects[image.digest] = string(sbomType)
	}
	for subject, artifactType := range subjects {
		referrers := must(must(remote.Referrers(tag.Digest(subject.String())))(t).IndexManifest())(t)
		if len(referrers.Manifests) != 1 {
			t.Fatalf("the referrers of %s are %+v", subject, referrers.Manifests)
		}
		// This registry lists the type of the config in place of that of the artifact.
		artifact := must(must(remote.Image(tag.Digest(referrers.Manifests[0].Digest.String())))(t).Manifest())(t)
		if artifact.ArtifactType != artifactType || artifact.Subject.Digest != subject {
			t.Errorf("the referrer of %s is %+v, want a %s", subject, artifact, artifactType)
		}
	}
}

// checkProvenance checks a statement about the image and, in all, so many subjects.
func checkProvenance(t *testing.T, b *fixture, text []byte, subjects int) statement {
	t.Helper()
	var got statement
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "https://in-toto.io/Statement/v1" || got.PredicateType != "https://slsa.dev/provenance/v1" {
		t.Errorf("it is a %s about %s", got.Type, got.PredicateType)
	}
	if len(got.Subject) != subjects || got.Subject[0].Name != b.ref || got.Subject[0].Digest["sha256"] != b.digest.Hex {
		t.Errorf("the subjects are %v, want %d, the first %s", got.Subject, subjects, b.pinned())
	}
	definition := got.Predicate.Definition
	if checkout := definition.Dependencies[0]; checkout.URI != "git+"+sourceURL || checkout.Digest["gitCommit"] != b.source.commit {
		t.Errorf("it was built from %+v", checkout)
	}
	if definition.External["version"] != testVersion || definition.Internal["signed"] != false || got.Predicate.Run.Builder.ID == "" {
		t.Errorf("it was built so: %+v", got.Predicate)
	}
	return got
}

// A build of what is in no commit does not pretend to be one of the commit.
func TestDirtyProvenance(t *testing.T) {
	made := &built{version: testVersion, ref: repository + ":" + testVersion, images: []builtImage{{
		binary: &binary{platform: platforms()[0], info: &buildinfo.BuildInfo{GoVersion: "go1.26.8"}},
	}}}
	for _, dirty := range []bool{false, true} {
		made.source.commit, made.source.dirty = strings.Repeat("0123456789", 4), dirty
		var got statement
		if err := json.Unmarshal(must(made.provenance(made.subjects()))(t), &got); err != nil {
			t.Fatal(err)
		}
		if incomplete := got.Predicate.Definition.Dependencies[0].Annotations["complete"] == false; incomplete != dirty {
			t.Errorf("of a checkout that is dirty=%t the source is %+v", dirty, got.Predicate.Definition.Dependencies[0])
		}
	}
}
