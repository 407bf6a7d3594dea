// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

func selfInit(c *openbaov1alpha1.OpenBaoCluster) {
	c.Spec.SelfInit = &openbaov1alpha1.SelfInitSpec{Enabled: true}
}

func (f *fixture) init() *corev1.ConfigMap {
	f.t.Helper()
	found, err := f.kubernetes.CoreV1().ConfigMaps("ns").Get(f.t.Context(), "prod-authorization-init", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return found
}

// writesTo counts the writes to ConfigMaps.
func (f *fixture) writesToConfigMaps() int {
	n := 0
	for _, action := range f.kubernetes.Actions() {
		if action.GetResource().Resource == "configmaps" && action.GetVerb() != "get" && action.GetVerb() != "list" {
			n++
		}
	}
	return n
}

// TestInit checks that the requests for the first start are there before the
// server is, and follow the spec.
func TestInit(t *testing.T) {
	f := newFixture(t)
	f.server().fail = func(string) error { return class(openbao.Unavailable) }
	f.create("prod", 0, selfInit)
	f.sync("prod")
	f.expect("prod", ReasonServerUnreachable)
	found := f.init()
	if found == nil || !strings.Contains(found.Data["initialize.hcl"], `initialize "operator-bootstrap"`) || strings.Contains(found.Data["initialize.hcl"], "openbao-operator-backup") {
		t.Fatalf("the ConfigMap is %+v", found)
	}
	if len(found.OwnerReferences) != 1 || found.OwnerReferences[0].UID != "uid-prod" || found.OwnerReferences[0].BlockOwnerDeletion != nil || found.Labels["app.kubernetes.io/managed-by"] != "bailiwick" {
		t.Errorf("the ConfigMap is %+v", found.ObjectMeta)
	}
	f.sync("prod")
	if got := f.writesToConfigMaps(); got != 1 {
		t.Errorf("%d writes, want 1", got)
	}
	f.change("prod", withBackup)
	f.sync("prod")
	if got := f.init().Data["initialize.hcl"]; !strings.Contains(got, "openbao-operator-backup") {
		t.Errorf("the ConfigMap did not follow: %s", got)
	}
}

// TestInitRequests checks that the requests of the object come after ours, that
// one which is impossible leaves what is there, and that none is ever sent.
func TestInitRequests(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, selfInit, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.SelfInit.Requests = []openbaov1alpha1.SelfInitRequest{{
			Name: "people", Operation: openbaov1alpha1.RequestUpdate, Path: "sys/policies/acl/people",
			Policy: &openbaov1alpha1.PolicyRequest{Policy: "path \"x\" {}"},
		}}
	})
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	content := f.init().Data["initialize.hcl"]
	if ours, theirs := strings.Index(content, `initialize "operator-bootstrap"`), strings.Index(content, `initialize "people"`); ours != 0 || theirs < 0 {
		t.Errorf("the ConfigMap holds %s", content)
	}
	if _, sent := f.server().policies["people"]; sent {
		t.Error("the request was sent to the server")
	}

	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.SelfInit.Requests[0].Data = &runtime.RawExtension{Raw: []byte(`{"a": 1}`)}
	})
	f.sync("prod")
	if c := f.expect("prod", ReasonApplied); !strings.Contains(c.Message, "prod-authorization-init") ||
		!strings.Contains(c.Message, `spec.selfInit.requests[0]: the request "people"`) {
		t.Errorf("the message is %s", c.Message)
	}
	if got := f.init().Data["initialize.hcl"]; got != content {
		t.Errorf("the ConfigMap holds %s", got)
	}
}

func TestInitOfSomeoneElse(t *testing.T) {
	f := newFixture(t)
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "prod-authorization-init"}, Data: map[string]string{"x": "y"}}
	if _, err := f.kubernetes.CoreV1().ConfigMaps("ns").Create(t.Context(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	f.create("prod", 0, selfInit)
	f.sync("prod")
	if c := f.expect("prod", ReasonApplied); !strings.Contains(c.Message, "kubectl -n ns delete configmap prod-authorization-init") {
		t.Errorf("the message is %s", c.Message)
	}
	if got := f.init(); len(got.Data) != 1 || got.Data["x"] != "y" {
		t.Errorf("the ConfigMap is %+v", got)
	}
}

func TestInitOnlyWhereItIsUsed(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	for range 2 {
		f.sync("prod")
	}
	// The first sync of a process finds out that there is none, and the first of all that
	// there are no records of another schema.
	var did []string
	for _, action := range f.kubernetes.Actions() {
		if action.GetResource().Resource == "configmaps" {
			did = append(did, action.GetVerb())
		}
	}
	if !slices.Equal(did, []string{"list", "get"}) {
		t.Errorf("did %q with ConfigMaps", did)
	}
}

// TestInitGoes checks that the ConfigMap goes when it is not asked for any more,
// whatever else is requested, whether or not the process made it.
func TestInitGoes(t *testing.T) {
	for name, off := range map[string]func(*openbaov1alpha1.OpenBaoCluster){
		"turned off":      func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.SelfInit.Enabled = false },
		"left out":        func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.SelfInit = nil },
		"nothing is kept": func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.SelfInit, c.Spec.Authorization = nil, nil },
	} {
		for _, restarted := range []bool{false, true} {
			f := newFixture(t)
			f.create("prod", 0, selfInit)
			f.sync("prod")
			if f.init() == nil {
				t.Fatal("there is no ConfigMap")
			}
			if restarted {
				f.restart()
			}
			f.change("prod", off)
			f.sync("prod")
			if found := f.init(); found != nil {
				t.Errorf("%s, restarted %t: there is still %+v", name, restarted, found)
			}
			writes := f.writesToConfigMaps()
			f.sync("prod")
			if got := f.writesToConfigMaps(); got != writes {
				t.Errorf("%s, restarted %t: %d writes for nothing", name, restarted, got-writes)
			}
			// And it comes back.
			f.change("prod", selfInit)
			f.sync("prod")
			if f.init() == nil {
				t.Errorf("%s, restarted %t: the ConfigMap did not come back", name, restarted)
			}
		}
	}
}

// TestInitOfSomeoneElseStays checks that only what this object controls is deleted.
func TestInitOfSomeoneElseStays(t *testing.T) {
	f := newFixture(t)
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "prod-authorization-init", Labels: map[string]string{managedByLabel: managedByValue},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "OpenBaoCluster", Name: "prod", UID: "another", Controller: new(true)}},
	}}
	if _, err := f.kubernetes.CoreV1().ConfigMaps("ns").Create(t.Context(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	f.create("prod", 0)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if f.init() == nil {
		t.Error("the ConfigMap of another object was deleted")
	}
}

// TestInitMayNotGo checks that a missing right is told, holds up nothing, and is
// tried again.
func TestInitMayNotGo(t *testing.T) {
	f := newFixture(t)
	refuse := true
	f.kubernetes.PrependReactor("delete", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return refuse, nil, forbidden("no")
	})
	f.create("prod", 0, selfInit)
	f.sync("prod")
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.SelfInit = nil })
	f.sync("prod")
	if c := f.expect("prod", ReasonApplied); !strings.Contains(c.Message, "kubectl -n ns delete configmap prod-authorization-init") {
		t.Errorf("the message is %s", c.Message)
	}
	refuse = false
	f.sync("prod")
	if c := f.expect("prod", ReasonApplied); strings.Contains(c.Message, "ConfigMap") || f.init() != nil {
		t.Errorf("the message is %s, the ConfigMap %+v", c.Message, f.init())
	}
}

func TestInitFailureHoldsUpNothing(t *testing.T) {
	f := newFixture(t)
	f.kubernetes.PrependReactor("create", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, forbidden("no")
	})
	f.create("prod", 0, selfInit)
	f.sync("prod")
	if c := f.expect("prod", ReasonApplied); !strings.Contains(c.Message, "prod-authorization-init") {
		t.Errorf("the message is %s", c.Message)
	}
}

// TestSelfInitializedServer checks that what the server wrote at its first start
// is taken over where it can be looked at.
func TestSelfInitializedServer(t *testing.T) {
	f := enforced(t, selfInit, withBackup)
	f.restart()
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Status.Authorization = nil
		c.Spec.Authorization.AdminTokenSecretRef = nil
	})
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}
	if record := f.record("prod"); len(record.Roles) != 3 || record.Digest == "" || record.MountCreated {
		t.Errorf("recorded %+v", record)
	}
}

// TestSelfInitializedServerInModeOnce checks that the identities that get in stand for
// the login that this mode has not, and that fewer of them, or more rights, do not.
func TestSelfInitializedServerInModeOnce(t *testing.T) {
	begin := func(t *testing.T, before func(*fixture)) *fixture {
		t.Helper()
		f := newFixture(t)
		if before != nil {
			before(f)
		}
		f.create("prod", 0, selfInit, withBackup)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		f.restart()
		f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Status.Authorization, c.Status.Conditions = nil, nil
			c.Spec.Authorization.AdminTokenSecretRef = nil
		})
		f.settle()
		return f
	}

	t.Run("all proved", func(t *testing.T) {
		f := begin(t, nil)
		for range 2 {
			f.sync("prod")
			f.expect("prod", ReasonApplied)
		}
		record := f.record("prod")
		if got := f.server().takeWrites(); len(got) > 0 || record.Digest == "" || record.Claim == nil || record.Claim.Nonce != "" || record.Proved != proved(2) || len(record.Pending) != 5 {
			t.Errorf("wrote %q, recorded %+v", got, record)
		}
		f.expectKeys(metav1.ConditionTrue, ReasonCurrent)
	})
	t.Run("not all", func(t *testing.T) {
		f := begin(t, nil)
		role := f.server().roles[backupRole]
		before := role["token_policies"]
		role["token_policies"] = []string{"openbao-operator-backup", "more"}
		f.sync("prod")
		if c := f.expect("prod", ReasonAdminTokenRequired); !strings.Contains(c.Message, "only 1 of 2 identities") {
			t.Errorf("the message is %s", c.Message)
		}
		if record := f.record("prod"); record.Digest != "" || len(record.Roles)+len(record.Policies) > 0 || record.Claim != nil {
			t.Errorf("recorded %+v", record)
		}
		role["token_policies"] = before
		f.sync("prod")
		f.expect("prod", ReasonApplied)
	})
	t.Run("several keys", func(t *testing.T) {
		f := begin(t, func(f *fixture) { f.issuer.Keys = []authz.Key{key("a", "A"), key("b", "B")} })
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		if c := f.expectKeys(metav1.ConditionUnknown, ReasonKeysUnconfirmed); !strings.Contains(c.Message, "all 2") {
			t.Errorf("the message is %s", c.Message)
		}
		f.admin("root-2")
		f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.Authorization.AdminTokenSecretRef = &openbaov1alpha1.SecretKeyReference{Name: "admin"}
		})
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		f.expectKeys(metav1.ConditionTrue, ReasonCurrent)
	})
	t.Run("never initialized", func(t *testing.T) {
		f := newFixture(t)
		f.create("prod", 0, selfInit, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.AdminTokenSecretRef = nil })
		f.sync("prod")
		if c := f.expect("prod", ReasonAdminTokenRequired); !strings.Contains(c.Message, "only 0 of 1 identities") {
			t.Errorf("the message is %s", c.Message)
		}
	})
}

// TestSelfInitializedServerIsNotSeen checks that logins of the identities make nothing
// Bailiwick's that they do not show: what a person has added to a policy or a config is
// neither overwritten nor deleted, and what the first start wrote is.
func TestSelfInitializedServerIsNotSeen(t *testing.T) {
	begin := func(t *testing.T) *fixture {
		t.Helper()
		f := newFixture(t)
		f.create("prod", 0, selfInit, withBackup)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		f.restart()
		delete(f.server().policies, authz.MarkPolicy)
		f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Status.Authorization, c.Status.Conditions = nil, nil
			c.Spec.Authorization.AdminTokenSecretRef = nil
		})
		return f
	}
	const extended = "\npath \"kv/data/a-persons-own\" { capabilities = [\"read\"] }"
	edit := func(f *fixture) {
		f.server().policies["openbao-operator-backup"] += extended
		f.server().config["jwt_validation_pubkeys"] = append(f.server().config["jwt_validation_pubkeys"].([]any), "a person's own")
	}
	withToken := func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.AdminTokenSecretRef = &openbaov1alpha1.SecretKeyReference{Name: "admin"}
	}

	t.Run("a change", func(t *testing.T) {
		f := begin(t)
		edit(f)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		before := f.server().state()
		f.admin("s.second")
		f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
			withToken(c)
			c.Spec.Authorization.Profile = openbaov1alpha1.ProfileMinimal
		})
		f.sync("prod")
		c := f.expect("prod", ReasonConfigConflict)
		if got := f.server().state(); !maps.Equal(got, before) || !strings.Contains(c.Message, "policy openbao-operator-backup") || !strings.Contains(c.Message, "config jwt-operator") {
			t.Errorf("the server holds %v, and the message is %s", got, c.Message)
		}
	})
	t.Run("the end", func(t *testing.T) {
		f := begin(t)
		edit(f)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.SelfInit = nil; unrequest(c) })
		f.giveAdmin("s.second")
		f.sync("prod")
		f.expect("prod", ReasonNotRequested)
		if got := slices.Sorted(maps.Keys(f.server().policies)); !slices.Equal(got, []string{"openbao-operator-backup"}) {
			t.Errorf("the policies are %q", got)
		}
		if got := f.server().roles; len(got) > 0 || f.server().mounts["jwt-operator"].Type == "" {
			t.Errorf("the server has the roles %v and the mounts %v", got, f.server().mounts)
		}
	})
	t.Run("nobody has changed it", func(t *testing.T) {
		f := begin(t)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		f.issuer.Keys = []authz.Key{key("k2", "Qg==")}
		f.admin("s.second")
		f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
			withToken(c)
			c.Spec.Authorization.Profile = openbaov1alpha1.ProfileMinimal
		})
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		if record := f.record("prod"); len(record.Pending) > 0 || len(record.Policies) != 2 || !record.ConfigWritten {
			t.Errorf("recorded is %+v", record)
		}
	})
}
