// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// loopback is the only address that the stack listens on.
const loopback = "127.0.0.1"

// Ports come from below the range that kernels take for outgoing connections
// (32768 and up on Linux), so that none is taken while a server is stopped.
const (
	firstPort = 20000
	lastPort  = 32000
)

// freePorts returns n ports in a row that nothing listens on. Random choice
// keeps stacks apart that start at the same time.
func freePorts(n int) (int, error) {
	const attempts = 100
	for range attempts {
		first := firstPort + rand.IntN(lastPort-firstPort-n)
		if allFree(first, n) {
			return first, nil
		}
	}
	return 0, errors.New("found no free ports on " + loopback)
}

func allFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		listener, err := net.Listen("tcp", address(port))
		if err != nil {
			return false
		}
		if err := listener.Close(); err != nil {
			return false
		}
	}
	return true
}

func address(port int) string {
	return net.JoinHostPort(loopback, strconv.Itoa(port))
}
