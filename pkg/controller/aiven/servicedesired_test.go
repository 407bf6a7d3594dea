// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"slices"
	"strings"
	"testing"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// remoteService is a service as Aiven shows it.
func remoteService(change ...func(*service.ServiceGetOut)) *service.ServiceGetOut {
	svc := &service.ServiceGetOut{
		Plan: "startup-4", CloudName: "google-europe-west1", ProjectVpcId: "vpc", State: service.ServiceStateTypeRunning,
		Maintenance: &service.MaintenanceOut{Dow: "sunday", Time: "11:00:00"},
		DiskSpaceMb: new(614400),
		TechEmails:  []service.TechEmailOut{{Email: "a@example.com"}, {Email: "b@example.com"}},
		Tags:        map[string]string{"env": "prod"},
		UserConfig:  map[string]any{"pg_version": "17", "pg": map[string]any{"work_mem": float64(4), "jit": true}, "ip_filter": []any{"10.0.0.0/8"}},
	}
	for _, c := range change {
		c(svc)
	}
	return svc
}

// desiredOf is what a spec with a user configuration asks for, with a status.
func desiredOf(t *testing.T, spec v1alpha1.ServiceCommonSpec, config map[string]any, status v1alpha1.ServiceStatus) desiredService {
	t.Helper()
	spec.Plan = "startup-4"
	userConfig, err := asMap(config)
	if err != nil {
		t.Fatal(err)
	}
	return desiredService{spec: &spec, status: &status, userConfig: userConfig, newConfig: userConfig, given: givenBy(userConfig)}
}

func TestServiceDiffers(t *testing.T) {
	type object = map[string]any
	tests := map[string]struct {
		spec   v1alpha1.ServiceCommonSpec
		plan   string
		config object
		remote *service.ServiceGetOut
		want   []string
	}{
		"nothing but the plan": {},
		"all the same": {
			spec: v1alpha1.ServiceCommonSpec{DiskSpace: "600GiB", BaseServiceSpec: v1alpha1.BaseServiceSpec{
				CloudName: "google-europe-west1", ProjectVPCID: "vpc", MaintenanceWindowDow: "sunday", MaintenanceWindowTime: "11:00:00",
				TerminationProtection: new(false), Tags: map[string]string{"env": "prod"},
				TechnicalEmails: []v1alpha1.ServiceTechEmail{{Email: "B@example.com"}, {Email: "a@example.com"}},
			}},
			config: object{"pg": object{"work_mem": 4}},
		},
		"plan":       {remote: remoteService(func(s *service.ServiceGetOut) { s.Plan = "business-8" }), want: []string{"plan"}},
		"cloud":      {spec: v1alpha1.ServiceCommonSpec{BaseServiceSpec: v1alpha1.BaseServiceSpec{CloudName: "aws-eu-west-1"}}, want: []string{"cloudName"}},
		"vpc":        {spec: v1alpha1.ServiceCommonSpec{BaseServiceSpec: v1alpha1.BaseServiceSpec{ProjectVPCID: "other"}}, want: []string{"projectVpcId"}},
		"protection": {spec: v1alpha1.ServiceCommonSpec{BaseServiceSpec: v1alpha1.BaseServiceSpec{TerminationProtection: new(true)}}, want: []string{"terminationProtection"}},
		"disk":       {spec: v1alpha1.ServiceCommonSpec{DiskSpace: "700G"}, want: []string{"disk_space"}},
		"window": {
			spec: v1alpha1.ServiceCommonSpec{BaseServiceSpec: v1alpha1.BaseServiceSpec{MaintenanceWindowDow: "monday"}},
			want: []string{"maintenanceWindowDow"},
		},
		"window not set yet": {
			spec:   v1alpha1.ServiceCommonSpec{BaseServiceSpec: v1alpha1.BaseServiceSpec{MaintenanceWindowTime: "01:00:00"}},
			remote: remoteService(func(s *service.ServiceGetOut) { s.Maintenance = nil }), want: []string{"maintenanceWindowTime"},
		},
		"no emails": {
			spec: v1alpha1.ServiceCommonSpec{BaseServiceSpec: v1alpha1.BaseServiceSpec{TechnicalEmails: []v1alpha1.ServiceTechEmail{}}},
			want: []string{"technicalEmails"},
		},
		"no tags": {
			spec: v1alpha1.ServiceCommonSpec{BaseServiceSpec: v1alpha1.BaseServiceSpec{Tags: map[string]string{}}},
			want: []string{"tags"},
		},
		"setting":                 {config: object{"pg": object{"work_mem": 8, "jit": true}}, want: []string{"userConfig.pg.work_mem"}},
		"setting not there":       {config: object{"pgbouncer": object{"min_pool_size": 1}}, want: []string{"userConfig.pgbouncer.min_pool_size"}},
		"an empty block":          {config: object{"pg": object{}, "pgbouncer": object{}}},
		"filter in the long form": {config: object{"ip_filter": []any{object{"network": "10.0.0.0/8"}}}},
		"filter described":        {config: object{"ip_filter": []any{object{"network": "10.0.0.0/8", "description": "x"}}}, want: []string{"userConfig.ip_filter"}},
		"filter longer":           {config: object{"ip_filter": []any{"10.0.0.0/8", "10.1.0.0/16"}}, want: []string{"userConfig.ip_filter"}},
		"no filter":               {config: object{"ip_filter": []any{}}, want: []string{"userConfig.ip_filter"}},
		"no filter, not shown": {
			config: object{"ip_filter": []any{}}, want: []string{"userConfig.ip_filter"},
			remote: remoteService(func(s *service.ServiceGetOut) { delete(s.UserConfig, "ip_filter") }),
		},
		"zero and false":           {config: object{"pg": object{"work_mem": 0, "jit": false}}, want: []string{"userConfig.pg.jit", "userConfig.pg.work_mem"}},
		"zero and false not shown": {config: object{"backup_hour": 0, "static_ips": false}, want: []string{"userConfig.backup_hour", "userConfig.static_ips"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			svc := tt.remote
			if svc == nil {
				svc = remoteService()
			}
			got, err := desiredOf(t, tt.spec, tt.config, v1alpha1.ServiceStatus{}).compare(svc)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.fields, tt.want) {
				t.Errorf("differs in %q, want %q", got.fields, tt.want)
			}
			if len(got.notes) > 0 {
				t.Errorf("notes are %q", got.notes)
			}
		})
	}
}

// What the spec had before goes back to its default, or stays and is reported.
// Nothing else is touched.
func TestServiceFieldsThatLeftTheSpec(t *testing.T) {
	all := []string{
		"cloudName", "disk_space", "maintenanceWindowDow", "maintenanceWindowTime", "powered", "projectVpcId",
		"tags", "technicalEmails", "terminationProtection",
	}
	protected := remoteService(func(s *service.ServiceGetOut) {
		s.TerminationProtection, s.State = true, service.ServiceStateTypePoweroff
	})
	d := desiredOf(t, v1alpha1.ServiceCommonSpec{}, nil, v1alpha1.ServiceStatus{SettingsStatus: v1alpha1.SettingsStatus{Settings: all}})
	got, err := d.compare(protected)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"terminationProtection", "technicalEmails", "tags", "powered"}; !slices.Equal(got.fields, want) {
		t.Errorf("differs in %q, want %q", got.fields, want)
	}
	if kept := all[:4:4]; !slices.Equal(got.optional.given, append(kept, "projectVpcId")) {
		t.Errorf("remembers %q", got.optional.given)
	}
	for _, word := range []string{"google-europe-west1", "600GiB", "sunday", "11:00:00", "VPC vpc"} {
		if !strings.Contains(joinNotes(got.notes...), word) {
			t.Errorf("no note has %s: %q", word, got.notes)
		}
	}
	in := d.update(protected, got)
	switch {
	case in.Cloud != nil, in.DiskSpaceMb != nil, in.Maintenance != nil, deref(in.ProjectVpcId) != "vpc":
		t.Errorf("an update moves the service: %+v", in)
	case in.TerminationProtection == nil || *in.TerminationProtection, in.TechEmails == nil || len(*in.TechEmails) > 0:
		t.Errorf("an update resets %v and %v", in.TerminationProtection, in.TechEmails)
	}

	// Once they are, they are forgotten.
	reset := remoteService(func(s *service.ServiceGetOut) { s.Tags, s.TechEmails = nil, nil })
	if got, err = d.compare(reset); err != nil || len(got.fields) > 0 || slices.Contains(got.optional.given, "tags") {
		t.Errorf("differs in %q, remembers %q, %v", got.fields, got.optional.given, err)
	}

	none := desiredOf(t, v1alpha1.ServiceCommonSpec{}, nil, v1alpha1.ServiceStatus{})
	if got, err = none.compare(protected); err != nil || len(got.fields)+len(got.notes)+len(got.optional.given) > 0 {
		t.Errorf("%+v is the spec's business though it never named any of it, %v", got, err)
	}
	if in := none.update(protected, got); in.TechEmails != nil || in.TerminationProtection != nil {
		t.Errorf("an update touches what the spec does not name: %+v", in)
	}
}

// What an autoscaler decides is neither compared nor sent, and reported.
func TestAutoscaledService(t *testing.T) {
	spec := v1alpha1.ServiceCommonSpec{DiskSpace: "100GiB"}
	for name, tc := range map[string]struct {
		scaled autoscaled
		want   []string
		notes  int
	}{
		"none":  {want: []string{"plan", "disk_space"}},
		"disk":  {scaled: autoscaled{disk: true}, want: []string{"plan"}, notes: 1},
		"plans": {scaled: autoscaled{plan: true, disk: true}, notes: 2},
	} {
		d := desiredOf(t, spec, nil, v1alpha1.ServiceStatus{})
		d.scaled = tc.scaled
		svc := remoteService(func(s *service.ServiceGetOut) { s.Plan = "business-8" })
		got, err := d.compare(svc)
		if err != nil || !slices.Equal(got.fields, tc.want) || len(got.notes) != tc.notes {
			t.Errorf("%s: differs in %q with the notes %q, %v", name, got.fields, got.notes, err)
		}
		in := d.update(svc, got)
		if (in.Plan == nil) != tc.scaled.plan || (in.DiskSpaceMb == nil) != tc.scaled.disk {
			t.Errorf("%s: an update has plan %v and disk %v", name, in.Plan, in.DiskSpaceMb)
		}
	}
	// A size that left the spec is the autoscaler's.
	d := desiredOf(t, v1alpha1.ServiceCommonSpec{}, nil, v1alpha1.ServiceStatus{SettingsStatus: v1alpha1.SettingsStatus{Settings: []string{"disk_space"}}})
	d.scaled = autoscaled{disk: true}
	if got, err := d.compare(remoteService()); err != nil || len(got.fields)+len(got.notes) > 0 {
		t.Errorf("differs in %q with the notes %q, %v", got.fields, got.notes, err)
	}
}

// An IP filter that leaves the spec opens the service, which is reported for as long
// as it is open and the spec does not say who may connect.
func TestRemovedIPFilter(t *testing.T) {
	config := map[string]any{"ip_filter": []any{map[string]any{"network": "10.0.0.0/8"}}}
	obj := &v1alpha1.PostgreSQL{}
	obj.Status.UserConfigSettings = givenBy(config)
	spec := &v1alpha1.ServiceCommonSpec{}
	spec.Plan = "startup-4"
	without := desiredService{spec: spec, status: &obj.Status}
	open := func(entries ...any) *service.ServiceGetOut {
		return remoteService(func(s *service.ServiceGetOut) { s.UserConfig["ip_filter"] = entries })
	}
	notes := func(d desiredService, svc *service.ServiceGetOut) string {
		t.Helper()
		got, err := d.compare(svc)
		if err != nil {
			t.Fatal(err)
		}
		d.remember(obj, got)
		return joinNotes(got.notes...)
	}

	difference, err := without.compare(remoteService())
	if err != nil || !slices.Equal(difference.fields, []string{"userConfig.ip_filter"}) {
		t.Fatalf("differs in %q, %v", difference.fields, err)
	}
	if in := without.update(remoteService(), difference); in.UserConfig == nil || len(*in.UserConfig) != 1 {
		t.Errorf("an update sends %v", in.UserConfig)
	}
	if note := joinNotes(difference.notes...); note != "" {
		t.Errorf("there is a note before it was sent: %s", note)
	}
	without.remember(obj, difference)
	for range 2 {
		if note := notes(without, open("0.0.0.0/0", "::/0")); note != openNote {
			t.Errorf("the note is %q", note)
		}
	}
	if note := notes(without, open("10.0.0.0/8")); note != "" {
		t.Errorf("the note is %q though others have closed it", note)
	}
	if note := notes(without, open(map[string]any{"network": "::/0"})); note != openNote {
		t.Errorf("the note is %q", note)
	}
	with := desiredService{spec: spec, status: &obj.Status, userConfig: config, newConfig: config, given: givenBy(config)}
	if note := notes(with, remoteService()); note != "" {
		t.Errorf("the note is %q though the spec has a filter", note)
	}
	if obj.Status.IPFilterRemoved {
		t.Error("the status still says that the filter was removed")
	}
}

func TestDiskSpaceMiB(t *testing.T) {
	for size, want := range map[string]int{"": 0, "100": 102400, "100GiB": 102400, "100gib": 102400, "100G": 102400, "1": 1024} {
		if got := diskSpaceMiB(size); got != want {
			t.Errorf("%q = %d MiB, want %d", size, got, want)
		}
	}
}
