// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import "slices"

// Observed is what a server holds of the names that a contract is about.
type Observed struct {
	// Mount is nil if nothing is mounted at the path.
	Mount *Mount
	// Config is the config of the mount as the server answers it, nil if none
	// was ever written.
	Config map[string]any
	// Policies are the texts by name; a policy that does not exist is not in it.
	Policies map[string]string
	// Roles are the roles as the server answers them, by name.
	Roles map[string]map[string]any
}

// Recorded is what was written for this cluster before. Only what is recorded
// may be changed or removed.
type Recorded struct {
	// Mount is the path of the mount, empty if it was not written.
	Mount    string
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
	// Request makes the change; it is zero for a delete.
	Request Request
}

// Plan is the list of changes in the order in which they must be made.
type Plan []Change

// Conflicts returns the changes that may not be made.
func (p Plan) Conflicts() Plan {
	return slices.DeleteFunc(slices.Clone(p), func(c Change) bool { return !c.Conflict })
}

// Diff returns what has to change for the server to hold the contract. Things
// that mean the same are the same, however they are spelled.
func Diff(desired Contract, observed Observed, recorded Recorded) Plan {
	var plan Plan
	mountRecorded := recorded.Mount == desired.Mount.Path
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
			Kind: KindConfig, Name: desired.Mount.Path, Action: Update, Fields: fields, Conflict: !mountRecorded, Request: request,
		})
	}

	for _, g := range desired.Grants {
		if text, ok := observed.Policies[g.Policy.Name]; !ok {
			plan = append(plan, Change{Kind: KindPolicy, Name: g.Policy.Name, Action: Create, Request: policyRequest(g)})
		} else if !EqualPolicies(g.Policy.Text, text) {
			plan = append(plan, Change{
				Kind: KindPolicy, Name: g.Policy.Name, Action: Update, Fields: []string{"policy"},
				Conflict: !slices.Contains(recorded.Policies, g.Policy.Name), Request: policyRequest(g),
			})
		}
		request := roleRequest(desired.Mount, g)
		if role, ok := observed.Roles[g.Role.Name]; !ok {
			plan = append(plan, Change{Kind: KindRole, Name: g.Role.Name, Action: Create, Request: request})
		} else if fields := compare(roleFields, request.Data, role); len(fields) > 0 {
			plan = append(plan, Change{
				Kind: KindRole, Name: g.Role.Name, Action: Update, Fields: fields,
				Conflict: !slices.Contains(recorded.Roles, g.Role.Name), Request: request,
			})
		}
	}
	return append(plan, prune(desired, observed, recorded)...)
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
		if _, exists := observed.Policies[name]; exists && !slices.Contains(wanted, name) {
			plan = append(plan, Change{Kind: KindPolicy, Name: name, Action: Delete})
		}
	}
	return plan
}
