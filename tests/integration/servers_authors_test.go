// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	openbaocontroller "github.com/bailiwick-operator/bailiwick/pkg/controller/openbao"
)

// author returns access as somebody who may edit one namespace and the OpenBaoClusters in
// it, and nothing else.
func (w *serversWorld) author(ns string) versioned.Interface {
	w.Helper()
	rbac := w.kube.RbacV1()
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: "author"}}
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "author"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"openbaoclusters"}, Verbs: []string{"*"}}},
	}
	if _, err := w.kube.CoreV1().ServiceAccounts(ns).Create(w.ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "author"}}, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
	if _, err := rbac.Roles(ns).Create(w.ctx, role, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
	for name, ref := range map[string]rbacv1.RoleRef{
		"author": {APIGroup: rbacv1.GroupName, Kind: "Role", Name: "author"},
		"edit":   {APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
	} {
		binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: ref, Subjects: subjects}
		if _, err := rbac.RoleBindings(ns).Create(w.ctx, binding, metav1.CreateOptions{}); err != nil {
			w.Fatal(err)
		}
	}
	config, err := w.cluster.ServiceAccountConfig(w.ctx, ns, "author")
	if err != nil {
		w.Fatal(err)
	}
	client, err := versioned.NewForConfig(config)
	if err != nil {
		w.Fatal(err)
	}
	return client
}

// versions returns the version of every object of a namespace that Bailiwick could write,
// but for those of some clusters.
func (w *serversWorld) versions(ns string, but ...string) map[string]string {
	w.Helper()
	out := map[string]string{}
	for _, resource := range ownedResources() {
		list, err := w.dynamic.Resource(resource).Namespace(ns).List(w.ctx, metav1.ListOptions{})
		if err != nil {
			w.Fatal(err)
		}
		for _, o := range list.Items {
			if !slices.Contains(but, o.GetLabels()["openbao.org/cluster"]) {
				out[resource.Resource+" "+o.GetName()] = o.GetResourceVersion()
				if resource.Resource == "statefulsets" {
					// Its status is Kubernetes'.
					out[resource.Resource+" "+o.GetName()] = fmt.Sprint(o.GetUID(), o.GetGeneration())
				}
			}
		}
	}
	return out
}

// runServers lets Bailiwick run servers in a namespace.
func (w *serversWorld) runServers(ns string) {
	w.Helper()
	if out, err := kubectlOn(w.ctx, w.cluster, "apply", "--server-side", "-n", ns, "-k", manifests+"/rbac/optional/run-servers"); err != nil {
		w.Fatalf("%v: %s", err, out)
	}
}

// serversDeputies are clusters whose author names what is not the cluster's own, by what
// changes in the spec, and what becomes of them: a reason of Ready with words of its
// message, or "schema" where the API server takes no such object.
func serversDeputies() map[string]struct{ change, reason, words string } {
	const (
		invalid  = openbaocontroller.ReasonInvalidSpec
		conflict = openbaocontroller.ReasonConflict
		account  = "spec.serviceAccount.name"
		seal     = "{unseal: {type: transit, transit: {address: 'https://x:8200', keyName: x, mountPath: transit}, credentialsSecretRef: "
	)
	return map[string]struct{ change, reason, words string }{
		"an account with rights": {"{serviceAccount: {name: ops}}", conflict, "ops"},
		"the default account":    {"{serviceAccount: {name: default}}", invalid, account},
		"the servers of another": {"{serviceAccount: {name: main-serviceaccount}}", conflict, "main-serviceaccount"},
		"a job of another":       {"{serviceAccount: {name: main-restore-serviceaccount}}", invalid, account},
		"a job of its own":       {"{serviceAccount: {name: NAME-backup-serviceaccount}}", invalid, account},
		"an account that it authorizes": {
			"{serviceAccount: {name: ops}, authorization: {additionalSubjects: [{role: a, identity: backup, serviceAccount: {name: ops}}]}}", invalid, account,
		},
		"the key of another":            {seal + "{name: main-unseal-key}}}", invalid, "spec.unseal.credentialsSecretRef.name"},
		"the CA of another":             {seal + "{name: main-tls-ca}}}", invalid, "spec.unseal.credentialsSecretRef.name"},
		"a Secret of another namespace": {seal + "{name: db, namespace: VICTIM}}}", "schema", "namespace"},
		"shares over a key":             {"{selfInit: {enabled: false}, recoveryKeys: {secretName: main-unseal-key}}", invalid, "spec.recoveryKeys.secretName"},
		"root":                          {"{securityContext: {runAsUser: 0}}", invalid, "runAsUser"},
		"perhaps root":                  {"{securityContext: {runAsNonRoot: false}}", invalid, "runAsNonRoot"},
		"no seccomp":                    {"{securityContext: {seccompProfile: {type: Unconfined}}}", invalid, "seccompProfile"},
		"no AppArmor":                   {"{securityContext: {appArmorProfile: {type: Unconfined}}}", invalid, "appArmorProfile"},
		"no AppArmor in the old form": {
			"{podMetadata: {annotations: {container.apparmor.security.beta.kubernetes.io/openbao: unconfined}}}", invalid, "spec.podMetadata.annotations",
		},
		"another SELinux type":      {"{securityContext: {seLinuxOptions: {type: spc_t}}}", invalid, "seLinuxOptions"},
		"parameters of the node":    {"{securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}}", invalid, "sysctls"},
		"the network of the node":   {"{hostNetwork: true}", "schema", "hostNetwork"},
		"a volume of the node":      {"{volumes: [{name: x, hostPath: {path: /}}]}", "schema", "volumes"},
		"a Service that leads away": {"{service: {type: ExternalName}}", invalid, "spec.service.type"},
		// It is accepted, and the label is the cluster's own all the same.
		"the pods of another": {"{podMetadata: {labels: {openbao.org/cluster: main}}}", openbaocontroller.ReasonStarting, ""},
	}
}

// Whoever may edit one namespace, and the OpenBaoClusters in it, gets by way of Bailiwick
// no identity, no Secret, no node and no namespace that others have.
func TestConfusedDeputiesOfServers(t *testing.T) {
	t.Parallel()
	w := newServersWorld(t)
	deputies := serversDeputies()
	ns, victim := w.cluster.Namespace(t), w.cluster.Namespace(t)
	author := w.author(ns)
	for _, namespace := range []string{ns, victim} {
		w.runServers(namespace)
		for _, name := range []string{"db", "taken-tls-server"} {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{"token": "of-somebody-else"}}
			if _, err := w.kube.CoreV1().Secrets(namespace).Create(w.ctx, secret, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.kube.CoreV1().ServiceAccounts(namespace).Create(w.ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "ops"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		admins := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "ops-" + namespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "ops"}},
		}
		if _, err := w.kube.RbacV1().ClusterRoleBindings().Create(w.ctx, admins, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.start()
	w.create(w.object(ns, "main", ""))
	w.create(w.object(victim, "main", ""))
	for _, namespace := range []string{ns, victim} {
		w.ready(namespace, "main", openbaocontroller.ReasonStarting)
		w.until("a first start to wait for its server", func() error {
			c, err := w.api.OpenBaoV1alpha1().OpenBaoClusters(namespace).Get(w.ctx, "main", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if c.Status.FirstStart == nil || c.Status.FirstStart.VolumeUID == "" {
				return fmt.Errorf("the first start is %+v", c.Status.FirstStart)
			}
			_, err = w.kube.CoreV1().Secrets(namespace).Get(w.ctx, "main-initialize", metav1.GetOptions{})
			return err
		})
	}

	var names []string
	for _, what := range slices.Sorted(maps.Keys(deputies)) {
		names = append(names, strings.ToLower(strings.ReplaceAll(what, " ", "-")))
	}
	// What is in the way of it is somebody else's.
	names = append(names, "taken")
	before := map[string]map[string]string{ns: w.versions(ns, names...), victim: w.versions(victim)}
	clusters := author.OpenBaoV1alpha1().OpenBaoClusters(ns)
	for i, what := range slices.Sorted(maps.Keys(deputies)) {
		test := deputies[what]
		name := names[i]
		change := strings.NewReplacer("NAME", name, "VICTIM", victim).Replace(test.change)
		if test.reason == "schema" {
			if err := w.strictly(ns, name, change); !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), test.words) {
				t.Errorf("%s: the API server says %v", what, err)
			}
			continue
		}
		if _, err := clusters.Create(w.ctx, w.object(ns, name, change), metav1.CreateOptions{}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if message := w.ready(ns, name, test.reason); !strings.Contains(message, test.words) {
			t.Errorf("%s: the cluster says %s", what, message)
		}
	}
	if _, err := clusters.Create(w.ctx, w.object(ns, "taken", ""), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.ready(ns, "taken", openbaocontroller.ReasonConflict)

	for _, namespace := range []string{ns, victim} {
		after := w.versions(namespace, names...)
		for name, version := range before[namespace] {
			if after[name] != version {
				t.Errorf("%s of %s was changed, or is gone", name, namespace)
			}
		}
		for name := range after {
			if before[namespace][name] == "" {
				t.Errorf("%s of %s was made", name, namespace)
			}
		}
	}
	w.actAsTheirOwn(ns)

	t.Log("The author's own rights go no further")
	_, err := author.OpenBaoV1alpha1().OpenBaoClusters(victim).Create(w.ctx, w.object(victim, "x", ""), metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("creating a cluster in another namespace: %v", err)
	}
	t.Log("Nor does a cluster in Bailiwick's own namespace have servers")
	w.runServers(operatorNamespace)
	w.create(w.object(operatorNamespace, "inside", ""))
	if message := w.ready(operatorNamespace, "inside", openbaocontroller.ReasonFailed); !strings.Contains(message, "no servers in Bailiwick's own namespace") {
		t.Errorf("the cluster says %s", message)
	}
	if _, err := w.kube.AppsV1().StatefulSets(operatorNamespace).Get(w.ctx, "inside", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the StatefulSet: %v", err)
	}
}

// strictly creates a cluster with fields that our types do not have, as kubectl does.
func (w *serversWorld) strictly(ns, name, change string) error {
	w.Helper()
	object := map[string]any{"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "metadata": map[string]any{"name": name, "namespace": ns}}
	var spec, patch map[string]any
	if err := yaml.UnmarshalStrict([]byte(serversSpec), &spec); err != nil {
		w.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(change), &patch); err != nil {
		w.Fatal(err)
	}
	merge(spec, patch)
	object["spec"] = spec
	raw, err := yaml.Marshal(object)
	if err != nil {
		w.Fatal(err)
	}
	json, err := yaml.YAMLToJSON(raw)
	if err != nil {
		w.Fatal(err)
	}
	return w.kube.CoreV1().RESTClient().Post().AbsPath("/apis/openbao.org/v1alpha1/namespaces/"+ns+"/openbaoclusters").
		Param("fieldValidation", "Strict").Param("dryRun", "All").SetHeader("Content-Type", "application/json").Body(json).Do(w.ctx).Error()
}

// actAsTheirOwn checks every StatefulSet and RoleBinding that Bailiwick has made in a
// namespace: each acts as an account of its own cluster, and has the Secrets of that.
func (w *serversWorld) actAsTheirOwn(ns string) {
	w.Helper()
	managed := metav1.ListOptions{LabelSelector: managedByLabel + "=bailiwick"}
	sets, err := w.kube.AppsV1().StatefulSets(ns).List(w.ctx, managed)
	if err != nil {
		w.Fatal(err)
	}
	if len(sets.Items) < 2 {
		w.Errorf("There are %d StatefulSets", len(sets.Items))
	}
	for _, set := range sets.Items {
		pod := set.Spec.Template
		if pod.Spec.ServiceAccountName != set.Name+"-serviceaccount" {
			w.Errorf("StatefulSet %s acts as %s", set.Name, pod.Spec.ServiceAccountName)
		}
		if got := pod.Labels["openbao.org/cluster"]; got != set.Name {
			w.Errorf("the pods of StatefulSet %s are of %s", set.Name, got)
		}
		var secrets []string
		for _, volume := range pod.Spec.Volumes {
			if volume.Secret != nil {
				secrets = append(secrets, volume.Secret.SecretName)
			}
			if volume.Projected != nil {
				for _, source := range volume.Projected.Sources {
					if source.Secret != nil {
						secrets = append(secrets, source.Secret.Name)
					}
				}
			}
		}
		for _, name := range secrets {
			if !slices.Contains([]string{set.Name + "-tls-server", set.Name + "-unseal-key", set.Name + "-initialize", set.Name + "-config-secret"}, name) {
				w.Errorf("StatefulSet %s mounts %s", set.Name, name)
			}
		}
	}
	bindings, err := w.kube.RbacV1().RoleBindings(ns).List(w.ctx, managed)
	if err != nil {
		w.Fatal(err)
	}
	for _, binding := range bindings.Items {
		cluster := binding.Labels["openbao.org/cluster"]
		for _, subject := range binding.Subjects {
			account, err := w.kube.CoreV1().ServiceAccounts(ns).Get(w.ctx, subject.Name, metav1.GetOptions{})
			if err != nil || !w.ownedByCluster(account, ns, cluster) {
				w.Errorf("RoleBinding %s gives rights to %s: %v", binding.Name, subject.Name, err)
			}
		}
	}
}

func (w *serversWorld) ownedByCluster(o metav1.Object, ns, cluster string) bool {
	w.Helper()
	c, err := w.api.OpenBaoV1alpha1().OpenBaoClusters(ns).Get(w.ctx, cluster, metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return metav1.IsControlledBy(o, c)
}
