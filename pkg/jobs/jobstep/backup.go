// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package jobstep

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/encryption"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot"
)

// Steps of backups.
const (
	// Backup takes a snapshot, verifies it and publishes it.
	Backup = "backup"
	// Retain deletes the snapshots that have expired.
	Retain = "retain"
)

// Folders of the Jobs of backups.
const (
	// TokenDir has the token of the ServiceAccount for the servers, in TokenFile.
	TokenDir  = "/var/run/secrets/bailiwick.dev/openbao"
	TokenFile = "token"
	// CloudTokenDir has the one for a cloud provider, in TokenFile.
	CloudTokenDir = "/var/run/secrets/bailiwick.dev/cloud"
	// CredentialsDir has the keys of the Secret with the credentials of the store.
	CredentialsDir = "/var/run/secrets/bailiwick.dev/store"
	// SpoolDir has room for a snapshot.
	SpoolDir = "/spool"
)

// Target is where snapshots are kept. The fields are those of objectstore.Target.
type Target struct {
	Provider            string        `json:"provider"`
	Endpoint            string        `json:"endpoint,omitempty"`
	Bucket              string        `json:"bucket"`
	Region              string        `json:"region,omitempty"`
	UsePathStyle        bool          `json:"usePathStyle,omitempty"`
	RoleARN             string        `json:"roleARN,omitempty"`
	InsecureSkipVerify  bool          `json:"insecureSkipVerify,omitempty"`
	StorageAccount      string        `json:"storageAccount,omitempty"`
	StorageClass        string        `json:"storageClass,omitempty"`
	EncryptionAlgorithm string        `json:"encryptionAlgorithm,omitempty"`
	EncryptionKey       string        `json:"encryptionKey,omitempty"`
	LockMode            string        `json:"lockMode,omitempty"`
	LockFor             time.Duration `json:"lockFor,omitempty"`
	PartSize            int           `json:"partSize,omitempty"`
	Concurrency         int           `json:"concurrency,omitempty"`
	// CredentialsSecret is the name of the Secret with the credentials. Where it is not
	// empty, the identity of the pod is not used in its place.
	CredentialsSecret string `json:"credentialsSecret,omitempty"`
}

// Operation is what a Job is part of.
type Operation struct {
	UID string `json:"uid"`
	// Fence is the number of the lock of the cluster that it was started under.
	Fence int32 `json:"fence"`
	// Deadline is when it must not act any more.
	Deadline time.Time `json:"deadline"`
}

// BackupRequest is the argument of Backup. It holds no secret.
type BackupRequest struct {
	Operation Operation `json:"operation"`
	Target    Target    `json:"target"`
	// Name is the name of the snapshot in the bucket.
	Name      string        `json:"name"`
	Kind      snapshot.Kind `json:"kind"`
	StartedAt time.Time     `json:"startedAt"`
	// Servers are the addresses of the servers of the cluster, and CABundle what they are
	// verified with.
	Servers  []string `json:"servers"`
	CABundle string   `json:"caBundle"`
	// Mount and Role are what it logs in with.
	Mount string `json:"mount"`
	Role  string `json:"role"`
	// Cluster and Contract are for the manifest. A server of another cluster is left.
	Cluster  snapshot.Cluster  `json:"cluster"`
	Contract snapshot.Contract `json:"contract"`
	// SpoolLimit is how large a snapshot may be.
	SpoolLimit int64 `json:"spoolLimit"`
	// Encryption has the public keys that the snapshot is encrypted to. There may be none.
	Encryption encryption.Keys `json:"encryption,omitzero"`
}

// BackupResult is what Backup reports.
type BackupResult struct {
	Name      string    `json:"name"`
	Bucket    string    `json:"bucket"`
	Digest    string    `json:"sha256"`
	Size      int64     `json:"size"`
	Index     uint64    `json:"index"`
	Term      uint64    `json:"term"`
	Version   string    `json:"version"`
	SealKeyID string    `json:"sealKeyID,omitempty"`
	TakenAt   time.Time `json:"takenAt"`
	// Found says that it was published by an earlier run of the same operation.
	Found bool `json:"found,omitempty"`
}

// RetainRequest is the argument of Retain. It holds no secret.
type RetainRequest struct {
	Operation Operation `json:"operation"`
	Target    Target    `json:"target"`
	// Folder is where the snapshots of the cluster are. ClusterID and ClusterUID say which
	// are its own: what the servers call their cluster, and the UID of the OpenBaoCluster.
	Folder     string `json:"folder"`
	ClusterID  string `json:"clusterID"`
	ClusterUID string `json:"clusterUID"`
	// Keep is the snapshot that was just published. It is never deleted, and nothing is
	// unless it is there.
	Keep     Kept          `json:"keep"`
	MaxCount int           `json:"maxCount,omitempty"`
	MaxAge   time.Duration `json:"maxAge,omitempty"`
}

// Kept is a snapshot that must stay.
type Kept struct {
	Name string `json:"name"`
	// Digest is that of its manifest.
	Digest string `json:"sha256"`
}

// RetainResult is what Retain reports.
type RetainResult struct {
	// Kept and Deleted count snapshots with a manifest of the cluster. Held are those that
	// have expired and that the store does not let go yet.
	Kept    int `json:"kept"`
	Deleted int `json:"deleted"`
	Held    int `json:"held,omitempty"`
	// Future are those that are kept because they were taken later than now, as they say.
	Future int `json:"future,omitempty"`
	// Foreign counts snapshots whose manifest is that of another OpenBaoCluster: an original,
	// a copy, or an earlier one of the same name. Unreadable counts manifests that could not
	// be read. Both are left as they are.
	Foreign    int `json:"foreign,omitempty"`
	Unreadable int `json:"unreadable,omitempty"`
	// Unfinished counts snapshots of operations that ended before there was a manifest, and
	// that were deleted.
	Unfinished int `json:"unfinished,omitempty"`
	// Ignored counts other objects in the folder that no manifest stands for.
	Ignored int `json:"ignored,omitempty"`
}

// Failures of the steps of backups, as they are reported. They are the reasons that the
// status shows.
const (
	// ReasonStoreFailed and the next ones are about the object store.
	ReasonStoreFailed      = "StoreFailed"
	ReasonStoreCredentials = "StoreCredentials"
	ReasonBucketMissing    = "BucketMissing"
	ReasonStoreUnreachable = "StoreUnreachable"
	ReasonStoreUntrusted   = "StoreUntrusted"
	// ReasonServerFailed and the next ones are about the servers.
	ReasonServerFailed    = "ServerFailed"
	ReasonLoginRefused    = "LoginRefused"
	ReasonRightsDiffer    = "RightsDiffer"
	ReasonSnapshotDamaged = "SnapshotDamaged"
	// ReasonSpoolTooSmall means that there is too little room.
	ReasonSpoolTooSmall = "SpoolTooSmall"
	// ReasonDeadlinePassed means that it was too late to act.
	ReasonDeadlinePassed = "DeadlinePassed"
	// ReasonRequestInvalid means that the Job was asked for something that cannot be.
	ReasonRequestInvalid = "RequestInvalid"
)

// KnownReasons returns the reasons that a step of a backup can report.
func KnownReasons() []string {
	return []string{
		ReasonStoreFailed, ReasonStoreCredentials, ReasonBucketMissing, ReasonStoreUnreachable, ReasonStoreUntrusted, ReasonServerFailed,
		ReasonLoginRefused, ReasonRightsDiffer, ReasonSnapshotDamaged, ReasonSpoolTooSmall, ReasonDeadlinePassed, ReasonRequestInvalid,
	}
}

// CredentialKeys returns the keys of the Secret with the credentials that the program
// reads. They are those of the openbao-operator, and objectstore knows what they are.
func CredentialKeys() []string {
	return []string{"accessKeyId", "secretAccessKey", "sessionToken", "region", "caCert", "credentials.json", "accountKey", "connectionString"}
}

const requestFlag = "--request="

// BackupArgs are the arguments of Backup.
func BackupArgs(r BackupRequest) ([]string, error) { return requestArgs(Backup, r) }

// RetainArgs are the arguments of Retain.
func RetainArgs(r RetainRequest) ([]string, error) { return requestArgs(Retain, r) }

func requestArgs(step string, request any) ([]string, error) {
	raw, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encode the request of a Job: %w", err)
	}
	// The kubelet replaces $(NAME) in arguments, and $$ stands for $ there.
	return []string{step, requestFlag + strings.ReplaceAll(string(raw), "$", "$$")}, nil
}

// ParseRequest reads the request of a step of a backup, as the program finds it.
func ParseRequest[T any](args []string) (T, error) {
	var request T
	if len(args) != 1 || !strings.HasPrefix(args[0], requestFlag) {
		return request, fmt.Errorf("the only argument is %sJSON", requestFlag)
	}
	err := json.Unmarshal([]byte(strings.TrimPrefix(args[0], requestFlag)), &request)
	if err != nil {
		err = fmt.Errorf("read the request: %w", err)
	}
	return request, err
}
