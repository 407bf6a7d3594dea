// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/bailiwick-operator/bailiwick/tests/internal/progress"
)

// findings prints what checks find, and keeps what is wrong.
type findings struct {
	out   *progress.Printer
	wrong []error
}

// right prints what holds.
func (f *findings) right(format string, args ...any) { f.out.Line("  ok: "+format, args...) }

// check prints what holds if err is nil, and what is wrong otherwise.
func (f *findings) check(err error, format string, args ...any) bool {
	if err == nil {
		f.right(format, args...)
		return true
	}
	err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
	f.wrong = append(f.wrong, err)
	f.out.Line("  WRONG: %v", err)
	return false
}

// err returns an error if anything was wrong. The details are printed already.
func (f *findings) err() error {
	switch len(f.wrong) {
	case 0:
		return nil
	case 1:
		return f.wrong[0]
	}
	return fmt.Errorf("%d checks failed, the first: %w", len(f.wrong), f.wrong[0])
}

// verifyLog checks that the operator has logged no secret that the demo knows.
func (d *demo) verifyLog(context.Context) error {
	content, err := os.ReadFile(d.operator.logFile)
	if err != nil {
		return err
	}
	if len(content) == 0 {
		return errors.New("the operator has logged nothing")
	}
	f := &findings{out: d.out}
	secrets := d.secrets.all()
	for _, what := range slices.Sorted(maps.Keys(secrets)) {
		if bytes.Contains(content, []byte(secrets[what])) {
			f.check(fmt.Errorf("it holds %s", what), "%s", d.operator.logFile)
		}
	}
	if len(f.wrong) == 0 {
		f.right("%s holds none of %d tokens and passwords", d.operator.logFile, len(secrets))
	}
	return f.err()
}
