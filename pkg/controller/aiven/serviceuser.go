// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
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

// References implements referrer.
func (serviceUser) References(obj *v1alpha1.ServiceUser) []reconcile.Reference {
	if source := obj.Spec.ConnInfoSecretSource; source != nil {
		return []reconcile.Reference{secretReference(obj, source.Name)}
	}
	return nil
}

// userDifference is how a user differs from what it shall be.
type userDifference struct {
	password, authentication, access bool
	optional                         optionalFields
	notes                            []string
	// source is the password that the user shall have, "" where the spec names none.
	source string
	state  *sourceState
	// known is the password that the user has, "" while it is not known.
	known string
}

func (d userDifference) fields() []string {
	var fields differences
	fields.add(d.password, "password")
	fields.add(d.access, fieldAccessControl)
	fields.add(d.authentication, fieldAuthentication)
	return fields
}

// The optional fields of a ServiceUser's spec.
const (
	fieldAccessControl  = "accessControl"
	fieldAuthentication = "authentication"
)

// compare compares a user with the spec. Aiven shows no password that somebody chose
// on some services; there, what the user has is what was set last.
func (serviceUser) compare(ctx context.Context, r *remote, obj *v1alpha1.ServiceUser, serviceType string, user *service.UserOut) (userDifference, error) {
	var d userDifference
	var err error
	if d.source, d.state, err = r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource); err != nil {
		return d, err
	}
	d.known = user.Password
	if d.known == "" && d.state.is(obj.Status.PasswordSource) {
		d.known = d.source
	}
	d.password = d.source != "" && d.known != d.source
	wanted := obj.Spec.Authentication
	mysql := serviceType == serviceTypeMySQL
	if wanted != "" && !mysql {
		d.notes = append(d.notes, fmt.Sprintf("spec.authentication has no effect on users of a %s service: remove it.", serviceType))
	}
	d.optional = compareOptional(obj.Status.Settings,
		optionalField{
			name: fieldAccessControl, named: obj.Spec.AccessControl != nil,
			equal: accessControlEqual(obj.Spec.AccessControl, user.AccessControl),
			// The default allows everything.
			kept: "spec.accessControl was removed and the user keeps its access control list: set it to what it should be.",
		},
		optionalField{
			name: fieldAuthentication, named: mysql && wanted != "",
			equal: string(user.Authentication) == wanted, kept: keptNote(fieldAuthentication, string(user.Authentication)),
		},
	)
	d.access = slices.Contains(d.optional.differs, fieldAccessControl)
	if slices.Contains(d.optional.differs, fieldAuthentication) {
		if d.authentication = d.source != ""; !d.authentication {
			d.notes = append(d.notes, fmt.Sprintf("spec.authentication is not applied, since Aiven changes it only together with the password; it is %s: name the password in spec.connInfoSecretSource, or set spec.authentication to that.", user.Authentication))
		}
	}
	d.notes = append(d.notes, d.optional.notes...)
	if last := obj.Status.PasswordSource; d.source == "" && last != nil {
		if d.known != "" && r.digester.digest(d.known) != last.Digest {
			// Somebody else has set another one since.
			obj.Status.PasswordSource = nil
			return d, nil
		}
		d.notes = append(d.notes, passwordKept)
	}
	return d, nil
}

// passwordKept tells of a user whose password is not chosen by a Secret any more.
const passwordKept = "spec.connInfoSecretSource was removed and the user keeps the password that was set last."

// remember notes what the user has been given, but for an object that is only
// observed.
func (d userDifference) remember(obj *v1alpha1.ServiceUser) {
	if reconcile.Observed(obj) {
		return
	}
	obj.Status.Settings = d.optional.given
	if d.state != nil {
		obj.Status.PasswordSource = d.state.status()
	}
}

func (h serviceUser) Observe(ctx context.Context, r *remote, obj *v1alpha1.ServiceUser) (reconcile.Observation, error) {
	view, err := r.runningService(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	user, ok := view.User(obj.RemoteName())
	if !ok {
		// Whether it can be created is known beforehand.
		_, _, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
		return reconcile.Observation{}, err
	}
	d, err := h.compare(ctx, r, obj, view.Service().ServiceType, user)
	if err != nil {
		return reconcile.Observation{}, err
	}
	obj.Status.Type = user.Type
	obs := reconcile.Observation{Exists: true, Differs: d.fields(), Note: joinNotes(d.notes...)}
	if len(obs.Differs) == 0 {
		d.remember(obj)
	}
	switch {
	case d.known != "":
	case d.password:
		// What is published stays until the password has been set.
		obs.Message = "The password of spec.connInfoSecretSource has not been set yet."
		return obs, nil
	case obj.Status.PasswordSource != nil:
		// It was set by the operator and is published already.
		obs.Ready = true
		return obs, nil
	default:
		// Some services take a moment to make the password.
		obs.Message = "Aiven shows no password for the user yet. It never shows one that somebody else has set: name the password in spec.connInfoSecretSource, or reset it in the Aiven Console."
		view.Recheck()
		return obs, nil
	}
	ca, err := r.CA(obj.Spec.Project)
	if err != nil {
		return obs, err
	}
	obs.Ready = true
	obs.Connection = userConnection(obj, view, user, d.known, ca)
	return obs, nil
}

func accessControlEqual(want *v1alpha1.ServiceUserAccessControl, got *service.AccessControlOut) bool {
	if want == nil {
		return false
	}
	if got == nil {
		got = &service.AccessControlOut{}
	}
	return slices.Equal(want.ValkeyACLCategories, got.ValkeyAclCategories) &&
		slices.Equal(want.ValkeyACLChannels, got.ValkeyAclChannels) &&
		slices.Equal(want.ValkeyACLCommands, got.ValkeyAclCommands) &&
		slices.Equal(want.ValkeyACLKeys, got.ValkeyAclKeys)
}

// accessControl sends every list: one that the spec leaves out allows nothing.
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
		out.merge(details(obj,
			pair{"SASL_HOST", sasl.host}, pair{"SASL_PORT", sasl.port},
			pair{"SCHEMA_REGISTRY_HOST", registry.host}, pair{"SCHEMA_REGISTRY_PORT", registry.port},
		))
	}
	return out
}

func (h serviceUser) Create(ctx context.Context, r *remote, obj *v1alpha1.ServiceUser) error {
	view, err := r.runningService(obj)
	if err != nil {
		return err
	}
	in := &service.ServiceUserCreateIn{Username: obj.RemoteName(), AccessControl: accessControl(obj.Spec.AccessControl)}
	var given []string
	if in.AccessControl != nil {
		given = append(given, fieldAccessControl)
	}
	if obj.Spec.Authentication != "" && view.Service().ServiceType == serviceTypeMySQL {
		in.Authentication = service.AuthenticationType(obj.Spec.Authentication)
		given = append(given, fieldAuthentication)
	}
	if _, err := r.services().ServiceUserCreate(ctx, obj.Spec.Project, obj.Spec.ServiceName, in); err != nil {
		return err
	}
	// A new user has nothing from before.
	obj.Status.Settings, obj.Status.PasswordSource = given, nil
	password, state, err := r.sourcePassword(ctx, obj.Spec.ConnInfoSecretSource)
	if err != nil || state == nil {
		return err
	}
	return h.setPassword(ctx, r, obj, password, state, in.Authentication)
}

// Update changes what differs only: setting a password also replaces the
// certificate of a Kafka user.
func (h serviceUser) Update(ctx context.Context, r *remote, obj *v1alpha1.ServiceUser) error {
	view, err := r.runningService(obj)
	if err != nil {
		return err
	}
	user, ok := view.User(obj.RemoteName())
	if !ok {
		return reconcile.Retryable("the user vanished during an update")
	}
	d, err := h.compare(ctx, r, obj, view.Service().ServiceType, user)
	if err != nil {
		return err
	}
	if d.access {
		_, err := r.services().ServiceUserCredentialsModify(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName(),
			&service.ServiceUserCredentialsModifyIn{
				Operation:     service.ServiceUserCredentialsModifyOperationTypeSetAccessControl,
				AccessControl: accessControl(obj.Spec.AccessControl),
			})
		if err != nil {
			return err
		}
		d.optional.setGiven(&obj.Status.Settings, fieldAccessControl)
	}
	if !d.password && !d.authentication {
		return nil
	}
	var authentication service.AuthenticationType
	if d.authentication {
		authentication = service.AuthenticationType(obj.Spec.Authentication)
	}
	if err := h.setPassword(ctx, r, obj, d.source, d.state, authentication); err != nil {
		return err
	}
	obj.Status.Settings = d.optional.given
	return nil
}

// setPassword sets a password and records that it was.
func (serviceUser) setPassword(ctx context.Context, r *remote, obj *v1alpha1.ServiceUser, password string, state *sourceState, authentication service.AuthenticationType) error {
	_, err := r.services().ServiceUserCredentialsModify(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName(),
		&service.ServiceUserCredentialsModifyIn{
			Operation:      service.ServiceUserCredentialsModifyOperationTypeResetCredentials,
			NewPassword:    &password,
			Authentication: authentication,
		})
	if err == nil {
		obj.Status.PasswordSource = state.status()
	}
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
