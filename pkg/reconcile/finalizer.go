// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FinalizerPatch returns the JSON patch that removes a finalizer from an object as
// it was read, nil if the object does not have it. Server-side apply could not
// remove an entry that another manager owns too. The tests in the patch keep it from
// a namesake and from any other finalizer.
func FinalizerPatch(obj metav1.Object, finalizer string) []byte {
	i := slices.Index(obj.GetFinalizers(), finalizer)
	if i < 0 {
		return nil
	}
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value,omitempty"`
	}
	path := fmt.Sprintf("/metadata/finalizers/%d", i)
	patch, _ := json.Marshal([]operation{ // strings always marshal
		{"test", "/metadata/uid", obj.GetUID()},
		{"test", path, finalizer},
		{"remove", path, nil},
	})
	return patch
}
