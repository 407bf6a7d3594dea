// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"

	"github.com/hashicorp/go-hclog"
	jwt "github.com/hashicorp/vault-plugin-auth-jwt"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/physical/raft"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/vault"
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
		DisableMlock:    true,
		BuiltinRegistry: noBuiltins{},
		CredentialBackends: map[string]logical.Factory{
			"jwt": jwt.Factory,
		},
		LogicalBackends: map[string]logical.Factory{
			"kv": kv.Factory,
		},
		Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	core.SetClusterListenerAddrs([]*net.TCPAddr{clusterAddr})
	core.SetClusterHandler(vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core}))
	return core, nil
}

// noBuiltins is a plugin registry without plugins: the factories that newCore
// hands over are all there is.
type noBuiltins struct{}

func (noBuiltins) Contains(string, consts.PluginType) bool { return false }

func (noBuiltins) Get(string, consts.PluginType) (func() (interface{}, error), bool) {
	return nil, false
}

func (noBuiltins) Keys(consts.PluginType) []string { return nil }

func (noBuiltins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Unknown, false
}

func (noBuiltins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
