// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package bootstrap keeps the authorization of OpenBao clusters: for every
// OpenBaoCluster that requests it, it brings the contract of package authz onto
// the server and says in the condition AuthorizationReady how that went.
//
// It owns the conditions AuthorizationReady, SigningKeysCurrent, Ready and
// ClusterLifecycle, and status.authorization, under a field manager of its own.
// Where the installed schema is the openbao-operator's, it owns the first two
// conditions and an annotation that shows what status.authorization would; the
// record itself is a ConfigMap in the operator's own namespace. It reads the Secrets
// that an object names live and writes none. On a server it changes only what is
// recorded as written for the object. A change is recorded before it is sent, and
// what it made is the object's once the server has confirmed it.
//
// # Servers
//
// A server belongs to the object whose mark it has: a policy that nobody holds, read
// or written with a login (package authz, DecideClaim). Every session identifies the
// server first. One with the mark of another object is left alone, unless it is shown
// to be a copy: the other object writes a new nonce to its own server, and the copy
// does not show it.
//
// # Authority
//
// A one-time admin token writes the contract in all modes. It is revoked as soon
// as the contract was written and read back, and not looked at again: what became
// of it is recorded before it happens.
//
// In the modes Observe and Enforce a standing identity, the bootstrapper, looks at
// the server in between. There is one login per object, used until two thirds of
// its lease are over, and revoked when the process or the object ends. In mode
// Enforce it repairs what its policy on the server lets it, which is not its own
// policy and role, nor the mount.
//
// # Signing keys
//
// The keys that verify ServiceAccount tokens are read from the API server at every
// look. One that vanishes stays in the config of the mount for a while. Where all
// keys change at once, the login that is held writes the new ones, before it is
// replaced by one that needs them.
//
// # Proofs
//
// In all modes every identity is tried now and then: with a token of its
// ServiceAccount it must be let in and have exactly the rights of the contract,
// and a decoy and tokens for another audience must be refused. What cannot be
// tried fails nothing.
//
// # Removal
//
// An object that requests nothing any more has what was written for it removed, as
// far as there is authority for it, the mark last but for the mount. An
// OpenBaoCluster has no finalizer: deleting it leaves the policies, the roles and the
// mark on the server.
package bootstrap
