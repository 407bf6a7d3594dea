// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package selfinit starts a cluster on empty storage by the initialize blocks of
// the configuration, as OpenBao 2.6 does.
//
// Only the node's own storage decides whether there is something to start. A node
// with such blocks and an empty disk therefore starts a second cluster even where
// its peers have one to join. That is OpenBao's behaviour too
// (command/server.go, Initialize), and those who render configurations have to
// know it.
//
// Nor is the time covered between the first write to the storage and the marker,
// in which the node becomes active: a server that is killed there is initialized,
// has no marker, and nobody has its root token.
package selfinit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/helper/namespace"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/vault"

	"github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/config"
)

// activeTimeout is how long the node may take to become active, as in OpenBao.
const activeTimeout = 35 * time.Second

// Options are what Run needs besides the core.
type Options struct {
	Blocks []config.Initialize
	Marker Marker
	// AutoUnseal tells whether the configuration has a seal.
	AutoUnseal bool
	// BeforeRequests is called on the active node, unless it is nil.
	BeforeRequests func(context.Context) error
	// KeepRoot does not revoke the root token, as OpenBao before 2.6.
	KeepRoot bool
	// Delay is waited before each request, so that tests can stop a server in between.
	Delay  time.Duration
	Logger hclog.Logger
}

// Run initializes core and sends it the requests of the blocks with the root
// token, which is revoked at the end whatever happened, unless it is kept. It does
// nothing without blocks, or if the core is initialized. An error leaves a node that
// will not be unsealed again: the process should end.
func Run(ctx context.Context, core *vault.Core, o Options) (err error) {
	if len(o.Blocks) == 0 {
		return nil
	}
	if !o.AutoUnseal {
		return errors.New("initialize needs a seal that unseals by itself; add a seal block")
	}
	ctx = namespace.RootContext(ctx)
	initialized, err := core.Initialized(ctx)
	if err != nil || initialized {
		return err
	}
	// The core insists on recovery shares. Here nobody gets to know them, and in
	// OpenBao there are none.
	result, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig:  &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
		RecoveryConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
	})
	if errors.Is(err, vault.ErrAlreadyInit) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("self-initialization: %w", err)
	}
	defer func() {
		if o.KeepRoot {
			return
		}
		if revokeErr := revoke(ctx, core, result.RootToken); revokeErr != nil {
			err = errors.Join(err, fmt.Errorf("self-initialization: revoking the root token: %w", revokeErr))
		}
	}()

	if err := becomeActive(ctx, core); err != nil {
		return fmt.Errorf("self-initialization: %w", err)
	}
	if o.BeforeRequests != nil {
		if err := o.BeforeRequests(ctx); err != nil {
			return fmt.Errorf("self-initialization: %w", err)
		}
	}
	if err := o.Marker.set(ctx); err != nil {
		return fmt.Errorf("self-initialization: marking it as begun: %w", err)
	}
	if err := replay(ctx, core, o, result.RootToken); err != nil {
		return fmt.Errorf("self-initialization: %w", err)
	}
	if err := o.Marker.remove(ctx); err != nil {
		return fmt.Errorf("self-initialization: marking it as completed: %w", err)
	}
	o.Logger.Info("self-initialization is complete")
	return nil
}

func becomeActive(ctx context.Context, core *vault.Core) error {
	if err := core.UnsealWithStoredKeys(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, activeTimeout)
	defer cancel()
	for {
		if active, _, _, err := core.Leader(); err != nil || active {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New("the node did not become active; start only one node with initialize blocks")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func replay(ctx context.Context, core *vault.Core, o Options, rootToken string) error {
	for _, block := range o.Blocks {
		for _, request := range block.Requests {
			time.Sleep(o.Delay)
			err := send(ctx, core, request, rootToken)
			if err != nil && !request.AllowFailure {
				return fmt.Errorf("initialize %q request %q: %w", block.Name, request.Name, err)
			}
			o.Logger.Info("sent a request of the configuration", "initialize", block.Name, "request", request.Name, "failed", err != nil)
		}
	}
	return nil
}

func send(ctx context.Context, core *vault.Core, r config.Request, rootToken string) error {
	token := rootToken
	if r.Token != nil {
		token = *r.Token
	}
	return handle(ctx, core, &logical.Request{
		Operation:   logical.Operation(r.Operation),
		Path:        r.Path,
		Data:        r.Data,
		ClientToken: token,
		Connection:  &logical.Connection{RemoteAddr: "127.0.0.1"},
	})
}

func revoke(ctx context.Context, core *vault.Core, token string) error {
	return handle(ctx, core, &logical.Request{
		Operation:   logical.UpdateOperation,
		Path:        "auth/token/revoke-self",
		ClientToken: token,
	})
}

func handle(ctx context.Context, core *vault.Core, r *logical.Request) error {
	response, err := core.HandleRequest(ctx, r)
	if err == nil && response != nil && response.IsError() {
		err = response.Error()
	}
	return err
}
