// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aiven/go-client-codegen/handler/kafkaconnect"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// The settings that the spec has fields of their own for.
const (
	connectorName  = "name"
	connectorClass = "connector.class"
)

// kafkaConnector handles KafkaConnector objects. What Secrets contribute to the
// configuration is read and compared with the remote's at every look.
type kafkaConnector struct{}

// References implements referrer.
func (kafkaConnector) References(obj *v1alpha1.KafkaConnector) []reconcile.Reference {
	var out []reconcile.Reference
	for _, text := range obj.Spec.UserConfig {
		for _, name := range secretsOf(text) {
			out = append(out, secretReference(obj, name))
		}
	}
	return out
}

// connectorConfig renders the configuration that the spec asks for.
func connectorConfig(ctx context.Context, f *fromSecret, obj *v1alpha1.KafkaConnector) (map[string]string, error) {
	config := map[string]string{connectorName: obj.RemoteName(), connectorClass: obj.Spec.ConnectorClass}
	for _, key := range slices.Sorted(maps.Keys(obj.Spec.UserConfig)) {
		value, err := f.render(ctx, "userConfig."+key, obj.Spec.UserConfig[key])
		if err != nil {
			return nil, err
		}
		if own, ok := config[key]; ok && own != value {
			return nil, invalidWith(fmt.Sprintf("userConfig.%s says something else than the name of the object and spec.connectorClass do. Remove it.", key))
		}
		config[key] = value
	}
	return config, nil
}

func (kafkaConnector) Observe(ctx context.Context, r *remote, obj *v1alpha1.KafkaConnector) (reconcile.Observation, error) {
	if _, err := r.runningService(obj); err != nil {
		return reconcile.Observation{}, err
	}
	secrets := r.fromSecret()
	want, err := connectorConfig(ctx, secrets, obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	connector, failed, err := r.connector(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	if connector == nil {
		obj.Status.State, obj.Status.PluginStatus, obj.Status.TasksStatus = "", nil, nil
		return failedConnector(obj, failed, secrets), nil
	}
	obs := reconcile.Observation{Exists: true, Differs: connectorDiffers(want, connector.Config)}
	obj.Status.PluginStatus = &v1alpha1.KafkaConnectorPluginStatus{
		Author: connector.Plugin.Author, Class: connector.Plugin.Class, DocURL: connector.Plugin.DocUrl,
		Title: connector.Plugin.Title, Type: string(connector.Plugin.Type), Version: connector.Plugin.Version,
	}
	reading, err := r.connectorStatus(obj)
	if err != nil {
		if len(obs.Differs) > 0 {
			// The repair comes first: it may be what the status is waiting for.
			obs.Message = "Kafka Connect does not tell the connector's status."
			return obs, nil
		}
		return obs, err
	}
	status := reading.Value()
	if status == nil {
		obs.Message = "Kafka Connect has not started the connector yet."
		reading.Recheck()
		return obs, nil
	}
	obj.Status.State = string(status.State)
	obj.Status.TasksStatus = countTasks(status.Tasks, secrets)
	obs.Ready = status.State == kafkaconnect.ServiceKafkaConnectConnectorStateTypeRunning
	if !obs.Ready {
		obs.Message = fmt.Sprintf("Connector is %s.", status.State)
	}
	return obs, nil
}

// failedConnector is what is known of a connector whose plugin can't be loaded,
// and of none.
func failedConnector(obj *v1alpha1.KafkaConnector, failed *kafkaconnect.FailedConnectorOut, secrets *fromSecret) reconcile.Observation {
	if failed == nil {
		return reconcile.Observation{}
	}
	obs := reconcile.Observation{Exists: true, Message: "Kafka Connect can't load the connector's plugin: " + secrets.hide(failed.Error)}
	if failed.Config.ConnectorClass != obj.Spec.ConnectorClass {
		obs.Differs = []string{configField(connectorClass)}
	}
	return obs
}

// connectorDiffers names the settings that are missing, different or too many.
// A configuration is replaced as a whole.
func connectorDiffers(want, got map[string]string) []string {
	var differs []string
	for key, value := range want {
		// A remote need not repeat its name.
		if have, ok := got[key]; (!ok && key != connectorName) || (ok && have != value) {
			differs = append(differs, configField(key))
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			differs = append(differs, configField(key))
		}
	}
	slices.Sort(differs)
	return differs
}

func configField(key string) string {
	if key == connectorClass {
		return "connectorClass"
	}
	return "userConfig." + key
}

func (kafkaConnector) Create(ctx context.Context, r *remote, obj *v1alpha1.KafkaConnector) error {
	secrets := r.fromSecret()
	config, err := connectorConfig(ctx, secrets, obj)
	if err != nil {
		return err
	}
	_, err = r.kafkaConnect().ServiceKafkaConnectCreateConnector(ctx, obj.Spec.Project, obj.Spec.ServiceName, &config)
	return secrets.clean(err)
}

func (kafkaConnector) Update(ctx context.Context, r *remote, obj *v1alpha1.KafkaConnector) error {
	secrets := r.fromSecret()
	config, err := connectorConfig(ctx, secrets, obj)
	if err != nil {
		return err
	}
	_, err = r.kafkaConnect().ServiceKafkaConnectEditConnector(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName(), &config)
	return secrets.clean(err)
}

func (kafkaConnector) Delete(ctx context.Context, r *remote, obj *v1alpha1.KafkaConnector) (bool, error) {
	connector, failed, err := r.connector(obj)
	if err != nil || (connector == nil && failed == nil) {
		return err == nil, err
	}
	err = r.kafkaConnect().ServiceKafkaConnectDeleteConnector(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName())
	return false, err
}
