// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
)

const (
	// initSuffix follows the name of the object in that of the ConfigMap.
	initSuffix = "-authorization-init"
	// initKey is the key of the ConfigMap.
	initKey = "initialize.hcl"
	// managedByLabel and managedByValue say whose the ConfigMap is.
	managedByLabel = "app.kubernetes.io/managed-by"
	managedByValue = "bailiwick"
)

// firstStart keeps the ConfigMap for the first start of the object's server.
type firstStart struct{ *task }

// publishInit keeps the requests of the contract and then those of the object, as
// a server carries them out when it first starts, in a ConfigMap. What goes wrong
// with it holds up nothing else, and is a note at the end of the message: a server
// starts for the first time once, so that half of the requests are worse than none.
func (t firstStart) publishInit(ctx context.Context) {
	if !t.ours || !t.selfInits() || t.runsServers {
		return
	}
	// Even a request without an answer may have made one.
	t.inits.present(t.name)
	name := t.obj.Name + initSuffix
	requests, err := authz.RenderSelfInit(t.obj.Spec.SelfInit.Requests)
	if err == nil {
		err = t.applyInit(ctx, name, string(slices.Concat(authz.RenderInitialize(t.contract), requests)))
	}
	if grant, ok := t.contract.Restore(); ok && grant.Role.AwaitsAccount() {
		t.notes = append(t.notes, fmt.Sprintf("The ConfigMap %s/%s leaves out the role %s.", t.obj.Namespace, name, grant.Role.Name))
	}
	if err != nil {
		t.notes = append(t.notes, text.Sentence(fmt.Sprintf("The ConfigMap %s/%s with the requests for the first start was not written: %v", t.obj.Namespace, name, err)))
	}
}

// selfInits reports whether the object asks for the requests of a first start.
func (t *task) selfInits() bool {
	return t.obj.Spec.SelfInit != nil && t.obj.Spec.SelfInit.Enabled
}

// withdrawInit deletes the ConfigMap of an object that does not ask for it any
// more: a server that started with it would hold what nobody wants. Only the first
// look of a process goes to the API server for nothing.
func (t firstStart) withdrawInit(ctx context.Context) {
	if !t.ours || t.inits.isAbsent(t.name, t.obj.UID) {
		return
	}
	name := t.obj.Name + initSuffix
	if err := t.deleteInit(ctx, name); err != nil {
		t.notes = append(t.notes, fmt.Sprintf("The ConfigMap %s/%s holds requests for a first start that are not wanted any more. It was not deleted: %s Delete it: kubectl -n %s delete configmap %s",
			t.obj.Namespace, name, text.Sentence(err.Error()), t.obj.Namespace, name))
		return
	}
	t.inits.absent(t.name, t.obj.UID)
}

// deleteInit deletes the ConfigMap if it is this object's.
func (t firstStart) deleteInit(ctx context.Context, name string) error {
	configMaps := t.opts.ConfigMaps.ConfigMaps(t.obj.Namespace)
	found, err := configMaps.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !metav1.IsControlledBy(found, t.obj) {
		return nil
	}
	err = configMaps.Delete(ctx, name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &found.UID, ResourceVersion: &found.ResourceVersion},
	})
	if err == nil {
		klog.FromContext(ctx).V(2).Info("Deleted ConfigMap", "configMap", klog.KRef(t.obj.Namespace, name))
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// inits says which objects are known to have no ConfigMap for a first start.
type inits struct {
	mu   sync.Mutex
	none map[cache.ObjectName]types.UID
}

func newInits() *inits { return &inits{none: map[cache.ObjectName]types.UID{}} }

func (i *inits) isAbsent(name cache.ObjectName, uid types.UID) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	known, ok := i.none[name]
	return ok && known == uid
}

func (i *inits) absent(name cache.ObjectName, uid types.UID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.none[name] = uid
}

func (i *inits) present(name cache.ObjectName) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.none, name)
}

// applyInit writes the ConfigMap where it differs. One that is not this object's
// is not touched.
func (t firstStart) applyInit(ctx context.Context, name, content string) error {
	configMaps := t.opts.ConfigMaps.ConfigMaps(t.obj.Namespace)
	found, err := configMaps.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = configMaps.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, Labels: map[string]string{managedByLabel: managedByValue},
				OwnerReferences: []metav1.OwnerReference{{
					APIVersion: openbaov1alpha1.GroupVersion.String(), Kind: Kind, Name: t.obj.Name, UID: t.obj.UID, Controller: new(true),
				}},
			},
			Data: map[string]string{initKey: content},
		}, metav1.CreateOptions{FieldManager: FieldManager})
		if err == nil {
			klog.FromContext(ctx).V(2).Info("Created ConfigMap", "configMap", klog.KRef(t.obj.Namespace, name))
		}
		return err
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(found.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == t.obj.UID }) {
		return fmt.Errorf("it exists and does not belong to this object; delete or rename it: kubectl -n %s delete configmap %s", t.obj.Namespace, name)
	}
	if found.Data[initKey] == content && found.Labels[managedByLabel] == managedByValue {
		return nil
	}
	// The UID keeps it from touching, or making, a namesake.
	config := corev1ac.ConfigMap(name, t.obj.Namespace).
		WithUID(found.UID).
		WithLabels(map[string]string{managedByLabel: managedByValue}).
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(openbaov1alpha1.GroupVersion.String()).WithKind(Kind).WithName(t.obj.Name).WithUID(t.obj.UID).WithController(true)).
		WithData(map[string]string{initKey: content})
	if _, err = configMaps.Apply(ctx, config, applyOptions(FieldManager)); err == nil {
		klog.FromContext(ctx).V(2).Info("Applied ConfigMap", "configMap", klog.KRef(t.obj.Namespace, name))
	}
	return err
}
