// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"slices"
)

const settingIPFilter = "ip_filter"

// openNote tells that a service accepts connections from everywhere because its IP
// filter left the spec: that is its default.
const openNote = "userConfig.ip_filter was removed, so the service accepts connections from every address (0.0.0.0/0, ::/0): set it to limit them; [] lets nobody in."

// isOpen reports whether a user configuration lets every address in.
func isOpen(shown map[string]any) bool {
	filter, ok := shown[settingIPFilter].([]any)
	if !ok {
		return true
	}
	return slices.ContainsFunc(filter, func(entry any) bool {
		network := entry
		if object, ok := entry.(map[string]any); ok {
			network = object["network"]
		}
		return network == "0.0.0.0/0" || network == "::/0"
	})
}

// namesIPFilter reports whether the spec says who may connect.
func (d desiredService) namesIPFilter() bool {
	_, ok := d.newConfig[settingIPFilter]
	return ok
}

// removesIPFilter reports whether an update takes the IP filter away.
func removesIPFilter(removed []settingPath) bool {
	return slices.ContainsFunc(removed, func(p settingPath) bool { return slices.Equal(p, settingPath{settingIPFilter}) })
}
