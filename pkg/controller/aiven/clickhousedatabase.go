// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"

	"github.com/aiven/go-client-codegen/handler/clickhouse"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// clickhouseDatabase handles ClickhouseDatabase objects. Nothing about a database
// can be changed.
type clickhouseDatabase struct{}

func (clickhouseDatabase) Observe(_ context.Context, r *remote, obj *v1alpha1.ClickhouseDatabase) (reconcile.Observation, error) {
	if _, err := r.runningService(obj); err != nil {
		return reconcile.Observation{}, err
	}
	databases, err := r.clickhouseDatabases(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	db, ok := findClickhouseDatabase(databases, obj.RemoteName())
	if !ok {
		return reconcile.Observation{}, nil
	}
	if db.State == clickhouse.DatabaseStateTypePendingRemoval {
		return reconcile.Observation{}, reconcile.Waiting(reconcile.ReasonNotReady,
			fmt.Sprintf("Database %q is being removed. It is created again after that.", db.Name))
	}
	obs := reconcile.Observation{Exists: true, Ready: databaseSettled(db)}
	if !obs.Ready {
		obs.Message = fmt.Sprintf("Database is %s.", db.State)
	}
	return obs, nil
}

func (clickhouseDatabase) Create(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseDatabase) error {
	err := r.clickhouse().ServiceClickHouseDatabaseCreate(ctx, obj.Spec.Project, obj.Spec.ServiceName,
		&clickhouse.ServiceClickHouseDatabaseCreateIn{Database: obj.RemoteName()})
	return err
}

func (clickhouseDatabase) Update(context.Context, *remote, *v1alpha1.ClickhouseDatabase) error {
	return nil
}

func (clickhouseDatabase) Delete(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseDatabase) (bool, error) {
	databases, err := r.clickhouseDatabases(obj)
	if err != nil {
		return false, err
	}
	db, ok := findClickhouseDatabase(databases, obj.RemoteName())
	switch {
	case !ok, db.Required:
		return true, nil
	case db.State == clickhouse.DatabaseStateTypePendingRemoval:
		return false, nil
	}
	err = r.clickhouse().ServiceClickHouseDatabaseDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName())
	return false, err
}

func findClickhouseDatabase(databases *aiven.Reading[[]clickhouse.DatabaseOut], name string) (clickhouse.DatabaseOut, bool) {
	for _, db := range deref(databases.Value()) {
		if db.Name == name {
			return db, true
		}
	}
	return clickhouse.DatabaseOut{}, false
}

// databaseSettled reports whether a database is not on its way to another state.
// Aiven leaves the state out where it has none to tell.
func databaseSettled(db clickhouse.DatabaseOut) bool {
	return db.State == "" || db.State == clickhouse.DatabaseStateTypeOk
}
