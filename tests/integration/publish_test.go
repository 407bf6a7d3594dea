// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// account makes the operator run as an account of the test's namespace that has
// these rights to Secrets there, and what any Aiven controller needs.
func (e *env) account(secretVerbs ...string) func(*app.Options) {
	e.Helper()
	const name = "operator"
	object := metav1.ObjectMeta{Name: name}
	if _, err := e.kube.CoreV1().ServiceAccounts(e.ns).Create(e.ctx, &corev1.ServiceAccount{ObjectMeta: object}, metav1.CreateOptions{}); err != nil {
		e.Fatal(err)
	}
	_, err := e.kube.RbacV1().Roles(e.ns).Create(e.ctx, &rbacv1.Role{ObjectMeta: object, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"aiven.io"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: secretVerbs},
	}}, metav1.CreateOptions{})
	if err != nil {
		e.Fatal(err)
	}
	_, err = e.kube.RbacV1().RoleBindings(e.ns).Create(e.ctx, &rbacv1.RoleBinding{
		ObjectMeta: object,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: e.ns, Name: name}},
	}, metav1.CreateOptions{})
	if err != nil {
		e.Fatal(err)
	}
	config, err := e.cluster.ServiceAccountConfig(e.ctx, e.ns, name)
	if err != nil {
		e.Fatal(err)
	}
	return func(o *app.Options) {
		o.RESTConfig = config
		o.Controllers = []string{"*", "-OpenBaoCluster"}
	}
}

func (e *env) secret(name string) *corev1.Secret {
	e.Helper()
	secret, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, name, metav1.GetOptions{})
	if err != nil {
		e.Fatal(err)
	}
	return secret
}

// editSecret merges into a Secret as a person does.
func (e *env) editSecret(name, body string) {
	e.Helper()
	if _, err := e.kube.CoreV1().Secrets(e.ns).Patch(e.ctx, name, types.MergePatchType, []byte(body), metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
		e.Fatal(err)
	}
}

// wantSecret waits until a Secret holds exactly this.
func (e *env) wantSecret(name string, want map[string]string) *corev1.Secret {
	e.Helper()
	var secret *corev1.Secret
	e.eventually("the content of Secret "+name, func() (err error) {
		if secret, err = e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		var problems []string
		for key, value := range want {
			if got, ok := secret.Data[key]; !ok {
				problems = append(problems, "no "+key)
			} else if string(got) != value {
				problems = append(problems, fmt.Sprintf("%s is %q, want %q", key, got, value))
			}
		}
		for key := range secret.Data {
			if _, ok := want[key]; !ok {
				problems = append(problems, "an unexpected "+key)
			}
		}
		slices.Sort(problems)
		if len(problems) > 0 {
			return fmt.Errorf("%s", strings.Join(problems, "; "))
		}
		return nil
	})
	return secret
}

func prefixed(prefix string, values map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range values {
		out[prefix+key] = value
	}
	return out
}

func union(all ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

// The keys are those that users of the aiven-operator have in their Deployments,
// with the values that Aiven has.
func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.start()
	in := func(service string) func(map[string]any) { return set("serviceName", service) }
	e.create(e.object("PostgreSQL", "pg"))
	e.create(e.object("Valkey", "valkey"))
	e.create(e.object("Kafka", "plain"))
	e.create(e.object("Kafka", "full", set("userConfig", map[string]any{
		"kafka_authentication_methods": map[string]any{"sasl": true, "certificate": true},
		"schema_registry":              true, "kafka_rest": true, "kafka_connect": true,
	}), set("plan", "business-4")))
	e.create(e.object("ConnectionPool", "pool", in("pg"), set("username", "pg-user")))
	e.create(e.object("ConnectionPool", "own-pool", in("pg"), set("username", "")))
	for _, service := range []string{"pg", "valkey", "plain", "full"} {
		e.create(e.object("ServiceUser", service+"-user", in(service)))
	}
	// The same once more under other names, with a prefix. Services can't be had
	// twice; their prefix changes below.
	custom := set("connInfoSecretTarget", map[string]any{"name": "custom-user", "prefix": "APP_"})
	e.create(e.object("ServiceUser", "custom-user", in("full"), custom))
	custom = set("connInfoSecretTarget", map[string]any{"name": "custom-pool", "prefix": "APP_"})
	e.create(e.object("ConnectionPool", "custom-pool", in("pg"), custom))

	for _, name := range []string{"pool", "own-pool", "custom-pool"} {
		e.ready("ConnectionPool", name)
	}
	for _, name := range []string{"pg-user", "valkey-user", "plain-user", "full-user", "custom-user"} {
		e.ready("ServiceUser", name)
	}
	ca := e.sim.Project(project).CA()
	userOf := func(sv *aivensim.Service, name string) aivensim.User {
		u, ok := sv.User(name)
		if !ok || u.Password == "" {
			t.Fatalf("no user %s with a password in %s", name, sv.Name)
		}
		return u
	}
	port := func(sv *aivensim.Service, offset int) string { return fmt.Sprint(sv.Port + offset) }

	pg := mustService(t, e, "pg")
	postgres := func(user, port, database, path string) (withPrefix, plain map[string]string) {
		password := userOf(pg, user).Password
		uri := fmt.Sprintf("postgres://%s:%s@%s:%s/%s?sslmode=require", user, password, pg.Host, port, path)
		return map[string]string{
				"HOST": pg.Host, "PORT": port, "DATABASE": database, "USER": user, "PASSWORD": password,
				"SSLMODE": "require", "DATABASE_URI": uri, "CA_CERT": ca,
			}, map[string]string{
				"PGHOST": pg.Host, "PGPORT": port, "PGDATABASE": database, "PGUSER": user, "PGPASSWORD": password,
				"PGSSLMODE": "require", "DATABASE_URI": uri,
			}
	}
	withPrefix, plain := postgres("avnadmin", port(pg, 0), "defaultdb", "defaultdb")
	e.wantSecret("pg", union(prefixed("POSTGRESQL_", withPrefix), plain))
	e.patch("PostgreSQL", "pg", `{"spec":{"connInfoSecretTarget":{"name":"pg","prefix":"APP_"}}}`)
	e.wantSecret("pg", union(prefixed("APP_", withPrefix), plain))

	for name, prefix := range map[string]string{"pool": "CONNECTIONPOOL_", "own-pool": "CONNECTIONPOOL_", "custom-pool": "APP_"} {
		i := slices.IndexFunc(pg.Pools, func(p *aivensim.Pool) bool { return p.Name == name })
		user := "avnadmin"
		if pg.Pools[i].Username != "" {
			user = pg.Pools[i].Username
		}
		withPrefix, plain := postgres(user, fmt.Sprint(pg.Pools[i].Port), "defaultdb", name)
		withPrefix["NAME"] = name
		e.wantSecret(name, union(prefixed(prefix, withPrefix), plain))
	}

	valkey := mustService(t, e, "valkey")
	withPrefix = map[string]string{
		"HOST": valkey.Host, "PORT": port(valkey, 0), "USER": "default", "PASSWORD": userOf(valkey, "default").Password, "SSL": "required",
	}
	e.wantSecret("valkey", prefixed("VALKEY_", withPrefix))
	e.patch("Valkey", "valkey", `{"spec":{"connInfoSecretTarget":{"name":"valkey","prefix":"APP_"}}}`)
	e.wantSecret("valkey", prefixed("APP_", withPrefix))

	for _, name := range []string{"plain", "full"} {
		sv := mustService(t, e, name)
		admin := userOf(sv, "avnadmin")
		if admin.AccessKey == "" {
			t.Fatal("the simulator made no certificate")
		}
		plain := map[string]string{
			"HOST": sv.Host, "PORT": port(sv, 0), "USERNAME": "avnadmin", "PASSWORD": admin.Password,
			"ACCESS_CERT": admin.AccessCert, "ACCESS_KEY": admin.AccessKey, "CA_CERT": ca,
		}
		withPrefix := union(plain, map[string]string{"REST_URI": "", "SCHEMA_REGISTRY_URI": ""})
		user := userOf(sv, name+"-user")
		ofUser := map[string]string{
			"HOST": sv.Host, "PORT": port(sv, 0), "USERNAME": user.Username, "PASSWORD": user.Password,
			"ACCESS_CERT": user.AccessCert, "ACCESS_KEY": user.AccessKey, "CA_CERT": ca,
			"SASL_HOST": "", "SASL_PORT": "", "SCHEMA_REGISTRY_HOST": "", "SCHEMA_REGISTRY_PORT": "",
		}
		if name == "full" {
			uri := func(offset int) string {
				return fmt.Sprintf("https://avnadmin:%s@%s:%s", admin.Password, sv.Host, port(sv, offset))
			}
			maps.Copy(withPrefix, map[string]string{
				"SASL_HOST": sv.Host, "SASL_PORT": port(sv, 1),
				"SCHEMA_REGISTRY_HOST": sv.Host, "SCHEMA_REGISTRY_PORT": port(sv, 2), "SCHEMA_REGISTRY_URI": uri(2),
				"REST_HOST": sv.Host, "REST_PORT": port(sv, 3), "REST_URI": uri(3),
				"CONNECT_HOST": sv.Host, "CONNECT_PORT": port(sv, 4),
			})
			maps.Copy(ofUser, map[string]string{
				// The first component that is named like the service, whatever it is.
				"PORT":      port(sv, 1),
				"SASL_HOST": sv.Host, "SASL_PORT": port(sv, 1),
				"SCHEMA_REGISTRY_HOST": sv.Host, "SCHEMA_REGISTRY_PORT": port(sv, 2),
			})
			other := userOf(sv, "custom-user")
			e.wantSecret("custom-user", prefixed("APP_", union(ofUser, map[string]string{
				"USERNAME": "custom-user", "PASSWORD": other.Password, "ACCESS_CERT": other.AccessCert, "ACCESS_KEY": other.AccessKey,
			})))
		}
		e.wantSecret(name+"-user", prefixed("SERVICEUSER_", ofUser))
		e.wantSecret(name, union(prefixed("KAFKA_", withPrefix), plain))
		e.patch("Kafka", name, fmt.Sprintf(`{"spec":{"connInfoSecretTarget":{"name":%q,"prefix":"APP_"}}}`, name))
		e.wantSecret(name, union(prefixed("APP_", withPrefix), plain))
	}

	for _, sv := range []*aivensim.Service{pg, valkey} {
		user := userOf(sv, sv.Name+"-user")
		want := map[string]string{
			"HOST": sv.Host, "PORT": port(sv, 0), "USERNAME": user.Username, "PASSWORD": user.Password,
			"ACCESS_CERT": "", "ACCESS_KEY": "", "CA_CERT": ca,
		}
		e.wantSecret(user.Username, prefixed("SERVICEUSER_", want))
	}
}

func TestNothingIsPublishedWhereDisabled(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.start()
	disabled := set("connInfoSecretTargetDisabled", true)
	e.create(e.object("PostgreSQL", "host", disabled))
	e.create(e.object("ServiceUser", "user", disabled))
	e.create(e.object("ConnectionPool", "pool", disabled))
	e.ready("PostgreSQL", "host")
	e.ready("ServiceUser", "user")
	e.ready("ConnectionPool", "pool")
	list, err := e.kube.CoreV1().Secrets(e.ns).List(e.ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range list.Items {
		t.Errorf("there is a Secret %s", secret.Name)
	}
}

// What holds for published Secrets holds with any set of rights to Secrets that
// the manifests offer.
func TestPublishedSecretIsKept(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		verbs []string
		poll  time.Duration
	}{
		// A change is noticed at once: within the test there is no poll.
		"reading and watching": {[]string{"get", "list", "watch", "create", "patch"}, time.Hour},
		"reading":              {[]string{"get", "create", "patch"}, time.Second},
		"only writing":         {[]string{"create", "patch"}, time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			e.change = append(e.change, e.account(tt.verbs...), func(o *app.Options) { o.PollInterval = tt.poll })
			e.start()
			e.create(e.object("Valkey", "host", set("connInfoSecretTarget", map[string]any{
				"name": "conn", "prefix": "APP_",
				"labels": map[string]any{"team": "a", "old": "1"}, "annotations": map[string]any{"note": "n", "gone": "1"},
			})))
			e.ready("Valkey", "host")
			e.checkKept(tt.poll > time.Minute)
		})
	}
}

// An object that was deleted and made again publishes into the Secret that the
// first one left, also where the garbage collector doesn't come.
func TestPublishedSecretIsInherited(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{
		CRDs: []string{manifests + "/crds"}, ControllerManagerArgs: []string{"--enable-garbage-collector=false"},
	})
	if err := install(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	tests := map[string][]string{
		"reading and watching": {"get", "list", "watch", "create", "patch"},
		"only writing":         {"create", "patch"},
	}
	for name, verbs := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEnvOn(t, cluster, cluster.Namespace(t), aivensim.Options{Tokens: []aivensim.Token{tokenDefault}})
			e.change = append(e.change, withDefault(tokenDefault.Value), quickEvents, e.account(verbs...))
			e.hostOf("pg")
			e.start()
			e.create(e.object("ServiceUser", "x", set("connInfoSecretTarget", map[string]any{"name": "x", "prefix": "OLD_"})))
			e.ready("ServiceUser", "x")
			left := e.secret("x")
			e.editSecret("x", `{"stringData":{"EXTRA":"e"}}`)
			e.delete("ServiceUser", "x")
			e.gone("ServiceUser", "x")
			// Of another kind, of another group: not its predecessors.
			for i, foreign := range []metav1.OwnerReference{
				{APIVersion: "aiven.io/v1alpha1", Kind: "ServiceUser", Name: "y", UID: "1"},
				{APIVersion: "aiven.io/v1alpha1", Kind: "Database", Name: "x", UID: "2"},
				{APIVersion: "example.com/v1alpha1", Kind: "ServiceUser", Name: "x", UID: "3"},
			} {
				foreign.Controller = new(true)
				name := fmt.Sprintf("foreign-%d", i)
				if _, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, &corev1.Secret{
					ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: []metav1.OwnerReference{foreign}},
				}, metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
				e.create(e.object("ServiceUser", "x", set("connInfoSecretTarget", map[string]any{"name": name})))
				e.unready("ServiceUser", "x", "SecretConflict")
				e.delete("ServiceUser", "x")
				e.gone("ServiceUser", "x")
				if data := e.secret(name).Data; len(data) > 0 {
					t.Errorf("something was published into a Secret of %+v", foreign)
				}
			}

			e.create(e.object("ServiceUser", "x", set("connInfoSecretTarget", map[string]any{"name": "x", "prefix": "NEW_"})))
			e.ready("ServiceUser", "x")
			secret := e.secret("x")
			if secret.UID != left.UID || len(secret.OwnerReferences) != 1 || secret.OwnerReferences[0].UID != e.get("ServiceUser", "x").GetUID() {
				t.Errorf("the Secret is %s of %v, want %s and the new object as its owner", secret.UID, secret.OwnerReferences, left.UID)
			}
			if len(secret.Data["NEW_PASSWORD"]) == 0 || string(secret.Data["EXTRA"]) != "e" {
				t.Errorf("its keys are %v, want the new ones and what others put there", slices.Sorted(maps.Keys(secret.Data)))
			}
			for key := range secret.Data {
				if strings.HasPrefix(key, "OLD_") {
					t.Errorf("%s of the object that is gone is still there", key)
				}
			}
		})
	}
}

// checkKept takes the connection Secret of the Valkey host through everything that
// may happen to it.
func (e *env) checkKept(watched bool) {
	e.Helper()
	sv := mustService(e, e, "host")
	admin, _ := sv.User("default")
	want := map[string]string{
		"HOST": sv.Host, "PORT": fmt.Sprint(sv.Port), "USER": "default", "PASSWORD": admin.Password, "SSL": "required",
	}
	secret := e.wantSecret("conn", prefixed("APP_", want))
	e.checkMeta(secret, map[string]string{"team": "a", "old": "1"}, map[string]string{"note": "n", "gone": "1"})
	if _, labelled := secret.Labels["app.kubernetes.io/managed-by"]; labelled && !watched {
		e.Errorf("labels = %v, want only those that were asked for", secret.Labels)
	}

	e.Log("Editing the Secret")
	e.editSecret("conn", `{"metadata":{"labels":{"theirs":"1","team":"b"},"annotations":{"theirs":"1"}},"stringData":{"EXTRA":"e","APP_PASSWORD":"tampered","APP_HOST":""}}`)
	extra := map[string]string{"EXTRA": "e"}
	e.wantSecret("conn", union(prefixed("APP_", want), extra))
	e.editSecret("conn", `{"data":{"APP_PORT":null}}`)
	secret = e.wantSecret("conn", union(prefixed("APP_", want), extra))
	e.checkMeta(secret, map[string]string{"theirs": "1", "team": "a"}, map[string]string{"theirs": "1", "note": "n"})

	e.Log("Changing the target")
	e.patch("Valkey", "host", `{"spec":{"connInfoSecretTarget":{"prefix":"NEW_","labels":{"old":null,"team":"c"},"annotations":{"gone":null,"note":"m"}}}}`)
	secret = e.wantSecret("conn", union(prefixed("NEW_", want), extra))
	e.checkMeta(secret, map[string]string{"theirs": "1", "team": "c", "old": ""}, map[string]string{"theirs": "1", "note": "m", "gone": ""})

	e.Log("Deleting the Secret")
	if err := e.kube.CoreV1().Secrets(e.ns).Delete(e.ctx, "conn", metav1.DeleteOptions{}); err != nil {
		e.Fatal(err)
	}
	e.wantSecret("conn", prefixed("NEW_", want))

	e.Log("Changing the target while the operator is stopped")
	e.stopOperator()
	e.editSecret("conn", `{"stringData":{"EXTRA":"e"}}`)
	e.patch("Valkey", "host", `{"spec":{"connInfoSecretTarget":{"prefix":"LAST_"}}}`)
	e.start()
	e.wantSecret("conn", union(prefixed("LAST_", want), extra))

	e.Log("Finding a Secret of somebody else")
	foreign, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "taken"}, Data: map[string][]byte{"theirs": []byte("value")},
	}, metav1.CreateOptions{})
	if err != nil {
		e.Fatal(err)
	}
	e.create(e.object("ServiceUser", "y", set("connInfoSecretTarget", map[string]any{"name": "taken"})))
	message := e.unready("ServiceUser", "y", "SecretConflict")
	for _, part := range []string{e.ns + "/taken", "controlled by nobody", "kubectl delete secret taken -n " + e.ns} {
		if !strings.Contains(message, part) {
			e.Errorf("message = %q, want it to contain %q", message, part)
		}
	}
	if now := e.secret("taken"); now.ResourceVersion != foreign.ResourceVersion {
		e.Errorf("the Secret of somebody else was changed: %+v", now)
	}
	if err := e.kube.CoreV1().Secrets(e.ns).Delete(e.ctx, "taken", metav1.DeleteOptions{}); err != nil {
		e.Fatal(err)
	}
	if watched {
		// The watch is on the operator's own Secrets; this one it learns of at the
		// poll, or when asked.
		e.annotate("ServiceUser", "y", "example.com/look", "now")
	}
	e.ready("ServiceUser", "y")
	if len(e.secret("taken").Data["SERVICEUSER_PASSWORD"]) == 0 {
		e.Error("nothing was published in place of the Secret that was deleted")
	}
	e.stopOperator()
}

// checkMeta checks labels and annotations, where "" means that there is none,
// and the owner.
func (e *env) checkMeta(secret *corev1.Secret, labels, annotations map[string]string) {
	e.Helper()
	for key, value := range labels {
		if secret.Labels[key] != value {
			e.Errorf("label %s is %q, want %q", key, secret.Labels[key], value)
		}
	}
	for key, value := range annotations {
		if secret.Annotations[key] != value {
			e.Errorf("annotation %s is %q, want %q", key, secret.Annotations[key], value)
		}
	}
	owner, err := json.Marshal(secret.OwnerReferences)
	if err != nil {
		e.Fatal(err)
	}
	want := fmt.Sprintf(`[{"apiVersion":"aiven.io/v1alpha1","kind":"Valkey","name":"host","uid":%q,"controller":true}]`, e.get("Valkey", "host").GetUID())
	if string(owner) != want {
		e.Errorf("owner references are %s, want %s", owner, want)
	}
}
