// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"fmt"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// observation is what a server holds.
type observation struct {
	authz.Observed
	// policies are those that were read, as it takes to replace them.
	policies map[string]openbao.Policy
	// denied are the names that a lenient reader may not read.
	denied map[authz.Kind][]string
}

// observe reads from the server all that the contract and the record name. What
// a lenient reader may not read looks as if it were not there: the policy of the
// bootstrapper on the server is then another than the contract's, which shows.
func (s session) observe(ctx context.Context, lenient bool) (observation, error) {
	observed := observation{
		Observed: authz.Observed{Policies: map[string]string{}, Roles: map[string]map[string]any{}},
		policies: map[string]openbao.Policy{}, denied: map[authz.Kind][]string{},
	}
	absent := func(err error, kind authz.Kind, name string) bool {
		if lenient && openbao.ClassOf(err) == openbao.PermissionDenied {
			observed.denied[kind] = append(observed.denied[kind], name)
			return true
		}
		return openbao.IsNotFound(err)
	}
	recorded := s.recorded()
	path := authz.MountPath
	s.audiencesRead = map[string][]string{}
	for _, name := range distinct(s.contract.PolicyNames(), recorded.Policies, s.intents().pending(authz.KindPolicy), s.unprovedNames(authz.KindPolicy)) {
		policy, err := s.client.ReadPolicy(ctx, name)
		if absent(err, authz.KindPolicy, name) {
			continue
		}
		if err != nil {
			return observed, err
		}
		observed.policies[name] = policy
		observed.Policies[name] = policy.Text
		if policy.Expires {
			observed.Expiring = append(observed.Expiring, name)
		}
	}

	mounts, err := s.client.AuthMounts(ctx)
	if err != nil {
		return observed, err
	}
	mount, ok := mounts[path]
	if !ok {
		return observed, nil
	}
	observed.Mount = &authz.Mount{Path: path, Type: mount.Type, Description: mount.Description}
	if mount.Type != authz.MountType {
		// What such a mount holds has other meanings.
		return observed, nil
	}
	if observed.Config, err = s.client.ReadConfig(ctx, path); err != nil && !absent(err, authz.KindConfig, path) {
		return observed, err
	}
	for _, name := range distinct(s.contract.RoleNames(), recorded.Roles, s.intents().pending(authz.KindRole), s.unprovedNames(authz.KindRole)) {
		role, err := s.client.ReadRole(ctx, path, name)
		if absent(err, authz.KindRole, name) {
			continue
		}
		if err != nil {
			return observed, err
		}
		observed.Roles[name] = role
		s.audiencesRead[name] = authz.AudiencesOf(role)
	}
	return observed, nil
}

// apply makes one change. policies are those that were read. What is to be created must
// not be there by then: the server compares policies and mounts by itself, and the rest
// is read again.
func (s session) apply(ctx context.Context, mount authz.Mount, change authz.Change, policies map[string]openbao.Policy) error {
	server, data := s.client, change.Request.Data
	switch {
	case change.Kind == authz.KindMount && change.Action == authz.Delete:
		return server.DisableAuth(ctx, change.Name)
	case change.Kind == authz.KindMount:
		return server.EnableAuth(ctx, change.Name, openbao.Mount{Type: mount.Type, Description: mount.Description})
	case change.Kind == authz.KindConfig:
		if err := stillAbsent(change, func() error { _, err := server.ReadConfig(ctx, change.Name); return err }); err != nil {
			return err
		}
		return writeConfig(ctx, server, change.Name, data)
	case change.Kind == authz.KindPolicy && change.Action == authz.Delete:
		return server.DeletePolicy(ctx, change.Name)
	case change.Kind == authz.KindPolicy:
		text, _ := data["policy"].(string)
		var read *openbao.Policy
		if policy, ok := policies[change.Name]; ok {
			read = &policy
		}
		return server.WritePolicy(ctx, change.Name, text, read)
	case change.Kind == authz.KindRole && change.Action == authz.Delete:
		return server.DeleteRole(ctx, mount.Path, change.Name)
	case change.Kind == authz.KindRole:
		if err := stillAbsent(change, func() error { _, err := server.ReadRole(ctx, mount.Path, change.Name); return err }); err != nil {
			return err
		}
		return server.WriteRole(ctx, mount.Path, s.spell(change.Name), data)
	}
	return fmt.Errorf("no way to %s a %s", change.Action, change.Kind)
}

// stillAbsent returns a conflict if what is to be created is there by now.
func stillAbsent(change authz.Change, read func() error) error {
	if change.Action != authz.Create {
		return nil
	}
	switch err := read(); {
	case openbao.IsNotFound(err):
		return nil
	case err != nil:
		return err
	}
	return &openbao.Error{
		Class: openbao.Conflict, Op: fmt.Sprintf("create the %s %s", change.Kind, change.Name), Detail: "somebody else has created it since it was read",
	}
}
