// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package baosim

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao/openbaotest"
)

// allowed reports whether the request's token may send it, in the words of the
// server.
func (s *Server) allowed(q *request) error {
	if _, ok := s.tokens[q.token]; !ok {
		return fail(http.StatusForbidden, "permission denied")
	}
	has := s.capabilities(q.token, q.path)
	// An administrator's update creates, too.
	if slices.Contains(has, q.capability) || slices.Contains(has, "root") {
		return nil
	}
	return fail(http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
}

// capabilities are what a token may do on a path.
func (s *Server) capabilities(token, path string) []string {
	if slices.Contains(s.tokens[token], "root") {
		return []string{"root"}
	}
	return s.aclOf(s.tokens[token]).On(path)
}

// aclOf evaluates each combination of texts once.
func (s *Server) aclOf(policies []string) openbaotest.ACL {
	var texts []string
	for _, name := range policies {
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
		s.acls[key] = acl
	}
	return acl
}

func (s *Server) capabilitiesSelf(q *request) (object, error) {
	paths, _ := q.body["paths"].([]any)
	if len(paths) == 0 {
		return nil, fail(http.StatusBadRequest, "paths must be supplied")
	}
	fields := object{}
	acl, root := s.aclOf(s.tokens[q.token]), slices.Contains(s.tokens[q.token], "root")
	for _, path := range paths {
		fields[fmt.Sprint(path)] = acl.On(fmt.Sprint(path))
		if root {
			fields[fmt.Sprint(path)] = []string{"root"}
		}
	}
	return data(fields)
}

// lookupSelf describes a token. Only the root token does not expire.
func (s *Server) lookupSelf(token string) (object, error) {
	ttl := time.Hour
	if token == s.root {
		ttl = 0
	}
	return data(object{"type": "service", "policies": s.tokens[token], "ttl": int(ttl.Seconds()), "orphan": true, "renewable": ttl > 0})
}

// login exchanges a JWT for a token.
func (s *Server) login(body object) (object, error) {
	role := s.roles[strings.ToLower(fmt.Sprint(body["role"]))]
	if role == nil {
		return nil, fail(http.StatusBadRequest, "role %q could not be found", body["role"])
	}
	token, err := jwt.ParseSigned(fmt.Sprint(body["jwt"]), []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return nil, fail(http.StatusBadRequest, "error validating token: invalid algorithm (alg) header parameter: %v", err)
	}
	var claims tokenClaims
	if !s.verified(token, &claims) {
		return nil, fail(http.StatusBadRequest, "error validating token: error verifying token signature: no known key successfully validated the token signature")
	}
	bound := jwt.Expected{
		Issuer: fmt.Sprint(s.config["bound_issuer"]), Subject: fmt.Sprint(role["bound_subject"]),
		AnyAudience: texts(role["bound_audiences"]), Time: time.Now(),
	}
	if err := claims.Validate(bound); err != nil || len(bound.AnyAudience) == 0 {
		return nil, fail(http.StatusBadRequest, "error validating claims: %v", err)
	}
	wanted, _ := role["bound_claims"].(object)
	for claim, value := range wanted {
		if claim != accountUIDClaim || value != claims.Kubernetes.ServiceAccount.UID {
			return nil, fail(http.StatusBadRequest, "error validating claims: claim %q does not match any associated bound claim values", claim)
		}
	}
	policies := texts(role["token_policies"])
	if role["token_no_default_policy"] != true {
		policies = append(policies, "default")
	}
	name := "s." + rand.Text()
	s.tokens[name] = policies
	ttl, err := time.ParseDuration(strings.TrimSuffix(fmt.Sprint(role["token_ttl"]), "s") + "s")
	if err != nil {
		return nil, fail(http.StatusInternalServerError, "the role's token_ttl is %v", role["token_ttl"])
	}
	return object{"auth": object{
		"client_token": name, "accessor": rand.Text(), "policies": policies, "token_policies": policies,
		"lease_duration": int(ttl.Seconds()), "renewable": true, "token_type": "service", "orphan": true, "num_uses": 0,
	}}, nil
}

// tokenClaims are the claims of a ServiceAccount's token that roles are about.
type tokenClaims struct {
	jwt.Claims
	Kubernetes struct {
		ServiceAccount struct {
			UID string `json:"uid"`
		} `json:"serviceaccount"`
	} `json:"kubernetes.io"`
}

// accountUIDClaim is the one claim that roles are bound to.
const accountUIDClaim = "/kubernetes.io/serviceaccount/uid"

// verified reports whether a key of the config has signed the token, and reads
// its claims.
func (s *Server) verified(token *jwt.JSONWebToken, claims *tokenClaims) bool {
	for _, text := range texts(s.config["jwt_validation_pubkeys"]) {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			continue
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err == nil && token.Claims(key, claims) == nil {
			return true
		}
	}
	return false
}

// texts returns a list of a body, which may also be one text.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case json.Number:
		return []string{v.String()}
	case []any:
		var out []string
		for _, item := range v {
			out = append(out, fmt.Sprint(item))
		}
		return out
	}
	return nil
}
