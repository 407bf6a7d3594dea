// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"

	"github.com/aiven/go-client-codegen/handler/upgradepipeline"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// upgradePipelineStep handles UpgradePipelineStep objects. Aiven makes a step's
// id; the services that it joins find it.
type upgradePipelineStep struct{}

// upgradeStep reads the step between the object's services, nil if there is none.
func (r *remote) upgradeStep(obj *v1alpha1.UpgradePipelineStep) (*upgradepipeline.StepOut, error) {
	spec := obj.Spec
	reading, err := aiven.Read(r.Client, aiven.Resource[upgradepipeline.StepOut]{
		Kind: "upgrade pipeline step", Project: spec.OrganizationID, Name: obj.RemoteName(),
		Fetch: func(ctx context.Context, d aiven.Doer) (*upgradepipeline.StepOut, error) {
			h := upgradepipeline.NewHandler(d)
			list, err := h.UpgradePipelineStepList(ctx, spec.OrganizationID,
				upgradepipeline.UpgradePipelineStepListSourceProjectName(spec.SourceProjectName),
				upgradepipeline.UpgradePipelineStepListSourceServiceName(spec.SourceServiceName),
				upgradepipeline.UpgradePipelineStepListDestinationProjectName(spec.DestinationProjectName),
				upgradepipeline.UpgradePipelineStepListDestinationServiceName(spec.DestinationServiceName),
			)
			if err != nil {
				return nil, err
			}
			for _, s := range list.Steps {
				if s.SourceProjectName == spec.SourceProjectName && s.SourceServiceName == spec.SourceServiceName &&
					s.DestinationProjectName == spec.DestinationProjectName && s.DestinationServiceName == spec.DestinationServiceName {
					return &s, nil
				}
			}
			return nil, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return reading.Value(), nil
}

func (upgradePipelineStep) Observe(_ context.Context, r *remote, obj *v1alpha1.UpgradePipelineStep) (reconcile.Observation, error) {
	step, err := r.upgradeStep(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	obj.Status.ID, obj.Status.LastValidation = "", nil
	if step == nil {
		return reconcile.Observation{}, nil
	}
	obj.Status.ID = step.StepId
	if v := step.LastValidation; !v.ValidatedAt.IsZero() {
		obj.Status.LastValidation = &v1alpha1.UpgradePipelineValidation{
			Comment: v.Comment, ValidatedAt: new(metav1.NewTime(v.ValidatedAt)), ValidatedByUser: v.ValidatedByUser,
		}
	}
	obs := reconcile.Observation{Exists: true, Ready: true}
	if days := obj.Spec.AutoValidationDelayDays; days != nil && int(*days) != step.AutoValidationDelayDays {
		obs.Differs = append(obs.Differs, "autoValidationDelayDays")
	}
	return obs, nil
}

func (upgradePipelineStep) Create(ctx context.Context, r *remote, obj *v1alpha1.UpgradePipelineStep) error {
	step, err := r.upgradePipeline().UpgradePipelineStepCreate(ctx, obj.Spec.OrganizationID, &upgradepipeline.UpgradePipelineStepCreateIn{
		AutoValidationDelayDays: toInt(obj.Spec.AutoValidationDelayDays),
		DestinationProjectName:  obj.Spec.DestinationProjectName,
		DestinationServiceName:  obj.Spec.DestinationServiceName,
		SourceProjectName:       obj.Spec.SourceProjectName,
		SourceServiceName:       obj.Spec.SourceServiceName,
	})
	if err != nil {
		return err
	}
	obj.Status.ID = step.StepId
	return nil
}

func (upgradePipelineStep) Update(ctx context.Context, r *remote, obj *v1alpha1.UpgradePipelineStep) error {
	_, err := r.upgradePipeline().UpgradePipelineStepUpdate(ctx, obj.Spec.OrganizationID, obj.Status.ID,
		&upgradepipeline.UpgradePipelineStepUpdateIn{AutoValidationDelayDays: toInt(obj.Spec.AutoValidationDelayDays)})
	return err
}

func (upgradePipelineStep) Delete(ctx context.Context, r *remote, obj *v1alpha1.UpgradePipelineStep) (bool, error) {
	step, err := r.upgradeStep(obj)
	if err != nil || step == nil {
		return err == nil, err
	}
	err = r.upgradePipeline().UpgradePipelineStepDelete(ctx, obj.Spec.OrganizationID, step.StepId)
	return false, err
}
