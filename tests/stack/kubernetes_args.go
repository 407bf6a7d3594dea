// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import "github.com/bailiwick-operator/bailiwick/tests/internal/controlplane"

// controllers are what the part needs of the controller manager: no nodes, and
// of workloads the pods of StatefulSets, which stay pending. Garbage collection, namespaces and ServiceAccounts behave as in any
// cluster.
var controllers = [...]string{
	"clusterrole-aggregation-controller",
	"garbage-collector-controller",
	"namespace-controller",
	"resourcequota-controller",
	"root-ca-certificate-publisher-controller",
	"serviceaccount-controller",
	"serviceaccount-token-controller",
	"statefulset-controller",
	"validatingadmissionpolicy-status-controller",
}

func (k *Kubernetes) etcdArgs() []string {
	return controlplane.Etcd{
		DataDir: k.workDir.join("etcd"),
		Client:  address(k.port(etcdClientPort)),
		Peer:    address(k.port(etcdPeerPort)),
		Metrics: address(k.port(etcdMetricsPort)),
	}.Args()
}

func (k *Kubernetes) apiServerArgs() []string {
	args := controlplane.APIServer{
		Etcd:          address(k.port(etcdClientPort)),
		Address:       loopback,
		Port:          k.port(apiServerPort),
		Services:      "10.96.0.0/16",
		Authorization: "RBAC",
		Certificate:   k.workDir.join("apiserver.crt"),
		Key:           k.workDir.join("apiserver.key"),
		ClientCA:      k.workDir.join("ca.crt"),
		Issuer:        k.Issuer,
		SigningKey:    k.keys.signer(),
		VerifyingKeys: k.keys.files,
	}.Args()
	// Endpoints may not be on loopback, and no pod needs them.
	args = append(args, "--endpoint-reconciler-type=none")
	return append(args, k.opts.APIServerArgs...)
}

func (k *Kubernetes) controllerManagerArgs() []string {
	return append(controlplane.ControllerManager{
		Kubeconfig:  k.workDir.join("controller-manager.kubeconfig"),
		Address:     loopback,
		Port:        k.port(controllerManagerPort),
		Controllers: controllers[:],
		RootCA:      k.workDir.join("ca.crt"),
		SigningKey:  k.keys.signer(),
	}.Args(), k.opts.ControllerManagerArgs...)
}
