// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package node runs a real Kubernetes cluster on this machine for tests: kubelet,
// containerd, CNI, kube-proxy, CoreDNS, a scheduler, all controllers, a volume
// provisioner and NetworkPolicy, on one node and more on demand.
//
// Start returns when the node is Ready; Stop leaves nothing behind. All programs
// of a node are children of one process, its agent, which is this binary, started
// again as the first process of namespaces of its own. When the process that
// started the node ends, however it ends, the agent ends the programs and removes
// what they have left.
//
// It needs Linux, root and some programs; Available tells what is missing, and
// tests skip with that. README.md has the rest.
package node
