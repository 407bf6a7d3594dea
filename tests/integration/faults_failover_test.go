// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

const (
	failoverLease = 4 * time.Second
	failoverRetry = time.Second
)

// Two processes, one of which leads while objects change all the time, and what
// happens when it ends in one way or another.
func TestFailover(t *testing.T) {
	t.Parallel()
	t.Run("a leader that is killed", func(t *testing.T) {
		t.Parallel()
		f := newFailover(t, "failover-kill")
		if err := f.leader.process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-f.leader.exited
		f.takenOverAfter(f.current().Spec.RenewTime.Add(failoverLease))
		f.checkHandOver()
	})
	t.Run("a leader that is asked to stop", func(t *testing.T) {
		t.Parallel()
		f := newFailover(t, "failover-term")
		before := f.holder()
		if err := f.leader.terminate(); err != nil {
			t.Errorf("The leader ended with: %v", err)
		}
		// The standby need not wait for the lease to end.
		if holder := f.holder(); holder == before {
			t.Errorf("the lease is still held by %s, which has ended", holder)
		}
		f.takenOverAfter(time.Time{})
		f.checkHandOver()
		// It had drained before it let go.
		requests := f.sim.Requests(aivensim.Mutating)
		var first time.Time
		for _, r := range requests {
			if r.Token == "other" && first.IsZero() {
				first = r.Time
			}
		}
		for _, r := range requests {
			if end := r.Time.Add(r.Duration); r.Token == "own" && end.After(first) {
				t.Errorf("%s %s of the old leader ended %s after the first change of the new one", r.Method, r.Path, end.Sub(first))
			}
		}
	})
	t.Run("a leader that stands still for longer than its lease", func(t *testing.T) {
		t.Parallel()
		f := newFailover(t, "failover-stop")
		if err := f.leader.process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		f.takenOverAfter(f.current().Spec.RenewTime.Add(failoverLease))
		before := f.sim.Count(aivensim.Mutating, aivensim.ByToken("own"))
		if err := f.leader.process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		select {
		case <-f.leader.exited:
			if f.leader.err == nil {
				t.Error("a leader that lost its lease ended as if all were well")
			}
		case <-time.After(patience):
			t.Error("a leader that lost its lease lives on")
		}
		if n := f.sim.Count(aivensim.Mutating, aivensim.ByToken("own")); n != before {
			t.Errorf("it sent %d more changes", n-before)
		}
		f.checkHandOver()
	})
}

// failover is two processes and a user who never rests.
type failover struct {
	*env
	leader, standby *child
	lease           string
	rest            func()
}

// newFailover returns when the leader is at work and the standby waits.
func newFailover(t *testing.T, lease string) *failover {
	t.Helper()
	e := newEnv(t, aivensim.Options{
		Tokens: []aivensim.Token{tokenOwn, tokenOther}, Timing: aivensim.Timing{Latency: 30 * time.Millisecond},
	})
	e.hostOf("kafka")
	f := &failover{env: e, lease: lease}
	const topics = 10
	for i := range topics {
		e.create(e.object("KafkaTopic", fmt.Sprintf("x-%d", i)))
	}
	f.leader = f.replica(tokenOwn)
	e.ready("KafkaTopic", "x-0")
	f.standby = f.replica(tokenOther)
	e.eventually("the standby to see the leader", func() error {
		if f.sim.Count(aivensim.Mutating) < topics || f.holder() == "" {
			return fmt.Errorf("the lease is held by %q", f.holder())
		}
		return nil
	})
	stop := make(chan struct{})
	var user sync.WaitGroup
	user.Go(func() {
		client := e.client("KafkaTopic")
		for n := 0; ; n++ {
			patch := fmt.Sprintf(`{"spec":{"config":{"retention_ms":%d}}}`, 1000+n)
			_, err := client.Patch(e.ctx, fmt.Sprintf("x-%d", n%topics), "application/merge-patch+json", []byte(patch), metav1.PatchOptions{})
			if err != nil && e.ctx.Err() == nil {
				e.Error(err)
			}
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	f.rest = sync.OnceFunc(func() {
		close(stop)
		user.Wait()
	})
	e.Cleanup(f.rest)
	e.awaitRequests(3*topics, aivensim.Mutating)
	return f
}

// replica starts a process that stands for election; its token tells its requests
// from those of the other.
func (f *failover) replica(token aivensim.Token) *child {
	f.Helper()
	return f.startChild(f.cluster.Config(), []string{"DEFAULT_AIVEN_TOKEN=" + token.Value},
		"-v=2", "--watch-namespaces="+f.ns, "--controllers=KafkaTopic",
		"--leader-elect", "--leader-elect-resource-name="+f.lease,
		"--leader-elect-lease-duration="+failoverLease.String(), "--leader-elect-renew-deadline=3s",
		"--leader-elect-retry-period="+failoverRetry.String(), "--aiven-timeout=1s")
}

// current returns the lease; it is empty before the first election.
func (f *failover) current() *coordinationv1.Lease {
	f.Helper()
	lease, err := f.kube.CoordinationV1().Leases(operatorNamespace).Get(f.ctx, f.lease, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		f.Fatal(err)
	}
	return lease
}

func (f *failover) holder() string {
	f.Helper()
	if id := f.current().Spec.HolderIdentity; id != nil {
		return *id
	}
	return ""
}

// takenOverAfter checks that the standby takes the lease, not before a time, and
// does all that is to be done.
func (f *failover) takenOverAfter(earliest time.Time) {
	f.Helper()
	from := time.Now()
	f.awaitRequests(1, aivensim.Mutating, aivensim.ByToken("other"))
	first := f.sim.Requests(aivensim.Mutating, aivensim.ByToken("other"))[0].Time
	f.Logf("The first change of the new leader came after %s", first.Sub(from).Round(time.Millisecond))
	acquired := f.current().Spec.AcquireTime.Time
	if acquired.Before(earliest) {
		f.Errorf("the standby took the lease %s before it ended", earliest.Sub(acquired))
	}
	if first.Before(acquired) {
		f.Errorf("the standby sent a change %s before it had the lease", acquired.Sub(first))
	}
	f.rest()
	f.create(f.object("KafkaTopic", "last"))
	f.ready("KafkaTopic", "last")
	for i := range 10 {
		f.ready("KafkaTopic", fmt.Sprintf("x-%d", i))
	}
}
