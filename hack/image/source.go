// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// source is what is built.
type source struct {
	// dir is the checkout.
	dir string
	// commit is empty where dir is not a checkout.
	commit string
	// time is that of the commit, and stands for the present in all that is written.
	time time.Time
	// dirty says that dir holds something that is not in the commit.
	dirty bool
}

// sourceOf describes a folder with the source, which needs no git.
func sourceOf(ctx context.Context, dir string) (source, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return source{}, err
	}
	s := source{dir: dir, time: time.Unix(0, 0).UTC()}
	// Not a .git further up, which is about something else.
	if _, err := os.Stat(filepath.Join(dir, ".git")); errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	head, err := s.git(ctx, "show", "-s", "--no-show-signature", "--format=%H %ct", "HEAD")
	if err != nil {
		return source{}, err
	}
	commit, seconds, _ := strings.Cut(strings.TrimSpace(head), " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return source{}, fmt.Errorf("read the time of commit %s: %w", commit, err)
	}
	status, err := s.git(ctx, "status", "--porcelain", "--untracked-files=all")
	if err != nil {
		return source{}, err
	}
	s.commit, s.time, s.dirty = commit, time.Unix(unix, 0).UTC(), status != ""
	return s, nil
}

// committed returns the files below a folder that git knows of, by their paths in the
// repository; nil where there is no git.
func (s source) committed(ctx context.Context, folder string) (map[string]bool, error) {
	if s.commit == "" {
		return nil, nil
	}
	// Those that are new are in no commit yet, which dirty says.
	list, err := s.git(ctx, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", folder)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for path := range strings.SplitSeq(list, "\x00") {
		out[path] = true
	}
	return out, nil
}

// revision names what is built: the commit, and whether it is all there is.
func (s source) revision() string {
	switch {
	case s.commit == "":
		return "unknown"
	case s.dirty:
		return s.commit + "+dirty"
	}
	return s.commit
}

// version returns the version of a build that is no release, in the way of Go: the
// tag of the commit, or what orders it after the last tag.
func (s source) version(ctx context.Context) (string, error) {
	if s.commit == "" {
		return "v0.0.0-unknown", nil
	}
	tags, err := s.tags(ctx)
	if err != nil {
		return "", err
	}
	version, last := "", ""
	if len(tags) > 0 {
		last = tags[len(tags)-1]
		tagged, err := s.commitOf(ctx, last)
		if err != nil {
			return "", err
		}
		if tagged == s.commit {
			version = last
		}
	}
	if version == "" {
		version = module.PseudoVersion(semver.Major(last), last, s.time, s.commit[:12])
	}
	if s.dirty {
		version += "+dirty"
	}
	return version, nil
}

// tags returns the versions that the commit comes after, or is, in their order.
func (s source) tags(ctx context.Context) ([]string, error) {
	out, err := s.git(ctx, "tag", "--list", "v*", "--merged", s.commit)
	if err != nil {
		return nil, err
	}
	tags := slices.DeleteFunc(strings.Fields(out), func(tag string) bool { return semver.Canonical(tag) != tag })
	semver.Sort(tags)
	return tags, nil
}

// commitOf returns the commit of a tag, and nothing if there is no such tag.
func (s source) commitOf(ctx context.Context, tag string) (string, error) {
	out, err := s.git(ctx, "for-each-ref", "--format=%(*objectname) %(objectname)", "refs/tags/"+tag)
	if err != nil || strings.TrimSpace(out) == "" {
		return "", err
	}
	// The first is empty for a tag without a message, which is the commit itself.
	return strings.Fields(out)[0], nil
}

// git runs git in the checkout and returns what it prints.
func (s source) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = s.dir
	return output(cmd)
}

// output runs a command and returns what it prints. What it says goes into the error.
func output(cmd *exec.Cmd) (string, error) {
	var out, says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &says
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:min(len(cmd.Args), 3)], " "), err, bytes.TrimSpace(says.Bytes()))
	}
	return out.String(), nil
}
