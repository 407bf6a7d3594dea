// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// identity is which Secret one is, and whether its controller reference blocks the
// deletion of the owner, as the aiven-operator's do.
type identity struct {
	uid    types.UID
	blocks *bool
}

func identityOf(secret metav1.Object) identity {
	id := identity{uid: secret.GetUID()}
	if ref := metav1.GetControllerOfNoCopy(secret); ref != nil {
		id.blocks = ref.BlockOwnerDeletion
	}
	return id
}

// owned returns a *ConflictError unless the Secret is the owner's. inherited says
// that its controller is a predecessor, of the owner's kind and name, which must be
// gone since the owner is there.
func owned(owner Owner, secret metav1.Object) (inherited bool, err error) {
	ref := metav1.GetControllerOfNoCopy(secret)
	switch {
	case ref == nil:
	case ref.UID == owner.UID:
		return false, nil
	case ref.Kind == owner.GVK.Kind && ref.Name == owner.Name:
		if gv, err := schema.ParseGroupVersion(ref.APIVersion); err == nil && gv.Group == owner.GVK.Group {
			return true, nil
		}
	}
	whose := "nobody"
	if ref != nil {
		whose = ref.Kind + " " + ref.Name
	}
	return false, &ConflictError{Message: fmt.Sprintf(
		"Secret %s/%s exists and is controlled by %s, so it was not touched. %s",
		owner.Namespace, secret.GetName(), whose, wayOut(owner, secret.GetName()))}
}

// wayOut is what a person can do about a Secret that is not the owner's.
func wayOut(owner Owner, secret string) string {
	return fmt.Sprintf("Delete it (kubectl delete secret %s -n %s), or give %s %s another spec.connInfoSecretTarget.name. Then change any annotation of the object, to have it reconciled immediately.",
		secret, owner.Namespace, owner.GVK.Kind, owner.Name)
}

// policySuffix ends the name of the ValidatingAdmissionPolicy that lets the operator
// change only Secrets which an object of aiven.io controls
// (manifests/admission/secrets.yaml). The chart begins it with the name of the release.
const policySuffix = "-secrets'"

// refusedByPolicy reports whether err is the refusal of that policy. A probe changes
// nothing, so all that it can refuse then is the Secret as it is.
func refusedByPolicy(err error) bool {
	if !apierrors.IsForbidden(err) {
		return false
	}
	_, policy, found := strings.Cut(err.Error(), "ValidatingAdmissionPolicy '")
	name, _, _ := strings.Cut(policy, " ")
	return found && strings.HasSuffix(name, policySuffix)
}

// ownedIdentity learns whose a Secret is from the answer to an apply that is not
// carried out, of which only the metadata is asked for.
func (p *Publisher) ownedIdentity(ctx context.Context, owner Owner, target Target) (identity, error) {
	probe := &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: target.Name, Namespace: owner.Namespace},
	}
	body, err := json.Marshal(probe)
	if err != nil {
		return identity{}, fmt.Errorf("build ownership probe: %w", err)
	}
	force := true
	live, err := p.metadata.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace(owner.Namespace).
		Patch(ctx, target.Name, types.ApplyPatchType, body,
			metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: FieldManager + "-probe", Force: &force})
	if refusedByPolicy(err) {
		return identity{}, &ConflictError{Message: fmt.Sprintf(
			"Secret %s/%s exists and was not touched, since an admission policy keeps the operator from it: %v. %s",
			owner.Namespace, target.Name, err, wayOut(owner, target.Name))}
	}
	if err != nil {
		return identity{}, fmt.Errorf("read owner of secret %s/%s: %w", owner.Namespace, target.Name, err)
	}
	inherited, err := owned(owner, live)
	if err == nil && inherited {
		_, err = p.inherit(ctx, owner, live)
	}
	return identityOf(live), err
}

// inherit makes the owner the controller of a Secret that its predecessor left.
// The garbage collector is slow to collect it, and after an outage of the API
// server it may never: until it does, nothing could be published.
func (p *Publisher) inherit(ctx context.Context, owner Owner, live metav1.Object) (*corev1.Secret, error) {
	refs := live.GetOwnerReferences()
	path := fmt.Sprintf("/metadata/ownerReferences/%d/uid", slices.IndexFunc(refs, isController))
	patch, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": live.GetUID()},
		{"op": "test", "path": path, "value": metav1.GetControllerOfNoCopy(live).UID},
		{"op": "replace", "path": path, "value": owner.UID},
	})
	if err != nil {
		return nil, fmt.Errorf("build patch of ownership: %w", err)
	}
	got, err := p.secrets.Secrets(owner.Namespace).Patch(ctx, live.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
	switch {
	case apierrors.IsNotFound(err) || apierrors.IsInvalid(err):
		// The collector came first.
		return nil, fmt.Errorf("inherit secret %s/%s: %w", owner.Namespace, live.GetName(), errGone)
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("inherit secret %s/%s: it belongs to an object of this name that was deleted, and the operator may not change that; Kubernetes collects it soon, or delete it: kubectl delete secret %s -n %s: %w",
			owner.Namespace, live.GetName(), live.GetName(), owner.Namespace, err)
	case err != nil:
		return nil, fmt.Errorf("inherit secret %s/%s: %w", owner.Namespace, live.GetName(), err)
	}
	return got, nil
}

func isController(ref metav1.OwnerReference) bool { return ref.Controller != nil && *ref.Controller }
