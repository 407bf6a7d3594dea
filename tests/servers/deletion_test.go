// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"errors"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// TestDeletionPolicy deletes clusters side by side. Each takes with it what its policy
// says, and nothing of the others.
func TestDeletionPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	policies := map[string]openbaov1alpha1.DeletionPolicy{
		"stays": "", "retain": openbaov1alpha1.DeletionRetain, "volumes": openbaov1alpha1.DeletionDeletePVCs, "all": openbaov1alpha1.DeletionDeleteAll,
	}
	for name, policy := range policies {
		w.create(w.cluster(name, one, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.DeletionPolicy = policy }))
	}
	for name := range policies {
		w.isWhole(w.ready(name))
	}
	w.sh("kubectl -n " + w.ns + " delete openbaocluster retain volumes all")
	w.eventually("the servers to end", func() error {
		for name := range policies {
			if name == "stays" {
				continue
			}
			_, err := w.kube.CoreV1().Pods(w.ns).Get(w.ctx, name+"-0", metav1.GetOptions{})
			_, errSet := w.kube.AppsV1().StatefulSets(w.ns).Get(w.ctx, name, metav1.GetOptions{})
			if err := errors.Join(gone(err), gone(errSet)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
	for name, want := range map[string]struct{ volume, keys bool }{
		"stays": {true, true}, "retain": {true, true}, "volumes": {false, true}, "all": {false, false},
	} {
		w.eventually("what is left of "+name, func() error {
			claim, err := w.kube.CoreV1().PersistentVolumeClaims(w.ns).Get(w.ctx, "data-"+name+"-0", metav1.GetOptions{})
			if there := err == nil; there != want.volume || there && claim.DeletionTimestamp != nil {
				return fmt.Errorf("the volume is there: %t", there)
			}
			for _, secret := range []string{name + "-unseal-key", name + "-tls-ca"} {
				if there := w.secret(secret) == nil; there != want.keys {
					return fmt.Errorf("%s is there: %t", secret, there)
				}
			}
			return nil
		})
	}
	w.isWhole(w.ready("stays"))
}
