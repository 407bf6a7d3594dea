// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// clickhouseRole handles ClickhouseRole objects, which Aiven's API knows only as
// SQL. Nothing about a role can be changed.
type clickhouseRole struct{}

func (clickhouseRole) Observe(_ context.Context, r *remote, obj *v1alpha1.ClickhouseRole) (reconcile.Observation, error) {
	if _, err := r.runningService(obj); err != nil {
		return reconcile.Observation{}, err
	}
	access, err := r.clickhouseAccess(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	exists := access.Value() != nil && access.Value().Roles[obj.Spec.Role]
	return reconcile.Observation{Exists: exists, Ready: exists}, nil
}

func (clickhouseRole) Create(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseRole) error {
	return r.clickhouseRun(ctx, obj, "CREATE ROLE IF NOT EXISTS "+quoteIdentifier(obj.Spec.Role))
}

func (clickhouseRole) Update(context.Context, *remote, *v1alpha1.ClickhouseRole) error { return nil }

func (clickhouseRole) Delete(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseRole) (bool, error) {
	access, err := r.clickhouseAccess(obj)
	if err != nil || access.Value() == nil || !access.Value().Roles[obj.Spec.Role] {
		return err == nil, err
	}
	return false, r.clickhouseRun(ctx, obj, "DROP ROLE IF EXISTS "+quoteIdentifier(obj.Spec.Role))
}
