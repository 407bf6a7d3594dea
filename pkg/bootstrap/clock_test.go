// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// What is recorded by a clock that is set back, or ahead, afterwards neither stops
// the proofs nor makes them run all the time.
func TestProofAndTheClock(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"a day back": -24 * time.Hour, "a year back": -365 * 24 * time.Hour, "a day ahead": 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0, withBackup)
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			f.now = f.now.Add(jump)
			f.sync("prod")
			proved := f.get("prod").Status.Authorization.ProvedAt
			if proved == nil || proved.After(f.now) || f.now.Sub(proved.Time) > time.Minute {
				t.Fatalf("proved at %v, and it is %v", proved, f.now)
			}
			logins := len(f.opts)
			f.now = f.now.Add(time.Minute)
			f.sync("prod")
			if again := f.get("prod").Status.Authorization.ProvedAt; !again.Equal(proved) {
				t.Errorf("proved again at %v, with %d connections", again, len(f.opts)-logins)
			}
		})
	}
	// Clocks of two machines are never the same.
	task := &task{now: time.Unix(1000, 0)}
	ahead := metav1.Unix(1030, 0)
	if task.elapsed(&ahead, time.Hour) {
		t.Error("half a minute ahead counts as set back")
	}
}

// A key that is no longer published stays for its overlap after the clock was set
// back, and no longer.
func TestSigningKeysAndTheClock(t *testing.T) {
	f := newFixture(t)
	enforced := func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.Mode = openbaov1alpha1.AuthorizationEnforce
	}
	f.create("prod", 0, enforced)
	f.sync("prod")
	f.issuer.Keys = append(f.issuer.Keys, key("k2", "Qg=="))
	f.sync("prod")
	f.issuer.Keys = f.issuer.Keys[1:]
	f.sync("prod")
	for _, step := range []struct {
		jump time.Duration
		want []string
	}{
		{-48 * time.Hour, []string{"k1", "k2"}},
		{59 * time.Minute, []string{"k1", "k2"}},
		{2 * time.Minute, []string{"k2"}},
	} {
		f.now = f.now.Add(step.jump)
		f.sync("prod")
		if got := f.keyIDs("prod"); !slices.Equal(got, step.want) {
			t.Errorf("after %s the keys are %q, want %q", step.jump, got, step.want)
		}
	}
}
