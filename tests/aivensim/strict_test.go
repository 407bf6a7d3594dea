// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"fmt"
	"testing"

	codegen "github.com/aiven/go-client-codegen/handler/service"
)

// An empty IP filter lets nobody in, and null everybody, for every type of service.
func TestIPFilter(t *testing.T) {
	s := startSim(t, Options{})
	for kind := range serviceTypes() {
		name := "of-" + map[bool]string{true: "connect", false: kind}[kind == "kafka_connect"]
		s.create(t, kind, name, "business-4")
		filter := func() string {
			t.Helper()
			sv, ok := s.Project(testProject).Service(name)
			if !ok {
				t.Fatalf("no service %s", name)
			}
			return fmt.Sprint(sv.UserConfig["ip_filter"])
		}
		const open = "[0.0.0.0/0 ::/0]"
		if got := filter(); got != open {
			t.Errorf("%s: a new service lets in %s", kind, got)
		}
		path := "/v1/project/acme/service/" + name
		must(t, s.raw(t, "PUT", path, `{"user_config":{"ip_filter":[]}}`))
		if got := filter(); got != "[]" {
			t.Errorf("%s: [] lets in %s", kind, got)
		}
		must(t, s.raw(t, "PUT", path, `{"user_config":{}}`))
		if got := filter(); got != "[]" {
			t.Errorf("%s: an update without a filter lets in %s", kind, got)
		}
		must(t, s.raw(t, "PUT", path, `{"user_config":{"ip_filter":null}}`))
		if got := filter(); got != open {
			t.Errorf("%s: null lets in %s", kind, got)
		}
	}
}

// Where passwords are hidden, one that was chosen is shown nowhere, and one that
// Aiven made is.
func TestHiddenPasswords(t *testing.T) {
	s := startSim(t, Options{HiddenPasswords: []string{"mysql"}})
	for kind, hidden := range map[string]bool{"mysql": true, "pg": false} {
		s.create(t, kind, kind, "startup-4")
		must(t, s.Outside(testProject, kind).CreateUser("u"))
		shown := func() string {
			t.Helper()
			out, err := s.service.ServiceGet(t.Context(), testProject, kind, codegen.ServiceGetIncludeSecrets(true))
			must(t, err)
			for _, u := range out.Users {
				if u.Username == "u" {
					return u.Password
				}
			}
			t.Fatal("the user is not listed")
			return ""
		}
		if shown() == "" {
			t.Errorf("%s: the password that Aiven made is hidden", kind)
		}
		must(t, s.Outside(testProject, kind).ResetUser("u", "chosen-by-me"))
		if got := shown(); (got == "") != hidden {
			t.Errorf("%s: the chosen password shows as %q", kind, got)
		}
		if sv, _ := s.Project(testProject).Service(kind); sv.Users[1].Password != "chosen-by-me" {
			t.Errorf("%s: the password is %q", kind, sv.Users[1].Password)
		}
		must(t, s.Outside(testProject, kind).ResetUser("u", ""))
		if shown() == "" {
			t.Errorf("%s: the password that Aiven made again is hidden", kind)
		}
	}
}

// What an autoscaler has, the API refuses to set.
func TestAutoscaler(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "pg", "db", "startup-4")
	wantStatus(t, s.Autoscale(testProject, "db", "business-8", 0), 400, "business-8")
	wantStatus(t, s.Autoscale(testProject, "db", "", 1<<20), 400, "disk")
	for kind, config := range map[string]map[string]any{
		"autoscaler":         {"autoscaling": []any{map[string]any{"type": "autoscale_disk", "cap_gb": 1000}}},
		"autoscaler_service": {},
	} {
		endpoint, err := s.OutsideProject(testProject).CreateEndpoint(map[string]any{"endpoint_name": kind, "endpoint_type": kind, "user_config": config})
		must(t, err)
		_, err = s.OutsideProject(testProject).CreateIntegration(map[string]any{"integration_type": kind, "source_service": "db", "dest_endpoint_id": endpoint})
		must(t, err)
	}
	const path = "/v1/project/acme/service/db"
	wantStatus(t, s.raw(t, "PUT", path, `{"plan":"business-4"}`), 400, "autoscaler")
	wantStatus(t, s.raw(t, "PUT", path, `{"disk_space_mb":409600}`), 400, "autoscaler")
	must(t, s.raw(t, "PUT", path, `{"plan":"startup-4","user_config":{"backup_hour":1}}`))
	wantStatus(t, s.Autoscale(testProject, "db", "business-5", 0), 400, "business-5")
	must(t, s.Autoscale(testProject, "db", "business-8", 0))
	must(t, s.Autoscale(testProject, "db", "", 1<<20))
	if sv, _ := s.Project(testProject).Service("db"); sv.Plan != "business-8" || sv.DiskSpaceMB != 1<<20 {
		t.Errorf("the service has plan %s and %d MiB", sv.Plan, sv.DiskSpaceMB)
	}
}
