// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// DecoyAudience is an audience that no server accepts.
const DecoyAudience = "bailiwick.dev/decoy"

// round is what came of proving the identities of one contract so far. It
// outlives a sync that runs out of time.
type round struct {
	uid    types.UID
	digest string
	// refusals says that wrong subjects and audiences are tried, too.
	refusals bool
	proved   map[string]openbaov1alpha1.IdentityStatus
}

// rounds are those that were begun, by object.
type rounds struct {
	mu    sync.Mutex
	begun map[cache.ObjectName]*round
}

func newRounds() *rounds { return &rounds{begun: map[cache.ObjectName]*round{}} }

// resume returns the round that was begun, or begins one.
func (r *rounds) resume(name cache.ObjectName, want round) *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b := r.begun[name]; b != nil && b.uid == want.uid && b.digest == want.digest && b.refusals == want.refusals {
		return b
	}
	want.proved = map[string]openbaov1alpha1.IdentityStatus{}
	r.begun[name] = &want
	return &want
}

func (r *rounds) forget(name cache.ObjectName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.begun, name)
}

// provable reports whether it makes sense to prove the identities after the work
// ended with err: the server was there, and holds the contract or something that
// was changed by hand.
func (t *task) provable(err error) bool {
	if err == nil {
		return true
	}
	problem := asProblem(err)
	return problem.Reason == ReasonDrifted
}

// clockSkew is how far apart the clocks of two processes may be.
const clockSkew = time.Minute

// elapsed reports whether an interval has passed since a recorded time. One that
// lies ahead is from a clock that was set back since, and counts as none.
func (t *task) elapsed(since *metav1.Time, interval time.Duration) bool {
	return since == nil || !t.now.Before(since.Add(interval)) || since.After(t.now.Add(clockSkew))
}

// prove logs in as every identity where that is due, and records what came of it.
// What keeps it from being tried never fails the sync.
func (t *task) prove(ctx context.Context) {
	record := t.record()
	due := t.wrote || t.elapsed(record.ProvedAt, t.opts.ProofInterval)
	refusals := t.wrote || t.elapsed(record.RefusalsProvedAt, refusalInterval)
	if t.wrote {
		// What was proved before is about another state of the server.
		t.rounds.forget(t.name)
	}
	p := &prover{task: t, catalogue: authz.Catalogue(t.contract)}
	if !due {
		t.proveRest(ctx, p)
		return
	}
	r := t.rounds.resume(t.name, round{uid: t.obj.UID, digest: t.digest, refusals: refusals})
	for _, grant := range t.contract.Grants {
		if _, done := r.proved[grant.Role.Name]; done {
			continue
		}
		result, err := p.prove(ctx, grant, refusals || t.stateOf(grant.Role.Name) != openbaov1alpha1.Proved)
		if err != nil {
			// The next sync goes on from here.
			t.interrupted = fmt.Errorf("prove the identity of role %s: %w", grant.Role.Name, err)
			return
		}
		r.proved[grant.Role.Name] = result
	}
	t.rounds.forget(t.name)
	t.recordProofs(r.proved)
	record.ProvedAt = stamp(t)
	if refusals && !p.noDecoy() {
		record.RefusalsProvedAt = stamp(t)
	}
}

// proveRest tries again what was not proved the last time, where that may have
// changed.
func (t *task) proveRest(ctx context.Context, p *prover) {
	results := map[string]openbaov1alpha1.IdentityStatus{}
	for _, before := range t.record().Identities {
		results[before.Role] = before
	}
	for _, grant := range t.contract.Grants {
		if t.stateOf(grant.Role.Name) == openbaov1alpha1.Proved {
			continue
		}
		result, err := p.prove(ctx, grant, true)
		if err != nil {
			t.interrupted = fmt.Errorf("prove the identity of role %s: %w", grant.Role.Name, err)
			break
		}
		results[grant.Role.Name] = result
	}
	t.recordProofs(results)
}

// stateOf returns what was proved of a role the last time.
func (t *task) stateOf(role string) openbaov1alpha1.ProofState {
	for _, i := range t.record().Identities {
		if i.Role == role {
			return i.State
		}
	}
	return ""
}

// recordProofs keeps the results of the contract's roles.
func (t *task) recordProofs(results map[string]openbaov1alpha1.IdentityStatus) {
	record := t.record()
	var identities []openbaov1alpha1.IdentityStatus
	proved := 0
	for _, grant := range t.contract.Grants {
		result, ok := results[grant.Role.Name]
		if !ok {
			continue
		}
		result.AlsoAccepts = t.alsoAccepts(grant.Role.Name)
		identities = append(identities, result)
		if result.State == openbaov1alpha1.Proved {
			proved++
		}
	}
	slices.SortFunc(identities, func(a, b openbaov1alpha1.IdentityStatus) int { return strings.Compare(a.Role, b.Role) })
	record.Identities = identities
	record.Proved = fmt.Sprintf("%d/%d", proved, len(t.contract.Grants))
}

// anyWrong reports whether the last proofs found something wrong.
func (t *task) anyWrong() bool {
	return slices.ContainsFunc(t.record().Identities, func(i openbaov1alpha1.IdentityStatus) bool { return i.State == openbaov1alpha1.ProofMismatch })
}

// proofProblem is err, or if there is none, what the proofs found wrong.
func (t *task) proofProblem(err error) error {
	if err != nil || !t.anyWrong() {
		return err
	}
	var wrong []string
	for _, i := range t.record().Identities {
		if i.State == openbaov1alpha1.ProofMismatch {
			wrong = append(wrong, fmt.Sprintf("%s: %s", i.Role, i.Message))
		}
	}
	message := "Trying the identities shows that the server does not give what was written. " + strings.Join(wrong, " ")
	if !t.enforces() {
		message += " What was written can be written again. " + t.giveToken()
	}
	return &reconcile.Problem{Reason: ReasonProofFailed, Message: message}
}

// prover tries identities during one sync.
type prover struct {
	*task
	catalogue []string
	decoys    map[string]decoy
}

// decoy is the JWT of the decoy account for one audience, or why there is none.
type decoy struct {
	jwt openbao.Token
	err *server.MintError
}

func (p *prover) noDecoy() bool {
	for _, d := range p.decoys {
		if d.err != nil {
			return true
		}
	}
	return false
}

// decoyFor returns the decoy for an audience. The error is one that interrupts.
func (p *prover) decoyFor(ctx context.Context, audience string) (decoy, error) {
	if d, ok := p.decoys[audience]; ok {
		return d, nil
	}
	var d decoy
	var err error
	if d.jwt, err = p.mint(ctx, p.opts.DecoySubject, audience); err != nil {
		if !errors.As(err, &d.err) || d.err.Temporary {
			return d, err
		}
	}
	if p.decoys == nil {
		p.decoys = map[string]decoy{}
	}
	p.decoys[audience] = d
	return d, nil
}

// prove tries one identity. The error is one that says nothing about it.
func (p *prover) prove(ctx context.Context, grant authz.Grant, refusals bool) (openbaov1alpha1.IdentityStatus, error) {
	result := openbaov1alpha1.IdentityStatus{
		Role: grant.Role.Name, Identity: string(grant.Identity), Policy: grant.Policy.Name, Subject: grant.Role.Subject,
		State: openbaov1alpha1.Proved,
	}
	notProved := func(message string) (openbaov1alpha1.IdentityStatus, error) {
		if result.State != openbaov1alpha1.ProofMismatch {
			result.State = openbaov1alpha1.NotProved
		}
		result.Message = strings.TrimSpace(result.Message + " " + message)
		return result, nil
	}
	audience := grant.Role.Audiences[0]
	jwt, err := p.mint(ctx, grant.Role.Subject, audience)
	if err != nil {
		var unminted *server.MintError
		if !errors.As(err, &unminted) || unminted.Temporary {
			return result, err
		}
		return notProved(unminted.Message)
	}
	var d decoy
	if refusals {
		if d, err = p.decoyFor(ctx, audience); err != nil {
			return result, err
		}
		if d.err != nil && p.stateOf(grant.Role.Name) == openbaov1alpha1.NotProved && !p.wrote {
			// Without the decoy it stays not proved: no reason to log in again.
			return p.unprovedBefore(grant.Role.Name), nil
		}
	}
	if err := p.proveRights(ctx, grant, jwt, &result); err != nil {
		return result, err
	}
	if !refusals {
		return result, nil
	}
	foreign, err := p.mint(ctx, grant.Role.Subject, DecoyAudience)
	var unminted *server.MintError
	switch {
	case errors.As(err, &unminted) && !unminted.Temporary:
		if result, err = notProved(unminted.Message); err != nil {
			return result, err
		}
	case err != nil:
		return result, err
	default:
		if err := p.proveRefusal(ctx, grant, foreign, &result, fmt.Sprintf("A token of its ServiceAccount for the audience %q", DecoyAudience)); err != nil {
			return result, err
		}
	}
	if d.err != nil {
		return notProved("Whether others are refused was not tried. " + d.err.Message)
	}
	err = p.proveRefusal(ctx, grant, d.jwt, &result, fmt.Sprintf("The ServiceAccount %s", subjectName(p.opts.DecoySubject)))
	return result, err
}

func (p *prover) unprovedBefore(role string) openbaov1alpha1.IdentityStatus {
	i := slices.IndexFunc(p.record().Identities, func(i openbaov1alpha1.IdentityStatus) bool { return i.Role == role })
	return p.record().Identities[i]
}

// proveRights logs in as the identity and compares what it may do.
func (p *prover) proveRights(ctx context.Context, grant authz.Grant, jwt openbao.Token, result *openbaov1alpha1.IdentityStatus) error {
	server, _, err := p.loginAs(ctx, loginProof, grant.Role.Name, jwt)
	if openbao.IsLoginRefused(err) {
		result.State = openbaov1alpha1.ProofMismatch
		result.Message = sentence(fmt.Sprintf("The ServiceAccount %s cannot log in: %v", subjectName(grant.Role.Subject), err))
		return nil
	}
	if err != nil {
		return err
	}
	defer p.end(ctx, grant.Role.Name, server)
	capabilities, err := server.CapabilitiesSelf(ctx, p.catalogue...)
	if openbao.ClassOf(err) == openbao.PermissionDenied {
		result.State = openbaov1alpha1.ProofMismatch
		result.Message = "The token may not ask for its own rights (sys/capabilities-self), which the contract or the policy \"default\" lets it."
		return nil
	}
	if err != nil {
		return err
	}
	found := authz.CompareCapabilities(grant, capabilities)
	result.Missing, result.Excess, result.ViaDefault = found.Missing, found.Excess, found.ViaDefault
	var says []string
	if len(found.Missing) > 0 {
		says = append(says, fmt.Sprintf("The token lacks rights of the contract: %s.", some(found.Missing)))
	}
	if len(found.Excess) > 0 {
		says = append(says, fmt.Sprintf("The token has rights that neither the contract nor the policy \"default\" gives: %s. "+
			"Look at the policy %s, at the policies of the role, and at those of its entity and groups.", some(found.Excess), grant.Policy.Name))
	}
	if len(says) > 0 {
		result.State, result.Message = openbaov1alpha1.ProofMismatch, strings.Join(says, " ")
	}
	return nil
}

// proveRefusal tries a login that must fail.
func (p *prover) proveRefusal(ctx context.Context, grant authz.Grant, jwt openbao.Token, result *openbaov1alpha1.IdentityStatus, who string) error {
	server, _, err := p.loginAs(ctx, loginRefusal, grant.Role.Name, jwt)
	if openbao.IsLoginRefused(err) {
		return nil
	}
	if err != nil {
		return err
	}
	p.end(ctx, grant.Role.Name, server)
	result.State = openbaov1alpha1.ProofMismatch
	result.Message = strings.TrimSpace(fmt.Sprintf("%s %s could log in.", result.Message, who))
	return nil
}

// end revokes the token of a proof.
func (p *prover) end(ctx context.Context, role string, client openbao.Interface) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), server.RevokeTimeout)
	defer cancel()
	if err := client.RevokeSelf(ctx); err != nil {
		klog.FromContext(ctx).V(2).Info("Could not end a login; it ends with its lease", "role", role, "err", err)
	}
}

// some keeps a list short enough for a message.
func some(list []string) string {
	const limit = 5
	if len(list) <= limit {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:limit], ", "), len(list)-limit)
}
