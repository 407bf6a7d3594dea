// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/owned"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// findPods reads the StatefulSet and the pods of the cluster from the caches. Pods count
// that the StatefulSet controls.
func (t *task) findPods() {
	if object, ok := t.cached(statefulSetResource, t.obj.Namespace, t.obj.Name); ok {
		if set, ok := object.(*appsv1.StatefulSet); ok && owned.ControlledBy(set, t.obj.UID) {
			t.statefulSet = set
		}
	}
	if t.statefulSet == nil {
		return
	}
	informer := reconcile.InformerOf(t.owned[podResource], t.obj.Namespace)
	selector := labels.SelectorFromSet(workload.ServerSelector(t.obj))
	// An error is that of a selector which cannot fail.
	_ = cache.ListAllByNamespace(informer.GetIndexer(), t.obj.Namespace, selector, func(item any) {
		pod, ok := item.(*corev1.Pod)
		if _, isOrdinal := workload.ParseOrdinal(t.obj, pod.Name); ok && isOrdinal && owned.ControlledBy(pod, t.statefulSet.UID) {
			t.pods = append(t.pods, pod)
		}
	})
}

// checkAccount refuses a server account that is an identity of a cluster: the servers'
// pods would have its tokens.
func (t *task) checkAccount() error {
	account := workload.ServerAccount(t.obj)
	informer := reconcile.InformerOf(t.informers, t.obj.Namespace)
	var problem error
	_ = cache.ListAllByNamespace(informer.GetIndexer(), t.obj.Namespace, labels.Everything(), func(item any) {
		other, ok := item.(*openbaov1alpha1.OpenBaoCluster)
		if !ok {
			return
		}
		for _, identity := range []string{authz.BackupAccount(other), authz.RestoreAccount(other), authz.UpgradeAccount(other)} {
			if identity == account {
				problem = invalidSpec(&authz.SpecError{Field: "spec.serviceAccount.name", Problem: fmt.Sprintf(
					"%q is the ServiceAccount of an identity of the cluster %s; the servers need one that is nothing else", account, other.Name)})
			}
		}
	})
	return problem
}

// applyObjects keeps the objects of the cluster, with a number of servers from a first
// ordinal on; nil leaves the StatefulSet out.
func (t *task) applyObjects(ctx context.Context, first int32, replicas *int32) error {
	facts := workload.Facts{Config: t.config, TrustDigest: t.certificate.Digest, Stored: t.statefulSet, Recovers: t.recoveryPhase().Active(), Operator: workload.Peer{Namespace: t.ownNamespace(), PodLabels: map[string]string{"app.kubernetes.io/part-of": "bailiwick"}}}
	if replicas != nil {
		facts.First, facts.Replicas = first, *replicas
	}
	var err error
	network := t.obj.Spec.Network
	if facts.APIServer, err = t.opts.APIServer(ctx); err != nil && (network == nil || network.APIServerCIDR == "" && len(network.APIServerEndpointIPs) == 0) {
		return retry(ReasonFailed, text.Sentence(fmt.Sprintf("The address of the API server, which the servers' NetworkPolicy allows, cannot be found: %v", err)), err)
	}
	if facts.ServiceMonitors, err = t.opts.Serves(ctx, serviceMonitorKind); err != nil {
		return reconcile.Later(startInterval, err)
	}
	desired, err := workload.Desired(t.obj, facts)
	if err != nil {
		return invalidSpec(err)
	}
	t.notes = append(t.notes, desired.Notes...)
	for _, kept := range desired.Kept {
		t.notes = append(t.notes, fmt.Sprintf("%s stays %s and not %s: that cannot be changed on servers that exist.", kept.Field, kept.Kept, kept.Wanted))
	}
	for _, object := range desired.Apply {
		set, isSet := object.(*appsv1.StatefulSet)
		if isSet && replicas == nil {
			continue
		}
		resource, err := resourceOf(object.GetObjectKind().GroupVersionKind())
		if err != nil {
			return err
		}
		got, change, err := t.keeper.Apply(ctx, t.owner, resource, object)
		if err != nil {
			return t.objectProblem(err)
		}
		t.changed = t.changed || change != owned.Unchanged
		// What is compared with the cache has no status, which what was found before has.
		if isSet && (change != owned.Unchanged || t.statefulSet == nil) {
			t.statefulSet = &appsv1.StatefulSet{}
			if err := owned.Into(got, t.statefulSet); err != nil {
				return fmt.Errorf("read StatefulSet %s: %w", set.Name, err)
			}
		}
	}
	for _, absent := range desired.Absent {
		resource, err := resourceOf(absent.GroupVersionKind)
		if err != nil {
			return err
		}
		change, err := t.keeper.Absent(ctx, t.owner, resource, t.obj.Namespace, absent.Name)
		if err != nil {
			return t.objectProblem(err)
		}
		t.changed = t.changed || change != owned.Unchanged
	}
	return nil
}

func (t *task) ownNamespace() string {
	namespace, _, _ := authz.ParseSubject(t.opts.Subject)
	return namespace
}
