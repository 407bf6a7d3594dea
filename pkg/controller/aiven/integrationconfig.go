// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"strings"
)

// integrationConfig is the configuration that an integration, or an endpoint of
// one, shall have.
type integrationConfig struct {
	// userConfig is the JSON object that Aiven takes.
	userConfig map[string]any
	// settings are the paths of what it says, removed those that it said before and
	// that go back to their defaults.
	settings, removed []string
}

// integrationConfigOf takes the configuration of a spec and the settings that the
// status remembers.
func integrationConfigOf(userConfig any, before []string) (integrationConfig, error) {
	config, err := asMap(userConfig)
	if err != nil {
		return integrationConfig{}, err
	}
	settings := settingPaths(config)
	return integrationConfig{config, settings, removedSettings(before, settings)}, nil
}

// observe names the settings that Aiven shows with another value or that have to
// be reset. If there are none, given remembers those of the spec.
func (c integrationConfig) observe(got map[string]any, given *[]string) ([]string, error) {
	// By way of JSON, so that numbers compare as numbers.
	remote, err := asMap(got)
	if err != nil {
		return nil, err
	}
	var differs differences
	for _, path := range append(configDiffers(c.userConfig, remote), c.removed...) {
		differs.add(true, "user config "+path)
	}
	if len(differs) == 0 {
		*given = c.settings
	}
	return differs, nil
}

// input is what an update sends.
func (c integrationConfig) input() map[string]any { return withResets(c.userConfig, c.removed) }

// ignoreUnchanged drops Aiven's complaint about an update that changes nothing.
func ignoreUnchanged(err error) error {
	if err != nil && strings.Contains(strings.ToLower(aivenMessage(err)), "user config not changed") {
		return nil
	}
	return err
}
