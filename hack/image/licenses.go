// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// licensesFile is what hack/licenses has found, which fails for a module that may not
// be shipped.
const licensesFile = "hack/licenses/licenses.txt"

// licenses reads the SPDX expression of every linked module.
func licenses(repository string) (map[string]string, error) {
	content, err := os.ReadFile(filepath.Join(repository, licensesFile))
	if err != nil {
		return nil, fmt.Errorf("read which module has which licence: %w", err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			out[fields[0]] = strings.ReplaceAll(fields[1], ",", " AND ")
		}
	}
	return out, nil
}

// legalFile finds the files whose text has to come along with a binary.
var legalFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright|patents)([.-].*)?$`)

// notices returns the texts that the licences of all that is linked ask to pass on.
func notices(ctx context.Context, src source, b *binary) ([]byte, error) {
	paths := make([]string, 0, len(b.modules))
	for _, m := range b.modules {
		paths = append(paths, m.Path)
	}
	list := exec.CommandContext(ctx, "go", append([]string{"list", "-m", "-json"}, paths...)...)
	list.Dir, list.Env = src.dir, append(os.Environ(), settings(b.platform)...)
	found, err := output(list)
	if err != nil {
		return nil, err
	}
	goroot := exec.CommandContext(ctx, "go", "env", "GOROOT")
	goroot.Dir = src.dir
	root, err := output(goroot)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := legalTexts(&out, "Go "+b.toolchain(), strings.TrimSpace(root)); err != nil {
		return nil, err
	}
	for decoder := json.NewDecoder(strings.NewReader(found)); ; {
		var m struct{ Path, Version, Dir string }
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		} else if err != nil {
			return nil, fmt.Errorf("parse the output of go list: %w", err)
		}
		if err := legalTexts(&out, m.Path+" "+m.Version, m.Dir); err != nil {
			return nil, err
		}
	}
}

// ownLicense returns the licence of this project.
func ownLicense(src source) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(src.dir, "LICENSE"))
	if err != nil {
		return nil, fmt.Errorf("read the licence: %w", err)
	}
	return text, nil
}

// legalTexts writes the texts at the root of what is called name.
func legalTexts(w io.Writer, name, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the licence of %s: %w", name, err)
	}
	texts := 0
	for _, entry := range entries {
		if entry.IsDir() || !legalFile.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return fmt.Errorf("read the licence of %s: %w", name, err)
		}
		texts++
		if _, err := fmt.Fprintf(w, "== %s: %s\n\n%s\n\n", name, entry.Name(), bytes.TrimSpace(text)); err != nil {
			return err
		}
	}
	if texts == 0 {
		return fmt.Errorf("%s has no licence file in %s", name, dir)
	}
	return nil
}
