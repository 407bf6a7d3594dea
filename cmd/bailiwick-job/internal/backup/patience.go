// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"time"
)

const (
	// NetworkPatience is how long nobody may be reached at first. Where network policies
	// apply, a pod that has just started is let through only once the node knows of it.
	NetworkPatience = 30 * time.Second
	networkPause    = time.Second
)

// reach does something again as long as it reaches nobody and there is patience.
func (o Options) reach(ctx context.Context, unreachable func(error) bool, do func() error) error {
	end := time.Now().Add(o.Patience)
	for {
		err := do()
		if err == nil || !unreachable(err) || !time.Now().Add(networkPause).Before(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(networkPause):
		}
	}
}
