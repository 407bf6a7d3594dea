// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	corev1 "k8s.io/api/core/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

// Where things are in the container of a server. The configuration names these paths.
const (
	configDir          = "/etc/bao/config"
	dataDir            = "/bao/data"
	tlsDir             = "/etc/bao/tls"
	unsealDir          = "/etc/bao/unseal"
	sealCredentialsDir = "/etc/bao/seal-creds" //nolint:gosec // A path, not a credential.
	pluginDir          = "/openbao/plugins"
	temporaryDir       = "/tmp"
	apiAccessDir       = "/var/run/secrets/kubernetes.io/serviceaccount"
)

const (
	volumeData            = "data"
	volumeConfig          = "config"
	volumeTLS             = "tls"
	volumeUnseal          = "unseal"
	volumeSealCredentials = "seal-creds"
	volumeAPIAccess       = "kube-api-access"
	volumeTemporary       = "tmp"
	volumePlugins         = "plugins"
)

// secretMode lets the group of the pod (fsGroup) read files, and nobody else.
const secretMode int32 = 0o440

// apiTokenLife is how long the token of the service registration is valid, in seconds.
// The kubelet renews it in time.
const apiTokenLife int64 = 3600

// volumes returns the volumes of a pod besides its volumeClaimTemplate.
func volumes(c *openbaov1alpha1.OpenBaoCluster, config serverconfig.Rendered) []corev1.Volume {
	list := []corev1.Volume{
		configVolume(c, config),
		secretVolume(volumeTLS, TLSSecretName(c)),
	}
	if UsesUnsealKey(c) {
		list = append(list, secretVolume(volumeUnseal, UnsealKeySecretName(c)))
	}
	if name := sealCredentials(c); name != "" {
		list = append(list, secretVolume(volumeSealCredentials, name))
	}
	list = append(list, apiAccessVolume(), emptyVolume(volumeTemporary))
	if downloadsPlugins(c) {
		list = append(list, emptyVolume(volumePlugins))
	}
	return list
}

func volumeMounts(c *openbaov1alpha1.OpenBaoCluster) []corev1.VolumeMount {
	mounts := []corev1.VolumeMount{
		{Name: volumeData, MountPath: dataDir},
		{Name: volumeConfig, MountPath: configDir, ReadOnly: true},
		{Name: volumeTLS, MountPath: tlsDir, ReadOnly: true},
	}
	if UsesUnsealKey(c) {
		mounts = append(mounts, corev1.VolumeMount{Name: volumeUnseal, MountPath: unsealDir, ReadOnly: true})
	}
	if sealCredentials(c) != "" {
		mounts = append(mounts, corev1.VolumeMount{Name: volumeSealCredentials, MountPath: sealCredentialsDir, ReadOnly: true})
	}
	mounts = append(mounts,
		corev1.VolumeMount{Name: volumeAPIAccess, MountPath: apiAccessDir, ReadOnly: true},
		corev1.VolumeMount{Name: volumeTemporary, MountPath: temporaryDir},
	)
	if downloadsPlugins(c) {
		mounts = append(mounts, corev1.VolumeMount{Name: volumePlugins, MountPath: pluginDir})
	}
	return mounts
}

// configVolume is the directory that a server reads its configuration from. A server
// must never start with a part of it, so only the requests of the first start are
// optional: their Secret is deleted once the cluster is initialized, and the template
// does not change for that.
func configVolume(c *openbaov1alpha1.OpenBaoCluster, config serverconfig.Rendered) corev1.Volume {
	sources := []corev1.VolumeProjection{
		{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: ConfigName(c)},
			Items:                []corev1.KeyToPath{{Key: ConfigKey, Path: ConfigKey}},
		}},
	}
	if config.Secret != nil {
		sources = append(sources, secretFile(ConfigSecretName(c), ConfigSecretKey, nil))
	}
	sources = append(sources, secretFile(InitializeSecretName(c), InitializeKey, new(true)))
	return projectedVolume(volumeConfig, sources)
}

func secretFile(name, key string, optional *bool) corev1.VolumeProjection {
	return corev1.VolumeProjection{Secret: &corev1.SecretProjection{
		LocalObjectReference: corev1.LocalObjectReference{Name: name},
		Items:                []corev1.KeyToPath{{Key: key, Path: key}},
		Optional:             optional,
	}}
}

// apiAccessVolume holds what the service registration of a server needs to label its own
// pod. It has what Kubernetes would mount by itself, in files that not everybody in the
// container can read.
func apiAccessVolume() corev1.Volume {
	return projectedVolume(volumeAPIAccess, []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: new(apiTokenLife)}},
		{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
			Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
		}},
		{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
			Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"},
		}}}},
	})
}

func projectedVolume(name string, sources []corev1.VolumeProjection) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: new(secretMode)},
	}}
}

func secretVolume(name, secret string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: secret, DefaultMode: new(secretMode)},
	}}
}

func emptyVolume(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

// downloadsPlugins reports whether the servers download plugins. They need a place for
// them, since the root file system is read-only.
func downloadsPlugins(c *openbaov1alpha1.OpenBaoCluster) bool {
	for _, plugin := range c.Spec.Plugins {
		if plugin.Image != "" {
			return true
		}
	}
	return false
}
