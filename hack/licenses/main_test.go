// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/licenseclassifier/v2/assets"
)

func TestLicensesOf(t *testing.T) {
	known, err := assets.DefaultClassifier()
	if err != nil {
		t.Fatal(err)
	}
	apache, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	isc := []byte(`Copyright (c) 2020 Somebody

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
`)
	wtfpl := []byte(`DO WHAT THE FUCK YOU WANT TO PUBLIC LICENSE
Version 2, December 2004

Copyright (C) 2004 Sam Hocevar <sam@hocevar.net>

Everyone is permitted to copy and distribute verbatim or modified copies of this license document, and changing it is allowed as long as the name is changed.

DO WHAT THE FUCK YOU WANT TO PUBLIC LICENSE
TERMS AND CONDITIONS FOR COPYING, DISTRIBUTION AND MODIFICATION

0. You just DO WHAT THE FUCK YOU WANT TO.
`)
	for _, tc := range []struct {
		name    string
		files   map[string][]byte
		want    []string
		problem string
	}{
		{name: "one", files: map[string][]byte{"LICENSE": apache}, want: []string{"Apache-2.0"}},
		{name: "two", files: map[string][]byte{"LICENSE": apache, "COPYING.txt": isc}, want: []string{"Apache-2.0", "ISC"}},
		{name: "none", files: map[string][]byte{"README.md": apache}, problem: "there is no licence file"},
		{name: "not allowed", files: map[string][]byte{"LICENSE": wtfpl}, problem: "is not among those allowed"},
		{name: "own text", files: map[string][]byte{"LICENSE": []byte("All rights reserved.\n")}, problem: "not the text of a known licence"},
		{name: "one of two unknown", files: map[string][]byte{"LICENSE": apache, "LICENSE-other": []byte("Ask us.\n")}, problem: "not the text of a known licence"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := module{Path: "example.com/m", Dir: t.TempDir()}
			for name, text := range tc.files {
				if err := os.WriteFile(filepath.Join(m.Dir, name), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := licensesOf(known, m)
			if !slices.Equal(got, tc.want) {
				t.Errorf("licenses are %q, want %q", got, tc.want)
			}
			if (err != nil) != (tc.problem != "") || (err != nil && !strings.Contains(err.Error(), tc.problem)) {
				t.Errorf("error is %v, want one with %q", err, tc.problem)
			}
		})
	}
}
