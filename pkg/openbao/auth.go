// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// TokenInfo describes a token without holding it.
type TokenInfo struct {
	Accessor string
	// Policies are those of the token itself; its entity may add others.
	Policies []string
	// Type is service or batch.
	Type string
	// TTL is how long the token still lives; 0 means for ever.
	TTL time.Duration
	// Period is what each renewal extends the life of the token to, and
	// ExplicitMaxTTL the limit of that; 0 means that there is none.
	Period, ExplicitMaxTTL time.Duration
	Renewable              bool
}

// IsRoot reports whether the token may do everything.
func (i TokenInfo) IsRoot() bool { return slices.Contains(i.Policies, "root") }

// Expires reports whether the token ends by itself, however it is renewed.
func (i TokenInfo) Expires() bool { return i.TTL > 0 && (i.Period == 0 || i.ExplicitMaxTTL > 0) }

// LookupSelf implements Interface.
func (c *Client) LookupSelf(ctx context.Context) (TokenInfo, error) {
	const op = "look up the token"
	data, err := c.read(ctx, op, "auth/token/lookup-self")
	if err != nil {
		return TokenInfo{}, err
	}
	unclear := func(field string) error {
		return &Error{Class: Unknown, Op: op, Detail: fmt.Sprintf("the answer has no %s", field)}
	}
	var info TokenInfo
	policies, ok := data["policies"].([]any)
	if !ok {
		return TokenInfo{}, unclear("policies")
	}
	for _, policy := range policies {
		info.Policies = append(info.Policies, fmt.Sprint(policy))
	}
	// What is not said must not count as what a token without limits says.
	if info.TTL, ok = seconds(data["ttl"]); !ok {
		return TokenInfo{}, unclear("ttl")
	}
	if info.Type, ok = data["type"].(string); !ok {
		return TokenInfo{}, unclear("type")
	}
	info.Period, _ = seconds(data["period"])
	info.ExplicitMaxTTL, _ = seconds(data["explicit_max_ttl"])
	info.Accessor, _ = data["accessor"].(string)
	info.Renewable, _ = data["renewable"].(bool)
	return info, nil
}

// seconds reads a number of seconds.
func seconds(value any) (time.Duration, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	n, err := number.Int64()
	return time.Duration(n) * time.Second, err == nil
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
