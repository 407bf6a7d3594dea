// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// wanted is what a service shall be: the spec and what it refers to.
type wanted struct {
	spec *v1alpha1.ServiceCommonSpec
	// userConfig is the JSON object that Aiven takes; newConfig is the one for a new
	// service.
	userConfig, newConfig map[string]any
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
	newConfig, err := asMap(obj.UserConfig())
	if err != nil {
		return wanted{}, err
	}
	userConfig := withoutCreateOnly(newConfig)
	w := wanted{spec: spec, userConfig: userConfig, newConfig: newConfig, settings: settingPaths(userConfig)}
	if source := h.migrating(obj); source != nil {
		if w.migration, err = r.migrationSettings(ctx, source, h.migrationKeys); err != nil {
			return wanted{}, err
		}
		userConfig[settingMigration], newConfig[settingMigration] = w.migration, w.migration
	}
	w.removed = removedSettings(obj.CommonStatus().UserConfigSettings, settingPaths(newConfig))
	return w, nil
}

// leaveDisk leaves the disk of a service to its autoscaler, if it has one, and
// tells that to whoever reads the condition. Aiven refuses to set the size then.
func (w *wanted) leaveDisk(view *aiven.ServiceView) (note string) {
	if w.spec.DiskSpace == "" || !slices.ContainsFunc(view.Integrations(), func(i service.ServiceIntegrationOut) bool {
		return i.IntegrationType == service.IntegrationTypeAutoscaler && i.Enabled
	}) {
		return ""
	}
	size, asked := deref(view.Service().DiskSpaceMb), diskSpaceMiB(w.spec.DiskSpace)
	spec := *w.spec
	spec.DiskSpace = ""
	w.spec = &spec
	if size == asked {
		return ""
	}
	return fmt.Sprintf("spec.disk_space is not applied, since an autoscaler integration manages the disk, which has %d GiB now: remove spec.disk_space, or delete the integration.", size/1024)
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
