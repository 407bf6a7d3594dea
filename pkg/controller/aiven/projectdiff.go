// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

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
