// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const defaultCloud = "google-europe-west1"

// serviceType is what differs between the types of service.
type serviceType struct {
	// plans are the names of the plans.
	plans planSet
	// diskMB is the disk of a plan's smallest size, 0 when it has none. The
	// number in a plan's name multiplies it.
	diskMB int
	// startupNodes is the node count of hobbyist, free and startup plans.
	startupNodes int
	// backups tells whether backups are taken.
	backups bool
	// admin is the built-in user, which cannot be deleted.
	admin string
	// users tells whether service users can be added.
	users bool
	// certificates gives users client certificates.
	certificates bool
	// defaults are user configuration values that the schema does not give.
	defaults map[string]any
	// created completes a service after its first build.
	created func(*Service)
	// endpoints lists the components. Ports are offsets from the service's own.
	endpoints func(*Service) []Component
	// connection fills the URI, its parameters and connection_info.
	connection func(sv *Service, secrets bool, view map[string]any)
}

// Component is one network endpoint of a service.
type Component struct {
	Component            string `json:"component"`
	Host                 string `json:"host"`
	Port                 int    `json:"port"`
	Route                string `json:"route"`
	Usage                string `json:"usage"`
	Path                 string `json:"path,omitempty"`
	SSL                  *bool  `json:"ssl,omitempty"`
	AuthenticationMethod string `json:"kafka_authentication_method,omitempty"`
}

func endpoint(sv *Service, name string, port int) Component {
	return Component{Component: name, Host: sv.Host, Port: port, Route: "dynamic", Usage: "primary"}
}

// serviceTypes is the table of the types that the simulator knows.
func serviceTypes() map[string]serviceType {
	return map[string]serviceType{
		"clickhouse":    clickhouseType(),
		"flink":         flinkType(),
		"grafana":       grafanaType(),
		"kafka":         kafkaType(),
		"kafka_connect": kafkaConnectType(),
		"mysql":         mysqlType(),
		"opensearch":    opensearchType(),
		"pg":            pgType(),
		"valkey":        valkeyType(),
	}
}

func typeNames() string {
	return strings.Join(slices.Sorted(maps.Keys(serviceTypes())), ", ")
}

var planSize = regexp.MustCompile(`(\d+)$`)

// planDisk is the disk of a plan in MiB.
func (t serviceType) planDisk(plan string) int {
	if m := planSize.FindString(plan); m != "" {
		n, err := strconv.Atoi(m)
		if err == nil {
			return t.diskMB * n
		}
	}
	return t.diskMB
}

// planNodes is the number of nodes of a plan.
func (t serviceType) planNodes(plan string) int {
	switch {
	case strings.HasPrefix(plan, "business-"):
		return max(2, t.startupNodes)
	case strings.HasPrefix(plan, "premium-"):
		if n, _, ok := strings.Cut(strings.TrimPrefix(plan, "premium-"), "x-"); ok {
			if nodes, err := strconv.Atoi(n); err == nil {
				return nodes
			}
		}
		return max(3, t.startupNodes)
	default:
		return t.startupNodes
	}
}
