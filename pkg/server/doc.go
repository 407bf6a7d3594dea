// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package server reaches OpenBao servers on behalf of objects in Kubernetes. It
// knows how to trust a server, which Secrets may be sent to it, how to get a token
// of a ServiceAccount and log in with it, and which logins are kept. What is read
// or written on a server is its caller's business: it knows no mount, policy or
// role of its own.
//
// An [Access] is what a process has. [Connections] are the clients of one route
// to one server during one sync, and [Sessions] the logins that outlive it.
//
// Errors have a type for each thing that a person fixes: *[SecretError],
// *[MintError], *[TrustError]. Errors of requests are those of package openbao.
package server
