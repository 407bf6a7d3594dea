// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// The optional fields of a service's spec, userConfig apart.
const (
	fieldCloud      = "cloudName"
	fieldVPC        = "projectVpcId"
	fieldWindowDay  = "maintenanceWindowDow"
	fieldWindowTime = "maintenanceWindowTime"
	fieldProtection = "terminationProtection"
	fieldDisk       = "disk_space"
	fieldTags       = "tags"
	fieldEmails     = "technicalEmails"
	fieldPowered    = "powered"
)

// optional compares the fields that the spec may leave out. Moving to another place
// and shrinking a disk are nothing to do because a line was removed.
func (d desiredService) optional(svc *service.ServiceGetOut) optionalFields {
	spec := d.spec
	window := service.MaintenanceOut{}
	if svc.Maintenance != nil {
		window = *svc.Maintenance
	}
	disk, shown := diskSpaceMiB(spec.DiskSpace), deref(svc.DiskSpaceMb)
	return compareOptional(d.status.Settings,
		optionalField{
			name: fieldCloud, named: spec.CloudName != "",
			equal: spec.CloudName == svc.CloudName, kept: keptNote(fieldCloud, svc.CloudName),
		},
		optionalField{
			name: fieldVPC, named: spec.ProjectVPCID != "",
			equal: spec.ProjectVPCID == svc.ProjectVpcId, kept: keptVPC(svc.ProjectVpcId),
		},
		optionalField{
			name: fieldWindowDay, named: spec.MaintenanceWindowDow != "",
			equal: spec.MaintenanceWindowDow == string(window.Dow), kept: keptNote(fieldWindowDay, string(window.Dow)),
		},
		optionalField{
			name: fieldWindowTime, named: spec.MaintenanceWindowTime != "",
			equal: spec.MaintenanceWindowTime == window.Time, kept: keptNote(fieldWindowTime, window.Time),
		},
		optionalField{
			name: fieldProtection, named: spec.TerminationProtection != nil,
			equal: deref(spec.TerminationProtection) == svc.TerminationProtection,
		},
		optionalField{
			name: fieldDisk, named: disk != 0 && !d.scaled.disk,
			equal: disk == shown || d.scaled.disk, kept: d.scaled.keptDisk(shown),
		},
		optionalField{name: fieldEmails, named: spec.TechnicalEmails != nil, equal: emailsEqual(spec.TechnicalEmails, svc.TechEmails)},
		optionalField{name: fieldTags, named: spec.Tags != nil, equal: tagsEqual(spec.Tags, svc.Tags)},
		// A spec that says on or off has its own comparison.
		optionalField{name: fieldPowered, named: spec.Powered != nil, equal: spec.Powered != nil || svc.State != service.ServiceStateTypePoweroff},
	)
}

// keptVPC tells of a service that stays in its VPC although the spec names none any
// more: to leave it could open the service to others.
func keptVPC(id string) string {
	if id == "" {
		return ""
	}
	return fmt.Sprintf("spec.projectVpcId or spec.projectVPCRef was removed and the service stays in the VPC %s, since leaving it could expose the service: name a VPC, or move the service in the Aiven Console.", id)
}

// wantsOff and wantsOn are both false where the spec leaves power to others.
func (d desiredService) wantsOff() bool { return d.spec.Powered != nil && !*d.spec.Powered }

func (d desiredService) wantsOn() bool {
	if d.spec.Powered == nil {
		return slices.Contains(d.status.Settings, fieldPowered)
	}
	return *d.spec.Powered
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
