// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aiven/go-client-codegen/handler/service"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

const (
	// conditionMigrationComplete and its reasons are those of the aiven-operator.
	// Once True it stays so while the spec names a source.
	conditionMigrationComplete = "MigrationComplete"
	reasonMigrationDone        = "MigrationDone"
	reasonMigrationFailed      = "MigrationFailed"
	reasonMigrationInProgress  = "MigrationInProgress"

	// labelDeleteAfterMigration, with the value "true", is the consent of a
	// Secret's owner to its deletion. Who may write service objects may not
	// necessarily delete Secrets.
	labelDeleteAfterMigration = "bailiwick.dev/delete-after-migration"
	fieldDeleteSecret         = "migrationSecretSource.deleteAfterMigration"
	settingMigration          = "migration"
	settingPassword           = "password"
)

// migrationKeys are the keys of a source Secret for all types of service.
var migrationKeys = [...]string{"host", "port", settingPassword, "dbname", "username", "ssl", "method", "ignore_dbs", "ignore_roles"}

// mySQLMigrationKeys are more of them.
var mySQLMigrationKeys = [...]string{"dump_tool", "reestablish_replication"}

// migrating returns the source of a migration that is not complete.
func (h serviceHandler[T]) migrating(obj T) *v1alpha1.MigrationSecretSource {
	if h.migration == nil {
		return nil
	}
	source := h.migration(obj)
	if source == nil {
		meta.RemoveStatusCondition(obj.Conditions(), conditionMigrationComplete)
		return nil
	}
	if complete(obj) {
		return nil
	}
	return source
}

// migrationSettings reads a source Secret, live, and makes it the setting that
// starts the migration.
func (r *remote) migrationSettings(ctx context.Context, source *v1alpha1.MigrationSecretSource, more []string) (map[string]any, error) {
	secret, err := r.secrets.Get(ctx, source.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, migrationSecretProblem("Secret %q, named by spec.migrationSecretSource, does not exist.", source.Name)
	case apierrors.IsForbidden(err):
		return nil, migrationSecretProblem("The operator may not get Secret %q, named by spec.migrationSecretSource.", source.Name)
	case err != nil:
		return nil, fmt.Errorf("get migration secret: %w", err)
	}
	return parseMigration(secret, slices.Concat(migrationKeys[:], more))
}

func migrationSecretProblem(format string, args ...any) error {
	p := &reconcile.Problem{
		Reason:  reasonSourceSecret,
		Message: fmt.Sprintf(format, args...) + " Put it right; it is read again within minutes, or at once after any annotation of this object changes.",
		Phase:   reconcile.PhasePreconditions,
	}
	p.Next = reconcile.Retry(p)
	return p
}

// parseMigration converts the keys that a Secret has. Values are never part of an
// error: a password may be under the wrong key.
func parseMigration(secret *corev1.Secret, keys []string) (map[string]any, error) {
	out := map[string]any{}
	for _, key := range keys {
		raw, ok := secret.Data[key]
		if !ok {
			continue
		}
		value := string(raw)
		if strings.TrimSpace(value) != value {
			return nil, migrationSecretProblem("Key %q of Secret %q begins or ends with white space.", key, secret.Name)
		}
		switch key {
		case "port":
			port, err := strconv.ParseUint(value, 10, 16)
			if err != nil || port == 0 {
				return nil, migrationSecretProblem("Key %q of Secret %q is not a port number.", key, secret.Name)
			}
			out[key] = float64(port) // as JSON has it
		case "ssl", "reestablish_replication":
			flag, err := strconv.ParseBool(value)
			if err != nil {
				return nil, migrationSecretProblem("Key %q of Secret %q is neither true nor false.", key, secret.Name)
			}
			out[key] = flag
		default:
			out[key] = value
		}
	}
	for _, key := range []string{"host", "port"} {
		if value, ok := out[key]; !ok || value == "" {
			return nil, migrationSecretProblem("Secret %q, named by spec.migrationSecretSource, has no key %q.", secret.Name, key)
		}
	}
	return out, nil
}

// observeMigration reports how far the migration is. begun says that the service
// runs and has the settings, and nothing else is to be changed.
func (h serviceHandler[T]) observeMigration(r *remote, obj T, begun bool, settings map[string]any) error {
	set := func(status metav1.ConditionStatus, reason, message string) {
		setCondition(obj, conditionMigrationComplete, status, reason, message)
	}
	if !begun {
		set(metav1.ConditionFalse, reasonMigrationInProgress, "The migration has not begun.")
		return nil
	}
	project, name := obj.ServiceRef()
	reading, err := aiven.Read(r.Client, aiven.Resource[service.MigrationOut]{
		Kind: settingMigration, Project: project, Service: name,
		Fetch: func(ctx context.Context, d aiven.Doer) (*service.MigrationOut, error) {
			handler := service.NewHandler(d)
			out, err := handler.ServiceGetMigrationStatus(ctx, project, name)
			if err != nil {
				return nil, err
			}
			return &out.Migration, nil
		},
		Settled: func(m *service.MigrationOut) bool {
			return m.Status == service.MigrationStatusTypeDone || m.Status == service.MigrationStatusTypeFailed
		},
	})
	if err != nil {
		return err
	}
	// Aiven forgets a migration some time after its end.
	switch state := reading.Value(); {
	case state == nil || state.Status == service.MigrationStatusTypeDone:
		set(metav1.ConditionTrue, reasonMigrationDone, "The migration is complete.")
	case state.Status == service.MigrationStatusTypeFailed:
		message := deref(state.Error)
		if password, _ := settings[settingPassword].(string); password != "" {
			message = strings.ReplaceAll(message, password, "[redacted]")
		}
		set(metav1.ConditionFalse, reasonMigrationFailed, "The migration has failed: "+message)
	default:
		set(metav1.ConditionFalse, reasonMigrationInProgress, fmt.Sprintf("The migration is %s.", state.Status))
	}
	return nil
}

// complete reports whether the object's status says that the migration is.
func complete(obj v1alpha1.Object) bool {
	return meta.IsStatusConditionTrue(*obj.Conditions(), conditionMigrationComplete)
}

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
		return keep(fmt.Sprintf("Its Secret %q is kept, since it lacks the label %s=true.", source.Name, labelDeleteAfterMigration))
	}
	switch err := r.deleteSecret(ctx, secret, metav1.DryRunAll); {
	case apierrors.IsForbidden(err):
		return keep(fmt.Sprintf("Its Secret %q is kept, since the operator may not delete Secrets in namespace %s.", source.Name, obj.GetNamespace()))
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

func setCondition(obj v1alpha1.Object, typ string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(obj.Conditions(), metav1.Condition{
		Type: typ, Status: status, Reason: reason, Message: message, ObservedGeneration: obj.GetGeneration(),
	})
}
