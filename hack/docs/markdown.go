// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "strings"

var cellEscapes = strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "\n\n", "<br>", "\n", " ")

// cell is a text as it stands in a cell of a table.
func cell(text string) string { return cellEscapes.Replace(strings.TrimSpace(text)) }

// code is a value in a cell; nothing if it is empty.
func code(value string) string {
	if value == "" {
		return ""
	}
	// A cell ends at a bar even within code.
	return "`" + strings.NewReplacer("|", `\|`, "\n", `\n`).Replace(value) + "`"
}
