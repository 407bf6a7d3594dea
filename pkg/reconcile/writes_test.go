// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

func TestWritesAreNewerThanTheCache(t *testing.T) {
	object := func(version string, uid types.UID) *corev1.ConfigMap {
		c := &corev1.ConfigMap{}
		c.Namespace, c.Name, c.ResourceVersion, c.UID = "ns", "prod", version, uid
		return c
	}
	name := cache.NewObjectName("ns", "prod")
	for title, tc := range map[string]struct {
		cached *corev1.ConfigMap
		want   string
	}{
		"cache lags":      {object("9", "uid"), "10"},
		"cache caught up": {object("10", "uid"), "10"},
		"cache is ahead":  {object("11", "uid"), "11"},
		"namesake":        {object("9", "other"), "9"},
	} {
		t.Run(title, func(t *testing.T) {
			w := NewWrites[*corev1.ConfigMap]()
			w.Store(object("10", "uid"))
			for range 2 {
				if got := w.Newest(tc.cached).ResourceVersion; got != tc.want {
					t.Errorf("got version %s, want %s", got, tc.want)
				}
			}
			if !w.Echo(name, "10") || w.Echo(name, "11") {
				t.Error("our own write is not recognized, or that of another is")
			}
			w.Store(object("12", "uid"))
			if !w.Echo(name, "10") || !w.Echo(name, "12") {
				t.Error("the last two writes are not recognized")
			}
			// The cache has it by now.
			if got := w.Newest(object("9", "uid")).ResourceVersion; got != "9" {
				t.Errorf("got version %s of what was let go", got)
			}
			if uid := w.Forget(name); uid != "uid" || w.Echo(name, "12") {
				t.Errorf("forgot %q", uid)
			}
		})
	}
}
