// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "syscall"

// childProcAttr keeps a child out of reach of the terminal's signals, and lets
// the kernel end it with this process.
func childProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
