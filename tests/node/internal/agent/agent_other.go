// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package agent

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// errPlatform says why nothing of this works elsewhere.
var errPlatform = errors.New("a node needs Linux")

func procAttr() *syscall.SysProcAttr { return nil }

func socketPair() (net.Conn, *os.File, error) { return nil, nil, errPlatform }

// TryNamespaces tells that this process may not make the namespaces of an agent.
func TryNamespaces() error { return errPlatform }

// RemoveCgroups has nothing to remove.
func RemoveCgroups(string) error { return errPlatform }
