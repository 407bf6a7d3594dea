// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// projectIdentity names a project, whichever kind of object stands for it: the
// names of projects are Aiven's, not an organization's.
func projectIdentity(name string) string { return "project " + name }

// projectFields compares what both kinds of projects have: tags and technical
// emails.
func projectFields(wantTags map[string]string, wantEmails []string, tags map[string]string, emails []string) []optionalField {
	return []optionalField{
		{name: fieldEmails, named: wantEmails != nil, equal: addressesEqual(wantEmails, emails)},
		{name: fieldTags, named: wantTags != nil, equal: tagsEqual(wantTags, tags)},
	}
}

// projectConnection is what there is to publish of a project, its CA, also in
// other forms that older applications expect.
func (r *remote) projectConnection(obj v1alpha1.Publisher, project string, forms ...func(...pair) connection) (connection, error) {
	if !publishes(obj) {
		return nil, nil
	}
	ca, err := r.CA(project)
	if err != nil {
		return nil, err
	}
	out := details(obj, pair{"CA_CERT", ca})
	for _, form := range forms {
		out.merge(form(pair{"CA_CERT", ca}))
	}
	return out, nil
}

// addresses takes the email addresses out of a list of Aiven's.
func addresses[T any](list []T, of func(T) string) []string {
	out := make([]string, 0, len(list))
	for _, item := range list {
		out = append(out, of(item))
	}
	return out
}

// addressed makes such a list of email addresses; an empty one means none.
func addressed[T any](list []string, to func(string) T) *[]T {
	out := make([]T, 0, len(list))
	for _, address := range list {
		out = append(out, to(address))
	}
	return &out
}

// addressesEqual compares lists of email addresses as Aiven keeps them: in any
// order, without duplicates and with the domain in lower case.
func addressesEqual(want, got []string) bool {
	normal := func(list []string) []string {
		var out []string
		for _, address := range list {
			if at := strings.LastIndexByte(address, '@'); at >= 0 {
				address = address[:at] + strings.ToLower(address[at:])
			}
			out = append(out, address)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return slices.Equal(normal(want), normal(got))
}

// notEmptyRetry is the time between two attempts to delete a project that is in
// use: nothing that the object reads tells when the last service has gone.
const notEmptyRetry = 10 * time.Second

// projectInUse turns Aiven's refusal to delete a project with something in it
// into something to wait for.
func projectInUse(err error) error {
	switch aiven.ClassOf(err) {
	case aiven.Forbidden, aiven.Conflict, aiven.Invalid:
		if message := aivenMessage(err); strings.Contains(message, "cannot be deleted") {
			p := reconcile.Waiting(reasonProjectInUse, message+".")
			p.Phase, p.Next = reconcile.PhaseDelete, reconcile.After(notEmptyRetry)
			return p
		}
	}
	return err
}

// tagsOf returns an empty map for none, so that JSON has an object.
func tagsOf(tags map[string]string) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}
