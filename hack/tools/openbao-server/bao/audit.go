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
}

// run watches over the devices until ctx is done. Once enabled they are in the
// storage, and are there before the node's first request as an active one.
func (a *auditor) run(ctx context.Context) {
	if len(a.devices) == 0 {
		return
	}
	enabled := false
	for {
		active, _, _, err := a.core.Leader()
		switch {
		case err != nil || !active:
			enabled = false
		case !enabled:
			if err := a.enable(ctx); err != nil {
				a.logger.Error("audit devices cannot be enabled; will retry", "error", err)
			} else {
				enabled = true
			}
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
	if len(a.devices) == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
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
	return nil
}
