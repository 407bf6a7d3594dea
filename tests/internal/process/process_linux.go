// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import "syscall"

// serverProcAttr makes a server the leader of a process group of its own, out of
// reach of the terminal's signals, that the kernel ends with this process.
func serverProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
