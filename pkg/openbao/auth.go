// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// TokenInfo describes a token without holding it.
type TokenInfo struct {
	Accessor string
	Policies []string
	// TTL is how long the token still lives; 0 means for ever.
	TTL       time.Duration
	Renewable bool
}

// Login is the answer to a successful login.
type Login struct {
	Token    Token
	Accessor string
	Policies []string
	// TTL is the lease of the token.
	TTL       time.Duration
	Renewable bool
}

// LookupSelf implements Interface.
func (c *Client) LookupSelf(ctx context.Context) (TokenInfo, error) {
	const op = "look up the token"
	secret, err := c.api.Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		return TokenInfo{}, classify(op, err)
	}
	if secret == nil {
		return TokenInfo{}, &Error{Class: Unknown, Op: op, Detail: "the answer is empty"}
	}
	var info TokenInfo
	if info.Accessor, err = secret.TokenAccessor(); err != nil {
		return TokenInfo{}, classify(op, err)
	}
	if info.Policies, err = secret.TokenPolicies(); err != nil {
		return TokenInfo{}, classify(op, err)
	}
	if info.TTL, err = secret.TokenTTL(); err != nil {
		return TokenInfo{}, classify(op, err)
	}
	if info.Renewable, err = secret.TokenIsRenewable(); err != nil {
		return TokenInfo{}, classify(op, err)
	}
	return info, nil
}

// RenewSelf implements Interface.
func (c *Client) RenewSelf(ctx context.Context) (time.Duration, error) {
	const op = "renew the token"
	secret, err := c.write(ctx, op, "auth/token/renew-self", nil)
	if err != nil {
		return 0, err
	}
	if secret == nil || secret.Auth == nil {
		return 0, &Error{Class: Unknown, Op: op, Detail: "the answer is empty"}
	}
	return time.Duration(secret.Auth.LeaseDuration) * time.Second, nil
}

// RevokeSelf implements Interface.
func (c *Client) RevokeSelf(ctx context.Context) error {
	return classify("revoke the token", c.api.Auth().Token().RevokeSelfWithContext(ctx, ""))
}

// CapabilitiesSelf implements Interface.
func (c *Client) CapabilitiesSelf(ctx context.Context, paths ...string) (map[string][]string, error) {
	secret, err := c.write(ctx, "ask for the token's capabilities", "sys/capabilities-self", map[string]any{"paths": paths})
	if err != nil {
		return nil, err
	}
	capabilities := make(map[string][]string, len(paths))
	for _, path := range paths {
		var list []string
		if secret != nil {
			items, _ := secret.Data[path].([]any)
			for _, item := range items {
				list = append(list, fmt.Sprint(item))
			}
		}
		capabilities[path] = list
	}
	return capabilities, nil
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
	secret, err := anonymous.write(ctx, op, "auth/"+mount+"/login", map[string]any{"role": role, "jwt": jwt.reveal()})
	if err != nil {
		return Login{}, classifyLogin(err)
	}
	if secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "" {
		return Login{}, &Error{Class: Unknown, Op: op, Detail: "the answer holds no token"}
	}
	return Login{
		Token:     NewToken(secret.Auth.ClientToken),
		Accessor:  secret.Auth.Accessor,
		Policies:  secret.Auth.Policies,
		TTL:       time.Duration(secret.Auth.LeaseDuration) * time.Second,
		Renewable: secret.Auth.Renewable,
	}, nil
}

// ReadConfig implements Interface.
func (c *Client) ReadConfig(ctx context.Context, mount string) (map[string]any, error) {
	op := fmt.Sprintf("read the config of %q", mount)
	if err := checkSegment(op, mount); err != nil {
		return nil, err
	}
	return c.read(ctx, op, "auth/"+mount+"/config")
}

// WriteConfig implements Interface.
func (c *Client) WriteConfig(ctx context.Context, mount string, data map[string]any) error {
	op := fmt.Sprintf("write the config of %q", mount)
	if err := checkSegment(op, mount); err != nil {
		return err
	}
	_, err := c.write(ctx, op, "auth/"+mount+"/config", data)
	return err
}

// ListRoles implements Interface.
func (c *Client) ListRoles(ctx context.Context, mount string) ([]string, error) {
	op := fmt.Sprintf("list the roles of %q", mount)
	if err := checkSegment(op, mount); err != nil {
		return nil, err
	}
	names := []string{}
	secret, err := c.api.Logical().ListWithContext(ctx, "auth/"+mount+"/role")
	if err != nil {
		return nil, classify(op, err)
	}
	if secret == nil {
		// The server answers 404 without an error where there are none.
		return names, nil
	}
	keys, _ := secret.Data["keys"].([]any)
	for _, key := range keys {
		names = append(names, fmt.Sprint(key))
	}
	slices.Sort(names)
	return names, nil
}

// ReadRole implements Interface.
func (c *Client) ReadRole(ctx context.Context, mount, name string) (map[string]any, error) {
	op := fmt.Sprintf("read role %q of %q", name, mount)
	path, err := rolePath(op, mount, name)
	if err != nil {
		return nil, err
	}
	return c.read(ctx, op, path)
}

// WriteRole implements Interface.
func (c *Client) WriteRole(ctx context.Context, mount, name string, data map[string]any) error {
	op := fmt.Sprintf("write role %q of %q", name, mount)
	path, err := rolePath(op, mount, name)
	if err != nil {
		return err
	}
	_, err = c.write(ctx, op, path, data)
	return err
}

// DeleteRole implements Interface.
func (c *Client) DeleteRole(ctx context.Context, mount, name string) error {
	op := fmt.Sprintf("delete role %q of %q", name, mount)
	path, err := rolePath(op, mount, name)
	if err != nil {
		return err
	}
	return c.remove(ctx, op, path)
}

func rolePath(op, mount, name string) (string, error) {
	if err := checkSegment(op, mount); err != nil {
		return "", err
	}
	if err := checkSegment(op, name); err != nil {
		return "", err
	}
	return "auth/" + mount + "/role/" + name, nil
}
