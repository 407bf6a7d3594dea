// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// volumesGrow asks for larger volumes. Nothing on the node resizes them, and a condition
// says what they wait for. No pod is replaced.
func (k *kept) volumesGrow() {
	k.Helper()
	before := k.pods()
	k.patch(k.name, `{"spec":{"storage":{"size":"2Gi"}}}`)
	want := resource.MustParse("2Gi")
	k.eventually("the volumes to be asked to grow", func() error {
		for name := range before {
			claim, err := k.kube.CoreV1().PersistentVolumeClaims(k.ns).Get(k.ctx, "data-"+name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if have := claim.Spec.Resources.Requests[corev1.ResourceStorage]; have.Cmp(want) != 0 {
				return fmt.Errorf("%s is of %s", claim.Name, have.String())
			}
		}
		lifecycle := meta.FindStatusCondition(k.get(k.name).Status.Conditions, openbaov1alpha1.ConditionClusterLifecycle)
		if lifecycle == nil || !strings.Contains(lifecycle.Message, "is growing to 2Gi") {
			return fmt.Errorf("nothing says that the volumes grow: %+v", lifecycle)
		}
		return nil
	})
	k.whole()
	if after := k.pods(); !maps.Equal(before, after) {
		k.Errorf("Pods were made again for larger volumes: %v, and before %v", after, before)
	}
}
