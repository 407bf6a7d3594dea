// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package reconcile is the engine that every controller of Bailiwick runs on.
//
// It owns the one worker loop of the project ([Loop]), the fair sharing of
// workers between tenants ([Lanes], [Places]) and the life of an object that stands
// for something remote ([Controller]): finalizer, create record, claims on remote
// identities, conditions, annotations, events. It does not know what is remote, or
// how it is reached: a [Handler] supplies four idempotent verbs, and a [Kind] binds
// them to generated clients and informers.
//
// Nothing here waits inside a worker. What is not ready yet is woken by the code
// that learns of its change, or reconciled again after a while.
//
// # The path of a key
//
//	informer event, Wake, wake of a snapshot
//	  -> controller.go  handlers: claims are seeded, rivals and referrers woken;
//	  |                 an annotation of the user's ends every wait
//	  -> loop.go        one queue per kind, one sync at a time per key
//	  -> lanes.go       at most so many per credential; others are parked
//	  -> controller.go  sync: the newest version of the object (writes.go)
//	  -> takeover.go    what the aiven-operator owned becomes ours, once
//	  |
//	  +- alive: converge.go
//	  |    Connect    the token, or why there is none
//	  |    Observe    compares with a snapshot; ErrPending ends the sync
//	  |    (only observed: observe.go, to report)
//	  |    claim      claims.go: after all kinds that share identities are listed
//	  |    create     createrecord.go: recorded first; one whose outcome is not
//	  |               known is waited for, one that was refused backs off
//	  |    adopt      the finalizer, for what existed before
//	  |    update     attempts.go: counts if accepted; a failure keeps its reason
//	  |    publish    connection details
//	  |
//	  +- being deleted: finalize.go
//	  |    policies and other owners, then Delete until the remote is gone and no
//	  |    create can become visible any more, then finalizer.go
//	  |
//	  -> report.go      conditions, events, annotations, where something changed
//	  -> outcome.go     Done, After, Retry or Terminal: what the loop does next
package reconcile
