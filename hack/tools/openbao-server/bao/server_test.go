// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAutopilotLeavesJoiners lets the autopilot look all the time while servers join.
func TestAutopilotLeavesJoiners(t *testing.T) {
	nodes := newCluster(t).newNodes(5, "")
	for _, n := range nodes {
		file := n.name + "/config/server.hcl"
		content, err := os.ReadFile(n.path(file))
		if err != nil {
			t.Fatal(err)
		}
		n.write(file, bytes.Replace(content, []byte("performance_multiplier"), []byte("autopilot_reconcile_interval = \"5ms\"\n  autopilot_update_interval = \"2ms\"\n  performance_multiplier"), 1))
	}
	nodes[0].initialize(createTestToken + `
initialize "autopilot" {
  request "cleanup" {
    operation = "update"
    path      = "sys/storage/raft/autopilot/configuration"
    data = {
      cleanup_dead_servers               = true
      dead_server_last_contact_threshold = "300s"
      min_quorum                         = "3"
      server_stabilization_time          = "1s"
    }
  }
}
`)
	nodes[0].start()
	nodes[0].waitVoters(1)
	for _, n := range nodes[1:] {
		n.start()
	}
	nodes[0].waitVoters(len(nodes))
	if nodes[0].log.contains("removed server") {
		t.Error("the autopilot has removed a server that joins")
	}
}

// createTestToken is a block that lets a test in.
const createTestToken = `
initialize "test" {
  request "token" {
    operation = "update"
    path      = "auth/token/create-orphan"
    data = {
      id       = "` + testToken + `"
      policies = ["root"]
    }
  }
}
`

func TestCluster(t *testing.T) {
	nodes := newCluster(t).newNodes(3, "")
	byName := map[string]*node{}
	nodes[0].initialize(createTestToken)
	for _, n := range nodes {
		byName[n.name] = n
		n.start()
	}
	began := time.Now()
	leader := nodes[0].waitVoters(3)
	t.Logf("three voters after %v", time.Since(began))
	id := nodes[0].waitHealthy().ClusterID
	for _, n := range nodes {
		if h := n.waitHealthy(); h.ClusterID != id || h.Version != defaultVersion {
			t.Errorf("%s: cluster %q and version %q, want %q and %q", n.name, h.ClusterID, h.Version, id, defaultVersion)
		}
	}

	t.Run("no root token", func(t *testing.T) {
		for _, name := range tokenNames(t, nodes[0]) {
			if name == "root" {
				t.Error("the root token of the self-initialization is not revoked")
			}
		}
		for _, n := range nodes {
			if n.log.contains("hvs.") {
				t.Errorf("%s logs a token", n.name)
			}
		}
	})

	t.Run("raft API", func(t *testing.T) {
		for _, path := range []string{"autopilot/state", "autopilot/configuration"} {
			if err := nodes[0].request(http.MethodGet, "sys/storage/raft/"+path, nil, nil); err != nil {
				t.Error(err)
			}
		}
		if err := byName[leader].request(http.MethodGet, "sys/storage/raft/snapshot", nil, nil); err != nil {
			t.Error(err)
		}
	})

	t.Run("leadership is transferred on SIGTERM", func(t *testing.T) {
		began := time.Now()
		if code := byName[leader].stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		t.Logf("exited after %v", time.Since(began))
		other := nodes[0]
		if other.name == leader {
			other = nodes[1]
		}
		other.until("following another leader", func() error {
			_, current, err := other.voters()
			if err == nil && (current == "" || current == leader) {
				err = fmt.Errorf("leader %q", current)
			}
			return err
		})
		took := time.Since(began)
		t.Logf("another leader after %v", took)
		if took > 15*time.Second {
			t.Errorf("another leader only after %v", took)
		}
		byName[leader].start()
		byName[leader].waitHealthy()
	})

	t.Run("an empty node without initialize joins again", func(t *testing.T) {
		nodes[0].initialize("")
		nodes[0].stop(syscall.SIGTERM)
		nodes[0].wipe()
		nodes[0].start()
		if got := nodes[0].waitHealthy().ClusterID; got != id {
			t.Errorf("cluster %q, want %q", got, id)
		}
		nodes[0].waitVoters(3)
	})

	t.Run("an empty node with initialize starts another cluster", func(t *testing.T) {
		nodes[0].initialize(createTestToken)
		nodes[0].stop(syscall.SIGTERM)
		nodes[0].wipe()
		nodes[0].start()
		if got := nodes[0].waitHealthy().ClusterID; got == id {
			t.Error("the node has joined its cluster; OpenBao would have started a second one")
		}
	})
}

// tokenNames returns the display names of all tokens.
func tokenNames(t *testing.T, n *node) []string {
	t.Helper()
	var accessors struct{ Data struct{ Keys []string } }
	if err := n.request("LIST", "auth/token/accessors", nil, &accessors); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, accessor := range accessors.Data.Keys {
		var token struct {
			Data struct {
				DisplayName string `json:"display_name"`
			}
		}
		if err := n.request(http.MethodPost, "auth/token/lookup-accessor", map[string]string{"accessor": accessor}, &token); err != nil {
			t.Fatal(err)
		}
		names = append(names, token.Data.DisplayName)
	}
	return names
}

func TestRootTokenOfEarlierVersions(t *testing.T) {
	n := newCluster(t).newNodes(1, "")[0]
	n.initialize(createTestToken)
	n.env = []string{"BAO_TEST_VERSION=2.5.5"}
	n.start()
	n.waitHealthy()
	if names := tokenNames(t, n); !slices.Contains(names, "root") {
		t.Errorf("the tokens are %q, and OpenBao 2.5 does not revoke the root token", names)
	}
}

func TestKilledSelfInitialization(t *testing.T) {
	n := newCluster(t).newNodes(1, "")[0]
	n.initialize(`
initialize "auth" {
  request "jwt" {
    operation = "update"
    path      = "sys/auth/jwt"
    data = {
      type = "jwt"
    }
  }
}
` + createTestToken)
	n.env = []string{"BAO_TEST_SELF_INIT_DELAY=2s"}
	n.start()
	n.waitLog("initialize=auth request=jwt")
	n.stop(syscall.SIGKILL)
	if n.log.contains("serving: address=") {
		t.Error("the node answers requests before it has initialized itself")
	}

	n.env = nil
	n.start()
	if code := n.wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if !n.log.contains("refusing to unseal") {
		t.Error("the log does not say that the node refuses to unseal")
	}
	if n.log.contains("vault is unsealed") {
		t.Error("the node has been unsealed")
	}

	n.wipe()
	n.start()
	n.waitHealthy()
	n.waitVoters(1)
	if !n.log.contains("serving: address=") {
		t.Error("the log does not say that the node answers requests, on which this test relies")
	}
}

func TestFailingRequestOfSelfInitialization(t *testing.T) {
	n := newCluster(t).newNodes(1, "")[0]
	const failing = `
initialize "fails" {
  request "nothing there" {
    operation     = "update"
    path          = "auth/nothing/there"
    allow_failure = %t
  }
}
`
	n.initialize(fmt.Sprintf(failing, false))
	for range 2 {
		n.start()
		if code := n.wait(); code != 1 {
			t.Fatalf("exit code %d, want 1", code)
		}
	}
	if !n.log.contains("refusing to unseal") {
		t.Error("the second start does not refuse to unseal")
	}

	n.wipe()
	n.initialize(fmt.Sprintf(failing, true) + createTestToken)
	n.start()
	n.waitVoters(1)
}

func TestInitializationByAPI(t *testing.T) {
	c := newCluster(t)
	auditLog := c.path("audit.log")
	n := c.newNodes(1, fmt.Sprintf(`
audit "file" "log" {
  options = {
    file_path = %q
  }
}
`, auditLog))[0]
	n.start()
	n.until("answering", func() error {
		_, err := n.health()
		return err
	})
	status := func(want int) string {
		t.Helper()
		var out, problems bytes.Buffer
		if code := run([]string{"status", "-format=json", "-address=" + n.url(), "-ca-cert=" + c.path("ca.crt")}, &out, &problems); code != want {
			t.Errorf("bao status: exit code %d, want %d: %s", code, want, problems.String())
		}
		return out.String()
	}
	status(exitSealed)

	var keys struct {
		RecoveryKeys []string `json:"recovery_keys"`
		RootToken    string   `json:"root_token"`
	}
	if err := n.request(http.MethodPut, "sys/init", map[string]int{"recovery_shares": 3, "recovery_threshold": 2}, &keys); err != nil {
		t.Fatal(err)
	}
	if len(keys.RecoveryKeys) != 3 || keys.RootToken == "" {
		t.Errorf("%d recovery keys, root token %t; want 3 and true", len(keys.RecoveryKeys), keys.RootToken != "")
	}
	n.waitHealthy()
	n.until("auditing", func() error {
		if content, err := os.ReadFile(auditLog); err != nil || len(content) == 0 {
			return errors.New("nothing is audited")
		}
		return nil
	})
	var shown map[string]any
	if err := json.Unmarshal([]byte(status(exitUnsealed)), &shown); err != nil || shown["is_self"] != true {
		t.Errorf("bao status shows is_self %v (%v), want true", shown["is_self"], err)
	}

	t.Run("a new certificate needs a signal", func(t *testing.T) {
		before := serial(t, n)
		c.issue(before + 1)
		if got := serial(t, n); got != before {
			t.Errorf("serial %d without a signal, want %d", got, before)
		}
		if err := n.command.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		n.until("showing the new certificate", func() error {
			if got := serial(t, n); got != before+1 {
				return fmt.Errorf("serial %d, want %d", got, before+1)
			}
			return nil
		})
	})
	n.stop(syscall.SIGTERM)
	status(exitError)

	t.Run("and none from 2.7 on", func(t *testing.T) {
		n.env = []string{"BAO_TEST_VERSION=2.7.0"}
		n.start()
		n.waitHealthy()
		before := serial(t, n)
		c.issue(before + 1)
		if got := serial(t, n); got != before+1 {
			t.Errorf("serial %d, want %d", got, before+1)
		}
		n.stop(syscall.SIGTERM)
	})
}

// serial returns the serial number of the certificate that the node shows.
func serial(t *testing.T, n *node) int64 {
	t.Helper()
	connection, err := tls.Dial("tcp", strings.TrimPrefix(n.url(), "https://"), &tls.Config{RootCAs: n.roots})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	return connection.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestWrongConfiguration(t *testing.T) {
	n := newCluster(t).newNodes(1, `tls_cert = "x"`)[0]
	n.start()
	if code := n.wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if !n.log.contains(`has no key "tls_cert"`) {
		t.Error("the output does not name the unknown key")
	}
}

// fakeTransit is as much of the API of a transit engine as a seal needs. It does
// not encrypt.
func fakeTransit(w http.ResponseWriter, r *http.Request) {
	var in struct{ Plaintext, Ciphertext string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("X-Vault-Token") != testToken {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var data map[string]string
	switch r.URL.Path {
	case "/v1/transit/encrypt/unseal":
		data = map[string]string{"ciphertext": "vault:v1:" + in.Plaintext}
	case "/v1/transit/decrypt/unseal":
		data = map[string]string{"plaintext": strings.TrimPrefix(in.Ciphertext, "vault:v1:")}
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
}

func TestTransitSeal(t *testing.T) {
	engine := httptest.NewTLSServer(http.HandlerFunc(fakeTransit))
	defer engine.Close()
	c := newCluster(t)
	c.write("transit-ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: engine.Certificate().Raw}))
	n := c.newNodes(1, "")[0]
	c.write(n.name+"/config/server.hcl", fmt.Appendf(nil, `
listener "tcp" {
  address       = "127.0.0.1:%d"
  tls_cert_file = "%s/tls.crt"
  tls_key_file  = "%[2]s/tls.key"
}
storage "raft" {
  path                   = "%[2]s/data"
  performance_multiplier = 1
}
seal "transit" {
  address         = %q
  key_name        = "unseal"
  mount_path      = "transit/"
  disable_renewal = true
  tls_ca_cert     = "%[2]s/transit-ca.crt"
}
`, n.port, c.dir, engine.URL))
	n.env = []string{"VAULT_TRANSIT_SEAL_TOKEN=" + testToken}
	n.initialize(createTestToken)
	for range 2 {
		n.start()
		n.waitHealthy()
		if n.log.contains(testToken) {
			t.Error("the log shows the token of the seal")
		}
		n.stop(syscall.SIGTERM)
	}
}
