// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"

	"github.com/hashicorp/go-hclog"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/physical/raft"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/vault"

	shared "github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/core"
)

// newCore returns a sealed core on the raft storage in o.dataDir.
func newCore(o options, logger hclog.Logger) (*vault.Core, error) {
	if err := os.MkdirAll(o.dataDir, 0o700); err != nil {
		return nil, err
	}
	backend, err := raft.NewRaftBackend(map[string]string{
		"path":    o.dataDir,
		"node_id": "node-0",
		// The shortest election, since no other node can contend.
		"performance_multiplier": "1",
	}, logger.Named("storage.raft"))
	if err != nil {
		return nil, err
	}
	clusterAddr, err := net.ResolveTCPAddr("tcp", o.clusterListen)
	if err != nil {
		return nil, fmt.Errorf("--cluster-listen: %w", err)
	}

	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:     backend,
		HAPhysical:   backend.(physical.HABackend),
		StorageType:  "raft",
		RedirectAddr: "https://" + o.listen,
		ClusterAddr:  "https://" + o.clusterListen,
		ClusterName:  "bailiwick-test",
		// Locking memory needs a privilege, and there is nothing here to protect.
		DisableMlock:       true,
		BuiltinRegistry:    shared.NoBuiltins{},
		CredentialBackends: shared.CredentialBackends(),
		LogicalBackends:    shared.LogicalBackends(),
		Logger:             logger,
	})
	if err != nil {
		return nil, err
	}
	core.SetClusterListenerAddrs([]*net.TCPAddr{clusterAddr})
	core.SetClusterHandler(vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core}))
	return core, nil
}
