// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"slices"
)

// Observed is what a server holds of the names that a contract is about.
type Observed struct {
	// Mount is nil if nothing is mounted at the path.
	Mount *Mount
	// Config is the config of the mount as the server answers it, nil if none
	// was ever written.
	Config map[string]any
	// Policies are the texts by name; a policy that does not exist is not in it.
	Policies map[string]string
	// Expiring names the policies that the server will drop at some time, which
	// ours never are.
	Expiring []string
	// Roles are the roles as the server answers them, by name.
	Roles map[string]map[string]any
	// MountRoles are the names of all roles of the mount, nil if they are not
	// known. Only Removal uses them.
	MountRoles []string
}

// Recorded is what a server has confirmed that was written for this cluster. Only
// what is recorded may be changed or removed.
type Recorded struct {
	// Mount is the path of the mount, empty if it was not written.
	Mount string
	// MountCreated means that the mount was not there before.
	MountCreated bool
	// Config means that the config of the mount was written.
	Config   bool
	Policies []string
	Roles    []string
}

// Action is what has to happen to an object on the server.
type Action string

const (
	// Create means that the object does not exist.
	Create Action = "create"
	// Update means that the object differs.
	Update Action = "update"
	// Delete means that the object was recorded and is no longer wanted.
	Delete Action = "delete"
)

// Change is one difference between a contract and a server.
type Change struct {
	Kind   Kind
	Name   string
	Action Action
	// Fields are the names of the fields that differ, sorted; for an update only.
	Fields []string
	// Conflict means that the object may not be changed: someone else made it,
	// or it cannot be turned into what is wanted.
	Conflict bool
	// NeedsAdmin means that the bootstrapper, as the server knows it now, may not
	// make the change. An admin token may.
	NeedsAdmin bool
	// Request makes the change; it is zero for a delete.
	Request Request
	// Before and After are StateOf what the change is about.
	Before, After string
}

// Plan is the list of changes in the order in which they must be made.
type Plan []Change

// Conflicts returns the changes that may not be made.
func (p Plan) Conflicts() Plan { return p.only(func(c Change) bool { return c.Conflict }) }

// NeedAdmin returns the changes that may be made, but not by the bootstrapper.
func (p Plan) NeedAdmin() Plan {
	return p.only(func(c Change) bool { return !c.Conflict && c.NeedsAdmin })
}

// Repairable returns the changes that the bootstrapper may make.
func (p Plan) Repairable() Plan {
	return p.only(func(c Change) bool { return !c.Conflict && !c.NeedsAdmin })
}

func (p Plan) only(keep func(Change) bool) Plan {
	return slices.DeleteFunc(slices.Clone(p), func(c Change) bool { return !keep(c) })
}

// authority fills in which changes the bootstrapper may make, by the text that its
// policy has on the server.
func (p Plan) authority(mount string, observed Observed) Plan {
	policy := rulesOf(observed.Policies[bootstrapperName])
	for i, c := range p {
		p[i].NeedsAdmin = c.Kind == KindMount || !bootstrapperMay(policy, mount, c)
	}
	return p
}

func bootstrapperMay(policy ruleSet, mount string, c Change) bool {
	path := c.Request.Path
	switch {
	case c.Action == Delete && c.Kind == KindPolicy:
		return policy.allows("delete", PolicyPath(c.Name), nil)
	case c.Action == Delete:
		return policy.allows("delete", RolePath(mount, c.Name), nil)
	case c.Kind == KindRole:
		return policy.allows(string(c.Action), RolePath(mount, PinnedRoleName(c.Name)), c.Request.Data)
	}
	// Only roles tell a create from an update.
	return policy.allows("update", path, c.Request.Data)
}

// Diff returns what has to change for the server to hold the contract. Things
// that mean the same are the same, however they are spelled.
func Diff(desired Contract, observed Observed, recorded Recorded) Plan {
	var plan Plan
	switch {
	case observed.Mount == nil:
		plan = append(plan, Change{Kind: KindMount, Name: desired.Mount.Path, Action: Create, Request: mountRequest(desired.Mount)})
	case observed.Mount.Type != desired.Mount.Type:
		// The type of a mount cannot be changed, only the whole mount removed.
		plan = append(plan, Change{
			Kind: KindMount, Name: desired.Mount.Path, Action: Update, Fields: []string{"type"}, Conflict: true,
			Request: mountRequest(desired.Mount),
		})
	}

	request := configRequest(desired.Mount, desired.Config)
	if observed.Config == nil {
		plan = append(plan, Change{Kind: KindConfig, Name: desired.Mount.Path, Action: Create, Request: request})
	} else if fields := compare(configFields, configData(request.Data), observed.Config); len(fields) > 0 {
		plan = append(plan, Change{
			Kind: KindConfig, Name: desired.Mount.Path, Action: Update, Fields: fields, Conflict: !recorded.Config, Request: request,
		})
	}

	compared := map[string]bool{}
	for _, g := range desired.Grants {
		if !compared[g.Policy.Name] {
			compared[g.Policy.Name] = true
			plan = append(plan, diffPolicy(g, observed, recorded)...)
		}
		plan = append(plan, diffRole(desired.Mount, g, observed, recorded)...)
	}
	plan = append(plan, prune(desired, observed, recorded)...)
	return plan.authority(desired.Mount.Path, observed).states(observed)
}

func diffPolicy(g Grant, observed Observed, recorded Recorded) Plan {
	text, ok := observed.Policies[g.Policy.Name]
	if !ok {
		return Plan{{Kind: KindPolicy, Name: g.Policy.Name, Action: Create, Request: policyRequest(g)}}
	}
	var fields []string
	if slices.Contains(observed.Expiring, g.Policy.Name) {
		fields = append(fields, "expiration")
	}
	if !EqualPolicies(g.Policy.Text, text) {
		fields = append(fields, "policy")
	}
	if len(fields) == 0 {
		return nil
	}
	return Plan{{
		Kind: KindPolicy, Name: g.Policy.Name, Action: Update, Fields: fields,
		Conflict: !slices.Contains(recorded.Policies, g.Policy.Name), Request: policyRequest(g),
	}}
}

// diffRole returns what has to change about a role. For one that is bound to an
// account, the claims are a change of their own: only an admin token may write them,
// and what else differs must not wait for that.
func diffRole(mount Mount, g Grant, observed Observed, recorded Recorded) Plan {
	request := roleRequest(mount, g)
	role, ok := observed.Roles[g.Role.Name]
	if !ok {
		if g.Role.AwaitsAccount() {
			return nil
		}
		return Plan{{Kind: KindRole, Name: g.Role.Name, Action: Create, Request: request}}
	}
	var plan Plan
	update := func(request Request, fields ...string) {
		if len(fields) > 0 {
			plan = append(plan, Change{
				Kind: KindRole, Name: g.Role.Name, Action: Update, Fields: fields,
				Conflict: !slices.Contains(recorded.Roles, g.Role.Name), Request: request,
			})
		}
	}
	fields := compare(roleFields, request.Data, role)
	if !g.Role.BoundToAccount {
		update(request, fields...)
		return plan
	}
	others := request
	others.Data = withoutClaims(request.Data)
	update(others, slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return f == boundClaims })...)
	if slices.Contains(fields, boundClaims) && !g.Role.AwaitsAccount() {
		update(request, boundClaims)
	}
	return plan
}

// prune returns the deletion of what was recorded and is no longer wanted,
// roles before the policies that they name.
func prune(desired Contract, observed Observed, recorded Recorded) Plan {
	var plan Plan
	wanted := desired.RoleNames()
	for _, name := range slices.Sorted(slices.Values(recorded.Roles)) {
		if _, exists := observed.Roles[name]; exists && !slices.Contains(wanted, name) {
			plan = append(plan, Change{Kind: KindRole, Name: name, Action: Delete})
		}
	}
	wanted = desired.PolicyNames()
	for _, name := range slices.Sorted(slices.Values(recorded.Policies)) {
		// A record that was tampered with must not cost someone else a policy.
		if _, ours := reservedFor(name); !ours {
			continue
		}
		if _, exists := observed.Policies[name]; exists && !slices.Contains(wanted, name) {
			plan = append(plan, Change{Kind: KindPolicy, Name: name, Action: Delete})
		}
	}
	return ownLast(plan)
}

// ownLast moves what is the bootstrapper's own to the end: it is what the rest may
// be changed with.
func ownLast(plan Plan) Plan {
	own := plan.only(func(c Change) bool { return c.Name == bootstrapperName })
	return append(plan.only(func(c Change) bool { return c.Name != bootstrapperName }), own...)
}

// Removal returns what has to be deleted when nothing is requested any more: the
// recorded roles, then the recorded policies, the bootstrapper's own after those,
// and at last the mount, if it was created for this cluster and no role of anyone
// else is in it.
func Removal(observed Observed, recorded Recorded) Plan {
	plan := prune(Contract{}, observed, recorded)
	mount := recorded.Mount
	if observed.Mount != nil && recorded.MountCreated && observed.Mount.Path == mount && observed.Mount.Type == MountType &&
		observed.MountRoles != nil && !slices.ContainsFunc(observed.MountRoles, func(role string) bool {
		return !slices.Contains(recorded.Roles, role)
	}) {
		plan = append(plan, Change{Kind: KindMount, Name: mount, Action: Delete})
	}
	return plan.authority(mount, observed).states(observed)
}
