// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command userconfig writes the Go types of the userConfig fields from the
// schemas that Aiven publishes in github.com/aiven/go-api-schemas. Raise that
// module's version in this folder's go.mod to take a newer API in.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", "", "folder to write the packages to; what is there is replaced")
	header := flag.String("header", "", "file with the header of the written files")
	flag.Parse()
	if err := run(*out, *header); err != nil {
		fmt.Fprintln(os.Stderr, "userconfig:", err)
		os.Exit(1)
	}
}

// run writes all packages of the table to out, after removing what an earlier
// run wrote there.
func run(out, headerFile string) error {
	if out == "" || headerFile == "" {
		return fmt.Errorf("-out and -header are required")
	}
	header, err := os.ReadFile(headerFile)
	if err != nil {
		return err
	}
	for _, src := range sources() {
		if err := os.RemoveAll(filepath.Join(out, src.Dir)); err != nil {
			return err
		}
		files, err := generate(string(header), src)
		if err != nil {
			return err
		}
		for name, data := range files {
			file := filepath.Join(out, src.Dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(file, data, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// modelPrefix begins the names of the OpenAPI definitions of all packages. It is
// the import path of the output folder in the form that applyconfiguration-gen
// and the fake clientset derive from it, and must not differ from that.
const modelPrefix = "com.github.bailiwick-operator.bailiwick.pkg.apis.aiven.v1alpha1.userconfig."

// generate returns the files of every listed type of src, by path below the
// folder of src.
func generate(header string, src source) (map[string][]byte, error) {
	schemas, err := parseSchemas(src.YAML)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.Dir, err)
	}
	files := map[string][]byte{}
	for _, t := range src.Types {
		s, ok := schemas[t]
		if !ok {
			return nil, fmt.Errorf("%s: no schema for type %q", src.Dir, t)
		}
		structs, err := buildStructs(s)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", src.Dir, t, err)
		}
		name := packageName(t)
		rendered, err := render(header, pkg{
			Name:      name,
			AivenType: t,
			What:      src.What,
			Model:     modelPrefix + src.Dir + "." + name,
			Structs:   structs,
		})
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", src.Dir, t, err)
		}
		for file, data := range rendered {
			files[filepath.Join(name, file)] = data
		}
	}
	return files, nil
}
