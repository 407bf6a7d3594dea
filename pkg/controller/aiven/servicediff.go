// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// serviceDiffers names the settings in which a service is not what the spec
// says. What the spec leaves out is Aiven's to choose, but for tags and technical
// emails: there an empty list means none, as with the aiven-operator. Power is
// not compared here, since turning it off has a condition of its own.
func serviceDiffers(spec *v1alpha1.ServiceCommonSpec, userConfig any, svc *service.ServiceGetOut) ([]string, error) {
	var differs differences
	differs.add(spec.Plan != svc.Plan, "plan")
	differs.add(spec.CloudName != "" && spec.CloudName != svc.CloudName, "cloudName")
	differs.add(spec.ProjectVPCID != "" && spec.ProjectVPCID != svc.ProjectVpcId, "projectVpcId")
	differs.add(spec.TerminationProtection != nil && *spec.TerminationProtection != svc.TerminationProtection, "terminationProtection")
	if m := svc.Maintenance; m == nil {
		differs.add(spec.MaintenanceWindowDow != "" || spec.MaintenanceWindowTime != "", "maintenanceWindow")
	} else {
		differs.add(spec.MaintenanceWindowDow != "" && spec.MaintenanceWindowDow != string(m.Dow), "maintenanceWindowDow")
		differs.add(spec.MaintenanceWindowTime != "" && spec.MaintenanceWindowTime != m.Time, "maintenanceWindowTime")
	}
	size := diskSpaceMiB(spec.DiskSpace)
	differs.add(size != 0 && (svc.DiskSpaceMb == nil || *svc.DiskSpaceMb != size), "disk_space")
	differs.add(!emailsEqual(spec.TechnicalEmails, svc.TechEmails), "technicalEmails")
	differs.add(!tagsEqual(spec.Tags, svc.Tags), fieldTags)

	config, err := asMap(userConfig)
	if err != nil {
		return nil, err
	}
	// By way of JSON, so that numbers compare as numbers.
	remote, err := asMap(svc.UserConfig)
	if err != nil {
		return nil, err
	}
	for _, path := range configDiffers(config, remote) {
		differs.add(true, "userConfig."+path)
	}
	return differs, nil
}

const fieldTags = "tags"

func onlyTags(differs []string) bool {
	return !slices.ContainsFunc(differs, func(s string) bool { return s != fieldTags })
}

func tagsEqual(want, got map[string]string) bool {
	return len(want) == 0 && len(got) == 0 || maps.Equal(want, got)
}

func emailsEqual(want []v1alpha1.ServiceTechEmail, got []service.TechEmailOut) bool {
	var a, b []string
	for _, e := range want {
		a = append(a, strings.ToLower(e.Email))
	}
	for _, e := range got {
		b = append(b, strings.ToLower(e.Email))
	}
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// configDiffers returns the paths of settings in want that have another value in
// got. Settings that only got has are defaults.
func configDiffers(want, got map[string]any) []string {
	var paths []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		inner, ok := want[key].(map[string]any)
		if !ok {
			if !settingEqual(want[key], got[key]) {
				paths = append(paths, key)
			}
			continue
		}
		innerGot, _ := got[key].(map[string]any)
		for _, path := range configDiffers(inner, innerGot) {
			paths = append(paths, key+"."+path)
		}
	}
	return paths
}

// settingEqual compares two settings. Aiven answers with an entry of a list in
// the short form or with its default fields filled in, so entries compare by
// what the spec says of them.
func settingEqual(want, got any) bool {
	wantList, ok1 := want.([]any)
	gotList, ok2 := got.([]any)
	if ok1 && (ok2 || got == nil) {
		return slices.EqualFunc(wantList, gotList, settingEqual)
	}
	wantMap, ok1 := want.(map[string]any)
	if !ok1 {
		return reflect.DeepEqual(want, got)
	}
	if short, ok := got.(string); ok {
		// An IP filter entry without a description.
		return len(wantMap) == 1 && wantMap["network"] == short
	}
	gotMap, ok2 := got.(map[string]any)
	return ok2 && len(configDiffers(wantMap, gotMap)) == 0
}

// asMap converts to the JSON object that Aiven sees. Nil becomes an empty map.
func asMap(v any) (map[string]any, error) {
	out := map[string]any{}
	if v == nil {
		return out, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("convert user config: %w", err)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("convert user config: %w", err)
	}
	return out, nil
}

// userConfigOf returns what a create or update sends; nil when nothing is set.
func userConfigOf(userConfig any) (*map[string]any, error) {
	config, err := asMap(userConfig)
	if err != nil || len(config) == 0 {
		return nil, err
	}
	return &config, nil
}

// diskSpaceMiB converts a size in gibibytes, with or without a unit, to what the
// API takes. The schema has checked the form; "" and nonsense give 0.
func diskSpaceMiB(size string) int {
	number := strings.TrimRight(strings.ToLower(size), "gib")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > 1<<20 {
		return 0
	}
	return n * 1024
}

// poweredOn is true unless the spec says false.
func poweredOn(spec *v1alpha1.ServiceCommonSpec) bool { return spec.Powered == nil || *spec.Powered }

func maintenanceOf(spec *v1alpha1.ServiceCommonSpec) *service.MaintenanceIn {
	if spec.MaintenanceWindowDow == "" && spec.MaintenanceWindowTime == "" {
		return nil
	}
	return &service.MaintenanceIn{Dow: service.DowType(spec.MaintenanceWindowDow), Time: optional(spec.MaintenanceWindowTime)}
}

func techEmailsOf(spec *v1alpha1.ServiceCommonSpec) *[]service.TechEmailIn {
	emails := make([]service.TechEmailIn, 0, len(spec.TechnicalEmails))
	for _, e := range spec.TechnicalEmails {
		emails = append(emails, service.TechEmailIn{Email: e.Email})
	}
	return &emails
}
