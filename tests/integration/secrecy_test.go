// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// chosenPassword is one that a user chose and Aiven quotes when it refuses it.
const chosenPassword = "chosen-password-5f1c"

// At the highest verbosity nothing that the operator says shows a token, a
// password or a key: not its log, nor conditions, events, annotations, metadata
// of Secrets, metrics, profiles and health; and not when Aiven, OpenBao or the API
// server repeat what they were sent.
func TestNothingSecretIsShown(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			b := newEnv(t, aivensim.Options{
				Tokens: []aivensim.Token{tokenOwn, tokenDefault, tokenOther},
				Timing: aivensim.Timing{ServiceBuild: 200 * time.Millisecond},
			}).with(stack.NewOpenBao(t, stack.OpenBaoOptions{}))
			e := b.env
			config, err := e.cluster.ServiceAccountConfig(e.ctx, operatorNamespace, operatorAccount)
			if err != nil {
				t.Fatal(err)
			}
			stop := e.startProcess(config, []string{"DEFAULT_AIVEN_TOKEN=" + tokenDefault.Value},
				"-v=10", "--logging-format="+format, "--leader-elect=false",
				"--watch-namespaces="+e.ns, "--event-log-interval=500ms", "--poll-interval=2s", "--profiling")
			e.exercise()
			e.exerciseConfigurations()
			e.exerciseRefusals()
			b.exerciseOpenBao()
			shown := map[string]string{}
			e.collectServed(shown)
			stop()

			secrets := b.secrets()
			secrets["the token of the operator's ServiceAccount"] = config.BearerToken
			shown["log"] = e.logs.String()
			e.collectShown(shown)
			e.checkShown(shown)
			if len(secrets) < 60 {
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
	e.tokenSecret("refused", planted["the refused token"])
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
