// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// database handles Database objects. Nothing about a database can be changed.
type database struct{}

func (database) Observe(_ context.Context, r *remote, obj *v1alpha1.Database) (reconcile.Observation, error) {
	view, err := r.runningService(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	exists := view.Database(obj.RemoteName())
	return reconcile.Observation{Exists: exists, Ready: exists}, nil
}

func (database) Create(ctx context.Context, r *remote, obj *v1alpha1.Database) error {
	err := r.services().ServiceDatabaseCreate(ctx, obj.Spec.Project, obj.Spec.ServiceName, &service.ServiceDatabaseCreateIn{
		Database:  obj.RemoteName(),
		LcCollate: optional(obj.Spec.LcCollate),
		LcCtype:   optional(obj.Spec.LcCtype),
	})
	return err
}

func (database) Update(context.Context, *remote, *v1alpha1.Database) error { return nil }

func (database) Delete(ctx context.Context, r *remote, obj *v1alpha1.Database) (bool, error) {
	if isTrue(obj.Spec.TerminationProtection) {
		return false, protected()
	}
	view, err := r.Service(obj.ServiceRef())
	if err != nil || !view.Database(obj.RemoteName()) {
		return err == nil, err
	}
	err = r.services().ServiceDatabaseDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName())
	return false, err
}
