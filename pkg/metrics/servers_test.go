// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/version"
)

func TestServers(t *testing.T) {
	m := New(version.Info{})
	counts := []ServerCounts{{Namespace: "ns", Name: "prod", Wanted: 5, Ready: 4, Unsealed: 3}}
	if err := m.Register(NewServers(func() []ServerCounts { return counts })); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, m)
	for _, want := range []string{
		`bailiwick_openbao_servers{name="prod",namespace="ns",state="wanted"} 5`,
		`bailiwick_openbao_servers{name="prod",namespace="ns",state="ready"} 4`,
		`bailiwick_openbao_servers{name="prod",namespace="ns",state="unsealed"} 3`,
		`bailiwick_openbao_servers{name="prod",namespace="ns",state="voters"} 0`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("there is no %s in\n%s", want, got)
		}
	}
	counts = nil
	if got := scrape(t, m); strings.Contains(got, `name="prod"`) {
		t.Errorf("the series of an object outlive it:\n%s", got)
	}
}
