// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

func TestOrder(t *testing.T) {
	c, f := complete()
	var got []string
	for _, object := range desired(t, c, f).Apply {
		kind := object.GetObjectKind().GroupVersionKind().Kind
		if len(got) == 0 || got[len(got)-1] != kind {
			got = append(got, kind)
		}
	}
	want := []string{
		"ServiceAccount", "RoleBinding", "ConfigMap", "Secret", "Service", "NetworkPolicy", "StatefulSet", "PodDisruptionBudget", "ServiceMonitor",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOwner(t *testing.T) {
	c, f := complete()
	o := desired(t, c, f)
	for _, object := range o.Apply {
		name := object.GetObjectKind().GroupVersionKind().Kind + " " + object.GetName()
		if object.GetNamespace() != c.Namespace || !metav1.IsControlledBy(object, c) {
			t.Errorf("%s in %q is not controlled by the cluster", name, object.GetNamespace())
		}
		if object.GetOwnerReferences()[0].BlockOwnerDeletion != nil {
			t.Errorf("%s blocks the deletion of its owner", name)
		}
		if object.GetLabels()[workload.LabelCluster] != c.Name {
			t.Errorf("%s has labels %v", name, object.GetLabels())
		}
	}
	if claim := o.StatefulSet.Spec.VolumeClaimTemplates[0]; len(claim.OwnerReferences) > 0 || claim.Labels[workload.LabelCluster] != c.Name {
		t.Errorf("the volumeClaimTemplate has owners %v and labels %v", claim.OwnerReferences, claim.Labels)
	}
}

// TestSelectors wants the pods of servers, and no others, selected as servers.
func TestSelectors(t *testing.T) {
	c, f := complete()
	f.Recovers = true
	o := desired(t, c, f)
	server := labels.Set(o.StatefulSet.Spec.Template.Labels)
	// A job of the cluster that carries every label of its objects.
	job := labels.Merge(server, labels.Set{workload.LabelComponent: workload.ComponentUpgrade})
	alone := labels.Set(workload.RecoveryLabels(c))
	active := labels.Merge(server, labels.Set{workload.LabelActive: "true"})

	selectors := map[string]labels.Selector{}
	add := func(name string, s *metav1.LabelSelector) {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		selectors[name] = selector
	}
	for _, object := range o.Apply {
		switch object := object.(type) {
		case *corev1.Service:
			selectors["Service "+object.Name] = labels.SelectorFromSet(object.Spec.Selector)
		case *policyv1.PodDisruptionBudget:
			add("PDB", object.Spec.Selector)
		case *appsv1.StatefulSet:
			add("StatefulSet", object.Spec.Selector)
			for _, spread := range object.Spec.Template.Spec.TopologySpreadConstraints {
				add("spread over "+spread.TopologyKey, spread.LabelSelector)
			}
		case *networkingv1.NetworkPolicy:
			add("NetworkPolicy "+object.Name, &object.Spec.PodSelector)
		}
	}
	for name, selector := range selectors {
		forJobs := name == "NetworkPolicy prod-jobs-network-policy"
		forAlone := name == "NetworkPolicy prod-recovery-network-policy"
		onlyActive := name == "Service prod-active"
		if got := selector.Matches(server); got != (!forJobs && !forAlone && !onlyActive) {
			t.Errorf("%s selects a server: %t", name, got)
		}
		if got := selector.Matches(active); got != (!forJobs && !forAlone) {
			t.Errorf("%s selects the active server: %t", name, got)
		}
		if got := selector.Matches(job); got != forJobs {
			t.Errorf("%s selects a job: %t", name, got)
		}
		if got := selector.Matches(alone); got != forAlone {
			t.Errorf("%s selects a job on a volume: %t", name, got)
		}
	}
	if len(selectors) != 9 {
		t.Errorf("got %d selectors, want 9", len(selectors))
	}
}

// TestRestricted checks what the Pod Security Standard restricted asks for.
func TestRestricted(t *testing.T) {
	full, fullFacts := complete()
	for name, o := range map[string]workload.Objects{
		"development": desired(t, development(), facts()),
		"hardened":    desired(t, full, fullFacts),
	} {
		pod := o.StatefulSet.Spec.Template.Spec
		s := pod.SecurityContext
		if !*s.RunAsNonRoot || *s.RunAsUser == 0 || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: the pod has %+v", name, s)
		}
		if pod.HostNetwork || pod.HostPID || pod.HostIPC || len(pod.InitContainers) > 0 || len(pod.Containers) != 1 {
			t.Errorf("%s: the pod shares namespaces, or has more than the server", name)
		}
		for _, volume := range pod.Volumes {
			if volume.HostPath != nil || (volume.Secret == nil && volume.Projected == nil && volume.EmptyDir == nil) {
				t.Errorf("%s: the volume %s is of another type", name, volume.Name)
			}
		}
		container := pod.Containers[0]
		sc := container.SecurityContext
		if *sc.AllowPrivilegeEscalation || !*sc.ReadOnlyRootFilesystem || sc.Privileged != nil || !reflect.DeepEqual(sc.Capabilities, &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}) {
			t.Errorf("%s: the container has %+v", name, sc)
		}
		for _, port := range container.Ports {
			if port.HostPort != 0 {
				t.Errorf("%s: the port %s is one of the host", name, port.Name)
			}
		}
		for _, mount := range container.VolumeMounts {
			if writable := mount.Name == "data" || mount.Name == "tmp" || mount.Name == "plugins"; mount.ReadOnly == writable {
				t.Errorf("%s: %s is writable: %t", name, mount.MountPath, !mount.ReadOnly)
			}
		}
	}
}

// TestSecretsStayInSecrets wants secret configuration in no other object.
func TestSecretsStayInSecrets(t *testing.T) {
	const secret = "c2-very-secret"
	f := facts()
	f.Config.Secret = []byte(secret)
	o := desired(t, development(), f)
	for _, object := range o.Apply {
		data, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), secret) {
			t.Errorf("%s %s holds the secret", object.GetObjectKind().GroupVersionKind().Kind, object.GetName())
		}
	}
	got, ok := find(o, "Secret", "dev-config-secret").(*corev1.Secret)
	if !ok || string(got.Data[workload.ConfigSecretKey]) != secret {
		t.Errorf("got the Secret %v", got)
	}
}

// TestServiceAccountTokens wants no token in a pod but the one that the registration needs.
func TestServiceAccountTokens(t *testing.T) {
	c, f := complete()
	o := desired(t, c, f)
	for _, object := range o.Apply {
		if account, ok := object.(*corev1.ServiceAccount); ok && (account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken) {
			t.Errorf("the token of %s is mounted by itself", account.Name)
		}
	}
	for _, name := range []string{authz.BackupAccount(c), authz.RestoreAccount(c), authz.UpgradeAccount(c)} {
		if find(o, "ServiceAccount", name) == nil {
			t.Errorf("there is no ServiceAccount %s", name)
		}
		if small := desired(t, development(), facts()); !absent(small, "ServiceAccount", strings.Replace(name, c.Name, "dev", 1)) {
			t.Errorf("the ServiceAccount %s stays after its block is gone", name)
		}
	}
	pod := o.StatefulSet.Spec.Template.Spec
	if *pod.AutomountServiceAccountToken || pod.ServiceAccountName != "bao-servers" {
		t.Errorf("the pod runs as %s, token mounted by itself: %t", pod.ServiceAccountName, *pod.AutomountServiceAccountToken)
	}
}

// TestFacts changes one fact and names the objects that follow.
func TestFacts(t *testing.T) {
	type objects = workload.Objects
	two := development()
	two.Spec.Replicas = new(int32(2))
	sm := development()
	serviceMonitorOf(sm)
	withBoth := development()
	withBoth.Spec.Network = &openbaov1alpha1.NetworkSpec{APIServerEndpointIPs: []string{"2001:db8::1"}}
	for _, tc := range []struct {
		name    string
		cluster *openbaov1alpha1.OpenBaoCluster
		change  func(*workload.Facts)
		check   func(objects) bool
	}{
		{"first server", development(), func(f *workload.Facts) { f.Replicas = 1 }, func(o objects) bool {
			return *o.StatefulSet.Spec.Replicas == 1 && find(o, "PodDisruptionBudget", "dev-pdb") == nil && absent(o, "PodDisruptionBudget", "dev-pdb")
		}},
		{"all servers", development(), func(*workload.Facts) {}, func(o objects) bool {
			return *o.StatefulSet.Spec.Replicas == 3 && find(o, "PodDisruptionBudget", "dev-pdb") != nil && !absent(o, "PodDisruptionBudget", "dev-pdb")
		}},
		{"about to shrink", two, func(*workload.Facts) {}, func(o objects) bool {
			return find(o, "PodDisruptionBudget", "dev-pdb") == nil && absent(o, "PodDisruptionBudget", "dev-pdb")
		}},
		{"no secret configuration", development(), func(*workload.Facts) {}, func(o objects) bool {
			return find(o, "Secret", "dev-config-secret") == nil && absent(o, "Secret", "dev-config-secret") && len(configSources(o)) == 2
		}},
		{"secret configuration", development(), func(f *workload.Facts) { f.Config.Secret = []byte("x") }, func(o objects) bool {
			sources := configSources(o)
			// A server must not start without it, and does start without the requests.
			return !absent(o, "Secret", "dev-config-secret") && len(sources) == 3 &&
				sources[1].Secret.Name == "dev-config-secret" && sources[1].Secret.Optional == nil &&
				sources[2].Secret.Name == "dev-initialize" && *sources[2].Secret.Optional
		}},
		{"ServiceMonitor", sm, func(*workload.Facts) {}, func(o objects) bool {
			return find(o, "ServiceMonitor", "dev") != nil && !absent(o, "ServiceMonitor", "dev") && !noteAbout(o, "ServiceMonitor")
		}},
		{"ServiceMonitor not wanted", development(), func(*workload.Facts) {}, func(o objects) bool {
			return find(o, "ServiceMonitor", "dev") == nil && absent(o, "ServiceMonitor", "dev")
		}},
		{"no kind ServiceMonitor", sm, func(f *workload.Facts) { f.ServiceMonitors = false }, func(o objects) bool {
			return find(o, "ServiceMonitor", "dev") == nil && !absent(o, "ServiceMonitor", "dev") && noteAbout(o, "There is no ServiceMonitor")
		}},
		{"operator outside", development(), func(f *workload.Facts) { f.Operator = workload.Peer{} }, func(o objects) bool {
			return !strings.Contains(policyText(o), "bailiwick-system")
		}},
		{"operator with labels", development(), func(f *workload.Facts) { f.Operator.PodLabels = map[string]string{"a": "b"} }, func(o objects) bool {
			return strings.Contains(policyText(o), `{"podSelector":{"matchLabels":{"a":"b"}},"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"bailiwick-system"}}}`)
		}},
		{"API server", development(), func(f *workload.Facts) {
			f.APIServer = []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::2]:8443"), netip.MustParseAddrPort("[2001:db8::2]:443"), netip.MustParseAddrPort("[::ffff:192.0.2.1]:443")}
		}, func(o objects) bool {
			return strings.Contains(policyText(o), `{"ports":[{"protocol":"TCP","port":443},{"protocol":"TCP","port":6443},{"protocol":"TCP","port":8443}],`+
				`"to":[{"ipBlock":{"cidr":"192.0.2.1/32"}},{"ipBlock":{"cidr":"2001:db8::2/128"}}]}`)
		}},
		{"API server behind its Service", withBoth, func(*workload.Facts) {}, func(o objects) bool {
			return strings.Contains(policyText(o), `"to":[{"ipBlock":{"cidr":"10.96.0.1/32"}},{"ipBlock":{"cidr":"192.0.2.10/32"}},{"ipBlock":{"cidr":"2001:db8::1/128"}}]`)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := facts()
			tc.change(&f)
			if o := desired(t, tc.cluster, f); !tc.check(o) {
				t.Errorf("got\n%s", encode(t, o))
			}
		})
	}
}

func configSources(o workload.Objects) []corev1.VolumeProjection {
	return o.StatefulSet.Spec.Template.Spec.Volumes[0].Projected.Sources
}

func noteAbout(o workload.Objects, text string) bool {
	return slices.ContainsFunc(o.Notes, func(note string) bool { return strings.Contains(note, text) })
}

func policyText(o workload.Objects) string {
	data, err := json.Marshal(find(o, "NetworkPolicy", o.StatefulSet.Name+"-network-policy"))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func TestWrongFacts(t *testing.T) {
	for name, change := range map[string]func(*workload.Facts){
		"the configuration of the servers is not rendered": func(f *workload.Facts) { f.Config = serverconfig.Rendered{} },
		"the number of servers is out of range":            func(f *workload.Facts) { f.Replicas = 10 },
		"spec.network.apiServerCIDR: must be set: the address of the Kubernetes API server, which the servers' NetworkPolicy must allow, could not be found": func(f *workload.Facts) {
			f.APIServer = nil
		},
		"the seal reads VAULT_TOKEN from a Secret, but spec.unseal.credentialsSecretRef names none": func(f *workload.Facts) {
			f.Config.Env = []serverconfig.EnvVar{{Name: "VAULT_TOKEN", SecretKey: "token"}}
		},
	} {
		f := facts()
		change(&f)
		if _, err := workload.Desired(development(), f); err == nil || err.Error() != name {
			t.Errorf("got error %v, want %q", err, name)
		}
	}
	f := facts()
	f.APIServer = nil
	_, err := workload.Desired(development(), f)
	if spec := (*authz.SpecError)(nil); !errors.As(err, &spec) {
		t.Errorf("got %v, want a SpecError, which a person can fix", err)
	}
}

// TestTemplateChanges wants pods restarted for what a running server would read
// differently, and for nothing else.
func TestTemplateChanges(t *testing.T) {
	base := desired(t, development(), facts()).StatefulSet.Spec.Template
	for _, tc := range []struct {
		name     string
		cluster  func(*openbaov1alpha1.OpenBaoCluster)
		facts    func(*workload.Facts)
		restarts bool
	}{
		{name: "digest", facts: func(f *workload.Facts) { f.Config.Digest = "d2" }, restarts: true},
		{name: "text with the same digest", facts: func(f *workload.Facts) { f.Config.Public = []byte("# Another comment.\n") }},
		{name: "number of servers", cluster: func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Replicas = new(int32(5)) }, facts: func(f *workload.Facts) { f.Replicas = 5 }},
		{name: "initialized", cluster: func(c *openbaov1alpha1.OpenBaoCluster) { c.Status.Initialized = new(true) }},
		{name: "self-initialization", cluster: func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.SelfInit = &openbaov1alpha1.SelfInitSpec{Enabled: true}
		}},
		{name: "size", cluster: func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Storage.Size = "2Gi" }},
		{name: "restart", cluster: func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.Maintenance = &openbaov1alpha1.MaintenanceSpec{RestartAt: "now"}
		}, restarts: true},
		{name: "maintenance", cluster: func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.Maintenance = &openbaov1alpha1.MaintenanceSpec{Enabled: new(true)}
		}},
		{name: "version", cluster: func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Version = "v2.7.0" }, restarts: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, f := development(), facts()
			if tc.cluster != nil {
				tc.cluster(c)
			}
			if tc.facts != nil {
				tc.facts(&f)
			}
			if changed := !reflect.DeepEqual(desired(t, c, f).StatefulSet.Spec.Template, base); changed != tc.restarts {
				t.Errorf("the template changes: %t, want %t", changed, tc.restarts)
			}
		})
	}
}

// TestReservedMetadata wants what Bailiwick sets on pods kept from podMetadata.
func TestReservedMetadata(t *testing.T) {
	c := development()
	c.Spec.PodMetadata = &openbaov1alpha1.PodMetadata{
		Labels:      map[string]string{workload.LabelComponent: "backup", workload.LabelTraffic: "all", "app.kubernetes.io/instance": "other", "mine": "1"},
		Annotations: map[string]string{workload.AnnotationConfigDigest: "x", workload.AnnotationRestartAt: "x", "mine": "1"},
	}
	template := desired(t, c, facts()).StatefulSet.Spec.Template
	wantLabels := workload.Labels(c)
	wantLabels[workload.LabelComponent], wantLabels[workload.LabelTraffic], wantLabels["mine"] = workload.ComponentServer, workload.TrafficClients, "1"
	if !reflect.DeepEqual(template.Labels, wantLabels) {
		t.Errorf("got labels %v, want %v", template.Labels, wantLabels)
	}
	if want := map[string]string{workload.AnnotationConfigDigest: "d1", "mine": "1"}; !reflect.DeepEqual(template.Annotations, want) {
		t.Errorf("got annotations %v, want %v", template.Annotations, want)
	}
}

func TestResources(t *testing.T) {
	list := func(pairs ...string) map[string]resource.Quantity {
		m := map[string]resource.Quantity{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = resource.MustParse(pairs[i+1])
		}
		return m
	}
	for _, tc := range []struct {
		name                 string
		requests, limits     map[string]resource.Quantity
		wantRequest, wantMax map[string]resource.Quantity
	}{
		{"defaults", nil, nil, list("cpu", "100m", "memory", "256Mi"), list("memory", "1Gi")},
		{"one by one", list("cpu", "1"), list("cpu", "2"), list("cpu", "1", "memory", "256Mi"), list("cpu", "2", "memory", "1Gi")},
		{"other resources", list("ephemeral-storage", "1Gi"), nil, list("cpu", "100m", "memory", "256Mi", "ephemeral-storage", "1Gi"), list("memory", "1Gi")},
		{"request over the default limit", list("memory", "2Gi"), nil, list("cpu", "100m", "memory", "2Gi"), list("memory", "2Gi")},
		{"limit under the default request", nil, list("memory", "128Mi", "cpu", "50m"), list("cpu", "50m", "memory", "128Mi"), list("cpu", "50m", "memory", "128Mi")},
		{"no limit", nil, list("memory", "0"), list("cpu", "100m", "memory", "256Mi"), list()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := development()
			c.Spec.Resources = &openbaov1alpha1.ResourceRequirements{Requests: tc.requests, Limits: tc.limits}
			got := desired(t, c, facts()).StatefulSet.Spec.Template.Spec.Containers[0].Resources
			compareQuantities(t, "requests", got.Requests, tc.wantRequest)
			compareQuantities(t, "limits", got.Limits, tc.wantMax)
		})
	}
}

func compareQuantities(t *testing.T, what string, got corev1.ResourceList, want map[string]resource.Quantity) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %s %v, want %v", what, got, want)
	}
	for name, quantity := range want {
		if have := got[corev1.ResourceName(name)]; have.Cmp(quantity) != 0 {
			t.Errorf("got %s of %s: %s, want %s", what, name, have.String(), quantity.String())
		}
	}
}

func TestTopologySpread(t *testing.T) {
	for _, tc := range []struct {
		name string
		spec *openbaov1alpha1.SchedulingSpec
		want []string
	}{
		{"default", nil, []string{"kubernetes.io/hostname", "topology.kubernetes.io/zone"}},
		{"default with other settings", &openbaov1alpha1.SchedulingSpec{PriorityClassName: "high"}, []string{"kubernetes.io/hostname", "topology.kubernetes.io/zone"}},
		{"none", &openbaov1alpha1.SchedulingSpec{TopologySpreadConstraints: []openbaov1alpha1.TopologySpreadConstraint{}}, nil},
		{"own", &openbaov1alpha1.SchedulingSpec{TopologySpreadConstraints: []openbaov1alpha1.TopologySpreadConstraint{{TopologyKey: "rack"}}}, []string{"rack"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := development()
			c.Spec.Scheduling = tc.spec
			var got []string
			for _, constraint := range desired(t, c, facts()).StatefulSet.Spec.Template.Spec.TopologySpreadConstraints {
				got = append(got, constraint.TopologyKey)
				if !reflect.DeepEqual(constraint.LabelSelector.MatchLabels, workload.ServerSelector(c)) {
					t.Errorf("%s counts %v", constraint.TopologyKey, constraint.LabelSelector)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestNothingIsShared changes every map of the objects, and wants the next objects, the
// cluster and the facts unchanged.
func TestNothingIsShared(t *testing.T) {
	c, f := complete()
	c.Spec.Maintenance = nil // It makes more maps.
	f.Operator.PodLabels = map[string]string{"a": "b"}
	before := encode(t, desired(t, c, f))
	o := desired(t, c, f)
	var spoil func(reflect.Value)
	spoil = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				spoil(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				spoil(v.Field(i))
			}
		case reflect.Slice:
			for i := range v.Len() {
				spoil(v.Index(i))
			}
		case reflect.Map:
			if v.Type() == reflect.TypeFor[map[string]string]() && v.CanInterface() && !v.IsNil() {
				v.SetMapIndex(reflect.ValueOf("spoiled"), reflect.ValueOf("spoiled"))
			}
		}
	}
	for i, object := range o.Apply {
		// Each object is spoiled alone: the next must not show it.
		spoil(reflect.ValueOf(object))
		for _, other := range o.Apply[i+1:] {
			if data, err := json.Marshal(other); err != nil || strings.Contains(string(data), "spoiled") {
				t.Errorf("%T shares a map with %T (error %v)", other, object, err)
			}
		}
	}
	if after := encode(t, desired(t, c, f)); string(after) != string(before) {
		t.Error("changing the objects changes what follows from the same cluster and facts")
	}
}
