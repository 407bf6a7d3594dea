// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"slices"

	"github.com/aiven/go-client-codegen/handler/service"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func (h serviceHandler[T]) Update(ctx context.Context, r *remote, obj T) error {
	project, name := obj.ServiceRef()
	d, err := h.desired(ctx, r, obj)
	if err != nil {
		return err
	}
	view, err := r.Service(project, name)
	if err != nil {
		return err
	}
	svc := view.Service()
	d.scaled = autoscaledBy(view)
	if err := h.checkUpgrade(r, obj, d.userConfig, svc); err != nil {
		return err
	}
	secret, err := h.secretToDelete(ctx, r, obj)
	if err == nil && secret != nil {
		err = r.deleteSecret(ctx, secret)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	difference, err := d.compare(svc)
	if err != nil {
		return err
	}
	powered := h.powerChange(view, d)
	if slices.Contains(difference.fields, fieldTags) {
		in := &service.ProjectServiceTagsReplaceIn{Tags: tagsOf(d.spec.Tags)}
		if err := r.services().ProjectServiceTagsReplace(ctx, project, name, in); err != nil {
			return err
		}
		difference.optional.setGiven(&d.status.Settings, fieldTags)
	}
	if powered == nil && !slices.ContainsFunc(difference.fields, func(field string) bool { return field != fieldTags }) {
		return nil
	}
	in := d.update(svc, difference)
	in.Powered = powered
	if _, err = r.services().ServiceUpdate(ctx, project, name, in); err == nil {
		d.remember(obj, difference)
	}
	return err
}

// update is a request that makes svc what it shall be. It carries what the spec
// names, and what goes back to its default.
func (d desiredService) update(svc *service.ServiceGetOut, difference serviceDifference) *service.ServiceUpdateIn {
	spec, fields := d.spec, difference.optional
	in := &service.ServiceUpdateIn{
		Cloud:       optional(spec.CloudName),
		Maintenance: maintenanceOf(spec),
		UserConfig:  configInput(withResets(d.userConfig, difference.removed)),
		// Aiven takes an absent id for "move out of the VPC", so a spec that says
		// nothing about it leaves the service where it is.
		ProjectVpcId: optional(svc.ProjectVpcId),
	}
	if !d.scaled.plan {
		in.Plan = &spec.Plan
	}
	if !d.scaled.disk {
		in.DiskSpaceMb = optional(diskSpaceMiB(spec.DiskSpace))
	}
	if spec.ProjectVPCID != "" {
		in.ProjectVpcId = &spec.ProjectVPCID
	}
	if fields.sends(fieldProtection) {
		in.TerminationProtection = new(deref(spec.TerminationProtection))
	}
	if fields.sends(fieldEmails) {
		in.TechEmails = techEmailsOf(spec)
	}
	return in
}
