// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// The API server itself refuses to delete what its spec protects, in the words of
// the aiven-operator's webhook; with the protection off, it goes.
func TestTerminationProtection(t *testing.T) {
	fields := map[string]struct{ field, what string }{
		"PostgreSQL": {"terminationProtection", "PostgreSQL service"},
		"Kafka":      {"terminationProtection", "Kafka service"},
		"Valkey":     {"terminationProtection", "Valkey service"},
		"Database":   {"terminationProtection", "Database"},
		"KafkaTopic": {"termination_protection", "KafkaTopic"},
	}
	for kind, f := range fields {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			e.host(kind)
			e.start()
			e.create(e.object(kind, "x", set(f.field, true)))
			e.ready(kind, "x")
			// A new policy takes a moment to be in force.
			want := "cannot delete " + f.what + ", termination protection is on"
			e.eventually("the deletion to be refused", func() error {
				err := e.client(kind).Delete(e.ctx, "x", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
				if err == nil || !strings.Contains(err.Error(), "denied request: "+want) {
					return fmt.Errorf("deleting says %v", err) //nolint:errorlint // it may be nil
				}
				return nil
			})
			if err := e.client(kind).Delete(e.ctx, "x", metav1.DeleteOptions{}); err == nil {
				t.Fatal("a protected object was deleted")
			}
			e.patch(kind, "x", fmt.Sprintf(`{"spec":{%q:false}}`, f.field))
			e.delete(kind, "x")
			e.gone(kind, "x")
			e.noRemote(kind)
		})
	}
}
