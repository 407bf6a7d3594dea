// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// BackupSpec says when snapshots are taken and where they go, and requests the
// identity of the backup job.
type BackupSpec struct {
	// schedule says when, as a cron expression of five fields.
	// +kubebuilder:validation:MinLength=1
	// +optional
	Schedule string `json:"schedule,omitempty"`

	// timeZone is the time zone of the schedule, Europe/Berlin for example. The default
	// is UTC.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	TimeZone string `json:"timeZone,omitempty"`

	// target says where the snapshots go.
	// +optional
	Target *BackupTarget `json:"target,omitempty"`

	// spool is where a snapshot is verified before it is stored.
	// +optional
	Spool *BackupSpool `json:"spool,omitempty"`

	// encryption encrypts snapshots before they are stored, to keys of which Bailiwick has
	// only the public ones. The default is that they are stored as the server made them.
	// +optional
	Encryption *BackupEncryption `json:"encryption,omitempty"`

	// jwtAuthRole names the JWT role of the backup job. The policy keeps its name.
	// The default is openbao-operator-backup.
	// +optional
	JWTAuthRole string `json:"jwtAuthRole,omitempty"`

	// tokenSecretRef names the Secret with an OpenBao token, in place of a JWT role.
	// +optional
	TokenSecretRef *LocalObjectReference `json:"tokenSecretRef,omitempty"`

	// retention says which snapshots are deleted. The default is none.
	// +optional
	Retention *BackupRetention `json:"retention,omitempty"`

	// image is the container image of the job.
	// +optional
	Image string `json:"image,omitempty"`
}

// BackupSpool is room for one snapshot on the node of the job.
type BackupSpool struct {
	// size is how large a snapshot may be. The default is 10Gi.
	// +optional
	Size *resource.Quantity `json:"size,omitempty"`
}

// BackupEncryption is who can read what is stored. Keys of one kind only can be used.
type BackupEncryption struct {
	// ageRecipients are recipients of age, as age-keygen -y prints them.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=atomic
	// +optional
	AgeRecipients []string `json:"ageRecipients,omitempty"`
	// pgpPublicKeys are public keys of OpenPGP, as gpg --armor --export prints one.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=65536
	// +listType=atomic
	// +optional
	PGPPublicKeys []string `json:"pgpPublicKeys,omitempty"`
}

// BackupRetention says which snapshots are deleted.
type BackupRetention struct {
	// maxCount is how many are kept; 0 keeps all.
	// +kubebuilder:validation:Minimum=0
	// +optional
	MaxCount *int32 `json:"maxCount,omitempty"`
	// maxAge is how long one is kept, 168h for example.
	// +optional
	MaxAge string `json:"maxAge,omitempty"`
}

// BackupProvider is a kind of object storage.
// +enum
type BackupProvider string

const (
	// BackupS3 is Amazon S3, and what speaks its API.
	BackupS3 BackupProvider = "s3"
	// BackupGCS is Google Cloud Storage.
	BackupGCS BackupProvider = "gcs"
	// BackupAzure is Azure Blob Storage.
	BackupAzure BackupProvider = "azure"
)

// BackupTarget is a place for snapshots in object storage.
type BackupTarget struct {
	// provider is the kind of the storage.
	// +kubebuilder:validation:Enum=s3;gcs;azure
	// +kubebuilder:default=s3
	// +optional
	Provider BackupProvider `json:"provider,omitempty"`
	// endpoint is the address of the storage, where it is not the provider's own.
	// +optional
	Endpoint string `json:"endpoint,omitempty"`
	// bucket is the name of the bucket or container.
	// +kubebuilder:validation:MinLength=1
	Bucket string `json:"bucket"`
	// pathPrefix is what the names of the snapshots begin with.
	// +optional
	PathPrefix string `json:"pathPrefix,omitempty"`
	// credentialsSecretRef names the Secret with the credentials. The default is
	// the identity of the pod.
	// +optional
	CredentialsSecretRef *LocalObjectReference `json:"credentialsSecretRef,omitempty"`
	// partSize is the size of the parts of an upload, in bytes.
	// +kubebuilder:validation:Minimum=5242880
	// +kubebuilder:default=10485760
	// +optional
	PartSize *int64 `json:"partSize,omitempty"`
	// concurrency is how many parts are uploaded in parallel. To GCS it is always one.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	// +kubebuilder:default=3
	// +optional
	Concurrency *int32 `json:"concurrency,omitempty"`
	// region is the region of an S3 bucket.
	// +kubebuilder:default="us-east-1"
	// +optional
	Region string `json:"region,omitempty"`
	// roleArn is the AWS role that the job assumes as its ServiceAccount.
	// +optional
	RoleARN string `json:"roleArn,omitempty"`
	// usePathStyle puts the bucket into the path of S3 URLs, not into the host.
	// +kubebuilder:default=false
	// +optional
	UsePathStyle *bool `json:"usePathStyle,omitempty"`
	// insecureSkipVerify does not check the certificate of the endpoint.
	// +optional
	InsecureSkipVerify *bool `json:"insecureSkipVerify,omitempty"`
	// storageClass is the storage class of new snapshots, for Azure their access tier.
	// The default is that of the bucket.
	// +kubebuilder:validation:MinLength=1
	// +optional
	StorageClass string `json:"storageClass,omitempty"`
	// serverSideEncryption is how the storage encrypts new snapshots, where that is not
	// as the bucket does by itself.
	// +optional
	ServerSideEncryption *ServerSideEncryption `json:"serverSideEncryption,omitempty"`
	// objectLock keeps new snapshots from being deleted by anybody for a time. The bucket
	// must allow that. Azure does it by a policy of the container.
	// +optional
	ObjectLock *ObjectLock `json:"objectLock,omitempty"`
	// gcs are the settings of the provider gcs.
	// +optional
	GCS *GCSTarget `json:"gcs,omitempty"`
	// azure are the settings of the provider azure.
	// +optional
	Azure *AzureTarget `json:"azure,omitempty"`
}

// ServerSideEncryption is how a storage encrypts what it is given.
type ServerSideEncryption struct {
	// algorithm is for S3. The default is aws:kms with a key, and AES256 without.
	// +kubebuilder:validation:Enum=AES256;aws:kms
	// +optional
	Algorithm string `json:"algorithm,omitempty"`
	// key is the name of the key for S3 and GCS, and the encryption scope for Azure.
	// +kubebuilder:validation:MinLength=1
	// +optional
	Key string `json:"key,omitempty"`
}

// ObjectLockMode says who may end an object lock early.
// +enum
type ObjectLockMode string

const (
	// LockGovernance means those with a right of their own.
	LockGovernance ObjectLockMode = "Governance"
	// LockCompliance means nobody.
	LockCompliance ObjectLockMode = "Compliance"
)

// ObjectLock keeps objects from being deleted.
type ObjectLock struct {
	// mode says who may end the lock early: Governance means those with a right of their
	// own, and Compliance nobody.
	// +kubebuilder:validation:Enum=Governance;Compliance
	Mode ObjectLockMode `json:"mode"`
	// retainFor is for how long, 720h for example.
	// +kubebuilder:validation:MinLength=1
	RetainFor string `json:"retainFor"`
}

// GCSTarget are settings of Google Cloud Storage.
type GCSTarget struct {
	// project is the project of the bucket. It is not used: the name of a bucket is enough.
	// +optional
	Project string `json:"project,omitempty"`
}

// AzureTarget are settings of Azure Blob Storage.
type AzureTarget struct {
	// storageAccount is the name of the storage account.
	// +kubebuilder:validation:MinLength=1
	// +optional
	StorageAccount string `json:"storageAccount,omitempty"`
	// container is the container, where it is not the bucket.
	// +optional
	Container string `json:"container,omitempty"`
}

// RestoreSpec requests the identity of the restore job.
type RestoreSpec struct {
	// jwtAuthRole names the JWT role of the restore job. The policy keeps its name.
	// The default is openbao-operator-restore.
	// +optional
	JWTAuthRole string `json:"jwtAuthRole,omitempty"`
}
