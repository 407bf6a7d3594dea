// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/service/pg"
)

// TestKindsImplementObject writes through the accessors of every registered kind
// and reads the effect from the object's JSON.
func TestKindsImplementObject(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.Install(scheme); err != nil {
		t.Fatal(err)
	}
	kinds := 0
	for kind := range scheme.KnownTypes(v1alpha1.SchemeGroupVersion) {
		created, err := scheme.New(v1alpha1.SchemeGroupVersion.WithKind(kind))
		if err != nil {
			t.Fatal(err)
		}
		root := reflect.TypeOf(created).Elem()
		if root.PkgPath() != reflect.TypeFor[v1alpha1.CommonStatus]().PkgPath() || strings.HasSuffix(kind, "List") {
			continue
		}
		kinds++
		t.Run(kind, func(t *testing.T) {
			o, ok := created.(v1alpha1.Object)
			if !ok {
				t.Fatalf("%T does not implement Object", created)
			}
			spec := `{"metadata":{"name":"n"},"spec":{"project":"p","serviceName":"s","authSecretRef":{"name":"a","key":"k"}}}`
			if err := json.Unmarshal([]byte(spec), o); err != nil {
				t.Fatal(err)
			}
			*o.Conditions() = []metav1.Condition{{Type: "Ready"}}
			*o.ObservedGeneration() = 7
			*o.Adopted() = true

			var got struct{ Status v1alpha1.CommonStatus }
			data, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			want := v1alpha1.CommonStatus{Conditions: []metav1.Condition{{Type: "Ready"}}, ObservedGeneration: 7, Adopted: true}
			if !reflect.DeepEqual(got.Status, want) {
				t.Errorf("status is %+v, want %+v", got.Status, want)
			}
			if ref := o.AuthSecret(); ref == nil || *ref != (v1alpha1.AuthSecretReference{Name: "a", Key: "k"}) {
				t.Errorf("AuthSecret() = %v", ref)
			}
			wantService := "s"
			if _, ok := o.(v1alpha1.Service); ok {
				wantService = "n"
			}
			if project, service := o.ServiceRef(); project != "p" || service != wantService {
				t.Errorf("ServiceRef() = %q, %q, want p, %s", project, service, wantService)
			}
		})
	}
	if kinds == 0 {
		t.Error("no kind is registered")
	}
}

func TestConnInfoTarget(t *testing.T) {
	full := &v1alpha1.ConnInfoSecretTarget{Name: "secret", Prefix: "MY_", Labels: map[string]string{"l": "v"}}
	tests := map[string]struct {
		spec         v1alpha1.ConnInfoSpec
		want         v1alpha1.ConnInfoSecretTarget
		wantDisabled bool
	}{
		"nothing set":       {want: v1alpha1.ConnInfoSecretTarget{Name: "db", Prefix: "POSTGRESQL_"}},
		"all set":           {spec: v1alpha1.ConnInfoSpec{ConnInfoSecretTarget: full}, want: *full},
		"name only":         {spec: v1alpha1.ConnInfoSpec{ConnInfoSecretTarget: &v1alpha1.ConnInfoSecretTarget{Name: "secret"}}, want: v1alpha1.ConnInfoSecretTarget{Name: "secret", Prefix: "POSTGRESQL_"}},
		"disabled":          {spec: v1alpha1.ConnInfoSpec{ConnInfoSecretTarget: full, ConnInfoSecretTargetDisabled: new(true)}, wantDisabled: true},
		"disabled is false": {spec: v1alpha1.ConnInfoSpec{ConnInfoSecretTarget: full, ConnInfoSecretTargetDisabled: new(false)}, want: *full},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := &v1alpha1.PostgreSQL{ObjectMeta: metav1.ObjectMeta{Name: "db"}}
			o.Spec.ConnInfoSpec = test.spec
			got, disabled := o.ConnInfoTarget()
			if !reflect.DeepEqual(got, test.want) || disabled != test.wantDisabled {
				t.Errorf("ConnInfoTarget() = %+v, %t, want %+v, %t", got, disabled, test.want, test.wantDisabled)
			}
		})
	}
}

// TestUserConfigJSON checks that a user configuration marshals to what Aiven
// takes: its own names, zero values kept, unset ones left out.
func TestUserConfigJSON(t *testing.T) {
	o := &v1alpha1.PostgreSQL{}
	if got := o.UserConfig(); got != nil {
		t.Fatalf("UserConfig() = %#v, want nil", got)
	}
	o.Spec.UserConfig = &pg.UserConfig{
		StaticIPs: new(false),
		IPFilter:  []pg.IPFilter{{Network: "10.0.0.0/8"}},
		Pg:        &pg.Pg{PgPartmanBgwInterval: new(int64(3600))},
	}
	data, err := json.Marshal(o.UserConfig())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"static_ips": false,
		"ip_filter":  []any{map[string]any{"network": "10.0.0.0/8"}},
		"pg":         map[string]any{"pg_partman_bgw.interval": 3600.0},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("user configuration is %v, want %v", got, want)
	}
}

func TestRemoteName(t *testing.T) {
	meta := metav1.ObjectMeta{Name: "object"}
	tests := map[string]struct {
		o    interface{ RemoteName() string }
		want string
	}{
		"database by default": {&v1alpha1.Database{ObjectMeta: meta}, "object"},
		"database":            {&v1alpha1.Database{ObjectMeta: meta, Spec: v1alpha1.DatabaseSpec{DatabaseName: "own"}}, "own"},
		"user by default":     {&v1alpha1.ServiceUser{ObjectMeta: meta}, "object"},
		"user":                {&v1alpha1.ServiceUser{ObjectMeta: meta, Spec: v1alpha1.ServiceUserSpec{Username: "own"}}, "own"},
		"topic by default":    {&v1alpha1.KafkaTopic{ObjectMeta: meta}, "object"},
		"topic":               {&v1alpha1.KafkaTopic{ObjectMeta: meta, Spec: v1alpha1.KafkaTopicSpec{TopicName: "own"}}, "own"},
		"pool":                {&v1alpha1.ConnectionPool{ObjectMeta: meta, Spec: v1alpha1.ConnectionPoolSpec{Username: "other"}}, "object"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.o.RemoteName(); got != test.want {
				t.Errorf("RemoteName() = %q, want %q", got, test.want)
			}
		})
	}
}
