// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/version"
)

func TestOpenBao(t *testing.T) {
	m := New(version.Info{})
	m.OpenBaoLogin("proof", "ok")
	m.OpenBaoLogin("refusal", "refused")
	m.OpenBaoLogin("refusal", "refused")
	m.OpenBaoRepair("role")
	objects := []Authorization{{
		Namespace: "ns", Name: "prod", Drift: map[string]int{"policy": 2}, SigningKeys: 3,
		Identities: []Identity{{Identity: "backup", Role: "my-backup", Proved: true}, {Identity: "operator", Role: "openbao-operator"}},
	}}
	if err := m.Register(NewAuthorizations(func() []Authorization { return objects })); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, m)
	for _, want := range []string{
		`bailiwick_openbao_logins_total{purpose="proof",result="ok"} 1`,
		`bailiwick_openbao_logins_total{purpose="refusal",result="refused"} 2`,
		`bailiwick_openbao_repairs_total{kind="role"} 1`,
		`bailiwick_openbao_drift{kind="policy",name="prod",namespace="ns"} 2`,
		`bailiwick_openbao_drift{kind="role",name="prod",namespace="ns"} 0`,
		`bailiwick_openbao_identity_proved{identity="backup",name="prod",namespace="ns",role="my-backup"} 1`,
		`bailiwick_openbao_identity_proved{identity="operator",name="prod",namespace="ns",role="openbao-operator"} 0`,
		`bailiwick_openbao_signing_keys{name="prod",namespace="ns"} 3`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("there is no %s in\n%s", want, got)
		}
	}
	objects = nil
	if got := scrape(t, m); strings.Contains(got, `name="prod"`) {
		t.Errorf("the series of an object outlive it:\n%s", got)
	}
}
