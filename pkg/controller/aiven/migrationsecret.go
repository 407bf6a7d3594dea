// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// labelDeleteAfterMigration, with the value "true", is the consent of a
	// Secret's owner to its deletion. Those that may write service
	// objects may not necessarily delete Secrets.
	labelDeleteAfterMigration = "bailiwick.dev/delete-after-migration"
	fieldDeleteSecret         = fieldMigrationSource + ".deleteAfterMigration"
)

// secretToDelete returns the source Secret if the migration is complete, the spec
// wants the Secret deleted and its owner agrees. Why it stays otherwise is in the
// condition.
func (h serviceHandler[T]) secretToDelete(ctx context.Context, r *remote, obj T) (*corev1.Secret, error) {
	if h.migration == nil || !complete(obj) {
		return nil, nil
	}
	source := h.migration(obj)
	if source == nil || !source.DeleteAfterMigration {
		return nil, nil
	}
	keep := func(why string) (*corev1.Secret, error) {
		setCondition(obj, conditionMigrationComplete, metav1.ConditionTrue, reasonMigrationDone, "The migration is complete. "+why)
		return nil, nil
	}
	secret, err := r.secrets.Get(ctx, source.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return keep("Its Secret is deleted.")
	case err != nil:
		return nil, fmt.Errorf("get migration secret: %w", err)
	case secret.Labels[labelDeleteAfterMigration] != "true":
		return keep(fmt.Sprintf("Its Secret is kept, since nobody has agreed to its deletion. To agree: kubectl label secret %s -n %s %s=true",
			source.Name, obj.GetNamespace(), labelDeleteAfterMigration))
	}
	switch err := r.deleteSecret(ctx, secret, metav1.DryRunAll); {
	case apierrors.IsForbidden(err):
		return keep(fmt.Sprintf("Its Secret is kept, since the operator may not delete Secrets in namespace %s. To allow it: kubectl apply -f manifests/rbac/optional/delete_migration_secrets.yaml; or delete the Secret yourself: kubectl delete secret %s -n %s",
			obj.GetNamespace(), source.Name, obj.GetNamespace()))
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("delete migration secret: %w", err)
	}
	return secret, nil
}

// deleteSecret deletes a Secret if it is still as it was read.
func (r *remote) deleteSecret(ctx context.Context, secret *corev1.Secret, dryRun ...string) error {
	return r.secrets.Delete(ctx, secret.Name, metav1.DeleteOptions{
		DryRun:        dryRun,
		Preconditions: &metav1.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion},
	})
}
