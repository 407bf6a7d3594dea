// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openbao/openbao/api/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// backupOnly asks for one job.
func backupOnly(s *v1alpha1.OpenBaoClusterSpec) { s.Backup = &v1alpha1.BackupSpec{} }

// snapshot returns a snapshot of the server.
func (b *baoEnv) snapshot() []byte {
	b.Helper()
	var snapshot bytes.Buffer
	if err := b.root.Sys().RaftSnapshotWithContext(b.ctx, &snapshot); err != nil {
		b.Fatal(err)
	}
	return snapshot.Bytes()
}

// restore replaces all that the server holds, and waits until it serves again.
func (b *baoEnv) restore(snapshot []byte) {
	b.Helper()
	if err := b.root.Sys().RaftSnapshotRestoreWithContext(b.ctx, bytes.NewReader(snapshot), true); err != nil {
		b.Fatal(err)
	}
	b.eventually("the server to serve again", func() error {
		health, err := b.root.Sys().HealthWithContext(b.ctx)
		if err == nil && (health.Sealed || health.Standby) {
			err = fmt.Errorf("it is %+v", health)
		}
		return err
	})
}

// TestBootstrapSealed seals a server that is kept, and changes it at its
// unsealing.
func TestBootstrapSealed(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.jobs("bao")
	b.start(soon)
	b.cluster("bao", backupOnly, mode(v1alpha1.AuthorizationEnforce))
	b.applied("bao")
	b.proved("bao", "3/3")
	held := b.holds()
	if err := b.bao.Seal(b.ctx); err != nil {
		t.Fatal(err)
	}
	b.refusal("bao", bootstrap.ReasonServerSealed, "bao operator unseal")
	if err := b.bao.Unseal(b.ctx); err != nil {
		t.Fatal(err)
	}
	b.remove("sys/policies/acl/" + backupRole)
	b.heldAgain("the repair", held)
	b.applied("bao")
	b.proved("bao", "3/3")
	// The login outlives that.
	if n := b.live(bootstrapperRole); n != 1 {
		t.Errorf("%d tokens of the bootstrapper live, want 1", n)
	}
	b.noTokenAnywhere()
}

// TestBootstrapOlderSnapshot replaces what a server holds by what it held before.
func TestBootstrapOlderSnapshot(t *testing.T) {
	t.Parallel()
	for _, m := range []v1alpha1.AuthorizationMode{v1alpha1.AuthorizationEnforce, v1alpha1.AuthorizationObserve} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			b := newBaoEnv(t)
			empty := b.snapshot()
			b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
			b.start(soon)
			b.cluster("bao", mode(m))
			b.applied("bao")
			before, older := b.holds(), b.snapshot()
			b.patchCluster("bao", `{"spec":{"backup":{}}}`)
			if m == v1alpha1.AuthorizationObserve {
				b.follow(b.refusal("bao", bootstrap.ReasonAdminTokenRequired))
			}
			b.eventually("the backup", func() error {
				if b.peek("auth/"+mount+"/role/"+backupRole) == nil {
					return errors.New("there is no role")
				}
				return nil
			})
			b.applied("bao")
			held := b.holds()

			changes := len(b.gateway.changes())
			b.restore(older)
			if m == v1alpha1.AuthorizationEnforce {
				b.eventually("a repair", func() error {
					if len(b.gateway.changes()) == changes {
						return errors.New("there is none")
					}
					return nil
				})
				b.heldAgain("the repair", held)
			} else {
				message := b.refusal("bao", bootstrap.ReasonDrifted, "policy "+backupRole+" is missing", "role "+backupRole+" is missing")
				if got := b.holds(); !maps.Equal(got, before) {
					t.Errorf("The server held %v and holds %v", before, got)
				}
				b.follow(message)
			}
			b.applied("bao")
			if got := b.holds(); !maps.Equal(got, held) {
				t.Errorf("The server holds %v, want %v", got, held)
			}

			t.Log("One that knows none of it takes an admin token")
			b.restore(empty)
			b.follow(b.refusal("bao", bootstrap.ReasonNoStandingIdentity, "create secret"))
			b.applied("bao")
			if got := b.holds(); !maps.Equal(got, held) {
				t.Errorf("The server holds %v, want %v", got, held)
			}
			b.noTokenAnywhere()
		})
	}
}

// TestBootstrapRestartedInRepair ends the process at each write of a repair, once
// before the server saw it and once after, and expects the next process to finish.
func TestBootstrapRestartedInRepair(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.start()
	b.cluster("bao", backupOnly, mode(v1alpha1.AuthorizationEnforce))
	b.applied("bao")
	b.foreign()
	held := b.holds()
	b.stopOperator()

	// writes are the repairs of the damage: the config, which is written twice, two
	// policies and two roles.
	const writes = 6
	damage := func() {
		for _, role := range []string{operatorRole, backupRole} {
			b.remove("sys/policies/acl/" + role)
			b.remove("auth/" + mount + "/role/" + role)
		}
		b.write("auth/"+mount+"/config", map[string]any{
			"bound_issuer": shared.Kubernetes.Issuer, "jwt_validation_pubkeys": append(b.publishedKeys(), foreignKey),
		})
	}
	for n := range writes {
		for what, lost := range map[string]loss{"before": theRequest, "after": theAnswer} {
			damage()
			hit := make(chan struct{})
			var once sync.Once
			seen := 0
			b.gateway.losing(func(request string) loss {
				if isChange(request) {
					seen++
				}
				switch {
				case seen <= n:
					return nothing
				case isChange(request) && seen == n+1:
					once.Do(func() { close(hit) })
					return lost
				}
				// The process is as good as gone.
				return theRequest
			})
			b.start()
			select {
			case <-hit:
			case <-b.ctx.Done():
				t.Fatalf("There was no write %d: %q", n, b.gateway.changes())
			}
			b.stopOperator()
			b.gateway.losing(nil)
			changes := len(b.gateway.changes())
			b.start()
			b.heldAgain(fmt.Sprintf("the rest of the repair that ended %s write %d", what, n), held)
			b.applied("bao")
			b.stopOperator()
			if got, want := len(b.gateway.changes())-changes, writes-n; got > want {
				t.Errorf("%s write %d: %d writes for what was left, want at most %d: %q", what, n, got, want, b.gateway.changes()[changes:])
			}
		}
	}
	b.noTokenAnywhere()
}

// TestBootstrapExpiredToken gives a token whose time is over.
func TestBootstrapExpiredToken(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	secret, err := b.root.Auth().Token().CreateWithContext(b.ctx, &api.TokenCreateRequest{Policies: []string{"root"}, TTL: "1s"})
	if err != nil {
		t.Fatal(err)
	}
	token := secret.Auth.ClientToken
	b.tokens = append(b.tokens, token)
	b.eventually("the end of the token", func() error {
		if b.accepted(token) {
			return errors.New("it lives")
		}
		return nil
	})
	b.setSecret("bao-admin", map[string]string{"token": token})
	before := b.holds()
	b.start()
	b.cluster("bao")
	message := b.refusal("bao", bootstrap.ReasonAdminTokenInvalid, "has expired", "create secret")
	if got := b.holds(); !maps.Equal(got, before) {
		t.Errorf("The server held %v and holds %v", before, got)
	}
	// It is not tried again.
	tries := func() int {
		return len(slices.DeleteFunc(b.gateway.all(), func(r string) bool { return r == "GET sys/health" }))
	}
	once := tries()
	for range 2 {
		looks := len(b.gateway.all())
		b.refresh("bao")
		b.anotherLook(looks)
	}
	if got := tries(); got != once {
		t.Errorf("The server was asked %d times with it, want %d: %q", got, once, b.gateway.all())
	}
	b.follow(message)
	b.applied("bao")
	b.noTokenAnywhere()
}

// TestBootstrapConditions puts each condition of the contract on and off.
func TestBootstrapConditions(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	before := b.holds()
	b.start()
	b.cluster("bao", mode(v1alpha1.AuthorizationEnforce))
	b.applied("bao")
	b.restoreAccount("bao")
	jobs := []string{"backup", "restore", "upgrade"}
	const restore = 0b010
	// In this order every step but the last turns one on or off.
	last := 0
	for _, on := range []int{0b001, 0b011, 0b010, 0b110, 0b111, 0b101, 0b100, 0b000} {
		var patch string
		want := []string{"auth jwt-operator/", "config"}
		for _, name := range []string{operatorRole, bootstrapperRole} {
			want = append(want, "policy "+name, "role "+name)
		}
		for i, job := range jobs {
			value := "null"
			if on&(1<<i) != 0 {
				value = "{}"
				want = append(want, "policy "+operatorRole+"-"+job, "role "+operatorRole+"-"+job)
			}
			patch += fmt.Sprintf(`,%q:%s`, job, value)
		}
		slices.Sort(want)
		if (on^last)&restore != 0 {
			// Only an admin token writes the restore role, and Bailiwick's right to keep it.
			b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
		}
		last = on
		b.patchCluster("bao", `{"spec":{`+patch[1:]+`}}`)
		b.eventually(fmt.Sprintf("the contract of %03b", on), func() error {
			if got := added(t, before, b.holds()); !slices.Equal(got, want) {
				return fmt.Errorf("the server got %q, want %q", got, want)
			}
			return nil
		})
		b.applied("bao")
	}
	b.noTokenAnywhere()
}

// TestBootstrapSelfInitRequests puts the condition of self-initialization on and
// off, where nothing else asks for the contract.
func TestBootstrapSelfInitRequests(t *testing.T) {
	t.Parallel()
	b := newBaoEnv(t)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.setSecret("bao-tls-ca", map[string]string{"ca.crt": b.ca})
	before := b.holds()
	b.start()
	b.cluster("bao", func(s *v1alpha1.OpenBaoClusterSpec) {
		s.Authorization, s.SelfInit = nil, &v1alpha1.SelfInitSpec{Requests: []v1alpha1.SelfInitRequest{{
			Name: "people", Operation: v1alpha1.RequestUpdate, Path: "sys/policies/acl/people", Policy: &v1alpha1.PolicyRequest{Policy: foreignPolicy},
		}}}
	})
	b.patchCluster("bao", fmt.Sprintf(`{"metadata":{"annotations":{%q:%q,%q:"bao-admin"}}}`,
		v1alpha1.AnnotationAddress, b.address, v1alpha1.AnnotationAdminTokenSecret))
	b.refusal("bao", bootstrap.ReasonNotRequested)
	if got := b.gateway.all(); len(got) > 0 {
		t.Errorf("The server was asked: %q", got)
	}
	b.patchCluster("bao", `{"spec":{"selfInit":{"enabled":true}}}`)
	b.applied("bao")
	want := []string{"auth jwt-operator/", "config", "policy openbao-operator", "role openbao-operator"}
	if got := added(t, before, b.holds()); !slices.Equal(got, want) {
		t.Errorf("The server got %q, want %q", got, want)
	}
	b.initHolds("bao", `initialize "people"`)
	b.patchCluster("bao", `{"spec":{"selfInit":{"requests":[{"name":"staff","operation":"update","path":"sys/policies/acl/staff","policy":{"policy":"# none"}}]}}}`)
	b.initHolds("bao", `initialize "staff"`)
	b.patchCluster("bao", `{"spec":{"selfInit":{"enabled":false}}}`)
	b.follow(b.refusal("bao", bootstrap.ReasonNotRequested, "stays on server"))
	b.heldAgain("the removal", before)
	b.noTokenAnywhere()
}

// initHolds waits until the ConfigMap for the first start of a cluster holds a text.
func (b *baoEnv) initHolds(name, part string) {
	b.Helper()
	b.eventually("the ConfigMap to hold "+part, func() error {
		found, err := b.kube.CoreV1().ConfigMaps(b.ns).Get(b.ctx, name+"-authorization-init", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if content := found.Data["initialize.hcl"]; !strings.Contains(content, part) {
			return fmt.Errorf("it holds %s", content)
		}
		return nil
	})
}

// TestBootstrapFollowsTheIssuer restarts an API server of its own under another
// issuer. Its operator has a certificate, since tokens end with the issuer.
func TestBootstrapFollowsTheIssuer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	t.Cleanup(cancel)
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{manifests + "/crds/openbao.org_openbaoclusters.yaml"}})
	if err := install(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	server := stack.NewOpenBao(t, stack.OpenBaoOptions{})
	root, err := server.Client()
	if err != nil {
		t.Fatal(err)
	}
	b := &baoEnv{env: newEnvOn(t, cluster, "team", aivensim.Options{}), bao: server, root: root, gateway: newGateway(t, server)}
	b.address, b.ca = b.gateway.URL, b.gateway.ca()
	b.change = append(b.change, func(o *app.Options) { o.Controllers, o.RESTConfig = []string{bootstrap.Kind}, cluster.Config() })
	if _, err := b.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.start(soon)
	b.cluster("bao", mode(v1alpha1.AuthorizationEnforce))
	b.applied("bao")
	b.proved("bao", "2/2")
	held := b.holds()

	if err := cluster.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	cluster.Issuer = "https://issuer.example.com"
	if err := cluster.StartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	b.wantRefused(t, operatorRole, operatorNamespace, operatorAccount, b.audience())
	// The standing identity is pinned to the issuer.
	message := b.refusal("bao", bootstrap.ReasonAdminTokenRequired, "config "+mount, "create secret")
	if got := b.holds(); !maps.Equal(got, held) {
		t.Errorf("The server held %v and holds %v", held, got)
	}
	b.follow(message)
	b.applied("bao")
	b.wantCondition(v1alpha1.ConditionSigningKeysCurrent, metav1.ConditionTrue, bootstrap.ReasonCurrent, b.clusterConditions("bao"))
	if got := b.read("auth/" + mount + "/config")["bound_issuer"]; got != cluster.Issuer || b.record("bao").Issuer != cluster.Issuer {
		t.Errorf("The server has the issuer %v, and %s is recorded", got, b.record("bao").Issuer)
	}
	b.wantLogin(t, operatorRole, operatorNamespace, operatorAccount, operatorRole)
	b.proved("bao", "2/2")

	t.Log("It keeps the new one by itself")
	held = b.holds()
	b.remove("sys/policies/acl/" + operatorRole)
	b.heldAgain("the repair", held)
	b.noTokenAnywhere()
}
