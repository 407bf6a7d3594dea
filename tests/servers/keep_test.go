// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"regexp"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// TestKeepsVolumesOfBefore deletes a cluster and makes it again. What is on its volumes is
// the cluster of before, once a person has said that it is to be.
func TestKeepsVolumesOfBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	w.create(w.cluster("prod", one))
	id := w.ready("prod").Status.ClusterID
	w.sh("kubectl -n " + w.ns + " delete openbaocluster prod --cascade=foreground")
	w.eventually("the server to be gone", func() error {
		_, err := w.kube.CoreV1().Pods(w.ns).Get(w.ctx, "prod-0", metav1.GetOptions{})
		return gone(err)
	})
	for _, secret := range []string{"prod-unseal-key", "prod-tls-ca"} {
		if err := w.secret(secret); err != nil {
			t.Fatalf("What the volume cannot be used without: %v", err)
		}
	}

	w.create(w.cluster("prod", one))
	adopted := map[string]bool{}
	for range 2 {
		var command string
		w.eventually("a Secret to be asked about", func() error {
			c := w.get("prod")
			condition := meta.FindStatusCondition(c.Status.Conditions, openbaov1alpha1.ConditionReady)
			if condition == nil || condition.Reason != "ObjectConflict" {
				return errMessage("there is no conflict")
			}
			found := regexp.MustCompile(`run: (kubectl .* annotate secret .* --overwrite)\.`).FindStringSubmatch(condition.Message)
			if found == nil || adopted[found[1]] {
				return errMessage(condition.Message)
			}
			command = found[1]
			return nil
		})
		w.sh(command)
		adopted[command] = true
		// Secrets are not watched.
		w.patch("prod", `{"spec":{"paused":true}}`)
		w.patch("prod", `{"spec":{"paused":false}}`)
	}
	c := w.ready("prod")
	w.isWhole(c)
	if c.Status.ClusterID != id {
		t.Errorf("The cluster is %s, and was %s", c.Status.ClusterID, id)
	}
	if n := w.events("FirstStartBegunAgain"); n > 0 {
		t.Error("The first start was begun again")
	}
}
