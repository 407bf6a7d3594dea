// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/token"
)

// Reasons of the Ready condition beside those of the engine and of tokens.
const (
	reasonForbidden             = "Forbidden"
	reasonNotFound              = "NotFound"
	reasonRejected              = "RejectedByAiven"
	reasonWaitingForService     = "WaitingForService"
	reasonServicePoweredOff     = "ServicePoweredOff"
	reasonServiceTypeMismatch   = "ServiceTypeMismatch"
	reasonTerminationProtection = "TerminationProtection"
	reasonWaitingForDatabase    = "WaitingForDatabase"
	reasonWaitingForUser        = "WaitingForUser"
	reasonWaitingForRole        = "WaitingForRole"
	reasonWaitingForEndpoint    = "WaitingForEndpoint"
	reasonProjectInUse          = "ProjectInUse"
	reasonWaitingForBackup      = "WaitingForBackup"
	reasonWaitingForVPC         = "WaitingForVPC"
	reasonVPCInUse              = "VPCInUse"
	reasonUpgradeCheck          = "UpgradeCheck"
	reasonUpgradeCheckFailed    = "UpgradeCheckFailed"
	reasonSourceSecret          = "SourceSecretUnusable"
	reasonInvalidSpec           = "InvalidSpec"
)

// translated is a handler whose errors are in the engine's terms.
type translated[T v1alpha1.Object] struct {
	handler reconcile.Handler[T, *remote]
	kind    string
	poll    time.Duration
}

func (t translated[T]) Observe(ctx context.Context, r *remote, obj T) (reconcile.Observation, error) {
	obs, err := t.handler.Observe(ctx, r, obj)
	return obs, t.problem(err, r, obj)
}

func (t translated[T]) Create(ctx context.Context, r *remote, obj T) error {
	return t.problem(t.handler.Create(ctx, r, obj), r, obj)
}

func (t translated[T]) Update(ctx context.Context, r *remote, obj T) error {
	return t.problem(t.handler.Update(ctx, r, obj), r, obj)
}

func (t translated[T]) Delete(ctx context.Context, r *remote, obj T) (bool, error) {
	gone, err := t.handler.Delete(ctx, r, obj)
	return gone, t.problem(err, r, obj)
}

func (t translated[T]) problem(err error, r *remote, obj T) error {
	if aiven.ClassOf(err) == aiven.Unauthorized {
		err = r.rejected()
	}
	return problemOf(err, t.kind, obj, r.ref, t.poll)
}

// problemOf says what an error of the token cache or of Aiven means for an
// object, and for the person who has to mend it.
func problemOf(err error, kind string, obj v1alpha1.Object, ref token.Ref, poll time.Duration) error {
	var problem *reconcile.Problem
	var tokenErr *token.Error
	switch {
	case err == nil, errors.As(err, &problem):
		return err
	case errors.Is(err, aiven.ErrPending):
		return reconcile.ErrPending
	case errors.As(err, &tokenErr):
		return tokenProblem(tokenErr, kind, obj)
	}
	project, _ := obj.ServiceRef()
	message := aivenMessage(err)
	again := func(d time.Duration) reconcile.Outcome { return reconcile.After(max(d, aiven.RetryAfter(err))) }
	switch aiven.ClassOf(err) {
	case aiven.Throttled:
		return reconcile.Later(max(time.Second, aiven.RetryAfter(err)), err)
	case aiven.GateClosed:
		// This process is about to end; another one goes on.
		return reconcile.Later(time.Second, err)
	case aiven.Forbidden:
		return &reconcile.Problem{
			Reason:  reasonForbidden,
			Message: fmt.Sprintf("The token of %s may not do this in project %s: %s. Give the token's user the permission, or name another token in spec.authSecretRef.", ref, project, message),
			Phase:   reconcile.PhasePreconditions, Next: again(poll), Err: err,
		}
	case aiven.NotFound:
		return &reconcile.Problem{
			Reason:  reasonNotFound,
			Message: fmt.Sprintf("Aiven does not find it: %s. Check spec.project (%s) and that the token of %s belongs to its organization.", message, project, ref),
			Phase:   reconcile.PhasePreconditions, Next: reconcile.Retry(err), Err: err,
		}
	case aiven.Invalid:
		// It may depend on the state of something else, so time can mend it too.
		return &reconcile.Problem{
			Reason:  reasonRejected,
			Message: fmt.Sprintf("Aiven refuses the request: %s. Correct the spec.", message),
			Phase:   reconcile.PhaseCreateOrUpdate, Next: again(poll), Err: err,
		}
	}
	return err
}

func tokenProblem(err *token.Error, kind string, obj v1alpha1.Object) *reconcile.Problem {
	p := &reconcile.Problem{
		Reason:     string(err.Reason),
		Message:    fmt.Sprintf("%s. To mend it:\n%s", upperFirst(err.Error()), err.Mend(kind, obj.GetNamespace(), obj.GetName())),
		Phase:      reconcile.PhasePreconditions,
		Credential: true,
		Err:        err,
	}
	switch {
	case err.Reason == token.NoToken:
		// Only a change of the object, or a restart, gives it a token.
	case err.RetryAfter > 0:
		p.Next = reconcile.After(err.RetryAfter)
	case err.Reason == token.TokenRejected:
		// Whoever mends it wakes the object.
	default:
		p.Next = reconcile.Retry(err)
	}
	return p
}

// aivenMessage is what Aiven said, without our own context around it.
func aivenMessage(err error) string {
	var e *aiven.Error
	if errors.As(err, &e) && e.Message != "" {
		return strings.TrimRight(e.Message, ".")
	}
	return err.Error()
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// protected is the Problem of an object whose own spec forbids its deletion.
func protected() error {
	return &reconcile.Problem{
		Reason:  reasonTerminationProtection,
		Message: "The termination protection is on. Turn it off in the spec to let the deletion go on.",
		Phase:   reconcile.PhaseDelete,
	}
}
