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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

func (tt *tokenTest) createConfigMap(namespace, name string, owners []metav1.OwnerReference) func(kubernetes.Interface) error {
	return func(client kubernetes.Interface) error {
		config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: owners}}
		if strings.HasSuffix(name, "-?") {
			config.Name, config.GenerateName = "", strings.TrimSuffix(name, "?")
		}
		_, err := client.CoreV1().ConfigMaps(namespace).Create(tt.ctx, config, metav1.CreateOptions{DryRun: dry})
		return err
	}
}

func (tt *tokenTest) patchConfigMap(namespace, name, body string) func(kubernetes.Interface) error {
	return func(client kubernetes.Interface) error {
		_, err := client.CoreV1().ConfigMaps(namespace).Patch(tt.ctx, name, types.MergePatchType, []byte(body), metav1.PatchOptions{DryRun: dry})
		return err
	}
}

func (tt *tokenTest) deleteConfigMap(namespace, name string) func(kubernetes.Interface) error {
	return func(client kubernetes.Interface) error {
		return client.CoreV1().ConfigMaps(namespace).Delete(tt.ctx, name, metav1.DeleteOptions{DryRun: dry})
	}
}

// The operator writes two kinds of ConfigMaps, and nobody else writes the second.
func TestOperatorWritesConfigMaps(t *testing.T) {
	t.Parallel()
	tt := newTokenTest(t)
	ns := tt.cluster.Namespace(t)
	const (
		init    = "bao-authorization-init"
		record  = "bailiwick-openbao-record-" + someUID
		notOurs = "may write only the ConfigMap <name>-authorization-init that the OpenBaoCluster <name> controls, and bailiwick-openbao-record-<UID> in bailiwick-system, not "
		noOwner = "may not give a ConfigMap another owner"
		others  = "may not put further owners or finalizers on a ConfigMap"
		data    = `{"data":{"a":"b"}}`
	)
	for _, config := range []*corev1.ConfigMap{
		{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "coredns"}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "aws-auth"}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "somebodys"}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: record}, Data: map[string]string{"x": "y"}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: record}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: init, OwnerReferences: byCluster()}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "bao2-authorization-init", OwnerReferences: byCluster()}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "nobodys-authorization-init"}},
	} {
		if _, err := tt.admin.CoreV1().ConfigMaps(config.Namespace).Create(tt.ctx, config, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	tt.inForce(t, write{"CoreDNS", tt.patchConfigMap("kube-system", "coredns", data), notOurs + "kube-system/coredns"})
	owner := func(apiVersion, kind, name string) []metav1.OwnerReference { return ownedBy(apiVersion, kind, name) }
	uncontrolled := byCluster()
	uncontrolled[0].Controller = nil
	reference := func(name, uid string) string {
		return `{"apiVersion":"openbao.org/v1alpha1","kind":"OpenBaoCluster","name":"` + name + `","uid":"` + uid + `","controller":true}`
	}
	writes := []write{
		{"create", tt.createConfigMap(ns, "new-authorization-init", owner("openbao.org/v1alpha1", "OpenBaoCluster", "new")), ""},
		{"update", tt.patchConfigMap(ns, init, data), ""},
		{"delete", tt.deleteConfigMap(ns, init), ""},
		{"create without an owner", tt.createConfigMap(ns, "new-authorization-init", nil), notOurs + ns + "/new-authorization-init"},
		{"create another's", tt.createConfigMap(ns, "new-authorization-init", byCluster()), notOurs},
		{"create another name", tt.createConfigMap(ns, "new", owner("openbao.org/v1alpha1", "OpenBaoCluster", "new")), notOurs},
		{"create any name", tt.createConfigMap(ns, "new-authorization-init-?", owner("openbao.org/v1alpha1", "OpenBaoCluster", "new")), notOurs},
		{"create without a controller", tt.createConfigMap(ns, init+"2", uncontrolled), notOurs},
		{"create of another kind", tt.createConfigMap(ns, "new-authorization-init", owner("openbao.org/v1alpha1", "OpenBaoRestore", "new")), notOurs},
		{"create of another group", tt.createConfigMap(ns, "new-authorization-init", owner("aiven.io/v1alpha1", "OpenBaoCluster", "new")), notOurs},
		{"create of a similar group", tt.createConfigMap(ns, "new-authorization-init", owner("openbao.org.example.com/v1", "OpenBaoCluster", "new")), notOurs},
		{"create with a further owner", tt.createConfigMap(ns, "new-authorization-init", append(owner("openbao.org/v1alpha1", "OpenBaoCluster", "new"), metav1.OwnerReference{APIVersion: "v1", Kind: "Secret", Name: "y", UID: "2"})), others},
		{"another owner", tt.patchConfigMap(ns, init, `{"metadata":{"ownerReferences":[`+reference("bao2", someUID)+`]}}`), notOurs},
		{"another UID", tt.patchConfigMap(ns, init, `{"metadata":{"ownerReferences":[`+reference("bao", "1")+`]}}`), noOwner},
		{"no owner", tt.patchConfigMap(ns, init, `{"metadata":{"ownerReferences":null}}`), notOurs},
		{"a further owner", tt.patchConfigMap(ns, init, `{"metadata":{"ownerReferences":[`+reference("bao", someUID)+`,{"apiVersion":"v1","kind":"Secret","name":"y","uid":"2"}]}}`), others},
		{"a finalizer", tt.patchConfigMap(ns, init, `{"metadata":{"finalizers":["example.com/a"]}}`), others},
		{"update another name", tt.patchConfigMap(ns, "bao2-authorization-init", data), notOurs},
		{"delete another name", tt.deleteConfigMap(ns, "bao2-authorization-init"), notOurs},
		{"update nobody's", tt.patchConfigMap(ns, "nobodys-authorization-init", data), notOurs},
		{"delete nobody's", tt.deleteConfigMap(ns, "nobodys-authorization-init"), notOurs},
		{"make nobody's its own", tt.patchConfigMap(ns, "nobodys-authorization-init", `{"metadata":{"ownerReferences":[`+reference("nobodys", someUID)+`]}}`), notOurs},

		{"create a record", tt.createConfigMap(operatorNamespace, "bailiwick-openbao-record-"+strings.Replace(someUID, "0", "1", 1), nil), ""},
		{"update a record", tt.patchConfigMap(operatorNamespace, record, data), ""},
		{"delete a record", tt.deleteConfigMap(operatorNamespace, record), ""},
		{"create a record elsewhere", tt.createConfigMap(ns, "bailiwick-openbao-record-"+strings.Replace(someUID, "0", "1", 1), nil), notOurs},
		{"update a record elsewhere", tt.patchConfigMap(ns, record, data), notOurs},
		{"create a record of no UID", tt.createConfigMap(operatorNamespace, "bailiwick-openbao-record-x", nil), notOurs},
		{"create a record of more than a UID", tt.createConfigMap(operatorNamespace, record+"0", nil), notOurs},
		{"create a record of any name", tt.createConfigMap(operatorNamespace, "bailiwick-openbao-record-?", nil), notOurs},
		{"a finalizer of a record", tt.patchConfigMap(operatorNamespace, record, `{"metadata":{"finalizers":["example.com/a"]}}`), others},
		{"an owner of a record", tt.patchConfigMap(operatorNamespace, record, `{"metadata":{"ownerReferences":[`+reference("bao", someUID)+`]}}`), others},
	}
	for namespace, names := range map[string][]string{
		"kube-system":     {"coredns", "aws-auth", "extension-apiserver-authentication"},
		operatorNamespace: {"somebodys", "kube-root-ca.crt"},
		ns:                {"kube-root-ca.crt"},
	} {
		for _, name := range names {
			writes = append(writes,
				write{"update " + name, tt.patchConfigMap(namespace, name, data), notOurs + namespace + "/" + name},
				write{"touch " + name, tt.patchConfigMap(namespace, name, `{}`), notOurs},
				write{"delete " + name, tt.deleteConfigMap(namespace, name), notOurs})
		}
	}
	tt.check(t, writes)

	t.Run("others", func(t *testing.T) { tt.recordsOfOthers(t, ns, record) })
}

// recordsOfOthers tries to write records as an account that may do anything.
func (tt *tokenTest) recordsOfOthers(t *testing.T, ns, record string) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "admin"}}
	if _, err := tt.admin.CoreV1().ServiceAccounts(ns).Create(tt.ctx, account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "everything"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: "admin"}},
	}
	if _, err := tt.admin.RbacV1().ClusterRoleBindings().Create(tt.ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	other := tt.as(t, ns, "admin")
	const refusal = "only Bailiwick's own account may write ConfigMaps with names that begin with bailiwick-openbao-record-"
	tt.until(t, "the policy to be in force", func() error {
		return denied(tt.patchConfigMap(operatorNamespace, record, `{"data":{"a":"b"}}`)(other), refusal)
	})
	if err := tt.patchConfigMap(operatorNamespace, record, `{"metadata":{"finalizers":["example.com/a"]}}`)(tt.admin); err != nil {
		t.Fatal(err)
	}
	for what, test := range map[string]struct {
		do      func(kubernetes.Interface) error
		refused bool
	}{
		"create":              {tt.createConfigMap(operatorNamespace, "bailiwick-openbao-record-x", nil), true},
		"create any name":     {tt.createConfigMap(operatorNamespace, "bailiwick-openbao-record-?", nil), true},
		"change":              {tt.patchConfigMap(operatorNamespace, record, `{"data":{"x":"z"}}`), true},
		"add":                 {tt.patchConfigMap(operatorNamespace, record, `{"data":{"z":"z"}}`), true},
		"empty":               {tt.patchConfigMap(operatorNamespace, record, `{"data":null}`), true},
		"add binary data":     {tt.patchConfigMap(operatorNamespace, record, `{"binaryData":{"z":"eg=="}}`), true},
		"freeze":              {tt.patchConfigMap(operatorNamespace, record, `{"immutable":true}`), true},
		"label":               {tt.patchConfigMap(operatorNamespace, record, `{"metadata":{"labels":{"a":"b"}}}`), true},
		"annotate":            {tt.patchConfigMap(operatorNamespace, record, `{"metadata":{"annotations":{"a":"b"}}}`), true},
		"own":                 {tt.patchConfigMap(operatorNamespace, record, `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Secret","name":"y","uid":"2"}]}}`), true},
		"hold":                {tt.patchConfigMap(operatorNamespace, record, `{"metadata":{"finalizers":["example.com/a"]}}`), true},
		"write back as it is": {tt.patchConfigMap(operatorNamespace, record, `{}`), false},
		"delete":              {tt.deleteConfigMap(operatorNamespace, record), false},
		"another ConfigMap":   {tt.createConfigMap(operatorNamespace, "x", nil), false},
		"another namespace":   {tt.createConfigMap(ns, "bailiwick-openbao-record-x", nil), false},
	} {
		err := test.do(other)
		if test.refused {
			err = denied(err, refusal)
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if err := test.do(tt.admin); err != nil {
			t.Errorf("%s, in an emergency: %v", what, err)
		}
	}

	t.Log("What is held by finalizers can be let go")
	configMaps := other.CoreV1().ConfigMaps(operatorNamespace)
	held, err := tt.admin.CoreV1().ConfigMaps(operatorNamespace).Patch(tt.ctx, record, types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.com/a"]}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := configMaps.Delete(tt.ctx, held.Name, metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationForeground)}); err != nil {
		t.Fatal(err)
	}
	if _, err := configMaps.Patch(tt.ctx, held.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Errorf("removing the finalizers: %v", err)
	}
	tt.until(t, "the record to be gone", func() error {
		_, err := configMaps.Get(tt.ctx, held.Name, metav1.GetOptions{})
		if err == nil {
			return fmt.Errorf("it is there")
		}
		return ignoreNotFound(err)
	})
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
