// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command compare-crds lists where our CustomResourceDefinitions differ from
// those of another operator that serves the same kinds:
//
//	compare-crds [-complete] [-v] OURS THEIRS
//
// Both arguments are folders of CRD files. Every field and everything that
// decides whether an object is accepted is compared, as are the names and the
// printer columns; descriptions are not. It exits with status 1 when it finds a
// difference that is not one of the deliberate ones, see deliberate.go.
package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"
)

func main() {
	complete := flag.Bool("complete", false, "a kind that only they have is a difference")
	verbose := flag.Bool("v", false, "list the deliberate differences one by one")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: compare-crds [-complete] [-v] OURS THEIRS")
		os.Exit(2)
	}
	clean, err := run(os.Stdout, flag.Arg(0), flag.Arg(1), *complete, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare-crds:", err)
		os.Exit(2)
	}
	if !clean {
		os.Exit(1)
	}
}

// run compares two folders and reports whether all differences are deliberate.
func run(w io.Writer, oursDir, theirsDir string, complete, verbose bool) (clean bool, err error) {
	ours, err := readFolder(oursDir)
	if err != nil {
		return false, err
	}
	theirs, err := readFolder(theirsDir)
	if err != nil {
		return false, err
	}
	clean = true
	compared := 0
	reasons := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		if ours[name] == nil {
			switch reason := notServed[name]; {
			case !complete:
			case reason == "":
				clean = false
				fmt.Fprintf(w, "%s: not among ours\n", name)
			default:
				reasons[reason]++
				if verbose {
					fmt.Fprintf(w, "%s: not among ours (%s)\n", name, reason)
				}
			}
			continue
		}
		compared++
		for _, d := range compareCRDs(ours[name], theirs[name]) {
			reason := deliberate(d)
			if reason == "" {
				clean = false
				fmt.Fprintf(w, "%s: %s\n", name, d)
				continue
			}
			reasons[reason]++
			if verbose {
				fmt.Fprintf(w, "%s: %s (%s)\n", name, d, reason)
			}
		}
	}
	if compared == 0 {
		return false, fmt.Errorf("%s and %s have no CRD in common", oursDir, theirsDir)
	}
	fmt.Fprintf(w, "%d kinds compared\n", compared)
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(w, "%6d deliberate: %s\n", reasons[reason], reason)
	}
	return clean, nil
}

// readFolder reads the CRDs of a folder by name.
func readFolder(dir string) (map[string]object, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no .yaml file in %s", dir)
	}
	out := map[string]object{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var crd object
		if err := yaml.Unmarshal(data, &crd); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if crd["kind"] != "CustomResourceDefinition" {
			continue
		}
		name, _ := child(crd, "metadata")["name"].(string)
		out[name] = crd
	}
	return out, nil
}
