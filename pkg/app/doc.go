// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package app is the operator process: it reads flags and environment, wires
// clients, controllers and servers together, elects a leader, and ends
// everything in order.
//
// Process-wide settings (flags, klog, signals) are made by [NewCommand] alone.
// [Run] has none of its own, so several may run in one process.
package app
