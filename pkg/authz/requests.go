// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"
)

// Kind says what a request or a change is about.
type Kind string

const (
	// KindMount is the auth mount.
	KindMount Kind = "mount"
	// KindConfig is the config of the auth mount.
	KindConfig Kind = "config"
	// KindPolicy is an ACL policy.
	KindPolicy Kind = "policy"
	// KindRole is a role of the auth mount.
	KindRole Kind = "role"
)

// OperationUpdate is the operation of every request: it creates what does not
// exist and replaces what does.
const OperationUpdate = "update"

// Request is one write to a server. It is the same whether it is sent to a
// running server or carried out by a server when it first starts.
type Request struct {
	// ID is unique within the list.
	ID   string
	Kind Kind
	// Name is the name of the mount, policy or role.
	Name      string
	Operation string
	// Path has no "/v1/" before it.
	Path string
	// Data holds strings, booleans, lists of strings, and objects of those.
	Data map[string]any
}

// PolicyPath returns the API path of a policy.
func PolicyPath(name string) string { return "sys/policies/acl/" + name }

// MountAPIPath returns the API path that mounts an auth method.
func MountAPIPath(mount string) string { return "sys/auth/" + mount }

// ConfigPath returns the API path of a mount's config.
func ConfigPath(mount string) string { return "auth/" + mount + "/config" }

// RolesPath returns the API path that lists a mount's roles, and CELRolesPath that
// of those in CEL.
func RolesPath(mount string) string    { return "auth/" + mount + "/role" }
func CELRolesPath(mount string) string { return "auth/" + mount + "/cel/role" }

// RolePath returns the API path of a mount's role.
func RolePath(mount, name string) string { return "auth/" + mount + "/role/" + name }

// Requests lists the writes that establish the contract on a server that holds
// none of it, in the order in which they must be made. Roles that await their
// account are left out.
func Requests(c Contract) []Request {
	requests := []Request{mountRequest(c.Mount), configRequest(c.Mount, c.Config)}
	written := map[string]bool{}
	for _, g := range c.Grants {
		if !written[g.Policy.Name] {
			written[g.Policy.Name] = true
			requests = append(requests, policyRequest(g))
		}
		if !g.Role.AwaitsAccount() {
			requests = append(requests, roleRequest(c.Mount, g))
		}
	}
	return requests
}

// Digest identifies a contract: it changes whenever a request would.
func Digest(c Contract) string {
	// Maps are encoded in the order of their keys.
	data, err := json.Marshal(Requests(c))
	if err != nil {
		panic(fmt.Sprintf("requests hold only values that JSON has: %v", err))
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func mountRequest(m Mount) Request {
	return Request{
		ID: "enable-jwt-auth", Kind: KindMount, Name: m.Path, Operation: OperationUpdate, Path: MountAPIPath(m.Path),
		Data: map[string]any{"type": m.Type, "description": m.Description},
	}
}

func configRequest(m Mount, c Config) Request {
	keys := make([]string, 0, len(c.Keys))
	for _, k := range c.Keys {
		keys = append(keys, k.PEM)
	}
	data := map[string]any{"bound_issuer": c.BoundIssuer, "jwt_validation_pubkeys": keys}
	if c.ReadsKeys {
		data = map[string]any{"bound_issuer": c.BoundIssuer, "provider_config": map[string]any{"provider": "kubernetes"}}
	}
	// The server resets what a config write leaves out.
	if len(c.SupportedAlgs) > 0 {
		data["jwt_supported_algs"] = c.SupportedAlgs
	}
	return Request{
		ID: "config-jwt-auth", Kind: KindConfig, Name: m.Path, Operation: OperationUpdate, Path: ConfigPath(m.Path), Data: data,
	}
}

func policyRequest(g Grant) Request {
	return Request{
		ID: "create-" + string(g.Identity) + "-policy", Kind: KindPolicy, Name: g.Policy.Name,
		Operation: OperationUpdate, Path: PolicyPath(g.Policy.Name), Data: map[string]any{"policy": g.Policy.Text},
	}
}

func roleRequest(m Mount, g Grant) Request {
	id := "create-" + string(g.Identity) + "-role"
	if g.Additional {
		id = "create-additional-" + g.Role.Name + "-role"
	}
	return Request{
		ID: id, Kind: KindRole, Name: g.Role.Name,
		Operation: OperationUpdate, Path: RolePath(m.Path, g.Role.Name), Data: roleData(g.Role),
	}
}

// roleData lists every field that decides who may log in and what the token may
// do. A role write keeps or resets what it leaves out, depending on the field,
// so nothing is left out. Fields that an older server lacks, it ignores.
//
// The values are of the types that a policy can pin with allowed_parameters:
// texts, booleans and lists of texts. A number of a JSON request never equals one
// of a policy, and neither does a map; the server reads durations and counts from
// texts, and an empty list as an empty map. The one map is the claims of a role that
// is bound to an account, which no policy pins: see withoutClaims.
func roleData(r Role) map[string]any {
	claims := any([]string{})
	if r.AccountUID != "" {
		claims = map[string]any{accountUIDClaim: r.AccountUID}
	}
	return map[string]any{
		"role_type":                      "jwt",
		"user_claim":                     "sub",
		"user_claim_json_pointer":        false,
		"groups_claim":                   "",
		"bound_subject":                  r.Subject,
		"bound_audiences":                r.Audiences,
		"bound_claims_type":              "string",
		boundClaims:                      claims,
		"claim_mappings":                 []string{},
		"expiration_leeway":              "150s",
		"not_before_leeway":              "150s",
		"clock_skew_leeway":              "60s",
		"token_policies":                 r.Policies,
		"token_policies_template_claims": false,
		"token_ttl":                      secondsText(r.TTL),
		"token_max_ttl":                  secondsText(r.MaxTTL),
		"token_explicit_max_ttl":         "0s",
		"token_period":                   "0s",
		"token_num_uses":                 "0",
		"token_bound_cidrs":              []string{},
		"token_strictly_bind_ip":         false,
		"token_type":                     "default",
		"token_no_default_policy":        r.NoDefaultPolicy,
	}
}

// boundClaims is the field of a role with the claims that a token must carry.
const boundClaims = "bound_claims"

// accountUIDClaim points to the UID of the ServiceAccount in its tokens
// (k8s.io/kubernetes, pkg/serviceaccount/claims.go).
const accountUIDClaim = "/kubernetes.io/serviceaccount/uid"

// withoutClaims returns the data of a role without its claims. A write of that
// leaves the claims of an existing role as they are (path_role.go of the JWT method).
func withoutClaims(data map[string]any) map[string]any {
	data = maps.Clone(data)
	delete(data, boundClaims)
	return data
}

// secondsText spells a duration as the server reads it.
func secondsText(d time.Duration) string {
	return strconv.FormatInt(int64(d.Seconds()), 10) + "s"
}
