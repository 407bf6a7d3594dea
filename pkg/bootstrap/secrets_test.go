// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

const (
	evilAddress = "https://evil.example:8200"
	password    = "s.Passw0rdOfADatabase"
)

// evil makes a server that keeps what it is sent.
func (f *fixture) evil() *fakeServer {
	srv := newServer("id-of-evil")
	f.servers[evilAddress] = srv
	return srv
}

// Whoever may write an object names Secrets of its namespace, and no more than that:
// what is in them goes nowhere that they do not name themselves.
func TestSecretsOfOthersAreNotSent(t *testing.T) {
	database := func(f *fixture) {
		f.secret("db", map[string]string{"password": password, "token": password, "tls.crt": password, "tls.key": password, "ca.crt": password})
	}
	certificate := func(f *fixture) {
		f.secret("db", map[string]string{"tls.crt": testCA, "tls.key": password}, func(s *corev1.Secret) { s.Type = corev1.SecretTypeTLS })
	}
	ofVictim := func(f *fixture) { f.credential("db", map[string]string{"password": password, "token": password}) }
	annotated := func(f *fixture) {
		f.secret("db", map[string]string{"password": password, "token": password, "address": evilAddress}, func(s *corev1.Secret) {
			s.Annotations = map[string]string{openbaov1alpha1.AnnotationCredentialAddress: evilAddress}
		})
	}
	spec := func(mutate func(*openbaov1alpha1.AuthorizationSpec)) func(*openbaov1alpha1.OpenBaoCluster) {
		return func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.Authorization.Address, c.Spec.Authorization.AdminTokenSecretRef = evilAddress, nil
			mutate(c.Spec.Authorization)
		}
	}
	token := func(key string) func(*openbaov1alpha1.OpenBaoCluster) {
		return spec(func(a *openbaov1alpha1.AuthorizationSpec) {
			a.AdminTokenSecretRef = &openbaov1alpha1.SecretKeyReference{Name: "db", Key: key}
		})
	}
	clientCertificate := spec(func(a *openbaov1alpha1.AuthorizationSpec) {
		a.ClientCertSecretRef = &openbaov1alpha1.ClientCertSecretReference{Name: "db"}
	})
	for name, tc := range map[string]struct {
		secret func(*fixture)
		mutate func(*openbaov1alpha1.OpenBaoCluster)
		reason string
	}{
		"token, of any Secret":              {database, token("password"), ReasonSecretNotForServer},
		"token, of the default key":         {database, token(""), ReasonSecretNotForServer},
		"token, of a key that is not there": {database, token("other"), ReasonSecretNotForServer},
		"token, of another server":          {ofVictim, token("password"), ReasonSecretNotForServer},
		"token, with an annotation alone":   {annotated, token("password"), ReasonSecretNotForServer},
		"client certificate":                {certificate, clientCertificate, ReasonSecretNotForServer},
		"client certificate, of any Secret": {database, clientCertificate, ReasonSecretNotForServer},
		"CA": {database, spec(func(a *openbaov1alpha1.AuthorizationSpec) {
			a.CASecretRef = &openbaov1alpha1.CASecretReference{Name: "db", Key: "password"}
		}), ReasonCAInvalid},
		"token, by annotation": {database, func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.Authorization = nil
			c.Annotations = map[string]string{
				openbaov1alpha1.AnnotationMode: "Once", openbaov1alpha1.AnnotationAddress: evilAddress, openbaov1alpha1.AnnotationAdminTokenSecret: "db/password",
			}
		}, ReasonSecretNotForServer},
	} {
		for _, mode := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationEnforce} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				f := newFixture(t)
				srv := f.evil()
				f.secret("prod-tls-ca", map[string]string{"ca.crt": testCA})
				tc.secret(f)
				f.create("prod", 0, tc.mutate, func(c *openbaov1alpha1.OpenBaoCluster) {
					if c.Spec.Authorization != nil {
						c.Spec.Authorization.Mode = mode
					} else {
						c.Annotations[openbaov1alpha1.AnnotationMode] = string(mode)
					}
				})
				f.sync("prod")
				message := f.expect("prod", tc.reason).Message
				if slices.Contains(srv.received, password) {
					t.Errorf("the server received %q", srv.received)
				}
				for _, o := range f.opts {
					if !o.Certificate.IsZero() {
						t.Errorf("the server was shown a client certificate")
					}
				}
				if strings.Contains(message, password) || strings.Contains(message, "delete secret db") {
					t.Errorf("the message is %s", message)
				}
				if tc.reason == ReasonSecretNotForServer && !strings.Contains(message, "annotate secret db bailiwick.dev/openbao-address="+evilAddress) {
					t.Errorf("the message has no command: %s", message)
				}
			})
		}
	}
}

// An object of another namespace reaches no Secret of this one, whatever it names.
func TestSecretsOfOtherNamespacesAreNotSent(t *testing.T) {
	for _, name := range []string{"admin", "ns/admin", "../ns/admin"} {
		f := newFixture(t)
		srv := f.evil()
		f.namespaces["other"] = "uid-of-other"
		f.meantFor(evilAddress) // and even that is of the other namespace
		f.create("prod", 0)
		obj := f.get("prod").DeepCopy()
		obj.Namespace, obj.UID, obj.ResourceVersion = "other", types.UID("uid-other"), ""
		obj.Spec.Authorization.Address, obj.Spec.Authorization.CASecretRef = evilAddress, nil
		obj.Spec.Authorization.CABundle = testCA
		obj.Spec.Authorization.AdminTokenSecretRef.Name = name
		created, err := f.clusters.OpenBaoV1alpha1().OpenBaoClusters("other").Create(t.Context(), obj, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.informer.GetIndexer().Add(created); err != nil {
			t.Fatal(err)
		}
		f.controller.sync(t.Context(), cache.NewObjectName("other", "prod"))
		if slices.Contains(srv.received, adminToken) {
			t.Errorf("%s: the server received %q", name, srv.received)
		}
	}
}

// What is removed is removed at the recorded address, and the token has to be for that.
func TestWithdrawalSendsNoSecretOfAnotherServer(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	srv := f.evil()
	srv.health.ClusterID = f.server().health.ClusterID
	f.secret("db", map[string]string{"token": password})
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		unrequest(c)
		c.Annotations = map[string]string{openbaov1alpha1.AnnotationAdminTokenSecret: "db/token"}
		c.Status.Authorization.Address = evilAddress
	})
	f.sync("prod")
	if slices.Contains(srv.received, password) {
		t.Errorf("the server received %q", srv.received)
	}
	if message := f.expect("prod", ReasonNotRequested).Message; !strings.Contains(message, "annotate secret db bailiwick.dev/openbao-address="+evilAddress) {
		t.Errorf("the message is %s", message)
	}
}

// A Secret that another tool makes agrees by label and annotation.
func TestSecretOfAnotherTool(t *testing.T) {
	f := newFixture(t)
	f.secret("admin", map[string]string{"token": adminToken}, func(s *corev1.Secret) {
		s.Labels = map[string]string{openbaov1alpha1.LabelCredential: "true"}
		s.Annotations = map[string]string{openbaov1alpha1.AnnotationCredentialAddress: "https://BAO.example:8200/"}
	})
	f.create("prod", 0)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
}

// A token that OpenBao cannot make again, or that others use, is not revoked, and so
// not used.
func TestAdminTokensThatMustNotBeRevoked(t *testing.T) {
	for name, tc := range map[string]struct {
		info   openbao.TokenInfo
		reason string
	}{
		"root":             {openbao.TokenInfo{Policies: []string{"root"}, Type: "service"}, ReasonAdminTokenTooPowerful},
		"root with an end": {openbao.TokenInfo{Policies: []string{"root"}, Type: "service", TTL: time.Hour}, ReasonAdminTokenTooPowerful},
		"without an end":   {openbao.TokenInfo{Policies: []string{"admin"}, Type: "service"}, ReasonAdminTokenDoesNotExpire},
		"periodic":         {openbao.TokenInfo{Policies: []string{"admin"}, Type: "service", TTL: time.Hour, Period: time.Hour}, ReasonAdminTokenDoesNotExpire},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.server().infos[adminToken] = tc.info
			f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Namespace = "team" })
			before := f.server().state()
			for range 2 {
				f.sync("prod")
				message := f.expect("prod", tc.reason).Message
				for _, want := range []string{"bao token create -namespace=team -policy=bailiwick-admin -ttl=10m", "address=" + address, "it was not revoked"} {
					if !strings.Contains(message, want) {
						t.Errorf("the message lacks %q: %s", want, message)
					}
				}
			}
			if got := f.server().takeWrites(); len(got) > 0 || !maps.Equal(before, f.server().state()) || !f.server().tokens[adminToken] {
				t.Errorf("wrote %q", got)
			}
			// The right token goes on from here.
			f.admin("s.created")
			f.sync("prod")
			f.expect("prod", ReasonApplied)
		})
	}
}

func TestWithdrawalWithTokenThatMustNotBeRevoked(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	before := f.server().state()
	f.admin("s.root")
	f.server().infos["s.root"] = openbao.TokenInfo{Policies: []string{"root"}, Type: "service"}
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		unrequest(c)
		c.Annotations = map[string]string{openbaov1alpha1.AnnotationAdminTokenSecret: "admin/token"}
	})
	f.sync("prod")
	if message := f.expect("prod", ReasonNotRequested).Message; !strings.Contains(message, "root token") {
		t.Errorf("the message is %s", message)
	}
	if !maps.Equal(before, f.server().state()) || !f.server().tokens["s.root"] {
		t.Error("the server was changed, or the token revoked")
	}
}

// A token that was in use when the process ended is not revoked either if it is one
// that an earlier version would have taken.
func TestTokenInUseThatMustNotBeRevoked(t *testing.T) {
	f := newFixture(t)
	f.server().fail = func(op string) error {
		if op == "RevokeSelf" {
			return class(openbao.Unavailable)
		}
		return nil
	}
	f.create("prod", 0)
	f.sync("prod")
	f.expect("prod", ReasonAdminTokenNotRevoked)
	f.server().fail = func(string) error { return nil }
	f.server().infos[adminToken] = openbao.TokenInfo{Policies: []string{"root"}, Type: "service"}
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.get("prod").Status.Authorization.AdminToken; got != openbaov1alpha1.AdminTokenUnknown || !f.server().tokens[adminToken] {
		t.Errorf("the token is %s", got)
	}
}

// What cannot be revoked ends by itself, and holds up nothing.
func TestAdminTokenThatCannotBeRevoked(t *testing.T) {
	for failure, tc := range map[openbao.Class]struct {
		reason string
		state  openbaov1alpha1.AdminTokenState
	}{
		openbao.NotRevocable:     {ReasonApplied, openbaov1alpha1.AdminTokenUnknown},
		openbao.PermissionDenied: {ReasonApplied, openbaov1alpha1.AdminTokenUnknown},
		openbao.Unavailable:      {ReasonAdminTokenNotRevoked, openbaov1alpha1.AdminTokenInUse},
		openbao.NamespaceLocked:  {ReasonAdminTokenNotRevoked, openbaov1alpha1.AdminTokenInUse},
		openbao.Throttled:        {ReasonAdminTokenNotRevoked, openbaov1alpha1.AdminTokenInUse},
	} {
		t.Run(string(failure), func(t *testing.T) {
			f := newFixture(t)
			f.server().fail = func(op string) error {
				if op == "RevokeSelf" {
					return class(failure)
				}
				return nil
			}
			f.create("prod", 0)
			f.sync("prod")
			f.expect("prod", tc.reason)
			if got := f.get("prod").Status.Authorization.AdminToken; got != tc.state {
				t.Errorf("the token is %s", got)
			}
		})
	}
}

// What an author wrote is one word of a command, whatever it is.
func TestCommandsQuote(t *testing.T) {
	f := newFixture(t)
	f.secret("admin", nil)
	f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.AdminTokenSecretRef.Key = "x'; touch /tmp/x; '"
	})
	f.sync("prod")
	message := f.expect("prod", ReasonAdminTokenSecretNotFound).Message
	if !strings.Contains(message, `--from-literal='x'\''; touch /tmp/x; '\'''="$ADMIN_TOKEN"`) {
		t.Errorf("the message is %s", message)
	}
}
