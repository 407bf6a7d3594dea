// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	aivenv1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// named gives an object its kind, as one that was read from YAML has it.
func named[T aivenv1alpha1.Publisher](object T, kind, prefix string) T {
	object.SetName("x")
	object.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{Group: "aiven.io", Version: "v1alpha1", Kind: kind})
	if prefix != "" {
		target := &aivenv1alpha1.ConnInfoSecretTarget{Name: "x", Prefix: prefix}
		switch o := any(object).(type) {
		case *aivenv1alpha1.ServiceUser:
			o.Spec.ConnInfoSecretTarget = target
		case *aivenv1alpha1.PostgreSQL:
			o.Spec.ConnInfoSecretTarget = target
		}
	}
	return object
}

func TestCheckKeys(t *testing.T) {
	kafkaUser := map[string]string{
		"MY_HOST": "h", "MY_PORT": "1", "MY_USERNAME": "u", "MY_PASSWORD": "p", "MY_ACCESS_CERT": "c", "MY_ACCESS_KEY": "k",
		"MY_CA_CERT": "ca", "MY_SASL_HOST": "", "MY_SASL_PORT": "", "MY_SCHEMA_REGISTRY_HOST": "", "MY_SCHEMA_REGISTRY_PORT": "",
	}
	changed := func(change func(map[string]string)) map[string]string {
		data := maps.Clone(kafkaUser)
		change(data)
		return data
	}
	user := named(&aivenv1alpha1.ServiceUser{}, "ServiceUser", "MY_")
	for name, tc := range map[string]struct {
		object  aivenv1alpha1.Publisher
		service string
		data    map[string]string
		want    string
	}{
		"complete":     {user, "kafka", kafkaUser, ""},
		"missing":      {user, "kafka", changed(func(d map[string]string) { delete(d, "MY_SASL_PORT") }), "no MY_SASL_PORT"},
		"no value":     {user, "kafka", changed(func(d map[string]string) { d["MY_ACCESS_KEY"] = "" }), "no value for MY_ACCESS_KEY"},
		"undocumented": {user, "kafka", changed(func(d map[string]string) { d["HOST"] = "h" }), "an undocumented HOST"},
		"of PostgreSQL": {user, "pg", map[string]string{
			"MY_HOST": "h", "MY_PORT": "1", "MY_USERNAME": "u", "MY_PASSWORD": "p", "MY_ACCESS_CERT": "", "MY_ACCESS_KEY": "", "MY_CA_CERT": "ca",
		}, ""},
		"other prefix":   {named(&aivenv1alpha1.ServiceUser{}, "ServiceUser", ""), "kafka", kafkaUser, "no value for SERVICEUSER_HOST"},
		"without legacy": {named(&aivenv1alpha1.PostgreSQL{}, "PostgreSQL", ""), "pg", map[string]string{}, "no value for PGHOST"},
		"unknown kind":   {named(&aivenv1alpha1.PostgreSQL{}, "MySQL", ""), "mysql", map[string]string{}, "no keys are documented"},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkKeys(tc.data, wantedKeys(tc.object, tc.service))
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
	if slices.Contains(documented["ServiceUser"].filled, "ACCESS_CERT") {
		t.Error("wantedKeys has changed the table")
	}
}

func TestPostgresConnection(t *testing.T) {
	user := named(&aivenv1alpha1.ServiceUser{}, "ServiceUser", "")
	data := map[string]string{
		"SERVICEUSER_HOST": "127.0.0.1", "SERVICEUSER_PORT": "5432", "SERVICEUSER_USERNAME": "app",
		"SERVICEUSER_PASSWORD": "p@ss/word", "SERVICEUSER_CA_CERT": "ca",
	}
	conn, ok := postgresConnection(user, "pg", data)
	if want := (connection{"postgres://app:p%40ss%2Fword@127.0.0.1:5432/defaultdb?sslmode=require", "app", "ca"}); !ok || conn != want {
		t.Errorf("connection %v (%t), want %v", conn, ok, want)
	}
	if _, ok := postgresConnection(user, "kafka", data); ok {
		t.Error("a Kafka user connects to PostgreSQL")
	}
	conn, ok = postgresConnection(named(&aivenv1alpha1.PostgreSQL{}, "PostgreSQL", "MY_"), "pg",
		map[string]string{"MY_DATABASE_URI": "postgres://", "MY_USER": "avnadmin", "MY_CA_CERT": "ca"})
	if want := (connection{"postgres://", "avnadmin", "ca"}); !ok || conn != want {
		t.Errorf("connection %v (%t), want %v", conn, ok, want)
	}
}

func TestPsqlArgsHoldNoPassword(t *testing.T) {
	args, password, err := psqlArgs("postgres://app:p%40ss@127.0.0.1:5432/orders?sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	if password != "p@ss" {
		t.Errorf("the password is %q", password)
	}
	if got, want := args[len(args)-1], "postgres://app@127.0.0.1:5432/orders?sslmode=require"; got != want {
		t.Errorf("psql is given %q, want %q", got, want)
	}
	for _, uri := range []string{"", "postgres://app@127.0.0.1/x", "postgres://app:s%3@x"} {
		if _, _, err := psqlArgs(uri); err == nil || strings.Contains(err.Error(), "s%3") {
			t.Errorf("%q: error %v, want one that does not quote it", uri, err)
		}
	}
}
