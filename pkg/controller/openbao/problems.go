// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/owned"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// Reasons of the conditions Ready and ClusterLifecycle.
const (
	// ReasonRunning: all servers that are wanted run and vote.
	ReasonRunning = "Running"
	// ReasonReady: everything that Bailiwick does for the cluster is done.
	ReasonReady = "Ready"
	// ReasonStarting: the servers start for the first time.
	ReasonStarting = "Starting"
	// ReasonScaling: further servers start, or are not voters yet.
	ReasonScaling = "Scaling"
	// ReasonDegraded: a server is missing or sealed, and the others do the work.
	ReasonDegraded = "Degraded"
	// ReasonNoQuorum: too few servers are unsealed, or there is no leader.
	ReasonNoQuorum = "NoQuorum"
	// ReasonPaused: spec.paused keeps Bailiwick from changing anything.
	ReasonPaused = "Paused"
	// ReasonInvalidSpec: the spec has a mistake, or asks for what is not supported.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonNotGranted: Bailiwick may not run servers in the namespace.
	ReasonNotGranted = "NotGranted"
	// ReasonConflict: an object of the name exists and is somebody else's.
	ReasonConflict = "ObjectConflict"
	// ReasonCertificateInvalid: the certificate of the servers cannot be used.
	ReasonCertificateInvalid = "CertificateInvalid"
	// ReasonUnsealKeyLost: the key that the servers' data is sealed with is gone.
	ReasonUnsealKeyLost = "UnsealKeyLost"
	// ReasonStuck: the first start cannot go on by itself.
	ReasonStuck = "FirstStartStuck"
	// ReasonInitRefused: the first server refused to be initialized.
	ReasonInitRefused = "InitRefused"
	// ReasonOtherCluster: a server is part of another cluster than is recorded.
	ReasonOtherCluster = "OtherCluster"
	// ReasonNotProved: an identity of the contract is not proved.
	ReasonNotProved = "NotProved"
	// ReasonFailed: something failed that is tried again.
	ReasonFailed = "ReconcileFailed"
)

// Reasons of events, and of the conditions that say one fact each.
const (
	// ReasonInitialized: the first start is over.
	ReasonInitialized = "Initialized"
	// ReasonBegunAgain: the first start was interrupted and begins again.
	ReasonBegunAgain = "FirstStartBegunAgain"
	// ReasonCurrent: all servers show the certificate that they should.
	ReasonCurrent = "Current"
	// ReasonRotating: some servers show an earlier certificate.
	ReasonRotating = "Rotating"
	// ReasonUnknown: it is not known.
	ReasonUnknown = "Unknown"
	// ReasonLeaderFound, ReasonMultipleLeaders: how many servers say that they are active.
	ReasonLeaderFound     = "LeaderFound"
	ReasonMultipleLeaders = "MultipleLeaders"
	// ReasonSealed and ReasonUnsealed: whether a server is sealed.
	ReasonSealed   = "Sealed"
	ReasonUnsealed = "Unsealed"
)

// invalidSpec says what a person has to change in the object.
func invalidSpec(err error) error {
	var mistakes []string
	for _, e := range flatten(err) {
		var spec *authz.SpecError
		if !errors.As(e, &spec) {
			return &reconcile.Problem{Reason: ReasonFailed, Message: text.Sentence(text.Capital(err.Error())), Next: reconcile.Retry(err), Err: err}
		}
		mistakes = append(mistakes, text.Sentence(spec.Error()))
	}
	return &reconcile.Problem{Reason: ReasonInvalidSpec, Message: strings.Join(mistakes, " "), Next: reconcile.After(DefaultRecheckInterval), Err: err}
}

// flatten returns the errors that are joined in err.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // Only what is joined, and not what is wrapped.
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// retry is a Problem of something that is tried again with backoff.
func retry(reason, message string, err error) *reconcile.Problem {
	return &reconcile.Problem{Reason: reason, Message: message, Next: reconcile.Retry(err), Err: err}
}

// waiting is a Problem of something that has to happen elsewhere first.
func waiting(reason, message string, look time.Duration) *reconcile.Problem {
	return &reconcile.Problem{Reason: reason, Message: message, Next: reconcile.After(look)}
}

// objectProblem says what is wrong with a request to the API server, nil if nothing is.
func (t *task) objectProblem(err error) error {
	var conflict *owned.ConflictError
	var problem *reconcile.Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &conflict):
		return waiting(ReasonConflict, t.conflictMessage(conflict), t.opts.RecheckInterval)
	case lacksRight(err):
		return waiting(ReasonNotGranted, t.grantMessage(), startInterval*5)
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		return retry(ReasonFailed, text.Sentence(fmt.Sprintf("The API server refuses an object of the servers: %v", err)), err)
	}
	return retry(ReasonFailed, text.Sentence(text.Capital(err.Error())), err)
}

// lacksRight reports whether the API server refused a request since nothing grants it, in
// the words of its authorizer, or of its check of who may bind a role. Admission, quotas
// and namespaces that end refuse requests with the same status.
func lacksRight(err error) bool {
	text := err.Error()
	return apierrors.IsForbidden(err) && (strings.Contains(text, ": User \"") && strings.Contains(text, "\" cannot ") ||
		strings.Contains(text, "is attempting to grant RBAC permissions not currently held"))
}

func (t *task) conflictMessage(e *owned.ConflictError) string {
	kind := strings.ToLower(e.Kind)
	if !e.Outlives {
		return fmt.Sprintf("The %s %s exists and is not this cluster's, so it is left as it is. If nothing needs it, delete it: kubectl -n %s delete %s %s",
			e.Kind, e.Name, e.Namespace, kind, e.Name)
	}
	return fmt.Sprintf("The %s %s exists and was not made for this cluster. If it belongs to the volumes of an earlier cluster of the name, which this one is to go on with, "+
		"run: kubectl -n %s annotate %s %s %s=%s --overwrite. Otherwise delete it: kubectl -n %s delete %s %s",
		e.Kind, e.Name, e.Namespace, kind, e.Name, owned.OwnerUIDAnnotation, t.obj.UID, e.Namespace, kind, e.Name)
}

// grantMessage is the command that lets Bailiwick run servers in the namespace, and lets
// it prove the identities of the cluster's jobs.
func (t *task) grantMessage() string {
	namespace, name, _ := authz.ParseSubject(t.opts.Subject)
	command := fmt.Sprintf("kubectl -n %s create rolebinding %s --clusterrole=%s --serviceaccount=%s:%s",
		t.obj.Namespace, strings.TrimSuffix(t.opts.NamespaceRole, "-namespace"), t.opts.NamespaceRole, namespace, name)
	var accounts []string
	for _, a := range []struct {
		wanted bool
		name   string
	}{
		{t.obj.Spec.Backup != nil, authz.BackupAccount(t.obj)},
		{t.obj.Spec.Restore != nil, authz.RestoreAccount(t.obj)},
		{t.obj.Spec.Upgrade != nil, authz.UpgradeAccount(t.obj)},
	} {
		if a.wanted {
			accounts = append(accounts, "--resource-name="+a.name)
		}
	}
	what := "Bailiwick may not run servers in the namespace " + t.obj.Namespace
	if len(accounts) > 0 {
		what += ", and the second part lets it prove what the ServiceAccounts of the cluster's jobs may do"
		role := t.opts.AuthorizerAccount + "-prove-" + t.obj.Name
		command += fmt.Sprintf(" ; kubectl -n %s create role %s --verb=get,create --resource=serviceaccounts,serviceaccounts/token %s && "+
			"kubectl -n %s create rolebinding %s --role=%s --serviceaccount=%s:%s",
			t.obj.Namespace, role, strings.Join(accounts, " "), t.obj.Namespace, role, role, namespace, t.opts.AuthorizerAccount)
	}
	return what + ". Run: " + command
}

func (t *task) lostUnsealKey(name string) error {
	return waiting(ReasonUnsealKeyLost, fmt.Sprintf(
		"The Secret %s with the unseal key is gone, and what is on the volumes cannot be read without it. Restore it from a backup. "+
			"If the data is not needed, delete the cluster and its volumes.", name), t.opts.RecheckInterval)
}

func (t *task) brokenUnsealKey(name string) error {
	return waiting(ReasonUnsealKeyLost, fmt.Sprintf(
		"The key %q of the Secret %s is not %d bytes long, so that it is no unseal key. Restore the Secret from a backup, or delete it if no server was ever started with it: "+
			"kubectl -n %s delete secret %s", workload.UnsealKeyKey, name, unsealKeyBytes, t.obj.Namespace, name), t.opts.RecheckInterval)
}

// stepProblem says why the first start, or what follows it, waits.
func (t *task) stepProblem() *reconcile.Problem {
	pod, ns, claim := workload.PodName(t.obj, 0), t.obj.Namespace, volumeName(t.obj)
	stuck := func(message string) *reconcile.Problem {
		return waiting(ReasonStuck, message, startInterval*10)
	}
	wait := func(message string) *reconcile.Problem { return waiting(ReasonStarting, message, startInterval) }
	switch t.step.Reason {
	case machine.NoAnswer:
		why := "it has no pod yet"
		if first := t.first(); first != nil && first.err != nil {
			why = first.err.Error()
		}
		return wait(text.Sentence(fmt.Sprintf("The first server (%s) does not answer: %s. Its log: kubectl -n %s logs %s", pod, strings.TrimRight(why, "."), ns, pod)))
	case machine.Initializing:
		return wait(fmt.Sprintf("The first server (%s) has not initialized itself yet. Its log: kubectl -n %s logs %s", pod, ns, pod))
	case machine.Unsealing:
		return wait(fmt.Sprintf("The first server (%s) is initialized and does not unseal itself yet.", pod))
	case machine.NoContract, machine.LoginUnknown:
		return wait("The contract of the first start is not known to be on the server yet.")
	case machine.SealedTooLong:
		return stuck(fmt.Sprintf("The first server (%s) stays sealed. Its log says why: kubectl -n %s logs %s. If nothing on it is needed, begin again: "+
			"kubectl -n %s delete pvc %s --wait=false && kubectl -n %s delete pod %s", pod, ns, pod, ns, claim, ns, pod))
	case machine.LoginRefused:
		return stuck(fmt.Sprintf("The first server (%s) has initialized itself, and lets no identity of the contract in. Its log says what became of the requests: kubectl -n %s logs %s. "+
			"To begin again: kubectl -n %s delete pvc %s --wait=false && kubectl -n %s delete pod %s", pod, ns, pod, ns, claim, ns, pod))
	case machine.EmptyVolume:
		return stuck(fmt.Sprintf("The first server has a volume from before this cluster, and it is empty. For a new cluster, delete the volume and the object, and create it again: "+
			"kubectl -n %s delete openbaocluster %s && kubectl -n %s delete pvc %s", ns, t.obj.Name, ns, claim))
	case machine.ForeignVolume:
		return stuck(fmt.Sprintf("The volume %s, which appeared during the first start, was not made from nothing: it has a data source, or names a PersistentVolume. "+
			"Nothing is done with it. If it is not what this cluster is to begin with, delete it: kubectl -n %s delete pvc %s", claim, ns, claim))
	case machine.PerhapsUsed:
		return stuck(fmt.Sprintf("The first start cannot be completed, and the first server was unsealed before, so that somebody may have used it. Its log: kubectl -n %s logs %s. "+
			"If nothing on it is needed, begin again: kubectl -n %s delete pvc %s --wait=false && kubectl -n %s delete pod %s", ns, pod, ns, claim, ns, pod))
	case machine.FurtherVolumes:
		return stuck(fmt.Sprintf("There are volumes of further servers of a cluster %s, and nothing that says that it was initialized: a first server that starts on an empty volume would be another cluster. "+
			"To go on with what is on them, restore the volume %s. If nothing on them is needed, delete them. They are listed by: kubectl -n %s get pvc -l openbao.org/cluster=%s",
			t.obj.Name, claim, ns, t.obj.Name))
	case machine.FurtherServers:
		return stuck(fmt.Sprintf("There are further servers before the first one is known to be initialized, and none is taken away. If nobody has used them, run: kubectl -n %s scale statefulset %s --replicas=1",
			ns, t.obj.Name))
	case machine.TooManyAttempts:
		return stuck(fmt.Sprintf("The first start failed %d times. The log of the first server says why: kubectl -n %s logs %s --previous. A change of the spec tries again", t.recorded().Attempts, ns, pod))
	}
	return wait("The first start waits.")
}

// refusesContract reports whether a login was refused in a way that a server has which
// does not hold the contract. That it does not know the key of the token says nothing of
// that.
func refusesContract(err error) bool {
	var minted *server.MintError
	return bao.IsLoginRefused(err) && !bao.IsUnknownKey(err) && !errors.As(err, &minted)
}

// lacksMount reports whether a login was refused as a server does that has no such auth
// mount. It says no reason for that, which a server that has the mount does for a role or
// a token that it refuses.
func lacksMount(err error) bool {
	return bao.ClassOf(err) == bao.LoginForbidden || bao.IsNotFound(err)
}

func (t *task) addProblem(p *reconcile.Problem) { t.problems = append(t.problems, p) }

// asProblem returns err as a Problem.
func asProblem(err error) *reconcile.Problem {
	var problem *reconcile.Problem
	if errors.As(err, &problem) {
		return problem
	}
	return retry(ReasonFailed, text.Sentence(text.Capital(err.Error())), err)
}

func createOptions() metav1.CreateOptions { return metav1.CreateOptions{FieldManager: FieldManager} }

func deleteOptions(uid string) metav1.DeleteOptions {
	known := types.UID(uid)
	return metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &known}}
}
