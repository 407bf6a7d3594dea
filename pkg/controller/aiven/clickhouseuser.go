// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"

	"github.com/aiven/go-client-codegen/handler/clickhouse"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// clickhouseUser handles ClickhouseUser objects. Aiven tells a password only in
// the answer that sets it. One that Aiven made is published before anything else is
// done, and the connection Secret is where it is known from then; the status names
// the user that this was done for. One from a source Secret is known from there, and
// the status records which one was set.
type clickhouseUser struct{}

// References implements referrer.
func (clickhouseUser) References(obj *v1alpha1.ClickhouseUser) []reconcile.Reference {
	if source := obj.Spec.ConnInfoSecretSource; source != nil {
		return []reconcile.Reference{secretReference(obj, source.Name)}
	}
	return nil
}

func (h clickhouseUser) Observe(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) (reconcile.Observation, error) {
	view, err := r.runningService(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	source, state, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
	if err != nil {
		return reconcile.Observation{}, err
	}
	users, err := r.clickhouseUsers(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	user, ok := findClickhouseUser(users, obj.RemoteName())
	if !ok {
		obj.Status.UUID = ""
		return reconcile.Observation{}, nil
	}
	// The user may have been created, and its password lost with the answer: what is
	// published is not its then.
	lost := interrupted(obj) && obj.Status.UUID != user.Uuid && !builtIn(user.Name)
	password, readable := "", true
	if !lost {
		if password, readable, err = r.publishedPassword(ctx, obj); err != nil {
			return reconcile.Observation{}, err
		}
	}
	if shown := deref(user.Password); shown != "" {
		password = shown
	} else if known, ok := view.User(user.Name); ok && known.Password != "" {
		// The service shows the password of its built-in user.
		password = known.Password
	} else if last := obj.Status.PasswordSource; source != "" && last != nil {
		// What the user has is what was set last, whatever is published.
		password = ""
		if state.is(last) {
			password = source
		}
	}
	obs := reconcile.Observation{Exists: true, Ready: true}
	switch {
	case source != "" && source != password:
		// What is published stays until the password has been set.
		obs.Differs = append(obs.Differs, "password")
		return obs, nil
	case source == "" && password == "" && lost && publishes(obj):
		// Nobody has it.
		obs.Differs = append(obs.Differs, "password")
		return obs, nil
	}
	obj.Status.UUID = user.Uuid
	switch {
	case reconcile.Observed(obj):
	case source != "":
		obj.Status.PasswordSource = state.status()
	case obj.Status.PasswordSource != nil:
		obs.Note = passwordKept
	}
	if password == "" && !readable {
		obs.Note = joinNotes(obs.Note, "The connection Secret is left as it is, since the operator may not get it and Aiven does not show the password.")
		return obs, nil
	}
	obs.Connection = clickhouseUserConnection(obj, view, password)
	return obs, nil
}

// clickhouseUserConnection leaves the password out while it is not known.
func clickhouseUserConnection(obj *v1alpha1.ClickhouseUser, view *aiven.ServiceView, password string) connection {
	if !publishes(obj) {
		return nil
	}
	params := view.Service().ServiceUriParams
	pairs := []pair{{"HOST", params["host"]}, {"PORT", params["port"]}, {"USERNAME", obj.RemoteName()}}
	if password != "" {
		pairs = append(pairs, pair{"PASSWORD", password})
	}
	return details(obj, pairs...).merge(unprefixed(pairs...))
}

func (h clickhouseUser) Create(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) error {
	// Read before the write that makes it stale.
	view, err := r.runningService(obj)
	if err != nil {
		return err
	}
	source, state, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
	if err != nil {
		return err
	}
	user, err := r.clickhouse().ServiceClickHouseUserCreate(ctx, obj.Spec.Project, obj.Spec.ServiceName,
		&clickhouse.ServiceClickHouseUserCreateIn{Name: obj.RemoteName(), Password: optional(source)})
	if err != nil {
		return err
	}
	obj.Status.PasswordSource = nil
	switch password := deref(user.Password); {
	case password == "" || source != "" && password != source:
		return h.setPassword(ctx, r, obj, view, user.Uuid)
	case source != "":
		obj.Status.UUID, obj.Status.PasswordSource = user.Uuid, state.status()
		return nil
	default:
		return h.keepPassword(ctx, r, obj, view, user.Uuid, password)
	}
}

// Update sets the password that the spec names, or has Aiven make one.
func (h clickhouseUser) Update(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) error {
	view, err := r.runningService(obj)
	if err != nil {
		return err
	}
	users, err := r.clickhouseUsers(obj)
	if err != nil {
		return err
	}
	user, ok := findClickhouseUser(users, obj.RemoteName())
	if !ok {
		return reconcile.Retryable("the user vanished during an update")
	}
	return h.setPassword(ctx, r, obj, view, user.Uuid)
}

func (h clickhouseUser) setPassword(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser, view *aiven.ServiceView, uuid string) error {
	source, state, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
	if err != nil {
		return err
	}
	password, err := r.clickhouse().ServiceClickHousePasswordReset(ctx, obj.Spec.Project, obj.Spec.ServiceName, uuid,
		&clickhouse.ServiceClickHousePasswordResetIn{Password: optional(source)})
	if err != nil {
		return err
	}
	if obj.Status.PasswordSource = state.status(); state != nil {
		obj.Status.UUID = uuid
		return nil
	}
	return h.keepPassword(ctx, r, obj, view, uuid, password)
}

// keepPassword publishes a password that Aiven made and does not tell again. Only
// then does the status name the user: until it does, another password is made.
func (clickhouseUser) keepPassword(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser, view *aiven.ServiceView, uuid, password string) error {
	if publishes(obj) {
		if err := r.publish(ctx, clickhouseUserConnection(obj, view, password)); err != nil {
			return err
		}
	}
	obj.Status.UUID = uuid
	return nil
}

func (clickhouseUser) Delete(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) (bool, error) {
	if builtIn(obj.RemoteName()) {
		return true, nil
	}
	users, err := r.clickhouseUsers(obj)
	if err != nil {
		return false, err
	}
	user, ok := findClickhouseUser(users, obj.RemoteName())
	if !ok || user.Required {
		return true, nil
	}
	err = r.clickhouse().ServiceClickHouseUserDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, user.Uuid)
	return false, err
}

func findClickhouseUser(users *aiven.Reading[[]clickhouse.UserOut], name string) (clickhouse.UserOut, bool) {
	for _, u := range deref(users.Value()) {
		if u.Name == name {
			return u, true
		}
	}
	return clickhouse.UserOut{}, false
}
