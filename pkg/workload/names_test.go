// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"slices"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

func TestParseOrdinal(t *testing.T) {
	c := development()
	c.Name = "c-1"
	for name, want := range map[string]int{
		workload.PodName(c, 0): 0, workload.PodName(c, 8): 8, "c-1-12": 12,
		"c-1": -1, "c-1-": -1, "c-1-01": -1, "c-1-+1": -1, "c-1--1": -1, "c-1-1b8e-0": -1, "c-0": -1, "c-1-0-0": -1, "": -1,
		"c-1-99999999999999999999": -1,
	} {
		got, ok := workload.ParseOrdinal(c, name)
		if ok != (want >= 0) || (ok && got != want) {
			t.Errorf("%q: got %d, %t, want %d", name, got, ok, want)
		}
	}
}

// TestServersThatCanLeave checks that every server can be removed from its cluster by the
// name of its pod, and that package authz knows of no others.
func TestServersThatCanLeave(t *testing.T) {
	c := development()
	c.Status.Initialized = new(true)
	for ordinal := range workload.MaxServers + 1 {
		name := workload.PodName(c, ordinal)
		c.Status.Membership = &openbaov1alpha1.MembershipStatus{Removing: &openbaov1alpha1.RemovingStatus{Server: name}}
		if got := authz.ServerToRemove(c); (got == name) != (ordinal < workload.MaxServers) {
			t.Errorf("%s is removed as %q", name, got)
		}
	}
}

func TestSecretNames(t *testing.T) {
	always := []string{"dev-config-secret", "dev-initialize", "dev-tls-server"}
	static := func(key string) *openbaov1alpha1.UnsealSpec {
		return &openbaov1alpha1.UnsealSpec{Static: &openbaov1alpha1.StaticUnseal{CurrentKey: key}}
	}
	credentials := &openbaov1alpha1.LocalObjectReference{Name: "seal"}
	for _, tc := range []struct {
		name   string
		unseal *openbaov1alpha1.UnsealSpec
		more   []string
	}{
		{"static by default", nil, []string{"dev-unseal-key"}},
		{"static with another id", static(""), []string{"dev-unseal-key"}},
		{"static from the default file", static("file:///etc/bao/unseal/key"), []string{"dev-unseal-key"}},
		{"static from elsewhere", static("file:///etc/bao/seal-creds/key"), nil},
		{"transit", &openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealTransit, CredentialsSecretRef: credentials}, []string{"seal"}},
		{"transit without a Secret", &openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealTransit}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := development()
			c.Spec.Unseal = tc.unseal
			want := slices.Sorted(slices.Values(append(slices.Clone(always), tc.more...)))
			if got := workload.SecretNames(c); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			mounted := map[string]bool{}
			f := facts()
			f.Config.Secret = []byte("x")
			for _, volume := range desired(t, c, f).StatefulSet.Spec.Template.Spec.Volumes {
				if volume.Secret != nil {
					mounted[volume.Secret.SecretName] = true
				}
				if volume.Projected != nil {
					for _, source := range volume.Projected.Sources {
						if source.Secret != nil {
							mounted[source.Secret.Name] = true
						}
					}
				}
			}
			for _, name := range want {
				if !mounted[name] {
					t.Errorf("%s is not mounted", name)
				}
			}
			if len(mounted) != len(want) {
				t.Errorf("mounted %v, want %q", mounted, want)
			}
		})
	}
}
