// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"hash/fnv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	aivencontroller "github.com/bailiwick-operator/bailiwick/pkg/controller/aiven"
)

const (
	// sourceTick is how often source Secrets are checked that do not exist.
	sourceTick = 3 * time.Second
	// sourceTurns is in how many ticks those that exist are checked once, which has to
	// be well within half a minute.
	sourceTurns = 5
)

// sourceWatch reports changes to the Secrets that specs name as a source: a
// password, the access to a database to migrate, values of a connector. It reads
// nothing but their metadata, by name, which needs no right that reading them does
// not need. Where this process may also watch Secrets, changes show immediately.
type sourceWatch struct {
	metadata metadata.Interface
	// names returns the Secrets that specs name.
	names func() []cache.ObjectName
	// changed is called for each that has appeared, changed or gone since it was read.
	changed func(cache.ObjectName)

	mu sync.Mutex
	// seen holds, by name, the version that was read last, "" for a Secret that did
	// not exist. It is forgotten when no spec names it any more.
	seen map[cache.ObjectName]string
	// written are the Secrets among them that the operator has published itself and
	// run has not checked since; wake says that there are some.
	written sets.Set[cache.ObjectName]
	wake    chan struct{}
}

func newSourceWatch(metadata metadata.Interface, names func() []cache.ObjectName, changed func(cache.ObjectName)) *sourceWatch {
	return &sourceWatch{
		metadata: metadata, names: names, changed: changed,
		seen: map[cache.ObjectName]string{}, written: sets.New[cache.ObjectName](), wake: make(chan struct{}, 1),
	}
}

// published has a Secret checked immediately that the operator has published: it may
// be a source for others.
func (w *sourceWatch) published(name cache.ObjectName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.seen[name]; !ok {
		return
	}
	w.written.Insert(name)
	select {
	case w.wake <- struct{}{}:
	default: // run is about to check
	}
}

func (w *sourceWatch) takeWritten() []cache.ObjectName {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := w.written.UnsortedList()
	clear(w.written)
	return names
}

// read takes note of a version that a sync has read. Others that name the Secret may
// have read another one.
func (w *sourceWatch) read(name cache.ObjectName, version string) {
	w.mu.Lock()
	before, ok := w.seen[name]
	w.seen[name] = version
	w.mu.Unlock()
	if ok && before != version {
		w.changed(name)
	}
}

// found takes note of the version that a Secret has now. One that no sync has read
// is nothing to tell of.
func (w *sourceWatch) found(name cache.ObjectName, version string) {
	w.mu.Lock()
	before, ok := w.seen[name]
	if ok {
		w.seen[name] = version
	}
	w.mu.Unlock()
	if ok && before != version {
		w.changed(name)
	}
}

// run checks until ctx ends.
func (w *sourceWatch) run(ctx context.Context) {
	ticker := time.NewTicker(sourceTick)
	defer ticker.Stop()
	for turn := uint32(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			for _, name := range w.takeWritten() {
				// The API server's cache may not have it yet.
				w.check(ctx, name, metav1.GetOptions{})
			}
		case <-ticker.C:
			turn++
			for _, name := range w.due(turn % sourceTurns) {
				// The API server's cache is good enough, and costs etcd nothing.
				w.check(ctx, name, metav1.GetOptions{ResourceVersion: "0"})
			}
		}
	}
}

// due returns the Secrets to check in a turn: those that do not exist, and a part
// of the others. What is not named any more is forgotten.
func (w *sourceWatch) due(turn uint32) []cache.ObjectName {
	named := sets.New(w.names()...)
	w.mu.Lock()
	defer w.mu.Unlock()
	var due []cache.ObjectName
	for name, version := range w.seen {
		switch {
		case !named.Has(name):
			delete(w.seen, name)
		case version == "", turnOf(name) == turn:
			due = append(due, name)
		}
	}
	return due
}

// turnOf spreads the Secrets over the turns.
func turnOf(name cache.ObjectName) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name.String())) // never fails
	return h.Sum32() % sourceTurns
}

// check reads the metadata of a Secret.
func (w *sourceWatch) check(ctx context.Context, name cache.ObjectName, options metav1.GetOptions) {
	secret, err := w.metadata.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace(name.Namespace).
		Get(ctx, name.Name, options)
	switch {
	case apierrors.IsNotFound(err):
		w.found(name, "")
	case ctx.Err() != nil:
	case err != nil:
		// Whoever names it reports what is wrong.
		klog.FromContext(ctx).V(4).Info("Can't read the metadata of a source Secret", "secret", klog.KRef(name.Namespace, name.Name), "err", err)
	default:
		w.found(name, aivencontroller.SecretVersion(secret))
	}
}

// handler returns an event handler for an informer over the metadata of Secrets.
func (w *sourceWatch) handler() cache.ResourceEventHandler {
	event := func(item any, gone bool) {
		if tomb, ok := item.(cache.DeletedFinalStateUnknown); ok {
			item = tomb.Obj
		}
		secret, ok := item.(*metav1.PartialObjectMetadata)
		if !ok {
			return
		}
		version := ""
		if !gone {
			version = aivencontroller.SecretVersion(secret)
		}
		w.found(cache.MetaObjectToName(secret), version)
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(item any) { event(item, false) },
		UpdateFunc: func(_, item any) { event(item, false) },
		DeleteFunc: func(item any) { event(item, true) },
	}
}

// trimToVersion is a transform for that informer: nothing but name and version is
// kept.
func trimToVersion(item any) (any, error) {
	if secret, ok := item.(*metav1.PartialObjectMetadata); ok {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Namespace: secret.Namespace, Name: secret.Name, UID: secret.UID, ResourceVersion: secret.ResourceVersion,
		}}, nil
	}
	return item, nil
}
