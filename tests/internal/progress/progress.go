// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package progress prints how far a demo is, for people.
package progress

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// Heartbeat is how long the output may be silent.
const Heartbeat = 15 * time.Second

// Printer prints lines that begin with the time since the start. It may be used
// from several goroutines.
type Printer struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

// New returns a Printer whose time begins now.
func New(out io.Writer) *Printer { return &Printer{out: out, start: time.Now()} }

// Line prints one line.
func (p *Printer) Line(format string, args ...any) {
	p.Plain(fmt.Sprintf("[%6.1fs] %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...)))
}

// Plain prints text without the time.
func (p *Printer) Plain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Nobody could be told that nobody can be told.
	_, _ = io.WriteString(p.out, text)
}

// Lines prints what is written to it, line by line.
type Lines struct {
	// Print is called with each whole line, without its end.
	Print func(line string)

	rest []byte
}

// Write implements io.Writer.
func (l *Lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.Print(string(line))
		l.rest = rest
	}
}

// Part runs a part of a step, and prints what it returns together with the time
// that it took. A part that takes long says so every now and then.
func (p *Printer) Part(name string, do func() (string, error)) error {
	start := time.Now()
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() {
		ticker := time.NewTicker(Heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.Line("  %s: still at it after %.0f s", name, time.Since(start).Seconds())
			}
		}
	})
	result, err := do()
	close(done)
	ticking.Wait()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.Line("  %s: %s (%.1f s)", name, result, time.Since(start).Seconds())
	return nil
}
