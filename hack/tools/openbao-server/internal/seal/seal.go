// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"context"
	"fmt"
	"maps"
	"os"

	"github.com/hashicorp/go-hclog"
	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/vault"
	vaultseal "github.com/hashicorp/vault/vault/seal"

	"github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/config"
)

// New returns the auto-unseal of a configuration, or nil if it has none and the
// server is unsealed with key shares.
//
// Static is made here. Transit and the clouds' key management are the core's own,
// so that only their settings are OpenBao's. kmip and pkcs11 do not exist in the
// core, and are an error.
func New(ctx context.Context, seals []config.Seal, logger hclog.Logger) (vault.Seal, error) {
	for _, s := range seals {
		if s.Disabled {
			continue
		}
		wrapper, err := wrapperOf(ctx, s, logger)
		if err != nil {
			return nil, fmt.Errorf("seal %q: %w", s.Type, err)
		}
		return vault.NewAutoSeal(vaultseal.NewAccess(wrapper))
	}
	return nil, nil
}

func wrapperOf(ctx context.Context, s config.Seal, logger hclog.Logger) (wrapping.Wrapper, error) {
	switch s.Type {
	case "static":
		return newStatic(ctx, s.Settings)
	case "kmip", "pkcs11":
		return nil, fmt.Errorf("the test server has no such seal; use a static or transit seal")
	case "transit":
		return configutil.ConfigureWrapper(&configutil.KMS{Type: s.Type, Config: fromEnvironment(s.Settings)}, nil, nil, logger)
	default:
		return configutil.ConfigureWrapper(&configutil.KMS{Type: s.Type, Config: s.Settings}, nil, nil, logger)
	}
}

// fromEnvironment returns the settings of a transit seal with those of the environment,
// which OpenBao's seal reads itself and prefers.
func fromEnvironment(settings map[string]string) map[string]string {
	out := maps.Clone(settings)
	for name, variable := range map[string]string{
		"address": "ADDR", "token": "TOKEN", "key_name": "KEY_NAME", "mount_path": "MOUNT_PATH", "disable_renewal": "DISABLE_RENEWAL",
	} {
		if value := os.Getenv("VAULT_TRANSIT_SEAL_" + variable); value != "" {
			out[name] = value
		}
	}
	return out
}
