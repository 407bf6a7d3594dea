// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"

	"github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// kafkaSchemaRegistryACL handles KafkaSchemaRegistryACL objects. Neither what
// the spec says nor an entry can change, so an entry that says the same is the
// object's.
type kafkaSchemaRegistryACL struct{}

func (kafkaSchemaRegistryACL) Observe(_ context.Context, r *remote, obj *v1alpha1.KafkaSchemaRegistryACL) (reconcile.Observation, error) {
	view, err := r.runningService(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	obj.Status.ACLID = findRegistryACL(view, obj)
	exists := obj.Status.ACLID != ""
	return reconcile.Observation{Exists: exists, Ready: exists}, nil
}

// findRegistryACL returns the id of the object's entry: the recorded one while
// it exists, else that of an entry that says the same, such as one whose
// creation was not recorded. It is "" if there is none.
func findRegistryACL(view *aiven.ServiceView, obj *v1alpha1.KafkaSchemaRegistryACL) (id string) {
	for _, e := range view.SchemaRegistryACLs() {
		entry := deref(e.Id)
		if entry == obj.Status.ACLID && entry != "" {
			return entry
		}
		if e.Resource == obj.Spec.Resource && e.Username == obj.Spec.Username && string(e.Permission) == obj.Spec.Permission {
			id = entry
		}
	}
	return id
}

func (kafkaSchemaRegistryACL) Create(ctx context.Context, r *remote, obj *v1alpha1.KafkaSchemaRegistryACL) error {
	entries, err := r.schemaRegistry().ServiceSchemaRegistryAclAdd(ctx, obj.Spec.Project, obj.Spec.ServiceName, &kafkaschemaregistry.ServiceSchemaRegistryAclAddIn{
		Permission: kafkaschemaregistry.PermissionType(obj.Spec.Permission),
		Resource:   obj.Spec.Resource,
		Username:   obj.Spec.Username,
	})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Resource == obj.Spec.Resource && e.Username == obj.Spec.Username && string(e.Permission) == obj.Spec.Permission {
			obj.Status.ACLID = deref(e.Id)
		}
	}
	return nil
}

func (kafkaSchemaRegistryACL) Update(context.Context, *remote, *v1alpha1.KafkaSchemaRegistryACL) error {
	return nil
}

func (kafkaSchemaRegistryACL) Delete(ctx context.Context, r *remote, obj *v1alpha1.KafkaSchemaRegistryACL) (bool, error) {
	view, err := r.Service(obj.ServiceRef())
	if err != nil {
		return false, err
	}
	id := findRegistryACL(view, obj)
	if id == "" {
		return true, nil
	}
	_, err = r.schemaRegistry().ServiceSchemaRegistryAclDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, id)
	return false, err
}
