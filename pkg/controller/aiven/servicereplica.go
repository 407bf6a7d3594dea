// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// replicable says what a read replica that does not exist yet waits for: it is
// built from a backup of its source.
func (r *remote) replicable(spec *v1alpha1.ServiceCommonSpec) error {
	for _, i := range spec.ServiceIntegrations {
		view, err := r.running(spec.Project, i.SourceServiceName)
		if err != nil {
			return err
		}
		if len(view.Backups()) == 0 {
			view.Recheck()
			return reconcile.Waiting(reasonWaitingForBackup,
				fmt.Sprintf("Service %s/%s has no backup yet, which a read replica of it is built from.", spec.Project, i.SourceServiceName))
		}
	}
	return nil
}
