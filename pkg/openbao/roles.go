// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"fmt"
	"slices"
)

// ListRoles implements Interface.
func (c *Client) ListRoles(ctx context.Context, mount string) ([]string, error) {
	return c.listRoles(ctx, fmt.Sprintf("list the roles of %q", mount), mount, "role")
}

// ListCELRoles implements Interface.
func (c *Client) ListCELRoles(ctx context.Context, mount string) ([]string, error) {
	return c.listRoles(ctx, fmt.Sprintf("list the CEL roles of %q", mount), mount, "cel/role")
}

func (c *Client) listRoles(ctx context.Context, op, mount, path string) ([]string, error) {
	if err := checkSegment(op, mount); err != nil {
		return nil, err
	}
	names := []string{}
	secret, err := c.api.Logical().ListWithContext(ctx, "auth/"+mount+"/"+path)
	if err != nil {
		return nil, classify(op, err)
	}
	if secret == nil {
		// The server answers 404 where there are none, and where it has no such path.
		return names, nil
	}
	keys, ok := secret.Data["keys"].([]any)
	if !ok {
		return nil, &Error{Class: Unknown, Op: op, Detail: "the answer has no list of names"}
	}
	for _, key := range keys {
		names = append(names, fmt.Sprint(key))
	}
	slices.Sort(names)
	return names, nil
}
