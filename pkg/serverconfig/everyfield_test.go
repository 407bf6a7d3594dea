// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

// alwaysRefused are the fields that no value of is rendered, with the field of the
// error.
var alwaysRefused = map[string]string{
	"spec.configuration.acmeCARoot":          "spec.configuration.acmeCARoot",          // comes with ACME
	"spec.configuration.listener.tlsDisable": "spec.configuration.listener.tlsDisable", // TLS is always on
	"spec.unseal.ocikms.compartmentID":       "spec.unseal.ocikms.compartmentID",       // OpenBao reads none
	"spec.unseal.pkcs11.hmacKeyLabel":        "spec.unseal.pkcs11.hmacKeyLabel",        // OpenBao uses none
	"spec.unseal.pkcs11.generateKey":         "spec.unseal.pkcs11.generateKey",         // OpenBao makes none
	"spec.audit[0].syslogOptions.facility":   "spec.audit[0].type",                     // no pod has syslog
	"spec.audit[0].syslogOptions.tag":        "spec.audit[0].type",
}

// notAlone are the fields that change nothing here by themselves, with the reason.
var notAlone = map[string]string{
	"spec.unseal.type":               "the block of the type has to change with it; TestSeals has all types",
	"spec.unseal.kmip.tlsSkipVerify": "workload.Rules refuses it",
}

// leaf is a field that has no fields.
type leaf struct {
	path string
	// get returns the field within a spec, for which it makes what leads to it.
	get func(spec reflect.Value) reflect.Value
	of  reflect.Type
}

// leaves returns the fields below a type.
func leaves(path string, of reflect.Type, get func(reflect.Value) reflect.Value) []leaf {
	switch {
	case of.Kind() == reflect.Pointer && of.Elem().Kind() == reflect.Struct && of.Elem() != reflect.TypeFor[runtime.RawExtension]():
		return leaves(path, of.Elem(), func(spec reflect.Value) reflect.Value {
			pointer := get(spec)
			if pointer.IsNil() {
				pointer.Set(reflect.New(of.Elem()))
			}
			return pointer.Elem()
		})
	case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct:
		return leaves(path+"[0]", of.Elem(), func(spec reflect.Value) reflect.Value { return get(spec).Index(0) })
	case of.Kind() == reflect.Struct:
		var all []leaf
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			all = append(all, leaves(path+"."+name, of.Field(i).Type, func(spec reflect.Value) reflect.Value { return get(spec).Field(i) })...)
		}
		return all
	}
	return []leaf{{path, get, of}}
}

// samples are values for a field: some of them are valid for any one.
func samples(t *testing.T, of reflect.Type) []any {
	switch of {
	case reflect.TypeFor[*bool]():
		return []any{new(true), new(false)}
	case reflect.TypeFor[*int32]():
		return []any{new(int32(7))}
	case reflect.TypeFor[*int64]():
		return []any{new(int64(7))}
	case reflect.TypeFor[[]string]():
		return []any{[]string{"SAMPLE=x"}}
	case reflect.TypeFor[*runtime.RawExtension]():
		return []any{raw(`{"elide_list_responses": true, "file_path": "stdout"}`), raw(`{"elide_list_responses": "true"}`)}
	}
	if of.Kind() != reflect.String {
		t.Fatalf("there is no sample of a %s; add one", of)
	}
	var all []any
	for _, text := range []string{
		"sample", "7s", "70s", "900h", "/tmp/sample", "/etc/bao/tls/sample", "0640", "udp", "https://sample", "sample:1", "v9", "stdout",
		"fail", "use_always", "instance_principal", "auth", "http", strings.Repeat("b", 64), "file:///etc/bao/unseal/other",
	} {
		all = append(all, reflect.ValueOf(text).Convert(of).Interface())
	}
	return all
}

// bases are the clusters in which fields are set, one by one. Their names begin with
// the part of the spec that they are for.
func bases() map[string]func() *openbaov1alpha1.OpenBaoCluster {
	device := func(d openbaov1alpha1.AuditDevice) func() *openbaov1alpha1.OpenBaoCluster {
		return func() *openbaov1alpha1.OpenBaoCluster { return cluster(devices(d)) }
	}
	plugin := func(p openbaov1alpha1.PluginSpec) func() *openbaov1alpha1.OpenBaoCluster {
		p.Type, p.Name, p.Version, p.BinaryName, p.SHA256Sum = "secret", "p", "v1", "p", sum
		return func() *openbaov1alpha1.OpenBaoCluster { return cluster(withPlugins(p)) }
	}
	all := map[string]func() *openbaov1alpha1.OpenBaoCluster{
		"audit by options": func() *openbaov1alpha1.OpenBaoCluster {
			return cluster(devices(openbaov1alpha1.AuditDevice{Type: "file", Path: "p", Options: raw(`{"file_path": "stdout", "uri": "https://x", "address": "x:1"}`)}))
		},
		"audit file": func() *openbaov1alpha1.OpenBaoCluster {
			return cluster(devices(openbaov1alpha1.AuditDevice{Type: "file", Path: "p", FileOptions: &openbaov1alpha1.FileAuditOptions{FilePath: "discard"}}))
		},
		"audit http": func() *openbaov1alpha1.OpenBaoCluster {
			return cluster(devices(openbaov1alpha1.AuditDevice{Type: "http", Path: "p", HTTPOptions: &openbaov1alpha1.HTTPAuditOptions{URI: "https://x"}}))
		},
		"audit socket": func() *openbaov1alpha1.OpenBaoCluster {
			return cluster(devices(openbaov1alpha1.AuditDevice{Type: "socket", Path: "p", SocketOptions: &openbaov1alpha1.SocketAuditOptions{Address: "x:1"}}))
		},
		"audit syslog":    device(openbaov1alpha1.AuditDevice{Type: "syslog", Path: "p"}),
		"plugins image":   plugin(openbaov1alpha1.PluginSpec{Image: "x/y"}),
		"plugins command": plugin(openbaov1alpha1.PluginSpec{Command: "x"}),
		"plugins of neither": func() *openbaov1alpha1.OpenBaoCluster {
			return cluster(withPlugins(openbaov1alpha1.PluginSpec{Type: "secret", Name: "p", Version: "v1", BinaryName: "p", SHA256Sum: sum}))
		},
	}
	for of := range seals() {
		base := func() *openbaov1alpha1.OpenBaoCluster { return cluster(sealOf(of), credentials, image) }
		all["unseal "+string(of)] = base
		all["unseal "+string(of)+" with less"] = func() *openbaov1alpha1.OpenBaoCluster {
			c := base()
			u := c.Spec.Unseal
			u.CredentialsSecretRef = nil
			switch of {
			case openbaov1alpha1.UnsealAWSKMS:
				u.AWSKMS.AccessKey, u.AWSKMS.SecretKey = "a", "b"
			case openbaov1alpha1.UnsealTransit:
				u.Transit.Token, u.Transit.TLSCACert, u.Transit.TLSClientCert, u.Transit.TLSClientKey = "t", "", "", ""
			case openbaov1alpha1.UnsealPKCS11:
				u.PKCS11.PIN = "1"
			case openbaov1alpha1.UnsealStatic:
				u.Static = nil
			case openbaov1alpha1.UnsealOCIKMS:
				u.OCIKMS.AuthType = ""
			}
			return c
		}
	}
	for _, part := range []string{"configuration", "telemetry"} {
		all[part] = func() *openbaov1alpha1.OpenBaoCluster { return cluster() }
	}
	all["unseal by the identity of the pod"] = func() *openbaov1alpha1.OpenBaoCluster { return cluster(sealOf(openbaov1alpha1.UnsealAWSKMS)) }
	return all
}

// read is what becomes of an object: the files with the environment, and the request
// to autopilot.
func read(c *openbaov1alpha1.OpenBaoCluster) (string, error) {
	out, err := serverconfig.Render(c)
	if err != nil {
		return "", err
	}
	body, err := serverconfig.Autopilot(c)
	return fmt.Sprint(out.Digest, body), err
}

// TestEveryField sets each field of the parts of the spec that describe a server's
// configuration, and checks that some value of it changes what servers read, or that
// it is refused by name.
func TestEveryField(t *testing.T) {
	var all []leaf
	spec := reflect.TypeFor[openbaov1alpha1.OpenBaoClusterSpec]()
	for _, part := range []string{"Configuration", "Plugins", "Audit", "Telemetry", "Unseal"} {
		field, _ := spec.FieldByName(part)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		all = append(all, leaves("spec."+name, field.Type, func(v reflect.Value) reflect.Value { return v.FieldByName(part) })...)
	}
	if len(all) < 120 {
		t.Fatalf("only %d fields were found", len(all))
	}
	before := map[string]string{}
	for name, base := range bases() {
		// What is no base by itself, such as a plugin without program, is one to
		// compare refusals with.
		before[name], _ = read(base())
	}
	for _, l := range all {
		by, refusedAlways := alwaysRefused[l.path]
		changed, refused := false, []string{}
		for name, base := range bases() {
			// Other bases say nothing about the field, and take time.
			if part, _, _ := strings.Cut(name, " "); !strings.HasPrefix(l.path, "spec."+part) {
				continue
			}
			for _, sample := range samples(t, l.of) {
				if changed {
					break
				}
				c := base()
				l.get(reflect.ValueOf(&c.Spec).Elem()).Set(reflect.ValueOf(sample))
				after, err := read(c)
				changed = err == nil && after != before[name]
				for _, r := range refusals(t, err) {
					field, _, _ := strings.Cut(r, ": ")
					refused = append(refused, field)
				}
			}
		}
		_, exempt := notAlone[l.path]
		switch {
		case refusedAlways && changed:
			t.Errorf("%s is said to be refused always, and changes what servers read", l.path)
		case refusedAlways && !slices.Contains(refused, by):
			t.Errorf("%s is accepted and ignored", l.path)
		case !refusedAlways && !exempt && !changed:
			t.Errorf("%s changes nothing; refused are %v", l.path, slices.Compact(slices.Sorted(slices.Values(refused))))
		}
	}
	for path := range alwaysRefused {
		if !slices.ContainsFunc(all, func(l leaf) bool { return l.path == path }) {
			t.Errorf("%s is no field", path)
		}
	}
}
