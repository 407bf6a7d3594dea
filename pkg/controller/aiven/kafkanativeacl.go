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

// kafkaNativeACL handles KafkaNativeACL objects. Neither the spec nor an entry
// can change, so an entry that says what the spec says is the object's.
type kafkaNativeACL struct{}

func (kafkaNativeACL) Observe(_ context.Context, r *remote, obj *v1alpha1.KafkaNativeACL) (reconcile.Observation, error) {
	view, err := r.runningService(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	obj.Status.ID = findNativeACL(view, obj)
	exists := obj.Status.ID != ""
	return reconcile.Observation{Exists: exists, Ready: exists}, nil
}

// findNativeACL returns the id of the object's entry: the recorded one while it
// exists, else that of an entry that says the same, such as one whose creation
// was not recorded. It is "" if there is none.
func findNativeACL(view *aiven.ServiceView, obj *v1alpha1.KafkaNativeACL) (id string) {
	for _, e := range view.NativeACLs() {
		if e.Id == obj.Status.ID && e.Id != "" {
			return e.Id
		}
		if nativeACLSays(e, &obj.Spec) {
			id = e.Id
		}
	}
	return id
}

func nativeACLSays(e service.KafkaAclOut, spec *v1alpha1.KafkaNativeACLSpec) bool {
	return e.Host == spec.Host && e.Principal == spec.Principal &&
		string(e.ResourceType) == spec.ResourceType && e.ResourceName == spec.ResourceName &&
		string(e.PatternType) == spec.PatternType &&
		string(e.Operation) == spec.Operation && string(e.PermissionType) == spec.PermissionType
}

func (kafkaNativeACL) Create(ctx context.Context, r *remote, obj *v1alpha1.KafkaNativeACL) error {
	entry, err := r.kafka().ServiceKafkaNativeAclAdd(ctx, obj.Spec.Project, obj.Spec.ServiceName, &kafka.ServiceKafkaNativeAclAddIn{
		Host:           optional(obj.Spec.Host),
		Operation:      kafka.OperationType(obj.Spec.Operation),
		PatternType:    kafka.PatternType(obj.Spec.PatternType),
		PermissionType: kafka.ServiceKafkaNativeAclPermissionType(obj.Spec.PermissionType),
		Principal:      obj.Spec.Principal,
		ResourceName:   obj.Spec.ResourceName,
		ResourceType:   kafka.ResourceType(obj.Spec.ResourceType),
	})
	if err != nil {
		return err
	}
	obj.Status.ID = entry.Id
	return nil
}

func (kafkaNativeACL) Update(context.Context, *remote, *v1alpha1.KafkaNativeACL) error { return nil }

func (kafkaNativeACL) Delete(ctx context.Context, r *remote, obj *v1alpha1.KafkaNativeACL) (bool, error) {
	view, err := r.Service(obj.ServiceRef())
	if err != nil {
		return false, err
	}
	id := findNativeACL(view, obj)
	if id == "" {
		return true, nil
	}
	err = r.kafka().ServiceKafkaNativeAclDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, id)
	return false, err
}
