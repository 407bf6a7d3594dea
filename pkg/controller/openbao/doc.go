// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package openbao runs the servers of OpenBaoClusters that describe them.
//
// A sync keeps the objects of a cluster as package workload wants them, asks each server
// what it is, and carries out at most one step of the first start, which package machine
// decides. Each step is recorded before or with what it does, so that a process that ends
// at any moment leaves nothing behind that the next one could misread.
//
// It runs in a process of its own, with a ServiceAccount of its own: whoever may create
// pods in a namespace can act as every ServiceAccount in it. It makes tokens of that
// account alone. The authorization on the servers is written by their first start, which
// this package prepares, and kept by package bootstrap, which can create no pods. The two
// meet in the status: this package writes status.initialized and status.clusterID, from
// which on the bootstrapper works, and sums up in Ready what the bootstrapper proved.
//
// # Records
//
// status.firstStart and status.initialized decide whether the volume of the first server
// may be deleted. They are written with the resourceVersion that they were decided with.
// No volume is ever deleted that existed before status.firstStart.begunAt was written, or
// after status.initialized.
//
// # Servers
//
// What a server says of itself without a login can stop something, or make it wait. The
// first start is complete when an identity of the contract was let in.
package openbao
