// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// claimant compares what the object knows about a server with the objects that may hold
// the same one, and asks them where that does not decide it.
type claimant struct{ *task }

// otherHolders finds the objects that may hold the server that was read, and fills in
// what is known of them: the one that the mark names, or, where there is no mark, those
// whose record names the same cluster or address. The latter is known without a login,
// and can only make a claimant wait.
func (t claimant) otherHolders(ctx context.Context, in *authz.ClaimInput) ([]*openbaov1alpha1.OpenBaoCluster, error) {
	var others []*openbaov1alpha1.OpenBaoCluster
	switch {
	case in.State == authz.MarkRead && in.Mark.Audience != in.Audience:
		other, err := t.objectOf(ctx, in.Mark.Audience)
		if err != nil {
			return nil, err
		}
		if other == nil {
			return nil, nil
		}
		in.Other = authz.OtherGone
		if authz.Requested(other, t.ours && other.DescribesServers()) || holdsServer(other) {
			in.Other, others = authz.OtherHolds, append(others, other)
		}
	case in.State == authz.MarkMissing && !in.Incumbent:
		all, err := t.newestObjects(ctx)
		if err != nil {
			return nil, err
		}
		for _, other := range all {
			record := other.Status.Authorization
			if other.UID != t.obj.UID && holdsServer(other) && record.Namespace == t.settings.Namespace &&
				(record.Server == t.record().Server || record.Address == t.settings.Address) {
				others = append(others, other)
			}
		}
	}
	for _, other := range others {
		test, _ := t.copies.of(t.self(), peerOf(other), t.copyTarget(), t.now)
		in.Tests = append(in.Tests, test)
	}
	return others, nil
}

// objectOf returns the object whose derived audience it is, nil if there is none.
func (t claimant) objectOf(ctx context.Context, audience string) (*openbaov1alpha1.OpenBaoCluster, error) {
	all, err := t.newestObjects(ctx)
	if err != nil {
		return nil, err
	}
	for _, other := range all {
		if !authz.NamesAudience(audience, other.Name) {
			continue
		}
		uid, err := t.opts.NamespaceUID(ctx, other.Namespace)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, retry(ReasonNamespaceUnavailable, text.Sentence(fmt.Sprintf(
				"The namespace %s, which the mark of the server may be from, cannot be read: %v", other.Namespace, err)), err)
		}
		if derived, err := authz.DerivedAudience(uid, other.Name); err == nil && derived == audience {
			return other, nil
		}
	}
	return nil, nil
}

// newestObjects returns all objects that are watched and live, with their records.
// They must not be changed.
func (t claimant) newestObjects(ctx context.Context) ([]*openbaov1alpha1.OpenBaoCluster, error) {
	var out []*openbaov1alpha1.OpenBaoCluster
	for _, informer := range t.informers {
		for _, item := range informer.GetIndexer().List() {
			obj, ok := item.(*openbaov1alpha1.OpenBaoCluster)
			if !ok || obj.DeletionTimestamp != nil {
				continue
			}
			recorded, err := t.withRecord(ctx, t.written.Newest(obj))
			if err != nil {
				return nil, t.recordProblem("the OpenBaoCluster "+nameOf(obj).String(), obj.UID, err)
			}
			out = append(out, recorded)
		}
	}
	return out, nil
}

func nameOf(obj *openbaov1alpha1.OpenBaoCluster) cache.ObjectName { return cache.MetaObjectToName(obj) }

func peerOf(obj *openbaov1alpha1.OpenBaoCluster) peer { return peer{obj.UID, nameOf(obj)} }

func (t claimant) self() peer { return peerOf(t.obj) }

// copyTarget is the server that is compared.
func (t claimant) copyTarget() string {
	return t.settings.Address + "/" + t.settings.Namespace + "/" + t.record().Server
}

// claimProblem says that the server is not the object's, or not yet, and does what
// gets an answer. Nothing is changed on the server meanwhile.
func (t claimant) claimProblem(verdict authz.Claim, in authz.ClaimInput, others []*openbaov1alpha1.OpenBaoCluster) error {
	at := "The server at " + t.settings.Address
	if t.settings.Namespace != "" {
		at = fmt.Sprintf("The namespace %s of the server at %s", t.settings.Namespace, t.settings.Address)
	}
	byHand := " If it is this object's, run with an admin token of the server: " + t.commands().mark(in.Mark)
	problem := &reconcile.Problem{Reason: ReasonServerClaimed}
	switch {
	case verdict == authz.ClaimOther:
		problem.Message = fmt.Sprintf("%s belongs to the OpenBaoCluster %s: what that object wrote to its server shows on this one. Nothing was changed. "+
			"Delete one of the two objects, or let them use different namespaces of the server.", at, nameOf(others[0]))
		t.claims.Wait(in.Mark.Audience, claimantOf(t.obj))
		return problem
	case verdict == authz.ClaimUnknown && in.State == authz.MarkRead && in.Other == authz.OtherGone:
		problem.Message = fmt.Sprintf("%s has the mark %q, of an OpenBaoCluster that asks for nothing any more and left it there. Nothing was changed.", at, in.Mark.Audience) + byHand
		t.claims.Wait(in.Mark.Audience, claimantOf(t.obj))
		return problem
	case verdict == authz.ClaimUnknown && in.State == authz.MarkRead:
		problem.Message = fmt.Sprintf("%s has the mark %q, which is of no OpenBaoCluster that Bailiwick watches. "+
			"Bailiwick cannot know whether somebody manages it from another Kubernetes cluster. Nothing was changed.", at, in.Mark.Audience) + byHand
		return problem
	case verdict == authz.ClaimUnknown && in.State == authz.MarkDamaged:
		problem.Message = fmt.Sprintf("%s has a policy %s that is no mark, and that Bailiwick did not write. Nothing was changed.", at, authz.MarkPolicy) + byHand
		return problem
	case verdict == authz.ClaimUnknown:
		problem.Message = fmt.Sprintf("Whose %s is cannot be read: the login lacks the right to read the policy %s. Nothing was changed. %s", at, authz.MarkPolicy, t.commands().giveToken())
		return problem
	}

	who := nameOf(others[0]).String()
	why := ""
	for i, other := range others {
		if !in.Tests[i].Fits(in.Mark) && !t.copies.ask(t.self(), peerOf(other), t.copyTarget(), in.Mark.Nonce, t.now) {
			why = "Other objects are compared with it at the moment."
		}
		if _, said := t.copies.of(t.self(), peerOf(other), t.copyTarget(), t.now); said != "" && why == "" {
			who, why = nameOf(other).String(), said
		}
	}
	for _, name := range t.copies.wake(t.self(), t.now) {
		t.wake(name)
	}
	shows := fmt.Sprintf("%s has the mark of the OpenBaoCluster %s", at, who)
	if in.State == authz.MarkMissing {
		shows = fmt.Sprintf("%s has no mark, and the OpenBaoCluster %s is recorded as the holder of a server with the same address or cluster id", at, who)
	}
	if in.State == authz.MarkRead {
		t.claims.Wait(in.Mark.Audience, claimantOf(t.obj))
	}
	problem.Message = shows + ". Nothing was changed. Whether it is the same server or a copy of it, such as one that was restored from a snapshot, shows when that object has written a new mark to its own server."
	if why != "" {
		problem.Message += " " + why + byHand
	}
	problem.Next = reconcile.After(copyRetry)
	for _, test := range in.Tests {
		if test.Answer != "" {
			problem.Next = reconcile.After(copySettle + time.Second)
		}
	}
	return problem
}

// answerFor tells those who wait for an answer of this object why there is none. err
// is how its sync ended.
func (t claimant) answerFor(err error) {
	why := ""
	switch problem := asProblem(err); {
	case problem != nil:
		why = fmt.Sprintf("It cannot at the moment: AuthorizationReady=False, reason %s.", problem.Reason)
	default:
		why = fmt.Sprintf("It cannot: in mode %s only an admin token writes the mark, so give the OpenBaoCluster %s one.", t.settings.Mode, t.name)
	}
	if _, open := t.copies.asked(t.obj.UID, t.now); !open {
		return
	}
	for _, name := range t.copies.explain(t.obj.UID, why) {
		t.loop.Enqueue(name)
	}
}
