// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// heartbeat is how long the output may be silent.
const heartbeat = 15 * time.Second

// progress prints lines that begin with the time since the start. It may be
// used from several goroutines.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

func newProgress(out io.Writer) *progress { return &progress{out: out, start: time.Now()} }

// line prints one line.
func (p *progress) line(format string, args ...any) {
	p.plain(fmt.Sprintf("[%6.1fs] %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...)))
}

// plain prints text without the time.
func (p *progress) plain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Nobody could be told that nobody can be told.
	_, _ = io.WriteString(p.out, text)
}

// lines prints what is written to it, line by line.
type lines struct {
	print func(line string)
	rest  []byte
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.print(string(line))
		l.rest = rest
	}
}

// part runs a part of a step, and prints what it returns together with the time
// that it took. A part that takes long says so every now and then.
func (p *progress) part(name string, do func() (string, error)) error {
	start := time.Now()
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() {
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.line("  %s: still at it after %.0f s", name, time.Since(start).Seconds())
			}
		}
	})
	result, err := do()
	close(done)
	ticking.Wait()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.line("  %s: %s (%.1f s)", name, result, time.Since(start).Seconds())
	return nil
}
