// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// lookInterval is how often the object is read.
const lookInterval = 100 * time.Millisecond

func (d *demo) get(ctx context.Context) (*openbaov1alpha1.OpenBaoCluster, error) {
	return d.api.OpenBaoV1alpha1().OpenBaoClusters(namespace).Get(ctx, clusterName, metav1.GetOptions{})
}

// until prints what changes about the object, until check returns nil for it.
func (d *demo) until(ctx context.Context, check func(*openbaov1alpha1.OpenBaoCluster) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		c, err := d.get(ctx)
		if err == nil {
			for _, line := range d.seen.changes(c) {
				d.out.Line("  %s", line)
			}
			if err = check(c); err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s: %w", d.timeout, err)
		case <-tick.C:
		}
	}
}

// becomesReady waits until the object is Ready and every server is a voter or leads.
func (d *demo) becomesReady(ctx context.Context) error {
	return d.until(ctx, func(c *openbaov1alpha1.OpenBaoCluster) error {
		if ready := readyOf(c); ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != c.Generation {
			return fmt.Errorf("%s is Ready=%s, %s: %s", clusterName, ready.Status, ready.Reason, ready.Message)
		}
		voting := 0
		for _, s := range c.Status.Servers {
			if s.Role == openbaov1alpha1.ServerLeader || s.Role == openbaov1alpha1.ServerVoter {
				voting++
			}
		}
		if voting != int(*c.Spec.Replicas) {
			return fmt.Errorf("%d of %d servers vote", voting, *c.Spec.Replicas)
		}
		return nil
	})
}

// readyOf returns the condition Ready, empty if there is none.
func readyOf(c *openbaov1alpha1.OpenBaoCluster) metav1.Condition {
	if found := meta.FindStatusCondition(c.Status.Conditions, openbaov1alpha1.ConditionReady); found != nil {
		return *found
	}
	return metav1.Condition{Status: metav1.ConditionUnknown, Reason: "NoCondition"}
}

// seen is what was printed about the object last, by what it is about.
type seen map[string]string

// changes returns the lines about what is different from before.
func (s seen) changes(c *openbaov1alpha1.OpenBaoCluster) []string {
	var lines []string
	say := func(about, now string) {
		if s[about] != now && now != "" {
			lines = append(lines, about+": "+now)
			s[about] = now
		}
	}
	for _, server := range c.Status.Servers {
		say(server.Name, describe(server))
		say(server.Name+" runs OpenBao", server.Version)
	}
	if a := c.Status.Authorization; a != nil {
		for _, identity := range a.Identities {
			say("identity "+identity.Role, string(identity.State))
		}
	}
	ready := readyOf(c)
	say("Ready", fmt.Sprintf("%s, %s", ready.Status, ready.Reason))
	return lines
}

// describe says in a few words what a server does.
func describe(s openbaov1alpha1.ServerStatus) string {
	switch {
	case s.Initialized == nil || s.Sealed == nil:
		return "does not answer"
	case !*s.Initialized:
		return "not initialized"
	case *s.Sealed:
		return "sealed"
	case s.Role == openbaov1alpha1.ServerLeader:
		return "unsealed, the leader"
	case s.Role == openbaov1alpha1.ServerVoter:
		return "unsealed, votes"
	case s.Role == openbaov1alpha1.ServerNonVoter:
		return "unsealed, does not vote yet"
	}
	return "unsealed"
}
