// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aiven/go-client-codegen/handler/clickhouse"
)

// clickhouseSim is a server with a ClickHouse service named ch.
type clickhouseSim struct {
	*sim
	clickhouse clickhouse.ClickHouseHandler
}

func startClickHouse(t *testing.T) *clickhouseSim {
	s := startSim(t, Options{})
	s.create(t, "clickhouse", "ch", "startup-16")
	return &clickhouseSim{sim: s, clickhouse: clickhouse.NewHandler(s.doer)}
}

func (s *clickhouseSim) query(t *testing.T, query string) (*clickhouse.ServiceClickHouseQueryOut, error) {
	return s.clickhouse.ServiceClickHouseQuery(t.Context(), testProject, "ch", &clickhouse.ServiceClickHouseQueryIn{Database: "system", Query: query})
}

// rows runs a SELECT and joins the values of each row.
func (s *clickhouseSim) rows(t *testing.T, query string) []string {
	t.Helper()
	out, err := s.query(t, query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var rows []string
	for _, row := range out.Data {
		rows = append(rows, strings.TrimSpace(fmt.Sprintln(row...)))
	}
	return rows
}

func (s *clickhouseSim) run(t *testing.T, queries ...string) {
	t.Helper()
	for _, query := range queries {
		if _, err := s.query(t, query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

func TestClickHouseUsersAndDatabases(t *testing.T) {
	s := startClickHouse(t)
	ctx := t.Context()
	created, err := s.clickhouse.ServiceClickHouseUserCreate(ctx, testProject, "ch", &clickhouse.ServiceClickHouseUserCreateIn{Name: "app"})
	must(t, err)
	if created.Password == nil || created.Uuid == "" || created.Required {
		t.Errorf("created user is %+v", created)
	}
	password, err := s.clickhouse.ServiceClickHousePasswordReset(ctx, testProject, "ch", created.Uuid, &clickhouse.ServiceClickHousePasswordResetIn{Password: new("a-long-password")})
	must(t, err)
	users, err := s.clickhouse.ServiceClickHouseUserList(ctx, testProject, "ch")
	must(t, err)
	if password != "a-long-password" || len(users) != 2 || users[1].Name != "app" || users[1].Password != nil || !users[0].Required {
		t.Errorf("password is %q, users are %+v", password, users)
	}
	wantStatus(t, s.clickhouse.ServiceClickHouseUserDelete(ctx, testProject, "ch", users[0].Uuid), 403, adminUser)
	must(t, s.clickhouse.ServiceClickHouseUserDelete(ctx, testProject, "ch", created.Uuid))
	wantStatus(t, s.clickhouse.ServiceClickHouseUserDelete(ctx, testProject, "ch", created.Uuid), 404, "not found")

	must(t, s.clickhouse.ServiceClickHouseDatabaseCreate(ctx, testProject, "ch", &clickhouse.ServiceClickHouseDatabaseCreateIn{Database: "d"}))
	databases, err := s.clickhouse.ServiceClickHouseDatabaseList(ctx, testProject, "ch")
	must(t, err)
	if len(databases) != 3 || databases[2].Name != "d" || databases[2].State != "ok" || !databases[0].Required {
		t.Errorf("databases are %+v", databases)
	}
	wantStatus(t, s.clickhouse.ServiceClickHouseDatabaseDelete(ctx, testProject, "ch", "default"), 403, "default")
	must(t, s.clickhouse.ServiceClickHouseDatabaseDelete(ctx, testProject, "ch", "d"))
}

func TestClickHouseRoles(t *testing.T) {
	s := startClickHouse(t)
	_, err := s.query(t, "SHOW CREATE ROLE `we``ird\\`role`")
	wantStatus(t, err, 400, "Code: 511")
	s.run(t, "CREATE ROLE IF NOT EXISTS `we``ird\\`role`", "CREATE ROLE IF NOT EXISTS `we``ird\\`role`;")
	if got := s.rows(t, "SELECT name FROM system.roles WHERE name = 'we`ird`role'"); !slices.Equal(got, []string{"we`ird`role"}) {
		t.Errorf("roles are %q", got)
	}
	if got := s.rows(t, "SHOW CREATE ROLE `we``ird``role`"); len(got) != 1 || !strings.HasPrefix(got[0], "CREATE ROLE") {
		t.Errorf("SHOW CREATE ROLE says %q", got)
	}
	_, err = s.query(t, "CREATE ROLE `we``ird``role`")
	wantStatus(t, err, 400, "Code: 493")
	s.run(t, "DROP ROLE IF EXISTS `we``ird``role`", "DROP ROLE IF EXISTS `we``ird``role`")
	_, err = s.query(t, "DROP ROLE r")
	wantStatus(t, err, 400, "Code: 511")
	_, err = s.query(t, "CREATE ROLE a; DROP ROLE a")
	wantStatus(t, err, 400, "Code: 62")
}

func TestClickHouseGrants(t *testing.T) {
	const all = "SELECT access_type, database, table, column, is_partial_revoke, grant_option FROM system.grants WHERE role_name = 'r' ORDER BY access_type, table, column"
	tests := []struct {
		name    string
		queries []string
		want    []string
	}{
		{"columns", []string{"GRANT SELECT(a, `b`), INSERT ON `d`.t TO r WITH GRANT OPTION"},
			[]string{"INSERT d t <nil> 0 1", "SELECT d t a 0 1", "SELECT d t b 0 1"}},
		{"revoke of one column", []string{"GRANT SELECT(a, b) ON d.t TO r", "REVOKE SELECT(a) ON d.t FROM r"}, []string{"SELECT d t b 0 0"}},
		{"a wider grant takes in narrower ones", []string{"GRANT SELECT ON d.t TO r", "GRANT SELECT ON d.* TO r", "GRANT SELECT ON d.u TO r"},
			[]string{"SELECT d <nil> <nil> 0 0"}},
		{"revoke of a part", []string{"GRANT SELECT ON d.* TO r", "REVOKE SELECT ON d.t FROM r"},
			[]string{"SELECT d <nil> <nil> 0 0", "SELECT d t <nil> 1 0"}},
		{"a part given back", []string{"GRANT SELECT ON d.* TO r", "REVOKE SELECT ON d.t FROM r", "GRANT SELECT ON d.t TO r"},
			[]string{"SELECT d <nil> <nil> 0 0"}},
		{"groups are shown as their parts", []string{"GRANT ALTER INDEX ON d.* TO r", "REVOKE ALTER ORDER BY, ALTER SAMPLE BY ON d.* FROM r"},
			[]string{"ALTER ADD INDEX d <nil> <nil> 0 0", "ALTER CLEAR INDEX d <nil> <nil> 0 0", "ALTER DROP INDEX d <nil> <nil> 0 0", "ALTER MATERIALIZE INDEX d <nil> <nil> 0 0"}},
		{"grant option only", []string{"GRANT SELECT ON d.* TO r WITH GRANT OPTION", "REVOKE GRANT OPTION FOR SELECT ON d.* FROM r"},
			[]string{"SELECT d <nil> <nil> 0 0"}},
		{"a dropped role", []string{"GRANT SELECT ON d.* TO r", "DROP ROLE r", "CREATE ROLE r"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startClickHouse(t)
			s.run(t, append([]string{"CREATE ROLE r"}, tt.queries...)...)
			if got := s.rows(t, all); !slices.Equal(got, tt.want) {
				t.Errorf("grants are %q, want %q", got, tt.want)
			}
		})
	}
}

func TestClickHouseRoleGrants(t *testing.T) {
	s := startClickHouse(t)
	must(t, s.Outside(testProject, "ch").CreateClickHouseUser("app"))
	s.run(t, "CREATE ROLE r1, r2", "GRANT r1, r2 TO app, r1 WITH ADMIN OPTION", "REVOKE ADMIN OPTION FOR r1 FROM app", "REVOKE r2 FROM r1")
	got := s.rows(t, "SELECT user_name, role_name, granted_role_name, with_admin_option FROM system.role_grants WHERE user_name = 'app' OR role_name IN ('r1', 'r2')")
	if want := []string{"app <nil> r1 0", "app <nil> r2 1", "<nil> r1 r1 1"}; !slices.Equal(got, want) {
		t.Errorf("role grants are %q, want %q", got, want)
	}
	for query, code := range map[string]string{
		"GRANT absent TO app": "Code: 511", "GRANT r1 TO absent": "Code: 511", "GRANT FLY ON *.* TO app": "Code: 62",
		"GRANT CREATE USER ON d.* TO app": "Code: 509", "GRANT CREATE TABLE(a) ON d.t TO app": "Code: 509", "SELECT x FROM system.users": "Code: 47",
		"SELECT name FROM system.absent": "Code: 60", "INSERT INTO t VALUES (1)": "Code: 62",
	} {
		if _, err := s.query(t, query); err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: got %v, want %s", query, err, code)
		}
	}
	s.ResetRequests()
	s.rows(t, "SELECT name FROM system.users")
	if n := s.Count(Mutating); n != 0 {
		t.Errorf("a SELECT counts as %d changes", n)
	}
	s.run(t, "REVOKE r2 FROM app")
	if n := s.Count(Mutating); n != 1 {
		t.Errorf("a REVOKE counts as %d changes, want 1", n)
	}
	must(t, s.Outside(testProject, "ch").QueryClickHouse("GRANT SELECT ON d.* TO app"))
	var got2 []string
	for _, o := range s.Objects() {
		got2 = append(got2, o.Kind+" "+o.Name)
	}
	want := []string{"project ", "service ", "clickhouse-user app", "clickhouse-role r1", "clickhouse-role r2",
		"clickhouse-grant app/SELECT on d.*", "clickhouse-role-grant app/r1", "clickhouse-role-grant r1/r1"}
	if !slices.Equal(got2, want) {
		t.Errorf("objects are %q, want %q", got2, want)
	}
	must(t, s.Outside(testProject, "ch").DeleteClickHouseUser("app"))
	if got := s.rows(t, "SELECT access_type FROM system.grants WHERE user_name = 'app'"); len(got) != 0 {
		t.Errorf("a deleted user keeps %q", got)
	}
}
