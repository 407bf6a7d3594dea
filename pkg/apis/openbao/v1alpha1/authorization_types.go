// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AuthorizationMode says how the policies and roles are kept.
// +enum
type AuthorizationMode string

const (
	// AuthorizationOnce writes the policies and roles with a one-time admin
	// token, and again when the spec changes and a new token is given. In
	// between nothing is read.
	AuthorizationOnce AuthorizationMode = "Once"
	// AuthorizationObserve writes like Once, and in between reports what differs
	// on the server, as an identity that can only read.
	AuthorizationObserve AuthorizationMode = "Observe"
	// AuthorizationEnforce writes like Once, and in between repairs what differs
	// on the server, as an identity that can write nothing but the contract.
	AuthorizationEnforce AuthorizationMode = "Enforce"
)

// AuthorizationProfile says which texts the policies have.
// +enum
type AuthorizationProfile string

const (
	// ProfileDocument is the texts of the published authorization document.
	ProfileDocument AuthorizationProfile = "Document"
	// ProfileMinimal leaves out the grants that a server never evaluates, and
	// the policy "default" from all tokens.
	ProfileMinimal AuthorizationProfile = "Minimal"
)

// SigningKeySource says how a server learns the keys of ServiceAccount tokens.
// +enum
type SigningKeySource string

const (
	// SigningKeysWritten means that Bailiwick writes the keys.
	SigningKeysWritten SigningKeySource = "Written"
	// SigningKeysProvider means that the server reads the keys from the API server of
	// the Kubernetes cluster that it runs in.
	SigningKeysProvider SigningKeySource = "Provider"
)

// AuthorizationSpec says how Bailiwick reaches the server and sets up the
// policies and JWT roles.
type AuthorizationSpec struct {
	// mode says how the policies and roles are kept. All modes write them with the
	// one-time admin token, and ask for a new token where that is needed. In between
	// Once reads nothing, Observe reports what differs on the server, and Enforce
	// repairs it. The default is Enforce for servers that Bailiwick runs, and Once for
	// others.
	// +kubebuilder:validation:Enum=Once;Observe;Enforce
	// +optional
	Mode AuthorizationMode `json:"mode,omitempty"`

	// profile says which texts the policies have. Document is the texts of the
	// published authorization document. Minimal leaves out the grants that a server
	// never evaluates, and the policy "default" from all tokens.
	// +kubebuilder:validation:Enum=Document;Minimal
	// +kubebuilder:default=Document
	// +optional
	Profile AuthorizationProfile `json:"profile,omitempty"`

	// signingKeyOverlap is how long a signing key that the API server no longer
	// publishes stays accepted. The default is 1h; 0s drops such a key immediately.
	// +kubebuilder:validation:Format=duration
	// +optional
	SigningKeyOverlap *metav1.Duration `json:"signingKeyOverlap,omitempty"`

	// signingKeySource says how the server learns the keys that ServiceAccount tokens
	// are signed with. With Written, Bailiwick writes them into the config of the
	// mount, and follows them. With Provider, which requires OpenBao 2.6 and servers
	// that run as pods of this Kubernetes cluster, the server reads them from the API
	// server with the token of its pod: no rotation locks it out, and nobody needs the
	// right to write keys.
	// +kubebuilder:validation:Enum=Written;Provider
	// +kubebuilder:default=Written
	// +optional
	SigningKeySource SigningKeySource `json:"signingKeySource,omitempty"`

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

	// namespace is the OpenBao namespace that holds the mount, policies and roles,
	// without a slash at either end. The default is the root namespace.
	// +kubebuilder:validation:Pattern=`^[^/\s*+]+(/[^/\s*+]+)*$`
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self != 'root'",message="leave the field out for the root namespace"
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// clientCertSecretRef names the Secret, in the namespace of this object, with the
	// client certificate for a listener that requires one: the keys tls.crt and
	// tls.key. Like every Secret that is sent to a server it must agree to that; see
	// adminTokenSecretRef.
	// +optional
	ClientCertSecretRef *ClientCertSecretReference `json:"clientCertSecretRef,omitempty"`

	// adminTokenSecretRef names the Secret, in the namespace of this object, with
	// a one-time admin token. The token is used to write the policies and roles,
	// and revoked after that. The Secret is only read, and its token sent only to the
	// address that the Secret itself names: it has the type
	// bailiwick.dev/openbao-credential and the key address, or the label
	// bailiwick.dev/openbao-credential=true and the annotation
	// bailiwick.dev/openbao-address.
	// +optional
	AdminTokenSecretRef *SecretKeyReference `json:"adminTokenSecretRef,omitempty"`

	// audience is an audience that the roles of ServiceAccounts in the namespace of
	// this object accept in addition to status.authorization.audience. Servers that
	// share such an audience can replay each other's tokens. The default is
	// spec.selfInit.oidc.audience.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('bailiwick.dev/')",message="audiences that begin with bailiwick.dev/ are derived, not chosen; see status.authorization.audience"
	// +optional
	Audience string `json:"audience,omitempty"`

	// operatorServiceAccount is the ServiceAccount of the operator identity.
	// The default is the ServiceAccount that Bailiwick runs as.
	// +optional
	OperatorServiceAccount *ServiceAccountReference `json:"operatorServiceAccount,omitempty"`

	// additionalSubjects let further ServiceAccounts log in as an identity, each
	// with a role of its own.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=role
	// +optional
	AdditionalSubjects []AdditionalSubject `json:"additionalSubjects,omitempty"`
}

// AdditionalSubject is a ServiceAccount that gets the policy of an identity.
type AdditionalSubject struct {
	// role is the name of the JWT role. It must not be that of an identity.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_](([A-Za-z0-9_.-]+)?[A-Za-z0-9_])?$`
	// +kubebuilder:validation:MaxLength=128
	Role string `json:"role"`
	// identity names whose policy it gets. Nothing is written while the spec does
	// not request that identity. The policy of restore is not to be had: anyone who
	// restores a snapshot of their own owns the server.
	// +kubebuilder:validation:Enum=operator;backup;upgrade
	Identity string `json:"identity"`
	// serviceAccount is who may log in.
	ServiceAccount ServiceAccountReference `json:"serviceAccount"`
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

// ClientCertSecretReference names a Secret with a TLS client certificate.
type ClientCertSecretReference struct {
	// name is the name of the Secret.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
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
	// caBundle is the PEM-encoded CA that the server was reached with, if the spec
	// held it. It is public, and kept to reach the server when the spec no longer
	// says how.
	// +optional
	CABundle string `json:"caBundle,omitempty"`
	// caSecretRef names the Secret with the CA that the server was reached with, if
	// that was not in the spec.
	// +optional
	CASecretRef *CASecretReference `json:"caSecretRef,omitempty"`
	// tlsServerName is the name that the server's certificate carried, if the spec
	// named one.
	// +optional
	TLSServerName string `json:"tlsServerName,omitempty"`
	// clientCertSecretRef names the Secret with the client certificate that the server
	// was reached with, if there was one.
	// +optional
	ClientCertSecretRef *ClientCertSecretReference `json:"clientCertSecretRef,omitempty"`
	// server is the cluster id of the server.
	// +optional
	Server string `json:"server,omitempty"`
	// namespace is the OpenBao namespace; empty is the root namespace.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// mount is the path of the JWT auth mount.
	// +optional
	Mount string `json:"mount,omitempty"`
	// mountCreated says that the mount did not exist before. Only then is it
	// removed when nothing is requested any more.
	// +optional
	MountCreated bool `json:"mountCreated,omitempty"`
	// configWritten says that the config of the mount is Bailiwick's. One that
	// somebody else wrote is never overwritten.
	// +optional
	ConfigWritten bool `json:"configWritten,omitempty"`
	// claim is the mark that says on the server whose it is.
	// +optional
	Claim *ServerClaimStatus `json:"claim,omitempty"`
	// pending lists the changes that were sent, or were about to be, and whose
	// outcome is not known yet.
	// +optional
	// +listType=atomic
	Pending []PendingChange `json:"pending,omitempty"`
	// issuer is the token issuer in the mount's config.
	// +optional
	Issuer string `json:"issuer,omitempty"`
	// audience is the audience that all roles accept, and the only one of the tokens
	// that Bailiwick makes. It is derived from the UID of the namespace and the name
	// of the object.
	// +optional
	Audience string `json:"audience,omitempty"`
	// legacyAudience is the audience that the roles on the server still accept
	// instead, because they were written by a version that let the spec choose it.
	// An admin token replaces it.
	// +optional
	LegacyAudience string `json:"legacyAudience,omitempty"`
	// restoreAccountUID is the UID of the ServiceAccount that the restore role is
	// bound to.
	// +optional
	RestoreAccountUID string `json:"restoreAccountUID,omitempty"`
	// version is the OpenBao version that the server reported when it was last
	// proved.
	// +optional
	Version string `json:"version,omitempty"`
	// unmanagedRoles are the roles of the mount that are not Bailiwick's, as they were
	// last listed. Those in CEL have "cel/" before their names.
	// +optional
	// +listType=atomic
	UnmanagedRoles []string `json:"unmanagedRoles,omitempty"`
	// unknown names what could not be checked about the server, and what that
	// requires.
	// +optional
	// +listType=atomic
	Unknown []string `json:"unknown,omitempty"`
	// signingKeys are the signing keys in the mount's config.
	// +optional
	// +listType=map
	// +listMapKey=id
	SigningKeys []SigningKeyStatus `json:"signingKeys,omitempty"`
	// droppedOldSigningKeys is the value that the annotation
	// bailiwick.dev/drop-old-signing-keys had when it was last heeded.
	// +optional
	DroppedOldSigningKeys string `json:"droppedOldSigningKeys,omitempty"`
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
	// adminTokenSecretVersion is the resourceVersion of the Secret whose token was
	// used up, so that it is not tried again.
	// +optional
	AdminTokenSecretVersion string `json:"adminTokenSecretVersion,omitempty"`
	// plan lists what differs on the server and was not repaired.
	// +optional
	// +listType=atomic
	Plan []PlannedChange `json:"plan,omitempty"`
	// proved is how many identities were proved, of how many, such as 4/4.
	// +optional
	Proved string `json:"proved,omitempty"`
	// identities say what was proved of each role.
	// +optional
	// +listType=map
	// +listMapKey=role
	Identities []IdentityStatus `json:"identities,omitempty"`
	// provedAt is when the identities were last proved.
	// +optional
	ProvedAt *metav1.Time `json:"provedAt,omitempty"`
	// refusalsProvedAt is when wrong subjects and audiences were last seen refused.
	// +optional
	RefusalsProvedAt *metav1.Time `json:"refusalsProvedAt,omitempty"`
	// rootEquivalent lists what could still grant any right of the mount to
	// whoever held it, and stays with Bailiwick's own identity.
	// +optional
	// +listType=atomic
	RootEquivalent []string `json:"rootEquivalent,omitempty"`
}

// ServerClaimStatus is the mark by which a server tells one OpenBaoCluster that it
// belongs to from all others: a policy that nobody holds.
type ServerClaimStatus struct {
	// nonce is the last one that was written to the server. A server that shows
	// another one was restored, or is a copy.
	// +optional
	Nonce string `json:"nonce,omitempty"`
	// confirmedAt is when the mark was last read or written with a login.
	// +optional
	ConfirmedAt *metav1.Time `json:"confirmedAt,omitempty"`
}

// PendingChange is a change of the server whose outcome is not known.
type PendingChange struct {
	// kind is mount, config, policy or role.
	Kind string `json:"kind"`
	// name is the name of the mount, policy or role.
	Name string `json:"name"`
	// action is create, update or delete.
	Action string `json:"action"`
	// before is a digest of what was there before, empty for nothing.
	// +optional
	Before string `json:"before,omitempty"`
	// after is a digest of what was sent, empty for a deletion.
	// +optional
	After string `json:"after,omitempty"`
}

// SigningKeyStatus is a key that ServiceAccount tokens are checked with.
type SigningKeyStatus struct {
	// id is the key id.
	ID string `json:"id"`
	// algorithm is the JWS algorithm, empty if the API server does not say.
	// +optional
	Algorithm string `json:"algorithm,omitempty"`
	// pem is the public key, kept so that the overlap outlives a restart.
	// +optional
	PEM string `json:"pem,omitempty"`
	// firstSeen is when the API server was first seen to publish the key.
	// +optional
	FirstSeen *metav1.Time `json:"firstSeen,omitempty"`
	// lastSeen is when the API server was last seen to publish the key. It is
	// absent while it does.
	// +optional
	LastSeen *metav1.Time `json:"lastSeen,omitempty"`
}

// PlannedChange is one difference between the contract and the server.
type PlannedChange struct {
	// kind is mount, config, policy or role.
	Kind string `json:"kind"`
	// name is the name of the mount, policy or role.
	Name string `json:"name"`
	// difference is Missing, Differs, Extra, or Conflict for what someone else wrote.
	// +kubebuilder:validation:Enum=Missing;Differs;Extra;Conflict
	Difference PlannedDifference `json:"difference"`
	// fields are the names of the fields that differ.
	// +optional
	// +listType=atomic
	Fields []string `json:"fields,omitempty"`
}

// PlannedDifference says how the server differs.
// +enum
type PlannedDifference string

const (
	// DifferenceMissing means that the server lacks the object.
	DifferenceMissing PlannedDifference = "Missing"
	// DifferenceDiffers means that fields of the object differ.
	DifferenceDiffers PlannedDifference = "Differs"
	// DifferenceExtra means that the object is no longer wanted.
	DifferenceExtra PlannedDifference = "Extra"
	// DifferenceConflict means that someone else wrote the object.
	DifferenceConflict PlannedDifference = "Conflict"
)

// IdentityStatus says what was proved of one role, by logging in as its
// ServiceAccount.
type IdentityStatus struct {
	// role is the name of the JWT role.
	Role string `json:"role"`
	// identity is operator, backup, restore, upgrade or bootstrapper, and where Bailiwick
	// runs the servers membership or remove-peer.
	Identity string `json:"identity"`
	// server is the only server that the identity remove-peer may remove from the
	// cluster. No other identity has one.
	// +optional
	Server string `json:"server,omitempty"`
	// policy is the name of the policy.
	// +optional
	Policy string `json:"policy,omitempty"`
	// subject is who may log in.
	// +optional
	Subject string `json:"subject,omitempty"`
	// state is Proved, Mismatch, or NotProved when some of it could not be tried or
	// was tried too long ago.
	// +kubebuilder:validation:Enum=Proved;Mismatch;NotProved
	State ProofState `json:"state"`
	// message says why the state is not Proved, and how to fix that.
	// +optional
	Message string `json:"message,omitempty"`
	// provedAt is when the identity was last tried to the end.
	// +optional
	ProvedAt *metav1.Time `json:"provedAt,omitempty"`
	// digest identifies the contract that it was tried for.
	// +optional
	Digest string `json:"digest,omitempty"`
	// unknown names the checks that could not be made, and what each requires.
	// +optional
	// +listType=atomic
	Unknown []string `json:"unknown,omitempty"`
	// alsoAccepts are the audiences that the role accepts besides the derived one, as
	// the role was last read on the server. It is the single word Unknown where the
	// role cannot be read.
	// +optional
	// +listType=atomic
	AlsoAccepts []string `json:"alsoAccepts,omitempty"`
	// missing are rights that the contract gives and the token lacks, as
	// "path: capability".
	// +optional
	// +listType=atomic
	Missing []string `json:"missing,omitempty"`
	// excess are rights that neither the contract nor the policy "default" gives,
	// as "path: capability".
	// +optional
	// +listType=atomic
	Excess []string `json:"excess,omitempty"`
	// viaDefault are rights that the token has through the policy "default" alone,
	// as "path: capability".
	// +optional
	// +listType=atomic
	ViaDefault []string `json:"viaDefault,omitempty"`
}

// ProofState says what came of trying an identity.
// +enum
type ProofState string

const (
	// Proved means that the identity can log in with the derived audience, has exactly
	// the rights of the contract, and others were refused.
	Proved ProofState = "Proved"
	// ProofMismatch means that it cannot log in, has other rights, or that others
	// could log in as it.
	ProofMismatch ProofState = "Mismatch"
	// NotProved means that some of it could not be tried, or was tried too long ago.
	NotProved ProofState = "NotProved"
)

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
	// ConditionSigningKeysCurrent is True when the server accepts the tokens that
	// the API server signs now.
	ConditionSigningKeysCurrent = "SigningKeysCurrent"
	// ConditionClusterLifecycle says whether Bailiwick runs the servers, and how far
	// they are.
	ConditionClusterLifecycle = "ClusterLifecycle"
	// ConditionAvailable is True while a quorum of the servers is unsealed and has a
	// leader.
	ConditionAvailable = "Available"
	// ConditionBackupReady is True when the last backup succeeded. It is there for objects
	// with spec.backup.target.
	ConditionBackupReady = "BackupReady"
	// ConditionTLSReady is True when all servers show the certificate that they should.
	ConditionTLSReady = "TLSReady"
	// ConditionOpenBaoInitialized, ConditionOpenBaoSealed and ConditionOpenBaoLeader are
	// what the openbao-operator calls these facts.
	ConditionOpenBaoInitialized = "OpenBaoInitialized"
	ConditionOpenBaoSealed      = "OpenBaoSealed"
	ConditionOpenBaoLeader      = "OpenBaoLeader"
)
