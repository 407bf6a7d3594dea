// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// The types of this file have the fields of those of the same name in
// k8s.io/api/core/v1. They are repeated because generating the OpenAPI models of
// that whole package for the sake of one field would double what is generated.

// PodSecurityContext holds the security settings of a pod.
type PodSecurityContext struct {
	// seLinuxOptions is the SELinux context of all containers.
	// +optional
	SELinuxOptions *SELinuxOptions `json:"seLinuxOptions,omitempty"`
	// windowsOptions apply on Windows nodes.
	// +optional
	WindowsOptions *WindowsSecurityContextOptions `json:"windowsOptions,omitempty"`
	// runAsUser is the user id of all processes.
	// +optional
	RunAsUser *int64 `json:"runAsUser,omitempty"`
	// runAsGroup is the group id of all processes.
	// +optional
	RunAsGroup *int64 `json:"runAsGroup,omitempty"`
	// runAsNonRoot refuses to start an image as user 0.
	// +optional
	RunAsNonRoot *bool `json:"runAsNonRoot,omitempty"`
	// supplementalGroups are further groups of all processes.
	// +optional
	// +listType=atomic
	SupplementalGroups []int64 `json:"supplementalGroups,omitempty"`
	// supplementalGroupsPolicy is Merge or Strict: whether the groups that the
	// image gives its user count as well.
	// +optional
	SupplementalGroupsPolicy *string `json:"supplementalGroupsPolicy,omitempty"`
	// fsGroup is the group that owns the volumes.
	// +optional
	FSGroup *int64 `json:"fsGroup,omitempty"`
	// sysctls are the kernel parameters of the pod.
	// +optional
	// +listType=atomic
	Sysctls []Sysctl `json:"sysctls,omitempty"`
	// fsGroupChangePolicy is Always or OnRootMismatch: when the owner of the files
	// of a volume is set.
	// +optional
	FSGroupChangePolicy *string `json:"fsGroupChangePolicy,omitempty"`
	// seccompProfile is the seccomp profile of all containers.
	// +optional
	SeccompProfile *SeccompProfile `json:"seccompProfile,omitempty"`
	// appArmorProfile is the AppArmor profile of all containers.
	// +optional
	AppArmorProfile *AppArmorProfile `json:"appArmorProfile,omitempty"`
	// seLinuxChangePolicy is MountOption or Recursive: how the SELinux label of a
	// volume is set.
	// +optional
	SELinuxChangePolicy *string `json:"seLinuxChangePolicy,omitempty"`
}

// SELinuxOptions is an SELinux context.
type SELinuxOptions struct {
	// user is the SELinux user.
	// +optional
	User string `json:"user,omitempty"`
	// role is the SELinux role.
	// +optional
	Role string `json:"role,omitempty"`
	// type is the SELinux type.
	// +optional
	Type string `json:"type,omitempty"`
	// level is the SELinux level.
	// +optional
	Level string `json:"level,omitempty"`
}

// WindowsSecurityContextOptions apply on Windows nodes.
type WindowsSecurityContextOptions struct {
	// gmsaCredentialSpecName names the credential spec of a group managed service
	// account.
	// +optional
	GMSACredentialSpecName *string `json:"gmsaCredentialSpecName,omitempty"`
	// gmsaCredentialSpec is the content of such a credential spec.
	// +optional
	GMSACredentialSpec *string `json:"gmsaCredentialSpec,omitempty"`
	// runAsUserName is the Windows user of all processes.
	// +optional
	RunAsUserName *string `json:"runAsUserName,omitempty"`
	// hostProcess runs the containers as processes of the node.
	// +optional
	HostProcess *bool `json:"hostProcess,omitempty"`
}

// Sysctl is a kernel parameter.
type Sysctl struct {
	// name is the name of the parameter.
	Name string `json:"name"`
	// value is its value.
	Value string `json:"value"`
}

// SeccompProfile chooses a seccomp profile.
type SeccompProfile struct {
	// type is RuntimeDefault, Localhost or Unconfined.
	Type string `json:"type"`
	// localhostProfile is the file of a profile of the type Localhost.
	// +optional
	LocalhostProfile *string `json:"localhostProfile,omitempty"`
}

// AppArmorProfile chooses an AppArmor profile.
type AppArmorProfile struct {
	// type is RuntimeDefault, Localhost or Unconfined.
	Type string `json:"type"`
	// localhostProfile is the name of a profile of the type Localhost.
	// +optional
	LocalhostProfile *string `json:"localhostProfile,omitempty"`
}
