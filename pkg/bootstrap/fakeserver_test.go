// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao/openbaotest"
)

// fakeServer is an OpenBao server in memory, and the log of what was asked of it. It
// evaluates policies, but for the constraints on parameters.
type fakeServer struct {
	mu       sync.Mutex
	health   openbao.Health
	mounts   map[string]openbao.Mount
	config   map[string]any
	policies map[string]string
	roles    map[string]map[string]any
	// tokens may do everything, sessions what their policies say.
	tokens   map[string]bool
	sessions map[string]fakeSession
	logins   int
	// received are the tokens that were sent.
	received []string
	// infos are what the server says of tokens that are not the usual ones.
	infos map[string]openbao.TokenInfo
	// acls are what policies grant, by their texts.
	acls map[string]openbaotest.ACL
	// entities are the policies that a role's tokens get through their entity. mfa are
	// the roles whose logins need a second factor, and celRoles are the roles in CEL.
	entities map[string][]string
	mfa      map[string]bool
	celRoles []string
	// tokenType and maxLease are how the mount is tuned.
	tokenType string
	maxLease  time.Duration
	// fail returns the error of an operation, such as "WriteRole backup", which is then
	// not carried out. lose returns the error of one that was.
	fail, lose func(op string) error
	// writes are the changes of the contract, and the ends of admin tokens. log has
	// the logins and their ends, and marks the changes of the mark.
	writes, log, marks []string
	// open counts the clients that were used and not closed, and requests what was asked.
	open, requests int
}

// fakeSession is a token from a login, with the policies of its role and of its entity.
type fakeSession struct {
	role     string
	policies []string
	identity []string
	batch    bool
}

func newServer(id string) *fakeServer {
	return &fakeServer{
		health:   openbao.Health{Initialized: true, ClusterID: id, Version: "2.6.2"},
		mounts:   map[string]openbao.Mount{"token": {Type: "token"}},
		policies: map[string]string{}, roles: map[string]map[string]any{}, tokens: map[string]bool{}, infos: map[string]openbao.TokenInfo{}, sessions: map[string]fakeSession{},
		fail: func(string) error { return nil }, lose: func(string) error { return nil },
	}
}

// take returns a list and empties it.
func (s *fakeServer) take(list *[]string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(*list)
	*list = nil
	return out
}

// takeWrites returns what was written to the server since the last call, and
// takeLog the logins.
func (s *fakeServer) takeWrites() []string { return s.take(&s.writes) }
func (s *fakeServer) takeLog() []string    { return s.take(&s.log) }
func (s *fakeServer) takeMarks() []string  { return s.take(&s.marks) }

// mark is the mark that the server has.
func (s *fakeServer) mark() authz.Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	mark, _ := authz.ParseMark(s.policies[authz.MarkPolicy])
	return mark
}

// snapshot returns a copy of all that the server stores, as a server has it that the
// snapshot is restored on: it has the same id. Tokens that were made since are unknown.
func (s *fakeServer) snapshot() *fakeServer {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := newServer(s.health.ClusterID)
	out.mounts, out.policies, out.config = maps.Clone(s.mounts), maps.Clone(s.policies), maps.Clone(s.config)
	for name, role := range s.roles {
		out.roles[name] = maps.Clone(role)
	}
	return out
}

// count returns how many entries of a log begin with prefix.
func count(log []string, prefix string) int {
	n := 0
	for _, entry := range log {
		if strings.HasPrefix(entry, prefix) {
			n++
		}
	}
	return n
}

// state is all that the contract is about.
func (s *fakeServer) state() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for name, text := range s.policies {
		if name != authz.MarkPolicy {
			out["policy "+name] = text
		}
	}
	for name, role := range s.roles {
		out["role "+name] = fmt.Sprint(role)
	}
	if s.config != nil {
		out["config"] = fmt.Sprint(s.config)
	}
	for path := range maps.Keys(s.mounts) {
		out["mount "+path] = s.mounts[path].Type
	}
	return out
}

// capabilities are what a token may do on a path.
func (s *fakeServer) capabilities(token, path string) []string {
	if s.tokens[token] {
		return []string{"root"}
	}
	return s.aclOf(s.sessions[token]).On(path)
}

// aclOf evaluates each combination of texts once.
func (s *fakeServer) aclOf(in fakeSession) openbaotest.ACL {
	var texts []string
	for _, name := range slices.Concat(in.policies, in.identity) {
		if name == "default" {
			texts = append(texts, openbaotest.DefaultPolicy)
		} else {
			texts = append(texts, s.policies[name])
		}
	}
	key := strings.Join(texts, "\x00")
	acl, ok := s.acls[key]
	if !ok {
		acl = openbaotest.NewACL(texts...)
		if s.acls == nil {
			s.acls = map[string]openbaotest.ACL{}
		}
		s.acls[key] = acl
	}
	return acl
}

// client is one client of the server.
type client struct {
	*fakeServer
	token string
	used  bool
}

var _ openbao.Interface = (*client)(nil)

func class(c openbao.Class) error {
	status := map[openbao.Class]int{
		openbao.PermissionDenied: 403, openbao.Unauthenticated: 403, openbao.Invalid: 400, openbao.NotFound: 404,
		openbao.Conflict: 400, openbao.Throttled: 429, openbao.Sealed: 503, openbao.Unknown: 500,
	}
	return &openbao.Error{Class: c, Op: "do it", Detail: "as told by the test", StatusCode: status[c]}
}

// use counts a request, and notes that the client has a connection.
func (c *client) use() {
	c.requests++
	if !c.used {
		c.used = true
		c.open++
	}
}

// do checks token, rights and failure of an operation, and logs writes.
func (c *client) do(capability, path, format string, args ...any) error {
	c.use()
	c.received = append(c.received, c.token)
	op := fmt.Sprintf(format, args...)
	if err := c.fail(op); err != nil {
		return err
	}
	_, known := c.sessions[c.token]
	if !known && !c.tokens[c.token] {
		return class(openbao.Unauthenticated)
	}
	if got := c.capabilities(c.token, path); !slices.Contains(got, capability) && !slices.Contains(got, "root") {
		return class(openbao.PermissionDenied)
	}
	switch {
	case capability == "read" || capability == "list" || op == "RevokeSelf" || op == "CapabilitiesSelf":
	case strings.HasSuffix(op, " "+authz.MarkPolicy):
		c.marks = append(c.marks, op)
	default:
		c.writes = append(c.writes, op)
	}
	return nil
}

// pinned reports whether a fakeSession may write a text, which its policy has word by word.
func (c *client) pinned(text string) bool {
	s, ok := c.sessions[c.token]
	return !ok || slices.ContainsFunc(s.policies, func(name string) bool { return strings.Contains(c.policies[name], strconv.Quote(text)) })
}

func (c *client) Health(context.Context) (openbao.Health, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.use()
	return c.health, c.fail("Health")
}

func (c *client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used {
		c.used = false
		c.open--
	}
}

func (c *client) As(token openbao.Token) (openbao.Interface, error) {
	return &client{fakeServer: c.fakeServer, token: reveal(token)}, nil
}

func (c *client) LookupSelf(context.Context) (openbao.TokenInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("read", "auth/token/lookup-self", "LookupSelf"); err != nil {
		return openbao.TokenInfo{}, err
	}
	if info, ok := c.infos[c.token]; ok {
		return info, nil
	}
	return openbao.TokenInfo{Policies: []string{"default", "bailiwick-admin"}, Type: "service", TTL: 10 * time.Minute}, nil
}

func (c *client) RenewSelf(context.Context) (time.Duration, error) {
	return 0, fmt.Errorf("not expected")
}

func (c *client) Init(context.Context, openbao.InitRequest) (openbao.Initialized, error) {
	panic("the bootstrapper initializes nothing")
}

func (c *client) Peers(context.Context) ([]openbao.Peer, error) {
	panic("the bootstrapper does not ask who is part of a cluster")
}

func (c *client) Autopilot(context.Context) (openbao.Autopilot, error) {
	panic("the bootstrapper does not ask who is part of a cluster")
}

func (c *client) WriteAutopilot(context.Context, map[string]any) error {
	panic("the bootstrapper does not configure the autopilot")
}

func (c *client) AutopilotConfig(context.Context) (map[string]any, error) {
	panic("the bootstrapper does not look at the autopilot")
}

func (c *client) StepDown(context.Context) error {
	panic("the bootstrapper has no server step down")
}

func (c *client) RemovePeer(context.Context, string) error {
	panic("the bootstrapper removes no server")
}

func (c *client) CapabilitiesSelf(_ context.Context, paths ...string) (map[string][]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("update", "sys/capabilities-self", "CapabilitiesSelf"); err != nil {
		return nil, err
	}
	out := map[string][]string{}
	acl := c.aclOf(c.sessions[c.token])
	for _, path := range paths {
		out[path] = acl.On(path)
		if c.tokens[c.token] {
			out[path] = []string{"root"}
		}
	}
	return out, nil
}

// jwt is what the tokens of the API server say here.
func jwt(issuer, key, subject, audience, uid string) string {
	return strings.Join([]string{issuer, key, subject, audience, uid}, "|")
}

// reveal returns what a token holds, which only tests may.
func reveal(token openbao.Token) string {
	if token.IsZero() {
		return ""
	}
	return reflect.ValueOf(token).Field(0).Elem().String()
}

func (c *client) LoginJWT(_ context.Context, mount, role string, token openbao.Token) (openbao.Login, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.use()
	if err := c.fail("Login " + role); err != nil {
		return openbao.Login{}, err
	}
	refuse := func(class openbao.Class, detail string) (openbao.Login, error) {
		c.log = append(c.log, map[bool]string{true: "Unknown key ", false: "Refused "}[class == openbao.UnknownKey]+role)
		return openbao.Login{}, &openbao.Error{Class: class, Op: "log in", Detail: detail}
	}
	var claims [5]string
	copy(claims[:], strings.Split(reveal(token), "|"))
	held := c.roles[role]
	switch {
	case c.mounts[mount].Type != "jwt":
		return openbao.Login{}, class(openbao.NotFound)
	case held == nil:
		return refuse(openbao.LoginRefused, "role could not be found")
	case c.config == nil:
		return refuse(openbao.LoginRefused, "could not load configuration")
	case !slices.Contains(list(c.config["jwt_validation_pubkeys"]), claims[1]):
		return refuse(openbao.UnknownKey, "error verifying token signature")
	case c.config["bound_issuer"] != claims[0], held["bound_subject"] != claims[2], !slices.Contains(list(held["bound_audiences"]), claims[3]),
		!boundTo(held["bound_claims"], claims[4]):
		return refuse(openbao.LoginRefused, "invalid claims")
	}
	if c.mfa[role] {
		return openbao.Login{}, &openbao.Error{Class: openbao.MFARequired, Op: "log in", Detail: "a second factor"}
	}
	c.logins++
	name := fmt.Sprintf("s.login-%d", c.logins)
	policies := list(held["token_policies"])
	if fmt.Sprint(held["token_no_default_policy"]) != "true" {
		policies = append(policies, "default")
	}
	c.log = append(c.log, "Login "+role)
	ttl, err := time.ParseDuration(strings.TrimSuffix(fmt.Sprint(held["token_ttl"]), "s") + "s")
	if err != nil {
		panic(err)
	}
	if c.maxLease > 0 {
		ttl = min(ttl, c.maxLease)
	}
	kind := cmp.Or(c.tokenType, "service")
	if own := fmt.Sprint(held["token_type"]); own == "batch" || own == "service" {
		kind = own
	}
	c.sessions[name] = fakeSession{role: role, policies: policies, identity: c.entities[role], batch: kind == "batch"}
	return openbao.Login{
		Token: openbao.NewToken(name), TTL: ttl, Type: kind, Renewable: kind == "service", Orphan: true,
		Policies: slices.Concat(policies, c.entities[role]), TokenPolicies: policies, IdentityPolicies: c.entities[role],
	}, nil
}

// boundTo checks the one claim that roles are bound to.
func boundTo(claims any, uid string) bool {
	bound, _ := claims.(map[string]any)
	for name, value := range bound {
		if name != "/kubernetes.io/serviceaccount/uid" || value != uid {
			return false
		}
	}
	return true
}

func list(value any) []string {
	items, _ := value.([]any)
	var out []string
	for _, item := range items {
		out = append(out, fmt.Sprint(item))
	}
	return out
}

func (c *client) RevokeSelf(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("update", "auth/token/revoke-self", "RevokeSelf"); err != nil {
		return err
	}
	if s, ok := c.sessions[c.token]; ok {
		if s.batch {
			return class(openbao.Invalid)
		}
		delete(c.sessions, c.token)
		c.log = append(c.log, "Logout "+s.role)
		return nil
	}
	delete(c.tokens, c.token)
	c.writes = append(c.writes, "RevokeSelf")
	return nil
}

func (c *client) AuthMounts(context.Context) (map[string]openbao.Mount, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("read", "sys/auth", "AuthMounts"); err != nil {
		return nil, err
	}
	return maps.Clone(c.mounts), nil
}

func (c *client) EnableAuth(_ context.Context, path string, mount openbao.Mount) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("update", "sys/auth/"+path, "EnableAuth %s", path); err != nil {
		return err
	}
	if _, ok := c.mounts[path]; ok {
		return class(openbao.Invalid)
	}
	c.mounts[path] = mount
	return c.lose("EnableAuth " + path)
}

func (c *client) DisableAuth(_ context.Context, path string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("delete", "sys/auth/"+path, "DisableAuth %s", path); err != nil {
		return err
	}
	delete(c.mounts, path)
	c.config, c.roles = nil, map[string]map[string]any{}
	return c.lose("DisableAuth " + path)
}

func (c *client) ReadConfig(_ context.Context, mount string) (map[string]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("read", authz.ConfigPath(mount), "ReadConfig"); err != nil {
		return nil, err
	}
	if c.config == nil {
		return nil, class(openbao.NotFound)
	}
	return maps.Clone(c.config), nil
}

func (c *client) WriteConfig(_ context.Context, mount string, data map[string]any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("update", authz.ConfigPath(mount), "WriteConfig %s", mount); err != nil {
		return err
	}
	c.config = decoded(data)
	return c.lose("WriteConfig " + mount)
}

func (c *client) ListRoles(_ context.Context, mount string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("list", "auth/"+mount+"/role", "ListRoles"); err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(c.roles))
	if names == nil {
		names = []string{}
	}
	return names, nil
}

func (c *client) ListCELRoles(_ context.Context, mount string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("list", "auth/"+mount+"/cel/role", "ListCELRoles"); err != nil {
		return nil, err
	}
	return slices.Clone(c.celRoles), nil
}

func (c *client) ReadRole(_ context.Context, mount, name string) (map[string]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("read", authz.RolePath(mount, name), "ReadRole %s", name); err != nil {
		return nil, err
	}
	if role, ok := c.roles[name]; ok {
		return maps.Clone(role), nil
	}
	return nil, class(openbao.NotFound)
}

func (c *client) WriteRole(_ context.Context, mount, name string, data map[string]any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	capability := "update"
	if _, ok := c.roles[strings.ToLower(name)]; !ok {
		capability = "create"
	}
	if c.tokens[c.token] {
		capability = "update"
	}
	if err := c.do(capability, authz.RolePath(mount, name), "WriteRole %s", strings.ToLower(name)); err != nil {
		return err
	}
	role := decoded(data)
	if before, ok := c.roles[strings.ToLower(name)]; ok {
		if _, sent := role["bound_claims"]; !sent {
			role["bound_claims"] = before["bound_claims"]
		}
	}
	c.roles[strings.ToLower(name)] = role
	return c.lose("WriteRole " + strings.ToLower(name))
}

func (c *client) DeleteRole(_ context.Context, mount, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("delete", authz.RolePath(mount, name), "DeleteRole %s", name); err != nil {
		return err
	}
	delete(c.roles, name)
	return c.lose("DeleteRole " + name)
}

func (c *client) ReadPolicy(_ context.Context, name string) (openbao.Policy, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("read", authz.PolicyPath(name), "ReadPolicy %s", name); err != nil {
		return openbao.Policy{}, err
	}
	if text, ok := c.policies[name]; ok {
		return openbao.Policy{Text: text}, nil
	}
	return openbao.Policy{}, class(openbao.NotFound)
}

func (c *client) WritePolicy(_ context.Context, name, text string, read *openbao.Policy) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("update", authz.PolicyPath(name), "WritePolicy %s", name); err != nil {
		return err
	}
	if !c.pinned(text) {
		return class(openbao.PermissionDenied)
	}
	if now, ok := c.policies[name]; ok != (read != nil) || (ok && now != read.Text) {
		return class(openbao.Conflict)
	}
	c.policies[name] = text
	return c.lose("WritePolicy " + name)
}

func (c *client) DeletePolicy(_ context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.do("delete", authz.PolicyPath(name), "DeletePolicy %s", name); err != nil {
		return err
	}
	delete(c.policies, name)
	return c.lose("DeletePolicy " + name)
}

// decoded returns data as it comes back from a server.
func decoded(data map[string]any) map[string]any {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	out := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&out); err != nil {
		panic(err)
	}
	return out
}
