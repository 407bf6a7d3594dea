// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// walk is a random walk of one object and its server: people change the spec and make
// things of their own under Bailiwick's names, writes are refused, lost, or carried out
// without an answer, and the process ends anywhere.
type walk struct {
	*fixture
	random *rand.Rand
	tokens int
	// theirs are what people made, by kind and name.
	theirs map[string]string
	log    []string
	// leftMount says that a mount was left to people whose roles were in it.
	leftMount bool
	// apiDown says that the API server takes no more writes of this process.
	apiDown bool
}

var theirNames = []string{"openbao-operator", "openbao-operator-backup", "openbao-operator-upgrade", "openbao-operator-bootstrapper"}

// steps are what can happen between two syncs.
func (w *walk) step() string {
	switch w.random.IntN(12) {
	case 0:
		on := w.random.IntN(2) == 0
		w.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
			if c.Spec.Backup = nil; on {
				c.Spec.Backup = &openbaov1alpha1.BackupSpec{}
			}
		})
		return fmt.Sprintf("backup %t", on)
	case 1:
		mode := allModes[w.random.IntN(len(allModes))]
		w.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
			if c.Spec.Authorization != nil {
				c.Spec.Authorization.Mode = mode
			}
		})
		return "mode " + string(mode)
	case 2, 3, 4:
		w.token()
		return "admin token"
	case 5, 6:
		return w.intrude()
	case 7:
		// They remove what is in the way, as the condition says.
		for name := range w.theirs {
			kind, name, _ := strings.Cut(name, " ")
			if kind == "policy" {
				delete(w.server().policies, name)
			} else {
				delete(w.server().roles, name)
			}
		}
		clear(w.theirs)
		return "people remove theirs"
	case 8:
		requested := w.get("prod").Spec.Authorization != nil
		w.request(!requested)
		return fmt.Sprintf("requested %t", !requested)
	case 9:
		w.restart()
		return "restart"
	}
	return "nothing"
}

func (w *walk) token() {
	w.tokens++
	w.admin(fmt.Sprintf("s.walk-%d", w.tokens))
}

func (w *walk) request(on bool) {
	w.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization, c.Annotations = nil, map[string]string{openbaov1alpha1.AnnotationAdminTokenSecret: "admin"}
		if on {
			c.Spec.Authorization, c.Annotations = &openbaov1alpha1.AuthorizationSpec{
				Address: address, CASecretRef: &openbaov1alpha1.CASecretReference{Name: "ca"},
				AdminTokenSecretRef: &openbaov1alpha1.SecretKeyReference{Name: "admin"},
			}, nil
		}
	})
}

// intrude has people make a policy or a role where nothing is, and where nothing of
// Bailiwick's was confirmed: a change of that would be drift, which is repaired.
func (w *walk) intrude() string {
	name := theirNames[w.random.IntN(len(theirNames))]
	s, record := w.server(), w.get("prod").Status.Authorization
	if w.random.IntN(2) == 0 {
		if _, taken := s.policies[name]; taken || record != nil && slices.Contains(record.Policies, name) {
			return "nothing to take"
		}
		s.policies[name] = fmt.Sprintf(`path "theirs-%d" { capabilities = ["read"] }`, w.random.IntN(1000))
		w.theirs["policy "+name] = s.policies[name]
	} else {
		if _, taken := s.roles[name]; taken || s.mounts["jwt-operator"].Type == "" || record != nil && slices.Contains(record.Roles, name) {
			return "nothing to take"
		}
		s.roles[name] = map[string]any{"role_type": "jwt", "bound_subject": fmt.Sprintf("theirs-%d", w.random.IntN(1000))}
		w.theirs["role "+name] = fmt.Sprint(s.roles[name])
	}
	return "people make " + name
}

// weather decides what fails in the next sync.
func (w *walk) weather() string {
	s := w.server()
	s.fail, s.lose = func(string) error { return nil }, func(string) error { return nil }
	w.gateErr, w.apiDown = nil, false
	n := w.random.IntN(8)
	mutation := func(op string) bool {
		return strings.HasPrefix(op, "Write") || strings.HasPrefix(op, "Delete") || strings.HasPrefix(op, "Enable") || strings.HasPrefix(op, "Disable")
	}
	counted := func(err error) func(string) error {
		return func(op string) error {
			if mutation(op) {
				if n--; n < 0 {
					return err
				}
			}
			return nil
		}
	}
	switch w.random.IntN(9) {
	case 0:
		s.fail = counted(class(openbao.PermissionDenied))
		return fmt.Sprintf("denied after %d", n)
	case 1:
		s.fail = counted(class(openbao.Unavailable))
		return fmt.Sprintf("lost before the server after %d", n)
	case 2:
		s.lose = counted(class(openbao.Unavailable))
		return fmt.Sprintf("answer lost after %d", n)
	case 3:
		// The process may not write any more, and its successor knows nothing.
		s.lose = func(op string) error {
			if mutation(op) {
				if n--; n < 0 {
					w.gateErr, w.apiDown = errors.New("lease lost"), true
				}
			}
			return nil
		}
		return fmt.Sprintf("killed after %d", n)
	case 4:
		s.fail = counted(class(openbao.Unknown))
		return fmt.Sprintf("trouble after %d", n)
	}
	return "fair"
}

func (w *walk) check() {
	w.t.Helper()
	state := w.server().state()
	for name, want := range w.theirs {
		if got := state[name]; got != want {
			w.t.Fatalf("%s of other people was %s, and is %q. The walk:\n%s", name, want, got, strings.Join(w.log, "\n"))
		}
	}
}

// TestIntentIsNotOwnership walks, and checks that nothing that people made is ever
// changed or deleted, and that the end of the request leaves nothing behind.
func TestIntentIsNotOwnership(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		w := &walk{fixture: newFixture(t), random: rand.New(rand.NewPCG(seed, 5)), theirs: map[string]string{}}
		w.clusters.PrependReactor("patch", "openbaoclusters", func(clienttesting.Action) (bool, runtime.Object, error) {
			return w.apiDown, nil, errors.New("the process is gone")
		})
		w.create("prod", 0, withBackup)
		for range 30 {
			step, weather := w.step(), w.weather()
			w.log = append(w.log, step+", "+weather)
			for name := range w.theirs {
				w.leftMount = w.leftMount || w.get("prod").Spec.Authorization == nil && strings.HasPrefix(name, "role ")
			}
			w.sync("prod")
			if w.apiDown {
				w.apiDown = false
				w.restart()
			}
			w.check()
			w.now = w.now.Add(time.Minute)
		}
		// People take theirs away, nothing fails any more, and the request ends.
		s := w.server()
		s.fail, s.lose, w.gateErr = func(string) error { return nil }, func(string) error { return nil }, nil
		for name := range w.theirs {
			kind, name, _ := strings.Cut(name, " ")
			if kind == "policy" {
				delete(s.policies, name)
			} else {
				delete(s.roles, name)
			}
		}
		w.request(true)
		w.token()
		w.sync("prod")
		w.expect("prod", ReasonApplied)
		w.request(false)
		w.token()
		w.sync("prod")
		w.expect("prod", ReasonNotRequested)
		got := s.state()
		if w.leftMount {
			delete(got, "mount jwt-operator")
			delete(got, "config")
		}
		if !maps.Equal(got, map[string]string{"mount token": "token"}) || len(s.policies) > 0 {
			t.Fatalf("seed %d: the server holds %v and %v. The walk:\n%s", seed, got, slices.Collect(maps.Keys(s.policies)), strings.Join(w.log, "\n"))
		}
		if record := w.get("prod").Status.Authorization; record != nil {
			t.Fatalf("seed %d: recorded is %+v", seed, record)
		}
	}
}

// TestRefusedFirstWrite checks that a first write that the server refuses makes nothing
// ours: what people create under those names after that stays theirs.
func TestRefusedFirstWrite(t *testing.T) {
	for _, mode := range allModes {
		f := newFixture(t)
		f.server().fail = func(op string) error {
			if strings.HasPrefix(op, "EnableAuth") {
				return class(openbao.PermissionDenied)
			}
			return nil
		}
		f.create("prod", 0, withBackup, inMode(mode))
		f.sync("prod")
		f.expect("prod", ReasonPermissionDenied)
		if record := f.record("prod"); len(record.Policies)+len(record.Roles)+len(record.Pending) > 0 || record.MountCreated || record.ConfigWritten {
			t.Errorf("recorded is %+v", record)
		}
		f.server().fail = func(string) error { return nil }
		const theirs = `path "theirs" { capabilities = ["read"] }`
		f.server().policies[backupRole] = theirs
		f.sync("prod")
		f.expect("prod", ReasonPolicyConflict)
		f.change("prod", unrequest)
		f.giveAdmin("s.second")
		f.sync("prod")
		if got := f.server().policies; len(got) != 1 || got[backupRole] != theirs {
			t.Errorf("the policies are %v", got)
		}
	}
}

// TestForeignConfig checks that a config that somebody else wrote stays a conflict at
// every sync, in every mode, and is never overwritten.
func TestForeignConfig(t *testing.T) {
	for _, mode := range allModes {
		f := newFixture(t)
		f.server().mounts["jwt-operator"] = openbao.Mount{Type: "jwt"}
		f.server().config = map[string]any{"oidc_discovery_url": "https://theirs"}
		f.create("prod", 0, inMode(mode))
		for range 4 {
			f.sync("prod")
			f.expect("prod", ReasonConfigConflict)
			f.now = f.now.Add(time.Hour)
		}
		// One after everything else was written, too: the mount was made by them.
		if got := f.server().config["oidc_discovery_url"]; got != "https://theirs" {
			t.Errorf("%s: the config is %v", mode, f.server().config)
		}
	}
}

// TestDeletedAndMadeAgain checks that what somebody made under a name whose deletion
// had no answer is theirs.
func TestDeletedAndMadeAgain(t *testing.T) {
	f := enforced(t, withBackup)
	f.server().lose = func(op string) error {
		if strings.HasPrefix(op, "DeletePolicy "+backupRole) {
			return class(openbao.Unavailable)
		}
		return nil
	}
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup = nil })
	f.sync("prod")
	if pending := f.record("prod").Pending; len(pending) != 1 || pending[0].Name != backupRole || pending[0].Action != string(authz.Delete) {
		t.Fatalf("pending is %+v", pending)
	}
	f.server().lose = func(string) error { return nil }
	const theirs = `path "theirs" { capabilities = ["read"] }`
	f.server().policies[backupRole] = theirs
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.server().policies[backupRole]; got != theirs || slices.Contains(f.record("prod").Policies, backupRole) {
		t.Errorf("the policy is %q, and recorded are %q", got, f.record("prod").Policies)
	}
}
