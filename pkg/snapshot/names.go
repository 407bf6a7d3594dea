// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

const (
	snapshotSuffix = ".snap"
	manifestSuffix = ".manifest.json"
	pendingSuffix  = ".pending.json"
)

// Folder returns what the names of all snapshots of a cluster begin with, with a slash at
// the end. The layout is that of the openbao-operator.
func Folder(pathPrefix, namespace, cluster string) string {
	folder := namespace + "/" + cluster + "/"
	if prefix := strings.Trim(pathPrefix, "/"); prefix != "" {
		folder = prefix + "/" + folder
	}
	return folder
}

// Name returns the name of a snapshot. That of an operation is the same whenever it is
// asked for, and no other operation has it.
func Name(folder string, kind Kind, at time.Time, operation string) string {
	sum := sha256.Sum256([]byte(operation))
	before := ""
	if kind == PreUpgrade {
		before = "pre-upgrade-"
	}
	return folder + before + at.UTC().Format("2006-01-02T15-04-05Z") + "-" + hex.EncodeToString(sum[:4]) + snapshotSuffix
}

// IsSnapshot reports whether a name can be that of a snapshot.
func IsSnapshot(name string) bool { return strings.HasSuffix(name, snapshotSuffix) }

// ManifestOf returns the name of the manifest of a snapshot.
func ManifestOf(snapshot string) string { return snapshot + manifestSuffix }

// SnapshotOf returns the name of the snapshot that a manifest is for; ok is false where the
// name is not that of a manifest.
func SnapshotOf(manifest string) (snapshot string, ok bool) {
	snapshot, ok = strings.CutSuffix(manifest, manifestSuffix)
	return snapshot, ok && strings.HasSuffix(snapshot, snapshotSuffix)
}

// PendingOf returns the name of what says that a snapshot is being stored.
func PendingOf(snapshot string) string { return snapshot + pendingSuffix }

// SnapshotOfPending returns the name of the snapshot that is being stored; ok is false where
// the name is not that of a Pending.
func SnapshotOfPending(name string) (snapshot string, ok bool) {
	snapshot, ok = strings.CutSuffix(name, pendingSuffix)
	return snapshot, ok && strings.HasSuffix(snapshot, snapshotSuffix)
}

// InFolder reports whether a name is in the folder itself, and in none below it.
func InFolder(folder, name string) bool {
	rest, ok := strings.CutPrefix(name, folder)
	return ok && rest != "" && !strings.Contains(rest, "/")
}

func baseName(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// BaseName returns the name without its folder.
func BaseName(name string) string { return baseName(name) }
