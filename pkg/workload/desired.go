// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"errors"
	"maps"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// Desired returns the objects that the servers of a cluster need. The cluster describes
// servers (OpenBaoCluster.DescribesServers). The error joins a *authz.SpecError for each
// mistake in the spec; any other error is about the facts. With an error there are no
// objects.
func Desired(c *openbaov1alpha1.OpenBaoCluster, f Facts) (Objects, error) {
	if err := errors.Join(Check(c), checkFacts(c, f)); err != nil {
		return Objects{}, err
	}
	var o Objects
	statefulSet, kept, err := statefulSetOf(c, f)
	if err != nil {
		return Objects{}, err
	}
	policies, err := networkPolicies(c, f)
	if err != nil {
		return Objects{}, err
	}
	o.StatefulSet, o.Kept, o.Notes = statefulSet, kept, notesOf(c, f)

	o.addAccounts(c)
	o.add(configMap(c, f.Config))
	if f.Config.Secret != nil {
		o.add(configSecret(c, f.Config))
	} else {
		o.remove(corev1.SchemeGroupVersion.WithKind("Secret"), ConfigSecretName(c))
	}
	o.add(headlessService(c), publicService(c), activeService(c))
	o.add(policies...)
	o.add(statefulSet)
	if replicas(c) >= minServersForPDB && f.Replicas >= minServersForPDB {
		o.add(podDisruptionBudget(c))
	} else {
		o.remove(policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"), pdbName(c))
	}
	switch {
	case !f.ServiceMonitors:
	case wantsServiceMonitor(c):
		o.add(serviceMonitor(c))
	default:
		o.remove(serviceMonitorKind(), c.Name)
	}

	for _, object := range o.Apply {
		prepare(c, object)
	}
	return o, nil
}

func (o *Objects) add(objects ...Object) { o.Apply = append(o.Apply, objects...) }

func (o *Objects) remove(kind schema.GroupVersionKind, name string) {
	o.Absent = append(o.Absent, ObjectKey{kind, name})
}

// prepare sets what all objects have in common.
func prepare(c *openbaov1alpha1.OpenBaoCluster, object Object) {
	object.SetNamespace(c.Namespace)
	object.SetLabels(Labels(c))
	// Without blockOwnerDeletion, which needs the right to change the finalizers of the
	// owner (admission plugin OwnerReferencesPermissionEnforcement).
	object.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: ownerAPIVersion, Kind: ownerKind, Name: c.Name, UID: c.UID, Controller: new(true),
	}})
	if m := c.Spec.Maintenance; m != nil && m.Enabled != nil && *m.Enabled {
		annotations := maps.Clone(object.GetAnnotations())
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[AnnotationMaintenance] = "true"
		object.SetAnnotations(annotations)
	}
}

const (
	ownerAPIVersion = "openbao.org/v1alpha1"
	ownerKind       = "OpenBaoCluster"
)

// checkFacts returns what is wrong with the facts.
func checkFacts(c *openbaov1alpha1.OpenBaoCluster, f Facts) error {
	var errs []error
	if len(f.Config.Public) == 0 || f.Config.Digest == "" {
		errs = append(errs, errors.New("the configuration of the servers is not rendered"))
	}
	if f.Replicas < 0 || f.First < 0 || f.First+f.Replicas > MaxServers {
		errs = append(errs, errors.New("the number of servers is out of range"))
	}
	if n := networkOf(c); len(f.APIServer) == 0 && n.APIServerCIDR == "" && len(n.APIServerEndpointIPs) == 0 {
		errs = append(errs, &authz.SpecError{Field: "spec.network.apiServerCIDR", Problem: "must be set: the address of the Kubernetes API server, " +
			"which the servers' NetworkPolicy must allow, could not be found"})
	}
	for _, env := range f.Config.Env {
		if env.SecretKey != "" && sealCredentials(c) == "" {
			errs = append(errs, errors.New("the seal reads "+env.Name+" from a Secret, but spec.unseal.credentialsSecretRef names none"))
		}
	}
	return errors.Join(errs...)
}
