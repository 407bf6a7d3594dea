// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const samplesText = `
apiVersion: aiven.io/v1alpha1
kind: PostgreSQL
metadata: {name: pg}
spec: {authSecretRef: {name: aiven-token, key: token}, project: theirs, plan: startup-4}
---
# nothing but a comment
---
apiVersion: aiven.io/v1alpha1
kind: Database
metadata: {name: db}
spec: {authSecretRef: {name: aiven-token, key: token}, project: theirs, serviceName: pg}
---
apiVersion: aiven.io/v1alpha1
kind: Valkey
metadata: {name: cache}
spec: {authSecretRef: {name: aiven-token, key: other}, project: theirs, plan: startup-4}
---
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: bao}
spec:
  backup: {}
  upgrade: {strategy: RollingUpdate}
  authorization: {adminTokenSecretRef: {name: once}}
`

var here = place{namespace: "here", project: "mine", openBaoAddress: "https://127.0.0.1:8200"}

func parseAll(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := parseObjects(text)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func TestPrepareSamples(t *testing.T) {
	got, err := prepareSamples(parseAll(t, samplesText), here)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, object := range got.objects {
		names = append(names, nameOf(object))
		if object.GetNamespace() != "here" {
			t.Errorf("%s is in namespace %q", nameOf(object), object.GetNamespace())
		}
	}
	if want := []string{"PostgreSQL/pg", "Database/db", "Valkey/cache", "OpenBaoCluster/bao"}; !slices.Equal(names, want) {
		t.Errorf("objects %q, want %q", names, want)
	}
	if want := []secretKey{{"aiven-token", "token"}, {"aiven-token", "other"}}; !slices.Equal(got.tokens, want) {
		t.Errorf("tokens %v, want %v", got.tokens, want)
	}
	if want := []secretKey{{"once", "token"}}; !slices.Equal(got.adminTokens, want) {
		t.Errorf("admin tokens %v, want %v", got.adminTokens, want)
	}
	if want := []secretKey{{"bao-tls-ca", "ca.crt"}}; !slices.Equal(got.authorities, want) {
		t.Errorf("authorities %v, want %v", got.authorities, want)
	}
	if want := []string{"bao-backup-serviceaccount", "bao-upgrade-serviceaccount"}; !slices.Equal(got.accounts, want) {
		t.Errorf("accounts %q, want %q", got.accounts, want)
	}
	if project, _, _ := unstructured.NestedString(got.objects[0].Object, "spec", "project"); project != "mine" {
		t.Errorf("the project is %q", project)
	}
	address, _, _ := unstructured.NestedString(got.objects[3].Object, "spec", "authorization", "address")
	if address != here.openBaoAddress {
		t.Errorf("the address is %q", address)
	}
}

func TestPrepareSamplesRefuses(t *testing.T) {
	const bao = `{"apiVersion":"openbao.org/v1alpha1","kind":"OpenBaoCluster","metadata":{"name":"NAME"},"spec":{"authorization":{"adminTokenSecretRef":{"name":"once"}}}}`
	for name, tc := range map[string]struct{ text, want string }{
		"no token":            {`{"apiVersion":"aiven.io/v1alpha1","kind":"Valkey","metadata":{"name":"x"},"spec":{}}`, "Valkey/x: it names no token"},
		"no admin token":      {`{"apiVersion":"openbao.org/v1alpha1","kind":"OpenBaoCluster","metadata":{"name":"x"}}`, "names no admin token"},
		"two clusters":        {strings.ReplaceAll(bao, "NAME", "a") + "\n---\n" + strings.ReplaceAll(bao, "NAME", "b"), "2 OpenBaoClusters"},
		"unknown group":       {`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}`, "ConfigMap/x"},
		"reference is no map": {`{"apiVersion":"aiven.io/v1alpha1","kind":"Valkey","metadata":{"name":"x"},"spec":{"authSecretRef":"y"}}`, "Valkey/x"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := prepareSamples(parseAll(t, tc.text), here)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}
