// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package core holds what the programs of this module share of the embedded
// core: the backends that are built in, and the plugin registry.
package core

import (
	jwt "github.com/hashicorp/vault-plugin-auth-jwt"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/audit"
	auditfile "github.com/hashicorp/vault/builtin/audit/file"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

// CredentialBackends returns the auth methods that can be enabled, besides token.
func CredentialBackends() map[string]logical.Factory {
	return map[string]logical.Factory{"jwt": jwt.Factory}
}

// LogicalBackends returns the secrets engines that can be mounted, besides the
// core's own: sys, identity and cubbyhole.
func LogicalBackends() map[string]logical.Factory {
	return map[string]logical.Factory{"kv": kv.Factory}
}

// AuditBackends returns the audit devices that can be enabled.
func AuditBackends() map[string]audit.Factory {
	return map[string]audit.Factory{"file": auditfile.Factory}
}

// NoBuiltins is a plugin registry without plugins: the factories of this package
// are all there is.
type NoBuiltins struct{}

// Contains is always false.
func (NoBuiltins) Contains(string, consts.PluginType) bool { return false }

// Get never finds a plugin.
func (NoBuiltins) Get(string, consts.PluginType) (func() (interface{}, error), bool) {
	return nil, false
}

// Keys lists no plugin.
func (NoBuiltins) Keys(consts.PluginType) []string { return nil }

// DeprecationStatus knows no plugin.
func (NoBuiltins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Unknown, false
}

// IsBuiltinEntPlugin is always false.
func (NoBuiltins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
