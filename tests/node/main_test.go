// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// shared is the cluster of all tests but those that need one of their own.
var shared *Node

func TestMain(m *testing.M) {
	if os.Getenv(ownerEnv) != "" {
		runAsOwner()
	}
	os.Exit(Main(m, Options{}, func(n *Node) { shared = n }))
}

// fixture is a namespace of one test in the shared cluster.
type fixture struct {
	*testing.T
	client    kubernetes.Interface
	namespace string
}

func newFixture(t *testing.T, labels map[string]string) *fixture {
	t.Helper()
	Require(t)
	return fixtureIn(t, shared, labels)
}

func fixtureIn(t *testing.T, n *Node, labels map[string]string) *fixture {
	t.Helper()
	client, err := kubernetes.NewForConfig(n.Config())
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{T: t, client: client, namespace: n.Namespace(t, labels)}
}

// probePod is a pod that runs the probe, with as few rights as a pod can have.
func probePod(name string) *corev1.Pod {
	no, yes := false, true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			// Pods of tests have nothing to finish.
			TerminationGracePeriodSeconds: new(int64),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "probe", Image: ProbeImage,
				Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
				ReadinessProbe: &corev1.Probe{
					ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: portNamed("http")}},
					PeriodSeconds: 1,
				},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// create creates a pod.
func (f *fixture) create(pod *corev1.Pod) {
	f.Helper()
	if _, err := f.client.CoreV1().Pods(f.namespace).Create(f.Context(), pod, metav1.CreateOptions{}); err != nil {
		f.Fatalf("Creating pod %s: %v", pod.Name, err)
	}
}

// run creates a pod, waits until it is Ready and returns it.
func (f *fixture) run(pod *corev1.Pod) *corev1.Pod {
	f.Helper()
	f.create(pod)
	return f.ready(pod.Name)
}

// ready waits until a pod is Ready and returns it.
func (f *fixture) ready(name string) *corev1.Pod {
	f.Helper()
	var pod *corev1.Pod
	f.eventually("pod "+name+" to be Ready", func(ctx context.Context) error {
		var err error
		if pod, err = f.client.CoreV1().Pods(f.namespace).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("its status is %+v", pod.Status)
	})
	return pod
}

// remove deletes a pod and waits until it is gone.
func (f *fixture) remove(name string) {
	f.Helper()
	pods := f.client.CoreV1().Pods(f.namespace)
	if err := pods.Delete(f.Context(), name, metav1.DeleteOptions{}); err != nil {
		f.Fatalf("Deleting pod %s: %v", name, err)
	}
	f.eventually("pod "+name+" to be gone", func(ctx context.Context) error {
		list, err := pods.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
		if err == nil && len(list.Items) > 0 {
			err = fmt.Errorf("it is %s", list.Items[0].Status.Phase)
		}
		return err
	})
}

// eventually waits until check returns nil, and fails the test if it never does.
func (f *fixture) eventually(what string, check func(context.Context) error) {
	f.Helper()
	var last error
	err := wait.PollUntilContextTimeout(f.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		f.Fatalf("Waiting for %s: %v (last: %v)", what, err, last)
	}
}

// ask asks the probe in a pod from outside the cluster.
func ask(ctx context.Context, method string, pod *corev1.Pod, path string, query url.Values, body string) (string, error) {
	return request(ctx, method, fmt.Sprintf("http://%s:8080%s?%s", pod.Status.PodIP, path, query.Encode()), body)
}

// get returns what a URL answers.
func get(ctx context.Context, address string) (string, error) {
	return request(ctx, http.MethodGet, address, "")
}

func request(ctx context.Context, method, address, body string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", address, response.Status, content)
	}
	return string(content), err
}

// fetch makes the probe in a pod ask a URL.
func fetch(ctx context.Context, pod *corev1.Pod, address string) (string, error) {
	return ask(ctx, http.MethodGet, pod, "/fetch", url.Values{"url": {address}}, "")
}
