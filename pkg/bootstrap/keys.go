// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
)

// signingKeys decides and reports which keys of the API server the server accepts.
type signingKeys struct{ *task }

// followKeys decides which keys the config must hold. The record is about the
// keys that it is known to hold. keepOld keeps those whose overlap has ended.
func (t signingKeys) followKeys(keepOld bool) {
	record := t.record()
	if record == nil {
		record = &openbaov1alpha1.AuthorizationStatus{}
	}
	if t.settings.ReadsKeys {
		// They decide nothing: the contract holds none.
		t.keys = authz.FollowResult{Keys: t.issuer.Keys}
		return
	}
	t.keys = authz.FollowKeys(authz.FollowInput{
		Published: t.issuer.Keys, Recorded: record.SigningKeys, Now: t.now,
		Overlap: t.settings.SigningKeyOverlap,
		DropOld: t.settings.DropOldKeys != "" && t.settings.DropOldKeys != record.DroppedOldSigningKeys,
		KeepOld: keepOld,
	})
	record.SigningKeys = stillHeld(record.SigningKeys, t.keys.Status, metav1.NewTime(t.now).Rfc3339Copy())
}

// stillHeld brings what is recorded of the held keys up to date. Keys that are to
// be added or dropped are so only when that was written.
func stillHeld(held, wanted []openbaov1alpha1.SigningKeyStatus, now metav1.Time) []openbaov1alpha1.SigningKeyStatus {
	held = slices.Clone(held)
	for i, k := range held {
		at := slices.IndexFunc(wanted, func(w openbaov1alpha1.SigningKeyStatus) bool { return w.ID == k.ID && w.PEM == k.PEM })
		switch {
		case at >= 0:
			held[i] = wanted[at]
		case k.LastSeen == nil:
			held[i].LastSeen = &now
		}
	}
	return held
}

// heedDrop records that the annotation which drops old keys was heeded.
func (t signingKeys) heedDrop() {
	t.record().DroppedOldSigningKeys = t.settings.DropOldKeys
}

// sawConfig records which of the keys the server holds, as it was read just now.
func (t signingKeys) sawConfig(config map[string]any) {
	t.keysSeen.confirmed = true
	accepted := authz.ConfigKeys(config)
	var held []openbaov1alpha1.SigningKeyStatus
	for _, list := range [][]openbaov1alpha1.SigningKeyStatus{t.keys.Status, t.record().SigningKeys} {
		for _, k := range list {
			known := slices.ContainsFunc(held, func(h openbaov1alpha1.SigningKeyStatus) bool { return h.ID == k.ID })
			if !known && slices.Contains(accepted, k.PEM) {
				held = append(held, k)
			}
		}
	}
	slices.SortFunc(held, func(a, b openbaov1alpha1.SigningKeyStatus) int { return strings.Compare(a.ID, b.ID) })
	t.record().SigningKeys = held
}

// keysUnknown says that the keys of the API server cannot be read.
func (t signingKeys) keysUnknown(err error) {
	t.keysCondition = &metav1.Condition{
		Type: openbaov1alpha1.ConditionSigningKeysCurrent, Status: metav1.ConditionUnknown, Reason: ReasonIssuerUnavailable,
		Message: text.Sentence("The signing keys of the API server cannot be read: " + err.Error()),
	}
}

// judgeKeys says whether the server accepts what the API server signs. err is
// how the work ended.
func (t signingKeys) judgeKeys(err error) {
	condition := metav1.Condition{Type: openbaov1alpha1.ConditionSigningKeysCurrent}
	defer func() { t.keysCondition = &condition }()
	if problem := asProblem(err); problem != nil && problem.Reason == ReasonLockedOut {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, ReasonLockedOut, problem.Message
		return
	}
	record := t.record()
	if t.settings.ReadsKeys && record != nil && record.Digest != "" {
		condition.Status, condition.Reason = metav1.ConditionTrue, ReasonProvider
		condition.Message = "The server reads the signing keys from the API server by itself."
		return
	}
	if t.keysUnconfirmed() {
		condition.Status, condition.Reason = metav1.ConditionUnknown, ReasonKeysUnconfirmed
		condition.Message = fmt.Sprintf("The server accepts the key that the API server signs with now. Whether it accepts all %d that the API server publishes, no login can show. "+
			"To have them written: %s", len(t.issuer.Keys), t.commands().giveToken())
		return
	}
	if record == nil || len(record.SigningKeys) == 0 {
		condition.Status, condition.Reason = metav1.ConditionUnknown, ReasonNotWritten
		condition.Message = "The signing keys were not written to the server yet; AuthorizationReady says why."
		return
	}
	var missing, retained []string
	for _, k := range t.issuer.Keys {
		if !slices.ContainsFunc(record.SigningKeys, func(h openbaov1alpha1.SigningKeyStatus) bool { return h.PEM == k.PEM }) {
			missing = append(missing, k.ID)
		}
	}
	for _, k := range record.SigningKeys {
		if k.LastSeen != nil {
			until := "until an admin token is given"
			if end := k.LastSeen.Add(t.settings.SigningKeyOverlap); t.enforces() || end.After(t.now) {
				until = "until " + end.UTC().Format(time.RFC3339)
			}
			retained = append(retained, fmt.Sprintf("%s (%s)", k.ID, until))
		}
	}
	if len(missing) > 0 {
		condition.Status, condition.Reason = metav1.ConditionFalse, ReasonKeysMissing
		condition.Message = fmt.Sprintf("The server does not accept these signing keys of the API server: %s. "+
			"Logins with ServiceAccount tokens that they sign fail until the keys are written; AuthorizationReady says what that takes.", strings.Join(missing, ", "))
		return
	}
	condition.Status, condition.Reason = metav1.ConditionTrue, ReasonCurrent
	condition.Message = fmt.Sprintf("The server accepts the signing keys of the API server: %d.", len(t.issuer.Keys))
	if len(retained) > 0 {
		condition.Message += fmt.Sprintf(" It also accepts keys that are no longer published: %s. To drop them now, run: kubectl -n %s annotate openbaocluster %s %s=\"$(date +%%s)\" --overwrite",
			strings.Join(retained, ", "), t.obj.Namespace, t.obj.Name, openbaov1alpha1.AnnotationDropOldSigningKeys)
	}
}

// keysUnconfirmed reports whether the server is known to hold the contract by logins
// alone, which do not show every key; see acceptProofs.
func (t signingKeys) keysUnconfirmed() bool {
	return t.settings.Mode == openbaov1alpha1.AuthorizationOnce && !t.settings.ReadsKeys && t.recordMatches() && len(t.record().SigningKeys) == 0
}
