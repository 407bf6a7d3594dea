// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// minAutopilotQuorum is the least min_quorum with which OpenBao removes servers.
const minAutopilotQuorum = 3

// Autopilot returns the body of a request to
// sys/storage/raft/autopilot/configuration. Numbers and durations are texts, which
// OpenBao reads as well: only texts and booleans can be pinned by a policy.
//
// Dead servers are removed from three servers on, and never so many that fewer than
// min_quorum are left. Its default is one less than the servers, but at least three,
// so that with three servers none is removed.
//
// The error joins one *authz.SpecError for each mistake in the spec.
func Autopilot(c *openbaov1alpha1.OpenBaoCluster) (map[string]any, error) {
	const prefix = "spec.configuration.raft.autopilot."
	var p problems
	var a openbaov1alpha1.AutopilotSpec
	if s := c.Spec.Configuration; s != nil && s.Raft != nil && s.Raft.Autopilot != nil {
		a = *s.Raft.Autopilot
	}
	replicas := int32(3)
	if c.Spec.Replicas != nil {
		replicas = *c.Spec.Replicas
	}
	quorum := max(minAutopilotQuorum, replicas-1)
	if a.MinQuorum != nil {
		if quorum = *a.MinQuorum; quorum < minAutopilotQuorum {
			p.add(prefix+"minQuorum", "%d is too low for OpenBao; set at least %d", quorum, minAutopilotQuorum)
		}
	}
	trailing := int32(1000)
	if a.MaxTrailingLogs != nil {
		if trailing = *a.MaxTrailingLogs; trailing < 1 {
			p.add(prefix+"maxTrailingLogs", "%d is too low; set at least 1", trailing)
		}
	}
	seconds := func(field, text, standard string, minimum time.Duration) string {
		d := p.duration(prefix+field, cmp.Or(text, standard), minimum)
		if d%time.Second != 0 {
			p.add(prefix+field, "%s is not a whole number of seconds; OpenBao counts in seconds", text)
		}
		return fmt.Sprintf("%ds", int64(d/time.Second))
	}
	body := map[string]any{
		"cleanup_dead_servers":               replicas >= minAutopilotQuorum && (a.CleanupDeadServers == nil || *a.CleanupDeadServers),
		"dead_server_last_contact_threshold": seconds("deadServerLastContactThreshold", a.DeadServerLastContactThreshold, "5m", time.Minute),
		"min_quorum":                         strconv.Itoa(int(quorum)),
		"server_stabilization_time":          seconds("serverStabilizationTime", a.ServerStabilizationTime, "10s", 0),
		"last_contact_threshold":             seconds("lastContactThreshold", a.LastContactThreshold, "10s", time.Second),
		"max_trailing_logs":                  strconv.Itoa(int(trailing)),
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return body, nil
}

// DiffAutopilot returns the names of the settings, sorted, that a server has otherwise
// than a body of Autopilot wants them. have is what the server answers to a read of the
// same path: it writes durations and numbers in its own way.
func DiffAutopilot(want, have map[string]any) []string {
	var differs []string
	for name, value := range want {
		if got, ok := have[name]; !ok || canonical(got) != canonical(value) {
			differs = append(differs, name)
		}
	}
	slices.Sort(differs)
	return differs
}

// canonical returns one text for all ways to write a setting of the autopilot.
func canonical(value any) string {
	text := fmt.Sprint(value)
	if d, err := time.ParseDuration(text); err == nil {
		return d.String()
	}
	return text
}
