// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command image builds the operator's container image and release, with neither a
// container engine nor a registry. The same source and version of Go make the same
// bytes, wherever and whenever.
//
//	image build   [-C REPOSITORY] [--ref NAME:TAG] [--version VERSION] [--platforms LIST] [--output DIR]
//	image release [-C REPOSITORY] --version vX.Y.Z [--ref NAME:TAG] [--platforms LIST] [--output DIR] [--dirty-ok]
//
//	image push    --ref NAME:TAG [--image LAYOUT] [--attestations LAYOUT]
//
// build writes an OCI layout to DIR (bin/image), which skopeo, crane and, as a tar
// archive, containerd take. Beside it, DIR-attestations is an OCI layout with the SBOMs
// and the provenance, each of which names the image as its subject.
//
// release writes the folder DIR/VERSION (dist/VERSION): the image, manifests, chart,
// SBOMs, provenance, notes and checksums. Nothing is signed or published.
//
// push sends an OCI layout, a folder or an archive, to a registry, and there attaches
// the artifacts of another one to it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// options are those of the command line.
type options struct {
	repository, ref, version, platforms, output, image, attestations string
	dirtyOK                                                          bool
}

func run(ctx context.Context, args []string, out io.Writer) error {
	const usage = "usage: image build|release|push [FLAGS]"
	if len(args) == 0 {
		return errors.New(usage)
	}
	var o options
	flags := flag.NewFlagSet("image "+args[0], flag.ContinueOnError)
	flags.StringVar(&o.ref, "ref", "", "the name and tag of the image; "+repository+":VERSION")
	if args[0] != "push" {
		flags.StringVar(&o.repository, "C", ".", "the repository")
		flags.StringVar(&o.version, "version", "", "the version of the operator; for build, what git knows")
		flags.StringVar(&o.platforms, "platforms", "linux/amd64,linux/arm64", "what the image is for")
		flags.StringVar(&o.output, "output", "", "where the result goes; bin/image or dist in the repository")
	}
	command := o.build
	switch args[0] {
	case "build":
	case "push":
		command = o.push
		flags.StringVar(&o.image, "image", "bin/image", "the OCI layout with the image")
		flags.StringVar(&o.attestations, "attestations", "", "the OCI layout with what is told of it")
	case "release":
		command = o.release
		flags.BoolVar(&o.dirtyOK, "dirty-ok", false, "release what is in no commit")
	default:
		return fmt.Errorf("unknown command %q; %s", args[0], usage)
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q; %s", flags.Arg(0), usage)
	}
	return command(ctx, out)
}

func (o *options) build(ctx context.Context, out io.Writer) error {
	src, err := sourceOf(ctx, o.repository)
	if err != nil {
		return err
	}
	if o.version == "" {
		if o.version, err = src.version(ctx); err != nil {
			return err
		}
	}
	b, err := o.make(ctx, src)
	if err != nil {
		return err
	}
	dir := o.output
	if dir == "" {
		dir = filepath.Join(src.dir, "bin", "image")
	}
	if err := replaceFolder(dir, b.writeLayout); err != nil {
		return err
	}
	if err := replaceFolder(dir+"-attestations", b.writeAttestations); err != nil {
		return err
	}
	return b.report(out, dir)
}

func (o *options) release(ctx context.Context, out io.Writer) error {
	src, err := sourceOf(ctx, o.repository)
	if err != nil {
		return err
	}
	if err := checkRelease(ctx, src, o.version, o.dirtyOK); err != nil {
		return err
	}
	b, err := o.make(ctx, src)
	if err != nil {
		return err
	}
	files, err := b.release(ctx)
	if err != nil {
		return err
	}
	if o.output == "" {
		o.output = filepath.Join(src.dir, "dist")
	}
	dir := filepath.Join(o.output, o.version)
	err = replaceFolder(dir, func(dir string) error {
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(dir, f.name), f.content, os.FileMode(f.mode)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.report(out, dir)
}

// make builds the image that the options ask for.
func (o *options) make(ctx context.Context, src source) (*built, error) {
	if o.ref == "" {
		// A tag has no +.
		o.ref = repository + ":" + strings.ReplaceAll(o.version, "+", "_")
	}
	if _, err := parseRef(o.ref); err != nil {
		return nil, err
	}
	platforms, err := parsePlatforms(o.platforms)
	if err != nil {
		return nil, err
	}
	return build(ctx, src, o.version, o.ref, platforms)
}

// parsePlatforms reads a list of the platforms that images are made for.
func parsePlatforms(list string) ([]v1.Platform, error) {
	var out []v1.Platform
	seen := map[string]bool{}
	for word := range strings.SplitSeq(list, ",") {
		known := false
		for _, p := range platforms() {
			if p.String() == word && !seen[word] {
				known, seen[word] = true, true
				out = append(out, p)
			}
		}
		if !known {
			return nil, fmt.Errorf("--platforms %q: %q is said twice, or not one of linux/amd64 and linux/arm64", list, word)
		}
	}
	return out, nil
}

// report says what was made.
func (b *built) report(out io.Writer, dir string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n  %s\n", b.pinned(), dir)
	for _, image := range b.images {
		fmt.Fprintf(&text, "  %s %s\n", image.platform.String(), image.descriptor.Digest)
	}
	_, err := io.WriteString(out, text.String())
	return err
}
