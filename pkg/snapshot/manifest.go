// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Format is the format of the manifests that are written.
const Format = 1

// Kind says what a snapshot was taken for.
type Kind string

const (
	// Scheduled snapshots are those of the schedule.
	Scheduled Kind = "Scheduled"
	// Manual ones were asked for by a person.
	Manual Kind = "Manual"
	// PreUpgrade ones were taken before an upgrade. They are not counted among the others.
	PreUpgrade Kind = "PreUpgrade"
)

// Manifest describes a snapshot that was verified. It is written once the snapshot is in
// the storage as a whole, so that a snapshot without one does not count. It holds no
// secret.
type Manifest struct {
	Format int `json:"format"`
	// Snapshot is the name of the snapshot in the same folder.
	Snapshot string `json:"snapshot"`
	// Digest is the SHA-256 of the snapshot, in hexadecimal.
	Digest string `json:"sha256"`
	Size   int64  `json:"size"`
	// Index and Term are those of the last entry of the Raft log in it.
	Index uint64 `json:"index"`
	Term  uint64 `json:"term"`

	Kind    Kind      `json:"kind"`
	TakenAt time.Time `json:"takenAt"`
	Cluster Cluster   `json:"cluster"`
	// Version is that of the server that made it.
	Version string `json:"version"`
	// SealKeyID is the key of the seal that it needs, empty where the seal names none.
	SealKeyID string `json:"sealKeyID,omitempty"`
	// Encryption is how the snapshot was encrypted for the storage beyond what the
	// server and the storage do by themselves. Digest and Size are those of the snapshot
	// itself, and Object is about what the storage holds.
	Encryption string `json:"encryption"`
	// Recipients are the fingerprints of the keys that it was encrypted to.
	Recipients []string `json:"recipients,omitempty"`
	// Object is there only where it was encrypted.
	Object *Object `json:"stored,omitempty"`
	// Contract is the authorization that is in it.
	Contract Contract `json:"contract"`
	// Operation is the operation that took it, and Fence the number of its lock.
	Operation string `json:"operation"`
	Fence     int32  `json:"fence"`
}

// NoEncryption means that the snapshot is stored as the server made it. What is in it is
// encrypted by the server's own keys.
const NoEncryption = "None"

// Object is what the storage holds of a snapshot that was encrypted.
type Object struct {
	// Digest is the SHA-256 of its bytes, in hexadecimal, and Size their number.
	Digest string `json:"sha256"`
	Size   int64  `json:"size"`
}

// Stored returns what the storage holds of the snapshot.
func (m Manifest) Stored() Object {
	if m.Object != nil {
		return *m.Object
	}
	return Object{Digest: m.Digest, Size: m.Size}
}

// Encrypted reports whether a key is needed to read what the storage holds.
func (m Manifest) Encrypted() bool { return m.Encryption != "" && m.Encryption != NoEncryption }

// Cluster identifies a cluster.
type Cluster struct {
	// ID is what the servers call their cluster, for as long as its data lives.
	ID string `json:"id"`
	// Namespace, Name and UID are those of the OpenBaoCluster.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// Same reports whether both are known and the same. A copy that was restored from a snapshot
// has the ID of its original, and another UID.
func (c Cluster) Same(other Cluster) bool {
	return c.ID != "" && c.UID != "" && c.ID == other.ID && c.UID == other.UID
}

// Contract is what tells whether Bailiwick can log in after a restore.
type Contract struct {
	// Issuer is who signs the tokens of ServiceAccounts, and Keys the keys that the
	// servers accept.
	Issuer string `json:"issuer"`
	Keys   []Key  `json:"keys,omitempty"`
	// Audience is the one of tokens for the cluster.
	Audience string `json:"audience"`
	// Digest identifies the mount, policies and roles.
	Digest string `json:"digest,omitempty"`
}

// Key is a key that signs tokens.
type Key struct {
	ID string `json:"id"`
	// Thumbprint is the SHA-256 of the public key, in hexadecimal.
	Thumbprint string `json:"sha256,omitempty"`
}

// manifestLimit is how large a manifest may be.
const manifestLimit = 64 << 10

// Encode returns the bytes of a manifest.
func (m Manifest) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	return append(data, '\n'), err
}

// ReadManifest reads the manifest of that name, and checks that it can be one.
func ReadManifest(name string, r io.Reader) (Manifest, error) {
	var m Manifest
	if err := decode(name, r, &m); err != nil {
		return Manifest{}, err
	}
	if m.Format != Format {
		return Manifest{}, fmt.Errorf("the manifest %s has the format %d; this version knows %d", name, m.Format, Format)
	}
	if err := m.check(); err != nil {
		return Manifest{}, fmt.Errorf("the manifest %s is not whole: %w", name, err)
	}
	// What is deleted with a manifest follows from its own name.
	if snapshot, ok := SnapshotOf(name); !ok || baseName(snapshot) != m.Snapshot {
		return Manifest{}, fmt.Errorf("the manifest %s is that of another snapshot, %q", name, m.Snapshot)
	}
	return m, nil
}

// decode reads a small object.
func decode(name string, r io.Reader, into any) error {
	data, err := io.ReadAll(io.LimitReader(r, manifestLimit+1))
	if err != nil {
		return err
	}
	if len(data) > manifestLimit {
		return fmt.Errorf("the object %s is larger than %d bytes", name, manifestLimit)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("the object %s cannot be read: %w", name, err)
	}
	return nil
}

func (m Manifest) check() error {
	switch {
	case !isDigest(m.Digest):
		return errors.New("it has no digest")
	case m.Size <= 0:
		return errors.New("it has no size")
	case m.Index == 0 || m.Term == 0:
		return errors.New("it has no index or term")
	case m.Cluster.ID == "":
		return errors.New("it names no cluster")
	case m.TakenAt.IsZero():
		return errors.New("it has no time")
	case m.Encrypted() != (m.Object != nil), m.Encrypted() != (len(m.Recipients) > 0):
		return errors.New("it does not say to whom it was encrypted, or what is stored of it")
	case m.Object != nil && (!isDigest(m.Object.Digest) || m.Object.Size <= 0):
		return errors.New("it has no digest or size of what is stored")
	}
	return nil
}

func isDigest(text string) bool {
	return len(text) == 64 && strings.Trim(text, "0123456789abcdef") == ""
}

// Matches reports how an archive differs from what its manifest says, nil if it does not.
func (m Manifest) Matches(a Archive) error {
	switch {
	case a.Size != m.Size:
		return damaged("it has %d bytes, and its manifest says %d", a.Size, m.Size)
	case a.Digest != m.Digest:
		return damaged("its digest is another than its manifest says")
	case a.Index != m.Index || a.Term != m.Term:
		return damaged("its index and term are others than its manifest says")
	}
	return nil
}
