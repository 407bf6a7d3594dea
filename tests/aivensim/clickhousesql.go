// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"fmt"
	"strings"
)

// sqlToken is one word of a statement.
type sqlToken struct {
	kind sqlKind
	text string
}

type sqlKind int

const (
	sqlWord   sqlKind = iota // unquoted name or keyword
	sqlQuoted                // name in backticks or double quotes
	sqlString
	sqlNumber
	sqlSign
)

func (t sqlToken) is(word string) bool {
	return t.kind == sqlWord && strings.EqualFold(t.text, word) || t.kind == sqlSign && t.text == word
}

// name tells whether the token can be an identifier.
func (t sqlToken) name() bool { return t.kind == sqlWord || t.kind == sqlQuoted }

// syntaxError is ClickHouse's answer to a statement that it cannot read.
func syntaxError(format string, args ...any) error {
	return clickhouseError(62, "SYNTAX_ERROR", "Syntax error: "+format, args...)
}

// clickhouseError wraps an error of ClickHouse in the API's answer.
func clickhouseError(code int, name, format string, args ...any) error {
	return badRequest("Code: %d. DB::Exception: %s. (%s)", code, fmt.Sprintf(format, args...), name)
}

func isWordByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// lexSQL splits a single statement.
func lexSQL(text string) ([]sqlToken, error) {
	var out []sqlToken
	for i := 0; i < len(text); {
		b := text[i]
		switch {
		case strings.IndexByte(" \t\r\n", b) >= 0:
			i++
		case b == '`' || b == '"' || b == '\'':
			value, size, ok := unquoteSQL(text[i:])
			if !ok {
				return nil, syntaxError("a quotation mark is not closed")
			}
			kind := sqlQuoted
			if b == '\'' {
				kind = sqlString
			}
			out = append(out, sqlToken{kind, value})
			i += size
		case isWordByte(b):
			end := i
			for end < len(text) && isWordByte(text[end]) {
				end++
			}
			kind := sqlWord
			if b >= '0' && b <= '9' {
				kind = sqlNumber
			}
			out = append(out, sqlToken{kind, text[i:end]})
			i = end
		case b == '!' && strings.HasPrefix(text[i:], "!="):
			out = append(out, sqlToken{sqlSign, "!="})
			i += 2
		case strings.IndexByte("*.,()=;", b) >= 0:
			out = append(out, sqlToken{sqlSign, string(b)})
			i++
		default:
			return nil, syntaxError("failed at position %d (%q)", i+1, string(b))
		}
	}
	if n := len(out); n > 0 && out[n-1].is(";") {
		out = out[:n-1]
	}
	for _, t := range out {
		if t.is(";") {
			return nil, syntaxError("Multi-statements are not allowed")
		}
	}
	return out, nil
}

// unquoteSQL reads a quoted name or string: the quotation mark stands for itself
// when it is doubled or after a backslash.
func unquoteSQL(text string) (value string, size int, ok bool) {
	var out strings.Builder
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			out.WriteByte(text[i])
		case text[i] == quote && i+1 < len(text) && text[i+1] == quote:
			i++
			out.WriteByte(quote)
		case text[i] == quote:
			return out.String(), i + 1, true
		default:
			out.WriteByte(text[i])
		}
	}
	return "", 0, false
}

// sqlReader walks over the tokens of a statement.
type sqlReader struct {
	tokens []sqlToken
	at     int
}

func (r *sqlReader) peek() sqlToken {
	if r.at < len(r.tokens) {
		return r.tokens[r.at]
	}
	return sqlToken{kind: sqlSign, text: "the end"}
}

// accept skips the words if they come next, all of them.
func (r *sqlReader) accept(words ...string) bool {
	for i, word := range words {
		if r.at+i >= len(r.tokens) || !r.tokens[r.at+i].is(word) {
			return false
		}
	}
	r.at += len(words)
	return true
}

func (r *sqlReader) expect(words ...string) error {
	if !r.accept(words...) {
		return syntaxError("failed at '%s', expected %s", r.peek().text, strings.Join(words, " "))
	}
	return nil
}

func (r *sqlReader) identifier() (string, error) {
	t := r.peek()
	if !t.name() {
		return "", syntaxError("failed at '%s', expected an identifier", t.text)
	}
	r.at++
	return t.text, nil
}

// identifiers reads a comma-separated list of at least one.
func (r *sqlReader) identifiers() ([]string, error) {
	var out []string
	for {
		name, err := r.identifier()
		if err != nil {
			return nil, err
		}
		out = append(out, name)
		if !r.accept(",") {
			return out, nil
		}
	}
}

// end refuses what follows a complete statement.
func (r *sqlReader) end() error {
	if r.at < len(r.tokens) {
		return syntaxError("failed at '%s', expected the end of the query", r.peek().text)
	}
	return nil
}
