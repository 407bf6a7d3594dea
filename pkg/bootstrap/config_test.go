// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"maps"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// slowConfig is a server that goes on with its old config after so many writes.
type slowConfig struct {
	openbao.Interface
	stale, writes int
	config        map[string]any
}

func (s *slowConfig) WriteConfig(_ context.Context, _ string, data map[string]any) error {
	if s.writes++; s.writes > s.stale {
		s.config = maps.Clone(data)
	}
	return nil
}

func (s *slowConfig) ReadConfig(context.Context, string) (map[string]any, error) {
	if s.config == nil {
		return nil, class(openbao.NotFound)
	}
	return s.config, nil
}

// TestConfigIsWrittenUntilItShows checks that it is written until it shows, once more
// after that, and not for ever.
func TestConfigIsWrittenUntilItShows(t *testing.T) {
	data := map[string]any{"bound_issuer": "https://issuer", "jwt_validation_pubkeys": []string{"k"}}
	for stale, want := range map[int]int{0: 2, 1: 3, 2: 4, 3: 4, 9: 4} {
		for name, before := range map[string]map[string]any{"none": nil, "old": {"bound_issuer": "https://old"}} {
			s := &slowConfig{stale: stale, config: before}
			if err := writeConfig(t.Context(), s, "jwt-operator", data); err != nil || s.writes != want {
				t.Errorf("stale for %d writes, before it %s: %d writes, want %d; %v", stale, name, s.writes, want, err)
			}
		}
	}
}
