// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbaotest

// What is asked at most in an hour of the three servers that Bailiwick runs for a cluster
// at rest, with the default intervals: by the process that runs them, and by the one that
// keeps their contract. The tests of both hold them.
const (
	ServersAtRest   = 34
	BootstrapAtRest = 26
	// MostAtRest is the promise for both together.
	MostAtRest = 60
)

// It is negative, and does not compile, if both together may ask for more.
const _ uint = MostAtRest - ServersAtRest - BootstrapAtRest
