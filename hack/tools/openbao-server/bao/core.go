// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/hashicorp/go-hclog"
	baseserver "github.com/hashicorp/vault/command/server"
	"github.com/hashicorp/vault/helper/metricsutil"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/physical/raft"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/vault"

	"github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/config"
	shared "github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/core"
	"github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/podlabels"
	"github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/seal"
)

// newStorage opens the raft storage. It does not start raft.
func newStorage(c *config.Config, logger hclog.Logger) (physical.Backend, error) {
	path := cmp.Or(variable("RAFT_PATH"), c.Storage.Settings["path"])
	if err := raft.EnsurePath(path, true); err != nil {
		return nil, fmt.Errorf(`storage "raft": %w`, err)
	}
	storage, err := raft.NewRaftBackend(c.Storage.Settings, logger.Named("storage.raft"))
	if err != nil {
		return nil, fmt.Errorf(`storage "raft": %w`, err)
	}
	return storage, nil
}

// newRegistration returns nil if the configuration asks for no registration.
func newRegistration(c *config.Config, logger hclog.Logger) (*podlabels.Registration, error) {
	if c.ServiceRegistration == nil {
		return nil, nil
	}
	namespace := cmp.Or(variable("K8S_NAMESPACE"), c.ServiceRegistration.Namespace)
	pod := cmp.Or(variable("K8S_POD_NAME"), c.ServiceRegistration.PodName)
	if namespace == "" || pod == "" {
		return nil, errors.New(`service_registration "kubernetes" needs BAO_K8S_NAMESPACE and BAO_K8S_POD_NAME, or namespace and pod_name`)
	}
	return podlabels.New(namespace, pod, claimedVersion(), logger.Named("service_registration")), nil
}

// newCore returns a sealed core on storage, and whether it can unseal itself.
func newCore(ctx context.Context, c *config.Config, a addresses, storage physical.Backend, registration *podlabels.Registration, logger hclog.Logger) (*vault.Core, bool, error) {
	autoSeal, err := seal.New(ctx, c.Seals, logger)
	if err != nil {
		return nil, false, err
	}
	var clusterListen []*net.TCPAddr
	for _, address := range a.clusterListen {
		resolved, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			return nil, false, fmt.Errorf(`listener "tcp": cluster_address: %w`, err)
		}
		clusterListen = append(clusterListen, resolved)
	}

	raw := baseserver.NewConfig()
	raw.ClusterName = c.ClusterName
	raw.APIAddr, raw.ClusterAddr = a.api, a.cluster
	raw.Storage = &baseserver.Storage{Type: "raft", RedirectAddr: a.api, ClusterAddr: a.cluster}
	cc := &vault.CoreConfig{
		RawConfig:       raw,
		Physical:        storage,
		HAPhysical:      storage.(physical.HABackend),
		StorageType:     "raft",
		RedirectAddr:    a.api,
		ClusterAddr:     a.cluster,
		ClusterName:     c.ClusterName,
		Seal:            autoSeal,
		MaxLeaseTTL:     c.MaxLeaseTTL,
		DefaultLeaseTTL: c.DefaultLeaseTTL,
		// As in OpenBao.
		DisableMlock:       true,
		DisableSSCTokens:   true,
		BuiltinRegistry:    shared.NoBuiltins{},
		CredentialBackends: shared.CredentialBackends(),
		LogicalBackends:    shared.LogicalBackends(),
		AuditBackends:      shared.AuditBackends(),
		Logger:             logger,
	}
	if registration != nil {
		cc.ServiceRegistration = registration
	}
	if err := addMetrics(cc, c); err != nil {
		return nil, false, err
	}
	core, err := vault.NewCore(cc)
	if err != nil {
		if vault.IsFatalError(err) {
			return nil, false, err
		}
		logger.Warn("the core is not complete", "error", err)
	}
	core.SetClusterListenerAddrs(clusterListen)
	core.SetClusterHandler(vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core}))
	return core, autoSeal != nil, nil
}

// addMetrics makes sys/metrics work, with OpenBao's defaults.
func addMetrics(cc *vault.CoreConfig, c *config.Config) error {
	settings := &configutil.Telemetry{
		PrometheusRetentionTime:    configutil.PrometheusDefaultRetentionTime,
		MaximumGaugeCardinality:    configutil.MaximumGaugeCardinalityDefault,
		UsageGaugePeriod:           configutil.UsageGaugeDefaultPeriod,
		LeaseMetricsEpsilon:        configutil.LeaseMetricsEpsilonDefault,
		NumLeaseMetricsTimeBuckets: configutil.NumLeaseMetricsTimeBucketsDefault,
	}
	if t := c.Telemetry; t != nil {
		settings.PrometheusRetentionTime = cmp.Or(t.PrometheusRetention, settings.PrometheusRetentionTime)
		settings.DisableHostname = t.DisableHostname
		settings.EnableHostnameLabel = t.EnableHostnameLabel
		settings.MetricsPrefix = t.MetricsPrefix
	}
	memory, sink, prometheus, err := configutil.SetupTelemetry(&configutil.SetupTelemetryOpts{
		Config:      settings,
		ServiceName: "vault",
		DisplayName: "OpenBao",
		ClusterName: c.ClusterName,
	})
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	cc.MetricSink = sink
	cc.MetricsHelper = metricsutil.NewMetricsHelper(memory, prometheus)
	return nil
}
