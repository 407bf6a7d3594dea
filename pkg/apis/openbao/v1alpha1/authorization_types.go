// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// AuthorizationMode says how the policies and roles are kept.
// +enum
type AuthorizationMode string

// AuthorizationOnce writes the policies and roles once with the one-time admin
// token, and again when the spec changes and a new token is given.
const AuthorizationOnce AuthorizationMode = "Once"

// AuthorizationSpec says how Bailiwick reaches the server and sets up the
// policies and JWT roles.
type AuthorizationSpec struct {
	// mode says how the policies and roles are kept. Once writes them with the
	// one-time admin token, and asks for a new token when they have to change.
	// +kubebuilder:validation:Enum=Once
	// +kubebuilder:default=Once
	// +optional
	Mode AuthorizationMode `json:"mode,omitempty"`

	// address is the https URL of the active server.
	// The default is https://<name>.<namespace>.svc:8200.
	// +kubebuilder:validation:Pattern=`^https://[^/?#@\s]+/?$`
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Address string `json:"address,omitempty"`

	// caBundle is the PEM-encoded CA that the server's certificate is checked with.
	// It takes precedence over caSecretRef.
	// +kubebuilder:validation:MaxLength=65536
	// +optional
	CABundle string `json:"caBundle,omitempty"`

	// caSecretRef names the Secret, in the namespace of this object, with the
	// PEM-encoded CA. The default is the Secret <name>-tls-ca with the key ca.crt.
	// +optional
	CASecretRef *CASecretReference `json:"caSecretRef,omitempty"`

	// tlsServerName is the name that the server's certificate must carry.
	// The default is the host of the address.
	// +optional
	TLSServerName string `json:"tlsServerName,omitempty"`

	// namespace is the OpenBao namespace that holds the mount, policies and roles.
	// The default is the root namespace.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// adminTokenSecretRef names the Secret, in the namespace of this object, with
	// a one-time admin token. The token is used to write the policies and roles,
	// and revoked after that. The Secret is only read.
	// +optional
	AdminTokenSecretRef *SecretKeyReference `json:"adminTokenSecretRef,omitempty"`

	// audience is the audience that ServiceAccount tokens must carry.
	// The default is spec.selfInit.oidc.audience, or openbao-internal.
	// +optional
	Audience string `json:"audience,omitempty"`

	// operatorServiceAccount is the ServiceAccount of the operator identity.
	// The default is the ServiceAccount that Bailiwick runs as.
	// +optional
	OperatorServiceAccount *ServiceAccountReference `json:"operatorServiceAccount,omitempty"`
}

// CASecretReference names a key of a Secret that holds a CA.
type CASecretReference struct {
	// name is the name of the Secret.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// key is the key of the Secret.
	// +kubebuilder:default=ca.crt
	// +optional
	Key string `json:"key,omitempty"`
}

// SecretKeyReference names a key of a Secret.
type SecretKeyReference struct {
	// name is the name of the Secret.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// key is the key of the Secret.
	// +kubebuilder:default=token
	// +optional
	Key string `json:"key,omitempty"`
}

// ServiceAccountReference names a ServiceAccount.
type ServiceAccountReference struct {
	// name is the name of the ServiceAccount.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// namespace is the namespace of the ServiceAccount.
	// The default is the namespace of the object.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// AuthorizationStatus records what Bailiwick wrote to the server. Only names
// recorded here are ever changed or removed there.
type AuthorizationStatus struct {
	// address is the URL that the server was reached at.
	// +optional
	Address string `json:"address,omitempty"`
	// server is the cluster id of the server.
	// +optional
	Server string `json:"server,omitempty"`
	// namespace is the OpenBao namespace; empty is the root namespace.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// mount is the path of the JWT auth mount.
	// +optional
	Mount string `json:"mount,omitempty"`
	// issuer is the token issuer in the mount's config.
	// +optional
	Issuer string `json:"issuer,omitempty"`
	// keyIDs are the ids of the signing keys in the mount's config.
	// +optional
	// +listType=set
	KeyIDs []string `json:"keyIDs,omitempty"`
	// policies are the names of the policies.
	// +optional
	// +listType=set
	Policies []string `json:"policies,omitempty"`
	// roles are the names of the JWT roles.
	// +optional
	// +listType=set
	Roles []string `json:"roles,omitempty"`
	// digest identifies the contract that was written and read back. It is
	// empty until the first time that all of it was.
	// +optional
	Digest string `json:"digest,omitempty"`
	// adminToken says what became of the one-time admin token after the digest
	// was recorded: InUse until it is revoked, Revoked, or Unknown when the
	// server did not confirm.
	// +optional
	AdminToken AdminTokenState `json:"adminToken,omitempty"`
}

// AdminTokenState says what became of the one-time admin token.
// +enum
type AdminTokenState string

const (
	// AdminTokenInUse means that the token is still to be revoked.
	AdminTokenInUse AdminTokenState = "InUse"
	// AdminTokenRevoked means that the server no longer accepts the token.
	AdminTokenRevoked AdminTokenState = "Revoked"
	// AdminTokenUnknown means that the token could not be revoked, because the
	// Secret was gone before it was.
	AdminTokenUnknown AdminTokenState = "Unknown"
)

const (
	// ConditionReady is True when everything that Bailiwick does for the object is done.
	ConditionReady = "Ready"
	// ConditionAuthorizationReady is True when the server holds the whole contract.
	ConditionAuthorizationReady = "AuthorizationReady"
	// ConditionClusterLifecycle says whether Bailiwick runs the servers.
	ConditionClusterLifecycle = "ClusterLifecycle"
)
