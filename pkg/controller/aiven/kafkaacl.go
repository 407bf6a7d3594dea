// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"slices"
	"sync"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/service"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// kafkaACL handles KafkaACL objects. Aiven makes an entry's id and can't change
// an entry, so a change of the spec replaces it: the new one first, so that no
// client loses access in between.
type kafkaACL struct {
	// asked are the entries that were asked for since all was last well. One whose
	// answer was lost, or whose replacement stopped halfway, is found by it when
	// the spec has changed again and neither id nor spec leads to it.
	asked *askedACLs
}

func newKafkaACL() kafkaACL {
	return kafkaACL{asked: &askedACLs{specs: map[types.UID][]v1alpha1.KafkaACLSpec{}}}
}

func (h kafkaACL) Observe(_ context.Context, r *remote, obj *v1alpha1.KafkaACL) (reconcile.Observation, error) {
	view, err := r.host(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	obs := reconcile.Observation{Exists: true, Ready: true}
	if entry, ok := view.ACL(obj.Status.ID); ok && obj.Status.ID != "" {
		if entry.Username != obj.Spec.Username {
			obs.Differs = append(obs.Differs, "username")
		}
		if entry.Topic != obj.Spec.Topic {
			obs.Differs = append(obs.Differs, "topic")
		}
		if string(entry.Permission) != obj.Spec.Permission {
			obs.Differs = append(obs.Differs, "permission")
		}
	} else if obj.Status.ID, ok = findACL(view, obj.Spec); !ok {
		return reconcile.Observation{}, nil
	}
	if len(h.leftovers(view, obj)) > 0 {
		obs.Differs = append(obs.Differs, "entries of earlier specs")
	}
	if len(obs.Differs) == 0 {
		h.asked.clear(obj.UID)
	}
	return obs, nil
}

// leftovers returns the ids of the entries that were asked for and are neither
// the object's own nor what its spec says.
func (h kafkaACL) leftovers(view *aiven.ServiceView, obj *v1alpha1.KafkaACL) []string {
	var ids []string
	for _, spec := range h.asked.get(obj.UID) {
		if id, ok := findACL(view, spec); ok && id != obj.Status.ID && !sameACL(spec, obj.Spec) {
			ids = append(ids, id)
		}
	}
	return ids
}

func sameACL(a, b v1alpha1.KafkaACLSpec) bool {
	return a.Username == b.Username && a.Topic == b.Topic && a.Permission == b.Permission
}

// findACL returns the id of an entry that says what the spec says. It finds the
// one whose creation was not recorded, too.
func findACL(view *aiven.ServiceView, spec v1alpha1.KafkaACLSpec) (id string, ok bool) {
	entries := view.FindACLs(spec.Username, spec.Topic, service.PermissionType(spec.Permission))
	for _, e := range entries {
		if deref(e.Id) != "" {
			id = *e.Id
		}
	}
	return id, id != ""
}

func (h kafkaACL) Create(ctx context.Context, r *remote, obj *v1alpha1.KafkaACL) error {
	h.asked.add(obj.UID, obj.Spec)
	entries, err := r.kafka().ServiceKafkaAclAdd(ctx, obj.Spec.Project, obj.Spec.ServiceName, &kafka.ServiceKafkaAclAddIn{
		Permission: kafka.PermissionType(obj.Spec.Permission),
		Topic:      obj.Spec.Topic,
		Username:   obj.Spec.Username,
	})
	if err != nil {
		return ignore(aiven.AlreadyExists, err)
	}
	for _, e := range entries {
		if e.Username == obj.Spec.Username && e.Topic == obj.Spec.Topic && string(e.Permission) == obj.Spec.Permission {
			obj.Status.ID = e.Id
		}
	}
	return nil
}

func (h kafkaACL) Update(ctx context.Context, r *remote, obj *v1alpha1.KafkaACL) error {
	view, err := r.host(obj)
	if err != nil {
		return err
	}
	old := obj.Status.ID
	ids := h.leftovers(view, obj)
	if id, ok := findACL(view, obj.Spec); !ok || id != old {
		obj.Status.ID = ""
		if err := h.Create(ctx, r, obj); err != nil {
			obj.Status.ID = old
			return err
		}
		ids = append(ids, old)
	}
	for _, id := range ids {
		if err := h.remove(ctx, r, obj, id); err != nil {
			// The entry that must go is the one to remember.
			obj.Status.ID = old
			return err
		}
	}
	return nil
}

func (kafkaACL) remove(ctx context.Context, r *remote, obj *v1alpha1.KafkaACL, id string) error {
	_, err := r.kafka().ServiceKafkaAclDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, id)
	return ignore(aiven.NotFound, err)
}

func (h kafkaACL) Delete(ctx context.Context, r *remote, obj *v1alpha1.KafkaACL) (bool, error) {
	view, err := r.dying(obj)
	if err != nil || view == nil {
		return err == nil, err
	}
	ids := h.leftovers(view, obj)
	if _, ok := view.ACL(obj.Status.ID); ok {
		ids = append(ids, obj.Status.ID)
	}
	if id, ok := findACL(view, obj.Spec); ok && id != obj.Status.ID {
		ids = append(ids, id)
	}
	for _, id := range ids {
		if err := h.remove(ctx, r, obj, id); err != nil {
			return false, err
		}
	}
	if len(ids) > 0 {
		return false, nil
	}
	h.asked.clear(obj.UID)
	return true, nil
}

// askedACLs are entries by the object that they were asked for.
type askedACLs struct {
	mu    sync.Mutex
	specs map[types.UID][]v1alpha1.KafkaACLSpec
}

func (a *askedACLs) get(uid types.UID) []v1alpha1.KafkaACLSpec {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.specs[uid])
}

func (a *askedACLs) add(uid types.UID, spec v1alpha1.KafkaACLSpec) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.ContainsFunc(a.specs[uid], func(s v1alpha1.KafkaACLSpec) bool { return sameACL(s, spec) }) {
		a.specs[uid] = append(a.specs[uid], spec)
	}
}

func (a *askedACLs) clear(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.specs, uid)
}
