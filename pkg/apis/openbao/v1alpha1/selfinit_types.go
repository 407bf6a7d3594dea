// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "k8s.io/apimachinery/pkg/runtime"

// SelfInitSpec describes the self-initialization of a cluster.
type SelfInitSpec struct {
	// enabled requests self-initialization, and with it the policies and JWT
	// roles of the cluster's identities.
	// +kubebuilder:default=false
	Enabled bool `json:"enabled"`

	// oidc sets the audience and issuer of the JWT roles.
	// +optional
	OIDC *SelfInitOIDC `json:"oidc,omitempty"`

	// requests are what else the servers send themselves at their first start.
	// +optional
	Requests []SelfInitRequest `json:"requests,omitempty"`
}

// SelfInitOIDC sets what the ServiceAccount tokens must carry.
type SelfInitOIDC struct {
	// enabled is accepted from manifests of the openbao-operator. The policies
	// and roles do not depend on it.
	Enabled bool `json:"enabled"`

	// audience is an audience that the roles of ServiceAccounts in the namespace of
	// this object accept in addition to status.authorization.audience. The default,
	// where enabled is true, is openbao-internal. spec.authorization.audience takes
	// precedence.
	// +optional
	Audience string `json:"audience,omitempty"`

	// issuer is the issuer that ServiceAccount tokens must carry. The default
	// is the issuer of the Kubernetes API server.
	// +optional
	Issuer string `json:"issuer,omitempty"`
}

// RequestOperation says what a request does.
// +enum
type RequestOperation string

const (
	// RequestCreate creates what must not exist.
	RequestCreate RequestOperation = "create"
	// RequestRead reads.
	RequestRead RequestOperation = "read"
	// RequestUpdate creates or changes.
	RequestUpdate RequestOperation = "update"
	// RequestDelete deletes.
	RequestDelete RequestOperation = "delete"
	// RequestList lists.
	RequestList RequestOperation = "list"
	// RequestPatch changes some fields.
	RequestPatch RequestOperation = "patch"
)

// SelfInitRequest is a request of the first start. Its body is in exactly one of
// auditDevice, authMethod, secretEngine, policy and data; requests for sys/audit,
// sys/auth, sys/mounts and sys/policies use the first four.
type SelfInitRequest struct {
	// name is the name of the request.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_-]*$`
	Name string `json:"name"`
	// operation says what the request does.
	// +kubebuilder:validation:Enum=create;read;update;delete;list;patch
	Operation RequestOperation `json:"operation"`
	// path is the path of the API, without /v1/.
	// +kubebuilder:validation:MinLength=1
	Path string `json:"path"`
	// allowFailure goes on with the next request when this one fails.
	// +optional
	AllowFailure *bool `json:"allowFailure,omitempty"`
	// auditDevice is the body of a request for sys/audit.
	// +optional
	AuditDevice *AuditDeviceRequest `json:"auditDevice,omitempty"`
	// authMethod is the body of a request for sys/auth.
	// +optional
	AuthMethod *AuthMethodRequest `json:"authMethod,omitempty"`
	// secretEngine is the body of a request for sys/mounts.
	// +optional
	SecretEngine *SecretEngineRequest `json:"secretEngine,omitempty"`
	// policy is the body of a request for sys/policies.
	// +optional
	Policy *PolicyRequest `json:"policy,omitempty"`
	// data is the body of any other request.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Data *runtime.RawExtension `json:"data,omitempty"`
}

// AuditDeviceRequest asks for an audit device.
type AuditDeviceRequest struct {
	// type is where the device writes to.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Enum=file;syslog;socket;http
	Type string `json:"type"`
	// description is for people.
	// +optional
	Description string `json:"description,omitempty"`
	// fileOptions are the options of the type file.
	// +optional
	FileOptions *FileAuditOptions `json:"fileOptions,omitempty"`
	// httpOptions are the options of the type http.
	// +optional
	HTTPOptions *HTTPAuditOptions `json:"httpOptions,omitempty"`
	// syslogOptions are the options of the type syslog.
	// +optional
	SyslogOptions *SyslogAuditOptions `json:"syslogOptions,omitempty"`
	// socketOptions are the options of the type socket.
	// +optional
	SocketOptions *SocketAuditOptions `json:"socketOptions,omitempty"`
}

// AuthMethodRequest asks for an auth method.
type AuthMethodRequest struct {
	// type is the type of the method, userpass for example.
	// +kubebuilder:validation:MinLength=1
	Type string `json:"type"`
	// description is for people.
	// +optional
	Description string `json:"description,omitempty"`
	// config are settings of the mount, default_lease_ttl for example.
	// +optional
	Config map[string]string `json:"config,omitempty"`
}

// SecretEngineRequest asks for a secret engine.
type SecretEngineRequest struct {
	// type is the type of the engine, kv for example.
	// +kubebuilder:validation:MinLength=1
	Type string `json:"type"`
	// description is for people.
	// +optional
	Description string `json:"description,omitempty"`
	// options are options of the type, version for example.
	// +optional
	Options map[string]string `json:"options,omitempty"`
}

// PolicyRequest asks for a policy.
type PolicyRequest struct {
	// policy is the text of the policy.
	// +kubebuilder:validation:MinLength=1
	Policy string `json:"policy"`
}
