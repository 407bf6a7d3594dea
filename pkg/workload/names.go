// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

const (
	// ContainerName is the name of the server's container.
	ContainerName = "openbao"
	// ServerClusterRole is the ClusterRole with the rights that a server needs: its
	// service registration labels its own pod.
	ServerClusterRole = "bailiwick-openbao-server"

	// AnnotationConfigDigest is set on pods to the digest of the configuration that
	// their server has read.
	AnnotationConfigDigest = "bailiwick.dev/config-digest"
	// AnnotationTrustDigest is set on pods to the digest of the CA certificates that their
	// server checks others with. It reads them when it is started.
	AnnotationTrustDigest = "bailiwick.dev/trust-digest"
	// AnnotationRestartAt is set on pods to spec.maintenance.restartAt.
	AnnotationRestartAt = "openbao.org/restart-at"
	// AnnotationMaintenance is "true" on all objects of a cluster while
	// spec.maintenance.enabled allows people to change them.
	AnnotationMaintenance = "openbao.org/maintenance"

	// LabelCluster is set on all objects to the name of the cluster.
	LabelCluster = "openbao.org/cluster"
	// LabelComponent is set on pods to what they do.
	LabelComponent = "openbao.org/component"
	// ComponentServer is the component of the pods of servers.
	ComponentServer = "server"
	// ComponentBackup is the component of the pods that take snapshots.
	ComponentBackup = "backup"
	// ComponentRestore is the component of the pods that restore snapshots.
	ComponentRestore = "restore"
	// ComponentUpgrade is the component of the pods that carry out steps of upgrades.
	ComponentUpgrade = "upgrade"
	// ComponentRecovery is the component of the pods that work on the volumes of servers
	// which do not run. They have no network.
	ComponentRecovery = "recovery"

	// LabelActive is set by the service registration of a server on its own pod
	// (serviceregistration/kubernetes in OpenBao). It is a hint: nothing removes it
	// when the server dies.
	LabelActive = "openbao-active"

	// LabelTraffic is on the pods of servers. The Services for clients lead to those where
	// it is TrafficClients. It is not part of the selector of the StatefulSet, so that it
	// can be changed on a pod.
	LabelTraffic = "openbao.org/traffic"
	// TrafficClients is what pods are made with.
	TrafficClients = "clients"
	// TrafficNone is for a server that clients must not reach.
	TrafficNone = "none"

	// MaxServers is the greatest number of servers: each server looks for the others
	// under the names of the ordinals 0 to 8.
	MaxServers = 9

	portAPI     = 8200
	portCluster = 8201
	portMetrics = 8202

	portNameAPI     = "api"
	portNameCluster = "cluster"
	portNameMetrics = "metrics"
)

// Keys of the Secrets and the ConfigMap with files of the configuration directory.
const (
	// ConfigKey is the key of the ConfigMap named ConfigName.
	ConfigKey = "server.hcl"
	// ConfigSecretKey is the key of the Secret named ConfigSecretName.
	ConfigSecretKey = "secret.hcl" //nolint:gosec // A key, not a credential.
	// InitializeKey is the key of the Secret named InitializeSecretName.
	InitializeKey = "initialize.hcl"
	// UnsealKeyKey is the key of the Secret named UnsealKeySecretName.
	UnsealKeyKey = "key"
)

// ConfigName returns the name of the ConfigMap with the configuration.
func ConfigName(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + "-config" }

// ConfigSecretName returns the name of the Secret with those parts of the configuration
// that hold a secret. It exists only if there are any.
func ConfigSecretName(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + "-config-secret" }

// InitializeSecretName returns the name of the Secret with the requests of the first
// start. It exists only until the cluster is initialized.
func InitializeSecretName(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + "-initialize" }

// TLSSecretName returns the name of the Secret with the servers' certificate (tls.crt,
// tls.key) and the CA that the servers check each other with (ca.crt).
func TLSSecretName(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + "-tls-server" }

// UnsealKeySecretName returns the name of the Secret with the static unseal key.
func UnsealKeySecretName(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + "-unseal-key" }

// PublicServiceName returns the name of the Service that leads to all ready servers.
func PublicServiceName(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + "-public" }

// ActiveServiceName returns the name of the Service that leads to the active server.
func ActiveServiceName(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + "-active" }

// ServerAccount returns the name of the ServiceAccount of the servers.
func ServerAccount(c *openbaov1alpha1.OpenBaoCluster) string {
	if c.Spec.ServiceAccount != nil && c.Spec.ServiceAccount.Name != "" {
		return c.Spec.ServiceAccount.Name
	}
	return c.Name + "-serviceaccount"
}

// PodName returns the name of the pod of the server with that ordinal.
func PodName(c *openbaov1alpha1.OpenBaoCluster, ordinal int) string {
	return c.Name + "-" + strconv.Itoa(ordinal)
}

// VolumeClaimName returns the name of the PersistentVolumeClaim of a server, which the
// StatefulSet controller makes.
func VolumeClaimName(c *openbaov1alpha1.OpenBaoCluster, ordinal int) string {
	return volumeData + "-" + PodName(c, ordinal)
}

// ParseOrdinal returns the ordinal of the server whose pod has the name. It is exact:
// the pod of a cluster "a-1" is no pod of a cluster "a".
func ParseOrdinal(c *openbaov1alpha1.OpenBaoCluster, podName string) (ordinal int, ok bool) {
	text, ok := strings.CutPrefix(podName, c.Name+"-")
	if !ok {
		return 0, false
	}
	ordinal, err := strconv.Atoi(text)
	if err != nil || ordinal < 0 || strconv.Itoa(ordinal) != text {
		return 0, false
	}
	return ordinal, true
}

// Labels returns the labels of all objects of a cluster. The map is the caller's.
func Labels(c *openbaov1alpha1.OpenBaoCluster) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":       "openbao",
		"app.kubernetes.io/instance":   c.Name,
		"app.kubernetes.io/managed-by": "bailiwick",
		LabelCluster:                   c.Name,
	}
}

// ServerSelector returns the labels by which the pods of a cluster's servers are
// selected. No pod of a job has them all. The map is the caller's.
func ServerSelector(c *openbaov1alpha1.OpenBaoCluster) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":     "openbao",
		"app.kubernetes.io/instance": c.Name,
		LabelCluster:                 c.Name,
		LabelComponent:               ComponentServer,
	}
}

// SecretNames returns the names of the Secrets that the pods of servers can mount or
// read, sorted. Some of them need not exist.
func SecretNames(c *openbaov1alpha1.OpenBaoCluster) []string {
	names := []string{TLSSecretName(c), InitializeSecretName(c), ConfigSecretName(c)}
	if UsesUnsealKey(c) {
		names = append(names, UnsealKeySecretName(c))
	}
	if name := sealCredentials(c); name != "" {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// UsesUnsealKey reports whether the servers are unsealed with the key of the Secret
// named UnsealKeySecretName.
func UsesUnsealKey(c *openbaov1alpha1.OpenBaoCluster) bool {
	u := c.Spec.Unseal
	if u == nil {
		return true
	}
	if cmp.Or(u.Type, openbaov1alpha1.UnsealStatic) != openbaov1alpha1.UnsealStatic {
		return false
	}
	return u.Static == nil || u.Static.CurrentKey == "" || strings.HasPrefix(u.Static.CurrentKey, "file://"+unsealDir+"/")
}

// sealCredentials returns the name of the Secret with the credentials of the seal, or
// "" if the spec names none.
func sealCredentials(c *openbaov1alpha1.OpenBaoCluster) string {
	if c.Spec.Unseal == nil || c.Spec.Unseal.CredentialsSecretRef == nil {
		return ""
	}
	return c.Spec.Unseal.CredentialsSecretRef.Name
}

// jobAccounts returns the ServiceAccounts of jobs, and whether the spec requests them.
func jobAccounts(c *openbaov1alpha1.OpenBaoCluster) []jobAccount {
	return []jobAccount{
		{authz.BackupAccount(c), c.Spec.Backup != nil},
		{authz.RestoreAccount(c), c.Spec.Restore != nil},
		{authz.UpgradeAccount(c), c.Spec.Upgrade != nil},
	}
}

type jobAccount struct {
	name      string
	requested bool
}

func metricsEnabled(c *openbaov1alpha1.OpenBaoCluster) bool {
	o := c.Spec.Observability
	return o != nil && o.Metrics != nil && o.Metrics.Enabled
}

// replicas returns how many servers the spec asks for.
func replicas(c *openbaov1alpha1.OpenBaoCluster) int32 {
	if c.Spec.Replicas == nil {
		return 3
	}
	return *c.Spec.Replicas
}
