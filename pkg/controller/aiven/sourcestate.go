// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// digester makes digests of an object's source passwords, for its status: where
// Aiven does not show a password, this is how one that has changed is told from
// the one that was set.
//
// More people may read a status than Secrets, and passwords can be guessed, so the
// digest needs a key that they do not have and that outlives this process. The
// key is derived from the object's Aiven API token. The operator has it anyway, so
// there is no further Secret to keep, and whoever else has it can set the
// password. A token that is replaced makes digests worthless but not the record:
// the Secret's UID and resourceVersion say that nothing has changed, and the digest
// is made again with the new key.
type digester struct {
	key    []byte
	object types.UID
}

// digestPurpose keeps digests apart from any other use of a token as a key.
const digestPurpose = "bailiwick.dev/source-secret-digest"

func newDigester(token string, object types.UID) digester {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(digestPurpose))
	return digester{key: mac.Sum(nil), object: object}
}

// digest includes the object, so that equal passwords do not show as such.
func (d digester) digest(value string) string {
	mac := hmac.New(sha256.New, d.key)
	mac.Write([]byte(d.object))
	mac.Write([]byte{0})
	mac.Write([]byte(value))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// sourceState is the state that a source Secret is in, as far as one value of it
// is concerned.
type sourceState struct {
	uid     types.UID
	version string
	digest  string
}

func (d digester) stateOf(secret *corev1.Secret, value string) *sourceState {
	return &sourceState{uid: secret.UID, version: secret.ResourceVersion, digest: d.digest(value)}
}

// is reports whether the value is the one of a recorded state: the Secret has not
// been changed since, or not that value of it.
func (s *sourceState) is(recorded *v1alpha1.SourceSecretStatus) bool {
	if s == nil || recorded == nil {
		return false
	}
	same := s.uid != "" && s.uid == recorded.UID && s.version == recorded.ResourceVersion
	return same || hmac.Equal([]byte(s.digest), []byte(recorded.Digest))
}

// status returns what to record of the state, nil for none.
func (s *sourceState) status() *v1alpha1.SourceSecretStatus {
	if s == nil {
		return nil
	}
	return &v1alpha1.SourceSecretStatus{UID: s.uid, ResourceVersion: s.version, Digest: s.digest}
}
