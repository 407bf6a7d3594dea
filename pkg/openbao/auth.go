// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"fmt"
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
	const op = "ask for the token's capabilities"
	secret, err := c.write(ctx, op, "sys/capabilities-self", map[string]any{"paths": paths})
	if err != nil {
		return nil, err
	}
	capabilities := make(map[string][]string, len(paths))
	for _, path := range paths {
		var items []any
		if secret != nil {
			items, _ = secret.Data[path].([]any)
		}
		if len(items) == 0 {
			// A server answers "deny" for a path without rights. What it leaves out must
			// not count as none.
			return nil, &Error{Class: Unknown, Op: op, Detail: fmt.Sprintf("the answer leaves out the path %q", path)}
		}
		for _, item := range items {
			capabilities[path] = append(capabilities[path], fmt.Sprint(item))
		}
	}
	return capabilities, nil
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
