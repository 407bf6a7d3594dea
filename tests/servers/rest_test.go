// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// TestPaused has Bailiwick look and change nothing.
func TestPaused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	w.create(w.cluster("prod", one, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Paused = new(true) }))
	w.eventually("the status to say so", w.condition("prod", openbaov1alpha1.ConditionClusterLifecycle, metav1.ConditionFalse, "Paused"))
	time.Sleep(2 * time.Second)
	out := w.sh("kubectl -n " + w.ns + " get statefulsets,services,pods,pvc,poddisruptionbudgets,networkpolicies,secrets -o name")
	if strings.TrimSpace(out) != "" {
		t.Errorf("A cluster that was always paused has\n%s", out)
	}

	w.patch("prod", `{"spec":{"paused":false}}`)
	w.isWhole(w.ready("prod"))

	w.patch("prod", `{"spec":{"paused":true}}`)
	w.eventually("the status to say so", w.condition("prod", openbaov1alpha1.ConditionClusterLifecycle, metav1.ConditionFalse, "Paused"))
	w.sh("kubectl -n " + w.ns + " delete service prod-active")
	w.patch("prod", `{"spec":{"replicas":3}}`)
	w.eventually("the status to say so", w.condition("prod", openbaov1alpha1.ConditionClusterLifecycle, metav1.ConditionFalse, "Paused"))
	time.Sleep(2 * time.Second)
	set, err := w.kube.AppsV1().StatefulSets(w.ns).Get(w.ctx, "prod", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if *set.Spec.Replicas != 1 {
		t.Errorf("A paused cluster was scaled to %d servers", *set.Spec.Replicas)
	}
	_, err = w.kube.CoreV1().Services(w.ns).Get(w.ctx, "prod-active", metav1.GetOptions{})
	if err := gone(err); err != nil {
		t.Errorf("The deleted Service of a paused cluster: %v", err)
	}
}

// patch changes an object as a person does.
func (w *world) patch(name, patch string) {
	w.Helper()
	if _, err := w.api.OpenBaoV1alpha1().OpenBaoClusters(w.ns).Patch(w.ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		w.Fatal(err)
	}
}

// TestConflict has objects of somebody else in the way.
func TestConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	foreign := []string{"service prod --tcp=80", "configmap prod-config", "secret generic prod-unseal-key"}
	before := map[string]string{}
	for _, object := range foreign {
		kind := "create " + object
		if strings.HasPrefix(object, "service") {
			kind = "create service clusterip prod --tcp=80"
		}
		w.sh("kubectl -n " + w.ns + " " + kind)
	}
	version := func(object string) string {
		return w.sh("kubectl -n " + w.ns + " get " + object + " -o jsonpath='{.metadata.uid}/{.metadata.resourceVersion}'")
	}
	objects := []string{"secret/prod-unseal-key", "configmap/prod-config", "service/prod"}
	for _, object := range objects {
		before[object] = version(object)
	}
	w.start()
	w.create(w.cluster("prod", one))
	deleted := map[string]bool{}
	for range objects {
		w.eventually("a conflict to be told", w.condition("prod", openbaov1alpha1.ConditionReady, metav1.ConditionFalse, "ObjectConflict"))
		var named string
		w.eventually("another object to be named", func() error {
			message := meta.FindStatusCondition(w.get("prod").Status.Conditions, openbaov1alpha1.ConditionReady).Message
			for _, object := range objects {
				kind, name, _ := strings.Cut(object, "/")
				if strings.HasSuffix(strings.TrimRight(message, "."), "delete "+kind+" "+name) && !deleted[object] {
					named = object
					return nil
				}
			}
			return errMessage(message)
		})
		for _, object := range objects {
			if !deleted[object] && version(object) != before[object] {
				t.Errorf("Somebody else's %s was changed", object)
			}
		}
		deleted[named] = true
		w.sh("kubectl -n " + w.ns + " delete " + named)
		// What is not watched is looked at again when the object changes.
		w.patch("prod", `{"spec":{"podMetadata":{"annotations":{"look":"`+strings.ReplaceAll(named, "/", "-")+`"}}}}`)
	}
	w.isWhole(w.ready("prod"))
}

type errMessage string

func (e errMessage) Error() string { return string(e) }

// quiet is how long a cluster is watched at rest.
const quiet = 40 * time.Second

// TestAtRest counts what both processes send when nothing happens.
func TestAtRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	c := &counted{}
	for _, name := range []string{authorizing, serving} {
		w.startWith(name, func(o *app.Options) {
			o.RESTConfig.Wrap(func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.Method != http.MethodGet {
						c.add(name + ": " + r.Method + " " + r.URL.Path)
					}
					return next.RoundTrip(r)
				})
			})
			o.OpenBao.Connect = func(opts openbao.Options) (openbao.Interface, error) {
				client, err := openbao.New(opts)
				if err != nil {
					return nil, err
				}
				return &countedClient{Interface: client, counted: c}, nil
			}
		})
	}
	w.create(w.cluster("prod"))
	w.isWhole(w.ready("prod"))
	// The last reports of the start are written.
	time.Sleep(5 * time.Second)
	before := w.get("prod").ResourceVersion
	c.reset()
	time.Sleep(quiet)
	if sent := c.all(); len(sent) > 0 {
		t.Errorf("In %s at rest, this was sent:\n%s", quiet, strings.Join(sent, "\n"))
	}
	if now := w.get("prod").ResourceVersion; now != before {
		t.Error("The object was changed at rest")
	}
	pods, err := w.kube.CoreV1().Pods(w.ns).List(w.ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		for _, status := range pod.Status.ContainerStatuses {
			if status.RestartCount > 0 || pod.Status.Phase != corev1.PodRunning {
				t.Errorf("Pod %s is %s, and was restarted %d times", pod.Name, pod.Status.Phase, status.RestartCount)
			}
		}
	}
}

// counted is what was sent.
type counted struct {
	mu   sync.Mutex
	sent []string
}

func (c *counted) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, what)
}

func (c *counted) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = nil
}

func (c *counted) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.sent...)
}

// countedClient counts the logins, which every look at a server would need without
// sessions that are kept.
type countedClient struct {
	openbao.Interface
	counted *counted
}

func (c *countedClient) LoginJWT(ctx context.Context, mount, role string, jwt openbao.Token) (openbao.Login, error) {
	c.counted.add("login as " + role)
	return c.Interface.LoginJWT(ctx, mount, role, jwt)
}

func (c *countedClient) Peers(ctx context.Context) ([]openbao.Peer, error) {
	c.counted.add("peers")
	return c.Interface.Peers(ctx)
}
