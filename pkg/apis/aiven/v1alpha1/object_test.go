// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

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
			spec := `{"metadata":{"name":"n"},"spec":{"project":"p","organizationId":"o","serviceName":"s","authSecretRef":{"name":"a","key":"k"}}}`
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
			wantRef := [2]string{"p", "s"}
			if _, ok := o.(v1alpha1.Service); ok {
				wantRef[1] = "n"
			}
			if place, ok := outsideServices[kind]; ok {
				wantRef = [2]string{place, ""}
			}
			if project, service := o.ServiceRef(); [2]string{project, service} != wantRef {
				t.Errorf("ServiceRef() = %q, %q, want %q", project, service, wantRef)
			}
		})
	}
	if kinds == 0 {
		t.Error("no kind is registered")
	}
}

// outsideServices are the kinds that are not part of a service, and the place
// that TestKindsImplementObject puts them in.
var outsideServices = map[string]string{
	"Project": "n", "OrganizationProject": "o", "UpgradePipelineStep": "o",
	"ProjectVPC": "p", "ServiceIntegration": "p", "ServiceIntegrationEndpoint": "p",
}

// TestPublishers checks who publishes, and under which prefix.
func TestPublishers(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.Install(scheme); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for kind := range scheme.KnownTypes(v1alpha1.SchemeGroupVersion) {
		o, err := scheme.New(v1alpha1.SchemeGroupVersion.WithKind(kind))
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := o.(v1alpha1.Publisher); ok {
			target, _ := p.ConnInfoTarget()
			got[kind] = target.Prefix
		}
	}
	want := map[string]string{
		"PostgreSQL": "POSTGRESQL_", "MySQL": "MYSQL_", "Kafka": "KAFKA_", "OpenSearch": "OPENSEARCH_", "Clickhouse": "CLICKHOUSE_",
		"Grafana": "GRAFANA_", "Flink": "FLINK_", "Valkey": "VALKEY_", "ConnectionPool": "CONNECTIONPOOL_", "ServiceUser": "SERVICEUSER_",
		"ClickhouseUser": "CLICKHOUSEUSER_", "Project": "PROJECT_", "OrganizationProject": "ORGANIZATIONPROJECT_",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("publishers are %v, want %v", got, want)
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
		"quota of a user":     {&v1alpha1.KafkaQuota{ObjectMeta: meta, Spec: v1alpha1.KafkaQuotaSpec{User: "u/v"}}, "u%2Fv/"},
		"quota of a client":   {&v1alpha1.KafkaQuota{ObjectMeta: meta, Spec: v1alpha1.KafkaQuotaSpec{ClientID: "u%2Fv"}}, "/u%252Fv"},
		"grant":               {&v1alpha1.ClickhouseGrant{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "object"}}, "ns/object"},
		"endpoint by default": {&v1alpha1.ServiceIntegrationEndpoint{ObjectMeta: meta, Spec: v1alpha1.ServiceIntegrationEndpointSpec{EndpointType: "rsyslog"}}, "rsyslog/object"},
		"endpoint":            {&v1alpha1.ServiceIntegrationEndpoint{ObjectMeta: meta, Spec: v1alpha1.ServiceIntegrationEndpointSpec{EndpointType: "rsyslog", EndpointName: "own"}}, "rsyslog/own"},
		"integration of services": {integration(v1alpha1.ServiceIntegrationSpec{SourceServiceName: "s", DestinationServiceName: "d", DestinationProjectName: "q"}),
			"metrics/p%2Fs/q%2Fd"},
		"integration with an endpoint": {integration(v1alpha1.ServiceIntegrationSpec{SourceServiceName: "s", DestinationEndpointID: "e"}),
			"metrics/p%2Fs/endpoint:e"},
		"integration from an endpoint to an object": {integration(v1alpha1.ServiceIntegrationSpec{SourceEndpointID: "e", DestinationEndpointRef: &v1alpha1.EndpointReference{Name: "o"}}),
			"metrics/endpoint:e/object:ns%2Fo"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.o.RemoteName(); got != test.want {
				t.Errorf("RemoteName() = %q, want %q", got, test.want)
			}
		})
	}
}

// integration returns an integration of metrics in the project p, in the
// namespace ns.
func integration(spec v1alpha1.ServiceIntegrationSpec) *v1alpha1.ServiceIntegration {
	o := &v1alpha1.ServiceIntegration{ObjectMeta: metav1.ObjectMeta{Namespace: "ns"}, Spec: spec}
	o.Spec.Project, o.Spec.IntegrationType = "p", "metrics"
	return o
}

// TestIntegrationUserConfig checks that every block of settings is found by the
// type that it is for, and by no other. A block's field is the type's name
// without underscores, in any case of letters.
func TestIntegrationUserConfig(t *testing.T) {
	for _, o := range []interface {
		v1alpha1.Object
		UserConfig() any
	}{&v1alpha1.ServiceIntegration{}, &v1alpha1.ServiceIntegrationEndpoint{}} {
		spec := reflect.ValueOf(o).Elem().FieldByName("Spec")
		blocks := map[string]any{}
		for field, value := range spec.Fields() {
			if field.Type.Kind() == reflect.Pointer && field.Type.Elem().Name() == "UserConfig" {
				value.Set(reflect.New(field.Type.Elem()))
				blocks[strings.ToLower(field.Name)] = value.Interface()
			}
		}
		typeField := spec.FieldByName("IntegrationType")
		if !typeField.IsValid() {
			typeField = spec.FieldByName("EndpointType")
		}
		for _, name := range typesOf(t, o) {
			typeField.SetString(name)
			key := strings.ReplaceAll(name, "_", "")
			if got, want := o.UserConfig(), blocks[key]; got != want {
				t.Errorf("%T of type %s: UserConfig() = %T, want %T", o, name, got, want)
			}
			delete(blocks, key)
		}
		for name := range blocks {
			t.Errorf("%T: no type has the settings %s", o, name)
		}
	}
}

// typesOf returns the values of integrationType or endpointType that the CRD
// accepts.
func typesOf(t *testing.T, o v1alpha1.Object) []string {
	t.Helper()
	file, field := "serviceintegrations", "integrationType"
	if _, ok := o.(*v1alpha1.ServiceIntegrationEndpoint); ok {
		file, field = "serviceintegrationendpoints", "endpointType"
	}
	data, err := os.ReadFile("../../../../manifests/crds/aiven.io_" + file + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	type schema struct {
		Properties map[string]struct {
			Properties map[string]struct{ Enum []string }
		}
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema schema }
			}
		}
	}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties[field].Enum
}
