// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package process

import "syscall"

// serverProcAttr makes a server the leader of a process group of its own, out of
// reach of the terminal's signals.
func serverProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
