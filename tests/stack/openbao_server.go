// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
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

// HasBao reports whether the machine has a real OpenBao server to be used, so that
// none need be built.
func HasBao() bool {
	if _, isSet := os.LookupEnv(baoBin); isSet {
		return true
	}
	_, err := exec.LookPath("bao")
	return err == nil
}

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
	if b.selfInit != nil || b.leader != nil {
		return errors.New("the embedded server neither initialises itself nor joins another")
	}
	return b.useEmbedded()
}

func (b *OpenBao) useEmbedded() error {
	path, err := Tool("openbao-server")
	if err != nil {
		return err
	}
	b.server.Path = path
	b.args = []string{
		flag("listen", b.listen),
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
	raft := map[string]any{
		"path":    data,
		"node_id": "node-0",
		// The shortest election, since no other node can contend.
		"performance_multiplier": 1,
	}
	if b.leader != nil {
		raft["node_id"] = JoinedNode
		raft["retry_join"] = []any{map[string]any{"leader_api_addr": b.leader.Address, "leader_ca_cert_file": b.leader.CAFile}}
		raft["retry_join_as_non_voter"] = true
	}
	settings := map[string]any{
		"api_addr":     b.Address,
		"cluster_addr": "https://" + address(b.basePort+1),
		"storage":      map[string]any{"raft": raft},
		"listener": []any{map[string]any{"tcp": map[string]any{
			"address":         b.listen,
			"cluster_address": address(b.basePort + 1),
			"tls_cert_file":   b.workDir.join("tls.crt"),
			"tls_key_file":    b.workDir.join("tls.key"),
		}}},
	}
	b.server.Path = path
	b.args = []string{"server"}
	if b.selfInit != nil {
		file, err := b.workDir.write("initialize.hcl", []byte(b.selfInit.Stanzas))
		if err != nil {
			return err
		}
		b.args = append(b.args, flag("config", file))
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return err
		}
		if file, err = b.workDir.write("unseal.key", key); err != nil {
			return err
		}
		settings["seal"] = []any{map[string]any{"static": map[string]any{"current_key_id": "first", "current_key": "file://" + file}}}
	}
	// The configuration language takes JSON as well.
	config, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return err
	}
	file, err := b.workDir.write("bao.json", config)
	if err != nil {
		return err
	}
	b.args = append(b.args, flag("config", file))
	return nil
}

// JoinedNode is the raft id of a server that joined another.
const JoinedNode = "node-1"

// joinLeader waits until the server has joined the cluster of its leader, whose
// credentials are its own then.
func (b *OpenBao) joinLeader(ctx context.Context) error {
	b.RootToken, b.unsealKey = b.leader.RootToken, b.leader.unsealKey
	client, err := b.probeClient()
	if err != nil {
		return err
	}
	return b.server.WaitReady(ctx, func(ctx context.Context) error {
		status, err := client.Sys().SealStatusWithContext(ctx)
		if err != nil {
			return err
		}
		if status.Sealed {
			// Until the leader has answered there is nothing to unseal.
			if status, err = client.Sys().UnsealWithContext(ctx, b.unsealKey); err != nil {
				return err
			}
		}
		if !status.Initialized || status.Sealed {
			return fmt.Errorf("initialized %t, sealed %t", status.Initialized, status.Sealed)
		}
		b.Version = status.Version
		return nil
	})
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
	err = b.server.WaitReady(ctx, func(ctx context.Context) error {
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

// flag renders one argument.
func flag(name string, value any) string { return fmt.Sprintf("--%s=%v", name, value) }
