// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// beside makes an object of the openbao-operator, which has none of our fields.
func (f *fixture) beside(mode string) {
	f.t.Helper()
	f.foreign = true
	f.servers["https://prod.ns.svc:8200"] = f.servers[address]
	f.meantFor("https://prod.ns.svc:8200")
	f.secret("prod-tls-ca", map[string]string{"ca.crt": testCA})
	f.create("prod", 0, withBackup, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization = nil
		c.Annotations = map[string]string{
			openbaov1alpha1.AnnotationMode: mode, openbaov1alpha1.AnnotationAdminTokenSecret: "admin/token",
		}
		c.Status.Conditions = []metav1.Condition{{Type: "Available", Status: metav1.ConditionTrue, Reason: "AllReplicasReady", LastTransitionTime: metav1.Now()}}
	})
}

// authorizationReady is that of an object that has no condition Ready.
func (f *fixture) authorizationReady(reason string) metav1.Condition {
	f.t.Helper()
	c := meta.FindStatusCondition(f.get("prod").Status.Conditions, openbaov1alpha1.ConditionAuthorizationReady)
	if c == nil || c.Reason != reason {
		f.t.Fatalf("AuthorizationReady is %+v, want %s", c, reason)
	}
	return *c
}

func TestBesideTheOpenBaoOperator(t *testing.T) {
	f := newFixture(t)
	f.beside("Enforce")
	f.sync("prod")
	f.authorizationReady(ReasonApplied)
	obj := f.get("prod")
	var types []string
	for _, c := range obj.Status.Conditions {
		types = append(types, c.Type)
	}
	slices.Sort(types)
	if !slices.Equal(types, []string{"AuthorizationReady", "Available", "SigningKeysCurrent"}) {
		t.Errorf("the conditions are %q", types)
	}
	if obj.Status.Authorization != nil || obj.Status.ObservedGeneration != 0 {
		t.Errorf("fields that the schema lacks were written: %+v", obj.Status)
	}
	record := ShownRecord(obj)
	if record == nil || record.Server != "id-1" || record.Proved != "3/3" || !slices.Contains(record.Roles, bootstrapperRole) {
		t.Fatalf("recorded %+v", record)
	}
	for _, action := range f.clusters.Actions() {
		patch, ok := action.(clienttesting.PatchActionImpl)
		if !ok {
			continue
		}
		var body struct {
			Spec, Status map[string]any
			Metadata     struct{ UID string }
		}
		if err := json.Unmarshal(patch.Patch, &body); err != nil || body.Metadata.UID != "uid-prod" || body.Spec != nil || (body.Status != nil) != (patch.Subresource == "status") ||
			(patch.PatchOptions.FieldManager == FieldManager) != (patch.Subresource == "status") {
			t.Errorf("applied to %q: %s (%v)", patch.Subresource, patch.Patch, err)
		}
	}

	// It is quiet, repairs, and remembers over a restart.
	f.settle()
	f.sync("prod")
	for _, action := range f.clusters.Actions() {
		if action.GetVerb() == "patch" {
			t.Errorf("wrote to the object: %v", action)
		}
	}
	f.restart()
	delete(f.server().policies, backupRole)
	f.sync("prod")
	f.authorizationReady(ReasonApplied)
	if f.server().policies[backupRole] == "" {
		t.Error("not repaired")
	}

	// The record is no reason to work, and its end is that of the request.
	changed := f.get("prod").DeepCopy()
	changed.Annotations[openbaov1alpha1.AnnotationRecord] = "{}"
	f.controller.handlers().OnUpdate(f.get("prod"), changed)
	if got := f.controller.loop.Len(); got != 0 {
		t.Errorf("%d objects are queued", got)
	}
	f.admin("s.second")
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { delete(c.Annotations, openbaov1alpha1.AnnotationMode) })
	f.sync("prod")
	if c := f.authorizationReady(ReasonNotRequested); !strings.Contains(c.Message, openbaov1alpha1.AnnotationMode) {
		t.Errorf("the message is %s", c.Message)
	}
	if got := f.get("prod").Annotations[openbaov1alpha1.AnnotationRecord]; got != "" {
		t.Errorf("the record is %s", got)
	}
	if len(f.server().roles) > 0 {
		t.Errorf("roles stay: %v", f.server().roles)
	}
}

// TestBesideWithTheirAccount checks that the operator identity can be the other
// operator's, and that a role which is the same already is taken over.
func TestBesideWithTheirAccount(t *testing.T) {
	const theirs = "openbao-operator-system/openbao-operator-controller"
	f := newFixture(t)
	f.beside("Once")
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Annotations[openbaov1alpha1.AnnotationOperatorServiceAccount] = theirs
	})
	f.sync("prod")
	f.authorizationReady(ReasonApplied)
	if got := f.server().roles["openbao-operator"]["bound_subject"]; got != "system:serviceaccount:openbao-operator-system:openbao-operator-controller" {
		t.Errorf("the role is bound to %v", got)
	}

	// All of it is there, and nothing is known of it.
	f.server().takeWrites()
	forget := func(account string) {
		f.forgetRecord("prod")
		f.restart()
		f.admin("s." + account)
		f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
			delete(c.Annotations, openbaov1alpha1.AnnotationRecord)
			c.Annotations[openbaov1alpha1.AnnotationOperatorServiceAccount] = account
		})
		f.sync("prod")
	}
	forget("")
	if c := f.authorizationReady(ReasonRoleConflict); !strings.Contains(c.Message, "role openbao-operator differs in bound_subject") {
		t.Errorf("the message is %s", c.Message)
	}
	forget(theirs)
	f.authorizationReady(ReasonApplied)
	if got := f.server().takeWrites(); !slices.Equal(got, []string{"RevokeSelf"}) {
		t.Errorf("wrote %q", got)
	}
	if record := ShownRecord(f.get("prod")); record == nil || !slices.Contains(record.Roles, "openbao-operator") {
		t.Errorf("recorded %+v", record)
	}
}

func TestAnnotationMistake(t *testing.T) {
	f := newFixture(t)
	f.beside("Sometimes")
	f.sync("prod")
	if c := f.authorizationReady(ReasonInvalidSpec); !strings.Contains(c.Message, openbaov1alpha1.AnnotationMode) {
		t.Errorf("the message is %s", c.Message)
	}
}

// TestDamagedRecord checks that nothing is changed while it cannot be known what was
// written.
func TestDamagedRecord(t *testing.T) {
	f := newFixture(t)
	f.beside("Enforce")
	f.sync("prod")
	f.settle()
	f.restart()
	found := f.recordMap("prod")
	before := found.Data[recordKey]
	found.Data[recordKey] = "{"
	f.storeRecordMap(found)
	f.server().policies[backupRole] = "path \"x\" {}"
	f.sync("prod")
	if c := f.authorizationReady(ReasonRecordUnavailable); !strings.Contains(c.Message, "bailiwick-openbao-record-uid-prod") {
		t.Errorf("the message is %s", c.Message)
	}
	if got := f.server().takeWrites(); len(got) > 0 || f.recordMap("prod").Data[recordKey] != "{" {
		t.Errorf("wrote %q, and the record %s", got, f.recordMap("prod").Data[recordKey])
	}
	found.Data[recordKey] = before
	f.storeRecordMap(found)
	f.restart()
	f.sync("prod")
	f.authorizationReady(ReasonApplied)
}

// TestSchemaChangesMeanwhile checks that a write which the schema refuses has it
// read again.
func TestSchemaChangesMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	reads := 0
	f.controller.declared.Ask = func(context.Context) (bool, error) { reads++; return true, nil }
	f.clusters.PrependReactor("patch", "openbaoclusters", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("failed to create typed patch object: .status.authorization: field not declared in schema")
	})
	f.sync("prod")
	f.sync("prod")
	if reads != 2 {
		t.Errorf("the schema was read %d times, want 2", reads)
	}
}

func TestSchemaIsRemembered(t *testing.T) {
	now, reads := time.Unix(1000, 0), 0
	var fails error
	f := newFixture(t)
	s := f.controller.declared
	s.Valid, s.Again, s.Ask = time.Minute, time.Minute, func(context.Context) (bool, error) { reads++; return true, fails }
	ask := func(wantReads int) {
		t.Helper()
		ours, err := s.Get(t.Context(), now)
		if !ours || err != nil || reads != wantReads {
			t.Errorf("got %t, %v after %d reads, want %d", ours, err, reads, wantReads)
		}
	}
	ask(1)
	ask(1)
	now = now.Add(time.Minute)
	ask(2)
	s.Forget()
	ask(3)
	// What cannot be renewed stays.
	now, fails = now.Add(time.Minute), errors.New("down")
	ask(4)
	s.Forget()
	if _, err := s.Get(t.Context(), now); err == nil {
		t.Error("knows what it could not read")
	}
}

func TestDeclaresAuthorization(t *testing.T) {
	document := func(spec, status string) string {
		return `{"components":{"schemas":{"org.openbao.v1alpha1.OpenBaoClusterList":{"x-kubernetes-group-version-kind":[{"group":"openbao.org","kind":"OpenBaoClusterList","version":"v1alpha1"}]},
			"org.openbao.v1alpha1.OpenBaoCluster":{"x-kubernetes-group-version-kind":[{"group":"openbao.org","kind":"OpenBaoCluster","version":"v1alpha1"}],
			"properties":{"spec":{"properties":{` + spec + `}},"status":{"properties":{` + status + `}}}}}}}`
	}
	const field = `"authorization":{"type":"object"}`
	for name, tc := range map[string]struct {
		document string
		want     bool
		fails    bool
	}{
		"ours":       {document: document(field, field), want: true},
		"theirs":     {document: document(`"backup":{}`, `"conditions":{}`)},
		"spec only":  {document: document(field, ``)},
		"no kind":    {document: `{"components":{"schemas":{}}}`, fails: true},
		"not a JSON": {document: `<html>`, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := declaresAuthorization([]byte(tc.document))
			if got != tc.want || (err != nil) != tc.fails {
				t.Errorf("got %t, %v", got, err)
			}
		})
	}
}
