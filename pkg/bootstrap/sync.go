// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

const (
	// workTimeout leaves the rest of reconcile.DefaultItemTimeout to the report.
	workTimeout = reconcile.DefaultItemTimeout - 5*time.Second
	// soonestLook keeps a deadline that has just passed from making a hot loop.
	soonestLook = 500 * time.Millisecond
)

// errMayNotWrite says that another process may be at work by now.
var errMayNotWrite = errors.New("this process may no longer write")

const (
	lifecycleMessage = "Bailiwick sets up the authorization of this cluster. It does not run its servers: " +
		"the object has an address of others (spec.authorization.address), or does not describe them (spec.version, spec.storage, spec.tls)."
	notRunMessage = "The object describes servers, and the part of Bailiwick that runs them has not looked at it yet. " +
		"If that stays so, see whether it is there: kubectl -n %s get deployment bailiwick-servers"
)

// sync brings the contract of one object onto its server, and reports.
func (c *Controller) sync(ctx context.Context, name cache.ObjectName) reconcile.Outcome {
	// It comes before the object, see comparisons.
	compared := c.comparisons.get(name)
	cached, ok := c.get(name)
	if !ok {
		c.written.Forget(name)
		c.forget(ctx, name)
		if err := c.records.removeEnded(ctx, name); err != nil {
			return reconcile.Retry(err)
		}
		return reconcile.Done()
	}
	if cached.DeletionTimestamp != nil {
		c.release(cached)
		c.forget(ctx, name)
		return reconcile.Done()
	}
	t, err := c.newTask(ctx, c.written.Newest(cached))
	if err != nil {
		return reconcile.Retry(err)
	}
	t.comparison = compared
	defer c.endIfGone(t.obj)
	defer t.server().disconnect()
	work, cancel := context.WithTimeout(ctx, workTimeout)
	defer cancel()
	message, err := t.authorize(work)
	t.claimant().answerFor(err)
	err = t.restoring().restoreProblem(err)
	t.checkRoles(work)
	if !t.rests && t.provable(err) {
		t.prove(work)
		if t.byProof != nil {
			message, err = t.firstStart().acceptProofs(t.byProof)
		}
		t.proofOfServer()
		err = t.proofProblem(err)
	}
	return t.report(ctx, message, err)
}

// forget ends what is kept for an object that needs nothing any more.
func (c *Controller) forget(ctx context.Context, name cache.ObjectName) {
	c.proofs.forget(name)
	c.comparisons.forget(name)
	c.inits.present(name)
	c.logins.End(ctx, name)
}

// task is one sync of one object.
type task struct {
	*Controller
	name cache.ObjectName
	now  time.Time
	// ours says that the installed schema has the fields of this operator.
	ours bool
	// runsServers says that Bailiwick runs the servers of the object.
	runsServers bool
	// before is the object as it was last written, obj the copy worked on. The
	// record of both is in the status, wherever it is stored.
	before, obj *openbaov1alpha1.OpenBaoCluster
	// recordError says that the record cannot be read. unproved is one that others could
	// have written, nil once a login has confirmed what is true of it. Neither is ever
	// overwritten.
	recordError error
	unproved    *openbaov1alpha1.AuthorizationStatus

	// incumbent says that the object is recorded as the holder of the server that is
	// reached, and previous is the record of another server, nil once the one that is
	// reached was claimed.
	incumbent bool
	previous  *openbaov1alpha1.AuthorizationStatus

	settings authz.Settings
	// version is what the server says it is, without a login. It is shown to people, and
	// nothing rests on it.
	version string
	// audience is that of all tokens that are made for the object.
	audience string
	// audiencesRead are those that the roles accept, as they were read in this sync.
	audiencesRead map[string][]string
	issuer        Issuer
	keys          authz.FollowResult
	contract      authz.Contract
	digest        string

	// connected is nil until the server is first needed.
	connected *server.Connections
	// replaceable is the name of the token's Secret if that is missing or for the server.
	replaceable string
	// notes are sentences of the message, whatever else it says.
	notes []string
	// byProof is why there is no admin token, where the proofs may show that none is
	// needed.
	byProof error
	// comparison outlives the sync. rests says that nothing is asked of the server in it.
	comparison *comparison
	rests      bool
	// wrote says that the server was changed.
	wrote bool
	// interrupted is why the proofs are not complete, nil if they are.
	interrupted error
	// unavailable is why a server that nothing is to be written to does not answer, nil
	// if it does.
	unavailable *reconcile.Problem
	// restore is what is known about the account of the restore identity.
	restore restoreAccount
	// keysSeen is what logins have shown of the signing keys.
	keysSeen keysEvidence
	// events are announced once the status is written.
	events []func()
	// keysCondition is that of the signing keys, nil if there is none.
	keysCondition *metav1.Condition
}

func (c *Controller) newTask(ctx context.Context, latest *openbaov1alpha1.OpenBaoCluster) (*task, error) {
	now := c.opts.Now()
	ours, err := c.declared.Get(ctx, now)
	if err != nil && latest.Spec.Authorization == nil && latest.Status.Authorization == nil {
		return nil, err
	}
	t := &task{
		Controller: c, name: cache.MetaObjectToName(latest), now: now, ours: ours || err != nil, before: latest.DeepCopy(),
	}
	t.obj = t.before.DeepCopy()
	t.runsServers = t.ours && t.obj.DescribesServers()
	t.loadRecord(ctx, latest)
	if record := t.record(); record != nil {
		// An earlier version kept the namespace as it was spelled.
		if canonical, err := authz.CanonicalNamespace(record.Namespace); err == nil {
			record.Namespace = canonical
		}
		// An earlier version, which recorded no claim, recorded the config together with
		// the mount.
		record.ConfigWritten = record.ConfigWritten || record.Claim == nil && record.Mount != "" && record.Digest != ""
		// It also recorded that the server is another's in the condition alone, which the
		// next failure replaces.
		if record.Claim == nil && len(record.Policies)+len(record.Roles) > 0 && wasRefused(latest.Status.Conditions) {
			record.Claim = &openbaov1alpha1.ServerClaimStatus{}
		}
	}
	return t, nil
}

// The phases of a sync. Each has the methods that only it is about.
func (t *task) server() serverAccess            { return serverAccess{t} }
func (t *task) tokens() adminTokens             { return adminTokens{t} }
func (t *task) bootstrapper() bootstrapperLogin { return bootstrapperLogin{t} }
func (t *task) signing() signingKeys            { return signingKeys{t} }
func (t *task) claimant() claimant              { return claimant{t} }
func (t *task) firstStart() firstStart          { return firstStart{t} }
func (t *task) restoring() restoreIdentity      { return restoreIdentity{t} }
func (t *task) removal() removal                { return removal{t} }
func (t *task) peerRemoval() peerRemoval        { return peerRemoval{t} }
func (t *task) statusWriter() statusWriter      { return statusWriter{t} }

// record returns what is recorded of the object, nil if nothing.
func (t *task) record() *openbaov1alpha1.AuthorizationStatus { return t.obj.Status.Authorization }

// report writes what the sync found to the status, and says what is next.
func (t *task) report(ctx context.Context, message string, err error) reconcile.Outcome {
	if errors.Is(err, errGone) {
		return reconcile.Done()
	}
	if err := cmp.Or(err, t.interrupted); errors.Is(err, errMayNotWrite) {
		return reconcile.Retry(err)
	}
	if ctx.Err() != nil {
		// The process ends or this took too long. What was written is recorded,
		// and the next look finds out the rest.
		return reconcile.Retry(ctx.Err())
	}
	t.keepPrevious()
	t.peerRemoval().withdrawn()
	t.settleProofs()
	t.peerRemoval().cannotWrite()
	t.signing().settleKeys()
	problem := asProblem(err)
	status, reason := metav1.ConditionTrue, ReasonApplied
	if problem != nil {
		status, reason = metav1.ConditionFalse, problem.Reason
		// What a person must do comes last, and can be pasted.
		message = strings.Join(append(t.notes, problem.Message), " ")
	} else {
		t.restoring().noteRestore()
		t.noteNotProved()
		message = strings.Join(append([]string{message}, t.notes...), " ")
	}
	ready := metav1.Condition{Type: openbaov1alpha1.ConditionReady, Status: status, Reason: reason, Message: message}
	if problem == nil && t.unavailable != nil {
		// What was written is still written, and nobody can use it.
		problem = t.unavailable
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, problem.Reason, problem.Message
		if !t.ours {
			message += " " + problem.Message
		}
	}
	t.setCondition(metav1.Condition{Type: openbaov1alpha1.ConditionAuthorizationReady, Status: status, Reason: reason, Message: message})
	if t.keysCondition != nil {
		t.setCondition(*t.keysCondition)
	} else if t.recordError == nil {
		meta.RemoveStatusCondition(&t.obj.Status.Conditions, openbaov1alpha1.ConditionSigningKeysCurrent)
	}
	lifecycle := metav1.Condition{
		Type: openbaov1alpha1.ConditionClusterLifecycle, Status: metav1.ConditionFalse, Reason: ReasonNotManaged, Message: lifecycleMessage,
	}
	if t.runsServers {
		own, _ := accountOf(t.opts.OperatorSubject)
		lifecycle.Reason, lifecycle.Message = ReasonServersNotRun, fmt.Sprintf(notRunMessage, own.Namespace)
		ready.Status, ready.Reason, ready.Message = lifecycle.Status, lifecycle.Reason, lifecycle.Message
	}
	if t.sumsUp() {
		t.setCondition(ready)
		t.setCondition(lifecycle)
		t.obj.Status.ObservedGeneration = t.obj.Generation
	}

	announcements := append(t.announcements(), t.events...)
	if err := t.persist(ctx); err != nil {
		if errors.Is(err, errGone) {
			return reconcile.Done()
		}
		return reconcile.Retry(err)
	}
	for _, announce := range announcements {
		announce()
	}
	switch {
	case problem != nil && problem.Next != (reconcile.Outcome{}):
		return problem.Next
	case t.interrupted != nil:
		return reconcile.Retry(t.interrupted)
	}
	return reconcile.After(t.nextLook())
}

// sumsUp reports whether the conditions that sum up everything are this package's: who
// runs the servers writes them from its first look on.
func (t *task) sumsUp() bool {
	if !t.ours || !t.runsServers {
		return t.ours
	}
	lifecycle := meta.FindStatusCondition(t.before.Status.Conditions, openbaov1alpha1.ConditionClusterLifecycle)
	return lifecycle == nil || lifecycle.Reason == ReasonNotManaged || lifecycle.Reason == ReasonServersNotRun
}

// keepPrevious puts the record of the server before back where the one that the address
// leads to now was not claimed: without a login, nothing is known about it.
func (t *task) keepPrevious() {
	if t.previous == nil {
		return
	}
	t.previous.AdminTokenSecretVersion = t.record().AdminTokenSecretVersion
	t.obj.Status.Authorization = t.previous
}

// asProblem returns what a person reads of err, nil if there is none.
func asProblem(err error) *reconcile.Problem {
	var problem *reconcile.Problem
	if err != nil && !errors.As(err, &problem) {
		problem = &reconcile.Problem{Reason: ReasonFailed, Message: text.Sentence(text.Capital(err.Error())), Next: reconcile.Retry(err), Err: err}
	}
	return problem
}

func (t *task) setCondition(condition metav1.Condition) {
	condition.ObservedGeneration = t.obj.Generation
	condition.LastTransitionTime = metav1.NewTime(t.now)
	meta.SetStatusCondition(&t.obj.Status.Conditions, condition)
}

// nextLook is when there is something to do at the latest.
func (t *task) nextLook() time.Duration {
	next := t.opts.RecheckInterval
	if !t.keys.NextExpiry.IsZero() {
		next = min(next, t.keys.NextExpiry.Sub(t.now))
	}
	if record := t.record(); record != nil && record.ProvedAt != nil {
		next = min(next, record.ProvedAt.Add(t.opts.ProofInterval).Sub(t.now))
	}
	if wait := t.proofs.of(t.name, t.obj.UID).ungranted; wait > 0 {
		next = min(next, wait)
	}
	if held := t.logins.Get(t.name); held != nil {
		// Keys that change at once are written with a login that still lives.
		next = min(next, held.RenewAt.Sub(t.now))
	}
	return max(next, soonestLook)
}

// announcements returns the events about what changed since the last report.
func (t *task) announcements() []func() {
	var out []func()
	for _, conditionType := range conditionTypes[:2] {
		now := meta.FindStatusCondition(t.obj.Status.Conditions, conditionType)
		if now == nil {
			continue
		}
		before := meta.FindStatusCondition(t.before.Status.Conditions, conditionType)
		if before != nil && before.Status == now.Status && before.Reason == now.Reason {
			continue
		}
		if conditionType == openbaov1alpha1.ConditionSigningKeysCurrent && (before == nil || now.Status == metav1.ConditionUnknown) {
			continue
		}
		eventType := corev1.EventTypeWarning
		if now.Status == metav1.ConditionTrue || now.Reason == ReasonNotRequested {
			eventType = corev1.EventTypeNormal
		}
		out = append(out, func() { t.announce(eventType, now.Reason, now.Message) })
	}
	return out
}

// announce writes an event.
func (t *task) announce(eventType, reason, message string) {
	reconcile.Announce(t.opts.Recorder, Resource.GroupVersion().WithKind(Kind), t.obj, eventType, reason, message)
}
