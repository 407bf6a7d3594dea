// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package publish

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// Selector selects the Secrets that this package writes where LabelIn was called.
const Selector = LabelManagedBy + "=" + ManagedBy

// TrimMetadata is a transform for an informer over the metadata of Secrets: it
// drops what may quote their content, and what only takes space.
func TrimMetadata(item any) (any, error) {
	if meta, ok := item.(*metav1.PartialObjectMetadata); ok {
		meta.Annotations, meta.ManagedFields = nil, nil
	}
	return item, nil
}

// Handler returns an event handler for an informer over the metadata of our
// Secrets. It calls wake for the owner of a Secret that somebody else changed or
// deleted.
func (p *Publisher) Handler(wake func(kind string, owner cache.ObjectName)) cache.ResourceEventHandler {
	changed := func(item any) {
		if tomb, ok := item.(cache.DeletedFinalStateUnknown); ok {
			item = tomb.Obj
		}
		secret, ok := item.(*metav1.PartialObjectMetadata)
		if !ok {
			return
		}
		if ref := metav1.GetControllerOfNoCopy(secret); ref != nil {
			wake(ref.Kind, cache.ObjectName{Namespace: secret.Namespace, Name: ref.Name})
		}
	}
	return cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, item any) {
			if secret, ok := item.(*metav1.PartialObjectMetadata); ok && !p.wrote(secret) {
				changed(secret)
			}
		},
		DeleteFunc: changed,
	}
}

// wrote reports whether this version of a Secret is the one that our last read or
// write left.
func (p *Publisher) wrote(secret *metav1.PartialObjectMetadata) bool {
	ref := metav1.GetControllerOfNoCopy(secret)
	if ref == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.known[ref.UID]
	return ok && k.uid == secret.UID && k.version == secret.ResourceVersion
}
