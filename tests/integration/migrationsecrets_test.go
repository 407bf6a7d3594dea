// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// TestDeletingMigrationSecrets follows the guide on an API server of its own: the
// rights are those of the shipped file, which no other test has.
func TestDeletingMigrationSecrets(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{manifests + "/crds"}})
	const namespace = "team"
	kube, err := kubernetes.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if out, err := kubectlOn(ctx, cluster, "apply", "--server-side", "-k", manifests+"/rbac"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	e := newEnvOn(t, cluster, namespace, aivensim.Options{Tokens: []aivensim.Token{tokenDefault}})
	e.change = append(e.change, withDefault(tokenDefault.Value), quickEvents)
	e.start()
	for kind, source := range map[string]string{"PostgreSQL": "source", "MySQL": "kept"} {
		e.sourceSecret(source, nil)
		name := strings.ToLower(kind)
		e.create(e.object(kind, name, set("migrationSecretSource", map[string]any{"name": source, "deleteAfterMigration": true})))
		e.ready(kind, name)
		e.wantCondition("MigrationComplete", metav1.ConditionTrue, "MigrationDone", e.conditions(kind, name))
	}

	t.Log("With consent and without the right the Secret stays")
	e.editSecret("source", `{"metadata":{"labels":{"bailiwick.dev/delete-after-migration":"true"}}}`)
	e.annotate("PostgreSQL", "postgresql", "bailiwick.dev/refresh", "1")
	e.migrationSays("PostgreSQL", "postgresql", "kubectl apply -f manifests/rbac/optional/delete_migration_secrets.yaml")

	t.Log("With both it goes, and the other stays")
	if out, err := kubectlOn(ctx, cluster, "apply", "--server-side", "-f", manifests+"/rbac/optional/delete_migration_secrets.yaml"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	e.annotate("PostgreSQL", "postgresql", "bailiwick.dev/refresh", "2")
	e.annotate("MySQL", "mysql", "bailiwick.dev/refresh", "2")
	e.noSecret("source")
	e.migrationSays("PostgreSQL", "postgresql", "Its Secret is deleted.")
	e.ready("PostgreSQL", "postgresql")
	e.migrationSays("MySQL", "mysql", "kubectl label secret kept -n team bailiwick.dev/delete-after-migration=true")
	if !e.secretExists("kept") {
		t.Error("a Secret without consent is gone")
	}

	t.Log("The right is for such Secrets only")
	config, err := cluster.ServiceAccountConfig(ctx, operatorNamespace, operatorAccount)
	if err != nil {
		t.Fatal(err)
	}
	operator, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	e.eventually("the policy to refuse", func() error {
		err := operator.CoreV1().Secrets(namespace).Delete(ctx, "kept", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsForbidden(err) {
			return nil
		}
		return errors.Join(errors.New("it did not"), err)
	})
	e.sourceSecret("labelled", map[string]string{"bailiwick.dev/delete-after-migration": "true"})
	if err := operator.CoreV1().Secrets(namespace).Delete(ctx, "labelled", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	// Others are none of the policy's business.
	if err := kube.CoreV1().Secrets(namespace).Delete(ctx, "kept", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

// migrationSays waits until the condition of a migration has these words.
func (e *env) migrationSays(kind, name, words string) {
	e.Helper()
	e.eventually("the condition to say: "+words, func() error {
		_, conditions, err := e.conditions(kind, name)()
		if err != nil {
			return err
		}
		for _, c := range conditions {
			if c.Type == "MigrationComplete" && c.Status == metav1.ConditionTrue && strings.Contains(c.Message, words) {
				return nil
			}
		}
		return errors.New("it does not")
	})
}
