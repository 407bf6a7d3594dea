// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package selfinit

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/vault/sdk/physical"
)

// markerPath is where OpenBao keeps the marker, from 2.5.3.
const markerPath = "core/status/self-init"

// ErrUnfinished is the error of a storage whose self-initialization was begun and
// not completed. It begins as OpenBao's does, which others look for in logs.
var ErrUnfinished = errors.New("self-initialization failed: it was begun and not completed, refusing to unseal; empty the storage and start again")

// Marker is a key of the storage that is present from before the first request
// of a self-initialization until after the last.
//
// OpenBao encrypts it like all it stores. Here it is written below the
// encryption, since the core cannot be made to check it while it unseals.
type Marker struct {
	storage physical.Backend
}

// NewMarker returns the marker of a storage.
func NewMarker(storage physical.Backend) Marker {
	return Marker{storage: storage}
}

// Check returns ErrUnfinished if the marker is present. It needs no unsealed core.
func (m Marker) Check(ctx context.Context) error {
	entry, err := m.storage.Get(ctx, markerPath)
	if err != nil {
		return fmt.Errorf("reading %s: %w", markerPath, err)
	}
	if entry != nil {
		return ErrUnfinished
	}
	return nil
}

// set is possible on the active node only.
func (m Marker) set(ctx context.Context) error {
	return m.storage.Put(ctx, &physical.Entry{Key: markerPath, Value: []byte("failed")})
}

func (m Marker) remove(ctx context.Context) error {
	return m.storage.Delete(ctx, markerPath)
}
