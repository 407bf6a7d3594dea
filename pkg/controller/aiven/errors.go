// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/token"
)

// Reasons of the Ready condition besides those of the engine and of tokens.
const (
	reasonForbidden             = "Forbidden"
	reasonNotFound              = "NotFound"
	reasonAlreadyExists         = "AlreadyExists"
	reasonThrottled             = "Throttled"
	reasonProjectNotFound       = "ProjectNotFound"
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

// classifyErrors is a handler whose errors are in the engine's terms. What every
// handler would have to say alike is here: that a remote exists already or no more,
// and that with its service all that is in it is gone.
type classifyErrors[T v1alpha1.Object] struct {
	handler reconcile.Handler[T, *remote]
	problems
}

// problems turns errors into what a person reads of an object of one kind.
type problems struct {
	// resource is how kubectl names objects of the kind without ambiguity, as in
	// kafkas.aiven.io: bare names can be those of other groups.
	resource string
	poll     time.Duration
	// rejection returns the error of a token that Aiven refused.
	rejection func(token.Ref) *token.Error
}

func (c classifyErrors[T]) Observe(ctx context.Context, r *remote, obj T) (reconcile.Observation, error) {
	obs, err := c.handler.Observe(ctx, r, obj)
	return obs, c.of(err, obj, r.ref)
}

func (c classifyErrors[T]) Create(ctx context.Context, r *remote, obj T) error {
	err := c.handler.Create(ctx, r, obj)
	if aiven.ClassOf(err) == aiven.AlreadyExists {
		return existsProblem(obj, err)
	}
	return c.ofWrite(err, obj, r.ref)
}

func (c classifyErrors[T]) Update(ctx context.Context, r *remote, obj T) error {
	return c.ofWrite(c.handler.Update(ctx, r, obj), obj, r.ref)
}

func (c classifyErrors[T]) Delete(ctx context.Context, r *remote, obj T) (bool, error) {
	if inService(obj) {
		project, service := obj.ServiceRef()
		view, err := r.Service(project, service)
		if err != nil {
			return false, c.of(err, obj, r.ref)
		}
		if !view.Exists() {
			return true, nil
		}
	}
	gone, err := c.handler.Delete(ctx, r, obj)
	if aiven.ClassOf(err) == aiven.NotFound {
		// The next sync sees that it is gone.
		return false, nil
	}
	return gone, c.of(err, obj, r.ref)
}

// inService reports whether the remote of obj is something in a service.
func inService(obj v1alpha1.Object) bool {
	if _, ok := obj.(v1alpha1.Service); ok {
		return false
	}
	_, service := obj.ServiceRef()
	return service != ""
}

// ofWrite is of for a request that may have been carried out although it failed.
func (c problems) ofWrite(err error, obj v1alpha1.Object, ref token.Ref) error {
	if outcomeUnknown(err) {
		return fmt.Errorf("%w: %w", reconcile.ErrOutcomeUnknown, err)
	}
	return c.of(err, obj, ref)
}

// outcomeUnknown reports whether a request that failed may have been carried out:
// no usable answer came, or one of a server that failed on the way.
func outcomeUnknown(err error) bool {
	var e *aiven.Error
	if !errors.As(err, &e) {
		return aiven.ClassOf(err) == aiven.Unknown
	}
	switch e.Status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	}
	return e.Class == aiven.Unknown
}

// existsProblem is the Problem of a remote that Aiven does not show and says to
// exist.
func existsProblem(obj v1alpha1.Object, err error) error {
	project, _ := obj.ServiceRef()
	return &reconcile.Problem{
		Reason: reasonAlreadyExists,
		Message: fmt.Sprintf("Aiven refused to create it because it exists already, and does not show it in %s: %s. Wait if it is being deleted; otherwise choose another name, or delete what has this one.",
			project, aivenMessage(err)),
		Phase: reconcile.PhaseCreateOrUpdate,
		Next:  reconcile.Retry(err),
		Err:   fmt.Errorf("%w: %w", reconcile.ErrExists, err),
	}
}

// of returns what an error of the token cache or of Aiven means for an object, and
// for the person who has to fix it.
func (c problems) of(err error, obj v1alpha1.Object, ref token.Ref) error {
	var problem *reconcile.Problem
	var tokenErr *token.Error
	switch {
	case err == nil, errors.As(err, &problem):
		return err
	case errors.Is(err, aiven.ErrPending):
		return reconcile.ErrPending
	case errors.As(err, &tokenErr):
		return c.tokenProblem(tokenErr, obj)
	}
	project, _ := obj.ServiceRef()
	message := aivenMessage(err)
	// It may depend on something else, which wakes nobody: try again at each poll.
	again := reconcile.After(max(c.poll, aiven.RetryAfter(err)))
	switch aiven.ClassOf(err) {
	case aiven.Unauthorized:
		return c.tokenProblem(c.rejection(ref), obj)
	case aiven.Throttled:
		return reconcile.Delayed(max(time.Second, aiven.RetryAfter(err)), reasonThrottled,
			fmt.Sprintf("Aiven limits the requests that the token of %s may make (%s). The operator tries again as soon as it may.", ref, message), err)
	case aiven.GateClosed:
		// This process is about to end; another one goes on.
		return reconcile.Later(time.Second, err)
	case aiven.Forbidden:
		return &reconcile.Problem{
			Reason:  reasonForbidden,
			Message: fmt.Sprintf("The token of %s may not do this in project %s: %s. Give the token's user the permission, or name another token in spec.authSecretRef.", ref, project, message),
			Phase:   reconcile.PhasePreconditions, Next: again, Err: err,
		}
	case aiven.NotFound:
		return &reconcile.Problem{
			Reason:  reasonNotFound,
			Message: fmt.Sprintf("Aiven answered not found: %s. Check spec.project (%s) and that the token of %s belongs to its organization.", message, project, ref),
			Phase:   reconcile.PhasePreconditions, Next: reconcile.Retry(err), Err: err,
		}
	case aiven.Invalid:
		return &reconcile.Problem{
			Reason:  reasonRejected,
			Message: fmt.Sprintf("Aiven refuses the request: %s. Correct the spec.", message),
			Phase:   reconcile.PhaseCreateOrUpdate, Next: again, Err: err,
		}
	}
	return err
}

func (c problems) tokenProblem(err *token.Error, obj v1alpha1.Object) *reconcile.Problem {
	p := &reconcile.Problem{
		Reason:     string(err.Reason),
		Message:    fmt.Sprintf("%s. To fix this, run:\n%s", upperFirst(err.Error()), err.FixCommands(c.resource, obj.GetNamespace(), obj.GetName())),
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
		// The change that fixes it wakes the object.
	default:
		p.Next = reconcile.Retry(err)
	}
	return p
}

// invalidWith is the Problem of a spec that is invalid together with something
// else, whose change can make it valid and wakes nobody.
func invalidWith(message string) error {
	return &reconcile.Problem{Reason: reasonInvalidSpec, Message: message, Phase: reconcile.PhasePreconditions}
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
