// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration tests the operator on the real stack: a real API server
// and etcd, a real OpenBao-API server, and the simulated Aiven API over HTTP.
//
// All tests share one API server. Each has a namespace, a simulator and an
// operator of its own, which watches that namespace only, so they run in
// parallel. The operator runs in the test's process as its ServiceAccount, with
// the rights that manifests/rbac gives it.
package integration
