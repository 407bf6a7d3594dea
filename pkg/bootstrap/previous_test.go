// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// previous is what the version before the marks recorded, and its server. The files
// in testdata/previous were written by that version.
type previous struct {
	Record   openbaov1alpha1.AuthorizationStatus
	Config   map[string]any
	Policies map[string]string
	Roles    map[string]map[string]any
}

func readPrevious(t *testing.T, mode openbaov1alpha1.AuthorizationMode) previous {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "previous", strings.ToLower(string(mode))+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var p previous
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// updated is a fixture as the previous version left it.
func (p previous) updated(t *testing.T, mode openbaov1alpha1.AuthorizationMode, foreign bool) *fixture {
	t.Helper()
	f := newFixture(t)
	s := f.server()
	s.mounts["jwt-operator"] = openbao.Mount{Type: "jwt", Description: "Auth method for OpenBao Operator"}
	s.config, s.policies, s.roles = p.Config, maps.Clone(p.Policies), p.Roles
	delete(s.tokens, adminToken)
	if !foreign {
		f.create("prod", 0, withBackup, withRestore, inMode(mode), func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Status.Authorization = p.Record.DeepCopy()
		})
		return f
	}
	f.beside(string(mode))
	record := p.Record.DeepCopy()
	record.Address, record.CASecretRef = "https://prod.ns.svc:8200", nil
	raw, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		withRestore(c)
		c.Annotations[openbaov1alpha1.AnnotationRecord] = string(raw)
	})
	return f
}

// recorded returns the record, wherever it is.
func (f *fixture) recorded(name string) *openbaov1alpha1.AuthorizationStatus {
	if f.foreign {
		return f.besideRecord(name)
	}
	return f.record(name)
}

// TestStatesOfThePreviousVersion checks that what the previous version recorded, in
// the status or in the annotation, leads to a server that holds the contract and the
// mark with one admin token, that nothing is written before, and that nothing recorded
// is lost: the end of the request removes it all.
func TestStatesOfThePreviousVersion(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		for _, mode := range allModes {
			t.Run(map[bool]string{false: "status ", true: "annotation "}[foreign]+string(mode), func(t *testing.T) {
				p := readPrevious(t, mode)
				f := p.updated(t, mode, foreign)
				before := f.server().state()
				for range 2 {
					f.sync("prod")
					f.authorizationReady(ReasonAdminTokenRequired)
				}
				if got := f.server().state(); !maps.Equal(got, before) || len(f.server().takeMarks()) > 0 {
					t.Errorf("the server was changed to %v", got)
				}
				if foreign {
					if f.recordMap("prod") != nil {
						t.Error("what nobody has confirmed is recorded")
					}
				} else if got := f.record("prod"); !slices.Equal(got.Roles, p.Record.Roles) || !slices.Equal(got.Policies, p.Record.Policies) || !got.ConfigWritten || got.LegacyAudience != "openbao-internal" {
					t.Errorf("recorded is %+v", got)
				}

				// A block is taken out of the spec at the same time.
				f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup = nil })
				f.admin("s.migrate")
				f.sync("prod")
				f.authorizationReady(ReasonApplied)
				if f.server().mark().Audience != f.audienceOf("prod") || f.server().roles[backupRole] != nil || f.server().policies[backupRole] != "" {
					t.Errorf("the server holds %v", f.server().state())
				}
				record := f.recorded("prod")
				if record.LegacyAudience != "" || record.Claim.ConfirmedAt == nil || !record.ConfigWritten || !record.MountCreated || len(record.Pending) > 0 {
					t.Errorf("recorded is %+v", record)
				}
				f.restart()
				f.sync("prod")
				f.authorizationReady(ReasonApplied)

				f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
					delete(c.Annotations, openbaov1alpha1.AnnotationMode)
					c.Spec.Authorization = nil
					if c.Annotations == nil {
						c.Annotations = map[string]string{}
					}
					c.Annotations[openbaov1alpha1.AnnotationAdminTokenSecret] = "admin"
				})
				f.admin("s.end")
				f.sync("prod")
				f.authorizationReady(ReasonNotRequested)
				if got := f.server().state(); !maps.Equal(got, map[string]string{"mount token": "token"}) || len(f.server().policies) > 0 {
					t.Errorf("the server holds %v", got)
				}
			})
		}
	}
}

// TestPreviousVersionWithoutAnAdmin checks that a server without any admin goes on
// with the audience that a person has allowed for its object, before it has a mark.
func TestPreviousVersionWithoutAnAdmin(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		f := readPrevious(t, openbaov1alpha1.AuthorizationEnforce).updated(t, openbaov1alpha1.AuthorizationEnforce, foreign)
		f.legacy[f.name("prod")] = "openbao-internal"
		f.server().policies[backupRole] = `path "secret/*" { capabilities = ["read"] }`
		f.sync("prod")
		f.authorizationReady(map[bool]string{false: ReasonAdminTokenRequired, true: ReasonPolicyConflict}[foreign])
		got := f.server().takeWrites()
		// In an annotation, a policy with other rights is not recognized as one of ours.
		if want := !foreign; slices.Contains(got, "WritePolicy "+backupRole) != want {
			t.Errorf("foreign %t: wrote %q", foreign, got)
		}
		if record := f.recorded("prod"); !slices.Contains(record.Roles, backupRole) || slices.Contains(record.Policies, backupRole) == foreign {
			t.Errorf("foreign %t: recorded is %+v", foreign, record)
		}
	}
}

// TestPreviousVersionDisplaced checks that of two objects that the previous version
// recorded for one server, the one that it had displaced is no incumbent.
func TestPreviousVersionDisplaced(t *testing.T) {
	p := readPrevious(t, openbaov1alpha1.AuthorizationOnce)
	f := p.updated(t, openbaov1alpha1.AuthorizationOnce, false)
	f.create("young", 0, at(address), func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Status.Authorization = p.Record.DeepCopy()
		c.Status.Conditions = append(c.Status.Conditions, conditionOf(ReasonServerClaimed))
	})
	f.tokenOf("young", "s.young", f.server())
	f.sync("young")
	f.expect("young", ReasonServerClaimed)
	f.sync("prod")
	f.expect("prod", ReasonAdminTokenRequired)
	f.admin("s.migrate")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.now = f.now.Add(copyRetry)
	f.sync("young")
	f.expect("young", ReasonServerClaimed)
}

func conditionOf(reason string) metav1.Condition {
	return metav1.Condition{Type: openbaov1alpha1.ConditionAuthorizationReady, Status: metav1.ConditionFalse, Reason: reason, LastTransitionTime: metav1.Now()}
}
