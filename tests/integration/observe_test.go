// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

const managementPolicy = "bailiwick.dev/management-policy"

// createObserved makes the object x of a kind, which the operator only observes.
func (e *env) createObserved(kind string) {
	e.Helper()
	obj := e.object(kind, "x")
	obj.SetAnnotations(map[string]string{managementPolicy: "Observe"})
	e.create(obj)
}

// manage takes the policy from the object x, in the words of the condition.
func (e *env) manage(kind string) {
	e.Helper()
	e.patch(kind, "x", fmt.Sprintf(`{"metadata":{"annotations":{%q:null}}}`, managementPolicy))
	e.ready(kind, "x")
	e.eventually("no condition Synced", func() error {
		_, conditions, err := e.conditions(kind, "x")()
		if err == nil && meta.FindStatusCondition(conditions, "Synced") != nil {
			return fmt.Errorf("conditions are %+v", conditions)
		}
		return err
	})
}

func (e *env) synced(kind string, status metav1.ConditionStatus, reason string) string {
	e.Helper()
	return e.wantCondition("Synced", status, reason, e.conditions(kind, "x")).Message
}

// unchanged fails the test if anything was sent to Aiven that changes something.
func (e *env) unchanged() {
	e.Helper()
	for _, r := range e.sim.Requests(aivensim.Mutating) {
		e.Errorf("%s was sent to Aiven", r.Operation)
	}
}

// changesSpec tells whether the edit of a kind changes what Aiven should have.
func (c kindCase) changesSpec(kind string) bool {
	return strings.HasPrefix(c.edit, `{"spec"`) && kind != "Database"
}

func TestObserve(t *testing.T) {
	t.Parallel()
	forEveryKind(t, func(t *testing.T, kind string, c kindCase) {
		e := lifecycleEnv(t, aivensim.Options{})
		e.host(kind)
		e.start()
		e.createObserved(kind)
		e.unready(kind, "x", "NotFound")
		if message, command := e.synced(kind, "False", "NotFound"), managementPolicy+"-"; !strings.HasSuffix(message, command) {
			t.Errorf("the message %q does not end with %q", message, command)
		}
		e.unchanged()

		t.Log("Without the policy it is made")
		e.manage(kind)
		e.onlyRemote(kind)

		t.Log("With it, what differs is told")
		e.sim.ResetRequests()
		e.annotate(kind, "x", managementPolicy, "Observe")
		e.synced(kind, "True", "InSync")
		e.ready(kind, "x")
		e.patch(kind, "x", c.edit)
		if c.changesSpec(kind) {
			message := e.synced(kind, "False", "Drifted")
			if strings.Contains(message, "from-the-source") || !strings.HasPrefix(message, "Differs at Aiven: ") {
				t.Errorf("message = %q", message)
			}
		} else {
			e.synced(kind, "True", "InSync")
		}
		if kind == "ClickhouseGrant" {
			e.unready(kind, "x", "NotReady") // what is granted is not enough
		} else {
			e.ready(kind, "x")
		}
		e.checkSecret(c, e.get(kind, "x").GetUID())
		e.unchanged()

		t.Log("Without it, what differs is repaired")
		e.manage(kind)
		if c.changesSpec(kind) && e.sim.Count(aivensim.Mutating) == 0 {
			t.Error("nothing was repaired")
		}
		remote := e.onlyRemote(kind)

		t.Log("With it, deleting the object deletes nothing else")
		e.annotate(kind, "x", managementPolicy, "Observe")
		if kind == "ClickhouseUser" {
			e.ready(kind, "x")
		} else {
			e.synced(kind, "True", "InSync")
		}
		e.sim.ResetRequests()
		e.delete(kind, "x")
		e.gone(kind, "x")
		e.noSecret("x")
		if got := e.onlyRemote(kind); got != remote {
			t.Errorf("the remote is %s, want still %s", got, remote)
		}

		t.Log("What somebody else has made is observed without a trace")
		e.createObserved(kind)
		e.patch(kind, "x", c.edit)
		if kind == "ClickhouseUser" {
			// Aiven shows the password of none, so this one can't be compared.
			e.synced(kind, "False", "Drifted")
		} else {
			e.synced(kind, "True", "InSync")
		}
		e.ready(kind, "x")
		if obj := e.get(kind, "x"); len(obj.GetFinalizers()) != 0 {
			t.Errorf("finalizers = %v", obj.GetFinalizers())
		}
		if adopted, _, _ := unstructuredBool(e.get(kind, "x"), "status", "adopted"); adopted {
			t.Error("what is only observed counts as adopted")
		}
		e.delete(kind, "x")
		e.gone(kind, "x")
		if got := e.onlyRemote(kind); got != remote {
			t.Errorf("the remote is %s, want still %s", got, remote)
		}
		e.unchanged()
	})
}

// What cannot be looked at is neither in sync nor drifted, and a policy that
// nobody knows is none.
func TestObserveWithoutAView(t *testing.T) {
	t.Parallel()
	e := newEnv(t, aivensim.Options{Tokens: []aivensim.Token{tokenOwn}})
	e.change = append(e.change, quickEvents, func(o *app.Options) { o.Controllers = []string{"Valkey", "ServiceUser"} })
	e.start()
	e.createObserved("Valkey")
	e.unready("Valkey", "x", "NoToken")
	e.wantCondition("Synced", "Unknown", "NoToken", e.conditions("Valkey", "x"))

	e.tokenSecret("auth", tokenOwn.Value)
	obj := e.object("ServiceUser", "x", tokenOf("auth"))
	obj.SetAnnotations(map[string]string{managementPolicy: "Observe"})
	e.create(obj)
	e.wantCondition("Synced", "Unknown", "WaitingForService", e.conditions("ServiceUser", "x"))

	e.hostOf("valkey")
	e.annotate("ServiceUser", "x", managementPolicy, "Observer")
	message := e.unready("ServiceUser", "x", "InvalidManagementPolicy")
	if !strings.Contains(message, `"Observer"`) || !strings.Contains(message, managementPolicy) {
		t.Errorf("message = %q", message)
	}
	e.delete("ServiceUser", "x")
	e.gone("ServiceUser", "x")
	e.unchanged()
}
