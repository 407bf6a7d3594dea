// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// recordProofs keeps the results of the contract's roles.
func (p *prover) recordProofs(results map[string]openbaov1alpha1.IdentityStatus) {
	var identities []openbaov1alpha1.IdentityStatus
	for _, grant := range p.contract.Grants {
		if result, ok := results[grant.Role.Name]; ok {
			result.AlsoAccepts = p.alsoAccepts(grant.Role.Name)
			identities = append(identities, result)
		}
	}
	slices.SortFunc(identities, func(a, b openbaov1alpha1.IdentityStatus) int { return strings.Compare(a.Role, b.Role) })
	p.record().Identities = identities
}

// settleProofs takes "Proved" from what does not count any more, and counts the
// rest. It runs in every sync: that nothing could be tried must not leave a proof
// standing.
func (t *task) settleProofs() {
	record := t.record()
	if record == nil || (len(record.Identities) == 0 && record.Proved == "") {
		return
	}
	proved := 0
	for i := range record.Identities {
		identity := &record.Identities[i]
		if identity.State != openbaov1alpha1.Proved {
			continue
		}
		if why := authz.StaleProof(*identity, t.digest, t.now, t.opts.ProofInterval); why != "" {
			identity.State, identity.Message = openbaov1alpha1.NotProved, why
			continue
		}
		proved++
	}
	record.Proved = fmt.Sprintf("%d/%d", proved, cmp.Or(len(t.contract.Grants), len(record.Identities)))
}

// noteNotProved adds to the message which identities could not be proved. Those that
// are wrong have a message of their own.
func (t *task) noteNotProved() {
	var roles []string
	for _, i := range t.record().Identities {
		if i.State == openbaov1alpha1.NotProved {
			roles = append(roles, i.Role)
		}
	}
	if len(roles) > 0 {
		t.notes = append(t.notes, fmt.Sprintf("Not proved, for the reasons in status.authorization.identities: %s.", strings.Join(roles, ", ")))
	}
}

// unjudged is the result for an identity that could not be judged since some time.
// What was found to be wrong stays.
func (p *prover) unjudged(grant authz.Grant, before openbaov1alpha1.IdentityStatus, since time.Time, err error) openbaov1alpha1.IdentityStatus {
	if before.State == openbaov1alpha1.ProofMismatch {
		return before
	}
	v := p.blank(grant)
	v.ProvedAt, v.Digest = before.ProvedAt, before.Digest
	what := err.Error()
	if problem := asProblem(err); problem.Reason != ReasonFailed {
		what = problem.Message
	} else if class := openbao.ClassOf(err); class != openbao.Unknown {
		what = fmt.Sprintf("%s (%s)", what, class)
	}
	v.notProved(text.Sentence(fmt.Sprintf("It could not be tried since %s: %s", since.UTC().Format(time.RFC3339), what)))
	return v.IdentityStatus
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
		message += " If a policy or a role was changed on the server, it can be written again. " + t.commands().giveToken()
	}
	return &reconcile.Problem{Reason: ReasonProofFailed, Message: message}
}
