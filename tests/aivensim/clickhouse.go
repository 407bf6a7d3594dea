// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"

	codegen "github.com/aiven/go-client-codegen/handler/clickhouse"
)

// ClickHouse is what a ClickHouse service holds. Its users are in Service.Users.
type ClickHouse struct {
	Databases  []ClickHouseDatabase
	Roles      []ClickHouseRole
	Grants     []ClickHouseGrant
	RoleGrants []ClickHouseRoleGrant
}

// ClickHouseDatabase is a database; a required one cannot be deleted.
type ClickHouseDatabase struct {
	Name     string `json:"name"`
	Engine   string `json:"engine"`
	Required bool   `json:"required"`
	State    string `json:"state"`
}

// ClickHouseRole is a role.
type ClickHouseRole struct {
	Name string
	UUID string
}

// Offsets of a ClickHouse service's ports from its own, which is the one of the
// native protocol.
const (
	portClickHouseHTTPS = 1
	portClickHouseMySQL = 2
)

func clickhouseType() serviceType {
	t := webType("clickhouse", map[string]any{
		"clickhouse_version": "25.3", "service_log": false,
		"public_access": map[string]any{"clickhouse": false, "clickhouse_https": false, "clickhouse_mysql": false, "prometheus": false},
	})
	t.plans = standardPlans().with(multinodePlans()...).with("startup-beta-8", "business-beta-8")
	t.diskMB, t.backups = 10240, true
	t.endpoints = func(sv *Service) []Component {
		return []Component{
			endpoint(sv, "clickhouse", sv.Port), endpoint(sv, "clickhouse_https", sv.Port+portClickHouseHTTPS),
			endpoint(sv, "clickhouse_mysql", sv.Port+portClickHouseMySQL),
		}
	}
	t.created = func(sv *Service) {
		admin := newPasswordUser(adminUser, "primary")
		admin.UUID = newUUID()
		sv.Users = []*User{admin}
		sv.ClickHouse = &ClickHouse{Databases: []ClickHouseDatabase{
			{Name: "default", Engine: "Replicated", Required: true, State: string(codegen.DatabaseStateTypeOk)},
			{Name: "system", Engine: "Atomic", Required: true, State: string(codegen.DatabaseStateTypeOk)},
		}}
		for _, access := range expandPrivilege("ALL") {
			sv.ClickHouse.Grants = append(sv.ClickHouse.Grants, ClickHouseGrant{User: adminUser, Access: access.name, GrantOption: true})
		}
	}
	t.connection = func(sv *Service, secrets bool, view map[string]any) {
		webConnection(sv, secrets, view)
		view["connection_info"] = map[string]any{"clickhouse": []string{sv.Host + ":" + strconv.Itoa(sv.Port)}}
		// The service itself lists the built-in user only.
		view["users"] = []any{sv.user(adminUser).view(secrets)}
	}
	return t
}

func clickhouseRoutes() []route {
	const pattern = servicePattern + "/clickhouse"
	return []route{
		{operation: "ServiceClickHouseDatabaseList", method: http.MethodGet, pattern: pattern + "/db", handle: (*call).clickhouseDatabases},
		{operation: "ServiceClickHouseDatabaseCreate", method: http.MethodPost, pattern: pattern + "/db", handle: (*call).clickhouseDatabaseCreate},
		{operation: "ServiceClickHouseDatabaseDelete", method: http.MethodDelete, pattern: pattern + "/db/{database}", handle: (*call).clickhouseDatabaseDelete},
		{operation: "ServiceClickHouseUserList", method: http.MethodGet, pattern: pattern + "/user", handle: (*call).clickhouseUsers},
		{operation: "ServiceClickHouseUserCreate", method: http.MethodPost, pattern: pattern + "/user", handle: (*call).clickhouseUserCreate},
		{operation: "ServiceClickHousePasswordReset", method: http.MethodPut, pattern: pattern + "/user/{user_uuid}/password", handle: (*call).clickhousePassword},
		{operation: "ServiceClickHouseUserDelete", method: http.MethodDelete, pattern: pattern + "/user/{user_uuid}", handle: (*call).clickhouseUserDelete},
		{operation: "ServiceClickHouseQuery", method: http.MethodPost, pattern: pattern + "/query", readsBody: clickhouseReads, handle: (*call).clickhouseQuery},
	}
}

// clickhouse returns the state of a service that can be asked and changed.
func (c *call) clickhouse() (*ClickHouse, error) {
	if err := c.only("clickhouse"); err != nil {
		return nil, err
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	return c.service.ClickHouse, nil
}

func (h *ClickHouse) hasDatabase(name string) bool {
	return slices.ContainsFunc(h.Databases, func(d ClickHouseDatabase) bool { return d.Name == name })
}

func (c *call) clickhouseDatabases() (any, error) {
	h, err := c.clickhouse()
	if err != nil {
		return nil, err
	}
	return map[string]any{"databases": h.Databases}, nil
}

var clickhouseNamePattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,62}$`)

func (c *call) clickhouseDatabaseCreate() (any, error) {
	var in codegen.ServiceClickHouseDatabaseCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	h, err := c.clickhouse()
	if err != nil {
		return nil, err
	}
	if !clickhouseNamePattern.MatchString(in.Database) {
		return nil, badRequest("Invalid 'database': '%s' does not match '%s'", in.Database, clickhouseNamePattern)
	}
	if h.hasDatabase(in.Database) {
		return nil, conflict("Database '%s' already exists", in.Database)
	}
	h.Databases = append(h.Databases, ClickHouseDatabase{Name: in.Database, Engine: "Replicated", State: string(codegen.DatabaseStateTypeOk)})
	c.log("service_clickhouse_database_create", c.service.Name, "Created database %s", in.Database)
	return message("created"), nil
}

// clickhouseDatabaseDelete leaves the grants on the database, as ClickHouse does.
func (c *call) clickhouseDatabaseDelete() (any, error) {
	h, err := c.clickhouse()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(h.Databases, func(d ClickHouseDatabase) bool { return d.Name == c.vars["database"] })
	if i < 0 {
		return nil, notFound("Database '%s' not found", c.vars["database"])
	}
	if h.Databases[i].Required {
		return nil, forbidden("Database '%s' cannot be deleted", c.vars["database"])
	}
	h.Databases = slices.Delete(h.Databases, i, i+1)
	c.log("service_clickhouse_database_delete", c.service.Name, "Deleted database %s", c.vars["database"])
	return message("deleted"), nil
}

// userView is a user without the password, which only the answers to
// its creation and reset carry.
func (h *ClickHouse) userView(u *User) map[string]any {
	privileges, roles := []any{}, []any{}
	for _, g := range h.Grants {
		if g.User == u.Username {
			privileges = append(privileges, map[string]any{
				"access_type": g.Access, "database": nullable(g.Database), "table": nullable(g.Table), "column": nullable(g.Column),
				"grant_option": g.GrantOption, "is_partial_revoke": g.Partial,
			})
		}
	}
	for _, g := range h.RoleGrants {
		if g.User == u.Username {
			roles = append(roles, map[string]any{"name": g.Granted, "uuid": h.roleUUID(g.Granted), "is_default": true, "with_admin_option": g.AdminOption})
		}
	}
	return map[string]any{"name": u.Username, "uuid": u.UUID, "required": u.Username == adminUser, "privileges": privileges, "roles": roles}
}

func (c *call) clickhouseUsers() (any, error) {
	h, err := c.clickhouse()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, u := range c.service.Users {
		out = append(out, h.userView(u))
	}
	return map[string]any{"users": out}, nil
}

// checkPassword returns the wanted password if it is allowed, or a new one.
func checkPassword(field string, wanted *string) (string, error) {
	if wanted == nil {
		return newPassword(), nil
	}
	if len(*wanted) < 8 || len(*wanted) > 256 {
		return "", badRequest("Invalid '%s': the length must be between 8 and 256", field)
	}
	return *wanted, nil
}

func (c *call) clickhouseUserCreate() (any, error) {
	var in codegen.ServiceClickHouseUserCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	h, err := c.clickhouse()
	if err != nil {
		return nil, err
	}
	if !usernamePattern.MatchString(in.Name) {
		return nil, badRequest("Invalid 'name': '%s' does not match '%s'", in.Name, usernamePattern)
	}
	if c.service.user(in.Name) != nil {
		return nil, conflict("User '%s' already exists", in.Name)
	}
	u := newPasswordUser(in.Name, "normal")
	u.UUID = newUUID()
	if u.Password, err = checkPassword("password", in.Password); err != nil {
		return nil, err
	}
	if in.Roles != nil {
		for _, role := range *in.Roles {
			i := slices.IndexFunc(h.Roles, func(r ClickHouseRole) bool { return r.UUID == role.Uuid })
			if i < 0 {
				return nil, notFound("Role '%s' not found", role.Uuid)
			}
			h.grantRole(ClickHouseRoleGrant{User: in.Name, Granted: h.Roles[i].Name})
		}
	}
	c.service.Users = append(c.service.Users, u)
	c.log("service_clickhouse_user_create", c.service.Name, "Created user %s", u.Username)
	view := h.userView(u)
	view["password"] = u.Password
	return map[string]any{"user": view}, nil
}

func (c *call) findClickHouseUser() (*ClickHouse, *User, error) {
	h, err := c.clickhouse()
	if err != nil {
		return nil, nil, err
	}
	for _, u := range c.service.Users {
		if u.UUID == c.vars["user_uuid"] {
			return h, u, nil
		}
	}
	return nil, nil, notFound("User '%s' not found", c.vars["user_uuid"])
}

func (c *call) clickhousePassword() (any, error) {
	var in codegen.ServiceClickHousePasswordResetIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	_, u, err := c.findClickHouseUser()
	if err != nil {
		return nil, err
	}
	password, err := checkPassword("password", in.Password)
	if err != nil {
		return nil, err
	}
	u.Password, u.PasswordUpdated = password, c.now
	c.log("service_clickhouse_password_reset", c.service.Name, "Reset the password of user %s", u.Username)
	return map[string]any{"password": password}, nil
}

func (c *call) clickhouseUserDelete() (any, error) {
	h, u, err := c.findClickHouseUser()
	if err != nil {
		return nil, err
	}
	if u.Username == adminUser {
		return nil, forbidden("User '%s' cannot be deleted", u.Username)
	}
	c.service.Users = slices.DeleteFunc(c.service.Users, func(o *User) bool { return o == u })
	h.forget(u.Username, "")
	c.log("service_clickhouse_user_delete", c.service.Name, "Deleted user %s", u.Username)
	return message("deleted"), nil
}
