// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// testCA is a certificate that has signed nothing.
const testCA = `-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUKfyiSbFwOYXEOPki1prlDfEAemkwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjEyMzI5MTZaGA8yMTI2MTAyODIzMjkx
NlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKla
qcU180XgGjOQlcJySN6/vWQil7iT7fLCmAbhvt6nc/xDn5soBpt9jgpOV7yP+7iW
/Q9DzvLvPguL/8JTyKmjUzBRMB0GA1UdDgQWBBTylFHMbft8TWA7YIaKWyfifXVK
mTAfBgNVHSMEGDAWgBTylFHMbft8TWA7YIaKWyfifXVKmTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQDDUpnrusHd0pmKiAegf3baOLlFzgmDuOCT
oACYUExjdAIhAIkYVHCzoboyJ1aim4h5LAwweDfG/Y1QLA0t+lh3rkUZ
-----END CERTIFICATE-----
`

func withBackup(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup = &openbaov1alpha1.BackupSpec{} }

func TestFirstTime(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, withBackup)
	outcome := f.sync("prod")

	want := []string{
		"EnableAuth jwt-operator", "WriteConfig jwt-operator", "WriteConfig jwt-operator",
		"WritePolicy openbao-operator", "WriteRole openbao-operator",
		"WritePolicy openbao-operator-backup", "WriteRole openbao-operator-backup",
		"RevokeSelf",
	}
	if got := f.server().takeWrites(); !slices.Equal(got, want) {
		t.Errorf("wrote %q, want %q", got, want)
	}
	condition := f.expect("prod", ReasonApplied)
	if !strings.Contains(condition.Message, "kubectl -n ns delete secret admin") {
		t.Errorf("the message does not say that the Secret can go: %s", condition.Message)
	}
	if outcome.Err() != nil {
		t.Errorf("outcome has error %v", outcome.Err())
	}
	obj := f.get("prod")
	record := obj.Status.Authorization
	if record.Server != "id-1" || record.Mount != "jwt-operator" || record.Address != address || record.Issuer != f.issuer.URL ||
		len(record.SigningKeys) != 1 || record.SigningKeys[0].ID != "k1" || !record.MountCreated ||
		!slices.Equal(record.Policies, []string{"openbao-operator", "openbao-operator-backup"}) ||
		!slices.Equal(record.Roles, []string{"openbao-operator", "openbao-operator-backup"}) ||
		record.Digest == "" || record.AdminToken != openbaov1alpha1.AdminTokenRevoked {
		t.Errorf("recorded %+v", record)
	}
	if c := meta.FindStatusCondition(obj.Status.Conditions, openbaov1alpha1.ConditionClusterLifecycle); c == nil ||
		c.Status != metav1.ConditionFalse || c.Reason != ReasonNotManaged {
		t.Errorf("ClusterLifecycle is %+v", c)
	}
	if f.server().tokens[adminToken] {
		t.Error("the admin token still lives")
	}
	for _, action := range f.kubernetes.Actions() {
		if action.GetResource().Resource == "secrets" && action.GetVerb() != "get" && action.GetVerb() != "delete" && action.GetVerb() != "create" {
			t.Errorf("a Secret was changed: %v", action)
		}
	}
	if got := f.server().roles["openbao-operator-backup"]["bound_subject"]; got != "system:serviceaccount:ns:prod-backup-serviceaccount" {
		t.Errorf("the backup role is bound to %v", got)
	}
	if event := <-f.events.Events; !strings.HasPrefix(event, "Normal Applied") {
		t.Errorf("got event %q", event)
	}

	// Nothing more is written, neither to the server nor to the object.
	version := len(f.clusters.Actions())
	f.secret("admin", nil)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote again: %q", got)
	}
	for _, action := range f.clusters.Actions()[version:] {
		if action.GetVerb() == "patch" {
			t.Errorf("wrote to the object again: %v", action)
		}
	}
	select {
	case event := <-f.events.Events:
		t.Errorf("got event %q", event)
	default:
	}
}

func TestNotRequested(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization = nil }, withBackup)
	f.sync("prod")
	f.expect("prod", ReasonNotRequested)
	if len(f.opts) > 0 {
		t.Error("a server was contacted")
	}
}

func TestDefaultAddressAndCA(t *testing.T) {
	f := newFixture(t)
	f.servers["https://prod.ns.svc:8200"] = f.servers[address]
	f.meantFor("https://prod.ns.svc:8200")
	f.secret("prod-tls-ca", map[string]string{"ca.crt": testCA})
	f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization = &openbaov1alpha1.AuthorizationSpec{
			AdminTokenSecretRef: &openbaov1alpha1.SecretKeyReference{Name: "admin", Key: "token"},
			Namespace:           "team", TLSServerName: "bao.internal",
		}
	})
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	for _, o := range f.opts {
		if o.Address != "https://prod.ns.svc:8200" || o.Namespace != "team" || o.ServerName != "bao.internal" || string(o.CABundle) != strings.TrimSpace(testCA) {
			t.Errorf("connected with %+v", o)
		}
	}
}

// TestProblems checks that everything a person must mend has its own reason, a
// message that names the place, and no effect on the server.
func TestProblems(t *testing.T) {
	failing := func(op string, c openbao.Class) func(*fixture) {
		return func(f *fixture) {
			f.server().fail = func(at string) error {
				if strings.HasPrefix(at, op) {
					return class(c)
				}
				return nil
			}
		}
	}
	spec := func(mutate func(*openbaov1alpha1.AuthorizationSpec)) func(*openbaov1alpha1.OpenBaoCluster) {
		return func(c *openbaov1alpha1.OpenBaoCluster) { mutate(c.Spec.Authorization) }
	}
	for name, tc := range map[string]struct {
		prepare func(*fixture)
		mutate  func(*openbaov1alpha1.OpenBaoCluster)
		reason  string
		// says are parts of the message.
		says []string
		// final means that it is not tried again before the object changes or
		// somebody wakes it.
		final bool
	}{
		"no token reference": {
			mutate: spec(func(a *openbaov1alpha1.AuthorizationSpec) { a.AdminTokenSecretRef = nil }),
			reason: ReasonAdminTokenRequired, says: []string{"kubectl -n ns patch openbaocluster prod", "prod-admin-token"}, final: true,
		},
		"no token Secret": {
			prepare: func(f *fixture) { f.secret("admin", nil) },
			reason:  ReasonAdminTokenSecretNotFound, says: []string{"Secret ns/admin does not exist", "kubectl -n ns create secret generic admin"},
		},
		"no token key": {
			prepare: func(f *fixture) { f.credential("admin", map[string]string{"other": "x"}) },
			reason:  ReasonAdminTokenKeyNotFound, says: []string{`Secret ns/admin has no key "token"`},
		},
		"empty token": {
			prepare: func(f *fixture) { f.credential("admin", map[string]string{"token": " \n"}) },
			reason:  ReasonAdminTokenEmpty, says: []string{`Key "token" of Secret ns/admin is empty`},
		},
		"unknown token": {
			prepare: func(f *fixture) { delete(f.server().tokens, adminToken) },
			reason:  ReasonAdminTokenInvalid, says: []string{"Secret ns/admin", address},
		},
		"no CA Secret": {
			prepare: func(f *fixture) { f.secret("ca", nil) },
			reason:  ReasonCASecretNotFound, says: []string{"Secret ns/ca does not exist", "caSecretRef"},
		},
		"no CA key": {
			prepare: func(f *fixture) { f.secret("ca", map[string]string{"x": "y"}) },
			reason:  ReasonCAInvalid, says: []string{`Secret ns/ca has no key "ca.crt"`},
		},
		"no CA": {
			prepare: func(f *fixture) { f.secret("ca", map[string]string{"ca.crt": "hello"}) },
			reason:  ReasonCAInvalid, says: []string{"Secret ns/ca", "not the CA"},
		},
		"no inline CA": {
			mutate: spec(func(a *openbaov1alpha1.AuthorizationSpec) { a.CABundle = "hello" }),
			reason: ReasonCAInvalid, says: []string{"spec.authorization.caBundle"},
		},
		"bad address": {
			mutate: spec(func(a *openbaov1alpha1.AuthorizationSpec) { a.Address = "http://bao" }),
			reason: ReasonInvalidSpec, says: []string{"spec.authorization.address"}, final: true,
		},
		"colliding role": {
			mutate: func(c *openbaov1alpha1.OpenBaoCluster) {
				c.Spec.Backup = &openbaov1alpha1.BackupSpec{JWTAuthRole: "openbao-operator"}
			},
			reason: ReasonInvalidSpec, says: []string{"spec.backup.jwtAuthRole"}, final: true,
		},
		"no issuer": {
			prepare: func(f *fixture) { f.issuerErr = errors.New("forbidden") },
			reason:  ReasonIssuerUnavailable, says: []string{"system:service-account-issuer-discovery"},
		},
		"no keys": {
			prepare: func(f *fixture) { f.issuer.Keys = nil },
			reason:  ReasonIssuerUnavailable, says: []string{"No usable signing key"},
		},
		"unreachable":         {prepare: failing("Health", openbao.Unavailable), reason: ReasonServerUnreachable, says: []string{address}},
		"untrusted":           {prepare: failing("Health", openbao.Untrusted), reason: ReasonServerUntrusted, says: []string{address, "tlsServerName"}},
		"sealed":              {prepare: func(f *fixture) { f.server().health.Sealed = true }, reason: ReasonServerSealed, says: []string{address}},
		"not initialized":     {prepare: func(f *fixture) { f.server().health.Initialized = false }, reason: ReasonServerNotInitialized, says: []string{address}},
		"no active node":      {prepare: func(f *fixture) { f.server().health.ClusterID = "" }, reason: ReasonServerStandby, says: []string{address}},
		"standby":             {prepare: failing("ReadPolicy", openbao.Standby), reason: ReasonServerStandby, says: []string{address}},
		"sealed later":        {prepare: failing("AuthMounts", openbao.Sealed), reason: ReasonServerSealed, says: []string{address}},
		"throttled":           {prepare: failing("ReadPolicy", openbao.Throttled), reason: ReasonServerThrottled, says: []string{address}},
		"refused":             {prepare: failing("ReadPolicy", openbao.Invalid), reason: ReasonServerError, says: []string{address, "as told by the test"}},
		"no namespace":        {prepare: failing("LookupSelf", openbao.NamespaceNotFound), reason: ReasonNamespaceNotFound, says: []string{address, "bao namespace create"}},
		"namespace is sealed": {prepare: failing("LookupSelf", openbao.NamespaceSealed), reason: ReasonNamespaceSealed, says: []string{"bao namespace unseal"}},
		"namespace is locked": {prepare: failing("ReadPolicy", openbao.NamespaceLocked), reason: ReasonNamespaceLocked, says: []string{"bao namespace unlock"}},
		"client certificate": {
			prepare: failing("Health", openbao.ClientCertificate), reason: ReasonClientCertificateRequired,
			says: []string{"spec.authorization.clientCertSecretRef", "--from-file=tls.key", "address=" + address},
		},
		"no client certificate Secret": {
			mutate: spec(func(a *openbaov1alpha1.AuthorizationSpec) {
				a.ClientCertSecretRef = &openbaov1alpha1.ClientCertSecretReference{Name: "tls"}
			}),
			reason: ReasonClientCertificateSecretNotFound, says: []string{"Secret ns/tls does not exist", "create secret generic tls"},
		},
		"client certificate of another server": {
			prepare: func(f *fixture) { f.secret("tls", map[string]string{"tls.crt": "x", "tls.key": "y"}) },
			mutate: spec(func(a *openbaov1alpha1.AuthorizationSpec) {
				a.ClientCertSecretRef = &openbaov1alpha1.ClientCertSecretReference{Name: "tls"}
			}),
			reason: ReasonSecretNotForServer, says: []string{"label secret tls"},
		},
		"no client certificate": {
			prepare: func(f *fixture) { f.credential("tls", map[string]string{"tls.crt": "x", "tls.key": "y"}) },
			mutate: spec(func(a *openbaov1alpha1.AuthorizationSpec) {
				a.ClientCertSecretRef = &openbaov1alpha1.ClientCertSecretReference{Name: "tls"}
			}),
			reason: ReasonClientCertificateInvalid, says: []string{"Secret ns/tls"},
		},
		"local address": {
			mutate: spec(func(a *openbaov1alpha1.AuthorizationSpec) { a.Address = "https://127.0.0.1:8200" }),
			reason: ReasonAddressNotAllowed, says: []string{"--openbao-allow-local-addresses"}, final: true,
		},
		"name of a local address": {prepare: failing("Health", openbao.LocalAddress), reason: ReasonAddressNotAllowed, says: []string{address}},
		"token that cannot look itself up": {
			prepare: failing("LookupSelf", openbao.PermissionDenied), reason: ReasonPermissionDenied, says: []string{`policy "default"`, "bao token create"},
		},
		"denied": {prepare: failing("ReadPolicy", openbao.PermissionDenied), reason: ReasonPermissionDenied, says: []string{address, "create secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if tc.prepare != nil {
				tc.prepare(f)
			}
			if tc.mutate == nil {
				tc.mutate = func(*openbaov1alpha1.OpenBaoCluster) {}
			}
			f.create("prod", 0, tc.mutate)
			outcome := f.sync("prod")
			condition := f.expect("prod", tc.reason)
			for _, part := range tc.says {
				if !strings.Contains(condition.Message, part) {
					t.Errorf("the message does not say %q: %s", part, condition.Message)
				}
			}
			if strings.Contains(condition.Message, adminToken) {
				t.Errorf("the message holds the token: %s", condition.Message)
			}
			if got := f.server().takeWrites(); len(got) > 0 {
				t.Errorf("wrote %q", got)
			}
			if event := <-f.events.Events; !strings.HasPrefix(event, "Warning "+tc.reason) {
				t.Errorf("got event %q", event)
			}
			retried := outcome == reconcile.Retry(outcome.Err()) && outcome.Err() != nil
			if retried == tc.final {
				t.Errorf("got outcome %+v", outcome)
			}
		})
	}
}

func TestConflictsAreNotTouched(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*fakeServer)
		reason  string
		command string
	}{
		"policy": {func(s *fakeServer) { s.policies["openbao-operator-backup"] = `path "x" {}` }, ReasonPolicyConflict, "bao policy delete openbao-operator-backup"},
		"role": {func(s *fakeServer) {
			s.mounts["jwt-operator"] = openbao.Mount{Type: "jwt"}
			s.roles["openbao-operator-backup"] = map[string]any{"bound_subject": "else"}
		}, ReasonRoleConflict, "bao delete auth/jwt-operator/role/openbao-operator-backup"},
		"config": {func(s *fakeServer) {
			s.mounts["jwt-operator"] = openbao.Mount{Type: "jwt"}
			s.config = map[string]any{"oidc_discovery_url": "https://else"}
		}, ReasonConfigConflict, "bao auth disable jwt-operator"},
		"mount": {func(s *fakeServer) { s.mounts["jwt-operator"] = openbao.Mount{Type: "oidc"} }, ReasonMountConflict, "bao auth disable jwt-operator"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			tc.prepare(f.server())
			f.create("prod", 0, withBackup)
			f.sync("prod")
			if condition := f.expect("prod", tc.reason); !strings.Contains(condition.Message, tc.command) {
				t.Errorf("the message does not say %q: %s", tc.command, condition.Message)
			}
			if got := f.server().takeWrites(); len(got) > 0 {
				t.Errorf("wrote %q", got)
			}
			if !f.server().tokens[adminToken] {
				t.Error("the token was revoked before it did its work")
			}
		})
	}
}

// TestConflictWithAConcurrentWriter checks that a policy which somebody else made
// while the contract was written stays theirs, and does not count as ours later.
func TestConflictWithAConcurrentWriter(t *testing.T) {
	for name, mutate := range map[string]func(*openbaov1alpha1.OpenBaoCluster){
		"once": withBackup,
		"enforce": func(c *openbaov1alpha1.OpenBaoCluster) {
			withBackup(c)
			c.Spec.Authorization.Mode = openbaov1alpha1.AuthorizationEnforce
		},
	} {
		const policy, theirs = "openbao-operator-backup", `path "x" {}`
		f := newFixture(t)
		intruded := false
		f.server().fail = func(op string) error {
			if op == "WritePolicy "+policy && !intruded {
				intruded = true
				f.server().policies[policy] = theirs
			}
			return nil
		}
		f.create("prod", 0, mutate)
		f.sync("prod")
		if c := f.expect("prod", ReasonServerError); !strings.Contains(c.Message, "Somebody else wrote") {
			t.Errorf("%s: the message is %s", name, c.Message)
		}
		f.sync("prod")
		if c := f.expect("prod", ReasonPolicyConflict); !strings.Contains(c.Message, "bao policy delete "+policy) {
			t.Errorf("%s: the message is %s", name, c.Message)
		}
		if got := f.server().policies[policy]; got != theirs {
			t.Errorf("%s: the policy of someone else is %q", name, got)
		}
		delete(f.server().policies, policy)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
	}
}

// TestConcurrentRoleAndConfig is the same for a role and the config, which the server
// does not compare by itself.
func TestConcurrentRoleAndConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		// at is the write before which somebody else makes theirs.
		at     string
		make   func(*fakeServer)
		reason string
	}{
		"role": {"WritePolicy " + backupRole, func(s *fakeServer) {
			s.roles[backupRole] = map[string]any{"bound_subject": "theirs"}
		}, ReasonRoleConflict},
		"config": {"EnableAuth jwt-operator", func(s *fakeServer) {
			s.config = map[string]any{"oidc_discovery_url": "https://theirs"}
		}, ReasonConfigConflict},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.server().lose = func(op string) error {
				if op == tc.at {
					tc.make(f.server())
				}
				return nil
			}
			f.create("prod", 0, withBackup)
			f.sync("prod")
			if c := f.expect("prod", ReasonServerError); !strings.Contains(c.Message, "Somebody else wrote") {
				t.Errorf("the message is %s", c.Message)
			}
			before := f.server().state()
			f.server().lose = func(string) error { return nil }
			f.sync("prod")
			f.expect("prod", tc.reason)
			if got := f.server().state(); got["role "+backupRole] != before["role "+backupRole] || got["config"] != before["config"] {
				t.Errorf("the server holds %v", got)
			}
		})
	}
}

// TestConflictWithTheMount checks that the commands fit each other: who removes a
// mount has no role to delete in it.
func TestConflictWithTheMount(t *testing.T) {
	f := newFixture(t)
	f.server().mounts["jwt-operator"] = openbao.Mount{Type: "jwt"}
	f.server().config = map[string]any{"oidc_discovery_url": "https://else"}
	f.server().roles["openbao-operator"] = map[string]any{"bound_subject": "else"}
	f.server().policies["openbao-operator-backup"] = `path "x" {}`
	f.create("prod", 0, withBackup)
	f.sync("prod")
	c := f.expect("prod", ReasonConfigConflict)
	if _, commands, _ := strings.Cut(c.Message, "remove it: "); commands != "bao auth disable jwt-operator && bao policy delete openbao-operator-backup" {
		t.Errorf("the commands are %q in %s", commands, c.Message)
	}
}

// TestSpecChangeNeedsAnotherToken walks through adding and removing a backup.
func TestSpecChangeNeedsAnotherToken(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.server().takeWrites()

	f.change("prod", withBackup)
	f.sync("prod")
	if c := f.expect("prod", ReasonAdminTokenRequired); !strings.Contains(c.Message, "kubectl -n ns create secret generic admin") {
		t.Errorf("the message has no command: %s", c.Message)
	}
	f.secret("admin", nil)
	f.sync("prod")
	f.expect("prod", ReasonAdminTokenRequired)
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}

	f.credential("admin", map[string]string{"token": "s.second"})
	f.server().tokens["s.second"] = true
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	want := []string{"WritePolicy openbao-operator-backup", "WriteRole openbao-operator-backup", "RevokeSelf"}
	if got := f.server().takeWrites(); !slices.Equal(got, want) {
		t.Errorf("wrote %q, want %q", got, want)
	}

	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup = nil })
	f.sync("prod")
	f.expect("prod", ReasonAdminTokenRequired)
	f.admin("s.third")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	want = []string{"DeleteRole openbao-operator-backup", "DeletePolicy openbao-operator-backup", "RevokeSelf"}
	if got := f.server().takeWrites(); !slices.Equal(got, want) {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if got := f.get("prod").Status.Authorization.Roles; !slices.Equal(got, []string{"openbao-operator"}) {
		t.Errorf("recorded roles %q", got)
	}
}

func TestKeyRotationIsReported(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.issuer.Keys = append(f.issuer.Keys, key("k2", "Qg=="))
	f.sync("prod")
	f.expect("prod", ReasonAdminTokenRequired)
	f.admin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.keyIDs("prod"); !slices.Equal(got, []string{"k1", "k2"}) {
		t.Errorf("recorded keys %q", got)
	}
}

// TestCrashAnywhere stops a sync at every write, once each, and expects the
// next ones to end in the same state without taking their own work for someone
// else's.
func TestCrashAnywhere(t *testing.T) {
	for n := range 7 {
		f := newFixture(t)
		f.create("prod", 0, withBackup)
		writes := 0
		f.server().fail = func(op string) error {
			if strings.HasPrefix(op, "Write") || strings.HasPrefix(op, "Enable") || op == "RevokeSelf" {
				if writes++; writes == n+1 {
					return class(openbao.Unavailable)
				}
			}
			return nil
		}
		if outcome := f.sync("prod"); outcome.Err() == nil {
			t.Errorf("write %d: no error", n)
		}
		// The cache starts empty in a new process.
		f.restart()
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		delete(f.server().policies, authz.MarkPolicy)
		if len(f.server().policies) != 2 || len(f.server().roles) != 2 || f.server().tokens[adminToken] {
			t.Errorf("write %d: ended with %v, %v, %v", n, f.server().policies, f.server().roles, f.server().tokens)
		}
	}
}

// TestCrashThenSpecChange checks that what was written before a crash is ours
// also when something else is wanted by then.
func TestCrashThenSpecChange(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, withBackup)
	// A process that may no longer write does not report either.
	f.server().fail = func(op string) error {
		if op == "WriteRole openbao-operator" {
			f.gateErr = errors.New("gone")
		}
		return nil
	}
	f.sync("prod")
	if len(f.server().roles) != 1 || len(f.get("prod").Status.Conditions) > 0 {
		t.Fatalf("crashed at another point: %v", f.server().roles)
	}
	f.gateErr = nil
	f.server().fail = func(string) error { return nil }
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Audience = "other" })
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	for name, role := range f.server().roles {
		audiences, _ := role["bound_audiences"].([]any)
		want := []any{f.audienceOf("prod")}
		if name == backupRole {
			want = append(want, "other")
		}
		if !slices.Equal(audiences, want) {
			t.Errorf("role %s has the audiences %v", name, audiences)
		}
	}
}

// TestHalfWrittenIsNotTakenForWhole checks that going back to the old spec in
// the middle of a change repairs the server.
func TestHalfWrittenIsNotTakenForWhole(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.admin("s.second")
	f.server().fail = func(op string) error {
		if op == "WriteRole openbao-operator-backup" {
			return class(openbao.Unavailable)
		}
		return nil
	}
	f.change("prod", withBackup)
	f.sync("prod")
	f.expect("prod", ReasonServerUnreachable)
	f.server().fail = func(string) error { return nil }
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup = nil })
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if _, ok := f.server().policies["openbao-operator-backup"]; ok {
		t.Error("the policy of the abandoned change is still there")
	}
}

// TestCrashBeforeRevoking checks that a token which did its work is revoked
// later, and what is said when it is gone by then.
func TestCrashBeforeRevoking(t *testing.T) {
	interrupted := func(t *testing.T) *fixture {
		f := newFixture(t)
		f.create("prod", 0)
		f.server().fail = func(op string) error {
			if op == "RevokeSelf" {
				return class(openbao.Unavailable)
			}
			return nil
		}
		f.sync("prod")
		f.expect("prod", ReasonAdminTokenNotRevoked)
		f.server().takeWrites()
		f.server().fail = func(string) error { return nil }
		return f
	}
	t.Run("revoked later", func(t *testing.T) {
		f := interrupted(t)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		if got := f.server().takeWrites(); !slices.Equal(got, []string{"RevokeSelf"}) {
			t.Errorf("wrote %q", got)
		}
	})
	t.Run("revoked by someone else", func(t *testing.T) {
		f := interrupted(t)
		delete(f.server().tokens, adminToken)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		if got := f.get("prod").Status.Authorization.AdminToken; got != openbaov1alpha1.AdminTokenRevoked {
			t.Errorf("recorded %q", got)
		}
	})
	t.Run("Secret gone", func(t *testing.T) {
		f := interrupted(t)
		f.secret("admin", nil)
		f.sync("prod")
		if c := f.expect("prod", ReasonApplied); !strings.Contains(c.Message, "could not be revoked") {
			t.Errorf("the message hides it: %s", c.Message)
		}
	})
}

func TestVerification(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	// A server that forgets what it was told.
	f.server().fail = func(op string) error {
		delete(f.server().roles, "openbao-operator")
		return nil
	}
	f.sync("prod")
	if c := f.expect("prod", ReasonVerificationFailed); !strings.Contains(c.Message, "role openbao-operator is missing") {
		t.Errorf("the message is %s", c.Message)
	}
	if !f.server().tokens[adminToken] {
		t.Error("the token was revoked")
	}
}

func TestLosingTheLeaseStopsWrites(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.gateErr = errors.New("the lease may have expired")
	outcome := f.sync("prod")
	if outcome.Err() == nil || !errors.Is(outcome.Err(), f.gateErr) {
		t.Errorf("got outcome %+v", outcome)
	}
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}
}
