// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"reflect"
	"slices"
	"testing"
)

func TestResets(t *testing.T) {
	all := map[string]any{
		"ip_filter": []any{"10.0.0.0/8"}, "pg": map[string]any{"work_mem": 4.0, "jit": true},
		"smtp": map[string]any{"host": "h", "port": 1.0}, "version": "17",
	}
	before := settingPaths(all)
	if want := []string{"ip_filter", "pg.jit", "pg.work_mem", "smtp.host", "smtp.port", "version"}; !slices.Equal(before, want) {
		t.Fatalf("paths are %v, want %v", before, want)
	}
	for name, tc := range map[string]struct {
		now     map[string]any
		removed []string
		sent    map[string]any
	}{
		"nothing": {now: all, sent: all},
		"everything": {
			now: map[string]any{}, removed: []string{"ip_filter", "pg", "smtp", "version"},
			sent: map[string]any{"ip_filter": nil, "pg": nil, "smtp": nil, "version": nil},
		},
		"one of a block and a whole block": {
			now:     map[string]any{"ip_filter": []any{}, "pg": map[string]any{"jit": false}, "version": "17"},
			removed: []string{"pg.work_mem", "smtp"},
			sent: map[string]any{
				"ip_filter": []any{}, "pg": map[string]any{"jit": false, "work_mem": nil}, "smtp": nil, "version": "17",
			},
		},
		"a block that became empty": {
			now:     map[string]any{"ip_filter": []any{}, "pg": map[string]any{}, "smtp": map[string]any{"host": "h", "port": 2.0}, "version": "17"},
			removed: []string{"pg"},
			sent:    map[string]any{"ip_filter": []any{}, "pg": nil, "smtp": map[string]any{"host": "h", "port": 2.0}, "version": "17"},
		},
		"a prefix of a name is another name": {
			now:     map[string]any{"ip_filter": 1, "pg": map[string]any{"jit": true, "work_mem_limit": 1}, "smtp2": 1, "version": "17"},
			removed: []string{"pg.work_mem", "smtp"},
			sent: map[string]any{
				"ip_filter": 1, "pg": map[string]any{"jit": true, "work_mem_limit": 1, "work_mem": nil}, "smtp": nil, "smtp2": 1, "version": "17",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			removed := removedSettings(before, settingPaths(tc.now))
			if !slices.Equal(removed, tc.removed) {
				t.Errorf("removed are %v, want %v", removed, tc.removed)
			}
			unchanged := len(settingPaths(tc.now))
			if sent := withResets(tc.now, removed); !reflect.DeepEqual(sent, tc.sent) {
				t.Errorf("sent is %v, want %v", sent, tc.sent)
			}
			if len(settingPaths(tc.now)) != unchanged {
				t.Error("the spec's own configuration was changed")
			}
		})
	}
	if removed := removedSettings(nil, before); removed != nil {
		t.Errorf("reset %v although nothing is known to have been given", removed)
	}
}

func TestWithoutCreateOnly(t *testing.T) {
	all := map[string]any{
		"service_to_fork_from": "old", "recovery_target_time": "t", "pg_version": "17",
		"mysql":   map[string]any{"lower_case_table_names": 1.0, "sql_mode": "ANSI"},
		"inkless": map[string]any{"enabled": true},
	}
	want := map[string]any{"pg_version": "17", "mysql": map[string]any{"sql_mode": "ANSI"}}
	if got := withoutCreateOnly(all); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := len(settingPaths(all)); n != 6 {
		t.Errorf("the argument was changed to %v", all)
	}
}
