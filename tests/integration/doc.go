// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration tests the operator on the real stack: a real API server
// and etcd, a real OpenBao-API server, and the simulated Aiven API over HTTP.
//
// All tests share one API server, but for those of the manifests. Each has a namespace, a simulator and an
// operator of its own, which watches that namespace only, so they run in
// parallel. The operator runs in the test's process as its ServiceAccount, with
// the rights that manifests/rbac gives it. Where flags, logging or a Deployment's
// arguments matter it is a process of its own: the test binary once more.
package integration
