// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

const (
	// recordPrefix begins the names of the ConfigMaps with records, which end in the UID
	// of their objects.
	recordPrefix = "bailiwick-openbao-record-"
	// recordLabel and recordValue select them.
	recordLabel = "bailiwick.dev/openbao-record"
	recordValue = "true"
	// recordKey and ownerKey are the keys: the record as JSON, and the object.
	recordKey = "authorization.json"
	ownerKey  = "object"
	// cleanRetry is how long after a failure the records without objects are looked for
	// again.
	cleanRetry = time.Minute
)

// errRecordDamaged says that a record cannot be read. Only this operator writes them.
var errRecordDamaged = errors.New("the record is damaged")

// records are the records of objects whose schema has no room for one. They are
// ConfigMaps in the operator's own namespace, where nobody else may write; they are
// read once in a process, but for damaged ones. An entry ends with its object, or when
// the schema has room.
type records struct {
	client corev1client.ConfigMapInterface

	mu     sync.Mutex
	loaded bool
	known  map[types.UID]storedRecord
	// gone are the objects whose records are to be deleted, by name.
	gone map[cache.ObjectName][]types.UID
}

type storedRecord struct {
	owner cache.ObjectName
	// raw is the record as it is stored.
	raw string
}

func newRecords(client corev1client.ConfigMapInterface) *records {
	return &records{client: client, known: map[types.UID]storedRecord{}, gone: map[cache.ObjectName][]types.UID{}}
}

// load reads all records once.
func (r *records) load(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loaded {
		return nil
	}
	list, err := r.client.List(ctx, metav1.ListOptions{LabelSelector: recordLabel + "=" + recordValue})
	if err != nil {
		return fmt.Errorf("list the records of OpenBaoClusters: %w", err)
	}
	for _, item := range list.Items {
		uid, ok := strings.CutPrefix(item.Name, recordPrefix)
		if !ok {
			continue
		}
		// A record whose object is not readable belongs to none that is watched.
		owner, err := cache.ParseObjectName(item.Data[ownerKey])
		if err != nil {
			owner = cache.ObjectName{}
		}
		r.known[types.UID(uid)] = storedRecord{owner: owner, raw: item.Data[recordKey]}
	}
	r.loaded = true
	return nil
}

// get returns the record of an object, nil if there is none.
func (r *records) get(ctx context.Context, uid types.UID) (*openbaov1alpha1.AuthorizationStatus, error) {
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	stored, ok := r.known[uid]
	r.mu.Unlock()
	if !ok {
		return nil, nil
	}
	record, err := decodeRecord(stored.raw)
	if err == nil {
		return record, nil
	}
	// A person may have put it right, or deleted it.
	found, readErr := r.client.Get(ctx, recordPrefix+string(uid), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(readErr):
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.known, uid)
		return nil, nil
	case readErr != nil:
		return nil, fmt.Errorf("read the record %s%s: %w", recordPrefix, uid, readErr)
	}
	stored.raw = found.Data[recordKey]
	if record, err = decodeRecord(stored.raw); err != nil {
		return nil, fmt.Errorf("%w: ConfigMap %s%s: %w", errRecordDamaged, recordPrefix, uid, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[uid] = stored
	return record, nil
}

func decodeRecord(raw string) (*openbaov1alpha1.AuthorizationStatus, error) {
	record := &openbaov1alpha1.AuthorizationStatus{}
	return record, json.Unmarshal([]byte(raw), record)
}

// put writes the record of an object where it differs; nil deletes it.
func (r *records) put(ctx context.Context, owner cache.ObjectName, uid types.UID, record *openbaov1alpha1.AuthorizationStatus) error {
	if record == nil {
		return r.remove(ctx, uid)
	}
	raw, err := encodeRecord(record)
	if err != nil {
		return err
	}
	r.mu.Lock()
	same := r.known[uid].raw == raw
	r.mu.Unlock()
	if same {
		return nil
	}
	config := corev1ac.ConfigMap(recordPrefix+string(uid), "").
		WithLabels(map[string]string{managedByLabel: managedByValue, recordLabel: recordValue}).
		WithData(map[string]string{ownerKey: owner.String(), recordKey: raw})
	config.Namespace = nil
	if _, err := r.client.Apply(ctx, config, applyOptions(RecordFieldManager)); err != nil {
		return fmt.Errorf("write the record of OpenBaoCluster %s: %w", owner, err)
	}
	klog.FromContext(ctx).V(2).Info("Wrote the record", "uid", uid)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[uid] = storedRecord{owner: owner, raw: raw}
	return nil
}

// remove deletes the record of an object.
func (r *records) remove(ctx context.Context, uid types.UID) error {
	r.mu.Lock()
	_, ok := r.known[uid]
	r.mu.Unlock()
	if !ok {
		return nil
	}
	if err := r.client.Delete(ctx, recordPrefix+string(uid), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete the record %s%s: %w", recordPrefix, uid, err)
	}
	klog.FromContext(ctx).V(2).Info("Deleted the record", "uid", uid)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, uid)
	return nil
}

// ended notes that an object is gone. removeEnded deletes its record.
func (r *records) ended(name cache.ObjectName, uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.known[uid]; ok {
		r.gone[name] = append(r.gone[name], uid)
	}
}

func (r *records) removeEnded(ctx context.Context, name cache.ObjectName) error {
	r.mu.Lock()
	ended := r.gone[name]
	r.mu.Unlock()
	for _, uid := range ended {
		if err := r.remove(ctx, uid); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.gone[name]) == len(ended) {
		delete(r.gone, name)
	}
	return nil
}

// all returns the objects that have a record, by UID.
func (r *records) all() map[types.UID]cache.ObjectName {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[types.UID]cache.ObjectName, len(r.known))
	for uid, stored := range r.known {
		out[uid] = stored.owner
	}
	return out
}

// cleanRecords deletes, once in a process, the records of objects that ended while
// none ran, and those that have become part of the status. It returns when that is
// done, or when ctx ends.
func (c *Controller) cleanRecords(ctx context.Context) {
	for {
		err := c.cleanRecordsOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		klog.FromContext(ctx).Info("Could not delete the records of objects that are gone", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(cleanRetry):
		}
	}
}

func (c *Controller) cleanRecordsOnce(ctx context.Context) error {
	if err := c.records.load(ctx); err != nil {
		return err
	}
	var failed []error
	for uid, owner := range c.records.all() {
		keep, err := c.keepsRecord(ctx, owner, uid)
		if err == nil && !keep {
			err = c.opts.Gate()
			if err == nil {
				err = c.records.remove(ctx, uid)
			}
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// keepsRecord reports whether an object still needs its record. One that is not watched
// is asked for, since another setting of the operator may watch it tomorrow.
func (c *Controller) keepsRecord(ctx context.Context, owner cache.ObjectName, uid types.UID) (bool, error) {
	obj, ok := c.get(owner)
	if !ok || obj.UID != uid {
		if owner.Name == "" {
			return true, nil
		}
		live, err := c.opts.Clusters.OpenBaoClusters(owner.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return false, nil
		case apierrors.IsForbidden(err):
			return true, nil
		case err != nil:
			return true, err
		}
		obj = live
	}
	return obj.UID == uid && obj.Status.Authorization == nil, nil
}
