// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"

	codegen "github.com/aiven/go-client-codegen/handler/opensearch"
)

// OpenSearchACL is the access control of an OpenSearch service.
type OpenSearchACL struct {
	ACLs    []OpenSearchACLEntry `json:"acls"`
	Enabled bool                 `json:"enabled"`
}

// OpenSearchACLEntry holds the rules of one user.
type OpenSearchACLEntry struct {
	Username string           `json:"username"`
	Rules    []OpenSearchRule `json:"rules"`
}

// OpenSearchRule allows or denies a user something on the indices of a pattern.
type OpenSearchRule struct {
	Index      string `json:"index"`
	Permission string `json:"permission"`
}

func opensearchACLRoutes() []route {
	const pattern = servicePattern + "/opensearch/acl"
	return []route{
		{operation: "ServiceOpenSearchAclGet", method: http.MethodGet, pattern: pattern, handle: (*call).openSearchACLGet},
		{operation: "ServiceOpenSearchAclSet", method: http.MethodPost, pattern: pattern, handle: (*call).openSearchACLSet},
		{operation: "ServiceOpenSearchAclUpdate", method: http.MethodPut, pattern: pattern, handle: (*call).openSearchACLUpdate},
	}
}

func (c *call) openSearchACLAnswer() (any, error) {
	config := c.service.OpenSearchACL
	if config == nil {
		config = &OpenSearchACL{ACLs: []OpenSearchACLEntry{}}
	}
	return map[string]any{"opensearch_acl_config": config}, nil
}

func (c *call) openSearchACLGet() (any, error) {
	if err := c.only("opensearch"); err != nil {
		return nil, err
	}
	return c.openSearchACLAnswer()
}

func (c *call) openSearchACLSet() (any, error) {
	var in codegen.ServiceOpenSearchAclSetIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if in.OpensearchAclConfig.Acls == nil {
		return nil, badRequest("'opensearch_acl_config.acls' is a required property")
	}
	return c.setOpenSearchACL(&in.OpensearchAclConfig.Acls, &in.OpensearchAclConfig.Enabled)
}

func (c *call) openSearchACLUpdate() (any, error) {
	var in codegen.ServiceOpenSearchAclUpdateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	return c.setOpenSearchACL(in.OpensearchAclConfig.Acls, in.OpensearchAclConfig.Enabled)
}

// setOpenSearchACL changes what is given. Disabling keeps the entries.
func (c *call) setOpenSearchACL(acls *[]codegen.AclIn, enabled *bool) (any, error) {
	if err := c.only("opensearch"); err != nil {
		return nil, err
	}
	if err := c.service.writable(); err != nil {
		return nil, err
	}
	next := OpenSearchACL{ACLs: []OpenSearchACLEntry{}}
	if c.service.OpenSearchACL != nil {
		next = *c.service.OpenSearchACL
	}
	if enabled != nil {
		next.Enabled = *enabled
	}
	if acls != nil {
		var err error
		if next.ACLs, err = openSearchEntries(*acls); err != nil {
			return nil, err
		}
	}
	c.service.OpenSearchACL = &next
	c.log("service_opensearch_acl_update", c.service.Name, "Updated the OpenSearch ACL configuration, enabled: %t", next.Enabled)
	return c.openSearchACLAnswer()
}

func openSearchEntries(in []codegen.AclIn) ([]OpenSearchACLEntry, error) {
	out := []OpenSearchACLEntry{}
	seen := map[string]bool{}
	for _, acl := range in {
		if err := required("acls.username", acl.Username); err != nil {
			return nil, err
		}
		if seen[acl.Username] {
			return nil, badRequest("Invalid 'acls': the user '%s' is given twice", acl.Username)
		}
		seen[acl.Username] = true
		entry := OpenSearchACLEntry{Username: acl.Username, Rules: []OpenSearchRule{}}
		for _, rule := range acl.Rules {
			if err := required("acls.rules.index", rule.Index); err != nil {
				return nil, err
			}
			if err := required("acls.rules.permission", string(rule.Permission)); err != nil {
				return nil, err
			}
			if err := oneOf("acls.rules.permission", rule.Permission, codegen.PermissionTypeChoices()); err != nil {
				return nil, err
			}
			entry.Rules = append(entry.Rules, OpenSearchRule{Index: rule.Index, Permission: string(rule.Permission)})
		}
		out = append(out, entry)
	}
	return out, nil
}
