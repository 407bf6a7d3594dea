// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// ResourceReference names another object.
type ResourceReference struct {
	// Name of the object.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// Namespace of the object. The default is the namespace of the object that
	// holds the reference.
	// +kubebuilder:validation:MinLength=1
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// ServiceTechEmail is an address for technical notices about a service.
type ServiceTechEmail struct {
	// Email address.
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$`
	Email string `json:"email"`
}

// ServiceIntegrationItem is an integration that is set up together with a new
// service.
type ServiceIntegrationItem struct {
	// IntegrationType is the type of the integration.
	// +kubebuilder:validation:Enum=read_replica
	IntegrationType string `json:"integrationType"`

	// SourceServiceName is the service at the other end: for a read replica, the
	// service that it replicates.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	SourceServiceName string `json:"sourceServiceName"`
}

// MigrationSecretSource names a Secret with the connection settings of a
// database whose content is migrated into the service. Its keys are host, port,
// dbname, username, password, ssl, method, ignore_dbs and ignore_roles; for MySQL
// also dump_tool and reestablish_replication.
type MigrationSecretSource struct {
	// Name of the Secret, which lives in the namespace of the service object.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// DeleteAfterMigration removes the Secret once the migration is complete.
	// +kubebuilder:default=false
	// +optional
	DeleteAfterMigration bool `json:"deleteAfterMigration,omitempty"`
}

// BaseServiceSpec holds the settings that every Aiven service has.
// +kubebuilder:validation:XValidation:rule="!(has(self.projectVPCRef) && has(self.projectVpcId) && self.projectVpcId != \"\")",message="please set ProjectVPCID or ProjectVPCRef, not both"
type BaseServiceSpec struct {
	AuthSpec             `json:",inline"`
	ProjectDependantSpec `json:",inline"`

	// Plan is the subscription plan, startup-4 for example. It decides the number
	// and size of the nodes.
	// +kubebuilder:validation:MaxLength=128
	Plan string `json:"plan"`

	// CloudName is the cloud and region that the service runs in,
	// google-europe-west1 for example. The default is the project's.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	CloudName string `json:"cloudName,omitempty"`

	// ProjectVPCID is the id of the project VPC that the service is placed in. Use
	// this or projectVPCRef, not both.
	// +kubebuilder:validation:MaxLength=36
	// +optional
	ProjectVPCID string `json:"projectVpcId,omitempty"`

	// ProjectVPCRef names the ProjectVPC object of the project VPC that the service
	// is placed in. Use this or projectVpcId, not both.
	// +optional
	ProjectVPCRef *ResourceReference `json:"projectVPCRef,omitempty"`

	// MaintenanceWindowDow is the day of the week on which Aiven may do
	// maintenance.
	// +kubebuilder:validation:Enum=monday;tuesday;wednesday;thursday;friday;saturday;sunday
	// +optional
	MaintenanceWindowDow string `json:"maintenanceWindowDow,omitempty"`

	// MaintenanceWindowTime is the time of day, in UTC and as HH:mm:ss, at which
	// maintenance may start.
	// +kubebuilder:validation:MaxLength=8
	// +optional
	MaintenanceWindowTime string `json:"maintenanceWindowTime,omitempty"`

	// TerminationProtection keeps the service from being deleted or powered off
	// while it is true.
	// +optional
	TerminationProtection *bool `json:"terminationProtection,omitempty"`

	// Tags are key and value pairs that are attached to the service, and no others are.
	// Left out, the service keeps the tags that it has.
	// +optional
	Tags map[string]string `json:"tags,omitzero"`

	// ServiceIntegrations are set up when the service is created. They cannot be
	// changed.
	// +kubebuilder:validation:MaxItems=1
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +listType=atomic
	// +optional
	ServiceIntegrations []ServiceIntegrationItem `json:"serviceIntegrations,omitzero"`

	// TechnicalEmails receive technical notices about this service. An empty list
	// leaves the notices to the project's addresses. Left out, the service keeps the
	// addresses that it has.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	TechnicalEmails []ServiceTechEmail `json:"technicalEmails,omitzero"`

	// Powered turns the service on or off; left out, the service stays as it is, and a
	// new one is on. A service that is off keeps its backups and loses its nodes, so one
	// without a backup is not turned off.
	// +optional
	Powered *bool `json:"powered,omitempty"`
}

// ServiceCommonSpec holds the settings of services with their own disks and with
// connection details to publish.
type ServiceCommonSpec struct {
	BaseServiceSpec `json:",inline"`
	ConnInfoSpec    `json:",inline"`

	// DiskSpace is the disk size, as a number of gibibytes: 100GiB or 100G. What is
	// possible depends on the plan, the cloud and the project. The default is the
	// plan's own size.
	// +kubebuilder:validation:Pattern=`(?i)^[1-9][0-9]*(GiB|G)?$`
	// +optional
	DiskSpace string `json:"disk_space,omitempty"`
}

// ServiceStatus is the observed state of a service.
type ServiceStatus struct {
	CommonStatus   `json:",inline"`
	SettingsStatus `json:",inline"`

	// State is the state that Aiven reports: POWEROFF, REBALANCING, REBUILDING or
	// RUNNING.
	// +optional
	State string `json:"state,omitempty"`

	// UserConfigSettings are the settings that spec.userConfig has given to the
	// service, pg.work_mem for example. One that leaves the spec goes back to its
	// default.
	// +listType=atomic
	// +optional
	UserConfigSettings []string `json:"userConfigSettings,omitempty"`

	// IPFilterRemoved is true while the service accepts connections from everywhere
	// because userConfig.ip_filter left the spec.
	// +optional
	IPFilterRemoved bool `json:"ipFilterRemoved,omitempty"`

	// MigrationSource tells which password of spec.migrationSecretSource was given to
	// Aiven last.
	// +optional
	MigrationSource *SourceSecretStatus `json:"migrationSource,omitempty"`
}
