// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/openbao/openbao/api/v2"
)

// Health is the state of a server.
type Health struct {
	Initialized bool
	Sealed      bool
	Standby     bool
	Version     string
	// ClusterID identifies the cluster for as long as its storage lives. It is
	// empty while the server is sealed.
	ClusterID string
}

// Mount is an auth mount.
type Mount struct {
	Type        string
	Description string
}

// Policy is an ACL policy as it was read.
type Policy struct {
	Text string
	// Version counts the writes of the policy; nil if the server does not count.
	Version *int64
	// Expires says that the server will drop the policy at some time.
	Expires bool
}

// Health implements Interface.
func (c *Client) Health(ctx context.Context) (Health, error) {
	h, err := c.api.Sys().HealthWithContext(ctx)
	if err != nil {
		return Health{}, classify("read the server's health", err)
	}
	return Health{
		Initialized: h.Initialized, Sealed: h.Sealed, Standby: h.Standby, Version: h.Version, ClusterID: h.ClusterID,
	}, nil
}

// AuthMounts implements Interface.
func (c *Client) AuthMounts(ctx context.Context) (map[string]Mount, error) {
	list, err := c.api.Sys().ListAuthWithContext(ctx)
	if err != nil {
		return nil, classify("list the auth mounts", err)
	}
	mounts := make(map[string]Mount, len(list))
	for path, m := range list {
		if m != nil {
			mounts[strings.TrimSuffix(path, "/")] = Mount{Type: m.Type, Description: m.Description}
		}
	}
	return mounts, nil
}

// EnableAuth implements Interface.
func (c *Client) EnableAuth(ctx context.Context, path string, mount Mount) error {
	op := fmt.Sprintf("enable the auth mount %q", path)
	if err := checkSegment(op, path); err != nil {
		return err
	}
	err := c.api.Sys().EnableAuthWithOptionsWithContext(ctx, path, &api.EnableAuthOptions{Type: mount.Type, Description: mount.Description})
	return classify(op, err)
}

// DisableAuth implements Interface.
func (c *Client) DisableAuth(ctx context.Context, path string) error {
	op := fmt.Sprintf("disable the auth mount %q", path)
	if err := checkSegment(op, path); err != nil {
		return err
	}
	return c.remove(ctx, op, "sys/auth/"+path)
}

// ReadPolicy implements Interface.
func (c *Client) ReadPolicy(ctx context.Context, name string) (Policy, error) {
	op := fmt.Sprintf("read policy %q", name)
	if err := checkSegment(op, name); err != nil {
		return Policy{}, err
	}
	data, err := c.read(ctx, op, "sys/policies/acl/"+name)
	if err != nil {
		return Policy{}, err
	}
	text, ok := data["policy"].(string)
	if !ok {
		return Policy{}, &Error{Class: Unknown, Op: op, Detail: "the answer has no policy text"}
	}
	policy := Policy{Text: text, Expires: data["expiration"] != nil}
	if number, ok := data["version"].(json.Number); ok {
		if version, err := number.Int64(); err == nil {
			policy.Version = &version
		}
	}
	return policy, nil
}

// casAbsent is the check-and-set value of a policy that must not exist.
const casAbsent = -1

// WritePolicy implements Interface.
func (c *Client) WritePolicy(ctx context.Context, name, text string, read *Policy) error {
	op := fmt.Sprintf("write policy %q", name)
	if err := checkSegment(op, name); err != nil {
		return err
	}
	data := map[string]any{"policy": text}
	switch {
	case read == nil:
		// A server without check-and-set ignores the parameter.
		data["cas"] = casAbsent
	case read.Version != nil:
		data["cas"] = *read.Version
	}
	if read == nil || read.Version == nil {
		if err := c.checkUnchanged(ctx, op, name, read); err != nil {
			return err
		}
	}
	_, err := c.write(ctx, op, "sys/policies/acl/"+name, data)
	return err
}

// checkUnchanged is what is left where the server cannot compare by itself.
func (c *Client) checkUnchanged(ctx context.Context, op, name string, read *Policy) error {
	now, err := c.ReadPolicy(ctx, name)
	switch {
	case IsNotFound(err) && read == nil:
		return nil
	case err == nil && read != nil && now.Text == read.Text:
		return nil
	case err != nil && !IsNotFound(err):
		return err
	}
	return &Error{Class: Conflict, Op: op, Detail: "the policy changed since it was read"}
}

// DeletePolicy implements Interface.
func (c *Client) DeletePolicy(ctx context.Context, name string) error {
	op := fmt.Sprintf("delete policy %q", name)
	if err := checkSegment(op, name); err != nil {
		return err
	}
	return c.remove(ctx, op, "sys/policies/acl/"+name)
}
