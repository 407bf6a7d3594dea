// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// autoscaled is what autoscaler integrations of a service decide. Aiven refuses to
// set the size of a disk that one manages, and a plan that is set back against it
// replaces all nodes twice.
type autoscaled struct{ plan, disk bool }

// autoscaledBy reads the integrations. There is one type for disks, and one for
// plans, each of which brings a disk of its own size.
func autoscaledBy(view *aiven.ServiceView) autoscaled {
	var out autoscaled
	for _, i := range view.Integrations() {
		if !i.Enabled {
			continue
		}
		switch i.IntegrationType {
		case service.IntegrationTypeAutoscaler:
			out.disk = true
		case service.IntegrationTypeAutoscalerService:
			out.plan, out.disk = true, true
		}
	}
	return out
}

// notes tell what of the spec is not applied.
func (a autoscaled) notes(spec *v1alpha1.ServiceCommonSpec, svc *service.ServiceGetOut) []string {
	var notes []string
	if a.plan && spec.Plan != svc.Plan {
		notes = append(notes, fmt.Sprintf("spec.plan is not applied, since an autoscaler integration manages the plan, which is %s now: set spec.plan to that, or delete the integration.", svc.Plan))
	}
	if size := diskSpaceMiB(spec.DiskSpace); a.disk && size != 0 && size != deref(svc.DiskSpaceMb) {
		notes = append(notes, fmt.Sprintf("spec.disk_space is not applied, since an autoscaler integration manages the disk, which has %d GiB now: remove spec.disk_space, or delete the integration.", deref(svc.DiskSpaceMb)/1024))
	}
	return notes
}

// keptDisk tells of a disk whose size left the spec, unless an autoscaler has it.
func (a autoscaled) keptDisk(mib int) string {
	if a.disk || mib == 0 {
		return ""
	}
	return keptNote(fieldDisk, fmt.Sprintf("%dGiB", mib/1024))
}
