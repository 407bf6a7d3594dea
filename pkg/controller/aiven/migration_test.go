// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aiven/go-client-codegen/handler/service"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

func migrationSecret(data map[string]string) *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "source"}, Data: map[string][]byte{}}
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	return secret
}

func TestParseMigration(t *testing.T) {
	minimal := map[string]string{"host": "db.example.com", "port": "5432"}
	with := func(key, value string) map[string]string {
		out := maps.Clone(minimal)
		out[key] = value
		return out
	}
	tests := map[string]struct {
		data map[string]string
		more []string
		want map[string]any
		err  string
	}{
		"the least": {data: minimal, want: map[string]any{"host": "db.example.com", "port": 5432.0}},
		"all": {
			data: map[string]string{
				"host": "h", "port": "1", "password": "p w", "dbname": "d", "username": "u", "ssl": "false",
				"method": "dump", "ignore_dbs": "a,b", "ignore_roles": "c", "dump_tool": "mydumper", "reestablish_replication": "true",
			},
			more: mySQLMigrationKeys[:],
			want: map[string]any{
				"host": "h", "port": 1.0, "password": "p w", "dbname": "d", "username": "u", "ssl": false,
				"method": "dump", "ignore_dbs": "a,b", "ignore_roles": "c", "dump_tool": "mydumper", "reestablish_replication": true,
			},
		},
		"a key of another type": {data: with("dump_tool", "mydumper"), want: map[string]any{"host": "db.example.com", "port": 5432.0}},
		"no host":               {data: map[string]string{"port": "1"}, err: `no key "host"`},
		"empty host":            {data: map[string]string{"host": "", "port": "1"}, err: `no key "host"`},
		"no port":               {data: map[string]string{"host": "h"}, err: `no key "port"`},
		"port":                  {data: with("port", "s3cret"), err: "not a port number"},
		"port 0":                {data: with("port", "0"), err: "not a port number"},
		"flag":                  {data: with("ssl", "s3cret"), err: "neither true nor false"},
		"line feed":             {data: with("password", "s3cret\n"), err: `"password" of Secret "source" begins or ends with white space`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseMigration(migrationSecret(tc.data), slices.Concat(migrationKeys[:], tc.more))
			if tc.err == "" {
				if err != nil || !reflect.DeepEqual(got, tc.want) {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("got %v, want %q", err, tc.err)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v tells a value", err)
			}
		})
	}
}

func TestMigrationPasswordThatAivenHides(t *testing.T) {
	d := digester{key: []byte("key")}
	state := func(password string) *v1alpha1.SourceSecretStatus {
		return d.stateOf(migrationSecret(nil), password).status()
	}
	migration := map[string]any{"host": "h", "password": "s3cret"}
	for name, tc := range map[string]struct {
		shown map[string]any
		last  *v1alpha1.SourceSecretStatus
		want  []string
	}{
		"hidden":                {map[string]any{"host": "h"}, state("s3cret"), nil},
		"hidden, not recorded":  {map[string]any{"host": "h"}, nil, nil},
		"hidden, changed since": {map[string]any{"host": "h"}, state("former"), []string{"userConfig.migration.password"}},
		"the same":              {map[string]any{"host": "h", "password": "s3cret"}, nil, nil},
		"another":               {map[string]any{"host": "h", "password": "x"}, nil, []string{"userConfig.migration.password"}},
		"other host":            {map[string]any{"host": "i"}, nil, []string{"userConfig.migration.host"}},
		"nothing":               {nil, nil, []string{"userConfig.migration.host", "userConfig.migration.password"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := desiredService{
				spec: &v1alpha1.ServiceCommonSpec{}, status: &v1alpha1.ServiceStatus{MigrationSource: tc.last},
				migration: migration, migrationSource: d.stateOf(migrationSecret(nil), "s3cret"),
				userConfig: map[string]any{"migration": migration},
			}
			svc := &service.ServiceGetOut{UserConfig: map[string]any{}}
			if tc.shown != nil {
				svc.UserConfig["migration"] = tc.shown
			}
			got, err := w.compare(svc)
			if err != nil || !slices.Equal(got.fields, tc.want) {
				t.Errorf("got %v, %v; want %v", got.fields, err, tc.want)
			}
		})
	}
	if migration["password"] != "s3cret" {
		t.Error("the comparison changed what is sent")
	}
}

func TestSettingsOfAVPC(t *testing.T) {
	network := func(id, state, project string) *v1alpha1.ProjectVPC {
		return &v1alpha1.ProjectVPC{
			Spec:   v1alpha1.ProjectVPCSpec{ProjectDependantSpec: v1alpha1.ProjectDependantSpec{Project: project}},
			Status: v1alpha1.ProjectVPCStatus{ID: id, State: state},
		}
	}
	ref := &v1alpha1.ResourceReference{Name: "net", Namespace: "shared"}
	for name, tc := range map[string]struct {
		id     string
		ref    *v1alpha1.ResourceReference
		object reconcile.Object
		err    error
		want   string
		reason string
	}{
		"none":            {},
		"id":              {id: "vpc-1", want: "vpc-1"},
		"reference":       {ref: ref, object: network("vpc-2", "ACTIVE", "p"), want: "vpc-2"},
		"both":            {id: "vpc-1", ref: ref, reason: reasonInvalidSpec},
		"absent":          {ref: ref, reason: reasonWaitingForVPC},
		"no id yet":       {ref: ref, object: network("", "", "p"), reason: reasonWaitingForVPC},
		"not active":      {ref: ref, object: network("vpc-2", "APPROVED", "p"), reason: reasonWaitingForVPC},
		"another project": {ref: ref, object: network("vpc-2", "ACTIVE", "q"), reason: reasonInvalidSpec},
		"not listed yet":  {ref: ref, err: reconcile.ErrPending},
	} {
		t.Run(name, func(t *testing.T) {
			obj := &v1alpha1.Grafana{}
			obj.Namespace, obj.Spec.Project, obj.Spec.ProjectVPCID, obj.Spec.ProjectVPCRef = "ns", "p", tc.id, tc.ref
			r := &remote{object: func(got reconcile.Reference) (reconcile.Object, error) {
				if got.String() != "ProjectVPC shared/net" {
					t.Errorf("asked for %s", got)
				}
				return tc.object, tc.err
			}}
			spec, err := r.settings(obj)
			var problem *reconcile.Problem
			switch {
			case tc.reason != "":
				if !errors.As(err, &problem) || problem.Reason != tc.reason {
					t.Errorf("got %v, want %s", err, tc.reason)
				}
			case !errors.Is(err, tc.err):
				t.Errorf("got %v, want %v", err, tc.err)
			case err == nil && spec.ProjectVPCID != tc.want:
				t.Errorf("got %q, want %q", spec.ProjectVPCID, tc.want)
			}
			if obj.Spec.ProjectVPCID != tc.id {
				t.Error("the object was changed")
			}
		})
	}
}
