// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

func (tt *tokenTest) createSecret(namespace string, typ corev1.SecretType, change func(*corev1.Secret)) func(kubernetes.Interface) error {
	return func(client kubernetes.Interface) error {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "x-", OwnerReferences: byValkey(), Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"}},
			Type:       typ,
		}
		if change != nil {
			change(secret)
		}
		_, err := client.CoreV1().Secrets(namespace).Create(tt.ctx, secret, metav1.CreateOptions{DryRun: dry})
		return err
	}
}

func (tt *tokenTest) patchSecret(namespace, name, body string) func(kubernetes.Interface) error {
	return func(client kubernetes.Interface) error {
		_, err := client.CoreV1().Secrets(namespace).Patch(tt.ctx, name, types.MergePatchType, []byte(body), metav1.PatchOptions{DryRun: dry})
		return err
	}
}

func (tt *tokenTest) applySecret(namespace, name, body string) func(kubernetes.Interface) error {
	return func(client kubernetes.Interface) error {
		body := fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":%q%s`, name, body)
		_, err := client.CoreV1().Secrets(namespace).Patch(tt.ctx, name, types.ApplyPatchType, []byte(body),
			metav1.PatchOptions{DryRun: dry, FieldManager: "bailiwick-publisher", Force: new(true)})
		return err
	}
}

// Whatever RBAC grants the operator, it writes Secrets that an object of aiven.io
// controls, and removes one finalizer of others.
func TestOperatorWritesSecrets(t *testing.T) {
	t.Parallel()
	tt := newTokenTest(t)
	ns := tt.cluster.Namespace(t)
	for _, secret := range []*corev1.Secret{
		{ObjectMeta: metav1.ObjectMeta{Name: "published", OwnerReferences: byValkey(), Finalizers: []string{othersFinalizer}}, StringData: map[string]string{"A": "a"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "typed", OwnerReferences: byValkey()}, Type: corev1.SecretTypeBasicAuth, StringData: map[string]string{"username": "a"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "of-a-deployment", OwnerReferences: ownedBy("apps/v1", "Deployment", "x")}},
		{ObjectMeta: metav1.ObjectMeta{Name: "of-a-namesake", OwnerReferences: ownedBy("aiven.io.example.com/v1", "Valkey", "x")}},
		{ObjectMeta: metav1.ObjectMeta{Name: "not-controlled", OwnerReferences: []metav1.OwnerReference{{APIVersion: "aiven.io/v1alpha1", Kind: "Valkey", Name: "x", UID: someUID}}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "plain"}, StringData: map[string]string{"token": "a"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "auth", Finalizers: []string{othersFinalizer, peersFinalizer}, Labels: map[string]string{"a": "b"}}, StringData: map[string]string{"token": "a"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "account", Finalizers: []string{peersFinalizer}, Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"}}, Type: corev1.SecretTypeServiceAccountToken},
	} {
		if _, err := tt.admin.CoreV1().Secrets(ns).Create(tt.ctx, secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	system := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "plain"}}
	if _, err := tt.admin.CoreV1().Secrets("kube-system").Create(tt.ctx, system, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	const (
		opaqueOnly = "may write Secrets of type Opaque only"
		withOwner  = "may create a Secret only with an ownerReference of its controller"
		notOurs    = "may change a Secret only if an object of aiven.io controls it, which is not so for "
		noOwner    = "may not give a Secret another or a further owner"
		noFinalize = "may not put a finalizer on a Secret"
		notAiven   = `"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"x","uid":"` + someUID + `","controller":true}]`
		aivens     = `{"apiVersion":"aiven.io/v1alpha1","kind":"Valkey","name":"x","uid":"` + someUID + `","controller":true}`
		successors = `{"apiVersion":"aiven.io/v1alpha1","kind":"Valkey","name":"x","uid":"1","controller":true}`
		further    = `{"apiVersion":"v1","kind":"ConfigMap","name":"y","uid":"2"}`
	)
	tt.inForce(t, write{"a Secret without an owner", tt.createSecret(ns, "", func(s *corev1.Secret) { s.OwnerReferences = nil }), withOwner})

	t.Run("create", func(t *testing.T) {
		owners := func(refs ...metav1.OwnerReference) func(*corev1.Secret) {
			return func(s *corev1.Secret) { s.OwnerReferences = refs }
		}
		plainRef := byValkey()
		plainRef[0].Controller = nil
		writes := []write{
			{"no type", tt.createSecret(ns, "", nil), ""},
			{"Opaque", tt.createSecret(ns, corev1.SecretTypeOpaque, nil), ""},
			{"where an object lives in kube-system", tt.createSecret("kube-system", "", nil), ""},
			{"no owner", tt.createSecret(ns, "", owners()), withOwner},
			{"no owner, in kube-system", tt.createSecret("kube-system", "", owners()), withOwner},
			{"no owner, in its own namespace", tt.createSecret(operatorNamespace, "", owners()), withOwner},
			{"an owner that is no controller", tt.createSecret(ns, "", owners(plainRef...)), withOwner},
			{"an owner of another group", tt.createSecret(ns, "", owners(ownedBy("apps/v1", "Deployment", "x")...)), withOwner},
			{"an owner of a similar group", tt.createSecret(ns, "", owners(ownedBy("aiven.io.example.com/v1", "Valkey", "x")...)), withOwner},
			{"an OpenBaoCluster as the owner", tt.createSecret(ns, "", owners(byCluster()...)), withOwner},
			{"a further owner", tt.createSecret(ns, "", owners(append(byValkey(), metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "y", UID: "2"})...)), noOwner},
			{"a finalizer", tt.createSecret(ns, "", func(s *corev1.Secret) { s.Finalizers = []string{othersFinalizer} }), noFinalize},
			{"the aiven-operator's finalizer", tt.createSecret(ns, "", func(s *corev1.Secret) { s.Finalizers = []string{peersFinalizer} }), noFinalize},
			{"by an apply", tt.applySecret(ns, "applied", `,"ownerReferences":[`+aivens+`]}}`), ""},
			{"by an apply without an owner", tt.applySecret(ns, "applied", `}}`), withOwner},
			{"by an apply of another type", tt.applySecret(ns, "applied", `,"annotations":{"kubernetes.io/service-account.name":"default"},"ownerReferences":[`+aivens+`]},"type":"kubernetes.io/service-account-token"}`), opaqueOnly},
		}
		for _, typ := range []corev1.SecretType{
			corev1.SecretTypeServiceAccountToken, corev1.SecretTypeBootstrapToken, corev1.SecretTypeSSHAuth, corev1.SecretTypeTLS, "example.com/x",
		} {
			fill := func(s *corev1.Secret) {
				s.Data = map[string][]byte{"ssh-privatekey": []byte("x"), "tls.crt": nil, "tls.key": nil}
			}
			for _, namespace := range []string{ns, "kube-system", operatorNamespace} {
				writes = append(writes, write{
					fmt.Sprintf("%s in %s", typ, namespace), tt.createSecret(namespace, typ, fill), opaqueOnly + ", and this one is of type " + string(typ),
				})
			}
		}
		tt.check(t, writes)
	})

	t.Run("update", func(t *testing.T) {
		metadata := func(fields string) string { return `{"metadata":{` + fields + `}}` }
		tt.check(t, []write{
			{"a value", tt.patchSecret(ns, "published", `{"stringData":{"A":"b"}}`), ""},
			{"a label and an annotation", tt.patchSecret(ns, "published", metadata(`"labels":{"x":"y"},"annotations":{"x":"y"}`)), ""},
			{"nothing", tt.patchSecret(ns, "published", `{}`), ""},
			{"an apply", tt.applySecret(ns, "published", `,"labels":{"x":"y"},"ownerReferences":[`+aivens+`]},"stringData":{"B":"b"}}`), ""},
			{"a probe", tt.applySecret(ns, "published", `}}`), ""},
			{"a successor", tt.patchSecret(ns, "published", metadata(`"ownerReferences":[`+successors+`]`)), ""},
			{"fewer finalizers", tt.patchSecret(ns, "published", metadata(`"finalizers":null`)), ""},
			{"no owner", tt.patchSecret(ns, "published", metadata(`"ownerReferences":null`)), noOwner},
			{"another owner", tt.patchSecret(ns, "published", metadata(notAiven)), noOwner},
			{"another object's", tt.patchSecret(ns, "published", metadata(`"ownerReferences":[`+strings.Replace(aivens, `"x"`, `"y"`, 1)+`]`)), noOwner},
			{"another kind's", tt.patchSecret(ns, "published", metadata(`"ownerReferences":[`+strings.Replace(aivens, "Valkey", "Kafka", 1)+`]`)), noOwner},
			{"a further owner", tt.patchSecret(ns, "published", metadata(`"ownerReferences":[`+aivens+`,`+further+`]`)), noOwner},
			{"a finalizer", tt.patchSecret(ns, "published", metadata(`"finalizers":["`+othersFinalizer+`","example.com/a"]`)), noFinalize},
			{"another type", tt.patchSecret(ns, "typed", `{"stringData":{"username":"b"}}`), opaqueOnly},

			{"nothing of somebody's", tt.patchSecret(ns, "plain", `{}`), notOurs + ns + "/plain"},
			{"a probe of somebody's", tt.applySecret(ns, "plain", `}}`), notOurs + ns + "/plain"},
			{"a value of somebody's", tt.patchSecret(ns, "plain", `{"stringData":{"token":"b"}}`), notOurs},
			{"somebody's, which becomes ours", tt.patchSecret(ns, "plain", metadata(`"ownerReferences":[`+aivens+`]`)), notOurs},
			{"a Secret of kube-system", tt.patchSecret("kube-system", "plain", `{"stringData":{"a":"b"}}`), notOurs + "kube-system/plain"},
			{"a Deployment's", tt.patchSecret(ns, "of-a-deployment", `{"stringData":{"a":"b"}}`), notOurs},
			{"that of a similar group", tt.patchSecret(ns, "of-a-namesake", `{"stringData":{"a":"b"}}`), notOurs},
			{"an owner that is no controller", tt.patchSecret(ns, "not-controlled", `{"stringData":{"a":"b"}}`), notOurs},

			{"a token of another account", tt.patchSecret(ns, "account", metadata(`"annotations":{"kubernetes.io/service-account.name":"other"}`)), opaqueOnly},
			{"a new token of another account", tt.patchSecret(ns, "account", `{"metadata":{"annotations":{"kubernetes.io/service-account.name":"other","kubernetes.io/service-account.uid":null}},"data":null}`), opaqueOnly},
			{"a token of another account, without the finalizer", tt.patchSecret(ns, "account", metadata(`"finalizers":null,"annotations":{"kubernetes.io/service-account.name":"other"}`)), opaqueOnly},
			{"a token that becomes ours", tt.patchSecret(ns, "account", metadata(`"ownerReferences":[`+aivens+`]`)), opaqueOnly},
		})
	})

	t.Run("finalizer", func(t *testing.T) {
		left := `"finalizers":["` + othersFinalizer + `"]`
		body := func(metadata, rest string) func(kubernetes.Interface) error {
			return tt.patchSecret(ns, "auth", `{"metadata":{`+metadata+`}`+rest+`}`)
		}
		tt.check(t, []write{
			{"the aiven-operator's goes", body(left, ""), ""},
			{"also of another type", tt.patchSecret(ns, "account", `{"metadata":{"finalizers":null}}`), ""},
			{"all go", body(`"finalizers":null`, ""), notOurs},
			{"another goes", body(`"finalizers":["`+peersFinalizer+`"]`, ""), notOurs},
			{"one comes", body(`"finalizers":["`+othersFinalizer+`","example.com/a"]`, ""), notOurs},
			{"with a value", body(left, `,"stringData":{"token":"b"}`), notOurs},
			{"with a further value", body(left, `,"stringData":{"b":"b"}`), notOurs},
			{"without a value", body(left, `,"data":null`), notOurs},
			{"with a label", body(left+`,"labels":{"x":"y"}`, ""), notOurs},
			{"without a label", body(left+`,"labels":null`, ""), notOurs},
			{"with an annotation", body(left+`,"annotations":{"x":"y"}`, ""), notOurs},
			{"with an owner", body(left+`,"ownerReferences":[`+aivens+`]`, ""), notOurs},
			{"for ever", body(left, `,"immutable":true`), notOurs},
		})
	})

	t.Log("Deletion is not granted at all")
	for _, name := range []string{"plain", "published"} {
		err := tt.operator.CoreV1().Secrets(ns).Delete(tt.ctx, name, metav1.DeleteOptions{DryRun: dry})
		if !apierrors.IsForbidden(err) || strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
			t.Errorf("deleting %s: %v", name, err)
		}
	}
}
