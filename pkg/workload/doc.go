// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package workload decides which Kubernetes objects the servers of an OpenBaoCluster
// need. It is pure: Desired derives the objects from the spec and from Facts, and
// somebody else applies them.
//
// A server's pod runs the plain OpenBao image, with the server as its first process,
// and nothing of Bailiwick's. What differs from server to server (node id, addresses)
// comes from the environment, so that one configuration fits all.
//
// Object names are derived from the name of the cluster (names.go). The objects of two
// clusters in one namespace can therefore get the same name: the Service <a>-public of
// a cluster "a" and the headless Service of a cluster "a-public". Whoever applies the
// objects must check the owner reference of what exists, and leave alone what belongs
// to another owner.
package workload
