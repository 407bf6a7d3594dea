// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	"github.com/openbao/openbao/api/v2"
)

// OpenBaoKind is a kind of server.
type OpenBaoKind string

const (
	// Bao is the real server: the binary that BAO_BIN names, or bao on PATH.
	Bao OpenBaoKind = "bao"
	// Embedded is openbao-server from hack/tools, an API-compatible server made
	// of the core of the release that OpenBao forked from.
	Embedded OpenBaoKind = "embedded"
)

// baoBin is the environment variable that names a real server.
const baoBin = "BAO_BIN"

// chooseServer sets the binary and its arguments.
func (b *OpenBao) chooseServer() error {
	path, isSet := os.LookupEnv(baoBin)
	if isSet {
		if _, err := exec.LookPath(path); err != nil {
			return fmt.Errorf("%s: %w", baoBin, err)
		}
	} else if found, err := exec.LookPath("bao"); err == nil {
		path = found
	}
	if path != "" {
		b.Kind = Bao
		return b.useBao(path)
	}
	b.Kind = Embedded
	return b.useEmbedded()
}

func (b *OpenBao) useEmbedded() error {
	path, err := Tool("openbao-server")
	if err != nil {
		return err
	}
	b.server.path = path
	b.args = []string{
		flag("listen", address(b.basePort)),
		flag("cluster-listen", address(b.basePort+1)),
		flag("tls-cert", b.workDir.join("tls.crt")),
		flag("tls-key", b.workDir.join("tls.key")),
		flag("data-dir", b.workDir.join("raft")),
		flag("init-file", b.initFile),
	}
	return nil
}

func (b *OpenBao) useBao(path string) error {
	data := b.workDir.join("raft")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	// The configuration language takes JSON as well.
	config, err := json.MarshalIndent(map[string]any{
		"api_addr":     b.Address,
		"cluster_addr": "https://" + address(b.basePort+1),
		"storage": map[string]any{"raft": map[string]any{
			"path":    data,
			"node_id": "node-0",
			// The shortest election, since no other node can contend.
			"performance_multiplier": 1,
		}},
		"listener": []any{map[string]any{"tcp": map[string]any{
			"address":         address(b.basePort),
			"cluster_address": address(b.basePort + 1),
			"tls_cert_file":   b.workDir.join("tls.crt"),
			"tls_key_file":    b.workDir.join("tls.key"),
		}}},
	}, "", "  ")
	if err != nil {
		return err
	}
	file, err := b.workDir.write("bao.json", config)
	if err != nil {
		return err
	}
	b.server.path = path
	b.args = []string{"server", flag("config", file)}
	return nil
}

// credentials are the content of the init file.
type credentials struct {
	UnsealKey string `json:"unsealKey"`
	RootToken string `json:"rootToken"`
}

// initAndUnseal does through the API what the embedded server does by itself: it
// initialises a new server and writes its credentials to the init file, and
// unseals it.
func (b *OpenBao) initAndUnseal(ctx context.Context) error {
	client, err := b.probeClient()
	if err != nil {
		return err
	}
	var initialized bool
	err = b.server.waitReady(ctx, func(ctx context.Context) error {
		initialized, err = client.Sys().InitStatusWithContext(ctx)
		return err
	})
	if err != nil {
		return err
	}
	// Initialising takes longer than a question.
	if client, err = b.Client(); err != nil {
		return err
	}
	if !initialized {
		response, err := client.Sys().InitWithContext(ctx, &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
		if err != nil {
			return fmt.Errorf("initialising: %w", err)
		}
		content, err := json.Marshal(credentials{UnsealKey: response.Keys[0], RootToken: response.RootToken})
		if err != nil {
			return err
		}
		if err := os.WriteFile(b.initFile, content, 0o600); err != nil {
			return err
		}
	}
	if err := b.loadCredentials(); err != nil {
		return err
	}
	return b.Unseal(ctx)
}

func (b *OpenBao) loadCredentials() error {
	content, err := os.ReadFile(b.initFile)
	if err != nil {
		return err
	}
	var creds credentials
	if err := json.Unmarshal(content, &creds); err != nil {
		return fmt.Errorf("%s: %w", b.initFile, err)
	}
	b.RootToken, b.unsealKey = creds.RootToken, creds.UnsealKey
	return nil
}
