// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/service/pg"
)

func texts(paths []settingPath) []string {
	var out []string
	for _, p := range paths {
		out = append(out, p.text())
	}
	return out
}

func TestSettingPath(t *testing.T) {
	for text, path := range map[string]settingPath{
		`ip_filter`:                   {"ip_filter"},
		`pg.work_mem`:                 {"pg", "work_mem"},
		`pg.pg_partman_bgw\.interval`: {"pg", "pg_partman_bgw.interval"},
		`a\\b.c`:                      {`a\b`, "c"},
	} {
		if got := path.text(); got != text {
			t.Errorf("%q is written as %s, want %s", path, got, text)
		}
		if got := parseSettingPath(text); !slices.Equal(got, path) {
			t.Errorf("%s is read as %q, want %q", text, got, path)
		}
	}
}

func TestResets(t *testing.T) {
	type object = map[string]any
	all := object{
		"ip_filter": []any{"10.0.0.0/8"}, "pg": object{"work_mem": 4.0, "jit": true, "pg_stat_statements.track": "all"},
		"smtp": object{"host": "h", "port": 1.0}, "version": "17", "empty": []any{},
	}
	before := settingPaths(all)
	want := []string{"empty", "ip_filter", "pg.jit", `pg.pg_stat_statements\.track`, "pg.work_mem", "smtp.host", "smtp.port", "version"}
	if got := texts(before); !slices.Equal(got, want) {
		t.Fatalf("paths are %v, want %v", got, want)
	}
	for name, tc := range map[string]struct {
		now     object
		removed []string
		sent    object
	}{
		"nothing": {now: all, sent: all},
		"everything": {
			now: object{}, removed: []string{"empty", "ip_filter", "pg", "smtp", "version"},
			sent: object{"empty": nil, "ip_filter": nil, "pg": nil, "smtp": nil, "version": nil},
		},
		"a list that became empty is no reset": {
			now:  object{"ip_filter": []any{}, "pg": all["pg"], "smtp": all["smtp"], "version": "17", "empty": []any{}},
			sent: object{"ip_filter": []any{}, "pg": all["pg"], "smtp": all["smtp"], "version": "17", "empty": []any{}},
		},
		"one of a block and a whole block": {
			now:     object{"empty": []any{}, "ip_filter": []any{}, "pg": object{"jit": false, "pg_stat_statements.track": "all"}, "version": "17"},
			removed: []string{"pg.work_mem", "smtp"},
			sent: object{
				"empty": []any{}, "ip_filter": []any{}, "pg": object{"jit": false, "pg_stat_statements.track": "all", "work_mem": nil},
				"smtp": nil, "version": "17",
			},
		},
		"a name with a dot": {
			now:     object{"empty": []any{}, "ip_filter": []any{}, "pg": object{"jit": false, "work_mem": 1.0}, "smtp": all["smtp"], "version": "17"},
			removed: []string{`pg.pg_stat_statements\.track`},
			sent: object{
				"empty": []any{}, "ip_filter": []any{}, "pg": object{"jit": false, "work_mem": 1.0, "pg_stat_statements.track": nil},
				"smtp": all["smtp"], "version": "17",
			},
		},
		"a block that became empty is still there": {
			now:     object{"empty": []any{}, "ip_filter": []any{}, "pg": object{}, "smtp": object{"host": "h", "port": 2.0}, "version": "17"},
			removed: []string{"pg.jit", `pg.pg_stat_statements\.track`, "pg.work_mem"},
			sent: object{
				"empty": []any{}, "ip_filter": []any{}, "pg": object{"jit": nil, "pg_stat_statements.track": nil, "work_mem": nil},
				"smtp": object{"host": "h", "port": 2.0}, "version": "17",
			},
		},
		"a prefix of a name is another name": {
			now:     object{"empty": 1, "ip_filter": 1, "pg": object{"jit": true, "work_mem_limit": 1, "pg_stat_statements.track": "all"}, "smtp2": 1, "version": "17"},
			removed: []string{"pg.work_mem", "smtp"},
			sent: object{
				"empty": 1, "ip_filter": 1, "pg": object{"jit": true, "work_mem_limit": 1, "work_mem": nil, "pg_stat_statements.track": "all"},
				"smtp": nil, "smtp2": 1, "version": "17",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			removed := removedSettings(before, tc.now)
			if got := texts(removed); !slices.Equal(got, tc.removed) {
				t.Errorf("removed are %v, want %v", got, tc.removed)
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
	if removed := removedSettings([]settingPath{{"pg", "pg_stat_statements", "track"}}, all); removed != nil {
		t.Errorf("reset %v, which an earlier version has recorded in another way", removed)
	}
	if removed := removedSettings(nil, all); removed != nil {
		t.Errorf("reset %v although nothing is known to have been given", removed)
	}
}

func TestWithoutCreateOnly(t *testing.T) {
	all := map[string]any{
		"service_to_fork_from": "old", "recovery_target_time": "t", "pg_version": "17", "pg": map[string]any{},
		"mysql":   map[string]any{"lower_case_table_names": 1.0, "sql_mode": "ANSI"},
		"inkless": map[string]any{"enabled": true},
	}
	want := map[string]any{"pg_version": "17", "pg": map[string]any{}, "mysql": map[string]any{"sql_mode": "ANSI"}}
	if got := withoutCreateOnly(all); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := len(settingPaths(all)); n != 6 {
		t.Errorf("the argument was changed to %v", all)
	}
}

// Aiven may show an empty list as none. That is another thing than a list that was
// never set, which has its default.
func TestEmptyListThatIsNotShown(t *testing.T) {
	config := map[string]any{"ip_filter": []any{}, "other": []any{}}
	given := parseGiven([]string{"other"})
	if got := texts(configDiffers(config, map[string]any{}, given)); !slices.Equal(got, []string{"ip_filter"}) {
		t.Errorf("differs in %v", got)
	}
	shown := map[string]any{"ip_filter": []any{"0.0.0.0/0"}, "other": []any{"x"}}
	if got := texts(configDiffers(config, shown, given)); !slices.Equal(got, []string{"ip_filter", "other"}) {
		t.Errorf("differs in %v", got)
	}
	if got := configDiffers(config, map[string]any{"ip_filter": []any{}, "other": []any{}}, given); len(got) > 0 {
		t.Errorf("differs in %v", got)
	}
}

// A field that leaves an entry of a list is noticed, though what Aiven adds to
// entries is not.
func TestFieldsThatLeftAnEntry(t *testing.T) {
	entry := func(network string, more ...string) map[string]any {
		out := map[string]any{"network": network}
		for _, description := range more {
			out["description"] = description
		}
		return out
	}
	before := map[string]any{"ip_filter": []any{entry("10.0.0.0/8", "a"), entry("10.1.0.0/16", "b")}}
	given := parseGiven(givenBy(before))
	shown := before
	for name, tc := range map[string]struct {
		now  []any
		want int
	}{
		"the same": {now: before["ip_filter"].([]any)},
		"one less": {now: []any{entry("10.0.0.0/8", "a"), entry("10.1.0.0/16")}, want: 1},
		"none":     {now: []any{entry("10.0.0.0/8"), entry("10.1.0.0/16")}, want: 1},
	} {
		config := map[string]any{"ip_filter": tc.now}
		if got := configDiffers(config, shown, given); len(got) != tc.want {
			t.Errorf("%s: differs in %v", name, got)
		}
		// Once it was sent it counts no more, whatever Aiven shows.
		if got := configDiffers(config, shown, parseGiven(givenBy(config))); len(got) > 0 {
			t.Errorf("%s: still differs in %v", name, got)
		}
	}
	if removed := removedSettings(given.paths, before); len(removed) > 0 {
		t.Errorf("the fields count as settings: %v", removed)
	}
	if status := []string{"pg.work_mem", "ip_filter"}; len(parseGiven(status).paths) != 2 {
		t.Error("what an earlier version has recorded can't be read")
	}
}

// The largest numbers that settings may have do not fit into a float.
func TestLargeNumbers(t *testing.T) {
	config, err := asMap(&pg.UserConfig{BackupHour: new(int64(math.MaxInt64))})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(config)
	if err != nil || string(raw) != `{"backup_hour":9223372036854775807}` {
		t.Errorf("Aiven gets %s, %v", raw, err)
	}
	// Aiven's answers are decoded to floats.
	shown, err := asMap(map[string]any{"backup_hour": float64(math.MaxInt64)})
	if err != nil || len(configDiffers(config, shown, givenSettings{})) > 0 {
		t.Errorf("it differs from %v, %v", shown, err)
	}
}
