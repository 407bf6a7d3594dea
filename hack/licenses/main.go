// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command licenses lists the licence of every module that is linked into the
// operator, and fails for a module whose licence is not known, or not one that
// a program under Apache-2.0 may be shipped with.
//
//	licenses -C REPOSITORY PACKAGE...    print the list
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	classifier "github.com/google/licenseclassifier/v2"
	"github.com/google/licenseclassifier/v2/assets"
)

// allowed are the licences, by their SPDX ids, that ask for no more than that
// their text and notices come along, or, for MPL-2.0, that changed files of the
// module stay open.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}

var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)([.-].*)?$`)

// module is what go list says of one.
type module struct {
	Path, Version, Dir string
	Main               bool
}

func main() {
	repository := flag.String("C", ".", "the repository")
	flag.Parse()
	if err := run(context.Background(), *repository, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, repository string, packages []string, out io.Writer) error {
	modules, err := linked(ctx, repository, packages)
	if err != nil {
		return err
	}
	known, err := assets.DefaultClassifier()
	if err != nil {
		return fmt.Errorf("load the texts of licences: %w", err)
	}
	var problems []error
	for _, m := range modules {
		ids, err := licensesOf(known, m)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if _, err := fmt.Fprintf(out, "%s %s\n", m.Path, strings.Join(ids, ",")); err != nil {
			return err
		}
	}
	return errors.Join(problems...)
}

// linked returns the modules, sorted by path, that packages are built from.
func linked(ctx context.Context, repository string, packages []string) ([]module, error) {
	var stderr bytes.Buffer
	list := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-json=Module"}, packages...)...)
	list.Dir, list.Stderr = repository, &stderr
	output, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr.String())
	}
	byPath := map[string]module{}
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var pkg struct{ Module *module }
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("parse the output of go list: %w", err)
		}
		// The standard library has no module.
		if pkg.Module != nil && !pkg.Module.Main {
			byPath[pkg.Module.Path] = *pkg.Module
		}
	}
	modules := make([]module, 0, len(byPath))
	for _, m := range byPath {
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return modules, nil
}

// licensesOf returns the SPDX ids, sorted, of the licence files at the root of a
// module. All have to be allowed.
func licensesOf(known *classifier.Classifier, m module) ([]string, error) {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Path, err)
	}
	var ids []string
	for _, entry := range entries {
		if entry.IsDir() || !licenseFile.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		found := 0
		for _, match := range known.Match(text).Matches {
			if match.MatchType == "License" {
				ids = append(ids, match.Name)
				found++
			}
		}
		if found == 0 {
			return nil, fmt.Errorf("%s: %s is not the text of a known licence", m.Path, entry.Name())
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s: there is no licence file in %s", m.Path, m.Dir)
	}
	for _, id := range ids {
		if !slices.Contains(allowed, id) {
			return nil, fmt.Errorf("%s: the licence %s is not among those allowed: %s", m.Path, id, strings.Join(allowed, ", "))
		}
	}
	return ids, nil
}
