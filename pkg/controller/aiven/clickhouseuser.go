// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"sync"

	"github.com/aiven/go-client-codegen/handler/clickhouse"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// clickhouseUser handles ClickhouseUser objects. Aiven tells a password only in
// the answer that sets it, so what was set is kept until it is published; after
// that the connection Secret is where it is known from.
type clickhouseUser struct {
	mu sync.Mutex
	// set holds, by object, passwords that this process has set.
	set map[types.UID]string
}

func newClickhouseUser() *clickhouseUser { return &clickhouseUser{set: map[types.UID]string{}} }

func (h *clickhouseUser) remember(obj *v1alpha1.ClickhouseUser, password string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.set[obj.UID] = password
}

func (h *clickhouseUser) forget(obj *v1alpha1.ClickhouseUser) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.set, obj.UID)
}

// password returns the user's password, "" while it is not known. What is
// published counts for nothing while a create may have been interrupted.
func (h *clickhouseUser) password(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) (string, error) {
	published, err := r.publishedPassword(ctx, obj)
	if err != nil {
		return "", err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	set, ok := h.set[obj.UID]
	switch {
	case !ok && interrupted(obj):
		return "", nil
	case !ok:
		return published, nil
	case set == published && !interrupted(obj):
		delete(h.set, obj.UID)
	}
	return set, nil
}

// interrupted reports whether the remote may have been created without a record
// of what the answer said.
func interrupted(obj metav1.Object) bool {
	_, ok := obj.GetAnnotations()[reconcile.AnnotationCreateIntent]
	return ok
}

// publishedPassword reads the password in the object's own connection Secret.
func (r *remote) publishedPassword(ctx context.Context, obj *v1alpha1.ClickhouseUser) (string, error) {
	target, disabled := obj.ConnInfoTarget()
	if disabled {
		return "", nil
	}
	secret, err := r.secrets.Get(ctx, target.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("get connection secret: %w", err)
	}
	if !metav1.IsControlledBy(secret, obj) {
		return "", nil
	}
	// The key without a prefix outlives a change of the prefix.
	return string(secret.Data["PASSWORD"]), nil
}

func (h *clickhouseUser) Observe(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) (reconcile.Observation, error) {
	view, err := r.host(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	source, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
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
	}
	obs := reconcile.Observation{Exists: true, Ready: true, Connection: clickhouseUserConnection(obj, view, password)}
	switch {
	case source != "" && source != password:
		obs.Differs = append(obs.Differs, "password")
	case source == "" && password == "" && interrupted(obj) && !builtIn(user.Name):
		// The user was created and its password lost with the answer: nobody has it.
		obs.Differs = append(obs.Differs, "password")
	}
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
	source, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
	if err != nil {
		return err
	}
	// What an earlier user of the name had is of no use for this one.
	h.forget(obj)
	user, err := r.clickhouse().ServiceClickHouseUserCreate(ctx, obj.Spec.Project, obj.Spec.ServiceName,
		&clickhouse.ServiceClickHouseUserCreateIn{Name: obj.RemoteName(), Password: optional(source)})
	if err != nil {
		return ignore(aiven.AlreadyExists, err)
	}
	obj.Status.UUID = user.Uuid
	if password := deref(user.Password); password != "" {
		h.remember(obj, password)
		return nil
	}
	return h.Update(ctx, r, obj)
}

// Update sets the password that the spec names, or has Aiven make one.
func (h *clickhouseUser) Update(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) error {
	source, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
	if err != nil {
		return err
	}
	password, err := r.clickhouse().ServiceClickHousePasswordReset(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.Status.UUID,
		&clickhouse.ServiceClickHousePasswordResetIn{Password: optional(source)})
	if err != nil {
		return err
	}
	if source != "" {
		password = source
	}
	h.remember(obj, password)
	return nil
}

func (h *clickhouseUser) Delete(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) (bool, error) {
	gone, err := h.deleteUser(ctx, r, obj)
	if gone {
		h.forget(obj)
	}
	return gone, err
}

func (*clickhouseUser) deleteUser(ctx context.Context, r *remote, obj *v1alpha1.ClickhouseUser) (bool, error) {
	if builtIn(obj.RemoteName()) {
		return true, nil
	}
	view, err := r.dying(obj)
	if err != nil || view == nil {
		return err == nil, err
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
	return false, ignore(aiven.NotFound, err)
}

func findClickhouseUser(users *aiven.Reading[[]clickhouse.UserOut], name string) (clickhouse.UserOut, bool) {
	for _, u := range deref(users.Value()) {
		if u.Name == name {
			return u, true
		}
	}
	return clickhouse.UserOut{}, false
}
