// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// authorize brings the contract onto the server. It returns the message of the
// condition if the server holds the contract, or a Problem if it does not.
func (t *task) authorize(ctx context.Context) (string, error) {
	if t.recordError != nil {
		return "", t.recordError
	}
	var err error
	if t.settings, err = authz.SettingsOf(t.obj, t.runsServers); err != nil {
		return "", desiredProblem(err)
	}
	if !t.selfInits() || t.runsServers {
		t.firstStart().withdrawInit(ctx)
	}
	if err := t.deriveAudience(ctx); err != nil {
		return "", err
	}
	if !authz.Requested(t.obj, t.runsServers) {
		return "", t.withdraw(ctx)
	}
	if err := t.want(ctx); err != nil {
		return "", err
	}
	if t.runsServers && !t.initialized() {
		return "", waitForServers()
	}
	t.firstStart().publishInit(ctx)
	if t.settings.Mode == openbaov1alpha1.AuthorizationOnce {
		t.server().endLogin(ctx)
		err = t.once(ctx)
	} else {
		err = t.observeOrEnforce(ctx)
	}
	if err == nil {
		err = t.tokens().answerWithToken(ctx)
	}
	t.signing().judgeKeys(err)
	if err != nil {
		return "", err
	}
	return t.appliedMessage(), nil
}

// want finds out what the server must hold.
func (t *task) want(ctx context.Context) error {
	var err error
	if t.issuer, err = t.opts.Issuer(ctx); err != nil {
		t.signing().keysUnknown(err)
		return issuerProblem(err)
	}
	for _, key := range t.issuer.Skipped {
		klog.FromContext(ctx).V(2).Info("Skipped a signing key of the API server", "keyID", key.ID, "reason", key.Reason)
	}
	t.restoring().findRestoreAccount(ctx)
	// Where only an admin token can change the config, keys whose overlap has ended stay
	// until something else requires one.
	if !t.enforces() && t.record() != nil {
		if err := t.desire(true); err != nil || t.recordMatches() {
			return err
		}
	}
	return t.desire(false)
}

// desire finds out the contract for the keys that the config is to hold.
func (t *task) desire(keepOldKeys bool) error {
	t.signing().followKeys(keepOldKeys)
	var err error
	t.contract, err = authz.Desired(t.obj, t.inputs())
	if err != nil {
		return desiredProblem(err)
	}
	t.digest = authz.Digest(t.contract)
	return nil
}

// inputs is what the contract is made from besides the object.
func (t *task) inputs() authz.Inputs {
	return authz.Inputs{
		Issuer: t.issuer.URL, Keys: t.keys.Keys, Audience: t.audience,
		OperatorSubject: t.opts.OperatorSubject, BootstrapperSubject: t.opts.BootstrapperSubject,
		RunsServers: t.runsServers, ServersSubject: t.opts.ServersSubject,
		RestoreAccountUID: t.restore.uid,
	}
}

// once writes with an admin token when the contract changed, and looks at
// nothing otherwise.
func (t *task) once(ctx context.Context) error {
	if t.recordMatches() && t.record().AdminToken != openbaov1alpha1.AdminTokenInUse {
		same, err := t.unchanged(ctx)
		if err != nil {
			return err
		}
		if same && (!t.anyWrong() && !t.signing().keysUnconfirmed() || t.settings.AdminTokenSecretRef == nil) {
			return nil
		}
		if same {
			// The proofs show that the server no longer holds what was written, or cannot
			// show that it holds all of it.
			token, err := t.tokens().adminToken(ctx, need{ReasonProofFailed, ""})
			if err != nil {
				return nil //nolint:nilerr // Without a new token the proofs say what is wrong.
			}
			return t.tokens().write(ctx, token)
		}
	}
	if err := t.reach(ctx); err != nil {
		return err
	}
	if t.recordMatches() {
		return t.tokens().finish(ctx)
	}
	token, err := t.tokens().adminToken(ctx, t.tokens().firstNeed())
	if err != nil && t.firstStart().mayHoldByItself() {
		t.byProof = err
		t.firstStart().beginProofs()
		return nil
	}
	if err != nil {
		return err
	}
	return t.tokens().write(ctx, token)
}

// recordMatches reports whether the record says that the server named in it holds the
// contract.
func (t *task) recordMatches() bool {
	record := t.record()
	return record != nil && record.Digest == t.digest && record.Namespace == t.settings.Namespace
}

// unchanged reports whether it still is the same server, as far as that can be seen
// without a login. A server that does not answer does not undo what was written to it.
func (t *task) unchanged(ctx context.Context) (same bool, err error) {
	record := t.record()
	health, err := t.health(ctx)
	if err == nil && health.ClusterID != record.Server {
		return false, nil
	}
	if err != nil {
		if !t.sameRoute() {
			return false, err
		}
		t.unavailable = asProblem(err)
	} else if !t.sameRoute() {
		// Anyone can repeat the id of a cluster. The route is recorded when an identity
		// was let in on it.
		record.ProvedAt = nil
	}
	t.incumbent = t.claimant().wasIncumbent(record, record.Server)
	t.signing().heedDrop()
	return true, nil
}

// health asks for the state of the server, without a login. The error is a Problem.
func (t *task) health(ctx context.Context) (openbao.Health, error) {
	server, err := t.server().connect(ctx, openbao.Token{})
	if err != nil {
		return openbao.Health{}, err
	}
	health, err := server.Health(ctx)
	if err == nil {
		t.version = health.Version
		err = t.server().healthProblem(health)
	}
	if err != nil {
		return health, t.server().serverProblem(err)
	}
	return health, nil
}

// reach makes sure that the server is there and can be worked with. Where it is another
// one than is recorded, the record begins again; report keeps the one of before until
// the new server was claimed with a login.
func (t *task) reach(ctx context.Context) error {
	health, err := t.health(ctx)
	if err != nil {
		return err
	}
	record := t.record()
	t.incumbent = t.claimant().wasIncumbent(record, health.ClusterID)
	if record != nil && record.Server == health.ClusterID && record.Namespace == t.settings.Namespace {
		return nil
	}
	fresh := &openbaov1alpha1.AuthorizationStatus{Server: health.ClusterID, Namespace: t.settings.Namespace, Audience: t.audience}
	if record != nil {
		// What is recorded of another server says nothing about this one.
		t.previous, fresh.AdminTokenSecretVersion = record, record.AdminTokenSecretVersion
	}
	t.obj.Status.Authorization = fresh
	return nil
}

// sameRoute reports whether the server is reached as it is recorded.
func (t *task) sameRoute() bool {
	record := t.record()
	return record.Address == t.settings.Address && record.TLSServerName == t.settings.TLSServerName
}

// proofOfServer records, in mode Once, that the server lets in an identity of the
// object: that stands for a login of the bootstrapper, which this mode has not.
func (t *task) proofOfServer() {
	record := t.record()
	if t.settings.Mode != openbaov1alpha1.AuthorizationOnce || record.Digest == "" {
		return
	}
	letIn := slices.ContainsFunc(record.Identities, func(i openbaov1alpha1.IdentityStatus) bool {
		return i.State == openbaov1alpha1.Proved && i.ProvedAt.Equal(stamp(t))
	})
	if !letIn {
		return
	}
	t.recordRoute()
	if record.Claim == nil {
		record.Claim = &openbaov1alpha1.ServerClaimStatus{}
	}
	if at := record.Claim.ConfirmedAt; at == nil || t.elapsed(at, t.opts.ProofInterval) {
		record.Claim.ConfirmedAt = stamp(t)
	}
}

// recordRoute records how the server was reached, so that what is on it can be
// removed when the spec no longer says that.
func (t *task) recordRoute() {
	record := t.record()
	record.Address, record.TLSServerName = t.settings.Address, t.settings.TLSServerName
	record.CABundle, record.CASecretRef = t.settings.CABundle, t.settings.CASecretRef
	record.ClientCertSecretRef = t.settings.ClientCertSecretRef
}

// takeRoute goes the way that is recorded. Where only the address is, the CA is where
// the settings say.
func (t *task) takeRoute() {
	record := t.record()
	t.settings.Address, t.settings.Namespace, t.settings.ClientCertSecretRef = record.Address, record.Namespace, record.ClientCertSecretRef
	if record.CABundle == "" && record.CASecretRef == nil {
		return
	}
	t.settings.CABundle, t.settings.CASecretRef, t.settings.TLSServerName = record.CABundle, record.CASecretRef, record.TLSServerName
}

// mayWrite asks for leave to write to a server.
func (t *task) mayWrite() error {
	if err := t.opts.Gate(); err != nil {
		return fmt.Errorf("%w: %w", errMayNotWrite, err)
	}
	return nil
}

func (t *task) recorded() authz.Recorded {
	record := t.record()
	return authz.Recorded{Mount: record.Mount, MountCreated: record.MountCreated, Config: record.ConfigWritten, Policies: record.Policies, Roles: record.Roles}
}

// recordHeld records that the server was seen to hold the whole contract.
func (t *task) recordHeld() {
	record := t.record()
	if record.Digest != t.digest {
		record.ProvedAt, record.RefusalsProvedAt = nil, nil
	}
	record.Mount, record.ConfigWritten, record.Pending = t.contract.Mount.Path, true, nil
	record.Issuer = t.contract.Config.BoundIssuer
	record.Audience, record.LegacyAudience = t.audience, ""
	record.SigningKeys = t.keys.Status
	record.Policies = distinct(t.contract.PolicyNames())
	t.recordRoles()
	record.Digest = t.digest
	record.Plan = nil
	record.RootEquivalent = authz.RootEquivalent(t.contract)
	t.signing().heedDrop()
}

// distinct returns the sorted set of names.
func distinct(lists ...[]string) []string {
	names := slices.Concat(lists...)
	slices.Sort(names)
	return slices.Compact(names)
}

func (t *task) appliedMessage() string {
	record := t.record()
	message := fmt.Sprintf("Server %s holds the mount %s, %d policies and %d roles.",
		record.Server, record.Mount, len(distinct(record.Policies, t.intents().pending(authz.KindPolicy))), len(distinct(record.Roles, t.intents().pending(authz.KindRole))))
	switch ref := t.settings.AdminTokenSecretRef; {
	case record.AdminToken == openbaov1alpha1.AdminTokenUnknown && ref != nil:
		message += fmt.Sprintf(" The admin token of Secret %s could not be revoked: revoke it with \"bao token revoke -self\" as that token, then delete the Secret.", ref.Name)
	case record.AdminToken == openbaov1alpha1.AdminTokenRevoked && ref != nil:
		message += fmt.Sprintf(" The admin token was revoked; the Secret can be deleted: kubectl -n %s delete secret %s", t.obj.Namespace, ref.Name)
	}
	if n := len(t.issuer.Skipped); n > 0 {
		message += fmt.Sprintf(" Signing keys of the API server that OpenBao cannot use were left out: %d (%s).", n, skippedNames(t.issuer.Skipped))
	}
	return message
}

// stamp is a time as the status has it.
func stamp(t *task) *metav1.Time {
	now := metav1.NewTime(t.now).Rfc3339Copy()
	return &now
}
