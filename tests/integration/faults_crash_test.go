// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// mostSteps is more changes than create, update or delete of any kind takes.
const mostSteps = 20

// An operator dies after the first, the second, ... change that it makes, and
// another one finishes the work: of create, update and delete of every kind. At
// the end there is exactly one remote, as the spec says; after a delete, none.
func TestDeathAtEveryStep(t *testing.T) {
	t.Parallel()
	forEveryKind(t, func(t *testing.T, kind string, _ kindCase) {
		e := lifecycleEnv(t, aivensim.Options{})
		newCrashTrial(e, kind, e.launchMortal).run()
	})
}

// The same with processes that are killed: those of a few kinds, or of all where
// the random tests run for longer.
func TestKillAtEveryStep(t *testing.T) {
	t.Parallel()
	kinds := []string{"KafkaACL", "PostgreSQL", "ServiceIntegration"}
	if os.Getenv(durationVariable) != "" {
		kinds = slices.Sorted(maps.Keys(kindCases))
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			newCrashTrial(e, kind, e.startMortal).run()
			e.checkRaces()
		})
	}
}

// crashTrial is the death of operators at the steps of one kind's life.
type crashTrial struct {
	*env
	kind     string
	c        kindCase
	launch   func(kind string) *mortal
	operator *mortal
	deaths   int
	// took is how many changes a phase takes that the operator survives. Phases
	// without an entry have more steps to die at.
	took map[string]int
}

func newCrashTrial(e *env, kind string, launch func(string) *mortal) *crashTrial {
	return &crashTrial{env: e, kind: kind, c: kindCases[kind], launch: launch, took: map[string]int{}}
}

func (c *crashTrial) run() {
	c.Helper()
	c.host(c.kind)
	c.operator = c.launch(c.kind)
	for step := 1; len(c.took) < 3; step++ {
		if step > mostSteps {
			c.Fatalf("there is no end of changes: %v", c.took)
		}
		c.phase("create", step, func() { c.create(c.object(c.kind, "x")) }, c.created)
		c.phase("update", step, func() { c.patch(c.kind, "x", c.c.edit) }, c.updated)
		c.phase("delete", step, func() { c.delete(c.kind, "x") }, c.deleted)
	}
	if err := c.operator.stop(); err != nil {
		c.Errorf("The last operator ended with: %v", err)
	}
	if c.took["create"] < 3 || c.took["delete"] < 2 {
		c.Errorf("changes were counted in the wrong place: %v", c.took)
	}
	c.Logf("%d deaths; an undisturbed life takes these changes: %v", c.deaths, c.took)
}

// phase does what a user does, lets the operator die at a step of it, and has
// another finish it.
func (c *crashTrial) phase(name string, step int, act func(), done func() error) {
	c.Helper()
	if _, ok := c.took[name]; !ok {
		c.operator.arm(step)
	}
	act()
	what := fmt.Sprintf("the end of %s, with a death after change %d", name, step)
	c.orDead(c.operator, what, done)
	changes, dead := c.operator.disarm()
	if dead {
		c.deaths++
		c.operator = c.launch(c.kind)
	} else if _, ok := c.took[name]; !ok {
		c.took[name] = len(changes)
	}
	c.eventually(fmt.Sprintf("%s; the changes before were %q", what, changes), done)
}

// created tells what is missing until the object is as a new one should be.
func (c *crashTrial) created() error {
	obj, conditions, err := c.conditions(c.kind, "x")()
	if err != nil {
		return err
	}
	ready := meta.FindStatusCondition(conditions, "Ready")
	if ready == nil || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != obj.GetGeneration() {
		return fmt.Errorf("conditions are %+v", conditions)
	}
	for key, want := range map[string]string{
		"controllers.aiven.io/generation-was-processed": strconv.FormatInt(obj.GetGeneration(), 10),
		"controllers.aiven.io/instance-is-running":      "true",
	} {
		if got := obj.GetAnnotations()[key]; got != want {
			return fmt.Errorf("annotation %s is %q", key, got)
		}
	}
	if names := c.remotes(c.kind); len(names) != 1 {
		return fmt.Errorf("there are %v at the simulator", names)
	}
	if adopted, _, _ := unstructuredBool(c.get(c.kind, "x"), "status", "adopted"); adopted {
		return errors.New("what the object created itself counts as adopted")
	}
	if !c.c.publishes {
		return nil
	}
	secret, err := c.kube.CoreV1().Secrets(c.ns).Get(c.ctx, "x", metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, key := range c.c.keys {
		if len(secret.Data[key]) == 0 {
			return fmt.Errorf("key %s of the Secret is missing or empty", key)
		}
	}
	return nil
}

// updated tells what is missing until the remote is as the edited spec says.
func (c *crashTrial) updated() error {
	if err := c.created(); err != nil {
		return err
	}
	if c.c.editedAt != nil {
		if !c.c.editedAt(c.env) {
			return errors.New("the change does not show at the simulator")
		}
		return nil
	}
	sv, ok := c.serviceOf(c.kind)
	if !ok && c.c.vanishFrom == nil || !c.c.edited(sv) {
		return fmt.Errorf("service is %+v", sv)
	}
	return nil
}

// deleted tells what remains of the object.
func (c *crashTrial) deleted() error {
	obj, err := c.client(c.kind).Get(c.ctx, "x", metav1.GetOptions{})
	switch {
	case err == nil:
		return fmt.Errorf("it is still there: finalizers %v, status %v", obj.GetFinalizers(), obj.Object["status"])
	case !apierrors.IsNotFound(err):
		return err
	}
	if names := c.remotes(c.kind); len(names) != 0 {
		return fmt.Errorf("%v remain at the simulator", names)
	}
	return nil
}
