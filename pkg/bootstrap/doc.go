// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package bootstrap sets up the authorization of OpenBao clusters: for every
// OpenBaoCluster that requests it, it brings the contract of package authz onto
// the server and says in the condition AuthorizationReady how that went.
//
// It owns the conditions AuthorizationReady, Ready and ClusterLifecycle, and
// status.authorization, under a field manager of its own. It reads the Secrets
// that an object names live and writes none. On a server it changes only what
// status.authorization records as written for the object; it records a name
// before it writes it.
//
// Authority comes from a one-time admin token, which is revoked as soon as the
// contract was written and read back. From then on the server is not changed
// until the contract changes and a new token is given. An OpenBaoCluster has no
// finalizer: deleting it leaves the policies and roles on the server, where
// removing them would need an admin token again.
package bootstrap
