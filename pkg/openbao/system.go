// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"

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

const (
	healthPath = "sys/health"
	// healthCodes have a server answer in all of its states as if it were active. Those
	// of its states that are left out exist in no OpenBao.
	healthCodes = "sealedcode=299&standbycode=299&uninitcode=299"
)

// clusterID is a UUID as servers make it.
var clusterID = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

// Health implements Interface. It is asked for without a token, and outside of all
// namespaces: from OpenBao 2.6 on a server refuses to answer it in one.
func (c *Client) Health(ctx context.Context) (Health, error) {
	const op = "read the server's health"
	codes, err := url.ParseQuery(healthCodes)
	if err != nil {
		return Health{}, fmt.Errorf("parse the codes of health: %w", err)
	}
	anonymous, err := c.WithToken(Token{})
	if err != nil {
		return Health{}, err
	}
	response, err := anonymous.api.WithNamespace("").Logical().ReadRawWithDataWithContext(ctx, healthPath, codes)
	if response != nil {
		defer func() { _ = response.Body.Close() }() // it is read below
	}
	if err != nil {
		return Health{}, classify(op, err)
	}
	var h struct {
		Initialized *bool  `json:"initialized"`
		Sealed      bool   `json:"sealed"`
		Standby     bool   `json:"standby"`
		Version     string `json:"version"`
		ClusterID   string `json:"cluster_id"`
	}
	if err := response.DecodeJSON(&h); err != nil || h.Initialized == nil || (h.ClusterID != "" && !clusterID.MatchString(h.ClusterID)) {
		return Health{}, &Error{Class: Unknown, Op: op, StatusCode: response.StatusCode, Detail: notOpenBao}
	}
	return Health{
		Initialized: *h.Initialized, Sealed: h.Sealed, Standby: h.Standby, Version: version(h.Version), ClusterID: h.ClusterID,
	}, nil
}

// version keeps what a version is made of.
func version(text string) string {
	const limit = 64
	text = strings.Map(func(r rune) rune {
		if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(".+-", r)) {
			return r
		}
		return -1
	}, text)
	return text[:min(len(text), limit)]
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
