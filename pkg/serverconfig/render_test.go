// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl"
	"k8s.io/apimachinery/pkg/runtime"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

// update rewrites the golden files: go test ./pkg/serverconfig -run Golden -update
var update = flag.Bool("update", false, "rewrite the golden files in testdata")

type change func(*openbaov1alpha1.OpenBaoClusterSpec)

// cluster returns the least that describes servers, with changes.
func cluster(changes ...change) *openbaov1alpha1.OpenBaoCluster {
	c := &openbaov1alpha1.OpenBaoCluster{}
	c.Name, c.Namespace = "main", "vault"
	c.Spec = openbaov1alpha1.OpenBaoClusterSpec{
		Version: "2.6.2",
		Profile: openbaov1alpha1.ProfileDevelopment,
		TLS:     &openbaov1alpha1.TLSSpec{Enabled: true},
		Storage: &openbaov1alpha1.StorageSpec{Size: "10Gi"},
	}
	for _, f := range changes {
		f(&c.Spec)
	}
	return c
}

func version(v string) change {
	return func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Version = v }
}

func hardened(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Profile = openbaov1alpha1.ProfileHardened }

func metrics(s *openbaov1alpha1.OpenBaoClusterSpec) {
	s.Observability = &openbaov1alpha1.ObservabilitySpec{Metrics: &openbaov1alpha1.MetricsSpec{Enabled: true}}
}

func configured(f func(*openbaov1alpha1.ConfigurationSpec)) change {
	return func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		if s.Configuration == nil {
			s.Configuration = &openbaov1alpha1.ConfigurationSpec{}
		}
		f(s.Configuration)
	}
}

func devices(d ...openbaov1alpha1.AuditDevice) change {
	return func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Audit = append(s.Audit, d...) }
}

func withPlugins(p ...openbaov1alpha1.PluginSpec) change {
	return func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Plugins = append(s.Plugins, p...) }
}

func raw(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

var sum = strings.Repeat("0a", 32)

// full sets most of what there is, with credentials of each kind in the object.
func full(s *openbaov1alpha1.OpenBaoClusterSpec) {
	s.Configuration = &openbaov1alpha1.ConfigurationSpec{
		UI: new(false), LogLevel: "debug",
		Logging: &openbaov1alpha1.LoggingSpec{
			Format: "json", File: "/bao/data/logs/server.log", RotateDuration: "24h", RotateBytes: new(int64(1 << 20)), RotateMaxFiles: new(int32(3)), PIDFile: "/tmp/bao.pid",
		},
		Listener:        &openbaov1alpha1.ListenerSpec{TLSDisable: new(false), ProxyProtocolBehavior: "use_always"},
		Raft:            &openbaov1alpha1.RaftSpec{PerformanceMultiplier: new(int32(3))},
		Plugin:          &openbaov1alpha1.PluginSettings{FileUID: new(int64(1000)), FilePermissions: "0755", AutoDownload: new(true), AutoRegister: new(true)},
		DefaultLeaseTTL: "12h", MaxLeaseTTL: "30d", CacheSize: new(int64(5000)), DisableCache: new(false), DetectDeadlocks: new(true),
		RawStorageEndpoint: new(true), IntrospectionEndpoint: new(true), ImpreciseLeaseRoleTracking: new(true),
		UnsafeAllowAPIAuditCreation: new(true), AllowAuditLogPrefixing: new(true),
		EnableResponseHeaderHostname: new(true), EnableResponseHeaderRaftNodeID: new(true),
	}
	s.Unseal = &openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealTransit, Transit: &openbaov1alpha1.TransitUnseal{
		Address: "https://keys.example.com:8200", KeyName: "main", MountPath: "transit", Token: "secret-token",
	}}
	s.Plugins = []openbaov1alpha1.PluginSpec{
		{Type: "secret", Name: "aws", Version: "v1.0.0", Image: "ghcr.io/openbao/openbao-plugin-secrets-aws", BinaryName: "aws", SHA256Sum: sum, Args: []string{"-x", "a b"}},
		{Type: "auth", Name: "own", Version: "v2.0.0", Command: "own", BinaryName: "own", SHA256Sum: sum, Env: []string{"PASSWORD=secret-env"}},
	}
	s.Audit = []openbaov1alpha1.AuditDevice{
		{Type: "file", Path: "stdout", Description: "to the log of the pod", FileOptions: &openbaov1alpha1.FileAuditOptions{FilePath: "stdout"}, Options: raw(`{"log_raw": false, "prefix": "audit: ", "elide_list_responses": "true"}`)},
		{Type: "http", Path: "collector", HTTPOptions: &openbaov1alpha1.HTTPAuditOptions{URI: "https://collector.example.com/secret-path", Headers: raw(`{"Authorization": "Bearer secret-header", "X-A": ["1", "2"]}`)}},
		{Type: "socket", Path: "socket", SocketOptions: &openbaov1alpha1.SocketAuditOptions{Address: "collector:9000", SocketType: "udp", WriteTimeout: "2s"}},
	}
	s.Telemetry = &openbaov1alpha1.TelemetrySpec{
		UsageGaugePeriod: "none", MaximumGaugeCardinality: new(int32(100)), EnableHostnameLabel: new(true), MetricsPrefix: "bao",
		DogStatsdAddress: "dogstatsd:8125", DogStatsdTags: []string{"team:a"}, CirconusAPIKey: "secret-circonus",
	}
	metrics(s)
}

func mustRender(t *testing.T, c *openbaov1alpha1.OpenBaoCluster) serverconfig.Rendered {
	t.Helper()
	out, err := serverconfig.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refusals returns the mistakes of an error, as field: problem.
func refusals(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // It is documented to be a joined one.
	if !ok {
		t.Fatalf("%T joins no errors", err)
	}
	var texts []string
	for _, e := range joined.Unwrap() {
		var mistake *authz.SpecError
		if !errors.As(e, &mistake) {
			t.Errorf("%T is no mistake in the spec: %v", e, e)
		}
		texts = append(texts, e.Error())
	}
	return texts
}

func parse(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var tree map[string]any
	if err := hcl.Decode(&tree, string(text)); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return tree
}

func TestGolden(t *testing.T) {
	for name, c := range map[string]*openbaov1alpha1.OpenBaoCluster{
		"minimal":     cluster(),
		"full":        cluster(full),
		"metrics-2.7": cluster(version("2.7.0"), metrics),
	} {
		out := mustRender(t, c)
		for file, got := range map[string][]byte{name + ".server.hcl": out.Public, name + ".secret.hcl": out.Secret} {
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				if got != nil {
					if err := os.WriteFile(path, got, 0o644); err != nil { //nolint:gosec // A file of the repository.
						t.Fatal(err)
					}
				}
			}
			want, err := os.ReadFile(path)
			if err != nil && (got != nil || !os.IsNotExist(err)) {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs from what was rendered. If that is right, run: go test ./pkg/serverconfig -run Golden -update\n%s", path, got)
			}
			parse(t, got)
		}
	}
}

// TestSecretsStayApart checks that no credential of the object is in the public file,
// and that each is in the other.
func TestSecretsStayApart(t *testing.T) {
	out := mustRender(t, cluster(full))
	if bytes.Contains(out.Public, []byte("secret-")) {
		t.Errorf("a credential is in the public file:\n%s", out.Public)
	}
	for _, s := range []string{"secret-token", "secret-env", "secret-header", "secret-path", "secret-circonus"} {
		if !bytes.Contains(out.Secret, []byte(s)) {
			t.Errorf("%s is missing in the secret file", s)
		}
	}
}

// TestStanzasAreWhole checks that no stanza of which there can be one only is in both
// files: a server would use either of the two, or both.
func TestStanzasAreWhole(t *testing.T) {
	out := mustRender(t, cluster(full))
	public, secret := parse(t, out.Public), parse(t, out.Secret)
	for _, name := range []string{"telemetry", "seal", "storage", "service_registration"} {
		if _, a := public[name]; a {
			if _, b := secret[name]; b {
				t.Errorf("%s is in both files", name)
			}
		}
	}
	for name := range secret {
		if !slices.Contains([]string{"seal", "audit", "plugin", "telemetry"}, name) {
			t.Errorf("%s is in the secret file", name)
		}
	}
}

func TestOrder(t *testing.T) {
	c := cluster(full, configured(func(c *openbaov1alpha1.ConfigurationSpec) { c.Plugin.DownloadBehavior = "continue" }), func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.Unseal, s.Telemetry.CirconusAPIKey = nil, ""
	})
	out := string(mustRender(t, c).Public)
	at := -1
	for _, start := range []string{
		"ui ", "cluster_name", "log_level", "default_lease_ttl", "cache_size", "plugin_directory", "plugin_download_behavior", "listener", "listener",
		"seal", "storage", "service_registration", "audit", "plugin \"", "telemetry",
	} {
		next := strings.Index(out[at+1:], "\n"+start)
		if start == "ui " {
			next = strings.Index(out, start)
		}
		if next < 0 {
			t.Fatalf("%s is not after what it has to follow in\n%s", start, out)
		}
		at += 1 + next
	}
}

// TestReplicasChangeNothing checks that servers need no restart when others come or
// go.
func TestReplicasChangeNothing(t *testing.T) {
	one := mustRender(t, cluster(func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Replicas = new(int32(1)) }))
	five := mustRender(t, cluster(func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Replicas = new(int32(5)) }))
	if one.Digest != five.Digest {
		t.Error("the number of servers changes their configuration")
	}
	joins := parse(t, one.Public)["storage"].([]map[string]any)[0]["raft"].([]map[string]any)[0]["retry_join"].([]map[string]any)
	if len(joins) != serverconfig.MaxServers {
		t.Errorf("there are %d servers to join, want %d", len(joins), serverconfig.MaxServers)
	}
	for _, join := range joins {
		host := join["leader_tls_servername"].(string)
		if join["leader_api_addr"] != "https://"+host+":8200" || !strings.HasSuffix(host, ".main.vault.svc") {
			t.Errorf("the address %s and the name %s do not belong together", join["leader_api_addr"], host)
		}
	}
}

func TestDigest(t *testing.T) {
	transit := func(token, secret string) change {
		return func(s *openbaov1alpha1.OpenBaoClusterSpec) {
			s.Unseal = &openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealTransit, Transit: &openbaov1alpha1.TransitUnseal{
				Address: "https://keys:8200", KeyName: "k", MountPath: "transit", Token: token,
			}}
			if secret != "" {
				s.Unseal.CredentialsSecretRef = &openbaov1alpha1.LocalObjectReference{Name: secret}
			}
		}
	}
	base := mustRender(t, cluster()).Digest
	if again := mustRender(t, cluster()).Digest; again != base {
		t.Error("the same object has two digests")
	}
	seen := map[string]string{base: "the least"}
	for name, c := range map[string]*openbaov1alpha1.OpenBaoCluster{
		"a setting":        cluster(configured(func(c *openbaov1alpha1.ConfigurationSpec) { c.LogLevel = "warn" })),
		"a secret":         cluster(transit("a", "")),
		"another secret":   cluster(transit("b", "")),
		"environment":      cluster(transit("", "creds")),
		"other version":    cluster(version("2.7.0")),
		"the same version": cluster(version("2.6.1")),
	} {
		digest := mustRender(t, c).Digest
		other, twice := seen[digest]
		if name == "the same version" {
			if digest != base {
				t.Error("a version that changes nothing changes the digest")
			}
			continue
		}
		if twice {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[digest] = name
	}
	pod, env := mustRender(t, cluster(sealOf(openbaov1alpha1.UnsealAWSKMS))), mustRender(t, cluster(sealOf(openbaov1alpha1.UnsealAWSKMS), credentials))
	if !bytes.Equal(pod.Public, env.Public) || pod.Digest == env.Digest {
		t.Error("the environment alone does not change the digest")
	}
	// What matters to others alone.
	for name, f := range map[string]change{
		"paused": func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Paused = new(true) },
		"autopilot": configured(func(c *openbaov1alpha1.ConfigurationSpec) {
			c.Raft = &openbaov1alpha1.RaftSpec{Autopilot: &openbaov1alpha1.AutopilotSpec{MinQuorum: new(int32(5))}}
		}),
		"monitor off": func(s *openbaov1alpha1.OpenBaoClusterSpec) {
			s.Observability = &openbaov1alpha1.ObservabilitySpec{Metrics: &openbaov1alpha1.MetricsSpec{ServiceMonitor: &openbaov1alpha1.ServiceMonitorSpec{Enabled: true}}}
		},
	} {
		if mustRender(t, cluster(f)).Digest != base {
			t.Errorf("%s changes the digest", name)
		}
	}
}

func TestMetrics(t *testing.T) {
	out := parse(t, mustRender(t, cluster(metrics)).Public)
	listeners := out["listener"].([]map[string]any)
	if len(listeners) != 2 {
		t.Fatalf("there are %d listeners, want 2", len(listeners))
	}
	telemetry := func(i int) map[string]any {
		return listeners[i]["tcp"].([]map[string]any)[0]["telemetry"].([]map[string]any)[0]
	}
	if telemetry(0)["disallow_metrics"] != true || telemetry(1)["metrics_only"] != true {
		t.Errorf("the listeners serve %v and %v", telemetry(0), telemetry(1))
	}
	if got := out["telemetry"].([]map[string]any)[0]; got["disable_hostname"] != true || got["prometheus_retention_time"] != "30s" {
		t.Errorf("the metrics are %v", got)
	}
	own := parse(t, mustRender(t, cluster(metrics, func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.Telemetry = &openbaov1alpha1.TelemetrySpec{DisableHostname: new(false), PrometheusRetentionTime: "1h"}
	})).Public)
	if got := own["telemetry"].([]map[string]any)[0]; got["disable_hostname"] != false || got["prometheus_retention_time"] != "1h" {
		t.Errorf("the spec's own settings became %v", got)
	}
}

// TestPerformanceMultiplier: absent and 0 differ.
func TestPerformanceMultiplier(t *testing.T) {
	for name, tc := range map[string]struct {
		raft *openbaov1alpha1.RaftSpec
		want any
	}{
		"absent": {&openbaov1alpha1.RaftSpec{}, serverconfig.DefaultPerformanceMultiplier},
		"0":      {&openbaov1alpha1.RaftSpec{PerformanceMultiplier: new(int32(0))}, nil},
		"7":      {&openbaov1alpha1.RaftSpec{PerformanceMultiplier: new(int32(7))}, 7},
	} {
		out := parse(t, mustRender(t, cluster(configured(func(c *openbaov1alpha1.ConfigurationSpec) { c.Raft = tc.raft }))).Public)
		if got := out["storage"].([]map[string]any)[0]["raft"].([]map[string]any)[0]["performance_multiplier"]; got != tc.want {
			t.Errorf("%s: the servers have %v, want %v", name, got, tc.want)
		}
	}
}
