// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// tick is the unit of times in /proc, the same on every architecture of Linux.
const tick = time.Second / 100

// childProcAttr keeps a child out of reach of the terminal's signals, and lets
// the kernel end it with this process.
func childProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// cpu returns the processor time that the process has used.
func (o *operator) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", o.pid))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold anything.
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	const user, system = 11, 12 // counted from the state
	if len(fields) <= system {
		return 0, fmt.Errorf("unexpected format of /proc/%d/stat", o.pid)
	}
	var total time.Duration
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(n) * tick
	}
	return total, nil
}

// peak returns the largest resident size that the process has had, in bytes.
func (o *operator) peak() (int64, error) { return o.memory("VmHWM:") }

// resident returns the present resident size of the process, in bytes.
func (o *operator) resident() (int64, error) { return o.memory("VmRSS:") }

func (o *operator) memory(field string) (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", o.pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(raw) {
		if parts := bytes.Fields(line); len(parts) == 3 && string(parts[0]) == field {
			kib, err := strconv.ParseInt(string(parts[1]), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/%d/status", field, o.pid)
}
