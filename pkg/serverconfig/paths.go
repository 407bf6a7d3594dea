// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

// Where things are in the container of a server.
const (
	// ConfigDir holds the configuration files, read-only.
	ConfigDir = "/etc/bao/config"
	// DataDir is the volume of the server.
	DataDir = "/bao/data"
	// TLSDir holds tls.crt, tls.key and ca.crt, read-only.
	TLSDir = "/etc/bao/tls"
	// UnsealDir holds the key of the static seal, read-only.
	UnsealDir = "/etc/bao/unseal"
	// SealCredentialsDir holds the files of the Secret that
	// spec.unseal.credentialsSecretRef names, read-only.
	SealCredentialsDir = "/etc/bao/seal-creds"
	// PluginDir holds the programs of plugins.
	PluginDir = "/openbao/plugins"
	// tempDir is writable, and empty when the container starts.
	tempDir = "/tmp"
)

// The names of the files in ConfigDir. A server reads every file there that ends in
// .hcl.
const (
	PublicFile = "server.hcl"
	SecretFile = "secret.hcl"
)

// The ports of a server.
const (
	// APIPort serves the API, with TLS.
	APIPort = 8200
	// ClusterPort serves the other servers, with certificates of their own.
	ClusterPort = 8201
	// MetricsPort serves metrics only, with TLS, where they are enabled.
	MetricsPort = 8202
)

// MaxServers is the number of servers that a server tries to join, whatever
// spec.replicas is: changing the number of servers changes no configuration.
const MaxServers = 9
