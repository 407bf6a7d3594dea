// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/vault/vault"
)

// credentials is the content of the init file.
type credentials struct {
	// UnsealKey is the only key share, in hexadecimal as the API takes it.
	UnsealKey string `json:"unsealKey"`
	RootToken string `json:"rootToken"`
}

// initAndUnseal initialises a core on empty storage and writes its credentials
// to initFile, then unseals it. On storage that is in use it unseals with the
// credentials that an earlier start wrote.
func initAndUnseal(ctx context.Context, core *vault.Core, initFile string) error {
	initialized, err := core.Initialized(ctx)
	if err != nil {
		return fmt.Errorf("asking the storage whether it is initialised: %w", err)
	}
	var creds credentials
	if initialized {
		creds, err = readCredentials(initFile)
	} else {
		creds, err = initialize(ctx, core, initFile)
	}
	if err != nil {
		return err
	}

	key, err := hex.DecodeString(creds.UnsealKey)
	if err != nil {
		return fmt.Errorf("%s: the unseal key is not hexadecimal", initFile)
	}
	unsealed, err := core.Unseal(key)
	if err != nil {
		return fmt.Errorf("unsealing: %w", err)
	}
	if !unsealed {
		return errors.New("unsealing: one key share was not enough")
	}
	return nil
}

func initialize(ctx context.Context, core *vault.Core, initFile string) (credentials, error) {
	result, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
	})
	if err != nil {
		return credentials{}, fmt.Errorf("initialising: %w", err)
	}
	creds := credentials{
		UnsealKey: hex.EncodeToString(result.SecretShares[0]),
		RootToken: result.RootToken,
	}
	content, err := json.Marshal(creds)
	if err != nil {
		return credentials{}, err
	}
	if err := os.WriteFile(initFile, content, 0o600); err != nil {
		return credentials{}, fmt.Errorf("writing the credentials of the new storage: %w", err)
	}
	return creds, nil
}

func readCredentials(initFile string) (credentials, error) {
	content, err := os.ReadFile(initFile)
	if err != nil {
		return credentials{}, fmt.Errorf("the storage is initialised, but its credentials cannot be read: %w", err)
	}
	var creds credentials
	if err := json.Unmarshal(content, &creds); err != nil {
		return credentials{}, fmt.Errorf("%s: %w", initFile, err)
	}
	return creds, nil
}
