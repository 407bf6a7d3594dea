// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"maps"
	"slices"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// desiredService is what a service shall be: the spec and what it refers to.
type desiredService struct {
	spec   *v1alpha1.ServiceCommonSpec
	status *v1alpha1.ServiceStatus
	// userConfig is the JSON object of a service that exists; newConfig is the one for
	// a new service.
	userConfig, newConfig map[string]any
	// migration is the part of userConfig that comes from a Secret, nil if none does;
	// migrationSource is the state that the Secret is in.
	migration       map[string]any
	migrationSource *sourceState
	// given is what to remember once Aiven has accepted userConfig.
	given []string
	// scaled is what an autoscaler decides instead of the spec.
	scaled autoscaled
}

// desired reads what the spec refers to, and returns why it can't be used.
func (h serviceHandler[T]) desired(ctx context.Context, r *remote, obj T) (desiredService, error) {
	spec, err := r.settings(obj)
	if err != nil {
		return desiredService{}, err
	}
	newConfig, err := asMap(obj.UserConfig())
	if err != nil {
		return desiredService{}, err
	}
	d := desiredService{spec: spec, status: obj.CommonStatus(), newConfig: newConfig, userConfig: maps.Clone(withoutCreateOnly(newConfig))}
	d.given = givenBy(d.userConfig)
	if source := h.migrating(obj); source != nil {
		if d.migration, d.migrationSource, err = r.migrationSettings(ctx, source, h.migrationKeys); err != nil {
			return desiredService{}, err
		}
		d.newConfig = maps.Clone(newConfig)
		d.userConfig[settingMigration], d.newConfig[settingMigration] = d.migration, d.migration
	}
	return d, nil
}

// serviceDifference is how a service differs from what it shall be.
type serviceDifference struct {
	// fields are the names of what differs, in the spec's words.
	fields []string
	// optional are the fields that the spec may leave out, userConfig apart.
	optional optionalFields
	// removed are the settings of userConfig that go back to their defaults.
	removed []settingPath
	// notes tell a person what is not as the spec says, or as it said before.
	notes []string
}

// compare compares a service with what it shall be. Power is not compared here,
// since turning it off has a condition of its own.
func (d desiredService) compare(svc *service.ServiceGetOut) (serviceDifference, error) {
	out := serviceDifference{optional: d.optional(svc)}
	var fields differences
	fields.add(!d.scaled.plan && d.spec.Plan != svc.Plan, "plan")
	fields = append(fields, out.optional.differs...)

	// By way of JSON, so that both are of the same types.
	shown, err := asMap(svc.UserConfig)
	if err != nil {
		return out, err
	}
	given := parseGiven(d.status.UserConfigSettings)
	out.removed = removedSettings(given.paths, d.newConfig)
	for _, path := range slices.Concat(configDiffers(d.userConfigToCompare(shown), shown, given), out.removed) {
		fields.add(true, "userConfig."+path.String())
	}
	out.fields = fields
	out.notes = slices.Concat(out.optional.notes, d.scaled.notes(d.spec, svc))
	if d.status.IPFilterRemoved && isOpen(shown) {
		out.notes = append(out.notes, openNote)
	}
	return out, nil
}

// userConfigToCompare leaves the password of a migration out where Aiven does not
// show it and was given the one that the Secret has.
func (d desiredService) userConfigToCompare(shown map[string]any) map[string]any {
	migration, ok := shown[settingMigration].(map[string]any)
	_, readable := migration[settingPassword]
	last := d.status.MigrationSource
	if !ok || readable || d.migration == nil || last != nil && !d.migrationSource.is(last) {
		return d.userConfig
	}
	return without(d.userConfig, settingPath{settingMigration, settingPassword})
}

// configInput is what a request carries, nil when nothing is set.
func configInput(config map[string]any) *map[string]any {
	if len(config) == 0 {
		return nil
	}
	return &config
}

// remember notes what Aiven has been given. Nothing is given for an object that is
// only observed.
func (d desiredService) remember(obj v1alpha1.Service, difference serviceDifference) {
	if reconcile.Observed(obj) {
		return
	}
	d.status.Settings, d.status.UserConfigSettings = difference.optional.given, d.given
	d.status.MigrationSource = d.migrationSource.status()
	d.status.IPFilterRemoved = !d.namesIPFilter() && (d.status.IPFilterRemoved || removesIPFilter(difference.removed))
}
