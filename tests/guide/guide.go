// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package guide reads the blocks of code in the guides, for the tests that run them.
//
// A block of the language sh runs against an API server. One that begins with "sh node"
// needs a cluster with nodes: pods that run, or their logs.
package guide

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Languages of blocks for the shell.
const (
	// Shell is a block that needs an API server and the operator.
	Shell = "sh"
	// Node is a block that needs pods as well.
	Node = "sh node"
)

// Block is a block of code.
type Block struct {
	// Path is the file that it is in, and Line that of the opening fence, from 1.
	Path string
	Line int
	// Section is the heading above, of the second level. Step is the number of the step
	// in it, or empty.
	Section, Step string
	// Language is what follows the fence.
	Language string
	// Comment is that in the line above, or empty: the name of a file.
	Comment string
	Code    string
}

// Place says where the block is.
func (b Block) Place() string { return fmt.Sprintf("%s:%d", b.Path, b.Line) }

var (
	stepStart    = regexp.MustCompile(`^\*\*(\d+)\. `)
	fenceComment = regexp.MustCompile(`^<!-- (.*) -->$`)
)

// Read returns all blocks of a guide, without the indentation of lists, and the text
// outside of them.
func Read(path string) (blocks []Block, prose string, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	var text strings.Builder
	var section, step, comment, indent string
	var open *Block
	for i, line := range strings.Split(string(raw), "\n") {
		bare := strings.TrimLeft(line, " ")
		switch {
		case open != nil && bare == "```":
			blocks, open, comment = append(blocks, *open), nil, ""
		case open != nil:
			open.Code += strings.TrimPrefix(line, indent) + "\n"
		case strings.HasPrefix(bare, "```"):
			indent = line[:len(line)-len(bare)]
			open = &Block{Path: path, Line: i + 1, Section: section, Step: step, Comment: comment, Language: strings.TrimPrefix(bare, "```")}
		default:
			text.WriteString(line + "\n")
			if heading, ok := strings.CutPrefix(line, "## "); ok {
				section, step = heading, ""
			} else if number := stepStart.FindStringSubmatch(line); number != nil {
				step = number[1]
			}
			comment = ""
			if name := fenceComment.FindStringSubmatch(line); name != nil {
				comment = name[1]
			}
		}
	}
	if open != nil {
		return nil, "", fmt.Errorf("%s: the block has no end", open.Place())
	}
	return blocks, text.String(), nil
}
