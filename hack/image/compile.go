// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	mainPackage    = "./cmd/bailiwick"
	jobPackage     = "./cmd/bailiwick-job"
	versionPackage = "github.com/bailiwick-operator/bailiwick/pkg/version"
)

// binary is the operator, built for one platform.
type binary struct {
	platform v1.Platform
	content  []byte
	info     *buildinfo.BuildInfo
	// job is the program of the Jobs.
	job []byte
	// modules are linked into one of the two, sorted by their paths.
	modules []*debug.Module
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

// compile builds the operator, and the program of its Jobs.
func compile(ctx context.Context, src source, platform v1.Platform, version string) (*binary, error) {
	dir, err := os.MkdirTemp("", "bailiwick-image-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left there is only temporary
	b := &binary{platform: platform}
	var job *buildinfo.BuildInfo
	for _, one := range []struct {
		main    string
		content *[]byte
		info    **buildinfo.BuildInfo
	}{{mainPackage, &b.content, &b.info}, {jobPackage, &b.job, &job}} {
		file := filepath.Join(dir, path.Base(one.main))
		args := slices.Concat([]string{"build"}, flags(version, src.revision()), []string{"-o", file, one.main})
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Env = src.dir, append(os.Environ(), settings(platform)...)
		if _, err := output(cmd); err != nil {
			return nil, fmt.Errorf("build %s for %s: %w", one.main, platform.String(), err)
		}
		if *one.content, err = os.ReadFile(file); err != nil {
			return nil, err
		}
		if *one.info, err = buildinfo.ReadFile(file); err != nil {
			return nil, fmt.Errorf("read what %s was built from: %w", one.main, err)
		}
	}
	b.modules = modulesOf(b.info, job)
	return b, nil
}

// modulesOf returns the modules that are linked into programs, which are built from one
// list of versions.
func modulesOf(programs ...*buildinfo.BuildInfo) []*debug.Module {
	var out []*debug.Module
	for _, program := range programs {
		out = append(out, program.Deps...)
	}
	slices.SortFunc(out, func(a, b *debug.Module) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(out, func(a, b *debug.Module) bool { return a.Path == b.Path })
}

// toolchain returns the version of Go as a version without its "go", and without the
// experiments that may follow.
func (b *binary) toolchain() string {
	version, _, _ := strings.Cut(strings.TrimPrefix(b.info.GoVersion, "go"), " ")
	return version
}
