// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"slices"
	"strconv"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// serviceUser handles ServiceUser objects.
type serviceUser struct{}

// builtIn reports whether Aiven makes and keeps a user itself; such a user can be
// adopted and is never deleted.
func builtIn(name string) bool { return name == "avnadmin" || name == "default" }

func (serviceUser) Observe(ctx context.Context, r *remote, obj *v1alpha1.ServiceUser) (reconcile.Observation, error) {
	view, err := r.host(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	password, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
	if err != nil {
		return reconcile.Observation{}, err
	}
	user, ok := view.User(obj.RemoteName())
	if !ok {
		return reconcile.Observation{}, nil
	}
	obj.Status.Type = user.Type
	obs := reconcile.Observation{Exists: true}
	shown := user.Password
	if shown == "" && slices.Contains(obj.Finalizers, reconcile.Finalizer) {
		// Some services hide a password that was chosen; ours was set before.
		shown = password
	}
	if password != "" && shown != password {
		obs.Differs = append(obs.Differs, "password")
	}
	if !accessControlEqual(obj.Spec.AccessControl, user.AccessControl) {
		obs.Differs = append(obs.Differs, "accessControl")
	}
	if shown == "" {
		// Some services take a moment to make the password.
		obs.Message = "Aiven has not made the password yet."
		view.Recheck()
		return obs, nil
	}
	ca, err := r.CA(obj.Spec.Project)
	if err != nil {
		return obs, err
	}
	obs.Ready = true
	obs.Connection = userConnection(obj, view, user, shown, ca)
	return obs, nil
}

func accessControlEqual(want *v1alpha1.ServiceUserAccessControl, got *service.AccessControlOut) bool {
	if want == nil {
		return true
	}
	if got == nil {
		got = &service.AccessControlOut{}
	}
	return slices.Equal(want.ValkeyACLCategories, got.ValkeyAclCategories) &&
		slices.Equal(want.ValkeyACLChannels, got.ValkeyAclChannels) &&
		slices.Equal(want.ValkeyACLCommands, got.ValkeyAclCommands) &&
		slices.Equal(want.ValkeyACLKeys, got.ValkeyAclKeys)
}

func accessControl(spec *v1alpha1.ServiceUserAccessControl) *service.AccessControlIn {
	if spec == nil {
		return nil
	}
	list := func(values []string) *[]string { return new(append([]string{}, values...)) }
	return &service.AccessControlIn{
		ValkeyAclCategories: list(spec.ValkeyACLCategories),
		ValkeyAclChannels:   list(spec.ValkeyACLChannels),
		ValkeyAclCommands:   list(spec.ValkeyACLCommands),
		ValkeyAclKeys:       list(spec.ValkeyACLKeys),
	}
}

// userConnection describes the service to its user: the address is that of the
// first component that is the service itself.
func userConnection(obj *v1alpha1.ServiceUser, view *aiven.ServiceView, user *service.UserOut, password, ca string) connection {
	svc, components := view.Service(), view.Components()
	var host, port string
	if i := slices.IndexFunc(components, func(c service.ComponentOut) bool { return c.Component == svc.ServiceType }); i >= 0 {
		host, port = components[i].Host, strconv.Itoa(components[i].Port)
	}
	out := details(obj,
		pair{"HOST", host}, pair{"PORT", port},
		pair{"USERNAME", user.Username}, pair{"PASSWORD", password},
		pair{"ACCESS_CERT", deref(user.AccessCert)}, pair{"ACCESS_KEY", deref(user.AccessKey)},
		pair{"CA_CERT", ca},
	)
	if svc.ServiceType == serviceTypeKafka {
		sasl, registry := saslEndpoint(components), endpoint(components, "schema_registry")
		out.plus(details(obj,
			pair{"SASL_HOST", sasl.host}, pair{"SASL_PORT", sasl.port},
			pair{"SCHEMA_REGISTRY_HOST", registry.host}, pair{"SCHEMA_REGISTRY_PORT", registry.port},
		))
	}
	return out
}

func (h serviceUser) Create(ctx context.Context, r *remote, obj *v1alpha1.ServiceUser) error {
	_, err := r.services().ServiceUserCreate(ctx, obj.Spec.Project, obj.Spec.ServiceName, &service.ServiceUserCreateIn{
		Username:      obj.RemoteName(),
		AccessControl: accessControl(obj.Spec.AccessControl),
	})
	if err != nil || obj.Spec.ConnInfoSecretSource == nil {
		return err
	}
	return h.setPassword(ctx, r, obj)
}

func (h serviceUser) Update(ctx context.Context, r *remote, obj *v1alpha1.ServiceUser) error {
	if access := accessControl(obj.Spec.AccessControl); access != nil {
		_, err := r.services().ServiceUserCredentialsModify(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName(),
			&service.ServiceUserCredentialsModifyIn{
				Operation:     service.ServiceUserCredentialsModifyOperationTypeSetAccessControl,
				AccessControl: access,
			})
		if err != nil {
			return err
		}
	}
	if obj.Spec.ConnInfoSecretSource == nil {
		return nil
	}
	return h.setPassword(ctx, r, obj)
}

func (serviceUser) setPassword(ctx context.Context, r *remote, obj *v1alpha1.ServiceUser) error {
	password, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
	if err != nil {
		return err
	}
	_, err = r.services().ServiceUserCredentialsModify(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName(),
		&service.ServiceUserCredentialsModifyIn{
			Operation:   service.ServiceUserCredentialsModifyOperationTypeResetCredentials,
			NewPassword: &password,
		})
	return err
}

func (serviceUser) Delete(ctx context.Context, r *remote, obj *v1alpha1.ServiceUser) (bool, error) {
	if builtIn(obj.RemoteName()) {
		return true, nil
	}
	view, err := r.Service(obj.ServiceRef())
	if err != nil {
		return false, err
	}
	if _, ok := view.User(obj.RemoteName()); !ok {
		return true, nil
	}
	err = r.services().ServiceUserDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName())
	return false, err
}
