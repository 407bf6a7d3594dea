// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// dry is for writes that are decided upon and not carried out.
var dry = []string{metav1.DryRunAll}

// write is one write and what becomes of it.
type write struct {
	what string
	do   func(kubernetes.Interface) error
	// refusal is part of the refusal, empty where the write is let through.
	refusal string
}

// check tries writes as the operator, on which no policy may have any effect as the
// administrator.
func (tt *tokenTest) check(t *testing.T, writes []write) {
	t.Helper()
	for _, w := range writes {
		if w.refusal == "" {
			if err := w.do(tt.operator); err != nil {
				t.Errorf("%s: %v", w.what, err)
			}
			continue
		}
		if err := denied(w.do(tt.operator), w.refusal); err != nil {
			t.Errorf("%s: %v", w.what, err)
		}
		if err := w.do(tt.admin); err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
			t.Errorf("%s, as the administrator: %v", w.what, err)
		}
	}
}

// inForce waits until the policies in a list have refused something.
func (tt *tokenTest) inForce(t *testing.T, writes ...write) {
	t.Helper()
	for _, w := range writes {
		tt.until(t, "the policy to be in force: "+w.what, func() error { return denied(w.do(tt.operator), w.refusal) })
	}
}

// ownedBy is a list with one controller.
func ownedBy(apiVersion, kind, name string) []metav1.OwnerReference {
	return []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: name, UID: someUID, Controller: new(true)}}
}

func byValkey() []metav1.OwnerReference { return ownedBy("aiven.io/v1alpha1", "Valkey", "x") }
func byCluster() []metav1.OwnerReference {
	return ownedBy("openbao.org/v1alpha1", "OpenBaoCluster", "bao")
}

// The operator writes one Lease, events about its own objects, and of these
// everything but what their authors say.
func TestOperatorWritesTheRest(t *testing.T) {
	t.Parallel()
	tt := newTokenTest(t)
	ns := tt.cluster.Namespace(t)
	lease := func(name string) func(kubernetes.Interface) error {
		return func(client kubernetes.Interface) error {
			object := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}}
			if name == "" {
				object.GenerateName = "bailiwick"
			}
			_, err := client.CoordinationV1().Leases(operatorNamespace).Create(tt.ctx, object, metav1.CreateOptions{DryRun: dry})
			return err
		}
	}
	const oneLease = "may write only the Lease bailiwick in bailiwick-system, not "
	tt.inForce(t, write{"another Lease", lease("other"), oneLease + operatorNamespace + "/other"})
	tt.check(t, []write{{"the Lease", lease("bailiwick"), ""}, {"any Lease", lease(""), oneLease}})

	event := func(namespace, component string, of corev1.ObjectReference) *corev1.Event {
		of.Namespace = namespace
		return &corev1.Event{ObjectMeta: metav1.ObjectMeta{GenerateName: "x"}, InvolvedObject: of, Source: corev1.EventSource{Component: component}}
	}
	valkey := corev1.ObjectReference{APIVersion: "aiven.io/v1alpha1", Kind: "Valkey", Name: "x"}
	cluster := corev1.ObjectReference{APIVersion: "openbao.org/v1alpha1", Kind: "OpenBaoCluster", Name: "x"}
	pod := corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Name: "x"}
	leader := corev1.ObjectReference{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Name: "bailiwick"}
	create := func(e *corev1.Event) func(kubernetes.Interface) error {
		return func(client kubernetes.Interface) error {
			_, err := client.CoreV1().Events(e.InvolvedObject.Namespace).Create(tt.ctx, e.DeepCopy(), metav1.CreateOptions{DryRun: dry})
			return err
		}
	}
	const (
		onOurs     = "may record events only on objects of aiven.io and openbao.org, and on its Lease"
		ofOurs     = "may record and change events of the component bailiwick only"
		specsOwner = "may not change the spec or the owners of an object"
	)
	tt.inForce(t, write{"an event on a Pod", create(event(ns, "bailiwick", pod)), onOurs})
	for name, e := range map[string]*corev1.Event{
		"ours": event(ns, "bailiwick", valkey), "theirs": event(ns, "kubelet", valkey), "pods": event(ns, "bailiwick", pod),
	} {
		e.Name, e.GenerateName = name, ""
		if _, err := tt.admin.CoreV1().Events(ns).Create(tt.ctx, e, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	patch := func(name, body string) func(kubernetes.Interface) error {
		return func(client kubernetes.Interface) error {
			_, err := client.CoreV1().Events(ns).Patch(tt.ctx, name, types.MergePatchType, []byte(body), metav1.PatchOptions{DryRun: dry})
			return err
		}
	}
	otherLease, elsewhere := leader, leader
	otherLease.Name = "kube-scheduler"
	tt.check(t, []write{
		{"an event on a Valkey", create(event(ns, "bailiwick", valkey)), ""},
		{"an event on an OpenBaoCluster", create(event(ns, "bailiwick", cluster)), ""},
		{"an event on the Lease", create(event(operatorNamespace, "bailiwick", leader)), ""},
		{"an event on another Lease", create(event(operatorNamespace, "bailiwick", otherLease)), onOurs},
		{"an event on a Lease elsewhere", create(event(ns, "bailiwick", elsewhere)), onOurs},
		{"an event on nothing", create(event(ns, "bailiwick", corev1.ObjectReference{})), onOurs},
		{"an event of the kubelet's", create(event(ns, "kubelet", valkey)), ofOurs},
		{"an event of nobody's", create(event(ns, "", valkey)), ofOurs},
		{"counting", patch("ours", `{"count":2,"message":"x"}`), ""},
		{"counting the kubelet's", patch("theirs", `{"count":2}`), ofOurs},
		{"making the kubelet's its own", patch("theirs", `{"source":{"component":"bailiwick"}}`), ofOurs},
		{"making it a Pod's", patch("ours", `{"involvedObject":{"apiVersion":"v1","kind":"Pod"}}`), onOurs},
		{"making it a Valkey's", patch("pods", `{"involvedObject":{"apiVersion":"aiven.io/v1alpha1","kind":"Valkey"}}`), ofOurs},
	})

	t.Log("Objects of our kinds, with all that RBAC can grant")
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "everything"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: operatorAccount}},
	}
	if _, err := tt.admin.RbacV1().ClusterRoleBindings().Create(tt.ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	objects := map[string]string{
		"/apis/aiven.io/v1alpha1/namespaces/" + ns + "/valkeys":            `{"apiVersion":"aiven.io/v1alpha1","kind":"Valkey","metadata":{"name":"x"},"spec":{"project":"p","plan":"startup-4"}}`,
		"/apis/openbao.org/v1alpha1/namespaces/" + ns + "/openbaoclusters": `{"apiVersion":"openbao.org/v1alpha1","kind":"OpenBaoCluster","metadata":{"name":"x"},"spec":{}}`,
	}
	for path, object := range objects {
		do := func(verb, path string, body string) func(kubernetes.Interface) error {
			return func(client kubernetes.Interface) error {
				request := client.CoreV1().RESTClient().Verb(verb).AbsPath(path).Param("dryRun", metav1.DryRunAll)
				if verb == "PATCH" {
					request = request.SetHeader("Content-Type", string(types.MergePatchType))
				}
				if !json.Valid([]byte(body)) {
					return fmt.Errorf("%s is no JSON", body)
				}
				return request.Body([]byte(body)).Do(tt.ctx).Error()
			}
		}
		if err := tt.admin.CoreV1().RESTClient().Post().AbsPath(path).Body([]byte(object)).Do(tt.ctx).Error(); err != nil {
			t.Fatal(err)
		}
		second := strings.Replace(object, `"x"`, `"y"`, 1)
		tt.until(t, "the rights", func() error {
			return denied(do("POST", path, second)(tt.operator), "may not create or delete")
		})
		tt.check(t, []write{
			{"create " + path, do("POST", path, second), "may not create or delete objects of its kinds"},
			{"delete " + path, do("DELETE", path+"/x", `{"dryRun":["All"]}`), "may not create or delete objects of its kinds"},
			{"spec " + path, do("PATCH", path+"/x", `{"spec":{"tags":{"a":"b"},"authorization":{"mode":"Once"}}}`), specsOwner},
			{"owners " + path, do("PATCH", path+"/x", `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Secret","name":"y","uid":"2"}]}}`), specsOwner},
			{"finalizer " + path, do("PATCH", path+"/x", `{"metadata":{"finalizers":["`+othersFinalizer+`"],"annotations":{"a":"b"}}}`), ""},
			{"nothing of " + path, do("PATCH", path+"/x", `{}`), ""},
			{"status of " + path, do("PATCH", path+"/x/status", `{"status":{"conditions":[]}}`), ""},
		})
	}
}
