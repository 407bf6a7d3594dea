// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package authz decides what an OpenBao server must hold so that every identity
// of a cluster (operator, backup, restore, upgrade) may do its work and nothing
// else: the JWT auth mount, its config, one policy and one role per identity.
//
// Everything here is a pure function of its arguments. [Desired] computes the
// [Contract] of a cluster, [Requests] lists the requests that establish it on an
// empty server, and [Diff] compares it with what a server holds, by meaning and
// not by spelling.
package authz
