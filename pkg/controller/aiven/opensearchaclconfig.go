// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"cmp"
	"context"
	"slices"

	"github.com/aiven/go-client-codegen/handler/opensearch"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// openSearchACLConfig handles OpenSearchACLConfig objects. Every service has one
// configuration; that without rules and not enforced stands for none.
type openSearchACLConfig struct{}

func (r *remote) openSearchACL(obj *v1alpha1.OpenSearchACLConfig) (*opensearch.ServiceOpenSearchAclGetOut, error) {
	project, service := obj.ServiceRef()
	reading, err := aiven.Read(r.Client, aiven.Resource[opensearch.ServiceOpenSearchAclGetOut]{
		Kind: "opensearch acl", Project: project, Service: service,
		Fetch: func(ctx context.Context, d aiven.Doer) (*opensearch.ServiceOpenSearchAclGetOut, error) {
			h := opensearch.NewHandler(d)
			return h.ServiceOpenSearchAclGet(ctx, project, service)
		},
	})
	if err != nil {
		return nil, err
	}
	config := reading.Value()
	if config == nil {
		config = &opensearch.ServiceOpenSearchAclGetOut{}
	}
	return config, nil
}

func (openSearchACLConfig) Observe(_ context.Context, r *remote, obj *v1alpha1.OpenSearchACLConfig) (reconcile.Observation, error) {
	if _, err := r.host(obj); err != nil {
		return reconcile.Observation{}, err
	}
	config, err := r.openSearchACL(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	obs := reconcile.Observation{Ready: true, Differs: openSearchACLDiffers(&obj.Spec, config)}
	obs.Exists = len(obs.Differs) == 0 || !openSearchACLEmpty(config)
	return obs, nil
}

func openSearchACLEmpty(config *opensearch.ServiceOpenSearchAclGetOut) bool {
	return !config.Enabled && len(config.Acls) == 0
}

// openSearchACLDiffers names what is not what the spec says. The order of users
// and of their rules means nothing.
func openSearchACLDiffers(spec *v1alpha1.OpenSearchACLConfigSpec, config *opensearch.ServiceOpenSearchAclGetOut) []string {
	var differs []string
	if spec.Enabled != config.Enabled {
		differs = append(differs, "enabled")
	}
	// A user without rules differs from no user: all is denied to it.
	type rule struct{ username, index, permission string }
	var want, got []rule
	for _, acl := range spec.ACLs {
		want = append(want, rule{username: acl.Username})
		for _, r := range acl.Rules {
			want = append(want, rule{acl.Username, r.Index, r.Permission})
		}
	}
	for _, acl := range config.Acls {
		got = append(got, rule{username: acl.Username})
		for _, r := range acl.Rules {
			got = append(got, rule{acl.Username, r.Index, string(r.Permission)})
		}
	}
	compare := func(a, b rule) int {
		return cmp.Or(cmp.Compare(a.username, b.username), cmp.Compare(a.index, b.index), cmp.Compare(a.permission, b.permission))
	}
	slices.SortFunc(want, compare)
	slices.SortFunc(got, compare)
	if !slices.Equal(want, got) {
		differs = append(differs, "acls")
	}
	return differs
}

func (openSearchACLConfig) Create(ctx context.Context, r *remote, obj *v1alpha1.OpenSearchACLConfig) error {
	acls := make([]opensearch.AclIn, 0, len(obj.Spec.ACLs))
	for _, acl := range obj.Spec.ACLs {
		in := opensearch.AclIn{Username: acl.Username, Rules: make([]opensearch.RuleIn, 0, len(acl.Rules))}
		for _, rule := range acl.Rules {
			in.Rules = append(in.Rules, opensearch.RuleIn{Index: rule.Index, Permission: opensearch.PermissionType(rule.Permission)})
		}
		acls = append(acls, in)
	}
	return r.setOpenSearchACL(ctx, obj, opensearch.OpensearchAclConfigIn{Acls: acls, Enabled: obj.Spec.Enabled})
}

func (h openSearchACLConfig) Update(ctx context.Context, r *remote, obj *v1alpha1.OpenSearchACLConfig) error {
	return h.Create(ctx, r, obj)
}

func (openSearchACLConfig) Delete(ctx context.Context, r *remote, obj *v1alpha1.OpenSearchACLConfig) (bool, error) {
	config, err := r.openSearchACL(obj)
	if err != nil || openSearchACLEmpty(config) {
		return err == nil, err
	}
	return false, r.setOpenSearchACL(ctx, obj, opensearch.OpensearchAclConfigIn{Acls: []opensearch.AclIn{}})
}

// setOpenSearchACL replaces the whole configuration.
func (r *remote) setOpenSearchACL(ctx context.Context, obj *v1alpha1.OpenSearchACLConfig, config opensearch.OpensearchAclConfigIn) error {
	h := opensearch.NewHandler(r)
	_, err := h.ServiceOpenSearchAclSet(ctx, obj.Spec.Project, obj.Spec.ServiceName, &opensearch.ServiceOpenSearchAclSetIn{OpensearchAclConfig: config})
	return err
}
