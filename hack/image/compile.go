// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	mainPackage    = "./cmd/bailiwick"
	versionPackage = "github.com/bailiwick-operator/bailiwick/pkg/version"
)

// binary is the operator, built for one platform.
type binary struct {
	platform v1.Platform
	content  []byte
	info     *buildinfo.BuildInfo
}

// settings are what decides, beside the source and the version of Go, which bytes a
// build makes. They are set in full, so that nobody's environment has a say.
func settings(platform v1.Platform) []string {
	return []string{
		"CGO_ENABLED=0", "GOOS=" + platform.OS, "GOARCH=" + platform.Architecture,
		"GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOENV=off", "GOFLAGS=-mod=readonly", "GOFIPS140=off", "GOWORK=off",
	}
}

// flags are the arguments of the build.
func flags(version, revision string) []string {
	// What git knows differs between a checkout, a worktree and an archive of the
	// same source; it is told in ldflags.
	return []string{
		"-mod=readonly", "-trimpath", "-buildvcs=false",
		fmt.Sprintf("-ldflags=-s -w -buildid= -X %[1]s.version=%[2]s -X %[1]s.revision=%[3]s", versionPackage, version, revision),
	}
}

// compile builds the operator.
func compile(ctx context.Context, src source, platform v1.Platform, version string) (*binary, error) {
	dir, err := os.MkdirTemp("", "bailiwick-image-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left there is only temporary
	file := filepath.Join(dir, "bailiwick")
	args := slices.Concat([]string{"build"}, flags(version, src.revision()), []string{"-o", file, mainPackage})
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = src.dir, append(os.Environ(), settings(platform)...)
	if _, err := output(cmd); err != nil {
		return nil, fmt.Errorf("build the operator for %s: %w", platform.String(), err)
	}
	b := &binary{platform: platform}
	if b.content, err = os.ReadFile(file); err != nil {
		return nil, err
	}
	if b.info, err = buildinfo.ReadFile(file); err != nil {
		return nil, fmt.Errorf("read what the operator was built from: %w", err)
	}
	return b, nil
}

// toolchain returns the version of Go as a version without its "go", and without the
// experiments that may follow.
func (b *binary) toolchain() string {
	version, _, _ := strings.Cut(strings.TrimPrefix(b.info.GoVersion, "go"), " ")
	return version
}
