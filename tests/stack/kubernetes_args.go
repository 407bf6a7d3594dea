// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import "strings"

// controllers are what the part needs of the controller manager: no nodes, no
// workloads. Garbage collection, namespaces and ServiceAccounts behave as in any
// cluster.
var controllers = [...]string{
	"clusterrole-aggregation-controller",
	"garbage-collector-controller",
	"namespace-controller",
	"resourcequota-controller",
	"root-ca-certificate-publisher-controller",
	"serviceaccount-controller",
	"serviceaccount-token-controller",
	"validatingadmissionpolicy-status-controller",
}

func (k *Kubernetes) etcdArgs() []string {
	client := "http://" + address(k.port(etcdClientPort))
	peer := "http://" + address(k.port(etcdPeerPort))
	return []string{
		"--name=etcd",
		flag("data-dir", k.workDir.join("etcd")),
		flag("listen-client-urls", client),
		flag("advertise-client-urls", client),
		flag("listen-peer-urls", peer),
		flag("initial-advertise-peer-urls", peer),
		flag("initial-cluster", "etcd="+peer),
		flag("listen-metrics-urls", "http://"+address(k.port(etcdMetricsPort))),
		// The data need not outlive the machine.
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

func (k *Kubernetes) apiServerArgs() []string {
	args := []string{
		flag("etcd-servers", "http://"+address(k.port(etcdClientPort))),
		flag("bind-address", loopback),
		flag("advertise-address", loopback),
		flag("secure-port", k.port(apiServerPort)),
		// Endpoints may not be on loopback, and no pod needs them.
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16",
		flag("tls-cert-file", k.workDir.join("apiserver.crt")),
		flag("tls-private-key-file", k.workDir.join("apiserver.key")),
		flag("client-ca-file", k.workDir.join("ca.crt")),
		"--authorization-mode=RBAC",
		flag("service-account-issuer", k.Issuer),
		flag("api-audiences", k.Issuer),
		flag("service-account-signing-key-file", k.keys.signer()),
		"--v=2",
	}
	for _, file := range k.keys.files {
		args = append(args, flag("service-account-key-file", file))
	}
	return append(args, k.opts.APIServerArgs...)
}

func (k *Kubernetes) controllerManagerArgs() []string {
	return append([]string{
		flag("kubeconfig", k.workDir.join("controller-manager.kubeconfig")),
		flag("bind-address", loopback),
		flag("secure-port", k.port(controllerManagerPort)),
		flag("controllers", strings.Join(controllers[:], ",")),
		flag("root-ca-file", k.workDir.join("ca.crt")),
		flag("service-account-private-key-file", k.keys.signer()),
		"--leader-elect=false",
		"--kube-api-qps=1000",
		"--kube-api-burst=1000",
		"--v=2",
	}, k.opts.ControllerManagerArgs...)
}
