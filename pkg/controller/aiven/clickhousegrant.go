// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// clickhouseGrant handles ClickhouseGrant objects. Grants have no identity of
// their own in ClickHouse: the object's status remembers which ones it has made,
// so that those which the spec drops are taken back, and no others.
type clickhouseGrant struct{}

func (clickhouseGrant) Observe(_ context.Context, r *remote, obj *v1alpha1.ClickhouseGrant) (reconcile.Observation, error) {
	if err := checkClickhouseGrants(obj.Spec.ClickhouseGrants); err != nil {
		return reconcile.Observation{}, err
	}
	if _, err := r.runningService(obj); err != nil {
		return reconcile.Observation{}, err
	}
	access, plan, err := r.clickhousePlan(obj, obj.Spec.ClickhouseGrants, deref(obj.Status.State))
	if err != nil {
		return reconcile.Observation{}, err
	}
	if err := r.grantPreconditions(obj, access, plan.missing); err != nil {
		return reconcile.Observation{}, err
	}
	if plan.empty() {
		obj.Status.State = obj.Spec.ClickhouseGrants.DeepCopy()
		return reconcile.Observation{Exists: true, Ready: true}, nil
	}
	obs := reconcile.Observation{Exists: obj.Status.State != nil, Ready: isEmpty(plan.missing), Message: "Grants are missing at Aiven."}
	if len(plan.missing.PrivilegeGrants) > 0 {
		obs.Differs = append(obs.Differs, "privilegeGrants")
	}
	if len(plan.missing.RoleGrants) > 0 {
		obs.Differs = append(obs.Differs, "roleGrants")
	}
	if len(obs.Differs) == 0 {
		obs.Differs = []string{"revoked grants"}
	}
	return obs, nil
}

// clickhousePlan compares the service with what is wanted and what was applied.
func (r *remote) clickhousePlan(obj *v1alpha1.ClickhouseGrant, wanted, applied v1alpha1.ClickhouseGrants) (*clickhouseAccess, clickhousePlan, error) {
	reading, err := r.clickhouseAccess(obj)
	if err != nil {
		return nil, clickhousePlan{}, err
	}
	access := reading.Value()
	if access == nil {
		return nil, clickhousePlan{}, reconcile.Waiting(reasonWaitingForService, "The service does not show its grants yet.")
	}
	return access, access.plan(wanted, applied), nil
}

// grantPreconditions says what grants that have to be made wait for. ClickHouse
// takes grants on databases that do not exist, but that is never what is meant.
func (r *remote) grantPreconditions(obj *v1alpha1.ClickhouseGrant, access *clickhouseAccess, missing v1alpha1.ClickhouseGrants) error {
	project, service := obj.ServiceRef()
	var grantees []v1alpha1.ClickhouseGrantee
	for _, g := range missing.PrivilegeGrants {
		grantees = append(grantees, g.Grantees...)
		if scope(g.Database) == "" {
			continue
		}
		databases, err := r.clickhouseDatabases(obj)
		if err != nil {
			return err
		}
		if _, ok := findClickhouseDatabase(databases, g.Database); !ok {
			return reconcile.Waiting(reasonWaitingForDatabase, fmt.Sprintf("Database %q does not exist in service %s/%s.", g.Database, project, service))
		}
	}
	for _, g := range missing.RoleGrants {
		grantees = append(grantees, g.Grantees...)
		for _, role := range g.Roles {
			grantees = append(grantees, v1alpha1.ClickhouseGrantee{Role: role})
		}
	}
	for _, g := range grantees {
		switch {
		case g.User != "" && !access.Users[g.User]:
			return reconcile.Waiting(reasonWaitingForUser, fmt.Sprintf("User %q does not exist in service %s/%s.", g.User, project, service))
		case g.Role != "" && !access.Roles[g.Role]:
			return reconcile.Waiting(reasonWaitingForRole, fmt.Sprintf("Role %q does not exist in service %s/%s.", g.Role, project, service))
		}
	}
	return nil
}

func (h clickhouseGrant) Create(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseGrant) error {
	return h.Update(ctx, r, obj)
}

// Update gives what is missing before it takes back what has to go. Until all is
// done the status remembers both.
func (clickhouseGrant) Update(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseGrant) error {
	_, plan, err := r.clickhousePlan(obj, obj.Spec.ClickhouseGrants, deref(obj.Status.State))
	if err != nil {
		return err
	}
	obj.Status.State = together(deref(obj.Status.State), obj.Spec.ClickhouseGrants)
	statements := slices.Concat(grantStatements(plan.missing), plan.statements, grantStatements(plan.lost))
	if err := r.clickhouseRun(ctx, obj, statements...); err != nil {
		return err
	}
	obj.Status.State = obj.Spec.ClickhouseGrants.DeepCopy()
	return nil
}

// together returns the grants of both.
func together(a, b v1alpha1.ClickhouseGrants) *v1alpha1.ClickhouseGrants {
	out := a.DeepCopy()
	b = *b.DeepCopy()
	for _, g := range b.PrivilegeGrants {
		if !slices.ContainsFunc(out.PrivilegeGrants, func(o v1alpha1.ClickhousePrivilegeGrant) bool { return reflect.DeepEqual(o, g) }) {
			out.PrivilegeGrants = append(out.PrivilegeGrants, g)
		}
	}
	for _, g := range b.RoleGrants {
		if !slices.ContainsFunc(out.RoleGrants, func(o v1alpha1.ClickhouseRoleGrant) bool { return reflect.DeepEqual(o, g) }) {
			out.RoleGrants = append(out.RoleGrants, g)
		}
	}
	return out
}

func (clickhouseGrant) Delete(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseGrant) (bool, error) {
	applied := deref(obj.Status.State)
	if checkClickhouseGrants(obj.Spec.ClickhouseGrants) == nil {
		// A create that was interrupted is recorded in no status.
		applied = *together(applied, obj.Spec.ClickhouseGrants)
	}
	_, plan, err := r.clickhousePlan(obj, v1alpha1.ClickhouseGrants{}, applied)
	if err != nil || len(plan.statements) == 0 {
		return err == nil, err
	}
	return false, r.clickhouseRun(ctx, obj, plan.statements...)
}
