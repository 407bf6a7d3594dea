// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// UnsealType says what unseals the servers.
// +enum
type UnsealType string

const (
	// UnsealStatic unseals with a key from a file.
	UnsealStatic UnsealType = "static"
	// UnsealAWSKMS unseals with a key of AWS KMS.
	UnsealAWSKMS UnsealType = "awskms"
	// UnsealGCPCloudKMS unseals with a key of Google Cloud KMS.
	UnsealGCPCloudKMS UnsealType = "gcpckms"
	// UnsealAzureKeyVault unseals with a key of Azure Key Vault.
	UnsealAzureKeyVault UnsealType = "azurekeyvault"
	// UnsealTransit unseals with a key of the transit engine of another OpenBao.
	UnsealTransit UnsealType = "transit"
	// UnsealKMIP unseals with a key of a KMIP server.
	UnsealKMIP UnsealType = "kmip"
	// UnsealOCIKMS unseals with a key of OCI KMS.
	UnsealOCIKMS UnsealType = "ocikms"
	// UnsealPKCS11 unseals with a key of a hardware security module.
	UnsealPKCS11 UnsealType = "pkcs11"
)

// UnsealSpec says what unseals the servers. The block of the type applies.
//
// A credential in one of the blocks stands in the object for everybody who may
// read it: credentialsSecretRef keeps it in a Secret.
type UnsealSpec struct {
	// type says what unseals the servers.
	// +kubebuilder:validation:Enum=static;awskms;gcpckms;azurekeyvault;transit;kmip;ocikms;pkcs11
	// +kubebuilder:default=static
	// +optional
	Type UnsealType `json:"type,omitempty"`
	// credentialsSecretRef names the Secret with credentials. The servers get its
	// keys as environment variables, and as files in /etc/bao/seal-creds.
	// +optional
	CredentialsSecretRef *LocalObjectReference `json:"credentialsSecretRef,omitempty"`
	// static are the settings of the type static.
	// +optional
	Static *StaticUnseal `json:"static,omitempty"`
	// awskms are the settings of the type awskms.
	// +optional
	AWSKMS *AWSKMSUnseal `json:"awskms,omitempty"`
	// gcpCloudKMS are the settings of the type gcpckms.
	// +optional
	GCPCloudKMS *GCPCloudKMSUnseal `json:"gcpCloudKMS,omitempty"`
	// azureKeyVault are the settings of the type azurekeyvault.
	// +optional
	AzureKeyVault *AzureKeyVaultUnseal `json:"azureKeyVault,omitempty"`
	// transit are the settings of the type transit.
	// +optional
	Transit *TransitUnseal `json:"transit,omitempty"`
	// kmip are the settings of the type kmip.
	// +optional
	KMIP *KMIPUnseal `json:"kmip,omitempty"`
	// ocikms are the settings of the type ocikms.
	// +optional
	OCIKMS *OCIKMSUnseal `json:"ocikms,omitempty"`
	// pkcs11 are the settings of the type pkcs11.
	// +optional
	PKCS11 *PKCS11Unseal `json:"pkcs11,omitempty"`
}

// StaticUnseal unseals with a key from a file.
type StaticUnseal struct {
	// currentKey is the URL of the file. The default is
	// file:///etc/bao/unseal/key, from the Secret <name>-unseal-key.
	// +optional
	CurrentKey string `json:"currentKey,omitempty"`
	// currentKeyID is the name of the key. The default is operator-generated-v1.
	// +optional
	CurrentKeyID string `json:"currentKeyID,omitempty"`
}

// AWSKMSUnseal unseals with a key of AWS KMS.
type AWSKMSUnseal struct {
	// region is the AWS region of the key.
	// +kubebuilder:validation:MinLength=1
	Region string `json:"region"`
	// kmsKeyID is the id or ARN of the key.
	// +kubebuilder:validation:MinLength=1
	KMSKeyID string `json:"kmsKeyID"`
	// endpoint is the address of the API, where it is not that of the region.
	// +optional
	Endpoint string `json:"endpoint,omitempty"`
	// accessKey is an access key id.
	// +optional
	AccessKey string `json:"accessKey,omitempty"`
	// secretKey is the secret of the access key.
	// +optional
	SecretKey string `json:"secretKey,omitempty"`
	// sessionToken is the token of a temporary access key.
	// +optional
	SessionToken string `json:"sessionToken,omitempty"`
}

// GCPCloudKMSUnseal unseals with a key of Google Cloud KMS.
type GCPCloudKMSUnseal struct {
	// project is the project of the key.
	// +kubebuilder:validation:MinLength=1
	Project string `json:"project"`
	// region is the location of the key ring.
	// +kubebuilder:validation:MinLength=1
	Region string `json:"region"`
	// keyRing is the key ring of the key.
	// +kubebuilder:validation:MinLength=1
	KeyRing string `json:"keyRing"`
	// cryptoKey is the name of the key.
	// +kubebuilder:validation:MinLength=1
	CryptoKey string `json:"cryptoKey"`
	// credentials is the file of a service account key. The default is the
	// identity of the pod.
	// +optional
	Credentials string `json:"credentials,omitempty"`
}

// AzureKeyVaultUnseal unseals with a key of Azure Key Vault.
type AzureKeyVaultUnseal struct {
	// vaultName is the name of the key vault.
	// +kubebuilder:validation:MinLength=1
	VaultName string `json:"vaultName"`
	// keyName is the name of the key.
	// +kubebuilder:validation:MinLength=1
	KeyName string `json:"keyName"`
	// tenantID is the id of the tenant.
	// +optional
	TenantID string `json:"tenantID,omitempty"`
	// clientID is the id of the application.
	// +optional
	ClientID string `json:"clientID,omitempty"`
	// clientSecret is the secret of the application.
	// +optional
	ClientSecret string `json:"clientSecret,omitempty"`
	// resource is the DNS suffix of the service, vault.azure.net for example.
	// +optional
	Resource string `json:"resource,omitempty"`
	// environment is the Azure cloud.
	// +optional
	Environment string `json:"environment,omitempty"`
}

// TransitUnseal unseals with a key of the transit engine of another OpenBao.
type TransitUnseal struct {
	// address is the URL of that OpenBao.
	// +kubebuilder:validation:MinLength=1
	Address string `json:"address"`
	// keyName is the name of the key.
	// +kubebuilder:validation:MinLength=1
	KeyName string `json:"keyName"`
	// mountPath is where the engine is mounted.
	// +kubebuilder:validation:MinLength=1
	MountPath string `json:"mountPath"`
	// namespace is the OpenBao namespace of the engine.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// token is the token to use the key with.
	// +optional
	Token string `json:"token,omitempty"`
	// disableRenewal does not renew the token.
	// +optional
	DisableRenewal *bool `json:"disableRenewal,omitempty"`
	// tlsCACert is the file of the CA that the other server is checked with.
	// +optional
	TLSCACert string `json:"tlsCACert,omitempty"`
	// tlsClientCert is the file of a client certificate.
	// +optional
	TLSClientCert string `json:"tlsClientCert,omitempty"`
	// tlsClientKey is the file of the key of the client certificate.
	// +optional
	TLSClientKey string `json:"tlsClientKey,omitempty"`
	// tlsServerName is the name that the other server's certificate must carry.
	// +optional
	TLSServerName string `json:"tlsServerName,omitempty"`
	// tlsSkipVerify does not check the other server, which hands the token, and
	// what it unseals, to whoever answers.
	// +optional
	TLSSkipVerify *bool `json:"tlsSkipVerify,omitempty"`
}

// KMIPUnseal unseals with a key of a KMIP server. The id of the key is in the Secret of
// credentialsSecretRef, under BAO_KMIP_WRAPPER_KEY_ID.
type KMIPUnseal struct {
	// address is the host and port of the server.
	// +kubebuilder:validation:MinLength=1
	Address string `json:"address"`
	// certificate is the file of the client certificate. It is required.
	// +optional
	Certificate string `json:"certificate,omitempty"`
	// key is the file of the key of the client certificate. It is required.
	// +optional
	Key string `json:"key,omitempty"`
	// caCert is the file of the CA that the server is checked with.
	// +optional
	CACert string `json:"caCert,omitempty"`
	// tlsServerName is the name that the server's certificate must carry.
	// +optional
	TLSServerName string `json:"tlsServerName,omitempty"`
	// tlsSkipVerify must not be true: OpenBao always checks the server.
	// +optional
	TLSSkipVerify *bool `json:"tlsSkipVerify,omitempty"`
}

// OCIKMSUnseal unseals with a key of OCI KMS.
type OCIKMSUnseal struct {
	// keyID is the OCID of the key.
	// +kubebuilder:validation:MinLength=1
	KeyID string `json:"keyID"`
	// cryptoEndpoint is the address that encrypts and decrypts.
	// +kubebuilder:validation:MinLength=1
	CryptoEndpoint string `json:"cryptoEndpoint"`
	// managementEndpoint is the address that manages keys.
	// +kubebuilder:validation:MinLength=1
	ManagementEndpoint string `json:"managementEndpoint"`
	// authType says how the servers log in: instance_principal, which is the default.
	// +optional
	AuthType string `json:"authType,omitempty"`
	// compartmentID must be empty: OpenBao finds the key by keyID.
	// +optional
	CompartmentID string `json:"compartmentID,omitempty"`
}

// PKCS11Unseal unseals with a key of a hardware security module. The PIN is in the Secret
// of credentialsSecretRef, under BAO_HSM_PIN.
type PKCS11Unseal struct {
	// lib is the file of the module's library.
	// +kubebuilder:validation:MinLength=1
	Lib string `json:"lib"`
	// keyLabel is the label of the key.
	// +kubebuilder:validation:MinLength=1
	KeyLabel string `json:"keyLabel"`
	// slot is the slot of the module, in decimal digits. It is required.
	// +optional
	Slot string `json:"slot,omitempty"`
	// pin is the PIN of the slot.
	// +optional
	PIN string `json:"pin,omitempty"`
	// hmacKeyLabel must be empty: OpenBao uses no HMAC key.
	// +optional
	HMACKeyLabel string `json:"hmacKeyLabel,omitempty"`
	// generateKey must not be true: OpenBao makes no key in the module.
	// +optional
	GenerateKey *bool `json:"generateKey,omitempty"`
	// rsaEncryptLocal encrypts outside of the module, with the public key.
	// +optional
	RSAEncryptLocal *bool `json:"rsaEncryptLocal,omitempty"`
	// rsaOAEPHash is the hash of RSA-OAEP.
	// +kubebuilder:validation:Enum=sha1;sha224;sha256;sha384;sha512
	// +optional
	RSAOAEPHash string `json:"rsaOAEPHash,omitempty"`
}
