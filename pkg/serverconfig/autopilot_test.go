// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

func autopilot(replicas int32, a *openbaov1alpha1.AutopilotSpec) *openbaov1alpha1.OpenBaoCluster {
	return cluster(configured(func(c *openbaov1alpha1.ConfigurationSpec) { c.Raft = &openbaov1alpha1.RaftSpec{Autopilot: a} }),
		func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Replicas = &replicas })
}

func TestAutopilot(t *testing.T) {
	defaults := map[string]any{
		"cleanup_dead_servers": true, "dead_server_last_contact_threshold": "300s", "min_quorum": "3",
		"server_stabilization_time": "10s", "last_contact_threshold": "10s", "max_trailing_logs": "1000",
	}
	with := func(changes map[string]any) map[string]any {
		m := maps.Clone(defaults)
		maps.Copy(m, changes)
		return m
	}
	for name, c := range map[string]struct {
		cluster *openbaov1alpha1.OpenBaoCluster
		want    map[string]any
	}{
		"no replicas in the spec": {cluster(), defaults},
		"three servers":           {autopilot(3, nil), defaults},
		"four servers":            {autopilot(4, nil), defaults},
		"five servers":            {autopilot(5, nil), with(map[string]any{"min_quorum": "4"})},
		"one server":              {autopilot(1, nil), with(map[string]any{"cleanup_dead_servers": false})},
		// The schema's default says true, whatever the number of servers is.
		"two servers, asked for": {autopilot(2, &openbaov1alpha1.AutopilotSpec{CleanupDeadServers: new(true)}), with(map[string]any{"cleanup_dead_servers": false})},
		"turned off":             {autopilot(5, &openbaov1alpha1.AutopilotSpec{CleanupDeadServers: new(false)}), with(map[string]any{"min_quorum": "4", "cleanup_dead_servers": false})},
		"all set": {autopilot(7, &openbaov1alpha1.AutopilotSpec{
			DeadServerLastContactThreshold: "1d", MinQuorum: new(int32(5)), ServerStabilizationTime: "0", LastContactThreshold: "20", MaxTrailingLogs: new(int32(250)),
		}), map[string]any{
			"cleanup_dead_servers": true, "dead_server_last_contact_threshold": "86400s", "min_quorum": "5",
			"server_stabilization_time": "0s", "last_contact_threshold": "20s", "max_trailing_logs": "250",
		}},
	} {
		got, err := serverconfig.Autopilot(c.cluster)
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v\nwant %v", name, got, err, c.want)
		}
	}
}

func TestAutopilotRefuses(t *testing.T) {
	_, err := serverconfig.Autopilot(autopilot(3, &openbaov1alpha1.AutopilotSpec{
		DeadServerLastContactThreshold: "59s", MinQuorum: new(int32(2)), ServerStabilizationTime: "-1s", LastContactThreshold: "1500ms", MaxTrailingLogs: new(int32(0)),
	}))
	const prefix = "spec.configuration.raft.autopilot."
	want := []string{
		prefix + "deadServerLastContactThreshold: 59s is too short; set at least 1m",
		prefix + "lastContactThreshold: 1500ms is not a whole number of seconds; OpenBao counts in seconds",
		prefix + "maxTrailingLogs: 0 is too low; set at least 1",
		prefix + "minQuorum: 2 is too low for OpenBao; set at least 3",
		prefix + "serverStabilizationTime: -1s is negative; set a positive duration",
	}
	got := refusals(t, err)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestDiffAutopilot(t *testing.T) {
	want, err := serverconfig.Autopilot(autopilot(5, nil))
	if err != nil {
		t.Fatal(err)
	}
	// As OpenBao answers (logical_system_raft.go), read by encoding/json with numbers.
	have := func(changes map[string]any) map[string]any {
		answer := map[string]any{
			"cleanup_dead_servers": true, "dead_server_last_contact_threshold": "5m0s", "min_quorum": json.Number("4"),
			"server_stabilization_time": "10s", "last_contact_threshold": "10s", "max_trailing_logs": json.Number("1000"), "more": 1,
		}
		maps.Copy(answer, changes)
		return answer
	}
	for name, tc := range map[string]struct {
		have map[string]any
		want []string
	}{
		"the same":        {have(nil), nil},
		"a number":        {have(map[string]any{"min_quorum": float64(4)}), nil},
		"another number":  {have(map[string]any{"min_quorum": json.Number("3")}), []string{"min_quorum"}},
		"another time":    {have(map[string]any{"last_contact_threshold": "20s", "cleanup_dead_servers": false}), []string{"cleanup_dead_servers", "last_contact_threshold"}},
		"nothing is said": {map[string]any{}, slices.Sorted(maps.Keys(want))},
	} {
		if got := serverconfig.DiffAutopilot(want, tc.have); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
