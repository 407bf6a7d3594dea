// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"net"
	"slices"
	"strings"
	"testing"
)

func TestSANs(t *testing.T) {
	t.Parallel()
	dns, ips, err := SANs(Names{Cluster: "bao", Namespace: "vault", Extra: []string{"Bao.Example.com", "*.apps.example.com", "10.1.2.3", "::1", "localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"localhost", "bao", "bao.vault", "bao.vault.svc", "bao.vault.svc.cluster.local",
		"bao-public.vault.svc", "bao-active.vault.svc", "bao-active.vault.svc.cluster.local",
		"*.bao.vault.svc", "*.bao.vault.svc.cluster.local",
		"bao-0.bao.vault.svc", "bao-8.bao.vault.svc", "bao-8.bao.vault.svc.cluster.local",
		"bao.example.com", "*.apps.example.com",
	} {
		if !slices.Contains(dns, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if slices.Contains(dns, "bao-9.bao.vault.svc") {
		t.Error("there is a name for a tenth pod")
	}
	if sorted := slices.Sorted(slices.Values(dns)); len(slices.Compact(sorted)) != len(dns) {
		t.Errorf("duplicates in %v", dns)
	}
	for _, want := range []string{"127.0.0.1", "::1", "10.1.2.3"} {
		if !containsIP(ips, net.ParseIP(want)) {
			t.Errorf("%s is missing", want)
		}
	}
	if len(ips) != 3 {
		t.Errorf("addresses are %v", ips)
	}
}

func TestSANsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 60)
	for _, test := range []struct {
		name  string
		names Names
		want  string
	}{
		{"URL", Names{Cluster: "c", Namespace: "n", Extra: []string{"ok.example.com", "https://x.example.com"}}, `spec.tls.extraSANs[1] is "https://x.example.com": the label "https://x" has characters`},
		{"port", Names{Cluster: "c", Namespace: "n", Extra: []string{"x.example.com:8200"}}, "spec.tls.extraSANs[0]"},
		{"empty", Names{Cluster: "c", Namespace: "n", Extra: []string{""}}, "empty label"},
		{"trailing dot", Names{Cluster: "c", Namespace: "n", Extra: []string{"x.example.com."}}, "empty label"},
		{"inner wildcard", Names{Cluster: "c", Namespace: "n", Extra: []string{"a.*.example.com"}}, `the label "*"`},
		{"lone wildcard", Names{Cluster: "c", Namespace: "n", Extra: []string{"*"}}, `the label "*"`},
		{"mistyped address", Names{Cluster: "c", Namespace: "n", Extra: []string{"10.0.0.256"}}, "its last label is a number"},
		{"range", Names{Cluster: "c", Namespace: "n", Extra: []string{"10.0.0.0/8"}}, "has characters"},
		{"long label", Names{Cluster: "c", Namespace: "n", Extra: []string{long + "abcd.x"}}, "longer than 63"},
		{"long name", Names{Cluster: "c", Namespace: "n", Extra: []string{strings.Repeat("abc.", 64) + "x"}}, "longer than 253"},
		{"hyphen", Names{Cluster: "c", Namespace: "n", Extra: []string{"-a.x"}}, "begins or ends with a hyphen"},
		{"not ASCII", Names{Cluster: "c", Namespace: "n", Extra: []string{"bäo.example.com"}}, "has characters"},
		{"cluster", Names{Cluster: long, Namespace: "n"}, "give the OpenBaoCluster another name"},
		{"no namespace", Names{Cluster: "c"}, "metadata.namespace"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := SANs(test.names)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, not about %q", err, test.want)
			}
		})
	}
}
