// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// TestRefusals breaks one thing in a cluster that is in order.
func TestRefusals(t *testing.T) {
	type cluster = openbaov1alpha1.OpenBaoCluster
	const beyond = ", by the Pod Security Standard restricted, to which Bailiwick keeps all servers"
	security := func(c *cluster) *openbaov1alpha1.PodSecurityContext {
		c.Spec.SecurityContext = &openbaov1alpha1.PodSecurityContext{}
		return c.Spec.SecurityContext
	}
	quantities := func(name, quantity string) map[string]resource.Quantity {
		return map[string]resource.Quantity{name: resource.MustParse(quantity)}
	}
	for _, tc := range []struct {
		name    string
		cluster func() *cluster
		change  func(*cluster)
		want    string
	}{
		{"no profile", development, func(c *cluster) { c.Spec.Profile = "" },
			"spec.profile: must be set: Hardened for production, Development for trying things out"},
		{"no TLS", development, func(c *cluster) { c.Spec.TLS.Enabled = false },
			"spec.tls.enabled: must be true: servers always listen with TLS"},
		{"ten servers", development, func(c *cluster) { c.Spec.Replicas = new(int32(10)) },
			"spec.replicas: must be from 1 to 9"},
		{"no servers", development, func(c *cluster) { c.Spec.Replicas = new(int32(0)) },
			"spec.replicas: must be from 1 to 9"},
		{"headless", development, func(c *cluster) { c.Spec.Service = &openbaov1alpha1.ServiceSpec{Type: "ExternalName"} },
			"spec.service.type: must be ClusterIP, NodePort or LoadBalancer"},
		{"Windows", development, func(c *cluster) { security(c).WindowsOptions = &openbaov1alpha1.WindowsSecurityContextOptions{} },
			"spec.securityContext.windowsOptions: must be left out: servers run on Linux nodes"},
		{"ACME settings without ACME", development, func(c *cluster) { c.Spec.TLS.ACME = &openbaov1alpha1.ACMESpec{} },
			"spec.tls.acme: belongs to the mode ACME: remove it"},
		{"ACME", hardened, func(c *cluster) {
			c.Spec.TLS.Mode, c.Spec.TLS.ACME = openbaov1alpha1.TLSACME, &openbaov1alpha1.ACMESpec{}
		},
			"spec.tls.mode: ACME is not supported yet: use External with a certificate that cert-manager gets, or OperatorManaged"},
		{"both kinds of plugins", development, func(c *cluster) { c.Spec.Plugins = []openbaov1alpha1.PluginSpec{{Image: "a"}, {Command: "b"}} },
			"spec.plugins: plugins from an image and plugins with a command cannot be mixed: images are downloaded to a volume at /openbao/plugins, " +
				"which hides the programs that the servers' image has there"},
		{"Ingress", development, func(c *cluster) { c.Spec.Ingress = &openbaov1alpha1.IngressSpec{Enabled: new(true)} },
			"spec.ingress.enabled: an Ingress is not supported yet: set it to false, and create an Ingress for the Service <name>-public, " +
				"which serves HTTPS on port 8200"},
		{"Gateway", development, func(c *cluster) { c.Spec.Gateway = &openbaov1alpha1.GatewaySpec{Enabled: true} },
			"spec.gateway.enabled: routes of the Gateway API are not supported yet: set it to false, and create a route to the Service <name>-public, " +
				"which serves HTTPS on port 8200"},
		{"signatures", development, func(c *cluster) { c.Spec.ImageVerification = &openbaov1alpha1.ImageVerificationSpec{Enabled: true} },
			"spec.imageVerification.enabled: Bailiwick does not verify the signatures of images yet: set it to false, " +
				"verify signatures with an admission controller, and pin images by digest"},
		{"blue/green", development, func(c *cluster) {
			c.Spec.Upgrade = &openbaov1alpha1.UpgradeSpec{Strategy: openbaov1alpha1.UpgradeBlueGreen}
		}, "spec.upgrade.strategy: BlueGreen is not supported yet: use RollingUpdate"},

		{"hardened: own CA", hardened, func(c *cluster) { c.Spec.TLS.Mode = "" },
			"spec.tls.mode: profile Hardened requires External: the key of the CA must not lie in the namespace of the servers"},
		{"hardened: static key", hardened, func(c *cluster) { c.Spec.Unseal = nil },
			"spec.unseal.type: profile Hardened requires another type than static: the unseal key must not lie in the namespace of the servers"},
		{"hardened: transit unverified", hardened, func(c *cluster) { c.Spec.Unseal.Transit.TLSSkipVerify = new(true) },
			"spec.unseal.transit.tlsSkipVerify: profile Hardened requires false: anyone who answers would get the token, and what it unseals"},
		{"KMIP unverified", development, func(c *cluster) {
			c.Spec.Unseal = &openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealKMIP, KMIP: &openbaov1alpha1.KMIPUnseal{TLSSkipVerify: new(true)}}
		}, "spec.unseal.kmip.tlsSkipVerify: must be false: OpenBao always checks the certificate of the KMIP server, by the CA in caCert"},
		{"hardened: root token", hardened, func(c *cluster) { c.Spec.SelfInit.Enabled = false },
			"spec.selfInit.enabled: profile Hardened requires true: with self-initialization no root token remains"},
		{"hardened: two servers", hardened, func(c *cluster) { c.Spec.Replicas = new(int32(2)) },
			"spec.replicas: profile Hardened requires at least 3: fewer servers do not survive the loss of one"},
		{"hardened: backup without a way out", hardened, func(c *cluster) { c.Spec.Backup = &openbaov1alpha1.BackupSpec{} },
			"spec.network.egressRules: profile Hardened requires rules where there is a spec.backup: backup jobs reach only what the rules allow"},
		{"root", development, func(c *cluster) { security(c).RunAsNonRoot = new(false) }, "spec.securityContext.runAsNonRoot: must be true" + beyond},
		{"the user root", development, func(c *cluster) { security(c).RunAsUser = new(int64(0)) }, "spec.securityContext.runAsUser: must not be 0" + beyond},
		{"hardened: root", hardened, func(c *cluster) { security(c).RunAsNonRoot = new(false) }, "spec.securityContext.runAsNonRoot: must be true" + beyond},
		{"unconfined", development, func(c *cluster) {
			security(c).SeccompProfile = &openbaov1alpha1.SeccompProfile{Type: "Unconfined"}
		}, "spec.securityContext.seccompProfile.type: must be RuntimeDefault or Localhost" + beyond},
		{"no AppArmor", development, func(c *cluster) {
			security(c).AppArmorProfile = &openbaov1alpha1.AppArmorProfile{Type: "Unconfined"}
		}, "spec.securityContext.appArmorProfile.type: must be RuntimeDefault or Localhost" + beyond},
		{"SELinux type", development, func(c *cluster) { security(c).SELinuxOptions = &openbaov1alpha1.SELinuxOptions{Type: "spc_t"} },
			"spec.securityContext.seLinuxOptions.type: must be container_t, container_init_t, container_kvm_t or container_engine_t" + beyond},
		{"SELinux user", development, func(c *cluster) { security(c).SELinuxOptions = &openbaov1alpha1.SELinuxOptions{User: "root"} },
			"spec.securityContext.seLinuxOptions.user: must be left out" + beyond},
		{"SELinux role", development, func(c *cluster) { security(c).SELinuxOptions = &openbaov1alpha1.SELinuxOptions{Role: "sysadm_r"} },
			"spec.securityContext.seLinuxOptions.role: must be left out" + beyond},
		{"sysctl", development, func(c *cluster) { security(c).Sysctls = []openbaov1alpha1.Sysctl{{Name: "kernel.msgmax"}} },
			"spec.securityContext.sysctls[kernel.msgmax]: is not one of the safe kernel parameters" + beyond},

		{"long name", development, func(c *cluster) { c.Name = strings.Repeat("a", 53) },
			"metadata.name: is too long: it can have at most 52 characters, since the names of pods, Services and revisions are longer"},
		{"name with a dot", development, func(c *cluster) { c.Name = "a.b" },
			"metadata.name: must consist of lower case letters, digits and hyphens, and begin with a letter, since it is the name of a Service"},
		{"name with a digit first", development, func(c *cluster) { c.Name = "1a" },
			"metadata.name: must consist of lower case letters, digits and hyphens, and begin with a letter, since it is the name of a Service"},
		{"no version", development, func(c *cluster) { c.Spec.Version = "" }, "spec.version: is required"},
		{"no size", development, func(c *cluster) { c.Spec.Storage.Size = "0" }, `spec.storage.size: "0" is not a size: write for example 10Gi`},
		{"wrong size", development, func(c *cluster) { c.Spec.Storage.Size = "big" }, `spec.storage.size: "big" is not a size: write for example 10Gi`},
		{"image with a space", development, func(c *cluster) { c.Spec.Image = "a b" }, "spec.image: an image has no spaces"},
		{"version that is no tag", development, func(c *cluster) { c.Spec.Version = "2.6.2+build" },
			`spec.version: "2.6.2+build" is not a tag of the official image: set spec.image to the image of that version`},

		{"default account", development, func(c *cluster) { c.Spec.ServiceAccount = &openbaov1alpha1.ServerServiceAccount{Name: "default"} },
			"spec.serviceAccount.name: must not be default: every other pod of the namespace that names no account could act as a server"},
		{"identity as account", development, func(c *cluster) {
			c.Spec.ServiceAccount = &openbaov1alpha1.ServerServiceAccount{Name: authz.RestoreAccount(c)}
		}, `spec.serviceAccount.name: "dev-restore-serviceaccount" is the ServiceAccount of the restore identity of a cluster "dev", which servers must not act as: choose another name`},
		{"identity of another cluster by the default name", development, func(c *cluster) { c.Name = "dev-backup" },
			`spec.serviceAccount.name: must be set to another name: the default, "dev-backup-serviceaccount", is the ServiceAccount of the backup identity of a cluster "dev"`},
		{"operator as account", development, func(c *cluster) {
			c.Spec.ServiceAccount = &openbaov1alpha1.ServerServiceAccount{Name: "op"}
			c.Spec.Authorization = &openbaov1alpha1.AuthorizationSpec{OperatorServiceAccount: &openbaov1alpha1.ServiceAccountReference{Name: "op"}}
		}, `spec.serviceAccount.name: "op" is the ServiceAccount of an identity of this cluster, which servers must not act as: choose another name`},
		{"operator as account, by annotation", development, func(c *cluster) {
			c.Spec.ServiceAccount = &openbaov1alpha1.ServerServiceAccount{Name: "op"}
			c.Annotations = map[string]string{openbaov1alpha1.AnnotationOperatorServiceAccount: "team-a/op"}
		}, `spec.serviceAccount.name: "op" is the ServiceAccount of an identity of this cluster, which servers must not act as: choose another name`},
		{"additional subject as account", development, func(c *cluster) {
			c.Spec.ServiceAccount = &openbaov1alpha1.ServerServiceAccount{Name: "op"}
			c.Spec.Authorization = &openbaov1alpha1.AuthorizationSpec{AdditionalSubjects: []openbaov1alpha1.AdditionalSubject{
				{ServiceAccount: openbaov1alpha1.ServiceAccountReference{Name: "op", Namespace: "team-a"}},
			}}
		}, `spec.serviceAccount.name: "op" is the ServiceAccount of an identity of this cluster, which servers must not act as: choose another name`},
		{"account with a slash", development, func(c *cluster) { c.Spec.ServiceAccount = &openbaov1alpha1.ServerServiceAccount{Name: "a/b"} },
			`spec.serviceAccount.name: "a/b" is not the name of a ServiceAccount`},
		{"key of the CA for the seal", development, func(c *cluster) {
			c.Spec.Unseal = &openbaov1alpha1.UnsealSpec{CredentialsSecretRef: &openbaov1alpha1.LocalObjectReference{Name: "dev-tls-ca"}}
		}, `spec.unseal.credentialsSecretRef.name: "dev-tls-ca" can be a Secret that Bailiwick keeps for a cluster: ` +
			`credentials of the seal belong into a Secret whose name does not end in -tls-ca`},
		{"no name of a Secret", development, func(c *cluster) { c.Spec.ImagePullSecrets = []openbaov1alpha1.LocalObjectReference{{}} },
			`spec.imagePullSecrets[0].name: "" is not the name of a Secret`},

		{"negative request", development, func(c *cluster) {
			c.Spec.Resources = &openbaov1alpha1.ResourceRequirements{Requests: quantities("cpu", "-1")}
		}, "spec.resources.requests[cpu]: must not be negative"},
		{"request over limit", development, func(c *cluster) {
			c.Spec.Resources = &openbaov1alpha1.ResourceRequirements{Requests: quantities("memory", "2Gi"), Limits: quantities("memory", "1Gi")}
		}, "spec.resources.requests[memory]: 2Gi is more than the limit of 1Gi"},
		{"no resource", development, func(c *cluster) {
			c.Spec.Resources = &openbaov1alpha1.ResourceRequirements{Limits: quantities("a b", "1")}
		}, `spec.resources.limits[a b]: "a b" is not the name of a resource`},
		{"active by hand", development, func(c *cluster) {
			c.Spec.PodMetadata = &openbaov1alpha1.PodMetadata{Labels: map[string]string{workload.LabelActive: "true"}}
		}, "spec.podMetadata.labels[openbao-active]: is set by the server itself: remove it"},
		{"value of a label", development, func(c *cluster) {
			c.Spec.PodMetadata = &openbaov1alpha1.PodMetadata{Labels: map[string]string{"a": "b c"}}
		}, `spec.podMetadata.labels[a]: "b c" is not the value of a label`},
		{"AppArmor by annotation", development, func(c *cluster) {
			c.Spec.PodMetadata = &openbaov1alpha1.PodMetadata{Annotations: map[string]string{"container.apparmor.security.beta.kubernetes.io/openbao": "unconfined"}}
		}, "spec.podMetadata.annotations[container.apparmor.security.beta.kubernetes.io/openbao]: is the old form of an AppArmor profile: use spec.securityContext.appArmorProfile"},

		{"no network", development, func(c *cluster) { c.Spec.Network = &openbaov1alpha1.NetworkSpec{APIServerCIDR: "10.0.0.1"} },
			`spec.network.apiServerCIDR: "10.0.0.1" is not a network: write for example 10.0.0.0/16`},
		{"no address", development, func(c *cluster) {
			c.Spec.Network = &openbaov1alpha1.NetworkSpec{APIServerEndpointIPs: []string{"192.0.2.1", "api.example.com"}}
		}, `spec.network.apiServerEndpointIPs[1]: "api.example.com" is not an IP address`},
		{"no namespace", development, func(c *cluster) { c.Spec.Network = &openbaov1alpha1.NetworkSpec{DNSNamespace: "a/b"} },
			`spec.network.dnsNamespace: "a/b" is not the name of a namespace`},
		{"protocol", development, func(c *cluster) {
			c.Spec.Network = &openbaov1alpha1.NetworkSpec{EgressRules: []openbaov1alpha1.NetworkPolicyEgressRule{{
				Ports: []openbaov1alpha1.NetworkPolicyPort{{Protocol: new("tcp")}},
			}}}
		}, `spec.network.egressRules[0].ports[0].protocol: "tcp" is not one of TCP, UDP, SCTP`},
		{"selector beside network", development, func(c *cluster) {
			c.Spec.Network = &openbaov1alpha1.NetworkSpec{IngressRules: []openbaov1alpha1.NetworkPolicyIngressRule{{
				From: []openbaov1alpha1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}, IPBlock: &openbaov1alpha1.IPBlock{CIDR: "10.0.0.0/8"}}},
			}}}
		}, "spec.network.ingressRules[0].from[0].ipBlock: stands alone: write the selectors as another peer"},
		{"interval", development, func(c *cluster) { serviceMonitorOf(c).Interval = "30 s" },
			`spec.observability.metrics.serviceMonitor.interval: "30 s" is not a duration of Prometheus: write for example 30s`},
		{"endless interval", development, func(c *cluster) { serviceMonitorOf(c).Interval = "2000000000y" },
			`spec.observability.metrics.serviceMonitor.interval: "2000000000y" is too long`},
		{"timeout over interval", development, func(c *cluster) { serviceMonitorOf(c).Interval = "5s" },
			"spec.observability.metrics.serviceMonitor.scrapeTimeout: must not be more than the interval of 5s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := tc.cluster()
			if err := workload.Check(c); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			tc.change(c)
			got := specErrors(t, workload.Check(c))
			if len(got) != 1 || got[0].Error() != tc.want {
				t.Errorf("got  %v\nwant [%s]", got, tc.want)
			}
			if o, err := workload.Desired(c, facts()); err == nil || o.Apply != nil {
				t.Error("Desired accepts what Check refuses")
			}
		})
	}
}

func serviceMonitorOf(c *openbaov1alpha1.OpenBaoCluster) *openbaov1alpha1.ServiceMonitorSpec {
	m := &openbaov1alpha1.ServiceMonitorSpec{Enabled: true}
	c.Spec.Observability = &openbaov1alpha1.ObservabilitySpec{Metrics: &openbaov1alpha1.MetricsSpec{Enabled: true, ServiceMonitor: m}}
	return m
}

// TestAllMistakesAtOnce wants one SpecError for each mistake.
func TestAllMistakesAtOnce(t *testing.T) {
	c := development()
	c.Spec.Profile, c.Spec.TLS, c.Spec.Storage, c.Spec.Version = openbaov1alpha1.ProfileHardened, nil, nil, ""
	var fields []string
	for _, e := range specErrors(t, workload.Check(c)) {
		fields = append(fields, e.Field)
	}
	want := []string{"spec.tls.mode", "spec.unseal.type", "spec.selfInit.enabled", "spec.version", "spec.tls", "spec.storage"}
	if !slices.Equal(fields, want) {
		t.Errorf("got %q, want %q", fields, want)
	}
}

// TestNotesOfDeletion wants a person told what goes with the object, and of nothing where
// all data stays.
func TestNotesOfDeletion(t *testing.T) {
	for policy, want := range map[openbaov1alpha1.DeletionPolicy]string{
		"": "", openbaov1alpha1.DeletionRetain: "",
		openbaov1alpha1.DeletionDeletePVCs: "its volumes are deleted with it", openbaov1alpha1.DeletionDeleteAll: "its volumes and the Secrets with their keys are deleted with it",
	} {
		c := hardened()
		c.Spec.DeletionPolicy = policy
		notes := strings.Join(desired(t, c, facts()).Notes, "\n")
		if want == "" && strings.Contains(notes, "deletionPolicy") || !strings.Contains(notes, want) || strings.Contains(notes, "stay") {
			t.Errorf("%q: the notes are %s", policy, notes)
		}
	}
}

// TestDevelopmentAcceptsWithNotes wants what only Hardened refuses reported.
func TestDevelopmentAcceptsWithNotes(t *testing.T) {
	c := development()
	c.Spec.Replicas = new(int32(2))
	notes := strings.Join(desired(t, c, facts()).Notes, "\n")
	for _, want := range []string{
		"spec.tls.mode", "spec.unseal.type", "spec.selfInit.enabled", "spec.replicas",
		"2 servers survive the loss of 0, as 1 would",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("no note about %s in:\n%s", want, notes)
		}
	}
}

// TestRulesAreDistinct keeps the table usable as the source of an admission policy.
func TestRulesAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, rule := range workload.Rules() {
		key := rule.Field + ": " + rule.Problem
		if rule.Field == "" || rule.Problem == "" || seen[key] {
			t.Errorf("the rule %q is empty or there twice", key)
		}
		seen[key] = true
	}
}
