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
	if _, err := r.runningService(obj); err != nil {
		return reconcile.Observation{}, err
	}
	config, err := r.openSearchACL(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	fields := compareOpenSearchACL(obj, config)
	obs := reconcile.Observation{Ready: true, Differs: fields.differs}
	if len(obs.Differs) == 0 {
		rememberGiven(obj, &obj.Status.SettingsStatus, fields)
	}
	obs.Exists = len(obs.Differs) == 0 || !openSearchACLEmpty(config)
	return obs, nil
}

func openSearchACLEmpty(config *opensearch.ServiceOpenSearchAclGetOut) bool {
	return !config.Enabled && len(config.Acls) == 0
}

// compareOpenSearchACL compares a configuration with the spec.
func compareOpenSearchACL(obj *v1alpha1.OpenSearchACLConfig, config *opensearch.ServiceOpenSearchAclGetOut) optionalFields {
	out := compareOptional(obj.Status.Settings, optionalField{
		name: fieldACLs, named: obj.Spec.ACLs != nil, equal: openSearchACLsEqual(obj.Spec.ACLs, config.Acls),
	})
	var differs differences
	differs.add(obj.Spec.Enabled != config.Enabled, "enabled")
	out.differs = append(differs, out.differs...)
	return out
}

const fieldACLs = "acls"

// openSearchACLsEqual compares rules. The order of users and of their rules means
// nothing.
func openSearchACLsEqual(wanted []v1alpha1.OpenSearchACL, shown []opensearch.AclOut) bool {
	// A user without rules differs from no user: all is denied to it.
	type rule struct{ username, index, permission string }
	var want, got []rule
	for _, acl := range wanted {
		want = append(want, rule{username: acl.Username})
		for _, r := range acl.Rules {
			want = append(want, rule{acl.Username, r.Index, r.Permission})
		}
	}
	for _, acl := range shown {
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
	return slices.Equal(want, got)
}

func (h openSearchACLConfig) Create(ctx context.Context, r *remote, obj *v1alpha1.OpenSearchACLConfig) error {
	return h.Update(ctx, r, obj)
}

// Update replaces the whole configuration. A spec that says nothing of rules keeps
// those that are there.
func (openSearchACLConfig) Update(ctx context.Context, r *remote, obj *v1alpha1.OpenSearchACLConfig) error {
	config, err := r.openSearchACL(obj)
	if err != nil {
		return err
	}
	fields := compareOpenSearchACL(obj, config)
	acls := make([]opensearch.AclIn, 0, len(obj.Spec.ACLs))
	add := func(username string, rules []opensearch.RuleIn) {
		acls = append(acls, opensearch.AclIn{Username: username, Rules: rules})
	}
	for _, acl := range obj.Spec.ACLs {
		rules := make([]opensearch.RuleIn, 0, len(acl.Rules))
		for _, rule := range acl.Rules {
			rules = append(rules, opensearch.RuleIn{Index: rule.Index, Permission: opensearch.PermissionType(rule.Permission)})
		}
		add(acl.Username, rules)
	}
	if !fields.sends(fieldACLs) {
		for _, acl := range config.Acls {
			rules := make([]opensearch.RuleIn, 0, len(acl.Rules))
			for _, rule := range acl.Rules {
				rules = append(rules, opensearch.RuleIn(rule))
			}
			add(acl.Username, rules)
		}
	}
	err = r.setOpenSearchACL(ctx, obj, opensearch.OpensearchAclConfigIn{Acls: acls, Enabled: obj.Spec.Enabled})
	if err == nil {
		rememberGiven(obj, &obj.Status.SettingsStatus, fields)
	}
	return err
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
