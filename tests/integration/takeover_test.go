// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// peer is how the aiven-operator signs its writes, which are updates.
var peer = metav1.UpdateOptions{FieldManager: "manager"}

// asLeftByPeer makes an object look as the aiven-operator leaves one that runs,
// with a stale error, and with its remote in place.
func (e *env) asLeftByPeer(kind, name string) {
	e.Helper()
	e.create(e.object(kind, name))
	e.annotate(kind, name, "example.com/the-users", "kept")
	client := e.client(kind)
	obj := e.get(kind, name)
	obj.SetFinalizers([]string{"finalizers.aiven.io/delete-remote-resource"})
	obj.SetAnnotations(map[string]string{
		"example.com/the-users":                         "kept",
		"controllers.aiven.io/generation-was-processed": "1",
		"controllers.aiven.io/instance-is-running":      "true",
		"controllers.aiven.io/secret-source-updated":    "1700000000",
	})
	obj, err := client.Update(e.ctx, obj, peer)
	if err != nil {
		e.Fatal(err)
	}
	now := metav1.Now().UTC().Format("2006-01-02T15:04:05Z")
	condition := func(typ, status, reason string) any {
		return map[string]any{"type": typ, "status": status, "reason": reason, "message": "left by the peer", "lastTransitionTime": now}
	}
	conditions := []any{condition("Initialized", "True", "Preconditions"), condition("Running", "True", "CheckRunning"), condition("Error", "Unknown", "CreateOrUpdate")}
	if err := unstructured.SetNestedSlice(obj.Object, conditions, "status", "conditions"); err != nil {
		e.Fatal(err)
	}
	if _, err := client.UpdateStatus(e.ctx, obj, peer); err != nil {
		e.Fatal(err)
	}
}

// Whoever moves over from the aiven-operator keeps the remote and what is
// published, and nothing of that operator stays behind.
func TestTakeover(t *testing.T) {
	t.Parallel()
	forEveryKind(t, func(t *testing.T, kind string, c kindCase) {
		e := lifecycleEnv(t, aivensim.Options{})
		e.host(kind)
		// An operator of ours makes the remote and the Secret; then the object is
		// left behind, and comes back in the peer's clothes.
		e.start()
		e.create(e.object(kind, "x"))
		e.ready(kind, "x")
		remote := e.onlyRemote(kind)
		e.annotate(kind, "x", "controllers.aiven.io/deletion-policy", "Orphan")
		e.delete(kind, "x")
		e.gone(kind, "x")
		e.noSecret("x")
		e.stopOperator()

		e.asLeftByPeer(kind, "x")
		if c.publishes {
			data := map[string][]byte{"STALE": []byte("1")}
			if kind == "ClickhouseUser" {
				// Aiven never shows this one again: it has to stay as it is.
				for _, key := range []string{"PASSWORD", "CLICKHOUSEUSER_PASSWORD"} {
					data[key] = []byte("kept-password")
				}
			}
			e.secretOfPeer(kind, "x", data)
		}
		e.sim.ResetRequests()
		e.start()
		e.ready(kind, "x")
		if n := e.sim.Count(aivensim.Mutating); n != 0 {
			t.Errorf("%d changes were sent to Aiven", n)
		}
		if got := e.onlyRemote(kind); got != remote {
			t.Errorf("the remote is %s, want still %s", got, remote)
		}
		e.checkSecret(c, e.get(kind, "x").GetUID())
		if kind == "ClickhouseUser" {
			secret, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, "x", metav1.GetOptions{})
			if err != nil || string(secret.Data["CLICKHOUSEUSER_PASSWORD"]) != "kept-password" {
				t.Errorf("the published password changed (error %v)", err)
			}
		}
		e.eventually("nothing of the peer's to be left", func() error { return e.leftovers(kind, c) })
		if e.get(kind, "x").GetAnnotations()["example.com/the-users"] != "kept" {
			t.Error("an annotation of the user's is gone")
		}

		e.delete(kind, "x")
		e.gone(kind, "x")
		e.noRemote(kind)
	})
}

// secretOfPeer makes the connection Secret of an object as the peer does.
func (e *env) secretOfPeer(kind, name string, data map[string][]byte) {
	e.Helper()
	obj := e.get(kind, name)
	ref := metav1.NewControllerRef(obj, obj.GroupVersionKind())
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: []metav1.OwnerReference{*ref}}, Data: data}
	if _, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, secret, metav1.CreateOptions{FieldManager: "manager"}); err != nil {
		e.Fatal(err)
	}
}

// leftovers says what of the aiven-operator's is still there.
func (e *env) leftovers(kind string, c kindCase) error {
	obj, err := e.client(kind).Get(e.ctx, "x", metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, entry := range obj.GetManagedFields() {
		if entry.Manager == "manager" {
			return fmt.Errorf("the peer still manages fields of %q", entry.Subresource)
		}
	}
	conditions, _, err := unstructured.NestedSlice(obj.Object, "status", "conditions")
	if err != nil {
		return err
	}
	for _, item := range conditions {
		if condition, ok := item.(map[string]any); ok && condition["type"] == "Error" {
			return fmt.Errorf("the stale condition stays: %v", condition)
		}
	}
	if obj.GetAnnotations()["controllers.aiven.io/secret-source-updated"] != "" {
		return fmt.Errorf("annotations are %v", obj.GetAnnotations())
	}
	if !c.publishes {
		return nil
	}
	secret, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, "x", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if _, ok := secret.Data["STALE"]; ok {
		return fmt.Errorf("the Secret still has a key that only the peer wrote")
	}
	return nil
}
