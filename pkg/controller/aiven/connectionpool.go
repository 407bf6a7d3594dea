// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aiven/go-client-codegen/handler/postgresql"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// connectionPool handles ConnectionPool objects.
type connectionPool struct{}

func (connectionPool) Observe(_ context.Context, r *remote, obj *v1alpha1.ConnectionPool) (reconcile.Observation, error) {
	view, err := r.runningService(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	pool, ok := view.Pool(obj.RemoteName())
	if !ok {
		return reconcile.Observation{}, poolPreconditions(view, obj)
	}
	obs := reconcile.Observation{Exists: true}
	if pool.Database != obj.Spec.DatabaseName {
		obs.Differs = append(obs.Differs, "databaseName")
	}
	if deref(pool.Username) != obj.Spec.Username {
		obs.Differs = append(obs.Differs, "username")
	}
	mode := compareOptional(obj.Status.Settings, optionalField{
		name: fieldPoolMode, named: obj.Spec.PoolMode != "",
		equal: string(pool.PoolMode) == obj.Spec.PoolMode, kept: keptNote(fieldPoolMode, string(pool.PoolMode)),
	})
	obs.Differs, obs.Note = append(obs.Differs, mode.differs...), joinNotes(mode.notes...)
	if size := poolSize(obj); size != nil && pool.PoolSize != *size {
		obs.Differs = append(obs.Differs, "poolSize")
	}
	if len(obs.Differs) == 0 {
		rememberGiven(obj, &obj.Status.SettingsStatus, mode)
	}
	ca, err := r.CA(obj.Spec.Project)
	if err != nil {
		return obs, err
	}
	obs.Connection, err = poolConnection(obj, view, pool.ConnectionUri, ca)
	obs.Ready = err == nil
	return obs, err
}

const fieldPoolMode = "poolMode"

// defaultPoolSize is also the default of the schema.
const defaultPoolSize = 10

// poolSize returns the size that the object asks for. Zero asks for the default,
// as it did where a webhook filled it in. It is nil only when the object was not
// read from an API server, which fills in the default where the field is absent.
func poolSize(obj *v1alpha1.ConnectionPool) *int {
	switch size := obj.Spec.PoolSize; {
	case size == nil:
		return nil
	case *size == 0:
		return new(defaultPoolSize)
	default:
		return new(int(*size))
	}
}

// poolPreconditions says what a pool that does not exist yet waits for.
func poolPreconditions(view *aiven.ServiceView, obj *v1alpha1.ConnectionPool) error {
	if !view.Database(obj.Spec.DatabaseName) {
		return reconcile.Waiting(reasonWaitingForDatabase,
			fmt.Sprintf("Database %q does not exist in service %s/%s.", obj.Spec.DatabaseName, obj.Spec.Project, obj.Spec.ServiceName))
	}
	if name := obj.Spec.Username; name != "" {
		if _, ok := view.User(name); !ok {
			return reconcile.Waiting(reasonWaitingForUser,
				fmt.Sprintf("User %q does not exist in service %s/%s.", name, obj.Spec.Project, obj.Spec.ServiceName))
		}
	}
	return nil
}

// poolConnection describes the pool to clients. A pool without a user of its own
// is entered with the service's.
func poolConnection(obj *v1alpha1.ConnectionPool, view *aiven.ServiceView, poolURI, ca string) (map[string][]byte, error) {
	uri, err := url.Parse(poolURI)
	if err != nil {
		return nil, reconcile.Retryable("Aiven reports a pool URI that can't be read")
	}
	params := view.Service().ServiceUriParams
	username, password := params["user"], params["password"]
	if obj.Spec.Username != "" {
		user, ok := view.User(obj.Spec.Username)
		if !ok || user.Password == "" {
			return nil, reconcile.Waiting(reasonWaitingForUser, fmt.Sprintf("The password of user %q is not known yet.", obj.Spec.Username))
		}
		username, password = user.Username, user.Password
	}
	return details(obj,
		pair{"NAME", obj.RemoteName()},
		pair{"HOST", uri.Hostname()},
		pair{"PORT", uri.Port()},
		pair{"DATABASE", obj.Spec.DatabaseName},
		pair{"USER", username},
		pair{"PASSWORD", password},
		pair{"SSLMODE", params["sslmode"]},
		pair{"DATABASE_URI", poolURI},
		pair{"CA_CERT", ca},
	).merge(postgresEnvironment(uri.Hostname(), uri.Port(), obj.Spec.DatabaseName, username, password, params["sslmode"], poolURI)), nil
}

func (connectionPool) Create(ctx context.Context, r *remote, obj *v1alpha1.ConnectionPool) error {
	err := r.postgreSQL().ServicePGBouncerCreate(ctx, obj.Spec.Project, obj.Spec.ServiceName, &postgresql.ServicePGBouncerCreateIn{
		Database: obj.Spec.DatabaseName,
		PoolMode: postgresql.PoolModeType(obj.Spec.PoolMode),
		PoolName: obj.RemoteName(),
		PoolSize: poolSize(obj),
		Username: optional(obj.Spec.Username),
	})
	return err
}

func (connectionPool) Update(ctx context.Context, r *remote, obj *v1alpha1.ConnectionPool) error {
	return r.postgreSQL().ServicePGBouncerUpdate(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName(), &postgresql.ServicePGBouncerUpdateIn{
		Database: &obj.Spec.DatabaseName,
		PoolMode: postgresql.PoolModeType(obj.Spec.PoolMode),
		PoolSize: poolSize(obj),
		Username: optional(obj.Spec.Username),
	})
}

func (connectionPool) Delete(ctx context.Context, r *remote, obj *v1alpha1.ConnectionPool) (bool, error) {
	view, err := r.Service(obj.ServiceRef())
	if err != nil {
		return false, err
	}
	if _, ok := view.Pool(obj.RemoteName()); !ok {
		return true, nil
	}
	err = r.postgreSQL().ServicePGBouncerDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName())
	return false, err
}
