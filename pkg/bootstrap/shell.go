// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"regexp"
	"strings"
)

// plainWord is a word that no shell reads anything into.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// quoted is one word of a command that a person pastes into a shell, whatever the
// author of an object wrote there.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
