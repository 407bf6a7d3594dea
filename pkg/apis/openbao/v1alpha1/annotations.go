// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Annotations of an OpenBaoCluster. The first five stand for fields of
// spec.authorization where the installed schema has no such field, and count
// only while the object has none.
const (
	// AnnotationMode stands for spec.authorization.mode, and requests the
	// policies and roles.
	AnnotationMode = "bailiwick.dev/authorization-mode"
	// AnnotationAddress stands for spec.authorization.address.
	AnnotationAddress = "bailiwick.dev/authorization-address"
	// AnnotationProfile stands for spec.authorization.profile.
	AnnotationProfile = "bailiwick.dev/authorization-profile"
	// AnnotationAdminTokenSecret stands for spec.authorization.adminTokenSecretRef:
	// "name", or "name/key".
	AnnotationAdminTokenSecret = "bailiwick.dev/authorization-admin-token-secret" //nolint:gosec // A name, not a credential.

	// AnnotationOperatorServiceAccount stands for
	// spec.authorization.operatorServiceAccount: "name" in the namespace of the
	// object, or "namespace/name".
	AnnotationOperatorServiceAccount = "bailiwick.dev/authorization-operator-service-account"

	// AnnotationDropOldSigningKeys drops the signing keys that the API server no
	// longer publishes now, before their overlap ends, whenever its value changes.
	AnnotationDropOldSigningKeys = "bailiwick.dev/drop-old-signing-keys"

	// AnnotationRecord shows what status.authorization shows where the installed
	// schema has no such field. It is written for people, and proves nothing.
	AnnotationRecord = "bailiwick.dev/authorization-record"
)

// AnnotationTriggerBackup asks for a backup now, whenever its value changes. It is that of
// the openbao-operator, which removes it; here status.backup.handledTrigger has the value
// that was served.
const AnnotationTriggerBackup = "openbao.org/trigger-backup"

// A Secret is sent to a server only if the Secret itself agrees to that: by its
// type or its label, together with the address that it is meant for.
const (
	// SecretTypeCredential is the type of a Secret whose value may be sent to the
	// server at the address in its key CredentialAddressKey.
	SecretTypeCredential = "bailiwick.dev/openbao-credential" //nolint:gosec // A type, not a credential.
	// CredentialAddressKey is the key of a Secret of that type with the address.
	CredentialAddressKey = "address"
	// LabelCredential, with the value "true", stands for the type where something
	// else decides about it.
	LabelCredential = "bailiwick.dev/openbao-credential" //nolint:gosec // A label, not a credential.
	// AnnotationCredentialAddress stands for the key, together with the label.
	AnnotationCredentialAddress = "bailiwick.dev/openbao-address" //nolint:gosec // An annotation, not a credential.
)
