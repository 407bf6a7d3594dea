// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// attempt is how an identity is tried.
type attempt struct {
	// round says that all identities are tried, and not only what was not proved.
	round bool
	// refusals says that wrong subjects and audiences are tried, too.
	refusals bool
	// before is what was found the last time.
	before openbaov1alpha1.IdentityStatus
}

// verdict is what is found about one identity.
type verdict struct {
	openbaov1alpha1.IdentityStatus
}

// mismatch and notProved add what was found. A mismatch stays one, whatever else
// could not be tried.
func (v *verdict) mismatch(format string, args ...any) {
	v.State = openbaov1alpha1.ProofMismatch
	v.say(format, args...)
}

func (v *verdict) notProved(message string) {
	if v.State != openbaov1alpha1.ProofMismatch {
		v.State = openbaov1alpha1.NotProved
	}
	v.say("%s", message)
}

func (v *verdict) say(format string, args ...any) {
	v.Message = strings.TrimSpace(v.Message + " " + fmt.Sprintf(format, args...))
}

// blank is the verdict about an identity that was not tried yet.
func (p *prover) blank(grant authz.Grant) *verdict {
	v := &verdict{openbaov1alpha1.IdentityStatus{
		Role: grant.Role.Name, Identity: string(grant.Identity), Policy: grant.Policy.Name, Subject: grant.Role.Subject,
		State: openbaov1alpha1.Proved,
	}}
	if grant.Identity == authz.RemovePeer {
		v.Server = authz.ServerToRemove(p.obj)
	}
	return v
}

// prove tries one identity. The error is one that says nothing about it, and may
// pass.
func (p *prover) prove(ctx context.Context, grant authz.Grant, how attempt) (openbaov1alpha1.IdentityStatus, error) {
	v := p.blank(grant)
	// What could not be tried to the end keeps the time of what was.
	v.ProvedAt, v.Digest = how.before.ProvedAt, how.before.Digest
	if grant.Role.AwaitsAccount() {
		v.notProved(p.restore.problem)
		return v.IdentityStatus, nil
	}
	if until, ok := p.memory.untilRevoked[grant.Role.Name]; ok && p.now.Before(until) && how.before.Role != "" {
		return how.before, nil
	}
	if grant.Identity == authz.Restore && p.memory.batch != "" {
		v.notProved(fmt.Sprintf("It was not tried: the tokens of role %s cannot be revoked, and a token of the restore identity must not live on.", p.memory.batch))
		return v.IdentityStatus, nil
	}
	audience := grant.Role.Audiences[0]
	jwt, err := p.mint(ctx, grant.Role.Subject, audience)
	if message, final := unmintable(err); final {
		p.unminted = true
		v.notProved(message)
		return v.IdentityStatus, nil
	} else if err != nil {
		return v.IdentityStatus, err
	}
	var d decoy
	if how.refusals {
		if d, err = p.decoyFor(ctx, audience); err != nil {
			return v.IdentityStatus, err
		}
		if d.err != nil && !how.round && how.before.State == openbaov1alpha1.NotProved {
			// Without the decoy it stays not proved: no reason to log in again.
			return how.before, nil
		}
	}
	if err := p.proveRights(ctx, grant, jwt, v); err != nil {
		return v.IdentityStatus, err
	}
	if how.refusals {
		if err := p.proveRefusals(ctx, grant, d, v); err != nil {
			return v.IdentityStatus, err
		}
	}
	if v.State != openbaov1alpha1.NotProved {
		v.ProvedAt, v.Digest = stamp(p.task), p.digest
	}
	return v.IdentityStatus, nil
}

// unmintable returns why there is no token for a ServiceAccount, if trying again
// does not help by itself.
func unmintable(err error) (message string, final bool) {
	var unminted *server.MintError
	if errors.As(err, &unminted) && !unminted.Temporary {
		return unminted.Message, true
	}
	return "", false
}

// proveRights logs in as the identity and compares the token, and what it may do.
func (p *prover) proveRights(ctx context.Context, grant authz.Grant, jwt openbao.Token, v *verdict) error {
	client, login, err := p.server().loginAs(ctx, loginProof, grant.Role.Name, jwt)
	account := subjectName(grant.Role.Subject)
	switch {
	case openbao.IsLoginRefused(err), openbao.IsNotFound(err):
		p.signing().sawLogin(err)
		v.mismatch("%s", text.Sentence(fmt.Sprintf("The ServiceAccount %s cannot log in: %v", account, err)))
		return nil
	case openbao.ClassOf(err) == openbao.MFARequired:
		v.mismatch("The ServiceAccount %s cannot log in: the server asks for a second factor, which no job has. "+
			"Take the mount %s, the entity and its groups out of the login enforcements (bao list identity/mfa/login-enforcement).", account, authz.MountPath)
		return nil
	case err != nil:
		return err
	}
	p.signing().sawLogin(nil)
	defer p.end(ctx, grant, client, login, v)
	for _, differs := range authz.CompareLogin(grant, comparable(login)) {
		v.mismatch("%s", differs)
	}
	capabilities, err := client.CapabilitiesSelf(ctx, p.catalogue...)
	switch {
	case openbao.ClassOf(err) == openbao.PermissionDenied:
		v.mismatch("The token may not ask for its own rights (sys/capabilities-self), which the contract or the policy \"default\" lets it.")
		return nil
	case err != nil && v.State == openbaov1alpha1.ProofMismatch:
		// It shows already that the token is not the contract's, which may be why.
		v.say("%s", text.Sentence(fmt.Sprintf("What it may do could not be asked for: %v", err)))
		return nil
	case err != nil:
		return err
	}
	found := authz.CompareCapabilities(grant, capabilities)
	v.Missing, v.Excess, v.ViaDefault = found.Missing, found.Excess, found.ViaDefault
	if len(found.Missing) > 0 {
		v.mismatch("The token lacks rights of the contract: %s.", some(found.Missing))
	}
	if len(found.Excess) > 0 {
		v.mismatch("The token has rights that neither the contract nor the policy \"default\" gives: %s. "+
			"Check the policy %s, the policies of the role, and those of its entity and groups.", some(found.Excess), grant.Policy.Name)
	}
	return nil
}

// comparable is the answer to a login as the contract is about it.
func comparable(l openbao.Login) authz.Login {
	return authz.Login{
		Policies: l.Policies, TokenPolicies: l.TokenPolicies, IdentityPolicies: l.IdentityPolicies,
		Type: l.Type, TTL: l.TTL, Renewable: l.Renewable, Orphan: l.Orphan, NumUses: l.NumUses,
	}
}

// proveRefusals tries logins that must fail.
func (p *prover) proveRefusals(ctx context.Context, grant authz.Grant, d decoy, v *verdict) error {
	foreign, err := p.mint(ctx, grant.Role.Subject, DecoyAudience)
	message, final := unmintable(err)
	switch {
	case final:
		v.notProved(message)
		err = nil
	case err == nil:
		err = p.proveRefusal(ctx, grant, foreign, v, fmt.Sprintf("A token of its ServiceAccount for the audience %q", DecoyAudience))
	}
	if err != nil {
		return err
	}
	if d.err != nil {
		v.notProved("Whether others are refused was not tried. " + d.err.Message)
		return nil //nolint:nilerr // The proof says it.
	}
	return p.proveRefusal(ctx, grant, d.jwt, v, fmt.Sprintf("The ServiceAccount %s", subjectName(p.opts.DecoySubject)))
}

// proveRefusal tries one login that must fail. Only a server that has understood the
// login has refused it.
func (p *prover) proveRefusal(ctx context.Context, grant authz.Grant, jwt openbao.Token, v *verdict, who string) error {
	client, login, err := p.server().loginAs(ctx, loginRefusal, grant.Role.Name, jwt)
	switch {
	case openbao.IsLoginRefused(err):
		return nil
	case openbao.IsNotFound(err) && v.State == openbaov1alpha1.ProofMismatch:
		// The mount is not there, which was found already.
		return nil
	case openbao.ClassOf(err) == openbao.MFARequired:
		v.mismatch("%s was asked for a second factor, and not refused.", who)
		return nil
	case err != nil:
		return err
	}
	v.mismatch("%s could log in.", who)
	p.end(ctx, grant, client, login, v)
	return nil
}

// end revokes the token of a proof. One that lives on is not followed by another in
// the next sync.
func (p *prover) end(ctx context.Context, grant authz.Grant, client openbao.Interface, login openbao.Login, v *verdict) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), server.RevokeTimeout)
	defer cancel()
	role, batch := grant.Role.Name, login.Type == authz.TokenTypeBatch
	if grant.Identity != authz.Restore {
		p.memory.batch = ""
		if batch {
			p.memory.batch = role
		}
	}
	var err error
	if !batch {
		if err = client.RevokeSelf(ctx); err == nil || openbao.ClassOf(err) == openbao.Unauthenticated {
			return
		}
	}
	klog.FromContext(ctx).Info("Could not end the login of a proof; it ends with its lease", "role", role, "lease", login.TTL, "err", err)
	lives := "for ever"
	if login.TTL > 0 {
		lives = "until " + p.now.Add(login.TTL).UTC().Format(time.RFC3339)
	}
	if batch {
		v.say("The token of this check lives %s.", lives)
	} else {
		v.say("%s", text.Sentence(fmt.Sprintf("The token of this check lives %s, since it could not be revoked: %v", lives, err)))
	}
	next := login.TTL
	if next <= 0 || grant.Identity == authz.Restore {
		next = max(next, refusalInterval)
	}
	p.memory.notRevoked(role, p.now.Add(next))
}

// some keeps a list short enough for a message.
func some(list []string) string {
	const limit = 5
	if len(list) <= limit {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:limit], ", "), len(list)-limit)
}
