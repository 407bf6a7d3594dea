// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package reconcile is the engine that every controller of Bailiwick runs on.
//
// It owns the one worker loop of the project ([Loop]), the fair sharing of
// workers between tenants ([Lanes]) and the life of an object that stands for
// something remote ([Controller]): finalizer, recorded intent, claims on remote
// identities, conditions, annotations, events. What is remote, and how it is
// reached, it does not know: a [Handler] supplies four idempotent verbs, and a
// [Kind] binds them to generated clients and informers.
//
// Nothing here waits inside a worker. What is not ready yet is either woken by
// whoever learns that it changed, or looked at again after a while.
package reconcile
