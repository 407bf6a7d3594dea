// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Login is the answer to a successful login. It says all that the server says about
// the token.
type Login struct {
	Token    Token
	Accessor string
	// Policies are all that the token has in the namespace of the login. They are
	// TokenPolicies, which the role gives, and IdentityPolicies, which the entity of
	// the token and its groups add.
	Policies         []string
	TokenPolicies    []string
	IdentityPolicies []string
	// Type is service or batch.
	Type string
	// TTL is the lease of the token; 0 means for ever.
	TTL       time.Duration
	Renewable bool
	// Orphan tokens do not end with the token that made them.
	Orphan bool
	// NumUses is how many requests the token is good for; 0 means any number.
	NumUses int
}

// loginAnswer is what a server answers to a login (sdk/logical/translate_response.go,
// HTTPAuth). The API's own client leaves out the type and the number of uses.
type loginAnswer struct {
	Auth *struct {
		ClientToken      string   `json:"client_token"`
		Accessor         string   `json:"accessor"`
		Policies         []string `json:"policies"`
		TokenPolicies    []string `json:"token_policies"`
		IdentityPolicies []string `json:"identity_policies"`
		LeaseDuration    int64    `json:"lease_duration"`
		Renewable        bool     `json:"renewable"`
		TokenType        string   `json:"token_type"`
		Orphan           bool     `json:"orphan"`
		NumUses          int      `json:"num_uses"`
		MFARequirement   *struct {
			ID string `json:"mfa_request_id"`
		} `json:"mfa_requirement"`
	} `json:"auth"`
}

// LoginJWT implements Interface.
func (c *Client) LoginJWT(ctx context.Context, mount, role string, jwt Token) (Login, error) {
	op := fmt.Sprintf("log in with role %q at %q", role, mount)
	if err := checkSegment(op, mount); err != nil {
		return Login{}, err
	}
	anonymous, err := c.WithToken(Token{})
	if err != nil {
		return Login{}, err
	}
	request := anonymous.api.NewRequest(http.MethodPut, "/v1/auth/"+mount+"/login")
	if err := request.SetJSONBody(map[string]any{"role": role, "jwt": jwt.reveal()}); err != nil {
		return Login{}, fmt.Errorf("encode a login: %w", err)
	}
	response, err := anonymous.api.RawRequestWithContext(ctx, request)
	if response != nil {
		defer func() { _ = response.Body.Close() }()
	}
	if err != nil {
		return Login{}, classifyLogin(classify(op, err))
	}
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return Login{}, classify(op, err)
	}
	var answer loginAnswer
	// What does not parse may hold the token, and the error parts of it.
	if json.Unmarshal(raw, &answer) != nil || answer.Auth == nil {
		return Login{}, &Error{Class: Unknown, Op: op, StatusCode: response.StatusCode, Detail: "the answer holds no token"}
	}
	auth := answer.Auth
	switch {
	case auth.ClientToken == "" && auth.MFARequirement != nil:
		return Login{}, &Error{
			Class: MFARequired, Op: op, StatusCode: response.StatusCode, Detail: "the server requires a second factor (an MFA login enforcement)",
		}
	case auth.ClientToken == "":
		return Login{}, &Error{Class: Unknown, Op: op, StatusCode: response.StatusCode, Detail: "the answer holds no token"}
	}
	return Login{
		Token:         NewToken(auth.ClientToken),
		Accessor:      auth.Accessor,
		Policies:      auth.Policies,
		TokenPolicies: auth.TokenPolicies, IdentityPolicies: auth.IdentityPolicies,
		Type:      auth.TokenType,
		TTL:       time.Duration(auth.LeaseDuration) * time.Second,
		Renewable: auth.Renewable,
		Orphan:    auth.Orphan,
		NumUses:   auth.NumUses,
	}, nil
}
