// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// accessQueries is how many queries tell who may do what in a service.
const accessQueries = 4

func clickhouseDatabaseCase() kindCase {
	return kindCase{
		host: "clickhouse", spec: map[string]any{}, remote: "clickhouse-database",
		edit: `{"metadata":{"labels":{"team":"a"}}}`, edited: func(aivensim.Service) bool { return true },
		createOperation: "ServiceClickHouseDatabaseCreate",
		vanish:          func(o aivensim.Outside, name string) error { return o.DeleteClickHouseDatabase(name) },
	}
}

func clickhouseRoleCase() kindCase {
	return kindCase{
		host: "clickhouse", spec: map[string]any{"role": "a role with `quotes` and \\"}, remote: "clickhouse-role",
		edit: `{"metadata":{"labels":{"team":"a"}}}`, edited: func(aivensim.Service) bool { return true },
		createOperation: "ServiceClickHouseQuery", createSkips: accessQueries,
		vanish: func(o aivensim.Outside, _ string) error {
			return o.QueryClickHouse("DROP ROLE `a role with \\`quotes\\` and \\\\`")
		},
	}
}

func clickhouseUserCase() kindCase {
	return kindCase{
		host: "clickhouse", spec: map[string]any{}, remote: "clickhouse-user", publishes: true,
		prepare: func(e *env) { e.passwordSecret("source", "from-the-source") },
		keys: []string{
			"CLICKHOUSEUSER_HOST", "CLICKHOUSEUSER_PORT", "CLICKHOUSEUSER_USERNAME", "CLICKHOUSEUSER_PASSWORD",
			"HOST", "PORT", "USERNAME", "PASSWORD",
		},
		edit: `{"spec":{"connInfoSecretSource":{"name":"source","passwordKey":"password"}}}`,
		edited: func(sv aivensim.Service) bool {
			u, ok := sv.User("x")
			return ok && u.Password == "from-the-source"
		},
		createOperation: "ServiceClickHouseUserCreate",
		vanish:          func(o aivensim.Outside, name string) error { return o.DeleteClickHouseUser(name) },
	}
}

func clickhouseGrantCase() kindCase {
	return kindCase{
		host: "clickhouse", remote: "clickhouse-grant",
		prepare: func(e *env) {
			e.eventually("the user reader", func() error { return e.sim.Outside(project, "host").CreateClickHouseUser("reader") })
		},
		spec: map[string]any{"privilegeGrants": []any{map[string]any{
			"grantees": []any{map[string]any{"user": "reader"}}, "privileges": []any{"SELECT"}, "database": "default",
		}}},
		edit: `{"spec":{"privilegeGrants":[{"grantees":[{"user":"reader"}],"privileges":["INSERT"],"database":"default","table":"t"}]}}`,
		edited: func(sv aivensim.Service) bool {
			return slices.Equal(grantsOf(sv, "reader"), []string{"reader/INSERT on default.t"})
		},
		createOperation: "ServiceClickHouseQuery", createSkips: accessQueries,
		drift: func(o aivensim.Outside) error {
			return o.QueryClickHouse("REVOKE INSERT ON default.t FROM reader")
		},
		vanish: func(o aivensim.Outside, _ string) error {
			if err := o.QueryClickHouse("REVOKE INSERT ON default.t FROM reader"); err != nil {
				return err
			}
			return o.QueryClickHouse("REVOKE SELECT ON default.* FROM reader")
		},
	}
}

// outside fails the test when what a person does at Aiven's console fails.
func (e *env) outside(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) passwordSecret(name, password string) {
	e.Helper()
	_, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string][]byte{"password": []byte(password)},
	}, metav1.CreateOptions{})
	if err != nil {
		e.Fatal(err)
	}
}

// grantsOf returns what a user or role holds in the simulator.
func grantsOf(sv aivensim.Service, grantee string) []string {
	out := []string{}
	for _, g := range sv.ClickHouse.Grants {
		if g.User == grantee || g.Role == grantee {
			text := g.String()
			if g.GrantOption {
				text += " with option"
			}
			out = append(out, text)
		}
	}
	for _, g := range sv.ClickHouse.RoleGrants {
		if g.User == grantee || g.Role == grantee {
			out = append(out, fmt.Sprintf("%s is %s, admin %t", grantee, g.Granted, g.AdminOption))
		}
	}
	slices.Sort(out)
	return out
}

func (e *env) wantGrants(grantee string, want ...string) {
	e.Helper()
	slices.Sort(want)
	e.eventually(fmt.Sprintf("%s to hold %q", grantee, want), func() error {
		sv, _ := e.sim.Project(project).Service("host")
		if got := grantsOf(sv, grantee); !slices.Equal(got, want) {
			return fmt.Errorf("it holds %q", got)
		}
		return nil
	})
}

// statements returns the SQL that has changed something so far.
func (e *env) statements() []string {
	var out []string
	for _, event := range e.sim.Project(project).Events() {
		if query, ok := strings.CutPrefix(event.EventDesc, "Ran "); ok {
			out = append(out, query)
		}
	}
	return out
}

func privilegeGrant(grantee, database, table string, privileges ...any) map[string]any {
	g := map[string]any{"grantees": []any{map[string]any{"user": grantee}}, "privileges": privileges, "database": database}
	if table != "" {
		g["table"] = table
	}
	return g
}

func (e *env) setGrants(name string, grants ...any) {
	e.Helper()
	raw, err := json.Marshal(map[string]any{"spec": map[string]any{"privilegeGrants": grants}})
	if err != nil {
		e.Fatal(err)
	}
	e.patch("ClickhouseGrant", name, string(raw))
	e.ready("ClickhouseGrant", name)
}

// A change takes back only what is gone and gives only what is new, the latter
// first.
func TestGrantsChangeWithoutAGap(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.host("ClickhouseGrant")
	e.start()
	e.create(e.object("ClickhouseGrant", "x", set("privilegeGrants", []any{
		privilegeGrant("reader", "default", "", "SELECT", "INSERT"),
	})))
	e.ready("ClickhouseGrant", "x")
	e.wantGrants("reader", "reader/SELECT on default.*", "reader/INSERT on default.*")
	before := len(e.statements())
	e.setGrants("x", privilegeGrant("reader", "default", "", "SELECT", "TRUNCATE"))
	e.wantGrants("reader", "reader/SELECT on default.*", "reader/TRUNCATE on default.*")
	want := []string{"GRANT TRUNCATE ON `default`.* TO `reader`", "REVOKE INSERT ON `default`.* FROM `reader`"}
	if got := e.statements()[before:]; !slices.Equal(got, want) {
		t.Errorf("statements = %q, want %q", got, want)
	}

	t.Log("Widening leaves no hole in the wider grant")
	e.setGrants("x", privilegeGrant("reader", "default", "t", "SELECT"))
	e.wantGrants("reader", "reader/SELECT on default.t")
	e.setGrants("x", privilegeGrant("reader", "*", "", "SELECT"))
	e.wantGrants("reader", "reader/SELECT on *.*")

	t.Log("What others have granted stays")
	e.outside(e.sim.Outside(project, "host").QueryClickHouse("GRANT INSERT ON default.* TO reader"))
	e.setGrants("x", privilegeGrant("reader", "default", "t", "INSERT"))
	e.wantGrants("reader", "reader/INSERT on default.*")
	e.delete("ClickhouseGrant", "x")
	e.gone("ClickhouseGrant", "x")
	e.wantGrants("reader", "reader/INSERT on default.*")
}

// Grants wait for whom and what they are about.
func TestGrantsWaitForUserAndRole(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.hostOf("clickhouse")
	e.start()
	e.create(e.object("ClickhouseGrant", "x", set("privilegeGrants", []any{privilegeGrant("late", "db", "", "ALL")}),
		set("roleGrants", []any{map[string]any{"grantees": []any{map[string]any{"user": "late"}}, "roles": []any{"r"}, "withAdminOption": true}})))
	e.unready("ClickhouseGrant", "x", "WaitingForDatabase")
	e.create(e.object("ClickhouseDatabase", "db"))
	e.unready("ClickhouseGrant", "x", "WaitingForUser")
	e.create(e.object("ClickhouseUser", "late"))
	e.unready("ClickhouseGrant", "x", "WaitingForRole")
	e.create(e.object("ClickhouseRole", "r", set("role", "r")))
	e.ready("ClickhouseGrant", "x")
	sv, _ := e.sim.Project(project).Service("host")
	if got := grantsOf(sv, "late"); !slices.Contains(got, "late is r, admin true") || !slices.Contains(got, "late/SELECT on db.*") {
		t.Errorf("late holds %q", got)
	}
	e.delete("ClickhouseGrant", "x")
	e.gone("ClickhouseGrant", "x")
	e.wantGrants("late")
}

// What stands in a statement unquoted is checked, everything else is quoted.
func TestGrantsAreNoWayToInjectSQL(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.host("ClickhouseGrant")
	e.start()
	for i, privilege := range []string{"SELECT ON *.* TO reader; DROP ROLE r", "SELECT ON default", "SELECT, INSERT", "ALL`"} {
		name := fmt.Sprintf("x%d", i)
		e.create(e.object("ClickhouseGrant", name, set("privilegeGrants", []any{privilegeGrant("reader", "default", "", privilege)})))
		e.unready("ClickhouseGrant", name, "InvalidSpec")
	}
	e.create(e.object("ClickhouseGrant", "table", set("privilegeGrants", []any{
		privilegeGrant("reader", "default", "t` TO reader -- \\", "SELECT"),
	})))
	e.ready("ClickhouseGrant", "table")
	e.wantGrants("reader", "reader/SELECT on default.t` TO reader -- \\")
}

// The source Secret is compared with what was published, so a change made while
// the operator was down counts, and an interrupted create gets a new password.
func TestClickhouseUserPassword(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.host("ClickhouseUser")
	e.start()
	e.create(e.object("ClickhouseUser", "x", set("connInfoSecretSource", map[string]any{"name": "source", "passwordKey": "password"})))
	e.ready("ClickhouseUser", "x")
	e.wantPassword("x", "from-the-source")
	e.stopOperator()
	source, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, "source", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	source.Data["password"] = []byte("changed-meanwhile")
	if _, err := e.kube.CoreV1().Secrets(e.ns).Update(e.ctx, source, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	e.start()
	e.wantPassword("x", "changed-meanwhile")
	e.stopOperator()
	e.sim.ResetRequests()
	e.start()
	e.annotate("ClickhouseUser", "x", "example.com/look", "again")
	e.ready("ClickhouseUser", "x")
	if n := e.sim.Count(aivensim.Mutating); n != 0 {
		t.Errorf("%d changes were sent though nothing differs", n)
	}
}

// wantPassword waits until a user has a password and the Secret says so.
func (e *env) wantPassword(user, want string) {
	e.Helper()
	e.eventually("the password", func() error {
		sv, _ := e.sim.Project(project).Service("host")
		if u, ok := sv.User(user); !ok || u.Password != want {
			return fmt.Errorf("the user has another one")
		}
		secret, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, user, metav1.GetOptions{})
		if err == nil && string(secret.Data["PASSWORD"]) != want {
			err = fmt.Errorf("the Secret has another one")
		}
		return err
	})
}
