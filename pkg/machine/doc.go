// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package machine decides what is done next to a cluster of OpenBao servers. It is pure:
// it is given what is recorded and what was observed, and names one step, which its
// caller carries out and records. Everything can end between two steps and go on later,
// in another process.
package machine
