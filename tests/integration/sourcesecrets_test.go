// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// noticed is how long a change of a source Secret may stay unnoticed.
const noticed = 30 * time.Second

// passwordOf returns the password that a user in the host has at Aiven, and the one
// that is published.
func (e *env) passwordOf(user, key string) (atAiven, published string) {
	e.Helper()
	sv, _ := e.sim.Project(project).Service("host")
	u, ok := sv.User(user)
	if !ok {
		return "", ""
	}
	secret, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, user, metav1.GetOptions{})
	if err != nil {
		return u.Password, ""
	}
	return u.Password, string(secret.Data[key])
}

func source(name string) func(map[string]any) {
	return set("connInfoSecretSource", map[string]any{"name": name, "passwordKey": "password"})
}

// A password that leaves its source is set, and published when it is set, whether
// Aiven shows the passwords of users or not; also after a restart, with another token,
// and without any annotation.
func TestRotatedSourcePassword(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind, host, key string
		hidden          []string
	}{
		"shown":      {"ServiceUser", "valkey", "SERVICEUSER_PASSWORD", nil},
		"hidden":     {"ServiceUser", "valkey", "SERVICEUSER_PASSWORD", []string{"valkey"}},
		"clickhouse": {"ClickhouseUser", "clickhouse", "CLICKHOUSEUSER_PASSWORD", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, aivensim.Options{
				HiddenPasswords: tc.hidden,
				Tokens:          []aivensim.Token{{Name: "first", Value: "the-first-token"}, {Name: "second", Value: "the-second-token"}},
			})
			e.change = append(e.change, quickEvents)
			e.hostOf(tc.host)
			e.tokenSecret("token", "the-first-token")
			e.passwordSecret("source", "first-password")
			e.start()
			e.create(e.object(tc.kind, "x", source("source"), tokenOf("token")))
			e.ready(tc.kind, "x")
			password := func(want string) {
				t.Helper()
				e.within(noticed, "the password at Aiven and in the Secret", func() error {
					if at, published := e.passwordOf("x", tc.key); at != want || published != want {
						return fmt.Errorf("they are %q and %q", at, published)
					}
					return nil
				})
				e.ready(tc.kind, "x")
			}
			writes := func() int {
				n := e.sim.Count(aivensim.Mutating)
				e.sim.ResetRequests()
				return n
			}
			password("first-password")
			status, err := json.Marshal(e.get(tc.kind, "x").Object["status"])
			if err != nil || strings.Contains(string(status), "password\"") || !strings.Contains(string(status), "passwordSource") {
				t.Errorf("the status is %s, %v", status, err)
			}

			t.Log("A change is noticed, set and published")
			e.editSecret("source", `{"stringData":{"password":"second-password"}}`)
			password("second-password")

			t.Log("Nothing is sent for a change of something else, nor after a restart, nor with another token")
			writes()
			e.editSecret("source", `{"metadata":{"labels":{"a":"b"}},"stringData":{"other":"value"}}`)
			time.Sleep(noticed / 2)
			e.stopOperator()
			e.start()
			e.ready(tc.kind, "x")
			e.setToken("token", "the-second-token")
			e.annotate(tc.kind, "x", "bailiwick.dev/refresh", "1")
			e.eventually("the new token to be used", func() error {
				if e.sim.Count(aivensim.ByToken("second")) == 0 {
					return fmt.Errorf("it is not")
				}
				return nil
			})
			e.ready(tc.kind, "x")
			if n := writes(); n != 0 {
				t.Errorf("%d changes were sent", n)
			}

			t.Log("What changed while the operator was down, and the token too, is set")
			e.stopOperator()
			e.editSecret("source", `{"stringData":{"password":"third-password"}}`)
			e.setToken("token", "the-first-token")
			e.start()
			password("third-password")

			t.Log("What could not be set is not published")
			fault := e.sim.InjectFault(aivensim.Fault{Method: "PUT", Status: 503})
			e.editSecret("source", `{"stringData":{"password":"fourth-password"}}`)
			e.within(noticed, "an attempt", func() error {
				if fault.Hits() == 0 {
					return fmt.Errorf("there is none")
				}
				return nil
			})
			e.still("what is published", func() error {
				if at, published := e.passwordOf("x", tc.key); at != "third-password" || published != "third-password" {
					return fmt.Errorf("they are %q and %q", at, published)
				}
				return nil
			})
			fault.Remove()
			password("fourth-password")

			t.Log("Without a source the user keeps what it has, and says so")
			e.patch(tc.kind, "x", `{"spec":{"connInfoSecretSource":null}}`)
			e.note(tc.kind, "x", "spec.connInfoSecretSource was removed")
			if at, published := e.passwordOf("x", tc.key); at != "fourth-password" || published != "fourth-password" {
				t.Errorf("they are %q and %q", at, published)
			}
		})
	}
}

// A Secret that is applied a moment after the object that names it is waited for. It
// is no error.
func TestSourceSecretThatComesLater(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.hostOf("pg")
	e.start()
	e.create(e.object("ServiceUser", "x", source("source")))
	e.create(e.object("PostgreSQL", "pg", set("migrationSecretSource", map[string]any{"name": "migration"})))
	e.create(e.object("ServiceUser", "follower", set("connInfoSecretSource", map[string]any{"name": "leader", "passwordKey": "SERVICEUSER_PASSWORD"})))
	for _, object := range [][2]string{{"ServiceUser", "x"}, {"PostgreSQL", "pg"}, {"ServiceUser", "follower"}} {
		e.unready(object[0], object[1], "SourceSecretUnusable")
		if _, conditions, err := e.conditions(object[0], object[1])(); err != nil || meta.FindStatusCondition(conditions, "Error") != nil {
			t.Errorf("%v: conditions are %+v, %v", object, conditions, err)
		}
	}
	e.passwordSecret("source", "chosen-password")
	e.sourceSecret("migration", nil)
	// What the operator publishes itself wakes whoever waits for it.
	e.create(e.object("ServiceUser", "leader"))
	ready := func(kind, name string) {
		t.Helper()
		e.within(noticed, kind+" "+name, func() error {
			_, conditions, err := e.conditions(kind, name)()
			if err != nil || meta.IsStatusConditionTrue(conditions, "Ready") {
				return err
			}
			return fmt.Errorf("conditions are %+v", conditions)
		})
	}
	ready("ServiceUser", "x")
	ready("ServiceUser", "follower")
	ready("PostgreSQL", "pg")
	if events, err := e.kube.CoreV1().Events(e.ns).List(e.ctx, metav1.ListOptions{FieldSelector: "type=Warning"}); err != nil || len(events.Items) > 0 {
		t.Errorf("there are warnings: %+v, %v", events, err)
	}
}

// Where the operator may watch Secrets, a change is noticed immediately.
func TestWatchedSourceSecret(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.hostOf("pg")
	e.start(e.account("get", "create", "patch", "list", "watch"))
	// The same again within seconds is taken for an update without effect.
	for _, user := range []string{"a", "b", "c"} {
		e.passwordSecret(user, "first-password")
		e.create(e.object("ServiceUser", "of-"+user, source(user)))
		e.ready("ServiceUser", "of-"+user)
		e.editSecret(user, `{"stringData":{"password":"second-password"}}`)
		e.within(sourceEvent, "the password", func() error {
			if at, published := e.passwordOf("of-"+user, "SERVICEUSER_PASSWORD"); at != "second-password" || published != at {
				return fmt.Errorf("they are %q and %q", at, published)
			}
			return nil
		})
	}
}

// sourceEvent is less than the time after which a change is noticed without a watch.
const sourceEvent = 2500 * time.Millisecond
