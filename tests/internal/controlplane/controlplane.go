// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controlplane renders the arguments that etcd, kube-apiserver and
// kube-controller-manager have wherever tests start them.
package controlplane

import (
	"fmt"
	"strings"
)

// Etcd is an etcd with one member.
type Etcd struct {
	DataDir string
	// Client, Peer and Metrics are the addresses, with port, that it listens on.
	Client, Peer, Metrics string
}

// Args returns the arguments of etcd.
func (e Etcd) Args() []string {
	client, peer := "http://"+e.Client, "http://"+e.Peer
	return []string{
		"--name=etcd",
		flag("data-dir", e.DataDir),
		flag("listen-client-urls", client),
		flag("advertise-client-urls", client),
		flag("listen-peer-urls", peer),
		flag("initial-advertise-peer-urls", peer),
		flag("initial-cluster", "etcd="+peer),
		flag("listen-metrics-urls", "http://"+e.Metrics),
		// The data need not outlive the machine.
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

// APIServer is a kube-apiserver.
type APIServer struct {
	// Etcd is the address of etcd, with its port.
	Etcd string
	// Address and Port are where it listens, and what it tells clients.
	Address string
	Port    int
	// Services is the range of the addresses of Services.
	Services string
	// Authorization lists the modes, separated by commas.
	Authorization string
	// Certificate and Key are the files of its certificate, and ClientCA is that
	// of the authority of its clients'.
	Certificate, Key, ClientCA string
	// Issuer is the "iss" claim of ServiceAccount tokens and its own audience.
	Issuer string
	// SigningKey is the file of the key that signs tokens, and VerifyingKeys are
	// those that tokens are verified with.
	SigningKey    string
	VerifyingKeys []string
}

// Args returns the arguments of kube-apiserver.
func (a APIServer) Args() []string {
	args := []string{
		flag("etcd-servers", "http://"+a.Etcd),
		flag("bind-address", a.Address),
		flag("advertise-address", a.Address),
		flag("secure-port", a.Port),
		flag("service-cluster-ip-range", a.Services),
		flag("tls-cert-file", a.Certificate),
		flag("tls-private-key-file", a.Key),
		flag("client-ca-file", a.ClientCA),
		flag("authorization-mode", a.Authorization),
		flag("service-account-issuer", a.Issuer),
		flag("api-audiences", a.Issuer),
		flag("service-account-signing-key-file", a.SigningKey),
		"--v=2",
	}
	for _, file := range a.VerifyingKeys {
		args = append(args, flag("service-account-key-file", file))
	}
	return args
}

// ControllerManager is a kube-controller-manager without leader election.
type ControllerManager struct {
	Kubeconfig string
	// Address and Port are where it listens.
	Address string
	Port    int
	// Controllers are those that run; without any, all do that do by default.
	Controllers []string
	// RootCA is the certificate that pods verify the API server with, and
	// SigningKey signs tokens that are kept in Secrets. Both are files.
	RootCA, SigningKey string
}

// Args returns the arguments of kube-controller-manager.
func (c ControllerManager) Args() []string {
	args := []string{
		flag("kubeconfig", c.Kubeconfig),
		flag("bind-address", c.Address),
		flag("secure-port", c.Port),
		flag("root-ca-file", c.RootCA),
		flag("service-account-private-key-file", c.SigningKey),
		"--leader-elect=false",
		"--kube-api-qps=1000",
		"--kube-api-burst=1000",
		"--v=2",
	}
	if len(c.Controllers) > 0 {
		args = append(args, flag("controllers", strings.Join(c.Controllers, ",")))
	}
	return args
}

// flag renders one argument.
func flag(name string, value any) string { return fmt.Sprintf("--%s=%v", name, value) }
