// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// runningService returns the view of the running service that a child lives in. A service
// that is not there or not up is something to wait for: its snapshot wakes the
// child.
func (r *remote) runningService(obj v1alpha1.Object) (*aiven.ServiceView, error) {
	return r.running(obj.ServiceRef())
}

// running returns the view of a running service.
func (r *remote) running(project, name string) (*aiven.ServiceView, error) {
	view, err := r.Service(project, name)
	if err != nil {
		return nil, err
	}
	if !view.Exists() {
		if view.ProjectMissing() {
			return nil, reconcile.Waiting(reasonProjectNotFound, fmt.Sprintf("Project %s does not exist at Aiven, or the token's user can't see it. It is waited for; check spec.project.", project))
		}
		return nil, reconcile.Waiting(reasonWaitingForService, fmt.Sprintf("Service %s/%s does not exist at Aiven.", project, name))
	}
	switch state := view.State(); state {
	case service.ServiceStateTypeRunning, service.ServiceStateTypeRebalancing:
		return view, nil
	case service.ServiceStateTypePoweroff:
		return nil, &reconcile.Problem{
			Reason:  reasonServicePoweredOff,
			Message: fmt.Sprintf("service is powered off: %s/%s. The object is reconciled when the service is powered on.", project, name),
			Phase:   reconcile.PhasePreconditions,
		}
	default:
		return nil, reconcile.Waiting(reasonWaitingForService, fmt.Sprintf("Service %s/%s is %s.", project, name, state))
	}
}

// ignore drops the error of a class that a verb expects: a thing that exists
// already when created, or is gone already when deleted.
func ignore(class aiven.Class, err error) error {
	if aiven.ClassOf(err) == class {
		return nil
	}
	return err
}
