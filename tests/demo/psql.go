// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	aivenv1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// connection is how an application reaches a PostgreSQL service.
type connection struct {
	// uri holds user and password.
	uri string
	// user is whom the server has to take the application for.
	user string
	// ca is the certificate of the authority that the server's has to be from.
	ca string
}

// postgresConnection returns what an object has published about a PostgreSQL
// service. It is false for objects of other services.
func postgresConnection(object aivenv1alpha1.Publisher, serviceType string, data map[string]string) (connection, bool) {
	target, _ := object.ConnInfoTarget()
	value := func(key string) string { return data[target.Prefix+key] }
	switch object.(type) {
	case *aivenv1alpha1.PostgreSQL, *aivenv1alpha1.ConnectionPool:
		return connection{uri: value("DATABASE_URI"), user: value("USER"), ca: value("CA_CERT")}, true
	case *aivenv1alpha1.ServiceUser:
		if serviceType != "pg" {
			return connection{}, false
		}
		uri := url.URL{
			Scheme: "postgres", User: url.UserPassword(value("USERNAME"), value("PASSWORD")),
			Host: net.JoinHostPort(value("HOST"), value("PORT")), Path: "/defaultdb", RawQuery: "sslmode=require",
		}
		return connection{uri: uri.String(), user: value("USERNAME"), ca: value("CA_CERT")}, true
	}
	return connection{}, false
}

// checkConnection connects with what an object has published, if it is about
// PostgreSQL and there is one to connect to.
func (d *demo) checkConnection(ctx context.Context, f *findings, object aivenv1alpha1.Publisher, data map[string]string) {
	conn, ok := postgresConnection(object, d.hostType(object), data)
	if !ok {
		return
	}
	if d.postgres == "" {
		d.out.Line("  not checked: whether psql connects, since PostgreSQL is not installed")
		return
	}
	user, err := d.currentUser(ctx, conn)
	if err == nil && user != conn.user {
		err = fmt.Errorf("it is %q there", user)
	}
	f.check(err, "psql connects with it as %s, over TLS", conn.user)
}

// currentUser asks PostgreSQL who the connection's user is.
func (d *demo) currentUser(ctx context.Context, conn connection) (string, error) {
	args, password, err := psqlArgs(conn.uri)
	if err != nil {
		return "", err
	}
	ca := d.path(authorityFile)
	if err := os.WriteFile(ca, []byte(conn.ca), 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(d.postgres, "psql"), append(args, "-c", "SELECT current_user")...)
	// libpq checks the server's certificate as soon as it is given an authority.
	cmd.Env = append(without(os.Environ(), libpqVariables...),
		"PGPASSWORD="+password, "PGSSLROOTCERT="+ca, "PGCONNECT_TIMEOUT=10")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// libpqVariables would change where psql connects to, or how.
var libpqVariables = []string{
	"PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE",
	"PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT", "PGOPTIONS",
}

// psqlArgs splits a URI into arguments that all processes may see and the
// password.
func psqlArgs(uri string) (args []string, password string, err error) {
	// The parser's error would quote the URI.
	parsed, err := url.Parse(uri)
	if err != nil {
		return nil, "", errors.New("the published URI is none")
	}
	password, ok := parsed.User.Password()
	if !ok {
		return nil, "", errors.New("the published URI has no password")
	}
	parsed.User = url.User(parsed.User.Username())
	return []string{"--no-psqlrc", "--no-align", "--tuples-only", "--no-password", "--dbname", parsed.String()}, password, nil
}
