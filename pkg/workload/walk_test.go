// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// otherBlocks are not about the objects of servers, or are walked where they are
// rendered.
var otherBlocks = []string{
	"authorization", "selfInit", "backup", "restore", "upgrade", "recoveryKeys", "breakGlassAck",
	"configuration", "plugins", "audit", "telemetry", "unseal",
}

// withoutEffect are fields that change no object, with what they do instead.
var withoutEffect = map[string]string{
	"spec.paused":                    "the caller of Desired applies nothing",
	"spec.deletionPolicy":            "it matters once the cluster is deleted",
	"spec.tls.rotationPeriod":        "it is about the content of the Secret with the certificate",
	"spec.maintenance.recoverQuorum": "it is about which servers there are, which is a fact",
	"spec.tls.extraSANs[]":           "it is about the content of the Secret with the certificate",
}

// refusedFields are fields, or blocks, that are refused, with the field that the refusal
// names.
var refusedFields = map[string]string{
	"spec.profile":                             "spec.tls.mode",
	"spec.tls.enabled":                         "spec.tls.enabled",
	"spec.tls.acme":                            "spec.tls.acme",
	"spec.ingress":                             "spec.ingress.enabled",
	"spec.gateway":                             "spec.gateway.enabled",
	"spec.imageVerification":                   "spec.imageVerification.enabled",
	"spec.operatorImageVerification":           "spec.operatorImageVerification.enabled",
	"spec.securityContext.windowsOptions":      "spec.securityContext.windowsOptions",
	"spec.securityContext.runAsNonRoot":        "spec.securityContext.runAsNonRoot",
	"spec.securityContext.seLinuxOptions.user": "spec.securityContext.seLinuxOptions.user",
	"spec.securityContext.seLinuxOptions.role": "spec.securityContext.seLinuxOptions.role",
}

// noted are blocks that do nothing, with what a note says of them.
var noted = map[string]string{"spec.initContainer": "spec.initContainer"}

// samples are values of fields that not every text or number fits.
var samples = map[string]any{
	"spec.profile":                                            openbaov1alpha1.ProfileHardened,
	"spec.tls.enabled":                                        false,
	"spec.tls.mode":                                           openbaov1alpha1.TLSExternal,
	"spec.storage.size":                                       "5Gi",
	"spec.replicas":                                           int32(2),
	"spec.service.type":                                       "NodePort",
	"spec.securityContext.runAsNonRoot":                       false,
	"spec.securityContext.seLinuxOptions.type":                "container_t",
	"spec.securityContext.seccompProfile.type":                "Localhost",
	"spec.securityContext.appArmorProfile.type":               "Localhost",
	"spec.securityContext.sysctls[].name":                     "net.ipv4.tcp_syncookies",
	"spec.network.apiServerCIDR":                              "10.0.0.0/8",
	"spec.network.apiServerEndpointIPs[]":                     "192.0.2.77",
	"spec.network.egressRules[].ports[].protocol":             "UDP",
	"spec.network.ingressRules[].ports[].protocol":            "UDP",
	"spec.network.egressRules[].to[].ipBlock.cidr":            "192.0.2.0/24",
	"spec.network.ingressRules[].from[].ipBlock.cidr":         "192.0.2.0/24",
	"spec.network.egressRules[].to[].ipBlock.except[]":        "10.1.0.0/16",
	"spec.network.ingressRules[].from[].ipBlock.except[]":     "10.1.0.0/16",
	"spec.observability.metrics.serviceMonitor.interval":      "45s",
	"spec.observability.metrics.serviceMonitor.scrapeTimeout": "5s",
}

// TestEveryField sets each field of a spec that describes servers, and fails for one that
// is accepted and makes no difference.
func TestEveryField(t *testing.T) {
	var leaves []leaf
	collect(reflect.TypeFor[openbaov1alpha1.OpenBaoClusterSpec](), leaf{path: "spec"}, &leaves)
	if len(leaves) < 100 {
		t.Fatalf("found only %d fields", len(leaves))
	}
	seen := map[string]bool{}
	for _, l := range leaves {
		t.Run(l.path, func(t *testing.T) {
			block := l.path
			for _, list := range []map[string]string{withoutEffect, refusedFields, noted} {
				if name, ok := listed(list, l.path); ok {
					seen[name] = true
					block = name
				}
			}
			before, after := development(), development()
			l.set(before, false)
			l.set(after, true)
			for _, c := range []*openbaov1alpha1.OpenBaoCluster{before, after} {
				enableBlockOf(c, l.path)
			}
			was, is := outcomeOf(t, before), outcomeOf(t, after)
			switch {
			case withoutEffect[block] != "":
				if is != was {
					t.Errorf("it makes a difference, although %s", withoutEffect[block])
				}
			case refusedFields[block] != "":
				if !strings.Contains(is.refusal, refusedFields[block]+": ") {
					t.Errorf("got %q, want it refused because of %s", is.refusal, refusedFields[block])
				}
			case noted[block] != "":
				if !strings.Contains(is.notes, noted[block]) {
					t.Errorf("got notes %s, want one about %s", is.notes, noted[block])
				}
			case is.refusal != "":
				t.Errorf("refused: %s", is.refusal)
			case is == was:
				t.Error("it is accepted, and makes no difference")
			}
		})
	}
	for _, list := range []map[string]string{withoutEffect, refusedFields, noted} {
		for path := range list {
			if !seen[path] {
				t.Errorf("%s is listed here, and there is no such field", path)
			}
		}
	}
}

// enableBlockOf turns on what a field belongs to, for as much as another field decides.
func enableBlockOf(c *openbaov1alpha1.OpenBaoCluster, path string) {
	if c.Spec.Ingress != nil {
		c.Spec.Ingress.Enabled = new(true)
	}
	if c.Spec.Gateway != nil {
		c.Spec.Gateway.Enabled = true
	}
	if c.Spec.ImageVerification != nil {
		c.Spec.ImageVerification.Enabled = true
	}
	if c.Spec.OperatorImageVerification != nil {
		c.Spec.OperatorImageVerification.Enabled = true
	}
	if o := c.Spec.Observability; o != nil && o.Metrics.ServiceMonitor != nil {
		o.Metrics.Enabled = true
		if !strings.HasSuffix(path, ".enabled") {
			o.Metrics.ServiceMonitor.Enabled = true
		}
	}
	if s := c.Spec.SecurityContext; s != nil {
		if s.SeccompProfile != nil {
			s.SeccompProfile.Type = cmp.Or(s.SeccompProfile.Type, "RuntimeDefault")
		}
		if s.AppArmorProfile != nil {
			s.AppArmorProfile.Type = cmp.Or(s.AppArmorProfile.Type, "RuntimeDefault")
		}
		for i := range s.Sysctls {
			s.Sysctls[i].Name = cmp.Or(s.Sysctls[i].Name, "kernel.shm_rmid_forced")
		}
	}
	if n := c.Spec.Network; n != nil && strings.HasSuffix(path, ".except[]") {
		for _, rule := range n.EgressRules {
			rule.To[0].IPBlock.CIDR = "10.0.0.0/8"
		}
		for _, rule := range n.IngressRules {
			rule.From[0].IPBlock.CIDR = "10.0.0.0/8"
		}
	}
}

// outcome is everything that Desired returns, as text.
type outcome struct{ refusal, objects, absent, notes string }

func outcomeOf(t *testing.T, c *openbaov1alpha1.OpenBaoCluster) outcome {
	t.Helper()
	o, err := workload.Desired(c, facts())
	if err != nil {
		return outcome{refusal: err.Error()}
	}
	text := func(value any) string {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	return outcome{objects: text(o.Apply), absent: text(o.Absent), notes: text(o.Notes)}
}

// listed returns the entry of a list that a path is, or is below of.
func listed(list map[string]string, path string) (string, bool) {
	for name := range list {
		if path == name || strings.HasPrefix(path, name+".") {
			return name, true
		}
	}
	return "", false
}

// leaf is a field that has no fields of its own, and the way there.
type leaf struct {
	path  string
	steps []int
}

// collect finds the leaves of a type.
func collect(of reflect.Type, at leaf, leaves *[]leaf) {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case of.Kind() == reflect.Slice:
		at.path += "[]"
		collect(of.Elem(), at, leaves)
	case of.Kind() == reflect.Struct && !slices.Contains(leafTypes, of):
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if at.path == "spec" && slices.Contains(otherBlocks, name) {
				continue
			}
			collect(of.Field(i).Type, leaf{at.path + "." + name, append(slices.Clone(at.steps), i)}, leaves)
		}
	default:
		*leaves = append(*leaves, at)
	}
}

var leafTypes = []reflect.Type{
	reflect.TypeFor[metav1.LabelSelector](), reflect.TypeFor[intstr.IntOrString](), reflect.TypeFor[resource.Quantity](),
}

// set makes everything on the way to the leaf, and gives it a value if asked to.
func (l leaf) set(c *openbaov1alpha1.OpenBaoCluster, give bool) {
	at := reflect.ValueOf(&c.Spec).Elem()
	for _, step := range l.steps {
		at = enter(at).Field(step)
	}
	if !give {
		return
	}
	at = enter(at)
	if value, ok := samples[l.path]; ok {
		at.Set(reflect.ValueOf(value))
		return
	}
	switch value := at.Addr().Interface().(type) {
	case *metav1.LabelSelector:
		value.MatchLabels = map[string]string{"a": "b"}
	case *intstr.IntOrString:
		*value = intstr.FromInt32(1234)
	case *map[string]string:
		*value = map[string]string{"example.com/a": "b"}
	case *map[string]resource.Quantity:
		*value = map[string]resource.Quantity{"cpu": resource.MustParse("50m")}
	default:
		switch at.Kind() {
		case reflect.String:
			at.SetString("x")
		case reflect.Bool:
			at.SetBool(true)
		default:
			at.SetInt(7)
		}
	}
}

// enter goes through pointers and into the one element of lists, and makes them.
func enter(at reflect.Value) reflect.Value {
	for {
		switch at.Kind() {
		case reflect.Pointer:
			if at.IsNil() {
				at.Set(reflect.New(at.Type().Elem()))
			}
			at = at.Elem()
		case reflect.Slice:
			if at.Len() == 0 {
				at.Set(reflect.MakeSlice(at.Type(), 1, 1))
			}
			at = at.Index(0)
		default:
			return at
		}
	}
}
