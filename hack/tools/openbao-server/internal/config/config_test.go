// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const minimal = `
listener "tcp" {
  address     = "127.0.0.1:8200"
  tls_disable = true
}
storage "raft" {
  path = "/bao/data"
}
`

// load writes files to a directory and reads it.
func load(t *testing.T, files map[string]string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(dir)
}

func TestLoad(t *testing.T) {
	c, err := load(t, map[string]string{"server.hcl": `
ui               = true
cluster_name     = "demo"
api_addr         = "https://demo-0.demo.ns.svc:8200"
cluster_addr     = "https://demo-0.demo.ns.svc:8201"
log_level        = "debug"
log_format       = "json"
max_lease_ttl    = "768h"
plugin_directory = "/openbao/plugins"
disable_mlock    = true

listener "tcp" {
  address                            = "[::]:8200"
  cluster_address                    = "[::]:8201"
  tls_cert_file                      = "/tls/tls.crt"
  tls_key_file                       = "/tls/tls.key"
  tls_client_ca_file                 = "/tls/ca.crt"
  tls_require_and_verify_client_cert = "true"
  tls_disable                        = 0
  max_request_size                   = 1048576
  telemetry {
    unauthenticated_metrics_access = true
  }
}

storage "raft" {
  path                   = "/bao/data"
  performance_multiplier = 1
  retry_join {
    leader_api_addr     = "https://demo-0.demo.ns.svc:8200"
    leader_ca_cert_file = "/tls/ca.crt"
  }
  retry_join {
    auto_join      = "provider=k8s"
    auto_join_port = 8200
  }
}

seal "static" {
  current_key    = "file:///unseal/key"
  current_key_id = "1"
}

service_registration "kubernetes" {
  namespace = "ns"
}

telemetry {
  prometheus_retention_time = "30s"
  disable_hostname          = true
}

audit "file" "stdout" {
  description = "to the log"
  options = {
    file_path = "stdout"
  }
}
`})
	if err != nil {
		t.Fatal(err)
	}

	var joins []map[string]any
	if err := json.Unmarshal([]byte(c.Storage.Settings["retry_join"]), &joins); err != nil {
		t.Fatal(err)
	}
	wantJoins := []map[string]any{
		{"leader_api_addr": "https://demo-0.demo.ns.svc:8200", "leader_ca_cert_file": "/tls/ca.crt"},
		{"auto_join": "provider=k8s", "auto_join_port": 8200.0},
	}
	if !reflect.DeepEqual(joins, wantJoins) {
		t.Errorf("retry_join: %v, want %v", joins, wantJoins)
	}
	delete(c.Storage.Settings, "retry_join")

	want := &Config{
		Listeners: []Listener{{
			Address:                       "[::]:8200",
			ClusterAddress:                "[::]:8201",
			TLSCertFile:                   "/tls/tls.crt",
			TLSKeyFile:                    "/tls/tls.key",
			TLSClientCAFile:               "/tls/ca.crt",
			TLSRequireAndVerifyClientCert: true,
			MaxRequestSize:                1 << 20,
			UnauthenticatedMetricsAccess:  true,
		}},
		Storage:             Storage{Settings: map[string]string{"path": "/bao/data", "performance_multiplier": "1"}},
		Seals:               []Seal{{Type: "static", Settings: map[string]string{"current_key": "file:///unseal/key", "current_key_id": "1"}}},
		ServiceRegistration: &ServiceRegistration{Namespace: "ns"},
		Telemetry:           &Telemetry{PrometheusRetention: 30 * time.Second, DisableHostname: true},
		Audits:              []Audit{{Type: "file", Path: "stdout", Description: "to the log", Options: map[string]string{"file_path": "stdout"}}},
		APIAddr:             "https://demo-0.demo.ns.svc:8200",
		ClusterAddr:         "https://demo-0.demo.ns.svc:8201",
		ClusterName:         "demo",
		LogLevel:            "debug",
		LogFormat:           "json",
		MaxLeaseTTL:         768 * time.Hour,
		Missing: []string{
			"ui of the configuration (no web interface)",
			"plugin_directory of the configuration (no plugins)",
		},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestLoadReadsADirectoryInTheOrderOfNames(t *testing.T) {
	c, err := load(t, map[string]string{
		"10-server.hcl":     minimal + "\nlog_level = \"info\"\ncluster_name = \"a\"\n",
		"20-override.json":  `{"log_level": "debug", "seal": {"static": {"current_key": "k", "current_key_id": "1"}}}`,
		"30-initialize.hcl": `initialize "one" {}`,
		"40-initialize.hcl": `initialize "two" {}`,
		"README.md":         "not read",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.LogLevel != "debug" || c.ClusterName != "a" {
		t.Errorf("log_level %q, cluster_name %q; want debug of the later file and a of the earlier", c.LogLevel, c.ClusterName)
	}
	if len(c.Seals) != 1 || c.Seals[0].Settings["current_key_id"] != "1" {
		t.Errorf("seals of the JSON file: %v", c.Seals)
	}
	if len(c.Initialize) != 2 || c.Initialize[0].Name != "one" || c.Initialize[1].Name != "two" {
		t.Errorf("initialize blocks: %v, want one and two", c.Initialize)
	}
}

func TestLoadOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bao.conf")
	if err := os.WriteFile(file, []byte(minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err != nil {
		t.Error(err)
	}
}

func TestLoadOfAnEmptyDirectory(t *testing.T) {
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("a directory without configuration files is accepted")
	}
}

func TestStrictness(t *testing.T) {
	for _, test := range []struct {
		name, config string
		// want are parts of the error.
		want []string
	}{
		{"attribute", minimal + `clustername = "x"`, []string{`server.hcl:9`, `has no key "clustername"`}},
		{"block", minimal + `sealing "static" {}`, []string{`has no key "sealing"`}},
		{"listener", `listener "tcp" { tls_cert = "x" }`, []string{`listener "tcp" has no key "tls_cert"`}},
		{"listener type", `listener "unix" {}`, []string{`listener "unix" is not supported`}},
		{"listener telemetry", `listener "tcp" { telemetry { x = 1 } }`, []string{`listener "tcp" telemetry has no key "x"`}},
		{"storage", `storage "raft" { election_timeout = "30s" }`, []string{`storage "raft" has no key "election_timeout"`}},
		{"storage type", `storage "file" {}`, []string{`storage "file" is not supported`}},
		{"retry_join", `storage "raft" { retry_join { leader_addr = "x" } }`, []string{`retry_join has no key "leader_addr"`, "either leader_api_addr or auto_join"}},
		{"retry_join twice over", `storage "raft" { retry_join { leader_api_addr = "x" auto_join = "y" } }`, []string{"either leader_api_addr or auto_join"}},
		{"seal", `seal "static" { key = "x" }`, []string{`seal "static" has no key "key"`}},
		{"seal type", `seal "shamir" {}`, []string{`no seal type "shamir"`}},
		{"seal label", `seal { current_key = "x" }`, []string{"seal needs one label"}},
		{"service registration", `service_registration "kubernetes" { pod = "x" }`, []string{`has no key "pod"`}},
		{"telemetry", `telemetry { prometheus = true }`, []string{`telemetry has no key "prometheus"`}},
		{"audit type", `audit "socket" "x" {}`, []string{`audit "socket" is not supported`}},
		{"audit labels", `audit "file" {}`, []string{"audit needs two labels"}},
		{"type of a boolean", `listener "tcp" { tls_disable = "maybe" }`, []string{`server.hcl:1: listener "tcp": tls_disable must be true or false`}},
		{"type of a number", `storage "raft" { trailing_logs = "many" }`, []string{"trailing_logs must be a number"}},
		{"type of a duration", `max_lease_ttl = "long"`, []string{`max_lease_ttl must be a duration`}},
		{"type of a string", `cluster_name = ["x"]`, []string{"cluster_name must be a string"}},
		{"set twice", "cluster_name = \"a\"\ncluster_name = \"b\"", []string{"server.hcl:2", "cluster_name is set twice"}},
		{"mlock", minimal + `disable_mlock = false`, []string{"disable_mlock = false is not possible"}},
		{"syntax", `listener "tcp" {`, []string{"server.hcl"}},
		{"all problems", "a = 1\nb = 2", []string{`"a"`, `"b"`}},

		{"nothing", ``, []string{"no listener", "no storage"}},
		{"no TLS files", `listener "tcp" {}`, []string{"tls_cert_file and tls_key_file are needed"}},
		{"client certificates", `listener "tcp" {
  tls_disable = true
  tls_require_and_verify_client_cert = true
  tls_disable_client_certs = true
}`, []string{"exclude each other"}},
		{"no path", `storage "raft" {}`, []string{"path is required"}},
		{"two seals", minimal + `
seal "static" {}
seal "transit" {}`, []string{"only one seal"}},
		{"seal migration", minimal + `seal "transit" { disabled = true }`, []string{"cannot migrate"}},
		{"log format", minimal + `log_format = "xml"`, []string{"log_format must be"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, map[string]string{"server.hcl": test.config})
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestKeysOfEverySealType(t *testing.T) {
	for _, seal := range []string{
		`seal "transit" {
  address         = "https://other:8200"
  key_name        = "unseal"
  mount_path      = "transit/"
  disable_renewal = true
  tls_ca_cert     = "/tls/ca.crt"
}`,
		`seal "awskms" { region = "eu-central-1" kms_key_id = "x" }`,
		`seal "azurekeyvault" { vault_name = "x" key_name = "y" tenant_id = "z" }`,
		`seal "gcpckms" { project = "x" region = "y" key_ring = "z" crypto_key = "k" }`,
		`seal "ocikms" { key_id = "x" crypto_endpoint = "y" management_endpoint = "z" auth_type_api_key = true }`,
		`seal "kmip" { endpoint = "x:5696" kms_key_id = "y" client_cert = "c" client_key = "k" }`,
		`seal "pkcs11" { lib = "/x.so" slot = 0 pin = "env" key_label = "y" }`,
	} {
		if _, err := load(t, map[string]string{"server.hcl": minimal + seal}); err != nil {
			t.Errorf("%s\n%v", seal, err)
		}
	}
}
