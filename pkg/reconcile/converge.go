// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// converge observes, creates, adopts or updates, and publishes. It returns what
// was observed last. obj's status and metadata follow what happens.
func (c *Controller[T, C, AC]) converge(ctx context.Context, name cache.ObjectName, obj T) (Observation, error) {
	if _, err := deletionPolicy(obj); err != nil {
		return Observation{}, err
	}
	if err := managementPolicy(obj); err != nil {
		return Observation{}, err
	}
	client, err := c.kind.Connect(ctx, obj, func() { c.loop.Enqueue(name) })
	if err != nil {
		return Observation{}, err
	}
	recorded := c.kind.Identity(obj)
	obs, err := c.kind.Handler.Observe(ctx, client, obj)
	if err != nil {
		return Observation{}, err
	}
	if Observed(obj) {
		return c.observeOnly(ctx, obj, obs)
	}
	// A remote that was created again is its creator's, which may not have come to
	// claim it yet.
	if holder, ok := c.engine.claims.Holder(recorded); ok && holder.UID != obj.GetUID() {
		c.engine.claims.Wait(recorded, claimant(c.kindName(), obj))
		return Observation{}, managedBy(holder, recorded)
	}
	if err := c.claim(obj); err != nil {
		return Observation{}, err
	}
	switch {
	case !obs.Exists:
		obs, err = c.create(ctx, client, obj, obs)
	case !hasFinalizer(obj):
		err = c.adopt(ctx, obj)
	}
	if err != nil {
		return obs, err
	}
	if c.memory.seen(obj) == createTaken {
		c.adopted(ctx, obj)
	}
	if len(obs.Differs) == 0 {
		c.memory.upToDate(obj)
	} else {
		if obs, err = c.update(ctx, client, obj, obs.Differs); err != nil {
			return obs, err
		}
	}
	return obs, c.publish(ctx, obj, obs)
}

func (c *Controller[T, C, AC]) publish(ctx context.Context, obj T, obs Observation) error {
	if obs.Connection == nil || c.kind.Publish == nil {
		return nil
	}
	return c.kind.Publish(ctx, obj, obs.Connection)
}

// claim makes obj the one object that stands for its remote.
func (c *Controller[T, C, AC]) claim(obj T) error {
	identity := c.kind.Identity(obj)
	if identity == "" {
		return nil
	}
	if holder, ok := c.engine.claims.Holder(identity); ok && holder.UID == obj.GetUID() {
		return nil
	}
	// An object of a kind that is not listed yet may have the remote.
	if kind := c.engine.unlisted(c.shares()); kind != "" {
		return waitingForKind(kind)
	}
	// An older object that was reconciled and has no claim is no rival: it can't
	// reach the remote, and must not keep it from those that can.
	rivals := c.engine.rivals(c.shares(), identity, obj, func(o Object, unreachable bool) bool {
		return hasFinalizer(o) || readyReason(o) == "" && !unreachable || readyReason(o) == ReasonAlreadyManaged
	})
	holder, ok := c.engine.claims.Acquire(identity, claimant(c.kindName(), obj), rivals...)
	if ok {
		return nil
	}
	return managedBy(holder, identity)
}

// waitingForKind is the error of an object whose remote objects of another kind may
// have claimed.
func waitingForKind(kind string) error {
	return Delayed(time.Second, ReasonWaitingForOthers,
		fmt.Sprintf("Objects of kind %s can stand for the same remote and are not listed yet. If this lasts, check that the operator may list and watch them.", kind),
		errors.New("objects of kind "+kind+" are not listed yet"))
}

// managedBy says that a remote has its object already.
func managedBy(holder Claimant, identity string) error {
	return &Problem{
		Reason: ReasonAlreadyManaged,
		Message: fmt.Sprintf("%s manages the same remote (%s). Delete one of the two; to keep the remote, annotate the one to delete with %s=%s first.",
			holder, identity, AnnotationDeletionPolicy, PolicyOrphan),
		Phase: PhasePreconditions,
	}
}

// whatCreate names a create among the attempts.
const whatCreate = "create"

// create makes the remote, recorded before, and observes it again.
func (c *Controller[T, C, AC]) create(ctx context.Context, client C, obj T, obs Observation) (Observation, error) {
	if c.awaited(obj) {
		return Observation{}, c.notVisible(obj, obs)
	}
	if last, wait := c.memory.held(obj, whatCreate); wait > 0 {
		return Observation{}, stillFailing(last, wait)
	}
	before, err := statusJSON(obj)
	if err != nil {
		return Observation{}, err
	}
	_, again := CreateRecordOf(obj)
	again = again && c.memory.createState(obj) != createRefused
	if err := c.record(ctx, obj, true); err != nil {
		return Observation{}, err
	}
	c.memory.setCreated(obj, createUnknown)
	err = c.kind.Handler.Create(ctx, client, obj)
	exists := err
	after, jsonErr := statusJSON(obj)
	if jsonErr != nil {
		return Observation{}, jsonErr
	}
	switch {
	case err == nil:
		c.memory.setCreated(obj, createAccepted)
		setInitialized(obj, "Created", "Instance was created at Aiven")
		klog.FromContext(ctx).V(2).Info("Created remote")
	case errors.Is(err, ErrOutcomeUnknown):
		return Observation{}, err
	case errors.Is(err, ErrExists) && again:
		// It is most likely what an earlier request has created whose answer was lost.
		c.memory.sent(obj, whatCreate, err)
		c.memory.setCreated(obj, createRefused)
	case errors.Is(err, ErrExists):
		c.memory.sent(obj, whatCreate, err)
		c.memory.setCreated(obj, createTaken)
	default:
		c.memory.setCreated(obj, createRefused)
		return Observation{}, c.failed(obj, whatCreate, err)
	}
	// The remote may have got another name by being created.
	if err := c.claim(obj); err != nil {
		return Observation{}, err
	}

	obs, err = c.kind.Handler.Observe(ctx, client, obj)
	switch {
	case errors.Is(err, ErrPending) && (exists != nil || string(before) == string(after)):
		// The answer is on its way, and nothing has to be kept until then.
		return obs, err
	case errors.Is(err, ErrPending):
		return obs, Waiting(ReasonCreating, messageCreated)
	case err == nil && !obs.Exists && exists != nil:
		return obs, exists
	case err == nil && !obs.Exists:
		return obs, c.notVisible(obj, obs)
	}
	return obs, err
}

// awaited reports whether a create that was sent, or may have been, can still
// become visible. It is as true after a restart. When the time for that is over it
// is true once more: what was read before says nothing about what is visible now.
func (c *Controller[T, C, AC]) awaited(obj T) bool {
	record, ok := CreateRecordOf(obj)
	if !ok {
		return false
	}
	state := c.memory.createState(obj)
	if state != createUnknown && state != createAccepted {
		return false
	}
	return record.recent(c.engine.opts.VisibleWithin) || c.memory.lookOnceMore(obj)
}

const (
	messageCreated = "Created at Aiven. Waiting for it to become visible in the API."
	messageUnknown = "A create was sent to Aiven and its outcome is not known. Waiting to see whether it was carried out; if it was not, it is sent again."
)

// notVisible is the Problem of a remote that was created and is not visible yet.
func (c *Controller[T, C, AC]) notVisible(obj T, obs Observation) error {
	p := Waiting(ReasonCreating, messageUnknown)
	if c.memory.createState(obj) == createAccepted {
		p.Message = messageCreated
	}
	c.refresh(obj, obs)
	p.Next = After(c.memory.nextCheck(obj))
	return p
}

// refresh has the remote read again, rather than at the next poll.
func (c *Controller[T, C, AC]) refresh(obj T, obs Observation) {
	switch {
	case obs.Recheck != nil:
		obs.Recheck()
	case c.kind.Refresh != nil:
		c.kind.Refresh(obj)
	}
}

// adopt records a remote that existed before the object did.
func (c *Controller[T, C, AC]) adopt(ctx context.Context, obj T) error {
	if err := c.record(ctx, obj, false); err != nil {
		return err
	}
	c.adopted(ctx, obj)
	return nil
}

// adopted notes that the remote was not created by obj.
func (c *Controller[T, C, AC]) adopted(ctx context.Context, obj T) {
	*obj.Adopted() = true
	setInitialized(obj, "Adopted", "Instance existed at Aiven and was adopted")
	c.event(obj, corev1.EventTypeNormal, EventAdopted, "Adopted what existed at Aiven")
	klog.FromContext(ctx).V(2).Info("Adopted remote")
}

// update makes the remote match the spec and observes it again. It counts as done
// only if Aiven accepted it.
func (c *Controller[T, C, AC]) update(ctx context.Context, client C, obj T, differs []string) (Observation, error) {
	what := strings.Join(differs, ", ")
	if last, wait := c.memory.held(obj, what); wait > 0 {
		return Observation{}, stillDiffers(last, wait)
	}
	if err := c.recordReplacement(ctx, obj); err != nil {
		return Observation{}, err
	}
	if err := c.kind.Handler.Update(ctx, client, obj); err != nil {
		return Observation{}, c.failed(obj, what, err)
	}
	tries := c.memory.sent(obj, what, nil)
	setInitialized(obj, "Updated", "Instance was updated at Aiven")
	c.event(obj, corev1.EventTypeNormal, EventUpdated, "Updated at Aiven: "+what)
	klog.FromContext(ctx).V(2).Info("Updated remote", "differed", what)

	obs, err := c.kind.Handler.Observe(ctx, client, obj)
	switch {
	case errors.Is(err, ErrPending):
		// The answer wakes the object; that is when readiness is known again.
		return obs, updated(what, Outcome{})
	case err == nil && obs.Exists && len(obs.Differs) > 0:
		return obs, stillDiffers(attempt{what: strings.Join(obs.Differs, ", "), tries: tries}, backoffBase)
	case err == nil && !obs.Exists:
		return obs, errVanished
	}
	return obs, err
}

// recordReplacement records that another remote is about to be asked for, for kinds
// whose remotes are replaced.
func (c *Controller[T, C, AC]) recordReplacement(ctx context.Context, obj T) error {
	if c.kind.Asked == nil {
		return nil
	}
	if record, ok := CreateRecordOf(obj); ok && slices.Contains(record.Asked, c.kind.Asked(obj)) {
		return nil
	}
	return c.record(ctx, obj, true)
}

// failed notes an attempt that failed, if that says anything about the next one:
// what was only waited for, or is up to the token, does not. It returns err.
func (c *Controller[T, C, AC]) failed(obj T, what string, err error) error {
	var problem *Problem
	var later *laterError
	switch {
	case errors.Is(err, ErrPending), errors.As(err, &later):
	case errors.As(err, &problem) && (problem.Phase == "" || problem.Credential):
	default:
		c.memory.sent(obj, what, err)
	}
	return err
}

// stillFailing repeats why the last attempt failed, until the next one is due.
func stillFailing(last attempt, wait time.Duration) error {
	p := problemOf(last.err, PhaseCreateOrUpdate)
	p.Next = After(wait)
	return p
}

// stillDiffers says why what was to be updated still differs, until the next
// attempt is due. Aiven is given time to show what it accepted: only the second
// update that shows no effect is a problem.
func stillDiffers(last attempt, wait time.Duration) error {
	switch {
	case last.err != nil:
		return stillFailing(last, wait)
	case last.tries < 2:
		return updated(last.what, After(wait))
	}
	return outOfSync(last.what, After(wait))
}

// updated is the Problem of a remote whose update Aiven accepted and does not show
// yet.
func updated(what string, next Outcome) *Problem {
	p := Waiting(ReasonNotReady, "Updated at Aiven. Waiting to see the result: "+what+".")
	p.Next = next
	return p
}

var errVanished = errors.New("the remote vanished during an update")

// outOfSync is the Problem of a remote that an update did not change.
func outOfSync(what string, next Outcome) *Problem {
	return &Problem{
		Reason:  ReasonOutOfSync,
		Message: "Aiven accepted the update and still shows other values for: " + what + ". Compare the spec with what the Aiven Console shows.",
		Phase:   PhaseCreateOrUpdate,
		Next:    next,
	}
}

// deletionPolicy returns the user's policy, or the Problem with it.
func deletionPolicy(obj Object) (string, error) {
	policy, ok := obj.GetAnnotations()[AnnotationDeletionPolicy]
	if ok && policy != PolicyOrphan {
		return "", &Problem{
			Reason: ReasonInvalidDeletionPolicy,
			Message: fmt.Sprintf("invalid deletion policy %q, only %q is allowed: set or remove the annotation %s.",
				policy, PolicyOrphan, AnnotationDeletionPolicy),
			Phase: PhaseDelete,
		}
	}
	return policy, nil
}
