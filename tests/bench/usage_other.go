// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

var errNoUsage = errors.New("the use of processor and memory is measured on Linux only")

func childProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func (o *operator) cpu() (time.Duration, error) { return 0, errNoUsage }
func (o *operator) peak() (int64, error)        { return 0, errNoUsage }
func (o *operator) resident() (int64, error)    { return 0, errNoUsage }
