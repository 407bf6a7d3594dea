// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

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
			return errors.New("it is there")
		}
		return ignoreNotFound(err)
	})
}
