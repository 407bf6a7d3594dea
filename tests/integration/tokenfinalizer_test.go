// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

const (
	peersFinalizer  = "finalizers.aiven.io/needed-to-delete-services"
	othersFinalizer = "example.com/other"
)

// tokenSecretOfPeer makes a token Secret as the aiven-operator leaves it, in
// company.
func (e *env) tokenSecretOfPeer(name, value string) {
	e.Helper()
	_, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Finalizers: []string{othersFinalizer, peersFinalizer}}, Data: map[string][]byte{"token": []byte(value)},
	}, metav1.CreateOptions{FieldManager: "manager"})
	if err != nil {
		e.Fatal(err)
	}
	// What is left would keep the namespace.
	e.Cleanup(func() { e.editSecret(name, `{"metadata":{"finalizers":null}}`) })
}

func (e *env) wantFinalizers(secret string, want ...string) {
	e.Helper()
	e.eventually("the finalizers of Secret "+secret, func() error {
		if got := e.secret(secret).Finalizers; !slices.Equal(got, want) {
			return fmt.Errorf("they are %v, want %v", got, want)
		}
		return nil
	})
}

// The finalizer that the aiven-operator leaves on token Secrets goes when the
// Secret is read, and nothing else of the Secret changes.
func TestPeersFinalizerOnTokenSecrets(t *testing.T) {
	t.Parallel()
	e := newEnv(t, aivensim.Options{Tokens: []aivensim.Token{tokenOwn}})
	e.tokenSecretOfPeer("auth", tokenOwn.Value)
	before := e.secret("auth")
	e.start()
	e.create(e.object("Valkey", "x", tokenOf("auth")))
	e.ready("Valkey", "x")
	e.wantFinalizers("auth", othersFinalizer)
	after := e.secret("auth")
	if string(after.Data["token"]) != tokenOwn.Value || len(after.Labels) != 0 || len(after.Annotations) != 0 || after.UID != before.UID {
		t.Errorf("the Secret has metadata %+v", after.ObjectMeta)
	}
	if strings.Contains(e.logs.String(), tokenOwn.Value) {
		t.Error("the token is in the log")
	}

	t.Log("An aiven-operator that still runs puts it on again")
	e.editSecret("auth", fmt.Sprintf(`{"metadata":{"finalizers":[%q,%q]}}`, peersFinalizer, othersFinalizer))
	e.annotate("Valkey", "x", "bailiwick.dev/refresh", "1")
	e.wantFinalizers("auth", othersFinalizer)
}

// Without the right to patch Secrets a person is told what to do, and the token
// is used all the same.
func TestPeersFinalizerWithoutTheRight(t *testing.T) {
	t.Parallel()
	e := newEnv(t, aivensim.Options{Tokens: []aivensim.Token{tokenOwn}})
	e.tokenSecretOfPeer("auth", tokenOwn.Value)
	e.start(e.account("get", "create"))
	e.create(e.object("Valkey", "x", tokenOf("auth"), set("connInfoSecretTargetDisabled", true)))
	e.ready("Valkey", "x")
	command := "kubectl patch secret auth -n " + e.ns
	e.eventually("the command in the log", func() error {
		if strings.Count(e.logs.String(), command) != 1 {
			return fmt.Errorf("it is there %d times", strings.Count(e.logs.String(), command))
		}
		return nil
	})
	e.wantFinalizers("auth", othersFinalizer, peersFinalizer)

	// The command does what it says.
	line := e.logs.String()[strings.Index(e.logs.String(), command):]
	_, body, _ := strings.Cut(line, "-p '")
	body, _, _ = strings.Cut(body, "'")
	if out, err := kubectlOn(e.ctx, e.cluster, "patch", "secret", "auth", "-n", e.ns, "--type=json", "-p", strings.ReplaceAll(body, `\"`, `"`)); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	e.wantFinalizers("auth", othersFinalizer)
}
