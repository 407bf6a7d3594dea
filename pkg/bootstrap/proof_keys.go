// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// Reasons of the condition SigningKeysCurrent, for what logins have shown.
const (
	// ReasonKeysRefused: a login was refused for its signature, or there is no mount
	// that could know a key.
	ReasonKeysRefused = "KeysRefused"
	// ReasonKeysUnconfirmed: no login has shown that the server knows the keys.
	ReasonKeysUnconfirmed = "KeysUnconfirmed"
)

// keysEvidence is what a sync has seen of the keys that the server accepts. What is
// recorded of them only says what was written once.
type keysEvidence struct {
	// confirmed means that a login succeeded, or that the config was read.
	confirmed bool
	// doubt is the condition if nothing confirms the keys.
	doubt *metav1.Condition
}

// sawLogin notes how a login with a token that the API server has just signed ended.
func (t signingKeys) sawLogin(err error) {
	refused := func(status metav1.ConditionStatus, reason, message string) {
		if t.keysSeen.doubt == nil || t.keysSeen.doubt.Status != metav1.ConditionFalse {
			t.keysSeen.doubt = &metav1.Condition{
				Type: openbaov1alpha1.ConditionSigningKeysCurrent, Status: status, Reason: reason, Message: message,
			}
		}
	}
	switch {
	case err == nil:
		t.keysSeen.confirmed = true
	case openbao.IsUnknownKey(err):
		refused(metav1.ConditionFalse, ReasonKeysRefused,
			"The server does not accept the signature of a token that the API server has just signed. AuthorizationReady says how to write the keys.")
	case openbao.IsNotFound(err):
		refused(metav1.ConditionFalse, ReasonKeysRefused, fmt.Sprintf(
			"The server has no auth mount %s, and with it no key of the API server. AuthorizationReady says how to write both.", authz.MountPath))
	case openbao.IsLoginRefused(err):
		refused(metav1.ConditionUnknown, ReasonKeysUnconfirmed, text.Sentence(fmt.Sprintf(
			"No login shows that the server knows the signing keys of the API server: %v", err)))
	}
}

// settleKeys takes the condition of the keys back where it is True only by what is
// recorded, and logins have shown something else: now, or before and nothing since.
func (t signingKeys) settleKeys() {
	condition := t.keysCondition
	if condition == nil || condition.Status != metav1.ConditionTrue || t.keysSeen.confirmed {
		return
	}
	if t.keysSeen.doubt != nil {
		t.keysCondition = t.keysSeen.doubt
		return
	}
	before := meta.FindStatusCondition(t.before.Status.Conditions, openbaov1alpha1.ConditionSigningKeysCurrent)
	if before != nil && (before.Reason == ReasonKeysRefused || before.Reason == ReasonKeysUnconfirmed) {
		t.keysCondition = before.DeepCopy()
	}
}
