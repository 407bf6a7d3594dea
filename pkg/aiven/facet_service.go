// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aiven/go-client-codegen/handler/service"
)

// serviceFacet reads a service with everything that its one answer carries
// (GET /v1/project/{p}/service/{s}?include_secrets=true).
type serviceFacet struct{}

func (serviceFacet) fetch(ctx context.Context, d Doer, key entryKey, _ snapshot) (snapshot, error) {
	services := service.NewHandler(d)
	out, err := services.ServiceGet(ctx, key.project, key.service, service.ServiceGetIncludeSecrets(true))
	if ClassOf(err) == NotFound {
		return &serviceSnapshot{noProject: isProjectMissing(err)}, nil
	}
	if err != nil {
		return nil, err
	}
	return newServiceSnapshot(out), nil
}

// outsideService are the parts of a service's path whose changes the service
// itself does not show.
var outsideService = [...]string{"topic", "connectors", "quota", "task", "kafka/schema/", "clickhouse/query", "opensearch/acl"}

func (serviceFacet) concerns(w *write, key entryKey, now snapshot) bool {
	if w.project != key.project {
		return false
	}
	if w.integration != "" {
		// The path does not say between which services. A snapshot that is not
		// there yet, or being fetched, is not worth an exception.
		s, ok := now.(*serviceSnapshot)
		return !ok || s.hasIntegration(w.integration)
	}
	if !slices.Contains(w.services, key.service) {
		return false
	}
	about := strings.Join(w.rest, "/") + "/"
	return !slices.ContainsFunc(outsideService[:], func(outside string) bool {
		return strings.HasPrefix(about, strings.TrimSuffix(outside, "/")+"/")
	})
}

// serviceSnapshot is a service cut into the parts that objects read.
type serviceSnapshot struct {
	core *service.ServiceGetOut // nil: the service does not exist
	// noProject says that its project does not exist either.
	noProject bool

	users     *set[service.UserOut]
	databases *set[string]
	pools     *set[service.ConnectionPoolOut]
	acls      *set[service.AclOut] // by aclName
	aclIDs    *set[service.AclOut] // the same by id

	nativeACLs   *[]service.KafkaAclOut
	registryACLs *[]service.SchemaRegistryAclOut
	integrations *[]service.ServiceIntegrationOut
	components   *[]service.ComponentOut
	nodes        *[]service.NodeStateOut
	backups      *[]service.BackupOut
}

// newServiceSnapshot takes out apart.
func newServiceSnapshot(out *service.ServiceGetOut) *serviceSnapshot {
	s := &serviceSnapshot{
		users:        newSet(pointers(out.Users), userName),
		databases:    newSet(pointers(out.Databases), func(name *string) string { return *name }),
		pools:        newSet(pointers(out.ConnectionPools), func(p *service.ConnectionPoolOut) string { return p.PoolName }),
		acls:         newSet(pointers(out.Acl), aclName),
		nativeACLs:   &out.KafkaAcl,
		registryACLs: &out.SchemaRegistryAcl,
		integrations: &out.ServiceIntegrations,
		components:   &out.Components,
		nodes:        &out.NodeStates,
		backups:      &out.Backups,
	}
	s.aclIDs = newSet(s.acls.all(), aclID)
	for i := range out.NodeStates {
		out.NodeStates[i].ProgressUpdates = nil
	}
	s.core = coreOf(out)
	return s
}

// coreOf returns the service without its parts and without what changes by
// itself.
func coreOf(out *service.ServiceGetOut) *service.ServiceGetOut {
	core := *out
	core.Users, core.Databases, core.ConnectionPools, core.Acl = nil, nil, nil, nil
	core.KafkaAcl, core.SchemaRegistryAcl, core.ServiceIntegrations = nil, nil, nil
	core.Components, core.NodeStates, core.Backups, core.Topics = nil, nil, nil, nil
	core.ServiceNotifications = nil
	core.UpdateTime = time.Time{}
	core.FirstUseTime = nil
	return &core
}

func userName(u *service.UserOut) string { return u.Username }

// aclName orders ACLs so that those of one user, topic and permission follow
// each other.
func aclName(a *service.AclOut) string {
	return aclPrefix(a.Username, a.Topic, a.Permission) + aclID(a)
}

func aclPrefix(username, topic string, permission service.PermissionType) string {
	return username + "\x00" + topic + "\x00" + string(permission) + "\x00"
}

func aclID(a *service.AclOut) string {
	if a.Id == nil {
		return ""
	}
	return *a.Id
}

const (
	partCore         = "service"
	partProject      = "project missing"
	partState        = "state"
	partUser         = "user"
	partUsers        = "users"
	partDatabase     = "database"
	partDatabases    = "databases"
	partPool         = "pool"
	partPools        = "pools"
	partACL          = "acl"
	partACLMatch     = "acl match"
	partACLs         = "acls"
	partNativeACLs   = "native acls"
	partRegistryACLs = "schema registry acls"
	partIntegrations = "integrations"
	partComponents   = "components"
	partNodes        = "nodes"
	partBackups      = "backups"
)

func (s *serviceSnapshot) identity(p part) any {
	switch p.kind {
	case partExists:
		return s.exists()
	case partProject:
		return s.noProject
	case partCore:
		return s.core
	case partState:
		return s.state()
	case partUser:
		return s.users.get(p.name)
	case partUsers:
		return s.users
	case partDatabase:
		return s.databases.get(p.name) != nil
	case partDatabases:
		return s.databases
	case partPool:
		return s.pools.get(p.name)
	case partPools:
		return s.pools
	case partACL:
		return s.aclIDs.get(p.name)
	case partACLMatch:
		var names strings.Builder
		for _, a := range s.acls.prefixed(p.name) {
			names.WriteString(aclName(a))
		}
		return names.String()
	case partACLs:
		return s.acls
	case partNativeACLs:
		return s.nativeACLs
	case partRegistryACLs:
		return s.registryACLs
	case partIntegrations:
		return s.integrations
	case partComponents:
		return s.components
	case partNodes:
		return s.nodes
	default:
		return s.backups
	}
}

func (s *serviceSnapshot) state() service.ServiceStateType {
	if s.core == nil {
		return ""
	}
	return s.core.State
}

func (s *serviceSnapshot) exists() bool   { return s.core != nil }
func (s *serviceSnapshot) complete() bool { return true }

func (s *serviceSnapshot) settled() bool {
	switch s.state() {
	case "", service.ServiceStateTypeRunning, service.ServiceStateTypePoweroff:
		return true
	}
	return false
}

func (s *serviceSnapshot) adopt(earlier snapshot) {
	old := earlier.(*serviceSnapshot)
	if s.core == nil || old.core == nil {
		return
	}
	s.core = adopt(s.core, old.core)
	s.users = s.users.adopt(old.users)
	s.databases = s.databases.adopt(old.databases)
	s.pools = s.pools.adopt(old.pools)
	if s.acls = s.acls.adopt(old.acls); s.acls == old.acls {
		s.aclIDs = old.aclIDs
	} else {
		s.aclIDs = newSet(s.acls.all(), aclID)
	}
	s.nativeACLs = adopt(s.nativeACLs, old.nativeACLs)
	s.registryACLs = adopt(s.registryACLs, old.registryACLs)
	s.integrations = adopt(s.integrations, old.integrations)
	s.components = adopt(s.components, old.components)
	s.nodes = adopt(s.nodes, old.nodes)
	s.backups = adopt(s.backups, old.backups)
}

func (s *serviceSnapshot) hasIntegration(id string) bool {
	if s.integrations == nil {
		return false
	}
	return slices.ContainsFunc(*s.integrations, func(i service.ServiceIntegrationOut) bool { return i.ServiceIntegrationId == id })
}
