// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"slices"
	"strings"
)

// selectKinds returns the known kinds that --controllers asks for, in the order
// of known. A name wins over "*", and "-name" over both; "-name" alone leaves
// out of all. Neither "*" nor all includes the kinds of offByDefault, which have to
// be named.
func selectKinds(known, offByDefault, asked []string) ([]string, error) {
	var all, onlyRemovals = false, true
	wanted := map[string]bool{}
	var unknown []string
	for _, a := range asked {
		a = strings.TrimSpace(a)
		if a == "*" {
			all, onlyRemovals = true, false
			continue
		}
		name, removed := strings.CutPrefix(a, "-")
		i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
		if i < 0 {
			unknown = append(unknown, fmt.Sprintf("%q", name))
			continue
		}
		onlyRemovals = onlyRemovals && removed
		if old, ok := wanted[known[i]]; !ok || old {
			wanted[known[i]] = !removed
		}
	}
	if len(unknown) > 0 {
		sorted := slices.Sorted(slices.Values(known))
		return nil, fmt.Errorf("--controllers: unknown kind %s; known are %s", strings.Join(unknown, ", "), strings.Join(sorted, ", "))
	}
	var out []string
	for _, k := range known {
		w, named := wanted[k]
		if named && w || !named && (all || onlyRemovals) && !slices.Contains(offByDefault, k) {
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("--controllers=%s selects no kind", strings.Join(asked, ","))
	}
	return out, nil
}
