// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

const (
	reasonWaitingForDependents = "WaitingForDependents"
	// dependentsWait is how long until a subject that others refer to is tried
	// again. Those need not be objects, so nothing wakes it.
	dependentsWait = 10 * time.Second
)

// Delete deletes the subject for good, in the two steps that this takes. The
// second one is due as well when a first one was not recorded.
func (kafkaSchema) Delete(ctx context.Context, r *remote, obj *v1alpha1.KafkaSchema) (bool, error) {
	s, err := r.subject(obj)
	if err != nil {
		return false, err
	}
	registry := r.schemaRegistry()
	project, service := obj.ServiceRef()
	if s != nil {
		err := registry.ServiceSchemaRegistrySubjectDelete(ctx, project, service, obj.RemoteName())
		if err = ignore(aiven.NotFound, err); err != nil {
			return false, referenced(err)
		}
	}
	err = registry.ServiceSchemaRegistrySubjectDelete(ctx, project, service, obj.RemoteName(),
		kafkaschemaregistry.ServiceSchemaRegistrySubjectDeletePermanent(true))
	err = ignore(aiven.NotFound, err)
	return err == nil, referenced(err)
}

// referenced makes the refusal to delete a subject that other schemas build on
// something to wait for.
func referenced(err error) error {
	if aiven.ClassOf(err) != aiven.Invalid || !strings.Contains(strings.ToLower(err.Error()), "reference") {
		return err
	}
	p := reconcile.Waiting(reasonWaitingForDependents, fmt.Sprintf("Other schemas refer to the subject: %s. It is deleted when they are gone.", aivenMessage(err)))
	p.Next = reconcile.After(dependentsWait)
	p.Err = err
	return p
}
