// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// TestGolden shows all objects of a small and of a complete cluster.
func TestGolden(t *testing.T) {
	small, smallFacts := development(), facts()
	small.Spec.Replicas = new(int32(1))
	smallFacts.Replicas = 1
	full, fullFacts := complete()
	for _, tc := range []struct {
		name    string
		cluster *openbaov1alpha1.OpenBaoCluster
		facts   workload.Facts
	}{
		{"development", small, smallFacts},
		{"hardened", full, fullFacts},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := encode(t, desired(t, tc.cluster, tc.facts))
			file := filepath.Join("testdata", tc.name+".yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the objects differ from %s; look at what go test -update changes there", file)
			}
		})
	}
}

// encode writes everything that Desired has returned.
func encode(t *testing.T, o workload.Objects) []byte {
	t.Helper()
	var b bytes.Buffer
	document := func(value any) {
		data, err := yaml.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("---\n")
		b.Write(data)
	}
	for _, object := range o.Apply {
		document(object)
	}
	var absent []string
	for _, key := range o.Absent {
		absent = append(absent, key.GroupVersionKind.String()+" "+key.Name)
	}
	document(map[string]any{"absent": absent, "kept": o.Kept, "notes": o.Notes})
	return b.Bytes()
}

// complete returns a cluster that sets most of what a spec can say of servers.
func complete() (*openbaov1alpha1.OpenBaoCluster, workload.Facts) {
	c := hardened()
	s := &c.Spec
	s.Version, s.Image = "v2.6.2", "registry.example.com/openbao@sha256:4b2c1f0000000000000000000000000000000000000000000000000000000000"
	s.Replicas = new(int32(5))
	s.Maintenance = &openbaov1alpha1.MaintenanceSpec{Enabled: new(true), RestartAt: "2026-11-27T09:00:00Z"}
	s.ServiceAccount = &openbaov1alpha1.ServerServiceAccount{Name: "bao-servers", Annotations: map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/bao"}}
	s.ImagePullSecrets = []openbaov1alpha1.LocalObjectReference{{Name: "registry"}}
	s.SecurityContext = &openbaov1alpha1.PodSecurityContext{RunAsUser: new(int64(1234)), FSGroupChangePolicy: new("OnRootMismatch")}
	s.WorkloadHardening = &openbaov1alpha1.WorkloadHardening{AppArmorEnabled: new(true)}
	s.Resources = &openbaov1alpha1.ResourceRequirements{
		Requests: map[string]resource.Quantity{"memory": resource.MustParse("2Gi")},
		Limits:   map[string]resource.Quantity{"memory": resource.MustParse("4Gi"), "cpu": resource.MustParse("2")},
	}
	s.PodMetadata = &openbaov1alpha1.PodMetadata{
		Labels:      map[string]string{"cost-center": "42", workload.LabelComponent: "something-else"},
		Annotations: map[string]string{"example.com/owner": "team-a"},
	}
	s.Scheduling = &openbaov1alpha1.SchedulingSpec{
		NodeSelector: map[string]string{"pool": "bao"},
		Tolerations:  []openbaov1alpha1.Toleration{{Key: "dedicated", Operator: "Equal", Value: "bao", Effect: "NoSchedule"}},
		NodeAffinity: &openbaov1alpha1.NodeAffinity{Required: &openbaov1alpha1.NodeSelector{NodeSelectorTerms: []openbaov1alpha1.NodeSelectorTerm{{
			MatchExpressions: []openbaov1alpha1.NodeSelectorRequirement{{Key: "kubernetes.io/arch", Operator: "In", Values: []string{"amd64"}}},
		}}}},
		TopologySpreadConstraints: []openbaov1alpha1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "kubernetes.io/hostname", WhenUnsatisfiable: "DoNotSchedule"}},
		PriorityClassName:         "high",
	}
	s.Storage = &openbaov1alpha1.StorageSpec{Size: "20Gi", StorageClassName: new("fast")}
	s.Service = &openbaov1alpha1.ServiceSpec{Type: "LoadBalancer", Annotations: map[string]string{"example.com/internal": "true"}}
	s.Network = &openbaov1alpha1.NetworkSpec{
		APIServerCIDR: "10.96.0.0/12", APIServerEndpointIPs: []string{"192.0.2.20"}, DNSNamespace: "dns",
		IngressRules: []openbaov1alpha1.NetworkPolicyIngressRule{{
			From:  []openbaov1alpha1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"bao-client": "true"}}}},
			Ports: []openbaov1alpha1.NetworkPolicyPort{{Port: new(intstr.FromInt32(8200))}},
		}},
		EgressRules: []openbaov1alpha1.NetworkPolicyEgressRule{{
			To:    []openbaov1alpha1.NetworkPolicyPeer{{IPBlock: &openbaov1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}},
			Ports: []openbaov1alpha1.NetworkPolicyPort{{Port: new(intstr.FromInt32(443))}},
		}},
	}
	s.Observability = &openbaov1alpha1.ObservabilitySpec{Metrics: &openbaov1alpha1.MetricsSpec{
		Enabled: true, ServiceMonitor: &openbaov1alpha1.ServiceMonitorSpec{Enabled: true, Interval: "1m"},
	}}
	s.Unseal.CredentialsSecretRef = &openbaov1alpha1.LocalObjectReference{Name: "transit-token"}
	s.Plugins = []openbaov1alpha1.PluginSpec{{Type: "secret", Name: "aws", Version: "v1.0.0", Image: "ghcr.io/openbao/plugin-aws", BinaryName: "aws"}}
	s.Backup, s.Restore, s.Upgrade = &openbaov1alpha1.BackupSpec{}, &openbaov1alpha1.RestoreSpec{}, &openbaov1alpha1.UpgradeSpec{}

	f := facts()
	f.Replicas = 5
	f.Config.Secret = []byte("# made up\n")
	f.Config.Env = []serverconfig.EnvVar{
		{Name: "VAULT_TOKEN", SecretKey: "token"},
		{Name: "AWS_SESSION_TOKEN", SecretKey: "AWS_SESSION_TOKEN", Optional: true},
		{Name: "VAULT_CACERT", Value: "/etc/bao/seal-creds/ca.crt"},
	}
	return c, f
}
