// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package aivensim

import "syscall"

// procAttr sets the account; only Linux can tie a child's life to its parent's.
func procAttr(credential *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: credential}
}
