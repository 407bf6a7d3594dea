// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func portNamed(name string) intstr.IntOrString { return intstr.FromString(name) }

// service makes a Service for the pods that are labelled with its name.
func (f *fixture) service(name string, spec corev1.ServiceSpec) *corev1.Service {
	f.Helper()
	spec.Selector = map[string]string{"app": name}
	spec.Ports = []corev1.ServicePort{{Port: 80, TargetPort: portNamed("http")}}
	created, err := f.client.CoreV1().Services(f.namespace).Create(f.Context(),
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		f.Fatalf("Creating Service %s: %v", name, err)
	}
	return created
}

func TestNodeIsReady(t *testing.T) {
	f := newFixture(t, nil)
	node, err := f.client.CoreV1().Nodes().Get(t.Context(), shared.Name(), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := nodeReady(t.Context(), f.client, node.Name); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(node.Status.NodeInfo.ContainerRuntimeVersion, "containerd://") {
		t.Errorf("The runtime is %q, want containerd", node.Status.NodeInfo.ContainerRuntimeVersion)
	}
}

func TestPodRunsAndLogs(t *testing.T) {
	f := newFixture(t, nil)
	pod := f.run(probePod("one"))
	name, err := ask(t.Context(), http.MethodGet, pod, "/", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if name != "one" {
		t.Errorf("The pod says it is %q, want one", name)
	}
	logs, err := f.client.CoreV1().Pods(f.namespace).GetLogs("one", &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(logs), "serving on") {
		t.Errorf("The log is %q, want what the probe prints", logs)
	}
}

func TestServices(t *testing.T) {
	f := newFixture(t, nil)
	client := f.run(probePod("client"))
	f.run(probePod("server"))
	service := f.service("server", corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort})

	for what, address := range map[string]string{
		"its name":            "http://server." + f.namespace + ".svc.cluster.local",
		"its short name":      "http://server",
		"its cluster address": "http://" + service.Spec.ClusterIP,
	} {
		f.eventually("the Service to answer a pod by "+what, func(ctx context.Context) error {
			return expect("server")(fetch(ctx, client, address))
		})
	}
	// A pod may reach itself through its own Service. Its short name would be its own.
	server := f.ready("server")
	f.eventually("the Service to answer its own pod", func(ctx context.Context) error {
		return expect("server")(fetch(ctx, server, "http://"+service.Spec.ClusterIP))
	})
	for what, address := range map[string]string{
		"its cluster address": "http://" + service.Spec.ClusterIP,
		"the port of a node":  fmt.Sprintf("http://%s:%d", shared.Address(), service.Spec.Ports[0].NodePort),
	} {
		f.eventually("the Service to answer this machine by "+what, func(ctx context.Context) error {
			return expect("server")(get(ctx, address))
		})
	}
}

// expect returns a check of an answer.
func expect(want string) func(string, error) error {
	return func(got string, err error) error {
		if err == nil && got != want {
			err = fmt.Errorf("the answer is %q, want %q", got, want)
		}
		return err
	}
}

func TestNamesOfHeadlessPods(t *testing.T) {
	f := newFixture(t, nil)
	f.service("group", corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, PublishNotReadyAddresses: true})
	pod := probePod("member-0")
	pod.Labels["app"] = "group"
	pod.Spec.Hostname, pod.Spec.Subdomain = "member-0", "group"
	member := f.run(pod)
	f.eventually("the name of the pod to be known", func(ctx context.Context) error {
		return expect(member.Status.PodIP)(ask(ctx, http.MethodGet, member, "/resolve",
			url.Values{"name": {"member-0.group." + f.namespace + ".svc.cluster.local"}}, ""))
	})
}

func TestPodReachesThisMachine(t *testing.T) {
	f := newFixture(t, nil)
	address := serveHere(t, shared.GatewayAddr(), "here")
	pod := f.run(probePod("client"))
	if err := expect("here")(fetch(t.Context(), pod, "http://"+address)); err != nil {
		t.Error(err)
	}
}

func TestVolumeOutlivesPod(t *testing.T) {
	f := newFixture(t, nil)
	_, err := f.client.CoreV1().PersistentVolumeClaims(f.namespace).Create(t.Context(), &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	withData := func(name string) *corev1.Pod {
		pod := probePod(name)
		pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
		}}}
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
		return pod
	}
	file := url.Values{"path": {"/data/file"}}
	if _, err := ask(t.Context(), http.MethodPut, f.run(withData("first")), "/file", file, "kept"); err != nil {
		t.Fatal(err)
	}
	f.remove("first")
	if err := expect("kept")(ask(t.Context(), http.MethodGet, f.run(withData("second")), "/file", file, "")); err != nil {
		t.Error(err)
	}
}

func TestNetworkPolicy(t *testing.T) {
	f := newFixture(t, nil)
	friend, stranger := f.run(probePod("friend")), f.run(probePod("stranger"))
	server := f.run(probePod("server"))
	address := "http://" + server.Status.PodIP + ":8080"
	reaches := func(from *corev1.Pod) func(context.Context) error {
		return func(ctx context.Context) error { return expect("server")(fetch(ctx, from, address)) }
	}
	for _, pod := range []*corev1.Pod{friend, stranger} {
		f.eventually(pod.Name+" to reach the server without a policy", reaches(pod))
	}

	policies := f.client.NetworkingV1().NetworkPolicies(f.namespace)
	_, err := policies.Create(t.Context(), &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "friends"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "server"}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{
				PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "friend"}},
			}}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.eventually("the stranger to be shut out", func(ctx context.Context) error {
		if reaches(stranger)(ctx) == nil {
			return fmt.Errorf("%s is answered", stranger.Name)
		}
		return nil
	})
	if err := reaches(friend)(t.Context()); err != nil {
		t.Errorf("The friend is shut out: %v", err)
	}
	if err := policies.Delete(t.Context(), "friends", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	f.eventually("the stranger to be let in without the policy", reaches(stranger))
}

func TestPodSecurityIsEnforced(t *testing.T) {
	f := newFixture(t, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	privileged := probePod("privileged")
	yes := true
	privileged.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: &yes}
	_, err := f.client.CoreV1().Pods(f.namespace).Create(t.Context(), privileged, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "privileged") {
		t.Errorf("error = %v, want one of pod security", err)
	}
	f.run(probePod("restricted"))
}

func TestDisruptionBudgetHoldsEviction(t *testing.T) {
	f := newFixture(t, nil)
	f.run(probePod("only"))
	one := intstr.FromInt32(1)
	budgets := f.client.PolicyV1().PodDisruptionBudgets(f.namespace)
	_, err := budgets.Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "budget"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "only"}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.eventually("the budget to count the pod", func(ctx context.Context) error {
		budget, err := budgets.Get(ctx, "budget", metav1.GetOptions{})
		if err == nil && budget.Status.CurrentHealthy != 1 {
			err = fmt.Errorf("its status is %+v", budget.Status)
		}
		return err
	})
	evict := func(ctx context.Context) error {
		return f.client.CoreV1().Pods(f.namespace).EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "only"}})
	}
	if err := evict(t.Context()); !apierrors.IsTooManyRequests(err) {
		t.Errorf("error = %v, want one that refuses the eviction", err)
	}
	if err := budgets.Delete(t.Context(), "budget", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	f.eventually("the pod to be evicted without the budget", evict)
}

func TestImageByDigest(t *testing.T) {
	f := newFixture(t, nil)
	path := t.TempDir()
	if err := WriteImage(path, "localhost:5000/team/loaded:v1", shared.binaries["probe"]); err != nil {
		t.Fatal(err)
	}
	if err := shared.LoadImage(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	for name, image := range map[string]string{
		"by-tag":    "localhost:5000/team/loaded:v1",
		"by-digest": "localhost:5000/team/loaded@" + digestOf(t, path),
	} {
		pod := probePod(name)
		pod.Spec.Containers[0].Image, pod.Spec.Containers[0].ImagePullPolicy = image, corev1.PullNever
		f.run(pod)
	}
}

func TestWorkerJoinsAndIsLost(t *testing.T) {
	f := newFixture(t, nil)
	worker, err := shared.AddWorker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := worker.Stop(); err != nil {
			t.Error(err)
		}
	})

	// Pods that want to be apart are on both nodes, and reach each other.
	var nodes []string
	var pods []*corev1.Pod
	for _, name := range []string{"left", "right"} {
		pod := probePod(name)
		pod.Labels["group"] = "apart"
		pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"group": "apart"}},
				TopologyKey:   corev1.LabelHostname,
			}},
		}}
		pods = append(pods, f.run(pod))
		nodes = append(nodes, pods[len(pods)-1].Spec.NodeName)
	}
	slices.Sort(nodes)
	if want := []string{shared.Name(), worker.Name()}; !slices.Equal(nodes, want) {
		t.Errorf("The pods are on %v, want %v", nodes, want)
	}
	f.service("left", corev1.ServiceSpec{})
	f.eventually("the pods to reach each other over the Service", func(ctx context.Context) error {
		return expect("left")(fetch(ctx, pods[1], "http://left"))
	})

	if err := worker.Stop(); err != nil {
		t.Fatal(err)
	}
	f.eventually("the worker to be found lost", func(ctx context.Context) error {
		node, err := f.client.CoreV1().Nodes().Get(ctx, worker.Name(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionUnknown {
				return nil
			}
		}
		return fmt.Errorf("its conditions are %+v", node.Status.Conditions)
	})
}
