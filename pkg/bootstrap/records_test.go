// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

const ownNamespace = "bailiwick-system"

// recordMap returns the ConfigMap with the record of an object, nil if there is none.
func (f *fixture) recordMap(name string) *corev1.ConfigMap {
	f.t.Helper()
	found, err := f.kubernetes.CoreV1().ConfigMaps(ownNamespace).Get(f.t.Context(), recordPrefix+string(f.get(name).UID), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return found
}

func (f *fixture) storeRecordMap(m *corev1.ConfigMap) {
	f.t.Helper()
	if _, err := f.kubernetes.CoreV1().ConfigMaps(ownNamespace).Update(f.t.Context(), m, metav1.UpdateOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) forgetRecord(name string) {
	f.t.Helper()
	if err := f.kubernetes.CoreV1().ConfigMaps(ownNamespace).Delete(f.t.Context(), f.recordMap(name).Name, metav1.DeleteOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

// besideRecord returns the record of an object beside the openbao-operator.
func (f *fixture) besideRecord(name string) *openbaov1alpha1.AuthorizationStatus {
	f.t.Helper()
	record := &openbaov1alpha1.AuthorizationStatus{}
	if err := json.Unmarshal([]byte(f.recordMap(name).Data[recordKey]), record); err != nil {
		f.t.Fatal(err)
	}
	return record
}

// annotate sets the annotation with the record.
func (f *fixture) annotate(name, raw string) {
	f.t.Helper()
	f.change(name, func(c *openbaov1alpha1.OpenBaoCluster) { c.Annotations[openbaov1alpha1.AnnotationRecord] = raw })
}

// TestTheRecordIsNotTheAnnotation checks that the annotation shows the record, that an
// edited one is put right and changes nothing, and that the record ends with the
// request.
func TestTheRecordIsNotTheAnnotation(t *testing.T) {
	f := newFixture(t)
	f.beside("Enforce")
	f.sync("prod")
	f.authorizationReady(ReasonApplied)
	found := f.recordMap("prod")
	if found.Labels[recordLabel] != recordValue || found.Data[ownerKey] != "ns/prod" {
		t.Errorf("the ConfigMap is %+v", found)
	}
	shown := f.get("prod").Annotations[openbaov1alpha1.AnnotationRecord]
	if shown != found.Data[recordKey] {
		t.Errorf("the annotation shows %s", shown)
	}

	f.settle()
	f.restart()
	f.server().policies["theirs"], f.server().roles["theirs"] = `path "x" {}`, map[string]any{"bound_subject": "theirs"}
	f.annotate("prod", `{"server":"id-1","mount":"jwt-operator","policies":["theirs"],"roles":["theirs"],"digest":"x"}`)
	f.sync("prod")
	f.authorizationReady(ReasonApplied)
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}
	if got, want := f.get("prod").Annotations[openbaov1alpha1.AnnotationRecord], f.recordMap("prod").Data[recordKey]; got != want || slices.Contains(f.besideRecord("prod").Roles, "theirs") {
		t.Errorf("the annotation shows %s, and recorded is %s", got, want)
	}

	f.admin("s.second")
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { delete(c.Annotations, openbaov1alpha1.AnnotationMode) })
	f.sync("prod")
	f.authorizationReady(ReasonNotRequested)
	if f.recordMap("prod") != nil || f.get("prod").Annotations[openbaov1alpha1.AnnotationRecord] != "" {
		t.Error("the record stays")
	}
	if got := slices.Sorted(maps.Keys(f.server().roles)); !slices.Equal(got, []string{"theirs"}) {
		t.Errorf("the server has the roles %q", got)
	}
	// An annotation of an object that asks for nothing is nobody's record.
	f.clusters.ClearActions()
	f.annotate("prod", `{"policies":[]}`)
	f.sync("prod")
	f.sync("prod")
	for _, action := range f.clusters.Actions() {
		if action.GetVerb() == "patch" && action.GetSubresource() != "status" {
			t.Errorf("wrote to the object: %v", action)
		}
	}
}

// TestForgedRecord checks that an annotation that claims what others made on a server
// gains nothing, in either schema, also where the server itself is the author's.
func TestForgedRecord(t *testing.T) {
	victim := authz.Mark{Audience: "bailiwick.dev/openbao/uid-of-victim/prod", Nonce: "1"}
	for _, mode := range allModes {
		t.Run(string(mode), func(t *testing.T) {
			f := newFixture(t)
			f.beside(string(mode))
			s := f.server()
			s.mounts["jwt-operator"] = mountOf("Auth method for OpenBao Operator")
			s.config = map[string]any{"bound_issuer": "https://theirs", "jwt_validation_pubkeys": []any{"theirs"}}
			s.policies["openbao-operator"] = `path "secret/*" { capabilities = ["read"] }`
			s.policies[bootstrapperRole] = `path "*" { capabilities = ["sudo"] }`
			s.policies["theirs"] = `path "x" {}`
			s.roles["openbao-operator-backup"] = map[string]any{"role_type": "jwt", "bound_subject": "theirs", "token_policies": []any{"openbao-operator-backup"}}
			s.roles["theirs"] = map[string]any{"bound_subject": "theirs"}
			before := s.state()
			forged, err := json.Marshal(openbaov1alpha1.AuthorizationStatus{
				Address: "https://prod.ns.svc:8200", Server: "id-1", Audience: victim.Audience, Mount: "jwt-operator", MountCreated: true,
				ConfigWritten: true, Digest: "sha256:x", Claim: &openbaov1alpha1.ServerClaimStatus{Nonce: "1", ConfirmedAt: &metav1.Time{Time: f.now}},
				Policies: []string{"openbao-operator", bootstrapperRole, "theirs"}, Roles: []string{"openbao-operator-backup", "theirs", bootstrapperRole},
				SigningKeys: []openbaov1alpha1.SigningKeyStatus{{ID: "forged", PEM: key("forged", "Qk0=").PEM, LastSeen: &metav1.Time{Time: f.now}}},
				Pending:     []openbaov1alpha1.PendingChange{{Kind: "role", Name: "theirs", Action: "update"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			f.annotate("prod", string(forged))
			for range 3 {
				f.sync("prod")
				f.now = f.now.Add(copyRetry)
			}
			if got := s.state(); !maps.Equal(got, before) {
				t.Errorf("the server holds %v", got)
			}
			if c := f.authorizationReady(ReasonConfigConflict); !strings.Contains(c.Message, "policy openbao-operator") || !strings.Contains(c.Message, "role openbao-operator-backup") {
				t.Errorf("the message is %s", c.Message)
			}
			if record := f.besideRecord("prod"); len(record.Policies)+len(record.Roles)+len(record.Pending)+len(record.SigningKeys) > 0 || record.ConfigWritten || record.Claim != nil {
				t.Errorf("recorded is %+v", record)
			}
			// Its removal takes nothing from anyone.
			f.annotate("prod", string(forged))
			f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { delete(c.Annotations, openbaov1alpha1.AnnotationMode) })
			f.sync("prod")
			if got := s.state(); !maps.Equal(got, before) {
				t.Errorf("the server holds %v", got)
			}
			for _, audience := range f.audiencesMinted() {
				if audience != f.audienceOf("prod") && audience != DecoyAudience {
					t.Errorf("a token was made for %s", audience)
				}
			}

			// On a server of somebody else, it is not even compared.
			s.policies[authz.MarkPolicy] = victim.Text()
			f.forgetIfAny("prod")
			f.restart()
			f.annotate("prod", string(forged))
			f.admin("s.third")
			f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Annotations[openbaov1alpha1.AnnotationMode] = string(mode) })
			f.sync("prod")
			f.authorizationReady(ReasonServerClaimed)
			if got := s.state(); !maps.Equal(got, before) || s.mark() != victim {
				t.Errorf("the server holds %v", got)
			}
		})
	}
}

// TestRecordsOfObjectsThatAreGone checks that a record ends with its object, also with
// one that ended while no process ran, and that others stay.
func TestRecordsOfObjectsThatAreGone(t *testing.T) {
	f := newFixture(t)
	f.beside("Once")
	f.sync("prod")
	obj := f.get("prod")
	f.controller.handlers().OnDelete(obj)
	if err := f.informer.GetIndexer().Delete(obj); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("down")
	f.kubernetes.PrependReactor("delete", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) { return failed != nil, nil, failed })
	if outcome := f.controller.sync(t.Context(), f.name("prod")); outcome.Err() == nil {
		t.Error("a failure is not tried again")
	}
	failed = nil
	f.controller.sync(t.Context(), f.name("prod"))
	if f.recordMap("prod") != nil || len(f.controller.records.known)+len(f.controller.records.gone) > 0 {
		t.Errorf("kept is %+v", f.controller.records)
	}

	f = newFixture(t)
	f.foreign = true
	store := func(uid types.UID, owner string) {
		m := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: recordPrefix + string(uid), Labels: map[string]string{recordLabel: recordValue}},
			Data:       map[string]string{ownerKey: owner, recordKey: `{"server":"id-1"}`},
		}
		if _, err := f.kubernetes.CoreV1().ConfigMaps(ownNamespace).Create(t.Context(), m, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	f.create("live", 0)
	f.create("unwatched", 0)
	if err := f.informer.GetIndexer().Delete(f.get("unwatched")); err != nil {
		t.Fatal(err)
	}
	store("uid-live", "ns/live")
	store("uid-of-a-namesake", "ns/live")
	store("uid-unwatched", "ns/unwatched")
	store("uid-gone", "ns/gone")
	store("uid-forbidden", "hidden/prod")
	f.clusters.PrependReactor("get", "openbaoclusters", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return action.GetNamespace() == "hidden", nil, apierrors.NewForbidden(openbaov1alpha1.Resource("openbaoclusters"), "prod", errors.New("no"))
	})
	if err := f.controller.cleanRecordsOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := f.kubernetes.CoreV1().ConfigMaps(ownNamespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, item := range list.Items {
		names = append(names, strings.TrimPrefix(item.Name, recordPrefix))
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"uid-forbidden", "uid-live", "uid-unwatched"}) {
		t.Errorf("the records are %q", names)
	}
}

// TestTheSchemaBecomesOurs checks that what was recorded under the schema of the
// openbao-operator is part of the status after that.
func TestTheSchemaBecomesOurs(t *testing.T) {
	f := newFixture(t)
	f.beside("Enforce")
	f.sync("prod")
	before := f.besideRecord("prod")
	f.settle()
	f.restart()
	f.foreign = false
	f.controller.declared.Forget()
	f.sync("prod")
	f.authorizationReady(ReasonApplied)
	record := f.record("prod")
	if !slices.Equal(record.Roles, before.Roles) || record.Claim.Nonce != before.Claim.Nonce || record.Digest != before.Digest {
		t.Errorf("recorded is %+v", record)
	}
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}
	if f.recordMap("prod") != nil {
		t.Error("the ConfigMap stays")
	}
}

// TestRecordsCannotBeRead checks that nothing is written meanwhile, and that an object
// whose record is in its status needs none of them.
func TestRecordsCannotBeRead(t *testing.T) {
	f := newFixture(t)
	forbid := func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("configmaps"), "", errors.New("no"))
	}
	f.kubernetes.PrependReactor("list", "configmaps", forbid)
	f.create("own", 0)
	f.sync("own")
	f.expect("own", ReasonApplied)

	f = newFixture(t)
	f.kubernetes.PrependReactor("list", "configmaps", forbid)
	f.beside("Once")
	f.sync("prod")
	f.authorizationReady(ReasonRecordUnavailable)
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}
}

func (f *fixture) forgetIfAny(name string) {
	f.t.Helper()
	if f.recordMap(name) != nil {
		f.forgetRecord(name)
	}
}

func mountOf(description string) openbao.Mount {
	return openbao.Mount{Type: "jwt", Description: description}
}

// TestDamagedRecordOfOurs checks that the condition has the command that ends the wait for a
// record that cannot be read, that it helps without a restart, and that those that ask
// for other objects are told which record it is.
func TestDamagedRecordOfOurs(t *testing.T) {
	f := newFixture(t)
	f.beside("Once")
	f.sync("prod")
	f.authorizationReady(ReasonApplied)
	m := f.recordMap("prod")
	good := m.Data[recordKey]
	m.Data[recordKey] = "{"
	f.storeRecordMap(m)
	f.restart()
	f.settle()
	f.sync("prod")
	if c := f.authorizationReady(ReasonRecordUnavailable); !strings.Contains(c.Message, "kubectl -n bailiwick-system delete configmap "+m.Name) {
		t.Errorf("the message is %s", c.Message)
	}
	f.secret("other-tls-ca", map[string]string{"ca.crt": testCA})
	f.create("other", 0, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization = nil
		c.Annotations = map[string]string{
			openbaov1alpha1.AnnotationMode: "Once", openbaov1alpha1.AnnotationAddress: stagingAddress,
			openbaov1alpha1.AnnotationAdminTokenSecret: "other-admin",
		}
	})
	f.servers[stagingAddress] = newServer("id-2")
	f.tokenOf("other", "s.other", f.servers[stagingAddress])
	f.sync("other")
	if c := f.authorizationOf("other", ReasonRecordUnavailable); !strings.Contains(c.Message, m.Name) {
		t.Errorf("the message is %s", c.Message)
	}
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}

	m.Data[recordKey] = good
	f.storeRecordMap(m)
	f.sync("prod")
	f.authorizationReady(ReasonApplied)
	f.sync("other")
	f.authorizationOf("other", ReasonApplied)

	m.Data[recordKey] = "{"
	f.storeRecordMap(m)
	f.restart()
	f.sync("prod")
	f.authorizationReady(ReasonRecordUnavailable)
	f.forgetRecord("prod")
	f.sync("prod")
	f.authorizationReady(ReasonAdminTokenRequired)
}
