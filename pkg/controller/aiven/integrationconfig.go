// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// integrationConfig is the configuration that an integration, or an endpoint of
// one, shall have.
type integrationConfig struct {
	config map[string]any
	given  givenSettings
	// removed are the settings that go back to their defaults.
	removed []settingPath
}

// integrationConfigOf makes one of the configuration of a spec and of what the
// status remembers of the former one.
func integrationConfigOf(userConfig any, status []string) (integrationConfig, error) {
	config, err := asMap(userConfig)
	if err != nil {
		return integrationConfig{}, err
	}
	given := parseGiven(status)
	return integrationConfig{config, given, removedSettings(given.paths, config)}, nil
}

// observe names the settings that Aiven shows with another value or that have to
// be reset. If there are none, status remembers those of the spec.
func (c integrationConfig) observe(obj metav1.Object, got map[string]any, status *[]string) ([]string, error) {
	// By way of JSON, so that both are of the same types.
	shown, err := asMap(got)
	if err != nil {
		return nil, err
	}
	var differs differences
	for _, path := range append(configDiffers(c.config, shown, c.given), c.removed...) {
		differs.add(true, "user config "+path.String())
	}
	if len(differs) == 0 && !reconcile.Observed(obj) {
		c.remember(status)
	}
	return differs, nil
}

// input is what an update sends.
func (c integrationConfig) input() map[string]any { return withResets(c.config, c.removed) }

// remember notes that Aiven has accepted the configuration.
func (c integrationConfig) remember(status *[]string) { *status = givenBy(c.config) }

// ignoreUnchanged drops Aiven's complaint about an update that changes nothing.
func ignoreUnchanged(err error) error {
	if err != nil && strings.Contains(strings.ToLower(aivenMessage(err)), "user config not changed") {
		return nil
	}
	return err
}
