// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package owned keeps the objects of an owner as they should be. An object of the same
// name that is not the owner's is never touched.
package owned

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/klog/v2"
)

// OwnerUIDAnnotation names, by its UID, the owner of an object that is to outlive it.
// Such an object has no owner reference.
const OwnerUIDAnnotation = "bailiwick.dev/owner-uid"

// AppliedAnnotation has a digest of what was last applied, but for the data of Secrets and
// ConfigMaps: what is not wanted any more is noticed by it.
const AppliedAnnotation = "bailiwick.dev/applied"

// Keeper writes objects under one field manager.
type Keeper struct {
	client  dynamic.Interface
	scheme  *runtime.Scheme
	manager string
	// lookup returns an object from a cache; ok is false where there is none for the
	// resource. It must not be changed.
	lookup func(resource schema.GroupVersionResource, namespace, name string) (object runtime.Object, ok bool)
}

// New returns a Keeper. scheme knows the kinds of all typed objects. lookup may be nil.
func New(client dynamic.Interface, scheme *runtime.Scheme, manager string,
	lookup func(resource schema.GroupVersionResource, namespace, name string) (runtime.Object, bool),
) *Keeper {
	if lookup == nil {
		lookup = func(schema.GroupVersionResource, string, string) (runtime.Object, bool) { return nil, false }
	}
	return &Keeper{client: client, scheme: scheme, manager: manager, lookup: lookup}
}

// Owner is who objects belong to.
type Owner struct {
	// Reference is its owner reference, as the controller.
	Reference metav1.OwnerReference
}

// ConflictError says that an object of the name exists and is somebody else's.
type ConflictError struct {
	Resource        schema.GroupVersionResource
	Kind            string
	Namespace, Name string
	// Outlives means that the object is one that outlives its owner, so that it may
	// have been made for an earlier owner of the same name.
	Outlives bool
}

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s %s/%s exists and does not belong to this object", e.Kind, e.Namespace, e.Name)
}

// Change says what was written.
type Change string

const (
	// Unchanged means that nothing was.
	Unchanged Change = ""
	// Created means that the object was made.
	Created Change = "Created"
	// Applied means that it was changed.
	Applied Change = "Applied"
	// Deleted means that it was deleted.
	Deleted Change = "Deleted"
)

// Apply makes or changes an object of the owner, where it differs. Its metadata says
// whether it outlives the owner: see OwnerUIDAnnotation. The error is a *ConflictError
// if the object is not the owner's.
func (k *Keeper) Apply(ctx context.Context, owner Owner, resource schema.GroupVersionResource, object runtime.Object) (*unstructured.Unstructured, Change, error) {
	wanted, err := encode(k.scheme, object)
	if err != nil {
		return nil, Unchanged, err
	}
	if err := mark(wanted); err != nil {
		return nil, Unchanged, err
	}
	client := k.client.Resource(resource).Namespace(wanted.GetNamespace())
	live, err := k.read(ctx, client, resource, wanted)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, Unchanged, fmt.Errorf("read %s %s: %w", wanted.GetKind(), wanted.GetName(), err)
	}
	if err == nil {
		if !belongs(live, wanted, owner) {
			return live, Unchanged, &ConflictError{
				Resource: resource, Kind: wanted.GetKind(), Namespace: wanted.GetNamespace(), Name: wanted.GetName(),
				Outlives: outlives(wanted),
			}
		}
		if isAs(live, wanted) {
			return live, Unchanged, nil
		}
		if err := k.ownCreated(ctx, client, live); err != nil {
			return live, Unchanged, err
		}
		// The UID keeps it from touching, or making, a namesake.
		wanted.SetUID(live.GetUID())
		got, err := client.Apply(ctx, wanted.GetName(), wanted, metav1.ApplyOptions{FieldManager: k.manager, Force: true})
		if err != nil {
			return live, Unchanged, fmt.Errorf("apply %s %s: %w", wanted.GetKind(), wanted.GetName(), err)
		}
		klog.FromContext(ctx).V(2).Info("Applied", "kind", wanted.GetKind(), "name", wanted.GetName())
		return got, Applied, nil
	}
	got, err := client.Create(ctx, wanted, metav1.CreateOptions{FieldManager: k.manager})
	if err != nil {
		return nil, Unchanged, fmt.Errorf("create %s %s: %w", wanted.GetKind(), wanted.GetName(), err)
	}
	klog.FromContext(ctx).V(2).Info("Created", "kind", wanted.GetKind(), "name", wanted.GetName())
	return got, Created, nil
}

// ownCreated makes the fields that a create has set those of the applies that follow:
// otherwise no apply could remove one.
func (k *Keeper) ownCreated(ctx context.Context, client dynamic.ResourceInterface, live *unstructured.Unstructured) error {
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(live, sets.New(k.manager), k.manager)
	if err != nil {
		return fmt.Errorf("find who owns the fields of %s %s: %w", live.GetKind(), live.GetName(), err)
	}
	if patch == nil {
		return nil
	}
	if _, err := client.Patch(ctx, live.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: k.manager}); err != nil {
		return fmt.Errorf("take over the fields of %s %s: %w", live.GetKind(), live.GetName(), err)
	}
	return nil
}

// read returns the object from the cache if that holds it and it is as wanted, and from
// the API server otherwise.
func (k *Keeper) read(ctx context.Context, client dynamic.ResourceInterface, resource schema.GroupVersionResource, wanted *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if cached, ok := k.lookup(resource, wanted.GetNamespace(), wanted.GetName()); ok {
		if live, err := encode(k.scheme, cached); err == nil && isAs(live, wanted) {
			return live, nil
		}
	}
	return client.Get(ctx, wanted.GetName(), metav1.GetOptions{})
}

// belongs reports whether live is the owner's, by what wanted says of that.
func belongs(live, wanted *unstructured.Unstructured, owner Owner) bool {
	if outlives(wanted) {
		return live.GetAnnotations()[OwnerUIDAnnotation] == string(owner.Reference.UID)
	}
	return ControlledBy(live, owner.Reference.UID)
}

func outlives(wanted *unstructured.Unstructured) bool {
	return wanted.GetAnnotations()[OwnerUIDAnnotation] != ""
}

// ControlledBy reports whether the controller of an object has the UID.
func ControlledBy(object metav1.Object, uid types.UID) bool {
	controller := metav1.GetControllerOfNoCopy(object)
	return controller != nil && controller.UID == uid
}

// Outlive marks an object as one that outlives the owner.
func Outlive(object metav1.Object, owner Owner) {
	annotations := maps.Clone(object.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[OwnerUIDAnnotation] = string(owner.Reference.UID)
	object.SetAnnotations(annotations)
	object.SetOwnerReferences(nil)
}

// Absent deletes an object of the owner, and says whether there is none now. One that is
// not the owner's is left alone, and is not there as far as the owner is concerned.
func (k *Keeper) Absent(ctx context.Context, owner Owner, resource schema.GroupVersionResource, namespace, name string) (Change, error) {
	client := k.client.Resource(resource).Namespace(namespace)
	live, err := client.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Unchanged, nil
	}
	if err != nil {
		return Unchanged, fmt.Errorf("read %s %s: %w", resource.Resource, name, err)
	}
	if !ControlledBy(live, owner.Reference.UID) && live.GetAnnotations()[OwnerUIDAnnotation] != string(owner.Reference.UID) {
		return Unchanged, nil
	}
	uid, version := live.GetUID(), live.GetResourceVersion()
	err = client.Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}})
	if err != nil && !apierrors.IsNotFound(err) {
		return Unchanged, fmt.Errorf("delete %s %s: %w", resource.Resource, name, err)
	}
	klog.FromContext(ctx).V(2).Info("Deleted", "resource", resource.Resource, "name", name)
	return Deleted, nil
}

// Into reads an object into a typed one.
func Into(object *unstructured.Unstructured, into any) error {
	raw, err := json.Marshal(object.Object)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
