// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/bailiwick-operator/bailiwick/tests/node"
)

// pods returns the operator's pods in a namespace that are not on their way out.
func (r *reader) pods(namespace string) []corev1.Pod {
	r.Helper()
	list, err := r.kube.CoreV1().Pods(namespace).List(r.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=bailiwick"})
	if err != nil {
		r.Fatal(err)
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
}

// readyPods waits until there are two pods of the operator, both Ready, and returns
// them.
func (r *reader) readyPods(namespace string) []corev1.Pod {
	r.Helper()
	var pods []corev1.Pod
	r.eventually("two pods to be Ready", func(context.Context) error {
		pods = r.pods(namespace)
		if len(pods) != 2 {
			return fmt.Errorf("there are %d", len(pods))
		}
		for i := range pods {
			if !isReady(&pods[i]) {
				return fmt.Errorf("%s is not: %+v", pods[i].Name, pods[i].Status)
			}
		}
		return nil
	})
	return pods
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// leader waits until one of the operator's pods holds the Lease, and returns it.
func (r *reader) leader(namespace, lease string) *corev1.Pod {
	r.Helper()
	var leader *corev1.Pod
	r.eventually("a pod to hold the Lease", func(ctx context.Context) error {
		held, err := r.kube.CoordinationV1().Leases(namespace).Get(ctx, lease, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if held.Spec.HolderIdentity == nil {
			return errors.New("nobody holds it")
		}
		name, _, _ := strings.Cut(*held.Spec.HolderIdentity, "_")
		for _, pod := range r.pods(namespace) {
			if pod.Name == name {
				leader = &pod
				return nil
			}
		}
		return fmt.Errorf("%s holds it, which is no pod that stays", *held.Spec.HolderIdentity)
	})
	return leader
}

// processOf finds the operator in a pod among the processes of this machine.
func processOf(pod *corev1.Pod) (int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		groups, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cgroup"))
		if err != nil || !strings.Contains(string(groups), string(pod.UID)) {
			continue
		}
		name, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "comm"))
		if err == nil && strings.TrimSpace(string(name)) == "bailiwick" {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("pod %s has no process bailiwick: %w", pod.Name, fs.ErrNotExist)
}

// get returns what a URL answers to this machine.
func get(ctx context.Context, address string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
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

// metrics returns what a pod of the operator measures.
func metrics(ctx context.Context, pod *corev1.Pod) (string, error) {
	return get(ctx, "http://"+pod.Status.PodIP+":8080/metrics")
}

// versions checks that the operator's pods are of a release, by their metrics.
func (r *reader) versions(namespace, version string) {
	r.Helper()
	for _, pod := range r.readyPods(namespace) {
		text, err := metrics(r.Context(), &pod)
		if err != nil {
			r.Fatal(err)
		}
		if want := `version="` + version + `"} 1`; !strings.Contains(text, "bailiwick_build_info{") || !strings.Contains(text, want) {
			r.Errorf("The metrics of %s lack build_info with %s", pod.Name, want)
		}
	}
}

// probe runs a pod that asks what it is told to ask, and waits until it is Ready. Its
// port has the name of the operator's, so that a policy for these lets questions in.
func (r *reader) probe(namespace string, labels map[string]string) *corev1.Pod {
	r.Helper()
	no, yes := false, true
	pods := r.kube.CoreV1().Pods(namespace)
	pod, err := pods.Create(r.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "probe-", Labels: labels},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64),
			AutomountServiceAccountToken:  &no,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "probe", Image: node.ProbeImage,
				Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 8080}},
				ReadinessProbe: &corev1.Probe{
					ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(8080)}},
					PeriodSeconds: 1,
				},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		r.Fatal(err)
	}
	name := pod.Name
	r.eventually("the probe to be Ready", func(ctx context.Context) error {
		if pod, err = pods.Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		if !isReady(pod) {
			return fmt.Errorf("it is not: %+v", pod.Status)
		}
		return nil
	})
	return pod
}

// remove deletes pods, and waits until they are gone.
func (r *reader) remove(pods ...*corev1.Pod) {
	r.Helper()
	for _, pod := range pods {
		if err := r.kube.CoreV1().Pods(pod.Namespace).Delete(r.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
			r.Fatal(err)
		}
	}
	for _, pod := range pods {
		r.eventually(pod.Name+" to be gone", func(ctx context.Context) error {
			list, err := r.kube.CoreV1().Pods(pod.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + pod.Name})
			if err == nil && len(list.Items) > 0 {
				err = fmt.Errorf("it is %s", list.Items[0].Status.Phase)
			}
			return err
		})
	}
}

// fetch makes a probe ask a URL.
func fetch(ctx context.Context, probe *corev1.Pod, address string) (string, error) {
	return get(ctx, "http://"+probe.Status.PodIP+":8080/fetch?url="+url.QueryEscape(address))
}
