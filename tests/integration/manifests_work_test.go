// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/internal/grants"
)

// part is what an overlay can do.
type part int

const (
	// withSecrets is everything.
	withSecrets part = iota
	// withoutSecrets is everything that needs no Secret but the default token's.
	withoutSecrets
	withAiven
	withOpenBao
)

// unasked are requests that the operator tries without having the right by
// default, and how it goes on without.
var unasked = map[grants.Right]string{
	{Verb: "create", Resource: "serviceaccounts/token"}: "the accounts of jobs stay NotProved until rbac/optional/prove-identities is applied",
	{Verb: "get", Resource: "serviceaccounts"}:          "restore stays NotProved until rbac/optional/prove-identities/restore is applied",
}

// work lets the operator do what it does with the rights that were applied, and
// checks that it was refused nothing else than what is listed.
func (m *manifestsTest) work(t *testing.T, namespace string, p part, lacking ...grants.Right) {
	t.Helper()
	before, err := os.Stat(m.audit)
	if err != nil {
		t.Fatal(err)
	}
	e := m.env(t, namespace)
	stop := e.startProcess(m.config(t), nil, append(m.args(t), "--poll-interval=2s")...)
	if p != withOpenBao {
		e.workAtAiven(p != withoutSecrets)
	}
	b := e.with(m.bao)
	switch p {
	case withSecrets, withOpenBao:
		b.workAtOpenBao()
	case withoutSecrets:
		b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
		b.cluster("bao")
		b.refusal("bao", "SecretUnavailable", "lacks the verb get on secrets")
		b.deleteCluster("bao")
	}
	stop()

	log, err := grants.Read(m.audit, before.Size(), operatorAccount)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range grants.Sorted(log.Refused) {
		if !slices.Contains(lacking, r) && unasked[r] == "" {
			t.Errorf("%s was refused: %s", r, log.Refused[r])
		}
	}
	for _, r := range lacking {
		if log.Refused[r] == "" {
			t.Errorf("%s was never tried", r)
		}
	}
	if p == withoutSecrets && len(log.Denied) == 0 {
		t.Error("the policy that keeps somebody's Secret was never asked")
	}
	for _, message := range log.Denied {
		if p != withoutSecrets || !strings.Contains(message, "/secrets/"+takenSecret) {
			t.Errorf("an admission policy was in the way: %s", message)
		}
	}
	if len(log.Used) < 10 {
		t.Errorf("only %d rights were used: %v", len(log.Used), grants.Sorted(log.Used))
	}
}

// workAtAiven creates, publishes, updates and deletes objects of several kinds.
func (e *env) workAtAiven(secrets bool) {
	e.Helper()
	token := func(map[string]any) {}
	kinds := map[string]func(map[string]any){"PostgreSQL": token, "KafkaTopic": token, "ServiceUser": token, "ServiceIntegrationEndpoint": token, "ProjectVPC": token}
	e.hostWith("kafka", map[string]any{"kafka_connect": true})
	if secrets {
		e.tokenSecret("auth", tokenOwn.Value)
		e.passwordSecret("source", "source-password-4c1d")
		for kind := range kinds {
			kinds[kind] = tokenOf("auth")
		}
		kinds["ServiceUser"] = func(spec map[string]any) {
			tokenOf("auth")(spec)
			spec["connInfoSecretSource"] = map[string]any{"name": "source", "passwordKey": "password"}
		}
		kinds["KafkaConnector"] = func(spec map[string]any) {
			tokenOf("auth")(spec)
			spec["userConfig"] = map[string]any{"http.url": "https://example.com", "x": `{{ fromSecret "source" "password" }}`}
		}
	} else {
		e.create(e.object("Valkey", "y", tokenOf("auth")))
		if message := e.unready("Valkey", "y", "SecretForbidden"); !strings.Contains(message, "auth") {
			e.Errorf("message = %q, want it to name the Secret that may not be read", message)
		}
		e.delete("Valkey", "y")
		e.gone("Valkey", "y")
		e.workAtSomebodysSecret()
	}
	for kind, change := range kinds {
		e.create(e.object(kind, "x"+strings.ToLower(kind), change))
	}
	for kind := range kinds {
		name := "x" + strings.ToLower(kind)
		e.ready(kind, name)
		if kindCases[kind].publishes {
			uid := e.get(kind, name).GetUID()
			secret := e.secret(name)
			if ref := metav1.GetControllerOf(secret); ref == nil || ref.UID != uid || len(secret.Data) < 4 {
				e.Errorf("the Secret of %s is owned by %+v and has %d keys", kind, ref, len(secret.Data))
			}
		}
	}
	e.patch("PostgreSQL", "xpostgresql", `{"spec":{"tags":{"a":"b"},"connInfoSecretTarget":{"name":"xpostgresql","prefix":"NEW_"}}}`)
	e.eventually("the Secret to change", func() error {
		data := e.secret("xpostgresql").Data
		for key := range data {
			if strings.HasPrefix(key, "POSTGRESQL_") {
				return fmt.Errorf("key %s is still there", key)
			}
		}
		if len(data["NEW_PASSWORD"]) == 0 {
			return fmt.Errorf("keys are %v", slices.Sorted(maps.Keys(data)))
		}
		return nil
	})
	e.ready("PostgreSQL", "xpostgresql")
	for kind := range kinds {
		e.delete(kind, "x"+strings.ToLower(kind))
	}
	for kind := range kinds {
		e.gone(kind, "x"+strings.ToLower(kind))
		e.noSecret("x" + strings.ToLower(kind))
	}
}

// takenSecret is in the way of what would be published.
const takenSecret = "taken"

// workAtSomebodysSecret is told to publish into a Secret that it may not read, of
// somebody else.
func (e *env) workAtSomebodysSecret() {
	e.Helper()
	taken := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: takenSecret}, Data: map[string][]byte{"theirs": []byte("value-of-somebody")}}
	taken, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, taken, metav1.CreateOptions{})
	if err != nil {
		e.Fatal(err)
	}
	e.create(e.object("ServiceUser", "z", set("connInfoSecretTarget", map[string]any{"name": takenSecret})))
	message := e.unready("ServiceUser", "z", "SecretConflict")
	for _, part := range []string{e.ns + "/" + takenSecret, "only if an object of aiven.io controls it", "kubectl delete secret " + takenSecret} {
		if !strings.Contains(message, part) {
			e.Errorf("message = %q, want it to contain %q", message, part)
		}
	}
	if now := e.secret(takenSecret); now.ResourceVersion != taken.ResourceVersion {
		e.Errorf("the Secret of somebody else was changed: %+v", now.ObjectMeta)
	}
	e.delete("ServiceUser", "z")
	e.gone("ServiceUser", "z")
}

// workAtOpenBao bootstraps a cluster, has it repaired and withdraws it.
func (b *baoEnv) workAtOpenBao() {
	b.Helper()
	before := b.holds()
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.cluster("bao", mode(v1alpha1.AuthorizationEnforce), func(s *v1alpha1.OpenBaoClusterSpec) { s.Backup = &v1alpha1.BackupSpec{} })
	b.applied("bao")
	held := b.holds()
	b.remove("sys/policies/acl/" + backupRole)
	b.heldAgain("the repair", held)
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.deleteCluster("bao")
	// The next overlay finds an empty server, which is nobody's.
	b.remove("sys/policies/acl/" + authz.MarkPolicy)
	for name := range b.holds() {
		if _, was := before[name]; !was {
			switch kind, name, _ := strings.Cut(name, " "); kind {
			case "policy":
				b.remove("sys/policies/acl/" + name)
			case "auth":
				b.remove("sys/auth/" + strings.TrimSuffix(name, "/"))
			}
		}
	}
}

// ownerReferences publishes where the API server asks for more rights for
// ownerReferences than the operator has.
func (m *manifestsTest) ownerReferences(t *testing.T, namespace string) {
	t.Helper()
	e := m.env(t, namespace)
	e.tokenSecret("references", tokenOwn.Value)
	e.create(e.object("PostgreSQL", "peer", tokenOf("references")))
	e.create(e.object("Valkey", "heir", tokenOf("references")))
	e.secretOfPeer("PostgreSQL", "peer", map[string][]byte{"STALE": []byte("x")})
	left := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "heir", OwnerReferences: []metav1.OwnerReference{{
		APIVersion: "aiven.io/v1alpha1", Kind: "Valkey", Name: "heir", UID: "a-predecessor", Controller: new(true),
	}}}}
	if _, err := e.kube.CoreV1().Secrets(namespace).Create(e.ctx, left, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	stop := e.startProcess(m.config(t), nil, append(m.args(t), "--poll-interval=2s")...)
	for kind, name := range map[string]string{"PostgreSQL": "peer", "Valkey": "heir"} {
		e.ready(kind, name)
		secret := e.secret(name)
		if ref := metav1.GetControllerOf(secret); ref == nil || ref.UID != e.get(kind, name).GetUID() || len(secret.Data) < 4 || secret.Data["STALE"] != nil {
			t.Errorf("the Secret of %s is owned by %+v and has the keys %v", kind, ref, slices.Sorted(maps.Keys(secret.Data)))
		}
		e.delete(kind, name)
		e.gone(kind, name)
	}
	if n := e.sim.Count(aivensim.ByOperation("ServiceDelete")); n != 2 {
		t.Errorf("%d services were deleted", n)
	}
	stop()
}
