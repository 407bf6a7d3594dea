// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"

	"github.com/aiven/go-client-codegen/handler/service"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func (h serviceHandler[T]) Update(ctx context.Context, r *remote, obj T) error {
	project, name := obj.ServiceRef()
	w, err := h.wanted(ctx, r, obj)
	if err != nil {
		return err
	}
	view, err := r.Service(project, name)
	if err != nil {
		return err
	}
	svc := view.Service()
	w.leaveDisk(view)
	spec := w.spec
	if err := h.checkUpgrade(r, obj, w.userConfig, svc); err != nil {
		return err
	}
	secret, err := h.secretToDelete(ctx, r, obj)
	if err == nil && secret != nil {
		err = r.deleteSecret(ctx, secret)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	handler := r.services()
	if !tagsEqual(spec.Tags, svc.Tags) {
		tags := spec.Tags
		if tags == nil {
			tags = map[string]string{}
		}
		if err := handler.ProjectServiceTagsReplace(ctx, project, name, &service.ProjectServiceTagsReplaceIn{Tags: tags}); err != nil {
			return err
		}
	}
	differs, err := w.differs(svc)
	if err != nil {
		return err
	}
	powerChange := poweredOn(spec) == (svc.State == service.ServiceStateTypePoweroff)
	if !powerChange && onlyTags(differs) {
		return nil
	}
	userConfig, err := w.input()
	if err != nil {
		return err
	}
	in := &service.ServiceUpdateIn{
		Plan:                  &spec.Plan,
		Cloud:                 optional(spec.CloudName),
		DiskSpaceMb:           optional(diskSpaceMiB(spec.DiskSpace)),
		Maintenance:           maintenanceOf(spec),
		TerminationProtection: spec.TerminationProtection,
		TechEmails:            techEmailsOf(spec),
		UserConfig:            userConfig,
		// Aiven takes an absent id for "move out of the VPC", so a spec that says
		// nothing about it leaves the service where it is.
		ProjectVpcId: optional(svc.ProjectVpcId),
	}
	if spec.ProjectVPCID != "" {
		in.ProjectVpcId = &spec.ProjectVPCID
	}
	if powerChange && (poweredOn(spec) || h.restorable(view)) {
		in.Powered = new(poweredOn(spec))
	}
	if _, err = handler.ServiceUpdate(ctx, project, name, in); err == nil {
		obj.CommonStatus().UserConfigSettings = w.settings
	}
	return err
}
