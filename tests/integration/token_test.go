// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/token"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// Tokens that the simulator knows in the tests of this file.
var (
	tokenOwn     = aivensim.Token{Name: "own", Value: "own-value-8d1f"}
	tokenDefault = aivensim.Token{Name: "default", Value: "default-value-77ac"}
	tokenOther   = aivensim.Token{Name: "other", Value: "other-value-02bb"}
)

func tokenEnv(t testing.TB) *env {
	return newEnv(t, aivensim.Options{Tokens: []aivensim.Token{tokenOwn, tokenDefault, tokenOther}})
}

// withDefault gives the operator a default token by environment.
func withDefault(value string) func(*app.Options) {
	return func(o *app.Options) { o.DefaultToken.Value = token.NewValue(value) }
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// secretGets counts the GETs of Secrets that an operator sends.
type secretGets struct {
	mu     sync.Mutex
	counts map[string]int
	// hold, if set, is called before a GET of this Secret is sent on.
	hold map[string]func()
}

func (g *secretGets) count(name string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts[name]
}

func (g *secretGets) watch(o *app.Options) {
	g.counts = map[string]int{}
	o.RESTConfig.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if _, name, ok := strings.Cut(r.URL.Path, "/secrets/"); ok && r.Method == http.MethodGet {
				g.mu.Lock()
				g.counts[name]++
				hold := g.hold[name]
				g.mu.Unlock()
				resp, err := next.RoundTrip(r)
				if hold != nil {
					hold()
				}
				return resp, err
			}
			return next.RoundTrip(r)
		})
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTokenResolution(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(e *env)
		options func(*app.Options)
		change  []func(map[string]any)
		// token that the object's requests carry, or the reason of the failure
		token, reason, message string
	}{
		"own beats default": {
			prepare: func(e *env) { e.tokenSecret("auth", tokenOwn.Value) },
			options: withDefault(tokenDefault.Value), change: []func(map[string]any){tokenOf("auth")}, token: "own",
		},
		"own without default": {
			prepare: func(e *env) { e.tokenSecret("auth", tokenOwn.Value) },
			change:  []func(map[string]any){tokenOf("auth")}, token: "own",
		},
		"default":          {options: withDefault(tokenDefault.Value), token: "default"},
		"none":             {reason: "NoToken", message: "authSecretRef"},
		"trailing newline": {prepare: func(e *env) { e.tokenSecret("auth", " "+tokenOwn.Value+"\n") }, change: []func(map[string]any){tokenOf("auth")}, token: "own"},
		"missing Secret, default does not step in": {
			options: withDefault(tokenDefault.Value), change: []func(map[string]any){tokenOf("auth")}, reason: "SecretNotFound", message: "auth",
		},
		"missing key, default does not step in": {
			prepare: func(e *env) { e.tokenSecret("auth", tokenOwn.Value) },
			options: withDefault(tokenDefault.Value), change: []func(map[string]any){tokenKey("auth", "elsewhere")}, reason: "KeyNotFound", message: "elsewhere",
		},
		"empty value, default does not step in": {
			prepare: func(e *env) { e.tokenSecret("auth", " \n") },
			options: withDefault(tokenDefault.Value), change: []func(map[string]any){tokenOf("auth")}, reason: "EmptyToken", message: "auth",
		},
		"token that Aiven does not know": {
			prepare: func(e *env) { e.tokenSecret("auth", "unknown") },
			options: withDefault(tokenDefault.Value), change: []func(map[string]any){tokenOf("auth")}, reason: "TokenRejected", message: "kubectl annotate",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			forEveryKind(t, func(t *testing.T, kind string, _ kindCase) {
				e := tokenEnv(t)
				e.host(kind)
				if tt.prepare != nil {
					tt.prepare(e)
				}
				if tt.options != nil {
					e.change = append(e.change, tt.options)
				}
				e.create(e.object(kind, "x", tt.change...))
				e.start()
				if tt.reason != "" {
					if message := e.unready(kind, "x", tt.reason); !strings.Contains(message, tt.message) {
						t.Errorf("message = %q, want it to contain %q", message, tt.message)
					}
					if n := e.sim.Count(aivensim.Mutating); n != 0 {
						t.Errorf("%d changes were sent without a usable token", n)
					}
					if slices.Contains(e.tokensUsed(), "default") {
						t.Error("the default token was used in place of the object's own")
					}
					return
				}
				e.ready(kind, "x")
				if got := e.tokensUsed(); !slices.Equal(got, []string{tt.token}) {
					t.Errorf("tokens used = %v, want only %s", got, tt.token)
				}
			})
		})
	}
}

func TestMixedTokens(t *testing.T) {
	t.Parallel()
	e := tokenEnv(t)
	e.hostOf("kafka")
	e.tokenSecret("auth", tokenOwn.Value)
	e.start(withDefault(tokenDefault.Value))
	e.create(e.object("KafkaTopic", "with-own", tokenOf("auth")))
	e.create(e.object("KafkaTopic", "with-default"))
	e.ready("KafkaTopic", "with-own")
	e.ready("KafkaTopic", "with-default")
	creates := e.sim.Requests(aivensim.ByOperation("ServiceKafkaTopicCreate"))
	used := map[string]int{}
	for _, r := range creates {
		used[r.Token]++
	}
	if used["own"] != 1 || used["default"] != 1 || len(creates) != 2 {
		t.Errorf("creates by token = %v, want one each", used)
	}
}

func TestTwoKeysOfOneSecret(t *testing.T) {
	t.Parallel()
	e := tokenEnv(t)
	e.hostOf("kafka")
	_, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "auth"},
		Data:       map[string][]byte{"a": []byte(tokenOwn.Value), "b": []byte(tokenOther.Value)},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e.start()
	e.create(e.object("KafkaTopic", "a", tokenKey("auth", "a")))
	e.create(e.object("KafkaTopic", "b", tokenKey("auth", "b")))
	e.ready("KafkaTopic", "a")
	e.ready("KafkaTopic", "b")
	if got := e.tokensUsed(aivensim.ByOperation("ServiceKafkaTopicCreate")); !slices.Equal(got, []string{"other", "own"}) {
		t.Errorf("tokens used = %v", got)
	}
}

// One Secret, however many objects name it, costs one GET; and no object pays
// for a new one by a change that says nothing about the token. The objects wait
// for a service, for which each has to ask with its token.
func TestSharedSecretCostsOneGet(t *testing.T) {
	t.Parallel()
	const objects = 1000
	e := tokenEnv(t)
	e.tokenSecret("auth", tokenOwn.Value)
	client := e.client("KafkaACL")
	var wg sync.WaitGroup
	for worker := range 20 {
		wg.Go(func() {
			for i := range objects / 20 {
				name := fmt.Sprintf("acl-%d-%d", worker, i)
				obj := e.object("KafkaACL", name, tokenOf("auth"), set("topic", name))
				if _, err := client.Create(e.ctx, obj, metav1.CreateOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	gets := &secretGets{}
	e.start(gets.watch)
	e.within(2*time.Minute, "all objects to have asked Aiven", func() error {
		list, err := e.api.AivenV1alpha1().KafkaACLs(e.ns).List(e.ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return err
		}
		asked := 0
		for _, acl := range list.Items {
			if c := meta.FindStatusCondition(acl.Status.Conditions, "Ready"); c != nil && c.Reason == "WaitingForService" {
				asked++
			}
		}
		if asked != objects {
			return fmt.Errorf("%d of %d did", asked, objects)
		}
		return nil
	})
	if n := gets.count("auth"); n != 1 {
		t.Errorf("%d GETs of the Secret for %d objects, want 1", n, objects)
	}
	e.patch("KafkaACL", "acl-0-0", `{"spec":{"permission":"write"}}`)
	e.unready("KafkaACL", "acl-0-0", "WaitingForService")
	if n := gets.count("auth"); n != 1 {
		t.Errorf("%d GETs of the Secret after a change of a spec, want still 1", n)
	}
}

// A changed Secret is seen when an annotation of any object that names it
// changes, and then by all; annotations of the operator's own, or of kubectl's,
// do not count.
func TestSecretIsReadAgainOnAnnotationOnly(t *testing.T) {
	t.Parallel()
	e := tokenEnv(t)
	e.hostOf("kafka")
	e.tokenSecret("auth", tokenOwn.Value)
	gets := &secretGets{}
	e.start(gets.watch)
	for _, name := range []string{"a", "b"} {
		e.create(e.object("KafkaTopic", name, tokenOf("auth")))
		e.ready("KafkaTopic", name)
	}
	e.setToken("auth", tokenOther.Value)

	mutate := func(name string, partitions int) string {
		e.sim.ResetRequests()
		e.patch("KafkaTopic", name, fmt.Sprintf(`{"spec":{"partitions":%d}}`, partitions))
		e.ready("KafkaTopic", name)
		used := e.tokensUsed(aivensim.ByOperation("ServiceKafkaTopicUpdate"))
		if len(used) != 1 {
			t.Fatalf("updates were sent with %v", used)
		}
		return used[0]
	}
	if got := mutate("a", 2); got != "own" {
		t.Errorf("after a change of the Secret the token is %s, want the old one", got)
	}
	for _, annotation := range []string{
		"controllers.aiven.io/generation-was-processed", "controllers.aiven.io/instance-is-running",
		"kubectl.kubernetes.io/last-applied-configuration",
	} {
		e.annotate("KafkaTopic", "a", annotation, "forged")
	}
	if got := mutate("a", 3); got != "own" {
		t.Errorf("after a change of the operator's own annotations the token is %s, want the old one", got)
	}
	if n := gets.count("auth"); n != 1 {
		t.Errorf("%d GETs of the Secret so far, want 1", n)
	}
	e.annotate("KafkaTopic", "a", "example.com/rotate", "1")
	if got := mutate("b", 2); got != "other" {
		t.Errorf("after an annotation of another object the token is %s, want the new one", got)
	}
	if got := mutate("a", 4); got != "other" {
		t.Errorf("after an annotation of the object the token is %s, want the new one", got)
	}
	if n := gets.count("auth"); n != 2 {
		t.Errorf("%d GETs of the Secret, want 2", n)
	}
}

func (e *env) setToken(secret, value string) {
	e.Helper()
	obj, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, secret, metav1.GetOptions{})
	if err != nil {
		e.Fatal(err)
	}
	obj.Data["token"] = []byte(value)
	if _, err := e.kube.CoreV1().Secrets(e.ns).Update(e.ctx, obj, metav1.UpdateOptions{}); err != nil {
		e.Fatal(err)
	}
}

// A token that Aiven refuses stops its own objects only, which then leave Aiven
// alone; one annotation after mending it makes all of them Ready.
func TestRejectedToken(t *testing.T) {
	t.Parallel()
	e := tokenEnv(t)
	e.hostOf("kafka")
	e.tokenSecret("bad", "revoked-value")
	e.tokenSecret("good", tokenOther.Value)
	e.start()
	const objects = 20
	for i := range objects {
		e.create(e.object("KafkaTopic", fmt.Sprintf("bad-%d", i), tokenOf("bad")))
	}
	e.create(e.object("KafkaTopic", "good", tokenOf("good")))
	e.ready("KafkaTopic", "good")
	for i := range objects {
		e.unready("KafkaTopic", fmt.Sprintf("bad-%d", i), "TokenRejected")
	}
	e.sim.ResetRequests()
	for i := range objects {
		e.patch("KafkaTopic", fmt.Sprintf("bad-%d", i), `{"spec":{"partitions":2}}`)
	}
	e.patch("KafkaTopic", "good", `{"spec":{"partitions":2}}`)
	e.ready("KafkaTopic", "good")
	for i := range objects {
		e.unready("KafkaTopic", fmt.Sprintf("bad-%d", i), "TokenRejected")
	}
	// The token itself is tried now and then, whatever the number of its objects.
	if n := e.sim.Count(aivensim.ByToken("unknown")); n >= objects {
		t.Errorf("%d requests were sent with a token that is known to be refused", n)
	}

	e.setToken("bad", tokenOwn.Value)
	e.annotate("KafkaTopic", "bad-0", "example.com/mended", "1")
	e.within(10*time.Second, "all objects of the mended token", func() error {
		if n := len(e.remotes("KafkaTopic")); n != objects+1 {
			return fmt.Errorf("%d of %d exist", n, objects+1)
		}
		return nil
	})
	for i := range objects {
		e.ready("KafkaTopic", fmt.Sprintf("bad-%d", i))
	}
}

// Aiven refuses with a 401, or with a 403 and one of two texts; any other 403
// says nothing about the token.
func TestWaysToRejectAToken(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status          int
		message, reason string
	}{
		"401":               {401, "Authentication failed", "TokenRejected"},
		"403 invalid":       {403, "Invalid token", "TokenRejected"},
		"403 expired":       {403, "Missing (expired) db token", "TokenRejected"},
		"403 no permission": {403, "Not a project member", "Forbidden"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := tokenEnv(t)
			e.hostOf("kafka")
			e.tokenSecret("auth", tokenOwn.Value)
			e.sim.InjectFault(aivensim.Fault{Status: tt.status, Message: tt.message, Token: "own"})
			e.start()
			e.create(e.object("KafkaTopic", "x", tokenOf("auth")))
			e.unready("KafkaTopic", "x", tt.reason)
		})
	}
}

// The default token may come late; once read, only a restart reads it again.
func TestDefaultTokenComesLateAndStays(t *testing.T) {
	t.Parallel()
	e := tokenEnv(t)
	e.hostOf("kafka")
	secrets := e.kube.CoreV1().Secrets(operatorNamespace)
	name := "default-" + e.ns
	fromSecret := func(o *app.Options) { o.DefaultToken.SecretName = name }
	e.start(fromSecret)
	e.create(e.object("KafkaTopic", "x"))
	if message := e.unready("KafkaTopic", "x", "DefaultTokenUnavailable"); !strings.Contains(message, name) {
		t.Errorf("message = %q, want it to name the Secret", message)
	}
	secret, err := secrets.Create(e.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string][]byte{"token": []byte(tokenDefault.Value)},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := secrets.Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	e.ready("KafkaTopic", "x")

	secret.Data["token"] = []byte(tokenOther.Value)
	if _, err := secrets.Update(e.ctx, secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	e.annotate("KafkaTopic", "x", "example.com/refresh", "1")
	e.create(e.object("KafkaTopic", "y"))
	e.ready("KafkaTopic", "y")
	if used := e.tokensUsed(aivensim.Mutating); !slices.Equal(used, []string{"default"}) {
		t.Errorf("tokens used before the restart = %v, want the first one only", used)
	}
	e.stopOperator()
	e.sim.ResetRequests()
	e.start(fromSecret)
	e.create(e.object("KafkaTopic", "z"))
	e.ready("KafkaTopic", "z")
	if used := e.tokensUsed(); !slices.Equal(used, []string{"other"}) {
		t.Errorf("tokens used after the restart = %v, want the new one only", used)
	}
}

// A load of the Secret is under way with the old value when the annotation
// changes: its result must not be used after that.
func TestInvalidationDuringALoad(t *testing.T) {
	t.Parallel()
	e := tokenEnv(t)
	e.hostOf("kafka")
	e.tokenSecret("auth", tokenOwn.Value)
	loading, release := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	gets := &secretGets{hold: map[string]func(){"auth": func() {
		if held.CompareAndSwap(false, true) {
			close(loading)
			<-release
		}
	}}}
	e.start(gets.watch)
	// A test that fails must not leave the operator waiting for it.
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	t.Cleanup(let)
	e.create(e.object("KafkaTopic", "x", tokenOf("auth")))
	<-loading
	e.setToken("auth", tokenOther.Value)
	e.annotate("KafkaTopic", "x", "example.com/rotate", "1")
	// A second object shows that the operator has seen the annotation: its own
	// load is newer than the one that hangs.
	e.create(e.object("KafkaTopic", "y", tokenOf("auth")))
	e.ready("KafkaTopic", "y")
	let()
	e.ready("KafkaTopic", "x")
	if used := e.tokensUsed(); !slices.Equal(used, []string{"other"}) {
		t.Errorf("tokens used = %v, want only the one that the annotation announced", used)
	}
}

func TestDeletionWithoutTheSecret(t *testing.T) {
	t.Parallel()
	forEveryKind(t, func(t *testing.T, kind string, _ kindCase) {
		e := tokenEnv(t)
		e.host(kind)
		e.tokenSecret("auth", tokenOwn.Value)
		e.start()
		e.create(e.object(kind, "x", tokenOf("auth")))
		e.ready(kind, "x")
		e.stopOperator()
		if err := e.kube.CoreV1().Secrets(e.ns).Delete(e.ctx, "auth", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		e.start()
		e.delete(kind, "x")
		message := e.unready(kind, "x", "SecretNotFound")
		if !strings.Contains(message, "auth") || !strings.Contains(message, "controllers.aiven.io/deletion-policy=Orphan") {
			t.Errorf("message = %q, want it to name the Secret and the way out", message)
		}
		if len(e.remotes(kind)) != 1 {
			t.Errorf("remotes = %v, want the one that could not be deleted", e.remotes(kind))
		}
		e.annotate(kind, "x", "controllers.aiven.io/deletion-policy", "Orphan")
		e.gone(kind, "x")
		if len(e.remotes(kind)) != 1 {
			t.Errorf("remotes = %v, want the orphan", e.remotes(kind))
		}
	})
}

func TestDeletionWithoutEverHavingAToken(t *testing.T) {
	t.Parallel()
	forEveryKind(t, func(t *testing.T, kind string, _ kindCase) {
		e := tokenEnv(t)
		e.host(kind)
		e.start()
		e.create(e.object(kind, "x"))
		e.unready(kind, "x", "NoToken")
		e.delete(kind, "x")
		e.gone(kind, "x")
		if n := e.sim.Count(); n != 0 {
			t.Errorf("%d requests were sent without a token", n)
		}
	})
}
