// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"slices"
	"strings"

	"github.com/aiven/go-client-codegen/handler/organization"
	"github.com/aiven/go-client-codegen/handler/organizationprojects"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// organizationProject handles OrganizationProject objects.
type organizationProject struct{}

// Identity implements identifier.
func (organizationProject) Identity(obj *v1alpha1.OrganizationProject) string {
	return projectIdentity(obj.Spec.ProjectID)
}

func (organizationProject) read(r *remote, obj *v1alpha1.OrganizationProject) (*aiven.Reading[organizationprojects.OrganizationProjectsGetOut], error) {
	org, name := obj.Spec.OrganizationID, obj.Spec.ProjectID
	return aiven.Read(r.Client, aiven.Resource[organizationprojects.OrganizationProjectsGetOut]{
		Kind: "organization project", Project: org, Name: name,
		Fetch: func(ctx context.Context, d aiven.Doer) (*organizationprojects.OrganizationProjectsGetOut, error) {
			h := organizationprojects.NewHandler(d)
			return h.OrganizationProjectsGet(ctx, org, name)
		},
	})
}

// isParent reports whether a project's parent is the one that the spec names.
// Aiven shows an organization or unit by its account, which has another id.
func (r *remote) isParent(want, got string) (bool, error) {
	if want == got || !strings.HasPrefix(want, "org") {
		return want == got, nil
	}
	reading, err := aiven.Read(r.Client, aiven.Resource[organization.OrganizationGetOut]{
		Kind: "organization", Project: want,
		Fetch: func(ctx context.Context, d aiven.Doer) (*organization.OrganizationGetOut, error) {
			h := organization.NewHandler(d)
			return h.OrganizationGet(ctx, want)
		},
	})
	if err != nil {
		return false, err
	}
	unit := reading.Value()
	return unit != nil && unit.AccountId == got, nil
}

func (h organizationProject) differs(r *remote, obj *v1alpha1.OrganizationProject, got *organizationprojects.OrganizationProjectsGetOut) ([]string, error) {
	var differs differences
	spec := obj.Spec
	parent, err := r.isParent(spec.ParentID, got.ParentId)
	if err != nil {
		return nil, err
	}
	differs.add(!parent, "parentId")
	differs.add(spec.BillingGroupID != deref(got.BillingGroupId), "billingGroupId")
	differs.add(spec.BasePort != nil && int(*spec.BasePort) != deref(got.BasePort), "basePort")
	wanted := projectSettings{tags: spec.Tags, emails: spec.TechnicalEmails}
	wanted.compare(&differs, got.Tags, addresses(got.TechEmails, func(e organizationprojects.TechEmailOut) string { return e.Email }))
	return differs, nil
}

func (h organizationProject) Observe(_ context.Context, r *remote, obj *v1alpha1.OrganizationProject) (reconcile.Observation, error) {
	reading, err := h.read(r, obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	got := reading.Value()
	if got == nil {
		return reconcile.Observation{}, nil
	}
	obs := reconcile.Observation{Exists: true, Ready: true}
	if obs.Differs, err = h.differs(r, obj, got); err != nil {
		return obs, err
	}
	obs.Connection, err = r.projectConnection(obj, obj.Spec.ProjectID)
	return obs, err
}

func (organizationProject) techEmails(obj *v1alpha1.OrganizationProject) *[]organizationprojects.TechEmailIn {
	return addressed(obj.Spec.TechnicalEmails, func(a string) organizationprojects.TechEmailIn { return organizationprojects.TechEmailIn{Email: a} })
}

func (h organizationProject) Create(ctx context.Context, r *remote, obj *v1alpha1.OrganizationProject) error {
	_, err := r.organizationProjects().OrganizationProjectsCreate(ctx, obj.Spec.OrganizationID, &organizationprojects.OrganizationProjectsCreateIn{
		BasePort:       toInt(obj.Spec.BasePort),
		BillingGroupId: obj.Spec.BillingGroupID,
		ParentId:       &obj.Spec.ParentID,
		ProjectId:      obj.Spec.ProjectID,
		Tags:           tagsOf(obj.Spec.Tags),
		TechEmails:     h.techEmails(obj),
	})
	return err
}

// Update sends what differs only: to name a parent means to move the project.
func (h organizationProject) Update(ctx context.Context, r *remote, obj *v1alpha1.OrganizationProject) error {
	reading, err := h.read(r, obj)
	if err != nil {
		return err
	}
	got := reading.Value()
	if got == nil {
		return reconcile.Retryable("the project vanished during an update")
	}
	differs, err := h.differs(r, obj, got)
	if err != nil {
		return err
	}
	in := &organizationprojects.OrganizationProjectsUpdateIn{}
	for field, send := range map[string]func(){
		"parentId":        func() { in.ParentId = &obj.Spec.ParentID },
		"billingGroupId":  func() { in.BillingGroupId = &obj.Spec.BillingGroupID },
		"basePort":        func() { in.BasePort = toInt(obj.Spec.BasePort) },
		"tags":            func() { in.Tags = new(tagsOf(obj.Spec.Tags)) },
		"technicalEmails": func() { in.TechEmails = h.techEmails(obj) },
	} {
		if slices.Contains(differs, field) {
			send()
		}
	}
	_, err = r.organizationProjects().OrganizationProjectsUpdate(ctx, obj.Spec.OrganizationID, obj.Spec.ProjectID, in)
	return err
}

func (h organizationProject) Delete(ctx context.Context, r *remote, obj *v1alpha1.OrganizationProject) (bool, error) {
	reading, err := h.read(r, obj)
	if err != nil || reading.Value() == nil {
		return err == nil, err
	}
	err = r.organizationProjects().OrganizationProjectsDelete(ctx, obj.Spec.OrganizationID, obj.Spec.ProjectID)
	return false, projectInUse(err)
}
