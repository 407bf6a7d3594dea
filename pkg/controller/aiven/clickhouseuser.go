// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"sync"

	"github.com/aiven/go-client-codegen/handler/clickhouse"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// clickhouseUser handles ClickhouseUser objects. Aiven tells a password only in
// the answer that sets it. One that Aiven made is kept until it is published; after
// that the connection Secret is where it is known from. One from a source Secret is
// known from there, and the status records which one was set.
type clickhouseUser struct {
	mu sync.Mutex
	// set holds, by object, passwords that Aiven has made for this process.
	set map[types.UID]string
}

func newClickhouseUser() *clickhouseUser { return &clickhouseUser{set: map[types.UID]string{}} }

// References implements referrer.
func (*clickhouseUser) References(obj *v1alpha1.ClickhouseUser) []reconcile.Reference {
	if source := obj.Spec.ConnInfoSecretSource; source != nil {
		return []reconcile.Reference{secretReference(obj, source.Name)}
	}
	return nil
}

func (h *clickhouseUser) Observe(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) (reconcile.Observation, error) {
	view, err := r.host(obj)
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
	obj.Status.UUID = user.Uuid
	password, err := h.password(ctx, r, obj)
	if err != nil {
		return reconcile.Observation{}, err
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
	case source == "" && password == "" && interrupted(obj) && !builtIn(user.Name):
		// The user was created and its password lost with the answer: nobody has it.
		obs.Differs = append(obs.Differs, "password")
	}
	switch {
	case reconcile.Observed(obj):
	case source != "":
		obj.Status.PasswordSource = state.status()
	case obj.Status.PasswordSource != nil:
		obs.Note = passwordKept
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
	return details(obj, pairs...).plus(unprefixed(pairs...))
}

func (h *clickhouseUser) Create(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) error {
	source, state, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
	if err != nil {
		return err
	}
	// What an earlier user of the name had is of no use for this one.
	h.Forget(obj.UID)
	user, err := r.clickhouse().ServiceClickHouseUserCreate(ctx, obj.Spec.Project, obj.Spec.ServiceName,
		&clickhouse.ServiceClickHouseUserCreateIn{Name: obj.RemoteName(), Password: optional(source)})
	if err != nil {
		return err
	}
	obj.Status.UUID, obj.Status.PasswordSource = user.Uuid, nil
	switch password := deref(user.Password); {
	case password == "" || source != "" && password != source:
		return h.Update(ctx, r, obj)
	case source != "":
		obj.Status.PasswordSource = state.status()
	default:
		h.remember(obj, password)
	}
	return nil
}

// Update sets the password that the spec names, or has Aiven make one.
func (h *clickhouseUser) Update(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) error {
	source, state, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
	if err != nil {
		return err
	}
	password, err := r.clickhouse().ServiceClickHousePasswordReset(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.Status.UUID,
		&clickhouse.ServiceClickHousePasswordResetIn{Password: optional(source)})
	if err != nil {
		return err
	}
	if obj.Status.PasswordSource = state.status(); state != nil {
		h.Forget(obj.UID)
		return nil
	}
	h.remember(obj, password)
	return nil
}

func (h *clickhouseUser) Delete(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) (bool, error) {
	gone, err := h.deleteUser(ctx, r, obj)
	if gone {
		h.Forget(obj.UID)
	}
	return gone, err
}

func (*clickhouseUser) deleteUser(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) (bool, error) {
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
