// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// ClusterProfile says how much is demanded of a cluster.
// +enum
type ClusterProfile string

const (
	// ProfileHardened demands what production needs: certificates and an unseal
	// key that come from elsewhere, and self-initialization.
	ProfileHardened ClusterProfile = "Hardened"
	// ProfileDevelopment demands nothing.
	ProfileDevelopment ClusterProfile = "Development"
)

// DeletionPolicy says what becomes of the data of a deleted cluster.
// +enum
type DeletionPolicy string

const (
	// DeletionRetain keeps the volumes, and the Secrets with the unseal key and
	// the root token.
	DeletionRetain DeletionPolicy = "Retain"
	// DeletionDeletePVCs deletes the volumes.
	DeletionDeletePVCs DeletionPolicy = "DeletePVCs"
	// DeletionDeleteAll deletes the volumes and the Secrets.
	DeletionDeleteAll DeletionPolicy = "DeleteAll"
)

// LocalObjectReference names an object in the namespace of the cluster.
// +structType=atomic
type LocalObjectReference struct {
	// name is the name of the object.
	// +kubebuilder:default=""
	// +optional
	Name string `json:"name,omitempty"`
}

// MaintenanceSpec allows planned disturbances.
type MaintenanceSpec struct {
	// enabled lets a person change the objects of the cluster by hand.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// restartAt restarts the servers one by one whenever it changes. A time stamp
	// says best when it was asked for.
	// +kubebuilder:validation:MinLength=1
	// +optional
	RestartAt string `json:"restartAt,omitempty"`
	// recoverQuorum has a cluster that has lost its quorum for good go on with what one of
	// its volumes has. Plan stops the servers, finds out what is on the volumes, and puts
	// what would be done into status.recovery. The hash of that plan approves it. Removing
	// the field instead starts the servers again as they were. While a server leads, this is
	// refused.
	// +kubebuilder:validation:Pattern=`^(Plan|[0-9a-f]{32})$`
	// +optional
	RecoverQuorum string `json:"recoverQuorum,omitempty"`
}

// ServerServiceAccount is the ServiceAccount of the servers.
type ServerServiceAccount struct {
	// name is the name of the ServiceAccount. The default is <name>-serviceaccount.
	// +optional
	Name string `json:"name,omitempty"`
	// annotations are put on the ServiceAccount, for cloud identities for example.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// WorkloadHardening turns on further protections of the pods.
type WorkloadHardening struct {
	// appArmorEnabled runs the containers under the AppArmor profile of the
	// container runtime.
	// +optional
	AppArmorEnabled *bool `json:"appArmorEnabled,omitempty"`
}

// InitContainerSpec is the container that prepares the configuration.
type InitContainerSpec struct {
	// enabled says whether there is such a container.
	// +kubebuilder:default=true
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// image is the image of the container.
	// +optional
	Image string `json:"image,omitempty"`
}

// StorageSpec is the volume of a server.
type StorageSpec struct {
	// size is the size of the volume, 10Gi for example. It can grow only.
	// +kubebuilder:validation:MinLength=1
	Size string `json:"size"`
	// storageClassName is the StorageClass of the volume. The default is that of
	// the Kubernetes cluster.
	// +optional
	StorageClassName *string `json:"storageClassName,omitempty"`
}

// ImageVerificationPolicy says what becomes of an image that cannot be verified.
// +enum
type ImageVerificationPolicy string

const (
	// ImageVerificationBlock does not run the image.
	ImageVerificationBlock ImageVerificationPolicy = "Block"
	// ImageVerificationWarn runs the image and says so.
	ImageVerificationWarn ImageVerificationPolicy = "Warn"
)

// ImageVerificationSpec says whose signatures an image must carry: those of a
// public key, or of an identity that an issuer vouches for.
type ImageVerificationSpec struct {
	// enabled turns the verification on.
	Enabled bool `json:"enabled"`
	// failurePolicy says what becomes of an image that cannot be verified.
	// +kubebuilder:validation:Enum=Warn;Block
	// +kubebuilder:default=Block
	FailurePolicy ImageVerificationPolicy `json:"failurePolicy"`
	// publicKey is the PEM-encoded public key of the signatures.
	// +optional
	PublicKey string `json:"publicKey,omitempty"`
	// issuer is the OIDC issuer of the signer, where there is no public key.
	// +optional
	Issuer string `json:"issuer,omitempty"`
	// subject is the identity of the signer, where there is no public key.
	// +optional
	Subject string `json:"subject,omitempty"`
	// ignoreTlog does without an entry in the transparency log.
	// +kubebuilder:default=false
	// +optional
	IgnoreTlog *bool `json:"ignoreTlog,omitempty"`
	// imagePullSecrets are the Secrets that signatures are fetched with.
	// +optional
	ImagePullSecrets []LocalObjectReference `json:"imagePullSecrets,omitempty"`
}
