// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"slices"
	"testing"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

func TestServiceDiffers(t *testing.T) {
	remote := func(change ...func(*service.ServiceGetOut)) *service.ServiceGetOut {
		svc := &service.ServiceGetOut{
			Plan: "startup-4", CloudName: "google-europe-west1", ProjectVpcId: "vpc",
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
	same := func(s *v1alpha1.ServiceCommonSpec) {
		s.TechnicalEmails = []v1alpha1.ServiceTechEmail{{Email: "B@example.com"}, {Email: "a@example.com"}}
		s.Tags = map[string]string{"env": "prod"}
	}
	tests := map[string]struct {
		spec   func(*v1alpha1.ServiceCommonSpec)
		config map[string]any
		remote *service.ServiceGetOut
		want   []string
	}{
		"nothing but the plan": {spec: func(*v1alpha1.ServiceCommonSpec) {}},
		"all the same": {spec: func(s *v1alpha1.ServiceCommonSpec) {
			s.CloudName, s.ProjectVPCID, s.DiskSpace = "google-europe-west1", "vpc", "600GiB"
			s.MaintenanceWindowDow, s.MaintenanceWindowTime = "sunday", "11:00:00"
			s.TerminationProtection = new(false)
		}, config: map[string]any{"pg": map[string]any{"work_mem": 4}}},
		"plan":       {spec: func(s *v1alpha1.ServiceCommonSpec) { s.Plan = "business-8" }, want: []string{"plan"}},
		"cloud":      {spec: func(s *v1alpha1.ServiceCommonSpec) { s.CloudName = "aws-eu-west-1" }, want: []string{"cloudName"}},
		"vpc":        {spec: func(s *v1alpha1.ServiceCommonSpec) { s.ProjectVPCID = "other" }, want: []string{"projectVpcId"}},
		"protection": {spec: func(s *v1alpha1.ServiceCommonSpec) { s.TerminationProtection = new(true) }, want: []string{"terminationProtection"}},
		"disk":       {spec: func(s *v1alpha1.ServiceCommonSpec) { s.DiskSpace = "700G" }, want: []string{"disk_space"}},
		"window": {spec: func(s *v1alpha1.ServiceCommonSpec) { s.MaintenanceWindowDow = "monday" },
			want: []string{"maintenanceWindowDow"}},
		"window not set yet": {spec: func(s *v1alpha1.ServiceCommonSpec) { s.MaintenanceWindowTime = "01:00:00" },
			remote: remote(func(svc *service.ServiceGetOut) { svc.Maintenance = nil }), want: []string{"maintenanceWindow"}},
		"emails cleared":          {spec: func(s *v1alpha1.ServiceCommonSpec) { s.TechnicalEmails = nil }, want: []string{"technicalEmails"}},
		"tags cleared":            {spec: func(s *v1alpha1.ServiceCommonSpec) { s.Tags = nil }, want: []string{"tags"}},
		"setting":                 {config: map[string]any{"pg": map[string]any{"work_mem": 8, "jit": true}}, want: []string{"userConfig.pg.work_mem"}},
		"setting not there":       {config: map[string]any{"pgbouncer": map[string]any{"min_pool_size": 1}}, want: []string{"userConfig.pgbouncer.min_pool_size"}},
		"filter in the long form": {config: map[string]any{"ip_filter": []any{map[string]any{"network": "10.0.0.0/8"}}}},
		"filter described":        {config: map[string]any{"ip_filter": []any{map[string]any{"network": "10.0.0.0/8", "description": "x"}}}, want: []string{"userConfig.ip_filter"}},
		"filter longer":           {config: map[string]any{"ip_filter": []any{"10.0.0.0/8", "10.1.0.0/16"}}, want: []string{"userConfig.ip_filter"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			spec := &v1alpha1.ServiceCommonSpec{}
			spec.Plan = "startup-4"
			same(spec)
			if tt.spec != nil {
				tt.spec(spec)
			}
			svc := tt.remote
			if svc == nil {
				svc = remote()
			}
			var config any
			if tt.config != nil {
				config = tt.config
			}
			got, err := serviceDiffers(spec, config, svc)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("differs in %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDiskSpaceMiB(t *testing.T) {
	for size, want := range map[string]int{"": 0, "100": 102400, "100GiB": 102400, "100gib": 102400, "100G": 102400, "1": 1024} {
		if got := diskSpaceMiB(size); got != want {
			t.Errorf("%q = %d MiB, want %d", size, got, want)
		}
	}
}
