// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"fmt"
	"slices"
	"time"
)

// view is the service as the API shows it.
func (sv *Service) view(now time.Time, secrets bool) map[string]any {
	nodes := sv.kind.planNodes(sv.Plan)
	out := map[string]any{
		"service_name":             sv.Name,
		"service_type":             sv.Type,
		"service_type_description": sv.Type,
		"plan":                     sv.Plan,
		"cloud_name":               sv.Cloud,
		"state":                    sv.State,
		"create_time":              timestamp(sv.CreateTime),
		"update_time":              timestamp(sv.UpdateTime),
		"group_list":               []string{"default"},
		"node_count":               nodes,
		"node_cpu_count":           2,
		"node_memory_mb":           4096,
		"node_states":              sv.nodeStates(nodes),
		"project_vpc_id":           nullable(sv.ProjectVPCID),
		"termination_protection":   sv.TerminationProtection,
		"maintenance": map[string]any{
			"dow": sv.Maintenance.Dow, "time": sv.Maintenance.Time, "enabled": true, "updates": []any{},
		},
		"tags":                  sv.Tags,
		"tech_emails":           emails(sv.TechEmails),
		"user_config":           sv.UserConfig,
		"service_integrations":  sv.integrationViews(),
		"service_notifications": []any{},
		"backups":               sv.backupViews(),
		"users":                 []any{},
		"components":            sv.components(),
		"connection_info":       map[string]any{},
		"service_uri":           nil,
		"service_uri_params":    map[string]string{},
		"features":              map[string]any{},
		"metadata":              map[string]any{},
	}
	if sv.kind.diskMB > 0 {
		out["disk_space_mb"] = sv.DiskSpaceMB
	}
	if sv.built {
		users := []any{}
		for _, u := range sv.Users {
			users = append(users, u.view(secrets))
		}
		out["users"] = users
		sv.kind.connection(sv, secrets, out)
		if sv.Type == "kafka" {
			out["topics"] = sv.topicViews(now)
		}
	}
	return out
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func emails(list []string) []any {
	out := []any{}
	for _, e := range list {
		out = append(out, map[string]string{"email": e})
	}
	return out
}

func (sv *Service) components() []Component {
	return slices.Clip(sv.kind.endpoints(sv))
}

func (sv *Service) nodeStates(count int) []any {
	out := []any{}
	if sv.State == StatePoweroff {
		return out
	}
	state := "running"
	if sv.State == StateRebuilding {
		state = "setting_up_vm"
	}
	for i := range count {
		node := map[string]any{"name": fmt.Sprintf("%s-%d", sv.Name, i+1), "state": state, "availability_zone": "zone-1"}
		if sv.kind.backups && sv.Type != "clickhouse" && sv.Type != "opensearch" {
			node["role"] = "standby"
			if i == 0 {
				node["role"] = "master"
			}
		}
		out = append(out, node)
	}
	return out
}

func (sv *Service) backupViews() []any {
	out := []any{}
	for _, b := range sv.Backups {
		out = append(out, map[string]any{"backup_name": b.Name, "backup_time": timestamp(b.Time), "data_size": b.Size})
	}
	return out
}

func (sv *Service) integrationViews() []any {
	out := []any{}
	for _, i := range sv.Integrations {
		out = append(out, i.view())
	}
	return out
}
