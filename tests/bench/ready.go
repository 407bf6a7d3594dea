// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// Annotations that say the same as Ready=True, of operators that lack it.
const (
	annotationProcessed = "controllers.aiven.io/generation-was-processed"
	annotationRunning   = "controllers.aiven.io/instance-is-running"
)

// observed is what readiness is read from.
type observed struct {
	Metadata metadata `json:"metadata"`
	Status   struct {
		Conditions []struct {
			Type               string `json:"type"`
			Status             string `json:"status"`
			ObservedGeneration int64  `json:"observedGeneration"`
		} `json:"conditions"`
	} `json:"status"`
}

// ready reports whether an operator has said that the object is as asked for:
// Ready=True for its generation or, where the operator has no such condition,
// the two annotations.
func (o *observed) ready() bool {
	for _, c := range o.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True" && c.ObservedGeneration == o.Metadata.Generation
		}
	}
	return o.Metadata.Annotations[annotationRunning] != "" &&
		o.Metadata.Annotations[annotationProcessed] == strconv.FormatInt(o.Metadata.Generation, 10)
}

// readiness follows which objects are ready, by watches that decode no more than
// that needs.
type readiness struct {
	world  *world
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	ready    map[string]map[string]time.Time // by kind and namespace/name
	watching map[string]chan struct{}        // closed after the first list
	changed  chan struct{}
}

func newReadiness(w *world) *readiness {
	r := &readiness{
		world: w, ready: map[string]map[string]time.Time{}, watching: map[string]chan struct{}{}, changed: make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

func (r *readiness) close() {
	r.cancel()
	r.wg.Wait()
}

// follow begins to watch kinds and returns when each is.
func (r *readiness) follow(ctx context.Context, kinds ...string) error {
	var first []chan struct{}
	r.mu.Lock()
	for _, kind := range kinds {
		if r.watching[kind] == nil {
			listed := make(chan struct{})
			r.watching[kind], r.ready[kind] = listed, map[string]time.Time{}
			first = append(first, listed)
			r.wg.Go(func() { r.run(kind, sync.OnceFunc(func() { close(listed) })) })
		}
	}
	r.mu.Unlock()
	for _, listed := range first {
		select {
		case <-listed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// run lists and watches until close. A watch that ends is begun again.
func (r *readiness) run(kind string, listed func()) {
	for r.ctx.Err() == nil {
		if err := r.listAndWatch(kind, listed); err != nil && r.ctx.Err() == nil {
			fmt.Printf("Watching %s, again in a second: %v\n", plural(kind), err)
			_ = pause(r.ctx, time.Second)
		}
	}
}

func (r *readiness) listAndWatch(kind string, listed func()) error {
	body, err := r.world.send(r.ctx, http.MethodGet, collection(kind, "")+"?resourceVersion=0", "", nil)
	if err != nil {
		return err
	}
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []observed `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	for _, item := range list.Items {
		r.set(kind, &item, true)
	}
	query := url.Values{"watch": {"1"}, "resourceVersion": {list.Metadata.ResourceVersion}}
	request, err := http.NewRequestWithContext(r.ctx, http.MethodGet, r.world.cluster.Server+collection(kind, "")+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := r.world.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	listed()
	events := json.NewDecoder(response.Body)
	for {
		var event struct {
			Type   string   `json:"type"`
			Object observed `json:"object"`
		}
		switch err := events.Decode(&event); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case event.Type == "ERROR":
			return errors.New("the watch ended with an error")
		}
		r.set(kind, &event.Object, event.Type != "DELETED")
	}
}

func (r *readiness) set(kind string, o *observed, exists bool) {
	key := o.Metadata.Namespace + "/" + o.Metadata.Name
	r.mu.Lock()
	defer r.mu.Unlock()
	_, was := r.ready[kind][key]
	is := exists && o.ready()
	if was == is {
		return
	}
	if is {
		r.ready[kind][key] = time.Now()
	} else {
		delete(r.ready[kind], key)
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// wait waits until all objects are ready and returns when the last one was.
func (r *readiness) wait(ctx context.Context, objects []object) (time.Time, error) {
	for {
		r.mu.Lock()
		var last time.Time
		missing := 0
		example := ""
		for _, o := range objects {
			at, ok := r.ready[o.Kind][o.Metadata.Namespace+"/"+o.Metadata.Name]
			if !ok {
				missing++
				example = o.Kind + " " + o.Metadata.Name
			}
			if at.After(last) {
				last = at
			}
		}
		changed := r.changed
		r.mu.Unlock()
		if missing == 0 {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("%d of %d objects are not ready, %s among them: %w", missing, len(objects), example, context.Cause(ctx))
		case <-changed:
		}
		// Counting all after every change would cost more than the changes.
		if missing > 100 {
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				continue
			}
		}
	}
}
