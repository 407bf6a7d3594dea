// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// ConfigurationSpec holds settings of the OpenBao servers. What is left out
// keeps the default of the servers.
type ConfigurationSpec struct {
	// ui serves the web interface.
	// +kubebuilder:default=true
	// +optional
	UI *bool `json:"ui,omitempty"`
	// logLevel is how much the servers log.
	// +kubebuilder:validation:Enum=trace;debug;info;warn;err
	// +kubebuilder:default=info
	// +optional
	LogLevel string `json:"logLevel,omitempty"`
	// logging says where and how the servers log.
	// +optional
	Logging *LoggingSpec `json:"logging,omitempty"`
	// listener are settings of the servers' listener.
	// +optional
	Listener *ListenerSpec `json:"listener,omitempty"`
	// raft are settings of the storage.
	// +optional
	Raft *RaftSpec `json:"raft,omitempty"`
	// plugin are settings for all plugins.
	// +optional
	Plugin *PluginSettings `json:"plugin,omitempty"`
	// acmeCARoot is the file of the CA that an ACME authority is checked with.
	// +optional
	ACMECARoot string `json:"acmeCARoot,omitempty"`
	// defaultLeaseTTL is the lifetime of tokens and secrets, 768h for example.
	// +optional
	DefaultLeaseTTL string `json:"defaultLeaseTTL,omitempty"`
	// maxLeaseTTL is the longest lifetime of tokens and secrets.
	// +optional
	MaxLeaseTTL string `json:"maxLeaseTTL,omitempty"`
	// cacheSize is the number of storage entries that are cached.
	// +kubebuilder:validation:Minimum=0
	// +optional
	CacheSize *int64 `json:"cacheSize,omitempty"`
	// disableCache turns all caches off.
	// +optional
	DisableCache *bool `json:"disableCache,omitempty"`
	// detectDeadlocks looks for deadlocks among the servers' locks.
	// +optional
	DetectDeadlocks *bool `json:"detectDeadlocks,omitempty"`
	// rawStorageEndpoint serves sys/raw, which reads and writes below all policies.
	// +optional
	RawStorageEndpoint *bool `json:"rawStorageEndpoint,omitempty"`
	// introspectionEndpoint serves sys/internal/inspect.
	// +optional
	IntrospectionEndpoint *bool `json:"introspectionEndpoint,omitempty"`
	// impreciseLeaseRoleTracking counts leases by role only where a quota needs it.
	// +optional
	ImpreciseLeaseRoleTracking *bool `json:"impreciseLeaseRoleTracking,omitempty"`
	// unsafeAllowAPIAuditCreation allows making audit devices by the API, which
	// lets whoever may do so write files on the servers.
	// +optional
	UnsafeAllowAPIAuditCreation *bool `json:"unsafeAllowAPIAuditCreation,omitempty"`
	// allowAuditLogPrefixing allows audit devices to put a prefix before each line.
	// +optional
	AllowAuditLogPrefixing *bool `json:"allowAuditLogPrefixing,omitempty"`
	// enableResponseHeaderHostname has answers name the server's host.
	// +optional
	EnableResponseHeaderHostname *bool `json:"enableResponseHeaderHostname,omitempty"`
	// enableResponseHeaderRaftNodeID has answers name the server's Raft node.
	// +optional
	EnableResponseHeaderRaftNodeID *bool `json:"enableResponseHeaderRaftNodeID,omitempty"`
}

// LoggingSpec says where and how the servers log.
type LoggingSpec struct {
	// format is the format of the lines.
	// +kubebuilder:validation:Enum=standard;json
	// +optional
	Format string `json:"format,omitempty"`
	// file is a file that the log goes to as well.
	// +optional
	File string `json:"file,omitempty"`
	// rotateDuration is the age at which a new file is begun.
	// +optional
	RotateDuration string `json:"rotateDuration,omitempty"`
	// rotateBytes is the size at which a new file is begun.
	// +kubebuilder:validation:Minimum=0
	// +optional
	RotateBytes *int64 `json:"rotateBytes,omitempty"`
	// rotateMaxFiles is how many old files are kept.
	// +kubebuilder:validation:Minimum=0
	// +optional
	RotateMaxFiles *int32 `json:"rotateMaxFiles,omitempty"`
	// pidFile is a file that gets the process id.
	// +optional
	PIDFile string `json:"pidFile,omitempty"`
}

// ListenerSpec are settings of the servers' listener.
type ListenerSpec struct {
	// tlsDisable has the servers listen without TLS.
	// +optional
	TLSDisable *bool `json:"tlsDisable,omitempty"`
	// proxyProtocolBehavior says whose PROXY protocol headers are believed: use_always
	// believes those of every client. Other values are refused, since there is no field
	// for the addresses of proxies.
	// +kubebuilder:validation:Enum=use_always;allow_any;deny_unauthorized
	// +optional
	ProxyProtocolBehavior string `json:"proxyProtocolBehavior,omitempty"`
}

// RaftSpec are settings of the storage.
type RaftSpec struct {
	// performanceMultiplier stretches the time limits of Raft, by which a leader that is gone
	// is noticed. The default is 2; 0 is OpenBao's own default, 5.
	// +kubebuilder:validation:Minimum=0
	// +optional
	PerformanceMultiplier *int32 `json:"performanceMultiplier,omitempty"`
	// autopilot are settings of what looks after the peers.
	// +optional
	Autopilot *AutopilotSpec `json:"autopilot,omitempty"`
}

// AutopilotSpec are settings of what looks after the peers.
type AutopilotSpec struct {
	// cleanupDeadServers removes peers that are gone for good.
	// +kubebuilder:default=true
	// +optional
	CleanupDeadServers *bool `json:"cleanupDeadServers,omitempty"`
	// deadServerLastContactThreshold is how long a silent peer is waited for
	// before it is gone for good.
	// +kubebuilder:default="5m"
	// +optional
	DeadServerLastContactThreshold string `json:"deadServerLastContactThreshold,omitempty"`
	// minQuorum is the number of peers below which none is removed.
	// +kubebuilder:validation:Minimum=3
	// +optional
	MinQuorum *int32 `json:"minQuorum,omitempty"`
	// serverStabilizationTime is how long a new peer must be healthy before it votes.
	// +optional
	ServerStabilizationTime string `json:"serverStabilizationTime,omitempty"`
	// lastContactThreshold is how long a peer may be silent and still be healthy.
	// +optional
	LastContactThreshold string `json:"lastContactThreshold,omitempty"`
	// maxTrailingLogs is how many log entries a healthy peer may lag behind.
	// +optional
	MaxTrailingLogs *int32 `json:"maxTrailingLogs,omitempty"`
}

// PluginSettings are settings for all plugins.
type PluginSettings struct {
	// fileUID is the user that owns the files of plugins, where that is not the
	// user of the servers.
	// +optional
	FileUID *int64 `json:"fileUID,omitempty"`
	// filePermissions are the permissions of the files of plugins, 0755 for example.
	// +optional
	FilePermissions string `json:"filePermissions,omitempty"`
	// autoDownload has the servers download the images of plugins. It needs
	// OpenBao 2.5.
	// +optional
	AutoDownload *bool `json:"autoDownload,omitempty"`
	// autoRegister has the servers register the plugins at their start. It needs
	// OpenBao 2.5.
	// +optional
	AutoRegister *bool `json:"autoRegister,omitempty"`
	// downloadBehavior must be empty where Bailiwick runs the servers: OpenBao has neither
	// of the values, and fails when a plugin can't be downloaded.
	// +kubebuilder:validation:Enum=standard;direct
	// +optional
	DownloadBehavior string `json:"downloadBehavior,omitempty"`
}

// PluginSpec is a plugin that the servers register.
type PluginSpec struct {
	// type is secret, auth, database, or kms for a seal.
	// +kubebuilder:validation:MinLength=1
	Type string `json:"type"`
	// name is the name of the plugin.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// version is the version of the plugin.
	// +kubebuilder:validation:MinLength=1
	Version string `json:"version"`
	// image is the image that holds the plugin.
	// +optional
	Image string `json:"image,omitempty"`
	// command is the plugin's program in the plugin folder, in place of an image.
	// +optional
	Command string `json:"command,omitempty"`
	// binaryName is the name of the program.
	// +kubebuilder:validation:MinLength=1
	BinaryName string `json:"binaryName"`
	// sha256sum is the SHA-256 sum of the program.
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[0-9a-fA-F]{64}$`
	SHA256Sum string `json:"sha256sum"`
	// args are the arguments of the program.
	// +optional
	Args []string `json:"args,omitempty"`
	// env are environment variables of the program, as NAME=value.
	// +optional
	Env []string `json:"env,omitempty"`
}
