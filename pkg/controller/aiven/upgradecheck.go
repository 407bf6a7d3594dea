// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// checkUpgrade has Aiven check a change of the major version, which can't be
// undone, before it is made. It returns ErrPending or a Waiting while the check
// goes on, and wakes the object at its end.
func (h serviceHandler[T]) checkUpgrade(r *remote, obj T, userConfig map[string]any, svc *service.ServiceGetOut) error {
	from, to := h.versions(userConfig, svc)
	if from == to {
		return nil
	}
	project, name := obj.ServiceRef()
	reading, err := aiven.Read(r.Client, upgradeCheck(project, name, to))
	if err != nil {
		return err
	}
	task := reading.Value()
	switch {
	case task == nil || !checked(task):
		return reconcile.Waiting(reasonUpgradeCheck, fmt.Sprintf("Aiven checks whether the service can be upgraded from version %s to %s.", from, to))
	case !task.Success:
		return &reconcile.Problem{
			Reason:  reasonUpgradeCheckFailed,
			Message: fmt.Sprintf("Aiven's check finds that the service can't be upgraded from version %s to %s: %s. Nothing was changed. Fix that in the service, or set spec.userConfig.%s back to the old version.", from, to, task.Result, h.versionSetting),
			Phase:   reconcile.PhasePreconditions,
		}
	}
	return nil
}

// versions returns the version that the service has and the one it shall have;
// the same if it stays, or if one of them is not known.
func (h serviceHandler[T]) versions(userConfig map[string]any, svc *service.ServiceGetOut) (from, to string) {
	if h.versionSetting == "" {
		return "", ""
	}
	from, _ = svc.UserConfig[h.versionSetting].(string)
	to, _ = userConfig[h.versionSetting].(string)
	if from == "" || to == "" {
		return "", ""
	}
	return from, to
}

// upgradeCheck is the last check of an upgrade to version. Reading it starts the
// check, which changes nothing in the service. One that has failed is repeated
// once per poll interval, since what it complained about may have been fixed.
func upgradeCheck(project, name, version string) aiven.Resource[service.ServiceTaskGetOut] {
	var last *service.ServiceTaskGetOut
	return aiven.Resource[service.ServiceTaskGetOut]{
		Kind: "upgrade check", Project: project, Service: name, Name: version,
		Fetch: func(ctx context.Context, d aiven.Doer) (*service.ServiceTaskGetOut, error) {
			h := service.NewHandler(d)
			if last == nil || checked(last) && !last.Success {
				task, err := h.ServiceTaskCreate(ctx, project, name, &service.ServiceTaskCreateIn{
					TaskType:     service.TaskTypeUpgradeCheck,
					UpgradeCheck: &service.UpgradeCheckIn{TargetVersion: version},
				})
				if err != nil {
					return nil, err
				}
				last = &service.ServiceTaskGetOut{TaskId: task.TaskId}
			}
			task, err := h.ServiceTaskGet(ctx, project, name, last.TaskId)
			if aiven.ClassOf(err) == aiven.NotFound {
				last = nil // Aiven keeps tasks for some time only
			}
			if err != nil {
				return nil, err
			}
			last = task
			return task, nil
		},
		Settled: checked,
	}
}

// checked reports whether the check has ended.
func checked(task *service.ServiceTaskGetOut) bool { return task.Success || task.Result != "" }
