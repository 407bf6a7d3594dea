// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package stack runs the real servers that the operator works with, on loopback
// and without containers: etcd, kube-apiserver and kube-controller-manager, and
// a server of the OpenBao API.
//
// Start starts a choice of parts, StartKubernetes and StartOpenBao start one.
// Each returns when its part is ready, and its Stop ends every process it
// started and waits for it. Parts can be stopped and started again on the same
// data and addresses, so that tests can take away what the operator relies on.
//
// The binaries come from hack/build-tools.sh; see Tool. On Linux the kernel ends
// the servers if the process that started them dies, for example when a test
// times out; elsewhere only Stop does.
//
// A test binary starts one stack for all of its tests, from TestMain with Run,
// and keeps tests apart with Namespace.
package stack
