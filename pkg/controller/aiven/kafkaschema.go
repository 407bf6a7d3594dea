// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"
	"slices"

	"github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// kafkaSchema handles KafkaSchema objects. An object's schema is registered if a
// live version of the subject has it: versions can't change, and others may add
// newer ones.
type kafkaSchema struct {
	accepted *acceptedSchemas
}

func newKafkaSchema() kafkaSchema {
	return kafkaSchema{accepted: &acceptedSchemas{schemas: map[types.UID]acceptedSchema{}}}
}

// Forget implements forgetter.
func (h kafkaSchema) Forget(uid types.UID) { h.accepted.forget(uid) }

func (h kafkaSchema) Observe(_ context.Context, r *remote, obj *v1alpha1.KafkaSchema) (reconcile.Observation, error) {
	if _, err := r.runningService(obj); err != nil {
		return reconcile.Observation{}, err
	}
	want, err := r.schemaOf(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	s, err := r.subject(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	if s == nil {
		obj.Status.ID, obj.Status.Version = 0, 0
		return reconcile.Observation{}, nil
	}
	level := compareLevel(obj, s)
	obs := reconcile.Observation{Exists: true, Ready: true, Differs: level.differs, Note: joinNotes(level.notes...)}
	registered, err := h.registered(r, obj, want, s)
	if err != nil {
		return reconcile.Observation{}, err
	}
	if registered == nil {
		obs.Differs = append(obs.Differs, "schema")
		return obs, nil
	}
	obj.Status.ID, obj.Status.Version = int64(registered.Id), int64(registered.Version)
	if len(obs.Differs) == 0 {
		rememberGiven(obj, &obj.Status.SettingsStatus, level)
	}
	return obs, nil
}

// compareLevel compares the compatibility level of a subject, nil if there is none.
// Aiven's API has no way to take one off.
func compareLevel(obj *v1alpha1.KafkaSchema, s *subject) optionalFields {
	shown := ""
	if s != nil {
		shown = s.level
	}
	wanted := obj.Spec.CompatibilityLevel
	return compareOptional(obj.Status.Settings, optionalField{
		name: fieldCompatibilityLevel, named: wanted != "", equal: shown == wanted, kept: keptNote(fieldCompatibilityLevel, shown),
	})
}

const fieldCompatibilityLevel = "compatibilityLevel"

// registered returns the version that has the object's schema: the latest one,
// or the one in the status. Nil means that neither has it.
func (h kafkaSchema) registered(r *remote, obj *v1alpha1.KafkaSchema, want *kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn, s *subject) (*schemaVersion, error) {
	accepted := h.accepted.get(obj.UID)
	if accepted.digest != digest(want) {
		accepted = acceptedSchema{}
	}
	has := func(v *schemaVersion) bool { return v.Id == accepted.id || versionSays(v, want) }
	if has(s.latest) {
		return s.latest, nil
	}
	number := int(obj.Status.Version)
	if number == s.latest.Version || !slices.Contains(s.versions, number) {
		return nil, nil
	}
	v, err := r.version(obj, number)
	if err != nil || v == nil || !has(v) {
		return nil, err
	}
	return v, nil
}

func (h kafkaSchema) Create(ctx context.Context, r *remote, obj *v1alpha1.KafkaSchema) error {
	want, err := r.schemaOf(obj)
	if err != nil {
		return err
	}
	if err := h.setLevel(ctx, r, obj, nil); err != nil {
		return err
	}
	return h.register(ctx, r, obj, want)
}

func (h kafkaSchema) Update(ctx context.Context, r *remote, obj *v1alpha1.KafkaSchema) error {
	want, err := r.schemaOf(obj)
	if err != nil {
		return err
	}
	s, err := r.subject(obj)
	if err != nil {
		return err
	}
	// The level decides whether the schema is accepted.
	if err := h.setLevel(ctx, r, obj, s); err != nil {
		return err
	}
	if s != nil {
		if registered, err := h.registered(r, obj, want, s); err == nil && registered != nil {
			return nil
		}
	}
	return h.register(ctx, r, obj, want)
}

func (kafkaSchema) setLevel(ctx context.Context, r *remote, obj *v1alpha1.KafkaSchema, s *subject) error {
	level := compareLevel(obj, s)
	if len(level.differs) == 0 {
		return nil
	}
	_, err := r.schemaRegistry().ServiceSchemaRegistrySubjectConfigPut(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName(),
		&kafkaschemaregistry.ServiceSchemaRegistrySubjectConfigPutIn{Compatibility: kafkaschemaregistry.CompatibilityType(obj.Spec.CompatibilityLevel)})
	if err == nil {
		rememberGiven(obj, &obj.Status.SettingsStatus, level)
	}
	return err
}

// register makes the schema a version of the subject, if it is none yet, and
// finds out which.
func (h kafkaSchema) register(ctx context.Context, r *remote, obj *v1alpha1.KafkaSchema, want *kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn) error {
	registry := r.schemaRegistry()
	project, service := obj.ServiceRef()
	id, err := registry.ServiceSchemaRegistrySubjectVersionPost(ctx, project, service, obj.RemoteName(), want)
	if err != nil {
		return incompatible(err)
	}
	h.accepted.set(obj.UID, acceptedSchema{digest: digest(want), id: id})
	versions, err := registry.ServiceSchemaRegistrySubjectVersionsGet(ctx, project, service, obj.RemoteName())
	if err != nil {
		return err
	}
	slices.Sort(versions)
	for _, number := range slices.Backward(versions) {
		v, err := registry.ServiceSchemaRegistrySubjectVersionGet(ctx, project, service, obj.RemoteName(), number)
		if err != nil {
			return err
		}
		if v.Id == id {
			obj.Status.ID, obj.Status.Version = int64(id), int64(number)
			return nil
		}
	}
	return reconcile.Retryable("the registry shows no version with the schema that it accepted")
}

// incompatible makes a refusal of the schema one of the spec: the registry calls
// it a conflict.
func incompatible(err error) error {
	var e *aiven.Error
	if !errors.As(err, &e) || e.Class != aiven.Conflict {
		return err
	}
	refused := *e
	refused.Class = aiven.Invalid
	return &refused
}
