// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubernetesfake "k8s.io/client-go/kubernetes/fake"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

const (
	address = "https://bao.example:8200"
	theirs  = "https://elsewhere.example:8200"
	hidden  = "s.NotForYou"
)

// opens makes the Connections of a route, and returns the options of the clients that
// were made.
func opens(t *testing.T, route Route, secrets ...*corev1.Secret) (*Connections, *[]openbao.Options) {
	t.Helper()
	client := kubernetesfake.NewClientset()
	for _, secret := range secrets {
		if _, err := client.CoreV1().Secrets(secret.Namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	made := &[]openbao.Options{}
	access := New(Options{Secrets: client.CoreV1(), ServiceAccounts: client.CoreV1(), Connect: func(o openbao.Options) (openbao.Interface, error) {
		*made = append(*made, o)
		return openbao.New(o)
	}})
	connections := access.Connections(route)
	t.Cleanup(connections.Close)
	return connections, made
}

func secretOf(mutate ...func(*corev1.Secret)) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "admin", ResourceVersion: "7", Labels: map[string]string{}, Annotations: map[string]string{}},
		Data:       map[string][]byte{"token": []byte(hidden)},
	}
	for _, m := range mutate {
		m(secret)
	}
	return secret
}

func typed(meant string) func(*corev1.Secret) {
	return func(s *corev1.Secret) {
		s.Type = openbaov1alpha1.SecretTypeCredential
		s.Data[openbaov1alpha1.CredentialAddressKey] = []byte(meant)
	}
}

func labelled(value, meant string) func(*corev1.Secret) {
	return func(s *corev1.Secret) {
		s.Labels[openbaov1alpha1.LabelCredential] = value
		s.Annotations[openbaov1alpha1.AnnotationCredentialAddress] = meant
	}
}

// A Secret is sent to a server only if the Secret says so.
func TestSecretsAgreeToBeSent(t *testing.T) {
	for name, tc := range map[string]struct {
		mutate []func(*corev1.Secret)
		agrees bool
	}{
		"any Secret":                     {nil, false},
		"by type":                        {[]func(*corev1.Secret){typed(address)}, true},
		"by label":                       {[]func(*corev1.Secret){labelled("true", address)}, true},
		"in another spelling":            {[]func(*corev1.Secret){typed(" HTTPS://Bao.Example:8200/\n")}, true},
		"by label, in another":           {[]func(*corev1.Secret){labelled("true", "https://bao.example:08200")}, true},
		"by type, for another server":    {[]func(*corev1.Secret){typed(theirs)}, false},
		"by label, for another server":   {[]func(*corev1.Secret){labelled("true", theirs)}, false},
		"for another port":               {[]func(*corev1.Secret){typed("https://bao.example")}, false},
		"for a name that begins like it": {[]func(*corev1.Secret){typed("https://bao.example.evil:8200")}, false},
		"by type, for none":              {[]func(*corev1.Secret){typed("")}, false},
		"by label, for none":             {[]func(*corev1.Secret){labelled("true", "")}, false},
		"for what is no address":         {[]func(*corev1.Secret){typed("*")}, false},
		"for several":                    {[]func(*corev1.Secret){typed(theirs + " " + address)}, false},
		"without TLS":                    {[]func(*corev1.Secret){typed("http://bao.example:8200")}, false},
		"by a label that says no":        {[]func(*corev1.Secret){labelled("false", address)}, false},
		"by the annotation alone":        {[]func(*corev1.Secret){func(s *corev1.Secret) { s.Annotations[openbaov1alpha1.AnnotationCredentialAddress] = address }}, false},
		"by the key alone":               {[]func(*corev1.Secret){func(s *corev1.Secret) { s.Data["address"] = []byte(address) }}, false},
		"type with the annotation": {[]func(*corev1.Secret){typed(theirs), func(s *corev1.Secret) {
			s.Annotations[openbaov1alpha1.AnnotationCredentialAddress] = address
		}}, false},
		"label with the key": {[]func(*corev1.Secret){labelled("true", theirs), func(s *corev1.Secret) { s.Data["address"] = []byte(address) }}, false},
	} {
		t.Run(name, func(t *testing.T) {
			connections, _ := opens(t, Route{Address: address}, secretOf(tc.mutate...))
			value, err := connections.Credential(t.Context(), SecretKey{"ns", "admin", "token"})
			if tc.agrees {
				if err != nil || string(value.Bytes) != hidden || value.Version != "7" {
					t.Errorf("got %v, %v", value, err)
				}
				return
			}
			var secret *SecretError
			if !errors.As(err, &secret) || secret.Fault != SecretNotForServer || secret.Use != UseToken || len(value.Bytes) > 0 {
				t.Fatalf("got %v, %v", value, err)
			}
			if strings.Contains(err.Error(), hidden) || strings.Contains(err.Error(), theirs) || !strings.Contains(err.Error(), address) {
				t.Errorf("the error says %v", err)
			}
		})
	}
}

// What a Secret that does not agree has is not even told apart.
func TestSecretsThatDoNotAgreeTellNothing(t *testing.T) {
	want := ""
	for _, key := range []string{"token", "absent", "empty"} {
		connections, _ := opens(t, Route{Address: address}, secretOf(func(s *corev1.Secret) { s.Data["empty"] = nil }))
		_, err := connections.Credential(t.Context(), SecretKey{"ns", "admin", key})
		if want == "" {
			want = err.Error()
		}
		if err.Error() != want {
			t.Errorf("key %s: %v", key, err)
		}
	}
}

func TestSecretFaults(t *testing.T) {
	connections, _ := opens(t, Route{Address: address}, secretOf(typed(address), func(s *corev1.Secret) { s.Data["empty"] = []byte(" \n") }))
	for key, want := range map[SecretKey]SecretFault{
		{"ns", "admin", "other"}: SecretKeyMissing, {"ns", "admin", "empty"}: SecretEmpty, {"ns", "none", "token"}: SecretMissing, {"other", "admin", "token"}: SecretMissing,
	} {
		var secret *SecretError
		if _, err := connections.Credential(t.Context(), key); !errors.As(err, &secret) || secret.Fault != want {
			t.Errorf("%s: got %v", key, err)
		}
	}
}

// pair makes a certificate that signs itself, with its key.
func pair(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"bao.example"}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestClientCertificate(t *testing.T) {
	certificate, key := pair(t)
	ca, _ := pair(t)
	_, otherKey := pair(t)
	keys := func(certificate, key []byte) func(*corev1.Secret) {
		return func(s *corev1.Secret) {
			s.Data = map[string][]byte{"tls.crt": certificate, "tls.key": key, "address": s.Data["address"]}
		}
	}
	route := Route{Address: address, CABundle: string(ca), Certificate: SecretName{"ns", "admin"}}
	for name, tc := range map[string]struct {
		mutate []func(*corev1.Secret)
		want   SecretFault
	}{
		"agrees":          {[]func(*corev1.Secret){typed(address), keys(certificate, key)}, ""},
		"agrees, by tool": {[]func(*corev1.Secret){labelled("true", address), keys(certificate, key), func(s *corev1.Secret) { s.Type = corev1.SecretTypeTLS }}, ""},
		"any TLS Secret":  {[]func(*corev1.Secret){keys(certificate, key), func(s *corev1.Secret) { s.Type = corev1.SecretTypeTLS }}, SecretNotForServer},
		"other server":    {[]func(*corev1.Secret){typed(theirs), keys(certificate, key)}, SecretNotForServer},
		"no key":          {[]func(*corev1.Secret){typed(address), keys(certificate, nil)}, SecretEmpty},
		"other key":       {[]func(*corev1.Secret){typed(address), keys(certificate, otherKey)}, SecretInvalid},
		"no certificate":  {[]func(*corev1.Secret){typed(address)}, SecretKeyMissing},
	} {
		t.Run(name, func(t *testing.T) {
			connections, made := opens(t, route, secretOf(tc.mutate...))
			_, err := connections.Client(t.Context(), openbao.Token{})
			if tc.want == "" {
				if err != nil || len(*made) != 1 || (*made)[0].Certificate.IsZero() {
					t.Errorf("got %v, %d clients", err, len(*made))
				}
				return
			}
			var secret *SecretError
			if !errors.As(err, &secret) || secret.Fault != tc.want || secret.Use != UseCertificate || len(*made) != 0 {
				t.Fatalf("got %v, %d clients", err, len(*made))
			}
			if text := fmt.Sprintf("%v %+v", err, secret); strings.Contains(text, "BEGIN") {
				t.Errorf("the error is %s", text)
			}
		})
	}
}

// All clients of one sync share their connections, and the token is of each.
func TestClientsShareConnections(t *testing.T) {
	ca, _ := pair(t)
	connections, made := opens(t, Route{Address: address, CABundle: string(ca), Namespace: "team", ServerName: "bao.internal"})
	for range 3 {
		if _, err := connections.Client(t.Context(), openbao.NewToken(hidden)); err != nil {
			t.Fatal(err)
		}
	}
	if len(*made) != 1 {
		t.Fatalf("%d were made", len(*made))
	}
	if o := (*made)[0]; !o.Token.IsZero() || o.Namespace != "team" || o.ServerName != "bao.internal" || o.AllowLocal {
		t.Errorf("made with %+v", o)
	}
}

// A session is good for one owner, way, trust and identity.
func TestTargets(t *testing.T) {
	ca, _ := pair(t)
	otherCA, _ := pair(t)
	certificate, key := pair(t)
	other, otherKey := pair(t)
	tls := func(name string, certificate, key []byte) *corev1.Secret {
		return secretOf(typed(address), func(s *corev1.Secret) {
			s.Name, s.Data["tls.crt"], s.Data["tls.key"] = name, certificate, key
		})
	}
	secrets := func() []*corev1.Secret {
		return []*corev1.Secret{
			tls("one", certificate, key), tls("same", certificate, key), tls("renewed", other, otherKey),
			secretOf(func(s *corev1.Secret) { s.Name, s.Data["ca.crt"] = "ca", ca }),
		}
	}
	route := Route{Address: address, CABundle: strings.TrimSpace(string(ca)), Certificate: SecretName{"ns", "one"}}
	identity := Identity{Mount: "m", Role: "r", Account: Account{"ns", "sa"}, Audience: "a"}
	target := func(mutate func(*Route, *Identity) (owner, server string)) Target {
		t.Helper()
		r, i := route, identity
		owner, id := "uid", "id"
		if mutate != nil {
			owner, id = mutate(&r, &i)
		}
		connections, _ := opens(t, r, secrets()...)
		to, err := connections.Target(t.Context(), types.UID(owner), id, i)
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	want := target(nil)
	for name, mutate := range map[string]func(*Route, *Identity) (string, string){
		"the CA elsewhere": func(r *Route, _ *Identity) (string, string) {
			r.CABundle, r.CASecret = "", SecretKey{"ns", "ca", "ca.crt"}
			return "uid", "id"
		},
		"the certificate elsewhere": func(r *Route, _ *Identity) (string, string) { r.Certificate.Name = "same"; return "uid", "id" },
	} {
		if got := target(mutate); got != want {
			t.Errorf("%s: another target", name)
		}
	}
	var seen []Target
	for name, mutate := range map[string]func(*Route, *Identity) (string, string){
		"owner":  func(*Route, *Identity) (string, string) { return "other", "id" },
		"server": func(*Route, *Identity) (string, string) { return "uid", "other" },
		"address": func(r *Route, _ *Identity) (string, string) {
			r.Address, r.Certificate = theirs, SecretName{}
			return "uid", "id"
		},
		"CA":          func(r *Route, _ *Identity) (string, string) { r.CABundle = string(otherCA); return "uid", "id" },
		"certificate": func(r *Route, _ *Identity) (string, string) { r.Certificate.Name = "renewed"; return "uid", "id" },
		"name":        func(r *Route, _ *Identity) (string, string) { r.ServerName = "x"; return "uid", "id" },
		"namespace":   func(r *Route, _ *Identity) (string, string) { r.Namespace = "x"; return "uid", "id" },
		"audience":    func(_ *Route, i *Identity) (string, string) { i.Audience = "x"; return "uid", "id" },
		"account":     func(_ *Route, i *Identity) (string, string) { i.Account.Name = "x"; return "uid", "id" },
		"role":        func(_ *Route, i *Identity) (string, string) { i.Role = "x"; return "uid", "id" },
		"mount":       func(_ *Route, i *Identity) (string, string) { i.Mount = "x"; return "uid", "id" },
	} {
		got := target(mutate)
		if got == want || slices.Contains(seen, got) {
			t.Errorf("another %s is the same target", name)
		}
		seen = append(seen, got)
	}
}
