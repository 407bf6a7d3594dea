// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"errors"
	"net/netip"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// development returns the smallest cluster that is in order.
func development() *openbaov1alpha1.OpenBaoCluster {
	c := &openbaov1alpha1.OpenBaoCluster{}
	c.Name, c.Namespace, c.UID = "dev", "team-a", "0b9f3c1e-0000-4000-8000-000000000001"
	c.Spec.Version = "2.6.2"
	c.Spec.Profile = openbaov1alpha1.ProfileDevelopment
	c.Spec.TLS = &openbaov1alpha1.TLSSpec{Enabled: true}
	c.Spec.Storage = &openbaov1alpha1.StorageSpec{Size: "1Gi"}
	return c
}

// hardened returns the smallest cluster that the profile Hardened accepts.
func hardened() *openbaov1alpha1.OpenBaoCluster {
	c := development()
	c.Name = "prod"
	c.Spec.Profile = openbaov1alpha1.ProfileHardened
	c.Spec.TLS.Mode = openbaov1alpha1.TLSExternal
	c.Spec.SelfInit = &openbaov1alpha1.SelfInitSpec{Enabled: true}
	c.Spec.Unseal = &openbaov1alpha1.UnsealSpec{
		Type:    openbaov1alpha1.UnsealTransit,
		Transit: &openbaov1alpha1.TransitUnseal{Address: "https://bao.example.com", KeyName: "prod", MountPath: "transit"},
	}
	return c
}

func facts() workload.Facts {
	return workload.Facts{
		Config:   serverconfig.Rendered{Public: []byte("ui = true\n"), Digest: "d1"},
		Replicas: 3,
		APIServer: []netip.AddrPort{
			netip.MustParseAddrPort("10.96.0.1:443"), netip.MustParseAddrPort("192.0.2.10:6443"),
		},
		Operator:        workload.Peer{Namespace: "bailiwick-system"},
		ServiceMonitors: true,
	}
}

func desired(t *testing.T, c *openbaov1alpha1.OpenBaoCluster, f workload.Facts) workload.Objects {
	t.Helper()
	o, err := workload.Desired(c, f)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// find returns the object of that kind and name, or nil.
func find(o workload.Objects, kind, name string) workload.Object {
	for _, object := range o.Apply {
		if object.GetObjectKind().GroupVersionKind().Kind == kind && object.GetName() == name {
			return object
		}
	}
	return nil
}

func absent(o workload.Objects, kind, name string) bool {
	for _, key := range o.Absent {
		if key.Kind == kind && key.Name == name {
			return true
		}
	}
	return false
}

// specErrors returns the mistakes that an error joins.
func specErrors(t *testing.T, err error) []authz.SpecError {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		var spec *authz.SpecError
		if !errors.As(err, &spec) {
			t.Fatalf("got %v, want a SpecError", err)
		}
		return []authz.SpecError{*spec}
	}
	var list []authz.SpecError
	for _, one := range joined.Unwrap() {
		list = append(list, specErrors(t, one)...)
	}
	return list
}

func stored(t *testing.T, c *openbaov1alpha1.OpenBaoCluster) *appsv1.StatefulSet {
	t.Helper()
	return desired(t, c, facts()).StatefulSet
}
