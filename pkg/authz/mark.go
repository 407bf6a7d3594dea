// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// MarkPolicy is the name of the policy that holds the mark of a server.
const MarkPolicy = "openbao-operator-claim"

// Mark says on a server whose it is. It is the text of a policy that nobody holds
// and that grants nothing, for whoever may write it may write policies anyway.
type Mark struct {
	// Audience is the DerivedAudience of the object that the server belongs to: no
	// other object has it, and one that is created again keeps it.
	Audience string
	// Nonce tells a server from a copy of it that shows an older one. It is one of
	// markNonces, since the policy of the bootstrapper lists every text that it may
	// write; a nonce has to be new, and need not be hard to guess.
	Nonce string
}

var markNonces = []string{"1", "2", "3", "4", "5", "6", "7", "8"}

const (
	markAudience = "# audience: "
	markNonce    = "# nonce: "
)

// Text returns the text of the policy.
func (m Mark) Text() string {
	return lines(
		"# Bailiwick: whose this server is. It grants nothing; do not assign it to anyone.",
		markAudience+m.Audience,
		markNonce+m.Nonce,
		fmt.Sprintf(`path %q { capabilities = ["deny"] }`, MarkPolicy),
	)
}

// markTexts returns all texts that the mark of an object can have.
func markTexts(audience string) []string {
	texts := make([]string, 0, len(markNonces))
	for _, nonce := range markNonces {
		texts = append(texts, Mark{audience, nonce}.Text())
	}
	return texts
}

var markLine = regexp.MustCompile(`^` + markAudience + `(bailiwick\.dev/openbao/[^\s/]+/[^\s/]+)$`)

// ParseMark reads a mark. A text that names no audience is none. The nonce is empty
// where the text has none.
func ParseMark(text string) (Mark, bool) {
	var mark Mark
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if found := markLine.FindStringSubmatch(line); found != nil && mark.Audience == "" {
			mark.Audience = found[1]
		}
		if nonce, ok := strings.CutPrefix(line, markNonce); ok && mark.Nonce == "" {
			mark.Nonce = nonce
		}
	}
	return mark, mark.Audience != ""
}

// FreshNonce returns a nonce that is none of those, and none if all are taken.
func FreshNonce(taken ...string) (string, bool) {
	for _, nonce := range markNonces {
		if !slices.Contains(taken, nonce) {
			return nonce, true
		}
	}
	return "", false
}
