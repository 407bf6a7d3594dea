// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

const serversAccount = "bailiwick-servers"

// serversTest tries writes as the account that runs OpenBao servers.
type serversTest struct {
	*tokenTest
	ns             string
	admin, servers dynamic.Interface
}

func newServersTest(t *testing.T) *serversTest {
	t.Helper()
	tt := newTokenTest(t)
	s := &serversTest{tokenTest: tt, ns: tt.cluster.Namespace(t)}
	var err error
	if s.admin, err = dynamic.NewForConfig(tt.cluster.Config()); err != nil {
		t.Fatal(err)
	}
	config, err := tt.cluster.ServiceAccountConfig(tt.ctx, operatorNamespace, serversAccount)
	if err != nil {
		t.Fatal(err)
	}
	if s.servers, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if out, err := kubectlOn(tt.ctx, tt.cluster, "apply", "--server-side", "-n", s.ns, "-k", manifests+"/rbac/optional/run-servers"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return s
}

// object reads one in YAML, in the namespace of the test.
func (s *serversTest) object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(text), &o.Object); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	o.SetNamespace(s.ns)
	return o
}

// ofCluster is an object that belongs to the cluster bao, with what a merge patch changes.
func (s *serversTest) ofCluster(t *testing.T, text, patch string) *unstructured.Unstructured {
	t.Helper()
	o := s.object(t, text)
	o.SetLabels(map[string]string{"openbao.org/cluster": "bao", "app.kubernetes.io/managed-by": "bailiwick"})
	o.SetOwnerReferences(byCluster())
	if patch == "" {
		return o
	}
	var change map[string]any
	if err := yaml.UnmarshalStrict([]byte(patch), &change); err != nil {
		t.Fatalf("%v in %s", err, patch)
	}
	merge(o.Object, change)
	return o
}

func (s *serversTest) resource(o *unstructured.Unstructured) schema.GroupVersionResource {
	gvk := o.GroupVersionKind()
	plural := strings.ToLower(gvk.Kind) + "s"
	if gvk.Kind == "NetworkPolicy" {
		plural = "networkpolicies"
	}
	return gvk.GroupVersion().WithResource(plural)
}

func (s *serversTest) create(client dynamic.Interface, o *unstructured.Unstructured) error {
	_, err := client.Resource(s.resource(o)).Namespace(o.GetNamespace()).Create(s.ctx, o.DeepCopy(), metav1.CreateOptions{DryRun: dry})
	return err
}

func (s *serversTest) patch(client dynamic.Interface, o *unstructured.Unstructured, patch string) error {
	raw, err := yaml.YAMLToJSON([]byte(patch))
	if err != nil {
		return err
	}
	_, err = client.Resource(s.resource(o)).Namespace(o.GetNamespace()).Patch(s.ctx, o.GetName(), types.MergePatchType, raw, metav1.PatchOptions{DryRun: dry})
	return err
}

func (s *serversTest) delete(client dynamic.Interface, o *unstructured.Unstructured) error {
	return client.Resource(s.resource(o)).Namespace(o.GetNamespace()).Delete(s.ctx, o.GetName(), metav1.DeleteOptions{DryRun: dry})
}

// asPod returns a client with the token that the kubelet would give a pod.
func (s *serversTest) asPod(t *testing.T, name string) dynamic.Interface {
	t.Helper()
	pod, err := s.tokenTest.admin.CoreV1().Pods(s.ns).Get(s.ctx, name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := s.cluster.ServiceAccountConfig(s.ctx, s.ns, pod.Spec.ServiceAccountName)
	if err != nil {
		t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	answer, err := s.tokenTest.admin.CoreV1().ServiceAccounts(s.ns).CreateToken(s.ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config.BearerToken = answer.Status.Token
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// make has an object made by the administrator.
func (s *serversTest) make(t *testing.T, o *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	if _, err := s.admin.Resource(s.resource(o)).Namespace(o.GetNamespace()).Create(s.ctx, o.DeepCopy(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return o
}

// want compares an answer with a refusal of a policy, empty where there is none.
func want(t *testing.T, what string, err error, refusal string) {
	t.Helper()
	if refusal != "" {
		err = denied(err, refusal)
	}
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

const (
	serversConfigMap = "{apiVersion: v1, kind: ConfigMap, metadata: {name: bao-config}}"
	serversAccountOf = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: bao-serviceaccount}}"
	serversService   = `{apiVersion: v1, kind: Service, metadata: {name: bao-public},
spec: {selector: {openbao.org/cluster: bao}, ports: [{port: 8200}]}}`
	serversNetwork = `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: bao-network-policy},
spec: {podSelector: {matchLabels: {openbao.org/cluster: bao}}}}`
	serversBudget = `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: bao-pdb},
spec: {maxUnavailable: 1, selector: {matchLabels: {openbao.org/cluster: bao}}}}`
	serversBinding = `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: bao-server},
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: bailiwick-openbao-server},
subjects: [{kind: ServiceAccount, name: bao-serviceaccount, namespace: NAMESPACE}]}`
	serversSecret = "{apiVersion: v1, kind: Secret, type: Opaque, metadata: {name: bao-initialize}}"
	serversSet    = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: bao}
spec:
  serviceName: bao
  selector: {matchLabels: {openbao.org/cluster: bao}}
  template:
    metadata: {labels: {openbao.org/cluster: bao}}
    spec:
      serviceAccountName: bao-serviceaccount
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 100, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: openbao
          image: openbao/openbao:2.5.0
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          env:
            - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: TOKEN, valueFrom: {secretKeyRef: {name: transit, key: token}}}
      volumes:
        - name: config
          projected:
            sources: [{configMap: {name: bao-config}}, {secret: {name: bao-config-secret}}, {secret: {name: bao-initialize, optional: true}}]
        - {name: tls, secret: {secretName: bao-tls-server}}
        - {name: unseal, secret: {secretName: bao-unseal-key}}
        - {name: seal-creds, secret: {secretName: transit}}
        - name: kube-api-access
          projected:
            sources: [{serviceAccountToken: {path: token}}, {configMap: {name: kube-root-ca.crt}}, {downwardAPI: {}}]
        - {name: tmp, emptyDir: {}}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`
)

// The account that runs servers writes what belongs to an OpenBaoCluster, and takes over
// nothing that does not.
func TestServersWriteTheirOwn(t *testing.T) {
	t.Parallel()
	s := newServersTest(t)
	binding := strings.ReplaceAll(serversBinding, "NAMESPACE", s.ns)
	foreign := s.make(t, s.object(t, strings.Replace(serversConfigMap, "bao-config", "other-config", 1)))
	s.until(t, "the rights and the policies to be in force", func() error {
		return denied(s.patch(s.servers, foreign, "{data: {a: b}}"), "only objects with the label openbao.org/cluster")
	})

	const (
		label = "only objects with the label openbao.org/cluster"
		// Of several policies that refuse, any may answer.
		policy    = "ValidatingAdmissionPolicy 'bailiwick-servers"
		owner     = "only objects that the OpenBaoCluster of their label controls"
		additions = "may not put further owners or finalizers"
		another   = "may not give an object another owner"
	)
	for _, text := range []string{
		serversConfigMap, serversAccountOf, serversService, serversNetwork, serversBudget, binding, serversSecret, serversSet,
	} {
		o := s.ofCluster(t, text, "")
		what := o.GetKind()
		want(t, what, s.create(s.servers, o), "")
		for change, refusal := range map[string]string{
			"{metadata: {labels: {openbao.org/cluster: null}}}":  policy,
			"{metadata: {labels: null}}":                         policy,
			"{metadata: {labels: {openbao.org/cluster: other}}}": policy,
			"{metadata: {ownerReferences: null}}":                owner,
			"{metadata: {ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: bao, uid: x, controller: true}]}}":                    owner,
			"{metadata: {ownerReferences: [{apiVersion: openbao.org/v1alpha1, kind: OpenBaoCluster, name: bao, uid: x}]}}":                     owner,
			"{metadata: {ownerReferences: [{apiVersion: openbao.org/v1alpha1, kind: OpenBaoCluster, name: other, uid: x, controller: true}]}}": owner,
			"{metadata: {finalizers: [a.b/c]}}": additions,
		} {
			changed := s.ofCluster(t, text, change)
			want(t, what+" with "+change, s.create(s.servers, changed), refusal)
			if err := s.create(s.admin, changed); err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
				t.Errorf("%s with %s, as the administrator: %v", what, change, err)
			}
		}
		if what != "ServiceAccount" {
			want(t, what+" of another name", s.create(s.servers, s.ofCluster(t, text, "{metadata: {name: foreign}}")), policy)
		}

		s.make(t, o)
		want(t, what+" as it is", s.patch(s.servers, o, "{metadata: {annotations: {a: b}}}"), "")
		want(t, what+" of another owner", s.patch(s.servers, o,
			"{metadata: {ownerReferences: [{apiVersion: openbao.org/v1alpha1, kind: OpenBaoCluster, name: bao, uid: x, controller: true}]}}"), another)
		want(t, what+" without a label", s.patch(s.servers, o, "{metadata: {labels: {openbao.org/cluster: null}}}"), policy)
		if err := s.patch(s.admin, o, "{metadata: {ownerReferences: null}}"); err != nil {
			t.Fatal(err)
		}
	}
	t.Log("What others have made")
	adopt := fmt.Sprintf("{metadata: {labels: {openbao.org/cluster: other}, ownerReferences: %s}}", asJSON(t, ownedBy("openbao.org/v1alpha1", "OpenBaoCluster", "other")))
	want(t, "adopting", s.patch(s.servers, foreign, adopt), label)
	for _, text := range []string{"Secret", "ServiceAccount"} {
		o := s.object(t, fmt.Sprintf("{apiVersion: v1, kind: %s, metadata: {name: foreign}}", text))
		want(t, "deleting a foreign "+text, s.delete(s.servers, s.make(t, o)), policy)
	}
	t.Log("In the operator's own namespace, with the same right there")
	if out, err := kubectlOn(s.ctx, s.cluster, "apply", "--server-side", "-n", operatorNamespace, "-k", manifests+"/rbac/optional/run-servers"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	here := s.ofCluster(t, serversConfigMap, "")
	here.SetNamespace(operatorNamespace)
	s.until(t, "the right", func() error { return denied(s.create(s.servers, here), "no servers in Bailiwick's own namespace") })
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// What is in these objects gives nobody more than servers need.
func TestServersWriteWhatServersNeed(t *testing.T) {
	t.Parallel()
	s := newServersTest(t)
	binding := strings.ReplaceAll(serversBinding, "NAMESPACE", s.ns)
	s.until(t, "the rights and the policies to be in force", func() error {
		return denied(s.create(s.servers, s.ofCluster(t, serversSet, "{spec: {template: {spec: {hostPID: true}}}}")), "nothing of their node")
	})
	const (
		outlives = "{metadata: {name: %s, ownerReferences: null, annotations: {bailiwick.dev/owner-uid: x}}}"
		secrets  = "may write only the Secrets <name>-initialize"
		selector = "only selectors with the label openbao.org/cluster"
		bind     = "may bind only the ClusterRole"
		subject  = "may bind only one ServiceAccount"
		account  = "a ServiceAccount of their own"
		mounts   = "may mount only the Secrets and the ConfigMap"
		volumes  = "may have only volumes of the kinds"
		token    = "no other token of their ServiceAccount"
		node     = "nothing of their node"
		strict   = `the level "restricted" of pod security`
		variable = "the environment of servers"
	)
	pod := func(spec string) string { return "{spec: {template: {spec: {" + spec + "}}}}" }
	volume := func(v string) string { return pod("volumes: [{name: x, " + v + "}]") }
	container := func(fields string) string {
		return pod("containers: [{name: openbao, image: x, " + fields + "}]")
	}
	// Without it, RBAC would refuse what it would grant by a binding.
	everything := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "everything"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: serversAccount}},
	}
	if _, err := s.tokenTest.admin.RbacV1().RoleBindings(s.ns).Create(s.ctx, everything, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.until(t, "everything to be granted", func() error {
		return denied(s.create(s.servers, s.ofCluster(t, binding, "{roleRef: {name: cluster-admin}}")), bind)
	})
	const safe = "securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"
	for _, test := range []struct{ text, change, refusal string }{
		{serversSecret, "{metadata: {name: bao-config-secret}}", ""},
		{serversSecret, "{metadata: {name: bao-tls-server}, type: kubernetes.io/tls, data: {tls.crt: '', tls.key: ''}}", ""},
		{serversSecret, fmt.Sprintf(outlives, "bao-unseal-key"), ""},
		{serversSecret, fmt.Sprintf(outlives, "bao-tls-ca"), ""},
		{serversSecret, fmt.Sprintf(outlives, "bao-recovery-keys"), ""},
		{serversSecret, fmt.Sprintf(outlives, "bao-shares"), ""},
		{serversSecret, fmt.Sprintf(outlives, "bao-initialize"), "controls"},
		{serversSecret, fmt.Sprintf(outlives, "bao-root-token"), secrets},
		{serversSecret, fmt.Sprintf(outlives, "bao-b-unseal-key"), secrets},
		{serversSecret, "{metadata: {name: bao-shares}}", secrets},
		{serversSecret, "{type: kubernetes.io/service-account-token, metadata: {annotations: {kubernetes.io/service-account.name: default}}}", "of the types Opaque"},

		{serversAccountOf, "{metadata: {name: chosen}}", ""},
		{serversAccountOf, "{metadata: {name: bao-restore-serviceaccount}}", ""},
		{serversAccountOf, "{metadata: {name: bao-b-restore-serviceaccount}}", "of a job of another OpenBaoCluster"},
		{serversAccountOf, "{metadata: {name: default}}", "named after"},

		{serversService, "{spec: {selector: {openbao.org/cluster: other}}}", selector},
		{serversService, "{spec: {selector: null}}", selector},
		{serversService, "{spec: {externalIPs: [192.0.2.1]}}", "external IPs"},
		{serversService, "{spec: {type: ExternalName, externalName: example.org}}", "ExternalName"},
		{serversNetwork, "{spec: {podSelector: {matchLabels: null}}}", selector},
		{serversBudget, "{spec: {selector: {matchLabels: {openbao.org/cluster: other}}}}", selector},

		{binding, "{roleRef: {name: cluster-admin}}", bind},
		{binding, "{roleRef: {kind: Role}}", bind},
		{binding, "{subjects: null}", subject},
		{binding, "{subjects: [{kind: ServiceAccount, name: default, namespace: " + s.ns + "}]}", subject},
		{binding, "{subjects: [{kind: ServiceAccount, name: bao-restore-serviceaccount, namespace: " + s.ns + "}]}", subject},
		{binding, "{subjects: [{kind: ServiceAccount, name: a, namespace: default}]}", subject},
		{binding, "{subjects: [{kind: User, name: a, apiGroup: rbac.authorization.k8s.io}]}", subject},

		{serversSet, pod("serviceAccountName: bao-backup-serviceaccount"), account},
		{serversSet, pod("serviceAccountName: other-upgrade-serviceaccount"), account},
		{serversSet, pod("serviceAccountName: null"), account},
		{serversSet, pod("serviceAccountName: default"), account},
		{serversSet, pod("serviceAccountName: chosen"), ""},
		{serversSet, pod("automountServiceAccountToken: true"), token},
		{serversSet, volume("projected: {sources: [{serviceAccountToken: {path: token, audience: vault}}]}"), token},
		{serversSet, volume("secret: {secretName: foreign}"), mounts},
		{serversSet, volume("secret: {secretName: bao-b-unseal-key}"), mounts},
		{serversSet, volume("projected: {sources: [{secret: {name: foreign}}]}"), mounts},
		{serversSet, volume("projected: {sources: [{configMap: {name: foreign}}]}"), mounts},
		{serversSet, volume("hostPath: {path: /}"), volumes},
		{serversSet, volume("persistentVolumeClaim: {claimName: data-other-0}"), volumes},
		{serversSet, pod("volumes: [{name: seal-creds, secret: {secretName: other-unseal-key}}]"), "name that Bailiwick keeps"},
		{serversSet, pod("volumes: [{name: seal-creds, secret: {secretName: other}}]"), variable},
		{serversSet, container(safe + ", envFrom: [{secretRef: {name: foreign}}]"), variable},
		{serversSet, container(safe + ", env: [{name: A, valueFrom: {configMapKeyRef: {name: foreign, key: a}}}]"), variable},
		{serversSet, container(safe + ", env: [{name: A, value: a}]"), ""},
		{serversSet, pod("hostNetwork: true"), node},
		{serversSet, pod("initContainers: [{name: a, image: a}]"), node},
		{serversSet, container(safe + ", ports: [{containerPort: 8200, hostPort: 8200}]"), node},
		{serversSet, pod("securityContext: {runAsNonRoot: false}"), strict},
		{serversSet, pod("securityContext: {appArmorProfile: {type: Unconfined}}"), strict},
		{serversSet, pod("securityContext: {seLinuxOptions: {type: spc_t}}"), strict},
		{serversSet, pod("securityContext: {seLinuxOptions: {user: root}}"), strict},
		{serversSet, pod("securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}"), strict},
		{serversSet, pod("securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: '1'}], appArmorProfile: {type: RuntimeDefault}, seLinuxOptions: {level: 's0:c1', type: container_t}}"), ""},
		{serversSet, pod("hostUsers: false, containers: [{name: openbao, image: x, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, procMount: Unmasked}}]"), strict},
		{serversSet, container("securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seLinuxOptions: {type: spc_t}}"), strict},
		{serversSet, pod("securityContext: {seccompProfile: {type: Unconfined}}"), strict},
		{serversSet, "{spec: {template: {metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/openbao: unconfined}}}}}", strict},
		{serversSet, "{spec: {template: {metadata: {annotations: {a: b}}}}}", ""},
		{serversSet, container("securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, appArmorProfile: {type: Unconfined}}"), strict},
		{serversSet, container("securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, windowsOptions: {runAsUserName: x}}"), strict},
		{serversSet, container(safe + ", livenessProbe: {httpGet: {port: 80, host: 192.0.2.1}}"), strict},
		{serversSet, container(safe + ", readinessProbe: {tcpSocket: {port: 80, host: 192.0.2.1}}"), strict},
		{serversSet, container(safe + ", lifecycle: {preStop: {httpGet: {port: 80, host: 192.0.2.1}}}"), strict},
		{serversSet, container(safe + ", livenessProbe: {httpGet: {port: 80}}, startupProbe: {exec: {command: [x]}}"), ""},
		{serversSet, pod("resourceClaims: [{name: device, resourceClaimName: device}]"), node},
		{serversSet, pod("securityContext: null"), strict},
		{serversSet, container("securityContext: {allowPrivilegeEscalation: true, capabilities: {drop: [ALL]}}"), strict},
		{serversSet, container("securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [NET_ADMIN]}}"), strict},
		{serversSet, container("command: [bao]"), strict},
		{serversSet, "{spec: {volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, " +
			"dataSource: {kind: PersistentVolumeClaim, name: data-other-0}}}]}}", "not made from another volume"},
	} {
		o := s.ofCluster(t, test.text, test.change)
		want(t, o.GetKind()+" with "+test.change, s.create(s.servers, o), test.refusal)
		if err := s.create(s.admin, o); err != nil && !apierrors.IsAlreadyExists(err) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
			t.Errorf("%s with %s, as the administrator: %v", o.GetKind(), test.change, err)
		}
	}
	// A policy that is asked about changes, too.
	s.make(t, s.ofCluster(t, serversSet, ""))
	set := s.ofCluster(t, serversSet, "")
	want(t, "a change of the pods", s.patch(s.servers, set, pod("hostIPC: true")), node)
	want(t, "a change of the account", s.patch(s.servers, set, pod("serviceAccountName: bao-restore-serviceaccount")), account)
	want(t, "a restart", s.patch(s.servers, set, "{spec: {template: {metadata: {annotations: {a: b}}}}}"), "")
}

// The account that runs servers deletes their pods and volumes, and of Secrets only those
// that can be made again.
func TestServersDelete(t *testing.T) {
	t.Parallel()
	s := newServersTest(t)
	const (
		secrets = "may delete only the Secrets"
		servers = "may delete and change only pods and volumes of servers that it runs"
		of      = "which the StatefulSet of the OpenBaoCluster controls"
	)
	labels := "labels: {openbao.org/cluster: bao, app.kubernetes.io/managed-by: bailiwick, openbao.org/component: server}"
	pod := func(name string) string {
		return "{apiVersion: v1, kind: Pod, metadata: {name: " + name + ", " + labels + ", ownerReferences: " +
			asJSON(t, ownedBy("apps/v1", "StatefulSet", "bao")) + "}, spec: {containers: [{name: a, image: a}]}}"
	}
	claim := func(name string) string {
		return "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: " + name + ", " + labels +
			"}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}"
	}
	if _, err := s.tokenTest.admin.CoreV1().ServiceAccounts(s.ns).Get(s.ctx, "default", metav1.GetOptions{}); apierrors.IsNotFound(err) {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
		if _, err := s.tokenTest.admin.CoreV1().ServiceAccounts(s.ns).Create(s.ctx, account, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	foreign := s.make(t, s.object(t, claim("foreign")))
	s.until(t, "the rights and the policies to be in force", func() error { return denied(s.delete(s.servers, foreign), servers) })
	outlives := func(name string) *unstructured.Unstructured {
		return s.ofCluster(t, serversSecret, "{metadata: {name: "+name+", ownerReferences: null, annotations: {bailiwick.dev/owner-uid: x}}}")
	}
	certificate := s.make(t, s.ofCluster(t, serversSecret, "{metadata: {name: bao-tls-server}}"))
	s.until(t, "the policy of Secrets to be in force", func() error { return denied(s.delete(s.servers, certificate), secrets) })
	unlabelled := s.object(t, strings.Replace(pod("bao-3"), labels, "labels: {openbao.org/cluster: bao}", 1))
	job := s.object(t, strings.Replace(pod("bao-4"), "component: server", "component: restore", 1))
	alone := s.object(t, pod("bao-5"))
	alone.SetOwnerReferences(nil)
	for _, test := range []struct {
		o       *unstructured.Unstructured
		refusal string
	}{
		{s.ofCluster(t, serversSecret, ""), ""},
		{s.ofCluster(t, serversSecret, "{metadata: {name: bao-config-secret}}"), ""},
		{outlives("bao-unseal-key"), ""},
		{outlives("bao-tls-ca"), ""},
		{outlives("bao-recovery-keys"), ""},
		{outlives("bao-b-unseal-key"), "may write only the Secrets"},
		{s.ofCluster(t, serversBudget, ""), ""},
		{s.ofCluster(t, serversAccountOf, "{metadata: {name: bao-backup-serviceaccount}}"), ""},
		{s.object(t, pod("bao-0")), ""},
		{s.object(t, claim("data-bao-0")), ""},
		{s.object(t, pod("bao-backup-0")), servers},
		{s.object(t, claim("data-bao-b-0")), servers},
		{unlabelled, servers},
		{job, of},
		{alone, of},
	} {
		want(t, "deleting "+test.o.GetKind()+" "+test.o.GetName(), s.delete(s.servers, s.make(t, test.o)), test.refusal)
	}
}

// The account of servers patches pods to take them out of the Services, volumes to grow, and
// objects for one finalizer.
func TestServersPatch(t *testing.T) {
	t.Parallel()
	s := newServersTest(t)
	const (
		meta   = "labels: {openbao.org/cluster: bao, app.kubernetes.io/managed-by: bailiwick, openbao.org/component: server, openbao.org/traffic: clients}"
		pods   = "may change of a pod only the label openbao.org/traffic, to none"
		other  = "may change no annotations, owners and finalizers"
		volume = "may only let volumes grow"
		object = "of an OpenBaoCluster the finalizer bailiwick.dev/openbao-servers, and nothing else"
		spec   = "may not change the spec or the owners"
		policy = "whose spec.deletionPolicy deletes something"
	)
	if _, err := s.tokenTest.admin.CoreV1().ServiceAccounts(s.ns).Get(s.ctx, "default", metav1.GetOptions{}); apierrors.IsNotFound(err) {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
		if _, err := s.tokenTest.admin.CoreV1().ServiceAccounts(s.ns).Create(s.ctx, account, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	pod := s.make(t, s.object(t, "{apiVersion: v1, kind: Pod, metadata: {name: bao-0, "+meta+
		", ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: bao, uid: x, controller: true}]}, spec: {containers: [{name: a, image: a}]}}"))
	claim := s.make(t, s.object(t, "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data-bao-0, "+meta+
		"}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}"))
	cluster := func(name, more string) *unstructured.Unstructured {
		return s.make(t, s.object(t, "{apiVersion: openbao.org/v1alpha1, kind: OpenBaoCluster, metadata: {name: "+name+
			"}, spec: {version: 2.6.2, profile: Development, storage: {size: 1Gi}, tls: {enabled: true, rotationPeriod: 720h}"+more+"}}"))
	}
	retain, remove := cluster("bao", ""), cluster("bao-b", ", deletionPolicy: DeletePVCs")
	s.until(t, "the rights and the policies to be in force", func() error {
		return errors.Join(denied(s.patch(s.servers, pod, "{metadata: {labels: {a: b}}}"), pods), denied(s.patch(s.servers, retain, "{spec: {paused: true}}"), spec))
	})
	const finalizer = "{metadata: {finalizers: [bailiwick.dev/openbao-servers]}}"
	for _, test := range []struct {
		o              *unstructured.Unstructured
		patch, refusal string
	}{
		{pod, "{metadata: {labels: {openbao.org/traffic: all}}}", pods},
		{pod, "{metadata: {labels: {openbao.org/component: null}}}", pods},
		{pod, "{metadata: {labels: {openbao.org/cluster: bao-b}}}", pods},
		{pod, "{metadata: {annotations: {a: b}}}", other},
		{pod, "{metadata: {finalizers: [a.b/c]}}", other},
		{pod, "{spec: {activeDeadlineSeconds: 1}}", pods},
		{pod, "{metadata: {labels: {openbao.org/traffic: none}}}", ""},
		{pod, "{metadata: {labels: {openbao.org/traffic: clients}}}", pods},
		{claim, "{metadata: {labels: {a: b}}}", volume},
		{claim, "{metadata: {annotations: {a: b}}}", other},
		{claim, "{metadata: {finalizers: []}}", other},
		{retain, "{spec: {replicas: 1}}", spec},
		{retain, "{metadata: {labels: {a: b}}}", object},
		{retain, "{metadata: {annotations: {bailiwick.dev/authorization-mode: Once}}}", object},
		{retain, "{metadata: {finalizers: [a.b/c]}}", object},
		{retain, finalizer, policy},
		{remove, "{metadata: {finalizers: [bailiwick.dev/openbao-servers, a.b/c]}}", object},
		{remove, finalizer, ""},
		{remove, "{spec: {deletionPolicy: DeleteAll}}", spec},
		{remove, "{metadata: {finalizers: []}}", ""},
	} {
		want(t, "patching "+test.o.GetKind()+" "+test.o.GetName()+" with "+test.patch, s.patch(s.servers, test.o, test.patch), test.refusal)
	}
}

// A server changes the labels of its own pod that its service registration sets.
func TestServersLabelTheirPods(t *testing.T) {
	t.Parallel()
	s := newServersTest(t)
	for _, o := range []string{
		serversAccountOf, strings.ReplaceAll(serversBinding, "NAMESPACE", s.ns),
		"{apiVersion: v1, kind: Pod, metadata: {name: bao-0, labels: {a: b}}, spec: {serviceAccountName: bao-serviceaccount, containers: [{name: a, image: a}]}}",
		"{apiVersion: v1, kind: Pod, metadata: {name: bao-1, labels: {a: b}}, spec: {serviceAccountName: bao-serviceaccount, containers: [{name: a, image: a}]}}",
	} {
		s.make(t, s.object(t, o))
	}
	pod, other := s.object(t, "{apiVersion: v1, kind: Pod, metadata: {name: bao-0}}"), s.object(t, "{apiVersion: v1, kind: Pod, metadata: {name: bao-1}}")
	server := s.asPod(t, "bao-0")
	s.until(t, "the rights and the policies to be in force", func() error {
		return denied(s.patch(server, other, "{metadata: {labels: {openbao-active: 'true'}}}"), "no other pod than its own")
	})
	for patch, refusal := range map[string]string{
		"{metadata: {labels: {openbao-active: 'true', openbao-version: '2.5.0'}}}": "",
		"{metadata: {labels: {a: c}}}":                                             "only the labels",
		"{metadata: {labels: {a: null}}}":                                          "only the labels",
		"{metadata: {labels: {openbao.org/cluster: x}}}":                           "only the labels",
		"{metadata: {annotations: {a: b}}}":                                        "only the labels",
		"{metadata: {finalizers: [a.b/c]}}":                                        "only the labels",
		"{spec: {activeDeadlineSeconds: 1}}":                                       "only the labels",
		"{metadata: {labels: {openbao-active: 'false'}}}":                          "",
	} {
		want(t, "its own pod with "+patch, s.patch(server, pod, patch), refusal)
	}
	want(t, "the administrator", s.patch(s.admin, other, "{metadata: {annotations: {a: b}}}"), "")
	t.Log("An account that may do everything, and is in a pod")
	admins := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "everything"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.ns, Name: "bao-serviceaccount"}},
	}
	if _, err := s.tokenTest.admin.RbacV1().RoleBindings(s.ns).Create(s.ctx, admins, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.until(t, "the other pod to be changed", func() error { return s.patch(server, other, "{metadata: {annotations: {a: b}}}") })
}
