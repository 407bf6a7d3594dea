// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/cache"
)

// Reference names an object that another one depends on.
type Reference struct {
	Kind string
	Name cache.ObjectName
}

// KindSecret is the kind of a Reference to a Secret. There is no controller of it:
// whoever learns that one has changed calls Engine.WakeReferrers.
const KindSecret = "Secret"

// String names the object for people.
func (r Reference) String() string { return r.Kind + " " + r.Name.String() }

// referenceKeys are the values of IndexReference.
func referenceKeys(references []Reference) []string {
	var keys []string
	for _, r := range references {
		keys = append(keys, r.Kind, r.String())
	}
	return keys
}

// Object returns a referenced object as it is cached, nil if there is none. It
// must not be changed. The error is ErrPending before the first list; whoever
// names the object in Kind.References is woken after it.
func (e *Engine) Object(r Reference) (Object, error) {
	for _, m := range e.members {
		if m.kindName() != r.Kind {
			continue
		}
		obj, ok, synced := m.object(r.Name)
		switch {
		case !synced:
			return nil, ErrPending
		case !ok:
			return nil, nil
		}
		return obj, nil
	}
	return nil, &Problem{
		Reason:  ReasonReferenceUnknown,
		Message: fmt.Sprintf("The operator does not handle objects of kind %s, so %s can't be used. Select the kind with --controllers.", r.Kind, r),
		Phase:   PhasePreconditions,
	}
}

// object implements member.
func (c *Controller[T, C, AC]) object(name cache.ObjectName) (obj Object, ok, synced bool) {
	if !c.synced.Load() {
		return nil, false, false
	}
	found, ok := c.source.get(name)
	if !ok {
		return nil, false, true
	}
	return found, true, true
}

// wakeReferrers enqueues the objects that depend on obj.
func (c *Controller[T, C, AC]) wakeReferrers(obj T) {
	c.engine.wakeReferrers(c.kindName(), Reference{Kind: c.kindName(), Name: cache.MetaObjectToName(obj)}.String())
}

// wakeReferrers enqueues the objects with this value of IndexReference, which is
// about objects of that kind. It searches only kinds that refer to any.
func (e *Engine) wakeReferrers(kind, key string) {
	for _, m := range e.members {
		if m.refers(kind) {
			m.wake(IndexReference, key, func(Object) bool { return true })
		}
	}
}

// WakeReferrers enqueues the objects that name r in Kind.References.
func (e *Engine) WakeReferrers(r Reference) { e.wakeReferrers(r.Kind, r.String()) }

// Referenced returns the names of a kind that objects refer to, in any order.
func (e *Engine) Referenced(kind string) []cache.ObjectName {
	found := sets.New[cache.ObjectName]()
	for _, m := range e.members {
		for _, key := range m.referenced() {
			text, ok := strings.CutPrefix(key, kind+" ")
			if !ok {
				continue
			}
			// Reference.String made it.
			if name, err := cache.ParseObjectName(text); err == nil {
				found.Insert(name)
			}
		}
	}
	return found.UnsortedList()
}

// referenced implements member: it returns the values of IndexReference.
func (c *Controller[T, C, AC]) referenced() []string {
	if c.kind.References == nil || !c.synced.Load() {
		return nil
	}
	return c.source.indexValues(IndexReference)
}
