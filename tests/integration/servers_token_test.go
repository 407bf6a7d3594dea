// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// send sends a request of the form "VERB path". It reports what the API server answers
// for lack of a right: authorization comes before everything else, so that no body is
// needed. What would be written is not.
func (s *serversTest) send(client kubernetes.Interface, request string) error {
	verb, path, _ := strings.Cut(request, " ")
	r := client.CoreV1().RESTClient().Verb(verb).AbsPath(path)
	switch verb {
	case "GET":
		return r.Param("limit", "1").Do(s.ctx).Error()
	case "WATCH":
		return client.CoreV1().RESTClient().Get().AbsPath(path).Param("watch", "true").Param("timeoutSeconds", "1").Do(s.ctx).Error()
	case "DELETE":
		// Options in a body would win over those of the query.
		return r.Param("dryRun", "All").Do(s.ctx).Error()
	case "PATCH":
		r = client.CoreV1().RESTClient().Patch(types.MergePatchType).AbsPath(path)
	}
	return r.Param("dryRun", "All").Body([]byte("{}")).Do(s.ctx).Error()
}

// refusedByRBAC reports whether the API server refuses a request since nothing grants it.
func refusedByRBAC(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot ") && !strings.Contains(err.Error(), "ValidatingAdmissionPolicy")
}

// expand puts each namespace in the place of NS.
func expand(requests []string, namespaces ...string) []string {
	var out []string
	for _, request := range requests {
		for _, ns := range namespaces {
			out = append(out, strings.ReplaceAll(request, "NS", ns))
			if !strings.Contains(request, "NS") {
				break
			}
		}
	}
	return out
}

// neither lists requests that no process of Bailiwick may send, in any namespace.
var neither = []string{
	// Whatever runs a pod but a StatefulSet and a Job.
	"POST /api/v1/namespaces/NS/pods",
	"PUT /api/v1/namespaces/NS/pods/x",
	"PATCH /api/v1/namespaces/NS/pods/x/ephemeralcontainers",
	"PATCH /api/v1/namespaces/NS/pods/x/status",
	"POST /api/v1/namespaces/NS/pods/x/exec",
	"POST /api/v1/namespaces/NS/pods/x/attach",
	"POST /api/v1/namespaces/NS/pods/x/portforward",
	"POST /api/v1/namespaces/NS/pods/x/binding",
	"POST /api/v1/namespaces/NS/pods/x/eviction",
	"GET /api/v1/namespaces/NS/pods/x/log",
	"GET /api/v1/namespaces/NS/pods/x/proxy/",
	"DELETE /api/v1/namespaces/NS/pods",
	"POST /api/v1/namespaces/NS/replicationcontrollers",
	"POST /apis/apps/v1/namespaces/NS/deployments",
	"PATCH /apis/apps/v1/namespaces/NS/deployments/bailiwick",
	"POST /apis/apps/v1/namespaces/NS/daemonsets",
	"POST /apis/apps/v1/namespaces/NS/replicasets",
	"PUT /apis/apps/v1/namespaces/NS/statefulsets/x",
	"PATCH /apis/apps/v1/namespaces/NS/statefulsets/x/scale",
	"PATCH /apis/batch/v1/namespaces/NS/jobs/x",
	"DELETE /apis/batch/v1/namespaces/NS/jobs",
	"POST /apis/batch/v1/namespaces/NS/cronjobs",
	// Secrets that it does not know by name.
	"GET /api/v1/namespaces/NS/secrets",
	"WATCH /api/v1/namespaces/NS/secrets",
	"DELETE /api/v1/namespaces/NS/secrets",
	"GET /api/v1/secrets",
	// Identities of others.
	"POST /api/v1/namespaces/NS/serviceaccounts/default/token",
	"POST /api/v1/namespaces/NS/serviceaccounts/bao-serviceaccount/token",
	"POST /apis/certificates.k8s.io/v1/certificatesigningrequests",
	// Rights.
	"POST /apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles",
	"PATCH /apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles/x",
	"DELETE /apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings/x",
	"POST /apis/rbac.authorization.k8s.io/v1/clusterroles",
	"PATCH /apis/rbac.authorization.k8s.io/v1/clusterroles/bailiwick-openbao-server",
	"POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
	// What limits it.
	"PATCH /apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/bailiwick-servers",
	"DELETE /apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/bailiwick-servers",
	"POST /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
	"PATCH /apis/apiextensions.k8s.io/v1/customresourcedefinitions/openbaoclusters.openbao.org",
	"PATCH /api/v1/namespaces/NS",
	"DELETE /api/v1/namespaces/NS",
	"POST /api/v1/namespaces",
	// What people ask for.
	"POST /apis/openbao.org/v1alpha1/namespaces/NS/openbaoclusters",
	"PUT /apis/openbao.org/v1alpha1/namespaces/NS/openbaoclusters/x",
	"DELETE /apis/openbao.org/v1alpha1/namespaces/NS/openbaoclusters/x",
	"PUT /apis/openbao.org/v1alpha1/namespaces/NS/openbaoclusters/x/status",
	// Nodes and volumes.
	"GET /api/v1/nodes",
	"GET /api/v1/nodes/x/proxy/",
	"POST /api/v1/persistentvolumes",
	"POST /api/v1/namespaces/NS/persistentvolumeclaims",
	"DELETE /api/v1/namespaces/NS/persistentvolumeclaims",
	// Traffic of others.
	"POST /apis/networking.k8s.io/v1/namespaces/NS/ingresses",
	"PATCH /api/v1/namespaces/NS/endpoints/x",
	"DELETE /api/v1/namespaces/NS/services/x",
	"DELETE /apis/networking.k8s.io/v1/namespaces/NS/networkpolicies/x",
	"DELETE /apis/coordination.k8s.io/v1/namespaces/NS/leases/bailiwick",
}

// inNamespacesOfServers lists what the process that runs servers sends in a namespace in
// which it is let, and the other one nowhere.
var inNamespacesOfServers = []string{
	"GET /apis/apps/v1/namespaces/NS/statefulsets/x",
	"POST /apis/apps/v1/namespaces/NS/statefulsets",
	"PATCH /apis/apps/v1/namespaces/NS/statefulsets/x",
	"POST /api/v1/namespaces/NS/services",
	"POST /api/v1/namespaces/NS/serviceaccounts",
	"PATCH /api/v1/namespaces/NS/serviceaccounts/x",
	"DELETE /api/v1/namespaces/NS/serviceaccounts/x",
	"DELETE /apis/apps/v1/namespaces/NS/statefulsets/x",
	"POST /apis/batch/v1/namespaces/NS/jobs",
	"GET /apis/batch/v1/namespaces/NS/jobs",
	"DELETE /apis/batch/v1/namespaces/NS/jobs/x",
	"PATCH /api/v1/namespaces/NS/pods/x",
	"DELETE /api/v1/namespaces/NS/pods/x",
	"PATCH /api/v1/namespaces/NS/persistentvolumeclaims/x",
	"GET /api/v1/namespaces/NS/persistentvolumeclaims/x",
	"DELETE /api/v1/namespaces/NS/persistentvolumeclaims/x",
	"POST /apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings",
	"PATCH /apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings/x",
	"GET /apis/coordination.k8s.io/v1/namespaces/NS/leases/x",
	"PUT /apis/coordination.k8s.io/v1/namespaces/NS/leases/x",
	"POST /apis/networking.k8s.io/v1/namespaces/NS/networkpolicies",
	"POST /apis/policy/v1/namespaces/NS/poddisruptionbudgets",
	"DELETE /apis/policy/v1/namespaces/NS/poddisruptionbudgets/x",
}

// Whoever has the token of a process can do what that process does, and nothing else.
// Where no person has let it, the process that runs servers only reads, and no Secret.
func TestTokensInOtherHands(t *testing.T) {
	t.Parallel()
	s := newServersTest(t)
	other := s.cluster.Namespace(t)
	everywhere := []string{s.ns, other, operatorNamespace, "kube-system"}
	servers, operator := s.as(t, operatorNamespace, serversAccount), s.operator
	s.until(t, "the right of the namespace", func() error {
		if err := s.send(servers, expand(inNamespacesOfServers[:1], s.ns)[0]); refusedByRBAC(err) {
			return err
		}
		return nil
	})

	ofServers := append(expand(neither, everywhere...), expand(inNamespacesOfServers, other, operatorNamespace, "kube-system")...)
	ofServers = append(ofServers, expand([]string{
		"GET /api/v1/namespaces/NS/secrets/aiven-token",
		"POST /api/v1/namespaces/NS/secrets",
		"PATCH /api/v1/namespaces/NS/secrets/x",
		"DELETE /api/v1/namespaces/NS/secrets/x",
		"GET /api/v1/namespaces/NS/configmaps/x",
		"PATCH /api/v1/namespaces/NS/configmaps/x",
	}, other, operatorNamespace, "kube-system")...)
	ofServers = append(ofServers, expand([]string{
		"GET /apis/aiven.io/v1alpha1/namespaces/NS/kafkas",
		"PATCH /apis/aiven.io/v1alpha1/namespaces/NS/kafkas/x/status",
		"GET /api/v1/namespaces/NS/configmaps",
		"GET /api/v1/namespaces/NS/pods/x",
	}, everywhere...)...)
	for _, account := range []string{operatorAccount, bootstrapperSA, "bailiwick-decoy"} {
		ofServers = append(ofServers, "POST /api/v1/namespaces/"+operatorNamespace+"/serviceaccounts/"+account+"/token")
	}
	ofServers = append(ofServers, "GET /apis/coordination.k8s.io/v1/namespaces/"+operatorNamespace+"/leases/bailiwick",
		"PUT /apis/coordination.k8s.io/v1/namespaces/"+operatorNamespace+"/leases/bailiwick")
	ofOperator := append(expand(neither, everywhere...), expand(inNamespacesOfServers, everywhere...)...)
	// Admission leaves it one finalizer: TestServersPatch.
	patch := expand([]string{"PATCH /apis/openbao.org/v1alpha1/namespaces/NS/openbaoclusters/x"}, everywhere...)

	for account, test := range map[string]struct {
		client  kubernetes.Interface
		refused []string
		allowed []string
	}{
		serversAccount: {servers, ofServers, append(append(expand(inNamespacesOfServers, s.ns), patch...),
			"GET /api/v1/namespaces/"+s.ns+"/secrets/x", "GET /apis/openbao.org/v1alpha1/openbaoclusters",
			"POST /api/v1/namespaces/"+operatorNamespace+"/serviceaccounts/"+serversAccount+"/token")},
		operatorAccount: {operator, ofOperator, []string{
			"GET /api/v1/namespaces/" + other + "/secrets/x", "GET /apis/openbao.org/v1alpha1/openbaoclusters",
			"POST /api/v1/namespaces/" + operatorNamespace + "/serviceaccounts/" + bootstrapperSA + "/token",
		}},
	} {
		for _, request := range test.refused {
			if err := s.send(test.client, request); !refusedByRBAC(err) {
				t.Errorf("%s, %s: %v", account, request, err)
			}
			// A path that the API server does not serve would be refused for that.
			if err := s.send(s.tokenTest.admin, request); err != nil && strings.Contains(err.Error(), "could not find the requested resource") {
				t.Errorf("%s: there is no such request: %v", request, err)
			}
		}
		for _, request := range test.allowed {
			if err := s.send(test.client, request); refusedByRBAC(err) {
				t.Errorf("%s, %s: %v", account, request, err)
			}
		}
		t.Logf("%s: %d requests were refused", account, len(test.refused))
	}

	t.Log("In the place of somebody else")
	for _, account := range []string{serversAccount, operatorAccount} {
		config, err := s.cluster.ServiceAccountConfig(s.ctx, operatorNamespace, account)
		if err != nil {
			t.Fatal(err)
		}
		for _, who := range []rest.ImpersonationConfig{
			{UserName: "system:serviceaccount:" + operatorNamespace + ":" + bootstrapperSA},
			{UserName: fmt.Sprintf("system:serviceaccount:%s:default", s.ns)},
			{UserName: "x", Groups: []string{"system:masters"}},
		} {
			config.Impersonate = who
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.CoreV1().Namespaces().Get(s.ctx, "default", metav1.GetOptions{}); !refusedByRBAC(err) {
				t.Errorf("%s as %s: %v", account, who.UserName, err)
			}
		}
	}
}
