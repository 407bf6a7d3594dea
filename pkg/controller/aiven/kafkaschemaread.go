// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"
	"k8s.io/client-go/tools/cache"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

const (
	kindKafkaSchema        = "KafkaSchema"
	reasonWaitingForSchema = "WaitingForSchema"
)

// References implements referrer.
func (kafkaSchema) References(obj *v1alpha1.KafkaSchema) []reconcile.Reference {
	var out []reconcile.Reference
	for _, ref := range obj.Spec.References {
		if ref.KafkaSchemaRef != nil {
			out = append(out, schemaReference(obj, ref.KafkaSchemaRef))
		}
	}
	return out
}

func schemaReference(obj *v1alpha1.KafkaSchema, ref *v1alpha1.KafkaSchemaRef) reconcile.Reference {
	return reconcile.Reference{Kind: kindKafkaSchema, Name: cache.NewObjectName(obj.Namespace, ref.Name)}
}

// schemaOf returns the schema that the spec asks for, with the versions that
// referenced objects have now.
func (r *remote) schemaOf(obj *v1alpha1.KafkaSchema) (*kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn, error) {
	in := &kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn{
		Schema: obj.Spec.Schema, SchemaType: kafkaschemaregistry.SchemaType(obj.Spec.SchemaType),
	}
	if len(obj.Spec.References) == 0 {
		return in, nil
	}
	references := make([]kafkaschemaregistry.ReferenceIn, 0, len(obj.Spec.References))
	for _, ref := range obj.Spec.References {
		entry := kafkaschemaregistry.ReferenceIn{Name: ref.Name, Subject: ref.Subject, Version: int(deref(ref.Version))}
		if ref.KafkaSchemaRef != nil {
			other, err := r.referencedSchema(obj, ref.KafkaSchemaRef)
			if err != nil {
				return nil, err
			}
			entry.Subject, entry.Version = other.RemoteName(), int(other.Status.Version)
		}
		references = append(references, entry)
	}
	in.References = &references
	return in, nil
}

func (r *remote) referencedSchema(obj *v1alpha1.KafkaSchema, ref *v1alpha1.KafkaSchemaRef) (*v1alpha1.KafkaSchema, error) {
	reference := schemaReference(obj, ref)
	found, err := r.object(reference)
	if err != nil {
		return nil, err
	}
	other, ok := found.(*v1alpha1.KafkaSchema)
	switch {
	case !ok:
		return nil, reconcile.Waiting(reasonWaitingForSchema, fmt.Sprintf("%s, named by spec.references, does not exist.", reference))
	case other.Spec.Project != obj.Spec.Project || other.Spec.ServiceName != obj.Spec.ServiceName:
		return nil, reconcile.Invalid(reasonInvalidSpec, fmt.Sprintf("%s, named by spec.references, is in service %s/%s, and this schema in %s/%s.",
			reference, other.Spec.Project, other.Spec.ServiceName, obj.Spec.Project, obj.Spec.ServiceName))
	case other.Status.Version == 0:
		return nil, reconcile.Waiting(reasonWaitingForSchema, fmt.Sprintf("%s, named by spec.references, is not registered yet.", reference))
	}
	return other, nil
}

type schemaVersion = kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionGetOut

// subject is what the registry has under a name.
type subject struct {
	versions []int
	latest   *schemaVersion
	// level is the subject's own compatibility level, "" if it has none.
	level string
}

// subject reads a subject, nil if it has no live version.
func (r *remote) subject(obj *v1alpha1.KafkaSchema) (*subject, error) {
	project, service := obj.ServiceRef()
	name := obj.RemoteName()
	reading, err := aiven.Read(r.Client, aiven.Resource[subject]{
		Kind: "subject", Project: project, Service: service, Name: name,
		Fetch: func(ctx context.Context, d aiven.Doer) (*subject, error) {
			h := kafkaschemaregistry.NewHandler(d)
			versions, err := h.ServiceSchemaRegistrySubjectVersionsGet(ctx, project, service, name)
			if err != nil || len(versions) == 0 {
				return nil, err
			}
			s := &subject{versions: versions}
			if s.latest, err = h.ServiceSchemaRegistrySubjectVersionGet(ctx, project, service, name, slices.Max(versions)); err != nil {
				return nil, err
			}
			level, err := h.ServiceSchemaRegistrySubjectConfigGet(ctx, project, service, name,
				kafkaschemaregistry.ServiceSchemaRegistrySubjectConfigGetGlobalDefaultFallback(false))
			s.level = string(level)
			return s, ignore(aiven.NotFound, err)
		},
	})
	if err != nil {
		return nil, err
	}
	return reading.Value(), nil
}

// version reads one version of a subject, nil if it does not exist.
func (r *remote) version(obj *v1alpha1.KafkaSchema, number int) (*schemaVersion, error) {
	project, service := obj.ServiceRef()
	name := obj.RemoteName()
	reading, err := aiven.Read(r.Client, aiven.Resource[schemaVersion]{
		Kind: "schema version", Project: project, Service: service, Name: strconv.Itoa(number) + " " + name,
		Fetch: func(ctx context.Context, d aiven.Doer) (*schemaVersion, error) {
			h := kafkaschemaregistry.NewHandler(d)
			return h.ServiceSchemaRegistrySubjectVersionGet(ctx, project, service, name, number)
		},
	})
	if err != nil {
		return nil, err
	}
	return reading.Value(), nil
}
