// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

var (
	secondKey = key("k2", "Qg==")
	thirdKey  = key("k3", "Qw==")
)

// expectKeys checks the condition about the signing keys.
func (f *fixture) expectKeys(status metav1.ConditionStatus, reason string) metav1.Condition {
	f.t.Helper()
	c := meta.FindStatusCondition(f.get("prod").Status.Conditions, openbaov1alpha1.ConditionSigningKeysCurrent)
	if c == nil || c.Status != status || c.Reason != reason {
		f.t.Fatalf("SigningKeysCurrent is %+v, want %s %s", c, status, reason)
	}
	return *c
}

// configured are the keys in the server's config.
func (f *fixture) configured() []string {
	var ids []string
	held := list(f.server().config["jwt_validation_pubkeys"])
	for _, k := range []authz.Key{key("k1", "QQ=="), secondKey, thirdKey} {
		if slices.Contains(held, k.PEM) {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// TestSoftRotation walks through a rotation that overlaps.
func TestSoftRotation(t *testing.T) {
	f := enforced(t)
	f.expectKeys(metav1.ConditionTrue, ReasonCurrent)
	f.issuer.Keys = append(f.issuer.Keys, secondKey)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.configured(); !slices.Equal(got, []string{"k1", "k2"}) {
		t.Errorf("the server has the keys %q", got)
	}

	f.issuer.Keys = []authz.Key{secondKey}
	f.now = f.now.Add(time.Minute)
	outcome := f.sync("prod")
	f.expect("prod", ReasonApplied)
	if c := f.expectKeys(metav1.ConditionTrue, ReasonCurrent); !strings.Contains(c.Message, "k1 (until "+f.now.Add(time.Hour).UTC().Format(time.RFC3339)+")") {
		t.Errorf("the message is %s", c.Message)
	}
	if outcome.Err() != nil {
		t.Errorf("the outcome is %+v", outcome)
	}
	f.settle()
	f.now = f.now.Add(59 * time.Minute)
	f.sync("prod")
	if got := f.configured(); !slices.Equal(got, []string{"k1", "k2"}) {
		t.Errorf("in the overlap the server has the keys %q", got)
	}
	f.now = f.now.Add(time.Minute)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.configured(); !slices.Equal(got, []string{"k2"}) {
		t.Errorf("after the overlap the server has the keys %q", got)
	}
	if got := f.keyIDs("prod"); !slices.Equal(got, []string{"k2"}) {
		t.Errorf("recorded are the keys %q", got)
	}
}

func TestNextLook(t *testing.T) {
	s := &task{
		Controller: &Controller{opts: Options{RecheckInterval: time.Hour, ProofInterval: 24 * time.Hour}, logins: server.NewSessions(), proofs: newProofMemories()},
		now:        time.Unix(1000, 0),
	}
	s.before, s.obj = &openbaov1alpha1.OpenBaoCluster{}, &openbaov1alpha1.OpenBaoCluster{}
	if got := s.nextLook(); got != time.Hour {
		t.Errorf("got %s", got)
	}
	s.keys.NextExpiry = time.Unix(1300, 0)
	if got := s.nextLook(); got != 5*time.Minute {
		t.Errorf("got %s with an overlap that ends in 5 minutes", got)
	}
	proved := metav1.NewTime(time.Unix(1060-24*60*60, 0))
	s.obj.Status.Authorization = &openbaov1alpha1.AuthorizationStatus{ProvedAt: &proved}
	if got := s.nextLook(); got != time.Minute {
		t.Errorf("got %s with a proof that is due in a minute", got)
	}
	s.logins.Put(s.name, &server.Session{RenewAt: time.Unix(1030, 0)})
	if got := s.nextLook(); got != 30*time.Second {
		t.Errorf("got %s with a login to be replaced in 30 seconds", got)
	}
	s.keys.NextExpiry = time.Unix(900, 0)
	if got := s.nextLook(); got != soonestLook {
		t.Errorf("got %s with an overlap that is over", got)
	}
}

// A person who has just given a right that was missing does not wait for long, and one who
// never gives it costs little.
func TestLooksAgainForARight(t *testing.T) {
	s := &task{
		Controller: &Controller{opts: Options{RecheckInterval: time.Hour, ProofInterval: 24 * time.Hour}, logins: server.NewSessions(), proofs: newProofMemories()},
		now:        time.Unix(1000, 0),
	}
	s.before, s.obj = &openbaov1alpha1.OpenBaoCluster{}, &openbaov1alpha1.OpenBaoCluster{}
	memory := s.proofs.of(s.name, s.obj.UID)
	var waits []time.Duration
	for range 20 {
		memory.waitForRight(true, s.opts.RecheckInterval)
		waits = append(waits, s.nextLook())
	}
	if waits[0] != 10*time.Second || waits[3] > time.Minute || waits[19] != s.opts.RecheckInterval || !slices.IsSorted(waits) {
		t.Errorf("it looks again after %v", waits)
	}
	memory.waitForRight(false, s.opts.RecheckInterval)
	if got := s.nextLook(); got != s.opts.RecheckInterval {
		t.Errorf("with the right it looks again after %s", got)
	}
}

func TestOldKeysCanBeDropped(t *testing.T) {
	drop := func(value string) func(*openbaov1alpha1.OpenBaoCluster) {
		return func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Annotations = map[string]string{openbaov1alpha1.AnnotationDropOldSigningKeys: value}
		}
	}
	f := enforced(t)
	f.change("prod", drop("1"))
	f.issuer.Keys = append(f.issuer.Keys, secondKey)
	f.sync("prod")
	if got := f.record("prod").DroppedOldSigningKeys; got != "1" {
		t.Errorf("heeded %q", got)
	}
	// The value was heeded: what vanishes later has its overlap, also after a
	// restart.
	f.issuer.Keys = []authz.Key{secondKey}
	f.restart()
	f.sync("prod")
	if got := f.configured(); !slices.Equal(got, []string{"k1", "k2"}) {
		t.Errorf("the server has the keys %q", got)
	}
	f.change("prod", drop("2"))
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.configured(); !slices.Equal(got, []string{"k2"}) {
		t.Errorf("the server has the keys %q", got)
	}
	// No overlap at all.
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.SigningKeyOverlap = &metav1.Duration{} })
	f.issuer.Keys = []authz.Key{thirdKey}
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.configured(); !slices.Equal(got, []string{"k3"}) {
		t.Errorf("the server has the keys %q", got)
	}
}

// TestHardRotation checks that keys which replace all others are written with the
// login that is held, before and after it should have been replaced.
func TestHardRotation(t *testing.T) {
	for name, age := range map[string]time.Duration{"fresh": time.Minute, "old": 50 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			f := enforced(t)
			f.issuer.Keys = []authz.Key{secondKey}
			f.now = f.now.Add(age)
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			f.expectKeys(metav1.ConditionTrue, ReasonCurrent)
			if log := f.server().takeLog(); count(log, "Unknown key") > 0 {
				t.Errorf("tried to log in with the new key before it was written: %q", log)
			}
			if got := f.configured(); !slices.Equal(got, []string{"k1", "k2"}) {
				t.Errorf("the server has the keys %q", got)
			}
			f.sync("prod")
			f.expect("prod", ReasonApplied)
		})
	}
}

func TestLockedOut(t *testing.T) {
	for _, mode := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce} {
		t.Run(string(mode), func(t *testing.T) {
			f := enforced(t)
			f.change("prod", inMode(mode))
			if mode != openbaov1alpha1.AuthorizationEnforce {
				f.admin("s.observe")
				f.sync("prod")
				f.expect("prod", ReasonApplied)
			}
			f.restart()
			f.issuer.Keys = []authz.Key{secondKey}
			f.settle()
			f.sync("prod")
			c := f.expect("prod", ReasonLockedOut)
			for _, part := range []string{"bao write auth/jwt-operator/config", "jwt_supported_algs=", "kubectl -n ns create secret generic admin"} {
				if !strings.Contains(c.Message, part) {
					t.Errorf("the message does not say %q: %s", part, c.Message)
				}
			}
			f.expectKeys(metav1.ConditionFalse, ReasonLockedOut)
			if got := f.server().takeWrites(); len(got) > 0 {
				t.Errorf("wrote %q", got)
			}
			f.admin("s.second")
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			f.expectKeys(metav1.ConditionTrue, ReasonCurrent)
		})
	}
}

// TestBehind checks what is said of keys that nobody may write.
func TestBehind(t *testing.T) {
	for _, mode := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve} {
		t.Run(string(mode), func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0, inMode(mode))
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			f.issuer.Keys = []authz.Key{secondKey, f.issuer.Keys[0]}
			f.sync("prod")
			f.expect("prod", ReasonAdminTokenRequired)
			if c := f.expectKeys(metav1.ConditionFalse, ReasonKeysMissing); !strings.Contains(c.Message, "k2") {
				t.Errorf("the message is %s", c.Message)
			}
			if got := f.keyIDs("prod"); !slices.Equal(got, []string{"k1"}) {
				t.Errorf("recorded are the keys %q, which the server does not have", got)
			}
			f.admin("s.second")
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			f.expectKeys(metav1.ConditionTrue, ReasonCurrent)
		})
	}
}

// TestVanishedKeyIsRemembered checks that in mode Once the overlap begins when the
// key vanishes, also where nothing is written, and that its end needs no token: a
// person who wants it gone earlier says so.
func TestVanishedKeyIsRemembered(t *testing.T) {
	f := newFixture(t)
	f.issuer.Keys = append(f.issuer.Keys, secondKey)
	f.create("prod", 0)
	f.sync("prod")
	f.issuer.Keys = []authz.Key{secondKey}
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.restart()
	f.now = f.now.Add(61 * time.Minute)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.expectKeys(metav1.ConditionTrue, ReasonCurrent)
	if got := f.keyIDs("prod"); !slices.Equal(got, []string{"k1", "k2"}) {
		t.Errorf("recorded are the keys %q", got)
	}
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Annotations = map[string]string{openbaov1alpha1.AnnotationDropOldSigningKeys: "1"}
	})
	f.sync("prod")
	f.expect("prod", ReasonAdminTokenRequired)
	f.admin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.configured(); !slices.Equal(got, []string{"k2"}) {
		t.Errorf("the server has the keys %q", got)
	}
}

func TestKeysUnknown(t *testing.T) {
	f := enforced(t)
	f.issuerErr = errors.New("down")
	f.sync("prod")
	f.expect("prod", ReasonIssuerUnavailable)
	f.expectKeys(metav1.ConditionUnknown, ReasonIssuerUnavailable)

	f = newFixture(t)
	f.server().fail = func(string) error { return class(openbao.Unavailable) }
	f.create("prod", 0)
	f.sync("prod")
	f.expectKeys(metav1.ConditionUnknown, ReasonNotWritten)
}

func TestIssuerChange(t *testing.T) {
	f := enforced(t)
	f.issuer = Issuer{URL: "https://new.example", Keys: []authz.Key{secondKey}}
	f.sync("prod")
	// The bootstrapper's policy on the server pins the issuer.
	f.expect("prod", ReasonAdminTokenRequired)
	f.admin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.server().config["bound_issuer"]; got != "https://new.example" || f.record("prod").Issuer != got {
		t.Errorf("the issuer is %v", got)
	}
}
