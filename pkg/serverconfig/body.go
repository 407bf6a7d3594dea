// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/bailiwick-operator/bailiwick/pkg/hcltext"
)

// body is what a file or a block holds: settings, then blocks, in the order in which
// they were added.
type body struct {
	settings []setting
	blocks   []block
}

type setting struct {
	name  string
	value any
}

type block struct {
	name   string
	labels []string
	body   body
}

// set adds a setting. The value is one that hcltext.Value spells.
func (b *body) set(name string, value any) {
	b.settings = append(b.settings, setting{name, value})
}

// setText adds a setting unless it is empty.
func (b *body) setText(name, value string) {
	if value != "" {
		b.set(name, value)
	}
}

// setBool adds a setting unless it is nil.
func (b *body) setBool(name string, value *bool) {
	if value != nil {
		b.set(name, *value)
	}
}

// setNumber adds a setting unless it is nil.
func setNumber[T int32 | int64](b *body, name string, value *T) {
	if value != nil {
		b.set(name, int64(*value))
	}
}

// add adds a block.
func (b *body) add(content body, name string, labels ...string) {
	b.blocks = append(b.blocks, block{name: name, labels: labels, body: content})
}

func (b *body) empty() bool { return len(b.settings) == 0 && len(b.blocks) == 0 }

// write writes the settings with their equals signs aligned, then the blocks. Blocks
// of a file are set apart by empty lines.
func (b *body) write(out *bytes.Buffer, depth int) {
	indent := strings.Repeat("  ", depth)
	width := 0
	for _, s := range b.settings {
		width = max(width, len(hcltext.Key(s.name)))
	}
	for _, s := range b.settings {
		fmt.Fprintf(out, "%s%-*s = %s\n", indent, width, hcltext.Key(s.name), hcltext.Value(s.value))
	}
	for i, inner := range b.blocks {
		if depth == 0 && (i > 0 || len(b.settings) > 0) {
			out.WriteByte('\n')
		}
		out.WriteString(indent + inner.name)
		for _, label := range inner.labels {
			out.WriteString(" " + hcltext.String(label))
		}
		if inner.body.empty() {
			out.WriteString(" {}\n")
			continue
		}
		out.WriteString(" {\n")
		inner.body.write(out, depth+1)
		out.WriteString(indent + "}\n")
	}
}

// bytes returns the text of a file, nil if it is empty.
func (b *body) bytes() []byte {
	if b.empty() {
		return nil
	}
	var out bytes.Buffer
	b.write(&out, 0)
	return out.Bytes()
}
