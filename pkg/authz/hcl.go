// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/bailiwick-operator/bailiwick/pkg/hcltext"
)

// initializeName names the block of the requests.
const initializeName = "operator-bootstrap"

// RenderInitialize returns the requests of a contract as an initialize stanza,
// which a server of OpenBao 2.4 or later carries out when it first starts
// (https://openbao.org/docs/configuration/self-init/). The same contract gives
// the same bytes.
func RenderInitialize(c Contract) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "initialize %s {\n", hcltext.String(initializeName))
	for i, r := range Requests(c) {
		if i > 0 {
			b.WriteByte('\n')
		}
		writeRequest(&b, r, nil)
	}
	b.WriteString("}\n")
	return b.Bytes()
}

// RenderRequest returns one request as an initialize stanza of its own.
func RenderRequest(name string, r Request) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\ninitialize %s {\n", hcltext.String(name))
	writeRequest(&b, r, nil)
	b.WriteString("}\n")
	return b.Bytes()
}

// writeRequest writes a request of an initialize stanza. Without data it has no
// body.
func writeRequest(b *bytes.Buffer, r Request, allowFailure *bool) {
	fmt.Fprintf(b, "  request %s {\n    operation = %s\n    path      = %s\n",
		hcltext.String(r.ID), hcltext.String(r.Operation), hcltext.String(r.Path))
	if allowFailure != nil {
		fmt.Fprintf(b, "    allow_failure = %t\n", *allowFailure)
	}
	if len(r.Data) > 0 {
		b.WriteString("    data {\n")
		width := 0
		for name := range r.Data {
			width = max(width, len(hcltext.Key(name)))
		}
		for _, name := range slices.Sorted(maps.Keys(r.Data)) {
			fmt.Fprintf(b, "      %-*s = %s\n", width, hcltext.Key(name), hcltext.Value(r.Data[name]))
		}
		b.WriteString("    }\n")
	}
	b.WriteString("  }\n")
}
