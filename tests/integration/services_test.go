// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// in returns the same environment for the objects of another namespace, which the
// operator watches too.
func (e *env) in(namespace string) *env {
	e.change = append(e.change, func(o *app.Options) { o.WatchNamespaces = append(o.WatchNamespaces, namespace) })
	other := *e
	other.ns = namespace
	return &other
}

// A service is placed in the network of another namespace's object, which is made
// after it, and keeps the network while it is there.
func TestServiceInAReferencedVPC(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{Timing: aivensim.Timing{VPCBuild: 500 * time.Millisecond}})
	networks := e.in(shared.Kubernetes.Namespace(t))
	e.start()
	ref := set("projectVPCRef", map[string]any{"name": "net", "namespace": networks.ns})
	e.create(e.object("Grafana", "x", ref))
	e.unready("Grafana", "x", "WaitingForVPC")
	networks.create(networks.object("ProjectVPC", "net"))
	e.ready("Grafana", "x")
	networks.ready("ProjectVPC", "net")
	vpcs := e.sim.Project(project).VPCs()
	sv, _ := e.serviceOf("Grafana")
	if len(vpcs) != 1 || sv.ProjectVPCID != vpcs[0].ID {
		t.Fatalf("the service is in %q, the networks are %+v", sv.ProjectVPCID, vpcs)
	}
	if n := e.sim.Count(aivensim.ByOperation("ServiceCreate")); n != 1 {
		t.Errorf("%d attempts to create the service", n)
	}

	networks.delete("ProjectVPC", "net")
	networks.unready("ProjectVPC", "net", "VPCInUse")
	e.delete("Grafana", "x")
	e.gone("Grafana", "x")
	// Deleting is tried again every 10 s.
	networks.gone("ProjectVPC", "net")
	networks.noRemote("ProjectVPC")
}

// sourceSecret makes a Secret with the access to a database to migrate.
func (e *env) sourceSecret(name string, labels map[string]string) {
	e.Helper()
	_, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Data: map[string][]byte{
			"host": []byte("old.example.com"), "port": []byte("5432"), "username": []byte("u"), "password": []byte("s3cret-of-old"), "ssl": []byte("true"),
		},
	}, metav1.CreateOptions{})
	if err != nil {
		e.Fatal(err)
	}
}

// allowDeletingSecrets gives the operator a right that the manifests leave out.
func (e *env) allowDeletingSecrets() {
	e.Helper()
	meta := metav1.ObjectMeta{Name: "delete-migration-secrets"}
	_, err := e.kube.RbacV1().Roles(e.ns).Create(e.ctx, &rbacv1.Role{
		ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"delete"}}},
	}, metav1.CreateOptions{})
	if err == nil {
		_, err = e.kube.RbacV1().RoleBindings(e.ns).Create(e.ctx, &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: operatorNamespace, Name: operatorAccount}},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) secretExists(name string) bool {
	e.Helper()
	_, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		e.Fatal(err)
	}
	return err == nil
}

func TestMigration(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"PostgreSQL", "MySQL"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			e.allowDeletingSecrets()
			e.start()
			source := map[string]any{"name": "source", "deleteAfterMigration": true}
			e.create(e.object(kind, "x", set("migrationSecretSource", source)))
			e.unready(kind, "x", "SourceSecretUnusable")
			e.sourceSecret("source", map[string]string{"bailiwick.dev/delete-after-migration": "true"})
			e.annotate(kind, "x", "bailiwick.dev/refresh", "1")
			e.wantCondition("MigrationComplete", metav1.ConditionTrue, "MigrationDone", e.conditions(kind, "x"))
			e.ready(kind, "x")
			sv, _ := e.serviceOf(kind)
			migration, _ := sv.UserConfig["migration"].(map[string]any)
			if migration["host"] != "old.example.com" || fmt.Sprint(migration["port"]) != "5432" || migration["password"] != "s3cret-of-old" || migration["ssl"] != true {
				t.Errorf("the migration is %v", migration)
			}
			e.noSecret("source")
			e.ready(kind, "x")

			t.Log("A Secret without consent is kept")
			e.sourceSecret("kept", nil)
			e.create(e.object(kind, "y", set("migrationSecretSource", map[string]any{"name": "kept", "deleteAfterMigration": true})))
			e.ready(kind, "y")
			e.wantCondition("MigrationComplete", metav1.ConditionTrue, "MigrationDone", e.conditions(kind, "y"))
			e.eventually("the reason why the Secret is kept", func() error {
				_, conditions, err := e.conditions(kind, "y")()
				if err != nil || slices.ContainsFunc(conditions, func(c metav1.Condition) bool {
					return c.Message == "The migration is complete. Its Secret is kept, since nobody has agreed to its deletion. To agree: kubectl label secret kept -n "+e.ns+" bailiwick.dev/delete-after-migration=true"
				}) {
					return err
				}
				return fmt.Errorf("conditions are %+v", conditions)
			})
			if !e.secretExists("kept") {
				t.Error("the Secret is gone")
			}
		})
	}
}

// Without the right to delete Secrets nothing but the deletion is missing.
func TestMigrationSecretThatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.sourceSecret("source", map[string]string{"bailiwick.dev/delete-after-migration": "true"})
	e.start()
	e.create(e.object("MySQL", "x", set("migrationSecretSource", map[string]any{"name": "source", "deleteAfterMigration": true})))
	want := "The migration is complete. Its Secret is kept, since the operator may not delete Secrets in namespace " + e.ns +
		". To allow it: kubectl apply -f manifests/rbac/optional/delete_migration_secrets.yaml; or delete the Secret yourself: kubectl delete secret source -n " + e.ns
	e.eventually("the condition", func() error {
		_, conditions, err := e.conditions("MySQL", "x")()
		if err != nil || slices.ContainsFunc(conditions, func(c metav1.Condition) bool { return c.Message == want }) {
			return err
		}
		return fmt.Errorf("conditions are %+v", conditions)
	})
	e.ready("MySQL", "x")
}

func TestMajorUpgrade(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.start()
	e.create(e.object("PostgreSQL", "x", set("userConfig", map[string]any{"pg_version": "16"})))
	e.ready("PostgreSQL", "x")

	t.Log("A version that Aiven's check refuses")
	e.sim.ResetRequests()
	e.patch("PostgreSQL", "x", `{"spec":{"userConfig":{"pg_version":"15"}}}`)
	if message := e.unready("PostgreSQL", "x", "UpgradeCheckFailed"); !strings.Contains(message, "The service cannot be upgraded to version 15") {
		t.Errorf("message is %q, want the result of the check in it", message)
	}
	if n := e.sim.Count(aivensim.ByOperation("ServiceUpdate")); n != 0 {
		t.Errorf("%d updates although the check failed", n)
	}

	t.Log("A version that it accepts")
	e.patch("PostgreSQL", "x", `{"spec":{"userConfig":{"pg_version":"17"}}}`)
	e.ready("PostgreSQL", "x")
	if sv, _ := e.serviceOf("PostgreSQL"); sv.UserConfig["pg_version"] != "17" {
		t.Errorf("the version is %v", sv.UserConfig["pg_version"])
	}
	var operations []string
	for _, r := range e.sim.Requests(aivensim.Mutating) {
		operations = append(operations, r.Operation)
	}
	// The update makes the check stale, so another one may follow.
	want := []string{"ServiceTaskCreate", "ServiceTaskCreate", "ServiceUpdate"}
	if len(operations) < len(want) || !slices.Equal(operations[:len(want)], want) || slices.Contains(operations[len(want):], "ServiceUpdate") {
		t.Errorf("the writes are %v, want %v", operations, want)
	}
}

// What leaves spec.userConfig goes back to its default, also when the operator was
// down meanwhile; what the spec never named stays.
func TestRemovedSettingsAreReset(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.start()
	e.create(e.object("PostgreSQL", "x", set("userConfig", map[string]any{
		"pg": map[string]any{"log_min_duration_statement": int64(8), "jit": true}, "pgbouncer": map[string]any{"min_pool_size": int64(3)},
	})))
	e.ready("PostgreSQL", "x")
	sv, _ := e.serviceOf("PostgreSQL")
	if pg, _ := sv.UserConfig["pg"].(map[string]any); fmt.Sprint(pg["log_min_duration_statement"]) != "8" {
		t.Fatalf("pg is %v", pg)
	}
	if err := e.sim.Outside(project, "x").UpdateService(map[string]any{"user_config": map[string]any{"backup_hour": 5}}); err != nil {
		t.Fatal(err)
	}
	e.stopOperator()
	e.patch("PostgreSQL", "x", `{"spec":{"userConfig":{"pg":{"log_min_duration_statement":null},"pgbouncer":null}}}`)
	e.sim.ResetRequests()
	e.start()
	e.ready("PostgreSQL", "x")
	sv, _ = e.serviceOf("PostgreSQL")
	pg, _ := sv.UserConfig["pg"].(map[string]any)
	if _, ok := pg["log_min_duration_statement"]; ok || pg["jit"] != true {
		t.Errorf("pg is %v", pg)
	}
	if bouncer, _ := sv.UserConfig["pgbouncer"].(map[string]any); fmt.Sprint(bouncer["min_pool_size"]) == "3" {
		t.Errorf("pgbouncer is %v", bouncer)
	}
	if fmt.Sprint(sv.UserConfig["backup_hour"]) != "5" {
		t.Errorf("backup_hour is %v", sv.UserConfig["backup_hour"])
	}
	if n := e.sim.Count(aivensim.ByOperation("ServiceUpdate")); n != 1 {
		t.Errorf("%d updates", n)
	}
}
