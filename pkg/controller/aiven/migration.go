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
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

const (
	// conditionMigrationComplete and its reasons are those of the aiven-operator.
	// Once True it stays so while the spec names a source.
	conditionMigrationComplete = "MigrationComplete"
	reasonMigrationDone        = "MigrationDone"
	reasonMigrationFailed      = "MigrationFailed"
	reasonMigrationInProgress  = "MigrationInProgress"

	fieldMigrationSource = "migrationSecretSource"
	settingMigration     = "migration"
	settingPassword      = "password"
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

// migrationSettings reads a source Secret and makes it the setting that starts the
// migration.
func (r *remote) migrationSettings(ctx context.Context, source *v1alpha1.MigrationSecretSource, more []string) (map[string]any, *sourceState, error) {
	secret, err := r.sourceSecret(ctx, fieldMigrationSource, source.Name)
	if err != nil {
		return nil, nil, err
	}
	settings, err := parseMigration(secret, slices.Concat(migrationKeys[:], more))
	if err != nil {
		return nil, nil, err
	}
	return settings, r.digester.stateOf(secret, string(secret.Data[settingPassword])), nil
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
			return nil, sourceProblem("Key %q of Secret %q begins or ends with white space.", key, secret.Name)
		}
		switch key {
		case "port":
			port, err := strconv.ParseUint(value, 10, 16)
			if err != nil || port == 0 {
				return nil, sourceProblem("Key %q of Secret %q is not a port number.", key, secret.Name)
			}
			out[key] = float64(port) // as JSON has it
		case "ssl", "reestablish_replication":
			flag, err := strconv.ParseBool(value)
			if err != nil {
				return nil, sourceProblem("Key %q of Secret %q is neither true nor false.", key, secret.Name)
			}
			out[key] = flag
		default:
			out[key] = value
		}
	}
	for _, key := range []string{"host", "port"} {
		if value, ok := out[key]; !ok || value == "" {
			return nil, sourceMissing("Secret %q, named by spec.%s, has no key %q.", secret.Name, fieldMigrationSource, key)
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

func setCondition(obj v1alpha1.Object, typ string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(obj.Conditions(), metav1.Condition{
		Type: typ, Status: status, Reason: reason, Message: message, ObservedGeneration: obj.GetGeneration(),
	})
}
