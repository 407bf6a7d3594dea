// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/helper/namespace"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/vault"

	"github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/config"
)

// auditor enables the declared audit devices when the node becomes active. The
// core has no such declarations, so that the API is used, with a token of its
// own which lives for one pass.
type auditor struct {
	core    *vault.Core
	devices []config.Audit
	logger  hclog.Logger

	mu sync.Mutex
	// enabled is about the present time as the active node.
	enabled bool
}

// run watches over the devices until ctx is done. Once enabled they are in the
// storage, and are there before the node's first request as an active one.
func (a *auditor) run(ctx context.Context) {
	if len(a.devices) == 0 {
		return
	}
	for {
		if active, _, _, err := a.core.Leader(); err != nil || !active {
			a.mu.Lock()
			a.enabled = false
			a.mu.Unlock()
		} else if err := a.enable(ctx); err != nil {
			a.logger.Error("audit devices cannot be enabled; will retry", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// enable enables the devices that are missing. The node must be active.
func (a *auditor) enable(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.enabled || len(a.devices) == 0 {
		return nil
	}
	ctx = namespace.RootContext(ctx)
	auth := &logical.Auth{
		TokenType:     logical.TokenTypeService,
		TokenPolicies: []string{"root"},
		DisplayName:   "audit",
	}
	if err := a.core.RegisterAuth(ctx, time.Minute, "auth/token/create", auth, ""); err != nil {
		return err
	}
	request := func(operation logical.Operation, path string, data map[string]any) (*logical.Response, error) {
		response, err := a.core.HandleRequest(ctx, &logical.Request{
			Operation: operation, Path: path, Data: data, ClientToken: auth.ClientToken,
		})
		if err == nil && response != nil && response.IsError() {
			err = response.Error()
		}
		return response, err
	}
	defer func() {
		if _, err := request(logical.UpdateOperation, "auth/token/revoke-self", nil); err != nil {
			a.logger.Error("the token for audit devices is not revoked; it expires within a minute", "error", err)
		}
	}()

	present, err := request(logical.ReadOperation, "sys/audit", nil)
	if err != nil {
		return err
	}
	for _, device := range a.devices {
		if present != nil && present.Data[device.Path+"/"] != nil {
			continue
		}
		options := map[string]any{}
		for key, value := range device.Options {
			options[key] = value
		}
		if _, err := request(logical.UpdateOperation, "sys/audit/"+device.Path, map[string]any{
			"type":        device.Type,
			"description": device.Description,
			"local":       device.Local,
			"options":     options,
		}); err != nil {
			return fmt.Errorf("audit %q %q: %w", device.Type, device.Path, err)
		}
		a.logger.Info("enabled an audit device", "path", device.Path)
	}
	a.enabled = true
	return nil
}
