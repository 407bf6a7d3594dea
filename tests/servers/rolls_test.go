// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/tests/internal/baoimage"
)

// TestRolls changes what servers have read when they were started, while a client writes.
func TestRolls(t *testing.T) {
	long(t)
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	k := w.keep("prod")
	t.Run("not for larger volumes", func(t *testing.T) { k.in(t).volumesGrow() })
	t.Run("for a change of the configuration", func(t *testing.T) {
		k.in(t).rolls("configuration", `{"spec":{"configuration":{"logLevel":"debug"}}}`)
	})
	t.Run("because a person asks for it", func(t *testing.T) {
		k.in(t).rolls("restart", `{"spec":{"maintenance":{"restartAt":"2026-01-02T03:04:05Z"}}}`)
	})
	for _, mistake := range []struct{ name, patch string }{
		{"an image that does not exist", `{"spec":{"image":"localhost/openbao:none"}}`},
		{"a key that the data was not sealed with", `{"spec":{"unseal":{"type":"static","static":{"currentKeyID":"another"}}}}`},
	} {
		t.Run("and stops for "+mistake.name, func(t *testing.T) { k.in(t).rollIsStuck(mistake.name, mistake.patch) })
	}
	t.Run("to another version", func(t *testing.T) {
		if !baoimage.IsTestServer() {
			t.Skip("there is one build of OpenBao only; the test server claims to be of any version")
		}
		k := k.in(t)
		seen := k.rolls("version", fmt.Sprintf(`{"spec":{"version":%q,"image":%q}}`, nextVersion, nextImage))
		if len(seen.upgrades) == 0 {
			t.Error("The status has shown no upgrade")
		}
		for i, u := range seen.upgrades {
			if u.FromVersion != baoimage.Version() || u.TargetVersion != nextVersion || u.StartedAt == nil {
				t.Errorf("The status has shown the upgrade %+v", u)
			}
			if i > 0 && len(u.CompletedPods) < len(seen.upgrades[i-1].CompletedPods) {
				t.Errorf("The status has shown %v after %v to be upgraded", u.CompletedPods, seen.upgrades[i-1].CompletedPods)
			}
		}
		status := k.get("prod").Status
		if status.CurrentVersion != nextVersion || status.Upgrade != nil {
			t.Errorf("The status has the version %s, and the upgrade %+v", status.CurrentVersion, status.Upgrade)
		}
		for _, s := range status.Servers {
			if n, err := k.probe("prod", s.Name); err != nil || n.Version != nextVersion {
				t.Errorf("%s says that it is %q, and %v", s.Name, n.Version, err)
			}
		}
	})
}

// rolls makes a change that replaces all pods, and checks that a client hardly notices.
func (k *kept) rolls(what, patch string) *watched {
	k.Helper()
	before := k.pods()
	leader, _ := k.leader()
	seen, c := k.watch(), k.sing(what)
	began := time.Now()
	k.patch(k.name, patch)
	k.eventually("all pods to be made again", func() error {
		for name, uid := range k.pods() {
			if before[name] == uid {
				return errMessage(name + " is the same")
			}
		}
		return nil
	})
	k.whole()
	k.Logf("%s: rolled in %s", what, time.Since(began).Round(100*time.Millisecond))
	gap := c.gap(began)
	k.Logf("%s: the longest time without a write, while the leader was replaced, was %s", what, gap.Round(10*time.Millisecond))
	seen.stop()
	c.unbroken()

	if names := slices.Sorted(slices.Values(seen.replaced)); !slices.Equal(names, slices.Sorted(maps.Keys(before))) {
		k.Errorf("The pods %v were made again, want each of %v once", seen.replaced, slices.Sorted(maps.Keys(before)))
	} else if last := seen.replaced[len(seen.replaced)-1]; last != leader {
		k.Errorf("The pods were made again in the order %v, and the leader was %s", seen.replaced, leader)
	}
	if len(seen.leaders) != 2 {
		k.Errorf("These have led: %v, want one change", seen.leaders)
	}
	if seen.ready < len(before)-1 {
		k.Errorf("Only %d of %d pods were ready at one time", seen.ready, len(before))
	}
	return seen
}

// rollIsStuck makes a change with which no server can work, lets a person read what is
// wrong, and takes it back.
func (k *kept) rollIsStuck(what, patch string) {
	k.Helper()
	before := k.pods()
	spec := k.get(k.name).Spec
	leader, _ := k.leader()
	seen, c := k.watch(), k.sing(strings.ReplaceAll(what, " ", "-"))
	k.patch(k.name, patch)
	var victim string
	k.eventually("one pod to be made again", func() error {
		for name, uid := range k.pods() {
			if before[name] != uid {
				victim = name
				return nil
			}
		}
		return errMessage("all are the same")
	})
	if victim == leader {
		k.Errorf("The leader %s was replaced first", victim)
	}
	// What a person reads, with kubectl alone.
	k.eventually("a person to be told", func() error {
		if err := k.condition(k.name, openbaov1alpha1.ConditionReady, metav1.ConditionFalse, "Rolling")(); err != nil {
			return err
		}
		said := k.sh("kubectl -n " + k.ns + " get openbaocluster " + k.name + ` -o jsonpath='{.status.conditions[?(@.type=="Ready")].message}'`)
		why := strings.Contains(said, "the container does not run") || strings.Contains(said, "It is sealed") ||
			strings.Contains(said, "The container does not run") || strings.Contains(said, "The server ended with code")
		if !strings.Contains(said, victim) || !why {
			return errMessage(said)
		}
		return nil
	})
	// Longer than any look at the servers takes.
	time.Sleep(10 * time.Second)
	k.sameBut(before, victim)
	if condition := meta.FindStatusCondition(k.get(k.name).Status.Conditions, openbaov1alpha1.ConditionAvailable); condition == nil || condition.Status != metav1.ConditionTrue {
		k.Errorf("The cluster is not available: %+v", condition)
	}

	// As a person who applies the manifest of before.
	k.sh(fmt.Sprintf(`kubectl -n %s patch openbaocluster %s --type=json -p '[{"op":"replace","path":"/spec/image","value":%q}%s]'`,
		k.ns, k.name, spec.Image, removeUnlessGiven(spec.Unseal)))
	k.whole()
	k.sameBut(before, victim)
	seen.stop()
	c.unbroken()
	if len(seen.leaders) != 1 {
		k.Errorf("These have led: %v, want no change", seen.leaders)
	}
	if seen.ready < len(before)-1 {
		k.Errorf("Only %d of %d pods were ready at one time", seen.ready, len(before))
	}
	for _, name := range seen.replaced {
		if name != victim {
			k.Errorf("The pods %v were made again, want %s only", seen.replaced, victim)
		}
	}
}

// removeUnlessGiven is the part of a JSON patch that takes the seal out of a spec which
// had none.
func removeUnlessGiven(unseal *openbaov1alpha1.UnsealSpec) string {
	if unseal != nil {
		return ""
	}
	return `,{"op":"add","path":"/spec/unseal","value":null},{"op":"remove","path":"/spec/unseal"}`
}

// sameBut checks that all pods but one are those of before.
func (k *kept) sameBut(before map[string]types.UID, victim string) {
	k.Helper()
	for name, uid := range k.pods() {
		if name != victim && before[name] != uid {
			k.Errorf("%s was replaced as well", name)
		}
	}
}
