// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"maps"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// wanted is what a service shall be: the spec and what it refers to.
type wanted struct {
	spec *v1alpha1.ServiceCommonSpec
	// userConfig is the JSON object that Aiven takes.
	userConfig map[string]any
	// migration is the part of userConfig that comes from a Secret; nil if none
	// does.
	migration map[string]any
	// settings are the paths of what the spec itself says in userConfig, removed
	// those that it said before and that go back to their defaults.
	settings, removed []string
}

// wanted reads what the spec refers to, and returns why it can't be used.
func (h serviceHandler[T]) wanted(ctx context.Context, r *remote, obj T) (wanted, error) {
	spec, err := r.settings(obj)
	if err != nil {
		return wanted{}, err
	}
	userConfig, err := asMap(obj.UserConfig())
	if err != nil {
		return wanted{}, err
	}
	w := wanted{spec: spec, userConfig: userConfig, settings: settingPaths(userConfig)}
	if source := h.migrating(obj); source != nil {
		if w.migration, err = r.migrationSettings(ctx, source, h.migrationKeys); err != nil {
			return wanted{}, err
		}
		userConfig[settingMigration] = w.migration
	}
	w.removed = removedSettings(obj.CommonStatus().UserConfigSettings, settingPaths(userConfig))
	return w, nil
}

// differs names what svc has otherwise. The password of a migration is left out
// where Aiven does not show it.
func (w wanted) differs(svc *service.ServiceGetOut) ([]string, error) {
	userConfig := w.userConfig
	shown, ok := svc.UserConfig[settingMigration].(map[string]any)
	if _, readable := shown[settingPassword]; ok && !readable && w.migration != nil {
		userConfig = maps.Clone(userConfig)
		migration := maps.Clone(w.migration)
		delete(migration, settingPassword)
		userConfig[settingMigration] = migration
	}
	differs, err := serviceDiffers(w.spec, userConfig, svc)
	for _, path := range w.removed {
		differs = append(differs, "userConfig."+path)
	}
	return differs, err
}

// input is the user configuration of an update, nil when nothing is set.
func (w wanted) input() (*map[string]any, error) {
	return userConfigOf(withResets(w.userConfig, w.removed))
}
