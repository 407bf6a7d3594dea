// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import "syscall"

// childProcAttr keeps a child out of reach of the terminal's signals. Only Linux
// can tie its life to that of this process.
func childProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
