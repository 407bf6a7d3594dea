// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"
	"net/http"
	"slices"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// What is about to be written is recorded before, and is ours only once the server
// has confirmed it: by its answer, or by what a later login reads.

// recordIntent records the changes that are about to be sent, each by itself.
func (t *task) recordIntent(ctx context.Context, changes authz.Plan) error {
	record := t.record()
	record.Mount = t.contract.Mount.Path
	record.Pending = pendingChanges(changes)
	if record.Digest != t.digest {
		// From here on the server may hold neither the old contract nor the new one.
		record.Digest = ""
	}
	// What was proved is about to change.
	record.ProvedAt, record.RefusalsProvedAt = nil, nil
	return t.persist(ctx)
}

func pendingChanges(changes authz.Plan) []openbaov1alpha1.PendingChange {
	var pending []openbaov1alpha1.PendingChange
	for _, c := range changes {
		if !c.Conflict {
			pending = append(pending, openbaov1alpha1.PendingChange{
				Kind: string(c.Kind), Name: c.Name, Action: string(c.Action), Before: c.Before, After: c.After,
			})
		}
	}
	return pending
}

// intents are the changes of a record that are under way, and what they made so far.
type intents struct {
	*openbaov1alpha1.AuthorizationStatus
}

func (t *task) intents() intents { return intents{t.record()} }

// confirm records that the server has made a change.
func (i intents) confirm(kind authz.Kind, name string, action authz.Action) {
	deleted := action == authz.Delete
	switch kind {
	case authz.KindMount:
		i.MountCreated = !deleted
	case authz.KindConfig:
		i.ConfigWritten = !deleted
	case authz.KindPolicy:
		i.Policies = with(i.Policies, name, !deleted)
	case authz.KindRole:
		i.Roles = with(i.Roles, name, !deleted)
	}
	i.drop(kind, name)
}

// drop forgets an intent that came to nothing.
func (i intents) drop(kind authz.Kind, name string) {
	i.Pending = slices.DeleteFunc(i.Pending, func(p openbaov1alpha1.PendingChange) bool {
		return p.Kind == string(kind) && p.Name == name
	})
	if len(i.Pending) == 0 {
		i.Pending = nil
	}
}

// failed settles the intents after a change got err. Those that follow it were not
// sent, and it is dropped itself if the server has refused it.
func (i intents) failed(change authz.Change, rest authz.Plan, err error) {
	for _, c := range rest {
		i.drop(c.Kind, c.Name)
	}
	if refusal(err) {
		i.drop(change.Kind, change.Name)
	}
}

// refusal reports whether an error says that nothing was changed. Without an answer,
// or with one of a server in trouble, that is not known.
func refusal(err error) bool {
	var remote *openbao.Error
	if !errors.As(err, &remote) {
		return false
	}
	return remote.Class == openbao.Invalid && remote.StatusCode == 0 || remote.Class == openbao.Conflict ||
		remote.StatusCode >= http.StatusBadRequest && remote.StatusCode < http.StatusInternalServerError
}

// settle finds out, from what a login has read, what became of changes whose answer
// is not known. What is there neither as it was nor as it was to be is somebody
// else's.
func (i intents) settle(observed observation) {
	for _, p := range slices.Clone(i.Pending) {
		kind := authz.Kind(p.Kind)
		if slices.Contains(observed.denied[kind], p.Name) {
			continue
		}
		switch now := authz.StateOf(observed.Observed, kind, p.Name); {
		case now == p.After && now != p.Before:
			i.confirm(kind, p.Name, authz.Action(p.Action))
		case authz.Action(p.Action) == authz.Delete && now != p.Before:
			// It was deleted, and somebody has made another one since.
			i.confirm(kind, p.Name, authz.Delete)
		default:
			i.drop(kind, p.Name)
		}
	}
}

// pending returns the names of a kind with an intent.
func (i intents) pending(kind authz.Kind) []string {
	var names []string
	for _, p := range i.Pending {
		if p.Kind == string(kind) {
			names = append(names, p.Name)
		}
	}
	return names
}

// with returns the sorted set of names, with or without one.
func with(names []string, name string, wanted bool) []string {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
	if wanted {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
