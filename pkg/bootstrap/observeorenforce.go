// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// lacking says that it takes an admin token to go on, and why.
type lacking struct {
	need need
}

func (e *lacking) Error() string { return e.need.why }

// observeOrEnforce compares the server with the contract as the bootstrapper and, in mode
// Enforce, repairs it. What the bootstrapper may not do is done with an admin
// token if a new one is given.
func (t *task) observeOrEnforce(ctx context.Context) error {
	if t.rests = t.rest(ctx); t.rests {
		return nil
	}
	notes := len(t.notes)
	err := t.compareOrWrite(ctx)
	// What was noted of the server is part of the message, and has to be found again.
	t.comparison.complete = err == nil && len(t.notes) == notes
	return err
}

// compareOrWrite asks the server what it holds, whenever that was last done.
func (t *task) compareOrWrite(ctx context.Context) error {
	if err := t.reach(ctx); err != nil {
		return err
	}
	if t.record().AdminToken == openbaov1alpha1.AdminTokenInUse && t.record().Digest != "" {
		if err := t.tokens().finish(ctx); err != nil {
			return err
		}
	}
	written := false
	if t.record().Digest == "" {
		token, err := t.tokens().adminToken(ctx, t.tokens().firstNeed())
		if err != nil && !t.bootstrapper().mayStand() {
			return err
		}
		if err == nil {
			// A dead token is no reason not to log in.
			if err := t.tokens().write(ctx, token); err != nil && (openbao.ClassOf(err) != openbao.Unauthenticated || !t.bootstrapper().mayStand()) {
				return err
			} else if err == nil {
				written = true
			}
		}
	}
	for {
		err := t.withSession(ctx)
		var lack *lacking
		if !errors.As(err, &lack) {
			return err
		}
		if written {
			return t.tokens().adminTokenRequired(lack.need, err)
		}
		token, err := t.tokens().adminToken(ctx, lack.need)
		if err != nil {
			return err
		}
		if err := t.tokens().write(ctx, token); err != nil {
			return err
		}
		// A login has the policies that its role had.
		t.server().endLogin(ctx)
		written = true
	}
}

// withSession compares the server as the bootstrapper. It returns nil if the server
// holds the contract by now, and a *lacking if it takes more than the
// bootstrapper's rights.
func (t *task) withSession(ctx context.Context) error {
	var err error
	// A login that the server has forgotten is replaced once.
	for range 2 {
		var server openbao.Interface
		if server, err = t.bootstrapper().standing(ctx); err != nil {
			return t.bootstrapper().noStanding(err)
		}
		if err = t.bootstrapperSession(server).compare(ctx); openbao.ClassOf(err) != openbao.Unauthenticated {
			return t.bootstrapper().standingProblem(err)
		}
		t.server().endLogin(ctx)
	}
	return t.bootstrapper().standingProblem(err)
}

// compare finds what differs, repairs what it may, and records the rest.
func (s session) compare(ctx context.Context) error {
	claim, err := s.identify(ctx)
	if err != nil {
		return err
	}
	if err := s.holdClaim(ctx, claim); err != nil {
		return err
	}
	observed, err := s.observe(ctx, true)
	if err != nil {
		return err
	}
	s.intents().settle(observed)
	plan := authz.Diff(s.contract, observed.Observed, s.recorded())
	if repairs := plan.Repairable(); s.enforces() && len(repairs) > 0 {
		if err := s.repair(ctx, repairs, observed); err != nil {
			return err
		}
		if observed, err = s.observe(ctx, true); err != nil {
			return err
		}
		plan = authz.Diff(s.contract, observed.Observed, s.recorded())
	}
	s.signing().sawConfig(observed.Config)
	if len(plan) == 0 {
		s.recordHeld()
		return nil
	}
	s.record().Plan = planned(plan)
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return s.conflictProblem(conflicts)
	}
	if rest := plan.Repairable(); s.enforces() && len(rest) == len(plan) {
		return verificationProblem(rest)
	}
	return &lacking{s.driftNeed(plan)}
}

// repair makes the changes that the bootstrapper may make.
func (s session) repair(ctx context.Context, repairs authz.Plan, observed observation) error {
	if err := s.recordIntent(ctx, repairs); err != nil {
		return err
	}
	var repaired []string
	defer func() {
		if len(repaired) > 0 {
			s.announce(corev1.EventTypeNormal, ReasonRepaired, "Repaired on the server: "+strings.Join(repaired, "; ")+".")
		}
	}()
	for i, change := range repairs {
		if err := s.mayWrite(); err != nil {
			return err
		}
		err := s.apply(ctx, s.contract.Mount, change, observed.policies)
		if openbao.ClassOf(err) == openbao.PermissionDenied {
			// The token has other rights than the policy gives. The read-back shows
			// what stays as it is.
			klog.FromContext(ctx).Info("The server denied a repair", "kind", change.Kind, "name", change.Name)
			s.intents().drop(change.Kind, change.Name)
			continue
		}
		if err != nil {
			s.intents().failed(change, repairs[i+1:], err)
			return err
		}
		s.intents().confirm(change.Kind, change.Name, change.Action)
		s.wrote = true
		s.opts.Metrics.OpenBaoRepair(string(change.Kind))
		repaired = append(repaired, describe(change))
		klog.FromContext(ctx).V(2).Info("Repaired the server", "action", change.Action, "kind", change.Kind, "name", change.Name)
	}
	return nil
}

// planned is a plan as the status has it.
func planned(plan authz.Plan) []openbaov1alpha1.PlannedChange {
	out := make([]openbaov1alpha1.PlannedChange, 0, len(plan))
	for _, c := range plan {
		difference := openbaov1alpha1.DifferenceDiffers
		switch {
		case c.Conflict:
			difference = openbaov1alpha1.DifferenceConflict
		case c.Action == authz.Create:
			difference = openbaov1alpha1.DifferenceMissing
		case c.Action == authz.Delete:
			difference = openbaov1alpha1.DifferenceExtra
		}
		out = append(out, openbaov1alpha1.PlannedChange{Kind: string(c.Kind), Name: c.Name, Difference: difference, Fields: c.Fields})
	}
	return out
}

// described is a plan for people.
func described(plan authz.Plan) string {
	var out []string
	for _, c := range plan {
		out = append(out, describe(c))
	}
	return strings.Join(out, "; ")
}

// driftNeed says that the server differs in what the bootstrapper may not write.
func (t *task) driftNeed(plan authz.Plan) need {
	what := described(plan)
	if !t.enforces() {
		if t.record().Digest == t.digest {
			return need{ReasonDrifted, fmt.Sprintf("The server differs from what was written: %s. In mode Observe it takes an admin token to repair that; "+
				"once mode Enforce was written with one, it takes none.", what)}
		}
		return need{ReasonAdminTokenRequired, fmt.Sprintf("The server is to be changed, and in mode Observe only an admin token does that: %s.", what)}
	}
	return need{ReasonAdminTokenRequired, fmt.Sprintf("The server differs in what Bailiwick's own identity must not change: %s.", what)}
}
