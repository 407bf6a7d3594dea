// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// kafkaACL handles KafkaACL objects. Aiven makes an entry's id and can't change
// an entry, so a change of the spec replaces it: the new one first, so that no
// client loses access in between.
type kafkaACL struct{}

func (kafkaACL) Observe(_ context.Context, r *remote, obj *v1alpha1.KafkaACL) (reconcile.Observation, error) {
	view, err := r.host(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	if entry, ok := view.ACL(obj.Status.ID); ok && obj.Status.ID != "" {
		obs := reconcile.Observation{Exists: true, Ready: true}
		if entry.Username != obj.Spec.Username {
			obs.Differs = append(obs.Differs, "username")
		}
		if entry.Topic != obj.Spec.Topic {
			obs.Differs = append(obs.Differs, "topic")
		}
		if string(entry.Permission) != obj.Spec.Permission {
			obs.Differs = append(obs.Differs, "permission")
		}
		return obs, nil
	}
	id, ok := findACL(view, obj)
	obj.Status.ID = id
	return reconcile.Observation{Exists: ok, Ready: ok}, nil
}

// findACL returns the id of an entry that says what the spec says. It finds the
// one whose creation was not recorded, too.
func findACL(view *aiven.ServiceView, obj *v1alpha1.KafkaACL) (id string, ok bool) {
	entries := view.FindACLs(obj.Spec.Username, obj.Spec.Topic, service.PermissionType(obj.Spec.Permission))
	for _, e := range entries {
		if deref(e.Id) != "" {
			id = *e.Id
		}
	}
	return id, id != ""
}

func (kafkaACL) Create(ctx context.Context, r *remote, obj *v1alpha1.KafkaACL) error {
	entries, err := r.kafka().ServiceKafkaAclAdd(ctx, obj.Spec.Project, obj.Spec.ServiceName, &kafka.ServiceKafkaAclAddIn{
		Permission: kafka.PermissionType(obj.Spec.Permission),
		Topic:      obj.Spec.Topic,
		Username:   obj.Spec.Username,
	})
	if err != nil {
		return ignore(aiven.AlreadyExists, err)
	}
	for _, e := range entries {
		if e.Username == obj.Spec.Username && e.Topic == obj.Spec.Topic && string(e.Permission) == obj.Spec.Permission {
			obj.Status.ID = e.Id
		}
	}
	return nil
}

func (h kafkaACL) Update(ctx context.Context, r *remote, obj *v1alpha1.KafkaACL) error {
	old := obj.Status.ID
	obj.Status.ID = ""
	if err := h.Create(ctx, r, obj); err != nil {
		obj.Status.ID = old
		return err
	}
	_, err := r.kafka().ServiceKafkaAclDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, old)
	if err = ignore(aiven.NotFound, err); err != nil {
		// The entry that must go is the one to remember.
		obj.Status.ID = old
	}
	return err
}

func (kafkaACL) Delete(ctx context.Context, r *remote, obj *v1alpha1.KafkaACL) (bool, error) {
	view, err := r.dying(obj)
	if err != nil || view == nil {
		return err == nil, err
	}
	id := obj.Status.ID
	if _, ok := view.ACL(id); !ok {
		if id, ok = findACL(view, obj); !ok {
			return true, nil
		}
	}
	_, err = r.kafka().ServiceKafkaAclDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, id)
	return false, ignore(aiven.NotFound, err)
}
