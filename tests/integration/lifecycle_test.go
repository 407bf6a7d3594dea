// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// quickEvents has the operator read the event log often, so that drift shows
// soon.
func quickEvents(o *app.Options) { o.Aiven.EventLogInterval = 200 * time.Millisecond }

// lifecycleEnv is an environment whose operator has a default token.
func lifecycleEnv(t testing.TB, opts aivensim.Options) *env {
	opts.Tokens = append(opts.Tokens, tokenDefault)
	e := newEnv(t, opts)
	e.change = append(e.change, withDefault(tokenDefault.Value), quickEvents)
	return e
}

// serviceOf returns the simulator's service that the object x of a kind is, or
// lives in.
func (e *env) serviceOf(kind string) (aivensim.Service, bool) {
	return e.sim.Project(project).Service(e.serviceName(kind))
}

func (e *env) serviceName(kind string) string {
	if kindCases[kind].host == "" {
		return "x"
	}
	return "host"
}

// onlyRemote waits until exactly one remote of a kind exists and returns its
// name.
func (e *env) onlyRemote(kind string) string {
	e.Helper()
	var name string
	e.eventually("exactly one "+kind+" at the simulator", func() error {
		names := e.remotes(kind)
		if len(names) != 1 {
			return fmt.Errorf("there are %v", names)
		}
		name = names[0]
		return nil
	})
	return name
}

func (e *env) noRemote(kind string) {
	e.Helper()
	if names := e.remotes(kind); len(names) != 0 {
		e.Errorf("%v remain at the simulator", names)
	}
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	forEveryKind(t, func(t *testing.T, kind string, c kindCase) {
		e := lifecycleEnv(t, aivensim.Options{Timing: aivensim.Timing{ServiceBuild: 300 * time.Millisecond, TopicActive: 100 * time.Millisecond}})
		e.host(kind)
		if !c.inService() {
			// No event log is read where there is no service.
			e.change = append(e.change, func(o *app.Options) { o.PollInterval = time.Second })
		}
		e.start()
		e.create(e.object(kind, "x"))
		e.ready(kind, "x")
		e.onlyRemote(kind)
		obj := e.get(kind, "x")
		for _, key := range []string{"controllers.aiven.io/generation-was-processed", "controllers.aiven.io/instance-is-running"} {
			e.eventually(key, func() error {
				if e.get(kind, "x").GetAnnotations()[key] == "" {
					return fmt.Errorf("annotations are %v", e.get(kind, "x").GetAnnotations())
				}
				return nil
			})
		}
		e.checkSecret(c, obj.GetUID())

		t.Log("Changing the spec")
		e.patch(kind, "x", c.edit)
		e.ready(kind, "x")
		edited := func() error {
			if c.editedAt != nil {
				if !c.editedAt(e) {
					return fmt.Errorf("it does not show")
				}
				return nil
			}
			sv, ok := e.serviceOf(kind)
			if !ok && c.vanishFrom == nil || !c.edited(sv) {
				return fmt.Errorf("service is %+v", sv)
			}
			return nil
		}
		e.eventually("the change to reach the simulator", edited)
		e.onlyRemote(kind)

		if c.drift != nil || c.driftAt != nil {
			t.Log("Changing the remote")
			var err error
			if c.driftAt != nil {
				err = c.driftAt(e, e.onlyRemote(kind))
			} else {
				err = c.drift(e.sim.Outside(project, e.serviceName(kind)))
			}
			if err != nil {
				t.Fatal(err)
			}
			e.eventually("the drift to be repaired", edited)
		}

		t.Log("Changing what can't change")
		e.ready(kind, "x")
		e.wantForbidden(kind, "x")

		t.Log("Deleting the remote")
		e.ready(kind, "x")
		name := e.onlyRemote(kind)
		e.vanish(kind, name)
		e.eventually("another remote", func() error {
			if names := e.remotes(kind); len(names) != 1 || c.vanishFrom != nil && names[0] == name {
				return fmt.Errorf("there are %v", names)
			}
			return nil
		})
		e.ready(kind, "x")

		t.Log("Deleting the object")
		e.delete(kind, "x")
		e.gone(kind, "x")
		e.noRemote(kind)
		e.noSecret("x")
	})
}

// checkSecret waits for the connection Secret of the object x.
func (e *env) checkSecret(c kindCase, owner any) {
	e.Helper()
	if !c.publishes {
		e.noSecret("x")
		return
	}
	e.eventually("the connection Secret", func() error {
		secret, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, "x", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, key := range c.keys {
			if len(secret.Data[key]) == 0 {
				return fmt.Errorf("key %s is missing or empty", key)
			}
		}
		if ref := metav1.GetControllerOf(secret); ref == nil || ref.UID != owner || ref.BlockOwnerDeletion != nil {
			return fmt.Errorf("controller reference is %+v", ref)
		}
		return nil
	})
}

func (e *env) noSecret(name string) {
	e.Helper()
	e.eventually("no Secret "+name, func() error {
		_, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			return errors.New("it exists")
		}
		return err
	})
}

func TestDeletionWithTheRemoteGone(t *testing.T) {
	t.Parallel()
	forEveryKind(t, func(t *testing.T, kind string, c kindCase) {
		e := lifecycleEnv(t, aivensim.Options{})
		e.host(kind)
		e.start()
		e.create(e.object(kind, "x"))
		e.ready(kind, "x")
		e.stopOperator()
		e.vanish(kind, e.onlyRemote(kind))
		e.start()
		e.delete(kind, "x")
		e.gone(kind, "x")
		e.noRemote(kind)
	})
}

// The create reaches Aiven, and its answer never reaches the operator, which is
// then restarted: in the end there is exactly one remote, and it is ours.
func TestLostAnswerOfCreate(t *testing.T) {
	t.Parallel()
	forEveryKind(t, func(t *testing.T, kind string, c kindCase) {
		e := lifecycleEnv(t, aivensim.Options{})
		e.host(kind)
		fault := e.sim.InjectFault(aivensim.Fault{Operation: c.createOperation, Skip: c.createSkips, Action: aivensim.Reset, Apply: true, Count: 1})
		e.start()
		e.create(e.object(kind, "x"))
		if err := e.sim.WaitUntil(e.ctx, func() bool { return fault.Hits() == 1 }); err != nil {
			t.Fatal(err)
		}
		e.stopOperator()
		e.start()
		e.ready(kind, "x")
		e.onlyRemote(kind)
		if adopted, _, _ := unstructuredBool(e.get(kind, "x"), "status", "adopted"); adopted {
			t.Error("what the object created itself counts as adopted")
		}
		e.delete(kind, "x")
		e.gone(kind, "x")
		e.noRemote(kind)
	})
}

// One object keeps its remote when it is deleted, and another one takes it over.
func TestAdoption(t *testing.T) {
	t.Parallel()
	forEveryKind(t, func(t *testing.T, kind string, c kindCase) {
		e := lifecycleEnv(t, aivensim.Options{})
		e.host(kind)
		e.start()
		e.create(e.object(kind, "first", sameRemote(kind)))
		e.ready(kind, "first")
		name := e.onlyRemote(kind)
		e.annotate(kind, "first", "controllers.aiven.io/deletion-policy", "Orphan")
		if kindCases[kind].host == "" || kind == "ConnectionPool" || kind == "ClickhouseGrant" || kind == "KafkaConnector" {
			// The remote is named like the object.
			e.delete(kind, "first")
			e.gone(kind, "first")
			e.create(e.object(kind, "first"))
			e.ready(kind, "first")
			e.wantAdopted(kind, "first")
			return
		}
		e.create(e.object(kind, "second", sameRemote(kind)))
		if message := e.unready(kind, "second", "AlreadyManaged"); message == "" {
			t.Error("no message")
		}
		e.delete(kind, "first")
		e.gone(kind, "first")
		e.ready(kind, "second")
		if got := e.onlyRemote(kind); got != name {
			t.Errorf("the remote is now %s, want the adopted %s", got, name)
		}
		e.wantAdopted(kind, "second")
	})
}

func (e *env) wantAdopted(kind, name string) {
	e.Helper()
	if adopted, _, _ := unstructuredBool(e.get(kind, name), "status", "adopted"); !adopted {
		e.Errorf("%s %s does not say that it adopted its remote", kind, name)
	}
}

// sameRemote makes objects of different names name one remote, where the kind
// can.
func sameRemote(kind string) func(map[string]any) {
	return func(spec map[string]any) {
		switch kind {
		case "Database", "ClickhouseDatabase":
			spec["databaseName"] = "shared"
		case "ServiceUser", "ClickhouseUser":
			spec["username"] = "shared"
			spec["connInfoSecretTargetDisabled"] = true
		case "KafkaTopic":
			spec["topicName"] = "shared"
		}
	}
}
