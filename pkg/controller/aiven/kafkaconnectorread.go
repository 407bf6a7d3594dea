// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"slices"

	"github.com/aiven/go-client-codegen/handler/kafkaconnect"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// connector reads a connector out of the list of all that its service has, nil
// if it is not there. One whose plugin can't be loaded has a name and a reason
// in failed, and nothing else.
func (r *remote) connector(obj *v1alpha1.KafkaConnector) (found *kafkaconnect.ConnectorOut, failed *kafkaconnect.FailedConnectorOut, err error) {
	project, service := obj.ServiceRef()
	reading, err := aiven.Read(r.Client, aiven.Resource[kafkaconnect.ServiceKafkaConnectListOut]{
		Kind: "connectors", Project: project, Service: service,
		Fetch: func(ctx context.Context, d aiven.Doer) (*kafkaconnect.ServiceKafkaConnectListOut, error) {
			h := kafkaconnect.NewHandler(d)
			return h.ServiceKafkaConnectList(ctx, project, service)
		},
	})
	if err != nil {
		return nil, nil, err
	}
	list := deref(reading.Value())
	for i := range list.Connectors {
		if list.Connectors[i].Name == obj.RemoteName() {
			return &list.Connectors[i], nil, nil
		}
	}
	for i := range list.FailedConnectors {
		if list.FailedConnectors[i].Config.Name == obj.RemoteName() {
			return nil, &list.FailedConnectors[i], nil
		}
	}
	return nil, nil, nil
}

type connectorStatus = kafkaconnect.ServiceKafkaConnectGetConnectorStatusOut

// connectorStatus reads what a connector and its tasks do.
func (r *remote) connectorStatus(obj *v1alpha1.KafkaConnector) (*aiven.Reading[connectorStatus], error) {
	project, service := obj.ServiceRef()
	name := obj.RemoteName()
	return aiven.Read(r.Client, aiven.Resource[connectorStatus]{
		Kind: "connector status", Project: project, Service: service, Name: name,
		Fetch: func(ctx context.Context, d aiven.Doer) (*connectorStatus, error) {
			h := kafkaconnect.NewHandler(d)
			return h.ServiceKafkaConnectGetConnectorStatus(ctx, project, service, name)
		},
		// Tasks are on their way to a worker. Other states last until somebody
		// does something.
		Settled: func(s *connectorStatus) bool {
			return s.State != kafkaconnect.ServiceKafkaConnectConnectorStateTypeUnassigned &&
				!slices.ContainsFunc(s.Tasks, func(t kafkaconnect.ServiceKafkaConnectGetConnectorStatusTaskOut) bool {
					return t.State == kafkaconnect.TaskStateTypeUnassigned
				})
		},
	})
}

// countTasks counts the tasks by state and keeps the stack trace of one that
// failed.
func countTasks(tasks []kafkaconnect.ServiceKafkaConnectGetConnectorStatusTaskOut, secrets *fromSecret) *v1alpha1.KafkaConnectorTasksStatus {
	out := &v1alpha1.KafkaConnectorTasksStatus{Total: int64(len(tasks))}
	for _, t := range tasks {
		switch t.State {
		case kafkaconnect.TaskStateTypeRunning:
			out.Running++
		case kafkaconnect.TaskStateTypeFailed:
			out.Failed++
			if out.StackTrace == "" {
				out.StackTrace = secrets.hide(t.Trace)
			}
		case kafkaconnect.TaskStateTypePaused:
			out.Paused++
		case kafkaconnect.TaskStateTypeUnassigned:
			out.Unassigned++
		default:
			out.Unknown++
		}
	}
	return out
}
