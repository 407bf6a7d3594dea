// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// DecoyAudience is an audience that no server accepts.
const DecoyAudience = "bailiwick.dev/decoy"

// provable reports whether it makes sense to prove the identities after the work
// ended with err: the server was there, and holds the contract or something that
// was changed by hand.
func (t *task) provable(err error) bool {
	if err == nil {
		return t.unavailable == nil
	}
	switch asProblem(err).Reason {
	case ReasonDrifted, ReasonRestoreIdentityChanged, ReasonRestoreAccountUnknown:
		return t.unavailable == nil
	}
	return false
}

// clockSkew is how far apart the clocks of two processes may be.
const clockSkew = time.Minute

// elapsed reports whether an interval has passed since a recorded time. One that
// lies ahead is from a clock that was set back since, and counts as none.
func (t *task) elapsed(since *metav1.Time, interval time.Duration) bool {
	return since == nil || !t.now.Before(since.Add(interval)) || since.After(t.now.Add(clockSkew))
}

// prove tries the identities for which that is due, each by itself, and records what
// came of it. What keeps one from being tried fails neither the sync nor the others.
func (t *task) prove(ctx context.Context) {
	record := t.record()
	memory := t.proofs.of(t.name, t.obj.UID)
	if t.wrote {
		// What was found before is about another state of the server.
		memory.forget()
	}
	due := t.wrote || t.elapsed(record.ProvedAt, t.opts.ProofInterval)
	refusals := t.wrote || t.elapsed(record.RefusalsProvedAt, refusalInterval)
	if due {
		memory.begin(t.digest, refusals)
		record.Version = cmp.Or(t.version, record.Version)
	}
	p := &prover{task: t, catalogue: authz.Catalogue(t.contract), memory: memory}
	results := map[string]openbaov1alpha1.IdentityStatus{}
	for _, before := range record.Identities {
		results[before.Role] = before
	}
	todo := slices.DeleteFunc(p.ordered(), func(g authz.Grant) bool {
		return (!due || memory.done[g.Role.Name]) && !p.again(results[g.Role.Name])
	})
	var failures []error
	for i, grant := range todo {
		role := grant.Role.Name
		result, err := p.prove(ctx, grant, attempt{
			round: due && !memory.done[role], refusals: refusals || results[role].State != openbaov1alpha1.Proved, before: results[role],
		})
		if err == nil {
			results[role] = result
			memory.judged(role)
			continue
		}
		if ctx.Err() != nil || errors.Is(err, errMayNotWrite) {
			failures = append(failures, err)
			break
		}
		// Without a server, nothing can be found out about the others either.
		affected, gone := todo[i:i+1], unreachable(err)
		if gone {
			affected = todo[i:]
		}
		for _, g := range affected {
			if since, lasting := memory.failed(g.Role.Name, g.Role.Name == role, t.now); lasting {
				results[g.Role.Name] = p.unjudged(g, results[g.Role.Name], since, err)
			} else {
				failures = append(failures, fmt.Errorf("prove the identity of role %s: %w", g.Role.Name, err))
			}
		}
		if gone {
			break
		}
	}
	memory.waitForRight(p.unminted, t.opts.RecheckInterval)
	p.recordProofs(results)
	if len(failures) > 0 {
		// The next sync goes on from here.
		t.interrupted = errors.Join(failures...)
		return
	}
	if due {
		record.ProvedAt = stamp(t)
		if refusals && !p.noDecoy() {
			record.RefusalsProvedAt = stamp(t)
		}
		memory.end()
	}
}

// ordered returns the grants in the order in which they are tried. Those that could
// not be tried the last time come after the others, which they must not hold up. The
// restore identity comes last: by then it is known whether tokens can be revoked.
func (p *prover) ordered() []authz.Grant {
	grants := slices.Clone(p.contract.Grants)
	slices.SortStableFunc(grants, func(a, b authz.Grant) int {
		return p.memory.lastFailure(a.Role.Name).Compare(p.memory.lastFailure(b.Role.Name))
	})
	slices.SortStableFunc(grants, func(a, b authz.Grant) int {
		return boolInt(a.Identity == authz.Restore) - boolInt(b.Identity == authz.Restore)
	})
	return grants
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// again reports whether an identity is tried although no round is due: it was not
// proved the last time, or that does not count any more.
func (p *prover) again(before openbaov1alpha1.IdentityStatus) bool {
	if before.State == openbaov1alpha1.Proved {
		return authz.StaleProof(before, p.digest, p.now, p.opts.ProofInterval) != ""
	}
	return true
}

// unreachable reports whether an error is about the server as a whole, or about the
// way there, and not about one identity. An answer with a status is about the request.
func unreachable(err error) bool {
	var problem *reconcile.Problem
	if errors.As(err, &problem) {
		return true
	}
	switch openbao.ClassOf(err) {
	case openbao.Sealed, openbao.NotInitialized, openbao.Standby, openbao.Untrusted:
		return true
	case openbao.Unavailable:
		var remote *openbao.Error
		return errors.As(err, &remote) && remote.StatusCode == 0
	}
	return false
}

// prover tries identities during one sync.
type prover struct {
	*task
	catalogue []string
	memory    *proofMemory
	decoys    map[string]decoy
	// unminted says that Bailiwick may not have a token that it needs.
	unminted bool
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

// decoyFor returns the decoy for an audience. The error is one that may pass.
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
