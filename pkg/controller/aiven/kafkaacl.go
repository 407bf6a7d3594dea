// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"encoding/json"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// kafkaACL handles KafkaACL objects. Aiven makes an entry's id and can't change
// an entry, so a change of the spec replaces it: the new one first, so that no
// client loses access in between.
//
// What was asked for is in the create record until all is well. An entry whose
// answer was lost, or whose replacement stopped halfway, is found by it when the
// spec has changed again and neither id nor spec leads to it.
type kafkaACL struct{}

// aclEntry is what an entry says.
type aclEntry struct{ Username, Topic, Permission string }

func aclEntryOf(spec v1alpha1.KafkaACLSpec) aclEntry {
	return aclEntry{spec.Username, spec.Topic, spec.Permission}
}

// Asked implements asker.
func (kafkaACL) Asked(obj *v1alpha1.KafkaACL) string {
	asked, _ := json.Marshal(aclEntryOf(obj.Spec)) // strings always marshal
	return string(asked)
}

func (h kafkaACL) Observe(_ context.Context, r *remote, obj *v1alpha1.KafkaACL) (reconcile.Observation, error) {
	view, err := r.runningService(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	obs := reconcile.Observation{Exists: true, Ready: true, Recheck: view.Recheck}
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
	} else if obj.Status.ID, ok = findACL(view, aclEntryOf(obj.Spec)); !ok {
		return reconcile.Observation{Recheck: view.Recheck}, nil
	}
	if len(h.leftovers(r, view, obj)) > 0 {
		obs.Differs = append(obs.Differs, "entries of earlier specs")
	}
	return obs, nil
}

// leftovers returns the ids of the entries that were asked for and are neither
// the object's own nor what its spec says. One that another object stands for is
// left to that.
func (kafkaACL) leftovers(r *remote, view *aiven.ServiceView, obj *v1alpha1.KafkaACL) []string {
	record, _ := reconcile.CreateRecordOf(obj)
	var ids []string
	for _, asked := range record.Asked {
		var entry aclEntry
		if json.Unmarshal([]byte(asked), &entry) != nil || entry == aclEntryOf(obj.Spec) {
			continue
		}
		other := obj.DeepCopy()
		other.Spec.Username, other.Spec.Topic, other.Spec.Permission = entry.Username, entry.Topic, entry.Permission
		if r.claimed(identity("KafkaACL", other)) {
			continue
		}
		if id, ok := findACL(view, entry); ok && id != obj.Status.ID {
			ids = append(ids, id)
		}
	}
	return ids
}

// findACL returns the id of an entry that says this. It finds the one whose
// creation was not recorded, too.
func findACL(view *aiven.ServiceView, entry aclEntry) (id string, ok bool) {
	entries := view.FindACLs(entry.Username, entry.Topic, service.PermissionType(entry.Permission))
	for _, e := range entries {
		if deref(e.Id) != "" {
			id = *e.Id
		}
	}
	return id, id != ""
}

func (h kafkaACL) Create(ctx context.Context, r *remote, obj *v1alpha1.KafkaACL) error {
	entries, err := r.kafka().ServiceKafkaAclAdd(ctx, obj.Spec.Project, obj.Spec.ServiceName, &kafka.ServiceKafkaAclAddIn{
		Permission: kafka.PermissionType(obj.Spec.Permission),
		Topic:      obj.Spec.Topic,
		Username:   obj.Spec.Username,
	})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Username == obj.Spec.Username && e.Topic == obj.Spec.Topic && string(e.Permission) == obj.Spec.Permission {
			obj.Status.ID = e.Id
		}
	}
	return nil
}

func (h kafkaACL) Update(ctx context.Context, r *remote, obj *v1alpha1.KafkaACL) error {
	view, err := r.runningService(obj)
	if err != nil {
		return err
	}
	old := obj.Status.ID
	ids := h.leftovers(r, view, obj)
	switch id, ok := findACL(view, aclEntryOf(obj.Spec)); {
	case ok:
		// Perhaps one whose answer was lost.
		obj.Status.ID = id
	default:
		obj.Status.ID = ""
		if err := h.Create(ctx, r, obj); err != nil {
			obj.Status.ID = old
			return err
		}
	}
	if old != obj.Status.ID {
		ids = append(ids, old)
	}
	for _, id := range ids {
		if err := h.remove(ctx, r, obj, id); err != nil {
			// The entry that has to be deleted is the one to remember.
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
	view, err := r.Service(obj.ServiceRef())
	if err != nil {
		return false, err
	}
	ids := h.leftovers(r, view, obj)
	if _, ok := view.ACL(obj.Status.ID); ok {
		ids = append(ids, obj.Status.ID)
	}
	if id, ok := findACL(view, aclEntryOf(obj.Spec)); ok && id != obj.Status.ID {
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
	return true, nil
}
