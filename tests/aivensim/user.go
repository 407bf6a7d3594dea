// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"cmp"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	codegen "github.com/aiven/go-client-codegen/handler/service"
)

// User is a service user.
type User struct {
	Username string
	// UUID identifies the users of ClickHouse.
	UUID     string
	Type     string
	Password string
	// Hidden says that the API does not show the password, which somebody chose.
	Hidden          bool
	PasswordUpdated time.Time
	Authentication  string
	AccessControl   *AccessControl
	// AccessCert and AccessKey are PEM, for Kafka users.
	AccessCert    string
	AccessKey     string
	NotValidAfter time.Time
}

// AccessControl is what a user may do, as far as the service type has that.
type AccessControl struct {
	PGAllowReplication  *bool     `json:"pg_allow_replication,omitempty"`
	ValkeyACLCategories *[]string `json:"valkey_acl_categories,omitempty"`
	ValkeyACLChannels   *[]string `json:"valkey_acl_channels,omitempty"`
	ValkeyACLCommands   *[]string `json:"valkey_acl_commands,omitempty"`
	ValkeyACLDatabases  *[]string `json:"valkey_acl_databases,omitempty"`
	ValkeyACLKeys       *[]string `json:"valkey_acl_keys,omitempty"`
}

func userRoutes() []route {
	const pattern = servicePattern + "/user/{username}"
	return []route{
		{operation: "ServiceUserCreate", method: http.MethodPost, pattern: servicePattern + "/user", handle: (*call).userCreate},
		{operation: "ServiceUserGet", method: http.MethodGet, pattern: pattern, handle: (*call).userGet},
		{operation: "ServiceUserCredentialsModify", method: http.MethodPut, pattern: pattern, handle: (*call).userModify},
		{operation: "ServiceUserCredentialsReset", method: http.MethodPut, pattern: pattern + "/credentials/reset", handle: (*call).userReset},
		{operation: "ServiceUserDelete", method: http.MethodDelete, pattern: pattern, handle: (*call).userDelete},
	}
}

var usernamePattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,63}$`)

func newPasswordUser(name, kind string) *User {
	return &User{Username: name, Type: kind, Password: newPassword(), PasswordUpdated: time.Now()}
}

func newPassword() string { return "AVNS_" + rand.Text() }

func newUUID() string {
	var b [16]byte
	// Never fails, by the package's documentation.
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// user returns the user of a name, or nil.
func (sv *Service) user(name string) *User {
	for _, u := range sv.Users {
		if u.Username == name {
			return u
		}
	}
	return nil
}

// mustIssue signs a client certificate. Signing with a key in memory fails only
// when the system has no randomness.
func (sv *Service) mustIssue(name string) (cert, key string, notAfter time.Time) {
	notAfter = time.Now().Add(certificateLifetime).UTC().Truncate(time.Second)
	cert, key, err := sv.ca.issue(name, notAfter, x509.ExtKeyUsageClientAuth)
	if err != nil {
		panic("aivensim: " + err.Error())
	}
	return cert, key, notAfter
}

func (u *User) view(secrets bool) map[string]any {
	out := map[string]any{"username": u.Username, "type": u.Type, "password": ""}
	if u.Authentication != "" {
		out["authentication"] = u.Authentication
	}
	if u.AccessControl != nil {
		out["access_control"] = u.AccessControl
	}
	out["password_updated_time"] = timestamp(u.PasswordUpdated)
	if u.AccessCert != "" {
		out["access_cert_not_valid_after_time"] = u.NotValidAfter.Format(time.RFC3339)
	}
	if secrets {
		out["password"] = u.Password
		if u.Hidden {
			out["password"] = nil
		}
		if u.AccessCert != "" {
			out["access_cert"], out["access_key"] = u.AccessCert, u.AccessKey
		}
	}
	return out
}

// findUser resolves the user that the path names.
func (c *call) findUser() (*User, error) {
	if u := c.service.user(c.vars["username"]); u != nil {
		return u, nil
	}
	return nil, notFound("Service user not found: '%s'", c.vars["username"])
}

func (c *call) userCreate() (any, error) {
	var in codegen.ServiceUserCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := required("username", in.Username); err != nil {
		return nil, err
	}
	if !usernamePattern.MatchString(in.Username) {
		return nil, badRequest("Invalid 'username': '%s' does not match '%s'", in.Username, usernamePattern)
	}
	if c.service.Type == "pg" && (in.Username == superuser || strings.HasPrefix(in.Username, "pg_")) {
		return nil, badRequest("Invalid 'username': '%s' is reserved", in.Username)
	}
	if !c.service.kind.users {
		return nil, badRequest("Service type '%s' does not support service users", c.service.Type)
	}
	if in.MysqlGrants != nil {
		return nil, badRequest("Invalid 'mysql_grants': not supported")
	}
	if err := c.service.checkAuthentication(in.Authentication); err != nil {
		return nil, err
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	if c.service.user(in.Username) != nil {
		return nil, conflict("Service user '%s' already exists", in.Username)
	}
	u := newPasswordUser(in.Username, "normal")
	if c.service.Type == "mysql" {
		u.Authentication = cmp.Or(string(in.Authentication), defaultAuthentication)
	}
	if err := c.service.setAccess(u, in.AccessControl); err != nil {
		return nil, err
	}
	if c.service.kind.certificates {
		u.AccessCert, u.AccessKey, u.NotValidAfter = c.service.mustIssue(u.Username)
	}
	c.service.Users = append(c.service.Users, u)
	c.log("service_user_create", c.service.Name, "Created service user %s", u.Username)
	return map[string]any{"user": u.view(true)}, nil
}

// checkAuthentication refuses a plugin where there is none or an unknown one.
func (sv *Service) checkAuthentication(wanted codegen.AuthenticationType) error {
	if wanted != "" && sv.Type != "mysql" {
		return badRequest("Invalid 'authentication': not supported for service type '%s'", sv.Type)
	}
	return oneOf("authentication", wanted, codegen.AuthenticationTypeChoices())
}

// setAccess replaces a user's access control.
func (sv *Service) setAccess(u *User, in *codegen.AccessControlIn) error {
	if sv.Type == "valkey" {
		u.AccessControl = openAccess()
	}
	if in == nil {
		return nil
	}
	valkey := in.ValkeyAclCategories != nil || in.ValkeyAclChannels != nil || in.ValkeyAclCommands != nil ||
		in.ValkeyAclDatabases != nil || in.ValkeyAclKeys != nil
	redis := in.RedisAclCategories != nil || in.RedisAclChannels != nil || in.RedisAclCommands != nil || in.RedisAclKeys != nil
	if redis || valkey && sv.Type != "valkey" || in.PGAllowReplication != nil && sv.Type != "pg" {
		return badRequest("Invalid 'access_control': not supported for service type '%s'", sv.Type)
	}
	if u.AccessControl == nil {
		u.AccessControl = &AccessControl{}
	}
	a := u.AccessControl
	a.PGAllowReplication = cmp.Or(in.PGAllowReplication, a.PGAllowReplication)
	a.ValkeyACLCategories = cmp.Or(in.ValkeyAclCategories, a.ValkeyACLCategories)
	a.ValkeyACLChannels = cmp.Or(in.ValkeyAclChannels, a.ValkeyACLChannels)
	a.ValkeyACLCommands = cmp.Or(in.ValkeyAclCommands, a.ValkeyACLCommands)
	a.ValkeyACLDatabases = cmp.Or(in.ValkeyAclDatabases, a.ValkeyACLDatabases)
	a.ValkeyACLKeys = cmp.Or(in.ValkeyAclKeys, a.ValkeyACLKeys)
	return nil
}

func (c *call) userGet() (any, error) {
	u, err := c.findUser()
	if err != nil {
		return nil, err
	}
	return map[string]any{"user": u.view(c.secrets())}, nil
}

func (c *call) userModify() (any, error) {
	var in codegen.ServiceUserCredentialsModifyIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := required("operation", string(in.Operation)); err != nil {
		return nil, err
	}
	if err := oneOf("operation", in.Operation, codegen.ServiceUserCredentialsModifyOperationTypeChoices()); err != nil {
		return nil, err
	}
	if err := c.service.checkAuthentication(in.Authentication); err != nil {
		return nil, err
	}
	u, err := c.findUser()
	if err != nil {
		return nil, err
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	switch in.Operation {
	case codegen.ServiceUserCredentialsModifyOperationTypeResetCredentials:
		if err = c.resetUser(u, in.NewPassword); err == nil && in.Authentication != "" {
			u.Authentication = string(in.Authentication)
		}
	case codegen.ServiceUserCredentialsModifyOperationTypeSetAccessControl:
		if in.AccessControl == nil {
			return nil, badRequest("'access_control' is a required property")
		}
		err = c.service.setAccess(u, in.AccessControl)
		c.log("service_user_update", c.service.Name, "Changed the access control of service user %s", u.Username)
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"service": c.service.view(c.now, true)}, nil
}

// resetUser gives a user the wanted password, or a new one, and new certificates.
func (c *call) resetUser(u *User, wanted *string) error {
	password, err := checkPassword("new_password", wanted)
	if err != nil {
		return err
	}
	u.Password, u.PasswordUpdated = password, c.now
	u.Hidden = wanted != nil && slices.Contains(c.server.opts.HiddenPasswords, c.service.Type)
	if c.service.kind.certificates {
		u.AccessCert, u.AccessKey, u.NotValidAfter = c.service.mustIssue(u.Username)
	}
	c.log("service_user_reset_credentials", c.service.Name, "Reset the credentials of service user %s", u.Username)
	return nil
}

func (c *call) userReset() (any, error) {
	u, err := c.findUser()
	if err != nil {
		return nil, err
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	if err := c.resetUser(u, nil); err != nil {
		return nil, err
	}
	return map[string]any{"service": c.service.view(c.now, true)}, nil
}

func (c *call) userDelete() (any, error) {
	u, err := c.findUser()
	if err != nil {
		return nil, err
	}
	if u.Username == c.service.kind.admin {
		return nil, forbidden("Service user '%s' cannot be deleted", u.Username)
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	for _, p := range c.service.Pools {
		if p.Username == u.Username {
			return nil, conflict("Service user '%s' is used by connection pool '%s'", u.Username, p.Name)
		}
	}
	c.service.Users = slices.DeleteFunc(c.service.Users, func(o *User) bool { return o == u })
	c.log("service_user_delete", c.service.Name, "Deleted service user %s", u.Username)
	return message("deleted"), nil
}
