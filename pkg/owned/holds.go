// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package owned

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// encode returns an object as it is sent: without a status, and without what says
// nothing.
func encode(scheme *runtime.Scheme, object runtime.Object) (*unstructured.Unstructured, error) {
	out, ok := object.(*unstructured.Unstructured)
	if ok {
		out = out.DeepCopy()
	} else {
		kinds, _, err := scheme.ObjectKinds(object)
		if err != nil {
			return nil, fmt.Errorf("find the kind of an object: %w", err)
		}
		// JSON gives all quantities one spelling, which the API server keeps.
		raw, err := json.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("encode an object of kind %s: %w", kinds[0].Kind, err)
		}
		out = &unstructured.Unstructured{}
		if err := json.Unmarshal(raw, &out.Object); err != nil {
			return nil, fmt.Errorf("encode an object of kind %s: %w", kinds[0].Kind, err)
		}
		out.SetGroupVersionKind(kinds[0])
	}
	delete(out.Object, "status")
	prune(out.Object)
	return out, nil
}

// prune removes null from objects, which is what fields without a value are encoded as.
func prune(value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
				continue
			}
			prune(member)
		}
	case []any:
		for _, item := range v {
			prune(item)
		}
	}
}

// mark puts the digest of an object on it. The data of a Secret is left out, since nothing
// of it may be in an annotation.
func mark(wanted *unstructured.Unstructured) error {
	described := wanted.DeepCopy()
	delete(described.Object, "data")
	raw, err := json.Marshal(described.Object)
	if err != nil {
		return fmt.Errorf("encode an object of kind %s: %w", wanted.GetKind(), err)
	}
	annotations := maps.Clone(wanted.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	sum := sha256.Sum256(raw)
	annotations[AppliedAnnotation] = hex.EncodeToString(sum[:16])
	wanted.SetAnnotations(annotations)
	return nil
}

// isAs reports whether live is as wanted, which is marked: it holds everything, what was
// wanted last is the same, and its data has no other keys.
func isAs(live, wanted *unstructured.Unstructured) bool {
	has, _ := live.Object["data"].(map[string]any)
	want, _ := wanted.Object["data"].(map[string]any)
	return len(has) == len(want) && holds(live.Object, wanted.Object)
}

// holds reports whether live has everything that wanted says. What wanted does not
// mention may be anything: defaults of the API server, and what others added. A list
// must be as long.
func holds(live, wanted any) bool {
	switch w := wanted.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return len(w) == 0 && live == nil
		}
		for name, member := range w {
			if !holds(l[name], member) {
				return false
			}
		}
		return true
	case []any:
		l, ok := live.([]any)
		if !ok {
			return len(w) == 0 && live == nil
		}
		if len(l) != len(w) {
			return false
		}
		for i := range w {
			if !holds(l[i], w[i]) {
				return false
			}
		}
		return true
	}
	if equal, both := sameNumber(live, wanted); both {
		return equal
	}
	return reflect.DeepEqual(live, wanted) || live == nil && reflect.ValueOf(wanted).IsZero()
}

// sameNumber compares numbers, which are decoded as different types.
func sameNumber(a, b any) (equal, both bool) {
	x, ok1 := number(a)
	y, ok2 := number(b)
	return x == y, ok1 && ok2
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}
