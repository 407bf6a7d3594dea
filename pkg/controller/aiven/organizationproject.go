// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"slices"
	"strconv"
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

func (h organizationProject) compare(r *remote, obj *v1alpha1.OrganizationProject, got *organizationprojects.OrganizationProjectsGetOut) (optionalFields, error) {
	spec := obj.Spec
	parent, err := r.isParent(spec.ParentID, got.ParentId)
	if err != nil {
		return optionalFields{}, err
	}
	port := deref(got.BasePort)
	kept := ""
	if port != 0 {
		kept = keptNote(fieldBasePort, strconv.Itoa(port))
	}
	fields := append(
		projectFields(spec.Tags, spec.TechnicalEmails, got.Tags, addresses(got.TechEmails, func(e organizationprojects.TechEmailOut) string { return e.Email })),
		optionalField{name: fieldBasePort, named: spec.BasePort != nil, equal: int(deref(spec.BasePort)) == port, kept: kept})
	out := compareOptional(obj.Status.Settings, fields...)
	var differs differences
	differs.add(!parent, "parentId")
	differs.add(spec.BillingGroupID != deref(got.BillingGroupId), "billingGroupId")
	out.differs = append(differs, out.differs...)
	return out, nil
}

const fieldBasePort = "basePort"

func (h organizationProject) Observe(_ context.Context, r *remote, obj *v1alpha1.OrganizationProject) (reconcile.Observation, error) {
	reading, err := h.read(r, obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	got := reading.Value()
	if got == nil {
		return reconcile.Observation{}, nil
	}
	fields, err := h.compare(r, obj, got)
	if err != nil {
		return reconcile.Observation{}, err
	}
	obs := reconcile.Observation{Exists: true, Ready: true, Differs: fields.differs, Note: joinNotes(fields.notes...)}
	if len(obs.Differs) == 0 {
		rememberGiven(obj, &obj.Status.SettingsStatus, fields)
	}
	obs.Connection, err = r.projectConnection(obj, obj.Spec.ProjectID)
	return obs, err
}

func (organizationProject) techEmails(obj *v1alpha1.OrganizationProject) *[]organizationprojects.TechEmailIn {
	return addressed(obj.Spec.TechnicalEmails, func(a string) organizationprojects.TechEmailIn { return organizationprojects.TechEmailIn{Email: a} })
}

func (h organizationProject) Create(ctx context.Context, r *remote, obj *v1alpha1.OrganizationProject) error {
	in := &organizationprojects.OrganizationProjectsCreateIn{
		BasePort:       toInt(obj.Spec.BasePort),
		BillingGroupId: obj.Spec.BillingGroupID,
		ParentId:       &obj.Spec.ParentID,
		ProjectId:      obj.Spec.ProjectID,
		Tags:           tagsOf(obj.Spec.Tags),
	}
	if obj.Spec.TechnicalEmails != nil {
		in.TechEmails = h.techEmails(obj)
	}
	_, err := r.organizationProjects().OrganizationProjectsCreate(ctx, obj.Spec.OrganizationID, in)
	if err == nil {
		// A new project has nothing from before; what it was given is remembered when it
		// is seen.
		obj.Status.Settings = nil
	}
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
	fields, err := h.compare(r, obj, got)
	if err != nil {
		return err
	}
	in := &organizationprojects.OrganizationProjectsUpdateIn{}
	for field, send := range map[string]func(){
		"parentId":       func() { in.ParentId = &obj.Spec.ParentID },
		"billingGroupId": func() { in.BillingGroupId = &obj.Spec.BillingGroupID },
		fieldBasePort:    func() { in.BasePort = toInt(obj.Spec.BasePort) },
		fieldTags:        func() { in.Tags = new(tagsOf(obj.Spec.Tags)) },
		fieldEmails:      func() { in.TechEmails = h.techEmails(obj) },
	} {
		if slices.Contains(fields.differs, field) {
			send()
		}
	}
	if _, err = r.organizationProjects().OrganizationProjectsUpdate(ctx, obj.Spec.OrganizationID, obj.Spec.ProjectID, in); err == nil {
		rememberGiven(obj, &obj.Status.SettingsStatus, fields)
	}
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
