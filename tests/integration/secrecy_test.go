// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	controller "github.com/bailiwick-operator/bailiwick/pkg/controller/aiven"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// chosenPassword is one that a user chose and Aiven quotes when it refuses it.
const chosenPassword = "chosen-password-5f1c"

// At the highest verbosity nothing that the operator says shows a token, a
// password or a key: not its log, nor conditions, events, annotations, metrics.
func TestNothingSecretIsShown(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, aivensim.Options{
				Tokens: []aivensim.Token{tokenOwn, tokenDefault, tokenOther},
				Timing: aivensim.Timing{ServiceBuild: 200 * time.Millisecond},
			})
			config, err := e.cluster.ServiceAccountConfig(e.ctx, operatorNamespace, operatorAccount)
			if err != nil {
				t.Fatal(err)
			}
			stop := e.startProcess(config, []string{"DEFAULT_AIVEN_TOKEN=" + tokenDefault.Value},
				"-v=10", "--logging-format="+format, "--leader-elect=false",
				"--watch-namespaces="+e.ns, "--event-log-interval=500ms", "--poll-interval=2s")
			e.exercise()
			metrics := e.metrics()
			stop()

			secrets := e.secrets()
			secrets["the token of the operator's ServiceAccount"] = config.BearerToken
			shown := map[string]string{"log": e.logs.String(), "metrics": metrics}
			e.collectShown(shown)
			e.checkShown(shown)
			if len(secrets) < 20 {
				t.Errorf("only %d secrets were found to search for", len(secrets))
			}
			for where, text := range shown {
				for what, secret := range secrets {
					for form, value := range formsOf(secret) {
						if at := strings.Index(text, value); at >= 0 {
							t.Errorf("%s, %s, is shown in %s: %.300s", what, form, where, strings.ReplaceAll(text[max(0, at-200):at], value, "")+"<here>")
							break
						}
					}
				}
			}
			t.Logf("Searched %d bytes of log for %d secrets", len(shown["log"]), len(secrets))
		})
	}
}

// exercise lets the operator handle every kind of secret, in success and failure.
func (e *env) exercise() {
	e.Helper()
	e.tokenSecret("own", tokenOwn.Value)
	e.tokenSecret("refused", "refused-value-41aa")
	_, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "chosen"}, Data: map[string][]byte{"password": []byte(chosenPassword)},
	}, metav1.CreateOptions{})
	if err != nil {
		e.Fatal(err)
	}
	refusal := e.sim.InjectFault(aivensim.Fault{
		Operation: "ServiceUserCredentialsModify", Status: 400, Count: 2,
		Message: "Invalid password: '" + chosenPassword + "' is too well known",
	})
	own := tokenOf("own")
	in := func(service string) func(map[string]any) { return set("serviceName", service) }
	e.create(e.object("PostgreSQL", "pg", own))
	e.create(e.object("Kafka", "kafka"))
	e.create(e.object("Valkey", "valkey", own))
	e.create(e.object("Valkey", "refused", tokenOf("refused")))
	e.create(e.object("Database", "database", in("pg"), own))
	e.create(e.object("ServiceUser", "pg-user", in("pg"), own))
	e.create(e.object("ServiceUser", "kafka-user", in("kafka")))
	e.create(e.object("ServiceUser", "chosen-user", in("valkey"), own,
		set("connInfoSecretSource", map[string]any{"name": "chosen", "passwordKey": "password"})))
	e.create(e.object("ConnectionPool", "pool", in("pg"), own, set("username", "pg-user")))
	e.create(e.object("KafkaTopic", "topic", in("kafka")))
	e.create(e.object("KafkaACL", "acl", in("kafka")))
	for kind, names := range map[string][]string{
		"PostgreSQL": {"pg"}, "Kafka": {"kafka"}, "Valkey": {"valkey"}, "Database": {"database"}, "KafkaTopic": {"topic"},
		"KafkaACL": {"acl"}, "ServiceUser": {"pg-user", "kafka-user"}, "ConnectionPool": {"pool"},
	} {
		for _, name := range names {
			e.ready(kind, name)
		}
	}
	if err := refusal.WaitHits(e.ctx, 1); err != nil {
		e.Fatal(err)
	}
	e.unready("Valkey", "refused", "TokenRejected")

	// A token that is replaced, and a Secret that is edited and deleted.
	e.setToken("own", tokenOther.Value)
	e.annotate("Database", "database", "example.com/rotate", "1")
	e.patch("Valkey", "valkey", `{"spec":{"tags":{"a":"b"}}}`)
	e.awaitRequests(1, aivensim.Mutating, aivensim.ByToken("other"))
	e.editSecret("pg-user", `{"stringData":{"SERVICEUSER_PASSWORD":"tampered"}}`)
	e.eventually("the Secret to be repaired", func() error {
		if string(e.secret("pg-user").Data["SERVICEUSER_PASSWORD"]) == "tampered" {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	refusal.Remove()
	e.annotate("ServiceUser", "chosen-user", "example.com/again", "1")
	e.ready("ServiceUser", "chosen-user")
	e.ready("Valkey", "valkey")
}

// metrics asks the operator's process for its metrics, at the address that its
// log names.
func (e *env) metrics() string {
	e.Helper()
	var address string
	e.eventually("the address of the metrics in the log", func() error {
		for line := range strings.Lines(e.logs.String()) {
			if m := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line); m != "" && strings.Contains(line, `"Serving"`) && strings.Contains(line, "metrics") {
				address = m
				return nil
			}
		}
		return fmt.Errorf("there is none")
	})
	request, err := http.NewRequestWithContext(e.ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		e.Fatal(err)
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		e.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		e.Fatal(err)
	}
	return string(text)
}

// secrets returns everything secret that the test's objects rely on, or that the
// simulator made, by what it is.
func (e *env) secrets() map[string]string {
	e.Helper()
	out := map[string]string{
		"the token own": tokenOwn.Value, "the token other": tokenOther.Value, "the default token": tokenDefault.Value,
		"the refused token": "refused-value-41aa", "the chosen password": chosenPassword,
	}
	for _, sv := range e.sim.Project(project).Services() {
		for _, u := range sv.Users {
			out["the password of "+sv.Name+"/"+u.Username] = u.Password
			if u.AccessKey != "" {
				out["the key of "+sv.Name+"/"+u.Username] = u.AccessKey
				out["the certificate of "+sv.Name+"/"+u.Username] = u.AccessCert
			}
		}
	}
	list, err := e.kube.CoreV1().Secrets(e.ns).List(e.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=bailiwick"})
	if err != nil {
		e.Fatal(err)
	}
	for _, secret := range list.Items {
		for key, value := range secret.Data {
			if strings.HasSuffix(key, "PASSWORD") || strings.HasSuffix(key, "DATABASE_URI") {
				out["key "+key+" of Secret "+secret.Name] = string(value)
			}
		}
	}
	return out
}

// formsOf returns how a secret may be written.
func formsOf(secret string) map[string]string {
	forms := map[string]string{
		"as it is":      secret,
		"in base64":     base64.StdEncoding.EncodeToString([]byte(secret)),
		"in a URL":      url.QueryEscape(secret),
		"in URL base64": base64.RawURLEncoding.EncodeToString([]byte(secret)),
	}
	if strings.Contains(secret, "\n") {
		// PEM, whose lines may be joined in any way: one from the middle tells.
		lines := strings.Split(strings.TrimSpace(secret), "\n")
		forms["a line of it"] = lines[len(lines)/2]
	}
	return forms
}

// collectShown adds what objects and events show.
func (e *env) collectShown(shown map[string]string) {
	e.Helper()
	for _, kind := range controller.Kinds() {
		list, err := e.client(kind.Name).List(e.ctx, metav1.ListOptions{})
		if err != nil {
			e.Fatal(err)
		}
		raw, err := list.MarshalJSON()
		if err != nil {
			e.Fatal(err)
		}
		shown[kind.Resource] = string(raw)
	}
	events, err := e.kube.CoreV1().Events(e.ns).List(e.ctx, metav1.ListOptions{})
	if err != nil {
		e.Fatal(err)
	}
	if len(events.Items) == 0 {
		e.Error("there are no events to search")
	}
	shown["events"] = fmt.Sprintf("%+v", events.Items)
}

// checkShown checks that there is something to find secrets in.
func (e *env) checkShown(shown map[string]string) {
	e.Helper()
	for where, parts := range map[string][]string{
		// Bodies of requests and answers, and the headers with the token.
		"log":          {"Request Body", "Response Body", "[withheld]", "Authorization", e.ns + "/own"},
		"metrics":      {"bailiwick_"},
		"valkeys":      {"TokenRejected", "generation-was-processed"},
		"serviceusers": {"chosen-user"},
	} {
		for _, part := range parts {
			if !strings.Contains(shown[where], part) {
				e.Errorf("%s has no %q: the test searches the wrong place", where, part)
			}
		}
	}
}
