// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"k8s.io/klog/v2"
)

// The scenarios work with the operator as it is. What they measure here says nothing.
func TestScenariosWork(t *testing.T) {
	klog.SetLogger(klog.Logger{})
	names := []string{"kafka901", "postgres200", "restart", "openbao200"}
	opts, err := parse([]string{"-scenario", strings.Join(names, ","), "-share", "0.02", "-out", t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{options: opts}
	if err := b.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, err := scenarios()[name](t.Context(), b)
			if err != nil || len(rows) == 0 {
				t.Errorf("%d rows, %v", len(rows), err)
			}
		})
	}
}
