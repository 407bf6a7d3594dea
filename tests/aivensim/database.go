// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	codegen "github.com/aiven/go-client-codegen/handler/service"
)

// Database is a logical database of a pg service.
type Database struct {
	Name      string `json:"database_name"`
	LcCollate string `json:"lc_collate,omitempty"`
	LcCtype   string `json:"lc_ctype,omitempty"`
}

const defaultLocale = "en_US.UTF-8"

func databaseRoutes() []route {
	return []route{
		{operation: "ServiceDatabaseList", method: http.MethodGet, pattern: servicePattern + "/db", handle: (*call).databaseList},
		{operation: "ServiceDatabaseCreate", method: http.MethodPost, pattern: servicePattern + "/db", handle: (*call).databaseCreate},
		{operation: "ServiceDatabaseDelete", method: http.MethodDelete, pattern: servicePattern + "/db/{dbname}", handle: (*call).databaseDelete},
	}
}

var (
	databasePattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,39}$`)
	localePattern   = regexp.MustCompile(`^[a-zA-Z0-9_.@-]{1,128}$`)
)

// maxDatabasePage is the largest page of the database list, by the client's
// documentation of maxItems.
const maxDatabasePage = 250

func (sv *Service) database(name string) *Database {
	for _, d := range sv.Databases {
		if d.Name == name {
			return d
		}
	}
	return nil
}

func (c *call) databaseList() (any, error) {
	if err := c.only("pg", "mysql"); err != nil {
		return nil, err
	}
	size := maxDatabasePage
	if raw := c.query.Get("maxItems"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 1 || n > maxDatabasePage {
			return nil, badRequest("Invalid 'maxItems': '%s'", raw)
		}
		size = n
	}
	list := slices.Clone(c.service.Databases)
	slices.SortFunc(list, func(a, b *Database) int { return strings.Compare(a.Name, b.Name) })
	after := c.query.Get("after")
	list = slices.DeleteFunc(list, func(d *Database) bool { return after != "" && d.Name <= after })
	out := map[string]any{}
	if len(list) > size {
		list = list[:size]
		out["next"] = list[size-1].Name
	}
	if list == nil {
		list = []*Database{}
	}
	out["databases"] = list
	return out, nil
}

func (c *call) databaseCreate() (any, error) {
	var in codegen.ServiceDatabaseCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.only("pg", "mysql"); err != nil {
		return nil, err
	}
	if err := required("database", in.Database); err != nil {
		return nil, err
	}
	if !databasePattern.MatchString(in.Database) {
		return nil, badRequest("Invalid 'database': '%s' does not match '%s'", in.Database, databasePattern)
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	if c.service.database(in.Database) != nil {
		return nil, conflict("Database '%s' already exists", in.Database)
	}
	d := &Database{Name: in.Database}
	if c.service.Type == "pg" {
		d.LcCollate, d.LcCtype = defaultLocale, defaultLocale
	} else if in.LcCollate != nil || in.LcCtype != nil {
		return nil, badRequest("Invalid 'lc_collate' or 'lc_ctype': not supported for service type '%s'", c.service.Type)
	}
	for field, set := range map[string]struct {
		in  *string
		out *string
	}{"lc_collate": {in.LcCollate, &d.LcCollate}, "lc_ctype": {in.LcCtype, &d.LcCtype}} {
		if set.in == nil {
			continue
		}
		if !localePattern.MatchString(*set.in) {
			return nil, badRequest("Invalid '%s': '%s'", field, *set.in)
		}
		*set.out = *set.in
	}
	c.service.Databases = append(c.service.Databases, d)
	c.log("service_database_create", c.service.Name, "Created database %s", d.Name)
	return message("created"), nil
}

func (c *call) databaseDelete() (any, error) {
	if err := c.only("pg", "mysql"); err != nil {
		return nil, err
	}
	d := c.service.database(c.vars["dbname"])
	if d == nil {
		return nil, notFound("Database '%s' not found", c.vars["dbname"])
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	for _, p := range c.service.Pools {
		if p.Database == d.Name {
			return nil, conflict("Database '%s' is used by connection pool '%s'", d.Name, p.Name)
		}
	}
	c.service.Databases = slices.DeleteFunc(c.service.Databases, func(o *Database) bool { return o == d })
	c.log("service_database_delete", c.service.Name, "Deleted database %s", d.Name)
	return message("deleted"), nil
}
