// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// configWrites bounds how often one change of the config is written until it shows.
const configWrites = 4

// writeConfig writes the config of the mount until the server shows it, and then once
// more. OpenBao 2.6 forgets its cached config before a write is committed: a request
// that reads the old one in between makes the server go on with it, removed keys
// included, until the next write. A write that shows may still have left a validator
// with the old keys behind, which nothing but a login shows. If it never shows, the
// caller's own read-back says so.
func writeConfig(ctx context.Context, server openbao.Interface, path string, data map[string]any) error {
	for range configWrites - 1 {
		if err := server.WriteConfig(ctx, path, data); err != nil {
			return err
		}
		switch config, err := server.ReadConfig(ctx, path); {
		case err == nil && authz.HoldsConfig(config, data):
			return server.WriteConfig(ctx, path, data)
		case err != nil && !openbao.IsNotFound(err):
			return err
		}
	}
	return server.WriteConfig(ctx, path, data)
}
