// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aiven/go-client-codegen/handler/postgresql"
	"github.com/aiven/go-client-codegen/handler/service"
)

// query runs SQL through libpq with a published URI.
func query(t *testing.T, bin, uri, sql string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(testContext(t), filepath.Join(bin, "psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", uri, "-c", sql)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// with changes parts of a URI.
func with(t *testing.T, uri string, edit func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(uri)
	must(t, err)
	edit(u)
	return u.String()
}

func TestRealPostgres(t *testing.T) {
	bin, ok := FindPostgres()
	if !ok {
		t.Skip("PostgreSQL (initdb, postgres, psql) is not installed: published details are not tried on a real server")
	}
	s := startSim(t, Options{RealPostgres: true, PostgresBinDir: bin, Timing: Timing{ServiceBuild: -1}})
	created := s.create(t, "pg", "db", "startup-4")
	early := with(t, "postgres://avnadmin:x@127.0.0.1/defaultdb?sslmode=require", func(u *url.URL) {
		u.Host = "127.0.0.1:" + strconv.Itoa(created.Components[0].Port)
	})
	if out, err := query(t, bin, early, "SELECT 1"); err == nil || !strings.Contains(out, "starting up") {
		t.Errorf("before the service runs: %q %v", out, err)
	}
	must(t, s.FinishService(testProject, "db"))
	uri := s.get(t, "db", true).ServiceUri
	wantQuery := func(uri, sql, want string) {
		t.Helper()
		if out, err := query(t, bin, uri, sql); err != nil || out != want {
			t.Errorf("%s: got %q %v, want %q", sql, out, err, want)
		}
	}
	refused := func(uri, part string) {
		t.Helper()
		if out, err := query(t, bin, uri, "SELECT 1"); err == nil || !strings.Contains(out, part) {
			t.Errorf("got %q %v, want a refusal with %q", out, err, part)
		}
	}
	wantQuery(uri, "SELECT current_user || ' ' || current_database()", "avnadmin defaultdb")
	refused(with(t, uri, func(u *url.URL) { u.RawQuery = "sslmode=disable" }), "no encryption")

	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, []byte(s.Project(testProject).CA()), 0o600))
	wantQuery(with(t, uri, func(u *url.URL) { u.RawQuery = "sslmode=verify-full&sslrootcert=" + url.QueryEscape(ca) }), "SELECT 1", "1")

	user, err := s.service.ServiceUserCreate(t.Context(), testProject, "db", &service.ServiceUserCreateIn{Username: `app.one`})
	must(t, err)
	must(t, s.service.ServiceDatabaseCreate(t.Context(), testProject, "db", &service.ServiceDatabaseCreateIn{Database: "app-db"}))
	appURI := with(t, uri, func(u *url.URL) { u.User, u.Path = url.UserPassword(user.Username, user.Password), "/app-db" })
	wantQuery(appURI, "SELECT current_user || ' ' || current_database()", "app.one app-db")

	must(t, s.pg.ServicePGBouncerCreate(t.Context(), testProject, "db", &postgresql.ServicePGBouncerCreateIn{
		PoolName: "web", Database: "app-db", Username: new(user.Username)}))
	pool := s.get(t, "db", true).ConnectionPools[0].ConnectionUri
	wantQuery(pool, "SELECT current_user || ' ' || current_database()", "app.one app-db")

	must(t, s.Outside(testProject, "db").ResetUser(user.Username, "it's new \\ :pw"))
	refused(appURI, "password authentication failed")
	appURI = with(t, appURI, func(u *url.URL) { u.User = url.UserPassword(user.Username, "it's new \\ :pw") })
	wantQuery(appURI, "CREATE TEMP TABLE t (x int); SELECT 1", "CREATE TABLE\n1")

	must(t, s.pg.ServicePGBouncerDelete(t.Context(), testProject, "db", "web"))
	refused(pool, "refused")
	must(t, s.service.ServiceUserDelete(t.Context(), testProject, "db", user.Username))
	refused(appURI, "password authentication failed")
	must(t, s.service.ServiceDatabaseDelete(t.Context(), testProject, "db", "app-db"))
	refused(with(t, uri, func(u *url.URL) { u.Path = "/app-db" }), "does not exist")

	s.create(t, "pg", "second", "startup-4")
	must(t, s.FinishService(testProject, "second"))
	second := s.get(t, "second", true).ServiceUri
	wantQuery(second, "SELECT count(*) FROM pg_database WHERE NOT datistemplate", "2")
	refused(with(t, second, func(u *url.URL) {
		first, err := url.Parse(uri)
		must(t, err)
		u.Host = first.Host
	}), "password authentication failed")

	must(t, s.Outside(testProject, "db").SetPower(false))
	refused(uri, "starting up")
	must(t, s.Outside(testProject, "db").DeleteService())
	refused(uri, "refused")

	dir := s.postgres.dir
	must(t, s.Close())
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data directory is left over: %v", err)
	}
	refused(second, "refused")
}

func TestIdlePostgresServiceStartsNothing(t *testing.T) {
	bin, ok := FindPostgres()
	if !ok {
		t.Skip("PostgreSQL (initdb, postgres, psql) is not installed: there is nothing that could start")
	}
	s := startSim(t, Options{RealPostgres: true, PostgresBinDir: bin})
	for _, name := range []string{"a", "b", "c"} {
		s.create(t, "pg", name, "startup-4")
	}
	must(t, s.Close())
	if s.postgres.count != 0 {
		t.Errorf("%d clusters were made for services that nobody connects to", s.postgres.count)
	}
	if _, err := os.Stat(s.postgres.dir); !os.IsNotExist(err) {
		t.Errorf("the template is left over: %v", err)
	}
}
