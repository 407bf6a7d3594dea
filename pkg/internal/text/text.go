// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package text puts error texts into sentences for conditions and events.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sentence ends a text with one full stop.
func Sentence(text string) string { return strings.TrimRight(text, ". \n") + "." }

// Capital begins a text with a capital letter, unless it begins with the path of a field.
func Capital(text string) string {
	if strings.HasPrefix(text, "spec.") {
		return text
	}
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return text
	}
	return string(unicode.ToUpper(first)) + text[size:]
}
