// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import "time"

// The states of a service.
const (
	StateRunning     = "RUNNING"
	StateRebuilding  = "REBUILDING"
	StateRebalancing = "REBALANCING"
	StatePoweroff    = "POWEROFF"
)

// Service is the state of one service. What callers are given is a copy.
type Service struct {
	Project               string
	Name                  string
	Type                  string
	Plan                  string
	Cloud                 string
	State                 string
	Powered               bool
	Host                  string
	Port                  int
	DiskSpaceMB           int
	ProjectVPCID          string
	TerminationProtection bool
	Maintenance           Maintenance
	Tags                  map[string]string
	TechEmails            []string
	// UserConfig holds the defaults and what was set.
	UserConfig   map[string]any
	Integrations []*Integration
	Backups      []Backup
	Users        []*User
	Databases    []*Database
	Pools        []*Pool
	Topics       []*Topic
	ACLs         []ACL
	NativeACLs   []*NativeACL
	RegistryACLs []RegistryACL
	Quotas       []*Quota
	// Registry is nil until the schema registry is used.
	Registry   *Registry
	Connectors []*Connector
	// OpenSearchACL and ClickHouse are nil for other types.
	OpenSearchACL *OpenSearchACL
	ClickHouse    *ClickHouse
	CreateTime    time.Time
	UpdateTime    time.Time

	// built is false until the first build has ended.
	built bool
	// readyAt ends REBUILDING and REBALANCING.
	readyAt time.Time
	// leaving is the VPC that the service moves out of until it is ready.
	leaving string
	kind    serviceType
	ca      *authority
	tasks   map[string]any
	// front is the real PostgreSQL behind a pg service, if any.
	front *postgresFront
}

// Maintenance is the weekly maintenance window.
type Maintenance struct {
	Dow  string
	Time string
}

// Backup is one backup of a service.
type Backup struct {
	Name string
	Time time.Time
	Size int
}

// settle brings the state up to date with the clock.
func (sv *Service) settle(now time.Time) {
	if (sv.State == StateRebuilding || sv.State == StateRebalancing) && !now.Before(sv.readyAt) {
		sv.ready(now)
	}
}

// ready ends a build or a change.
func (sv *Service) ready(now time.Time) {
	sv.State, sv.leaving = StateRunning, ""
	if !sv.built {
		sv.built = true
		if sv.kind.backups {
			sv.Backups = []Backup{{Name: "backup-" + now.UTC().Format("20060102t150405z"), Time: now, Size: 1 << 20}}
		}
		sv.kind.created(sv)
	}
}

// writable refuses a write to a child of a service that cannot take it.
func (sv *Service) writable() error {
	switch {
	case sv.State == StatePoweroff:
		return conflict("Service is powered off")
	case sv.State == StateRebuilding:
		return errf(503, "Service is not running yet, try again later")
	default:
		return nil
	}
}

// configBool reads a boolean of the user configuration.
func (sv *Service) configBool(key string) bool {
	v, _ := sv.UserConfig[key].(bool)
	return v
}
