// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"

	codegen "github.com/aiven/go-client-codegen/handler/postgresql"
)

// Pool is a connection pool of a pg service.
type Pool struct {
	Name     string
	Database string
	Mode     string
	Size     int
	// Username is empty when the client's own user is used.
	Username string
	Port     int
}

func poolRoutes() []route {
	const pattern = servicePattern + "/connection_pool"
	return []route{
		{operation: "ServicePGBouncerCreate", method: http.MethodPost, pattern: pattern, handle: (*call).poolCreate},
		{operation: "ServicePGBouncerUpdate", method: http.MethodPut, pattern: pattern + "/{pool_name}", handle: (*call).poolUpdate},
		{operation: "ServicePGBouncerDelete", method: http.MethodDelete, pattern: pattern + "/{pool_name}", handle: (*call).poolDelete},
	}
}

var poolNamePattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,62}$`)

const (
	defaultPoolMode = "transaction"
	defaultPoolSize = 10
	maxPoolSize     = 10000
)

func (p *Pool) view(sv *Service, secrets bool) map[string]any {
	name := cmp.Or(p.Username, adminUser)
	password := ""
	if u := sv.user(name); secrets && u != nil {
		password = u.Password
	}
	return map[string]any{
		"pool_name": p.Name, "database": p.Database, "pool_mode": p.Mode, "pool_size": p.Size,
		"username": nullable(p.Username), "connection_uri": pgURI(sv, name, password, p.Port, p.Name),
	}
}

func (c *call) findPool() (*Pool, error) {
	if err := c.only("pg"); err != nil {
		return nil, err
	}
	for _, p := range c.service.Pools {
		if p.Name == c.vars["pool_name"] {
			return p, nil
		}
	}
	return nil, notFound("Connection pool '%s' not found", c.vars["pool_name"])
}

// check refuses what the service cannot give.
func (p *Pool) check(sv *Service) error {
	if err := oneOf("pool_mode", p.Mode, codegen.PoolModeTypeChoices()); err != nil {
		return err
	}
	if p.Size < 1 || p.Size > maxPoolSize {
		return badRequest("Invalid 'pool_size': %d is not between 1 and %d", p.Size, maxPoolSize)
	}
	if sv.database(p.Database) == nil {
		return notFound("Database '%s' not found", p.Database)
	}
	if p.Username != "" && sv.user(p.Username) == nil {
		return notFound("Service user not found: '%s'", p.Username)
	}
	return nil
}

func (c *call) poolCreate() (any, error) {
	var in codegen.ServicePGBouncerCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.only("pg"); err != nil {
		return nil, err
	}
	if !poolNamePattern.MatchString(in.PoolName) {
		return nil, badRequest("Invalid 'pool_name': '%s' does not match '%s'", in.PoolName, poolNamePattern)
	}
	if err := required("database", in.Database); err != nil {
		return nil, err
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	for _, o := range c.service.Pools {
		if o.Name == in.PoolName {
			return nil, conflict("Connection pool '%s' already exists", in.PoolName)
		}
	}
	p := &Pool{Name: in.PoolName, Database: in.Database, Mode: cmp.Or(string(in.PoolMode), defaultPoolMode), Size: defaultPoolSize}
	if in.PoolSize != nil {
		p.Size = *in.PoolSize
	}
	if in.Username != nil {
		p.Username = *in.Username
	}
	if err := p.check(c.service); err != nil {
		return nil, err
	}
	if err := c.server.placePool(c.service, p); err != nil {
		return nil, err
	}
	c.service.Pools = append(c.service.Pools, p)
	c.log("service_connection_pool_create", c.service.Name, "Created connection pool %s", p.Name)
	return message("created"), nil
}

func (c *call) poolUpdate() (any, error) {
	var in codegen.ServicePGBouncerUpdateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	p, err := c.findPool()
	if err != nil {
		return nil, err
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	next := *p
	next.Mode = cmp.Or(string(in.PoolMode), next.Mode)
	if in.Database != nil {
		next.Database = *in.Database
	}
	if in.PoolSize != nil {
		next.Size = *in.PoolSize
	}
	if raw, ok := presentFields(c.body)["username"]; ok && string(raw) == "null" {
		next.Username = ""
	} else if in.Username != nil {
		next.Username = *in.Username
	}
	if err := next.check(c.service); err != nil {
		return nil, err
	}
	*p = next
	c.log("service_connection_pool_update", c.service.Name, "Updated connection pool %s", p.Name)
	return message("updated"), nil
}

func (c *call) poolDelete() (any, error) {
	p, err := c.findPool()
	if err != nil {
		return nil, err
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	c.service.Pools = slices.DeleteFunc(c.service.Pools, func(o *Pool) bool { return o == p })
	c.server.displacePool(c.service, p)
	c.log("service_connection_pool_delete", c.service.Name, "Deleted connection pool %s", p.Name)
	return message("deleted"), nil
}
