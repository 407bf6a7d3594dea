// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"github.com/aiven/go-client-codegen/handler/service"
)

// view is what the views share: a snapshot, and the record of what its reader
// read.
type view struct {
	store *Store
	entry *entry
	watch *watch
	snap  snapshot
	err   error
}

// look records that the reader depends on that part.
func (v *view) look(kind, name string) {
	v.store.look(v, part{kind: kind, name: name})
}

// Recheck says that something expected is not there yet: Aiven is asked again
// after 1 s, then less often up to every 10 s, and the subscriber is notified
// then, whatever the answer is.
func (v *view) Recheck() {
	v.store.askAgain(v.entry, v.watch)
}

// RefreshError returns why the snapshot could not be refreshed, if the last
// attempt failed. Its data is still good to use.
func (v *view) RefreshError() error { return v.err }

// ServiceView is a service as of one time. What its methods return is shared
// and must not be changed. Each makes the subscriber depend on just what it
// returns.
type ServiceView struct {
	view
	s *serviceSnapshot
}

// Exists is false if Aiven knows no such service; all else is zero then.
func (v *ServiceView) Exists() bool {
	v.look(partExists, "")
	return v.s.exists()
}

// ProjectMissing reports whether the service does not exist because its project
// does not, or is none that the token can see.
func (v *ServiceView) ProjectMissing() bool {
	v.look(partProject, "")
	return v.s.noProject
}

// Service returns the settings, state, tags and connection details. The fields
// that have methods of their own here are empty, as are notifications, topics,
// and the times of the last update and first use. It is nil if the service does
// not exist.
func (v *ServiceView) Service() *service.ServiceGetOut {
	v.look(partCore, "")
	return v.s.core
}

// State returns the state of the service, "" if it does not exist.
func (v *ServiceView) State() service.ServiceStateType {
	v.look(partState, "")
	return v.s.state()
}

// User returns the user of that name.
func (v *ServiceView) User(name string) (*service.UserOut, bool) {
	v.look(partUser, name)
	u := v.s.users.get(name)
	return u, u != nil
}

// Users returns all users in the order of their names.
func (v *ServiceView) Users() []*service.UserOut {
	v.look(partUsers, "")
	return v.s.users.all()
}

// Database reports whether the service has that database.
func (v *ServiceView) Database(name string) bool {
	v.look(partDatabase, name)
	return v.s.databases.get(name) != nil
}

// Databases returns the names of all databases, sorted.
func (v *ServiceView) Databases() []string {
	v.look(partDatabases, "")
	names := make([]string, 0, len(v.s.databases.all()))
	for _, name := range v.s.databases.all() {
		names = append(names, *name)
	}
	return names
}

// Pool returns the connection pool of that name.
func (v *ServiceView) Pool(name string) (*service.ConnectionPoolOut, bool) {
	v.look(partPool, name)
	p := v.s.pools.get(name)
	return p, p != nil
}

// Pools returns all connection pools in the order of their names.
func (v *ServiceView) Pools() []*service.ConnectionPoolOut {
	v.look(partPools, "")
	return v.s.pools.all()
}

// ACL returns the Kafka ACL entry of that id.
func (v *ServiceView) ACL(id string) (*service.AclOut, bool) {
	v.look(partACL, id)
	a := v.s.aclIDs.get(id)
	return a, a != nil
}

// FindACLs returns the Kafka ACL entries that grant user that permission on
// topic, in the order of their ids.
func (v *ServiceView) FindACLs(user, topic string, permission service.PermissionType) []*service.AclOut {
	prefix := aclPrefix(user, topic, permission)
	v.look(partACLMatch, prefix)
	return v.s.acls.prefixed(prefix)
}

// ACLs returns all Kafka ACL entries.
func (v *ServiceView) ACLs() []*service.AclOut {
	v.look(partACLs, "")
	return v.s.acls.all()
}

// NativeACLs returns the Kafka-native ACL entries.
func (v *ServiceView) NativeACLs() []service.KafkaAclOut {
	v.look(partNativeACLs, "")
	return elements(v.s.nativeACLs)
}

// SchemaRegistryACLs returns the Schema Registry ACL entries.
func (v *ServiceView) SchemaRegistryACLs() []service.SchemaRegistryAclOut {
	v.look(partRegistryACLs, "")
	return elements(v.s.registryACLs)
}

// Integrations returns the integrations from and to the service.
func (v *ServiceView) Integrations() []service.ServiceIntegrationOut {
	v.look(partIntegrations, "")
	return elements(v.s.integrations)
}

// Components returns the components and their addresses.
func (v *ServiceView) Components() []service.ComponentOut {
	v.look(partComponents, "")
	return elements(v.s.components)
}

// Nodes returns the nodes and their states, without progress.
func (v *ServiceView) Nodes() []service.NodeStateOut {
	v.look(partNodes, "")
	return elements(v.s.nodes)
}

// Backups returns the backups.
func (v *ServiceView) Backups() []service.BackupOut {
	v.look(partBackups, "")
	return elements(v.s.backups)
}

func elements[T any](list *[]T) []T {
	if list == nil {
		return nil
	}
	return *list
}

// TopicsView are the topics of a Kafka service as of one time. What its
// methods return is shared and must not be changed.
type TopicsView struct {
	view
	s *topicsSnapshot
}

// Exists is false if Aiven knows no such service.
func (v *TopicsView) Exists() bool {
	v.look(partExists, "")
	return v.s.exists()
}

// Topic returns the topic of that name; ok is false if there is none. While a
// write to it was not read back, the error is ErrPending, or why it can't be read.
func (v *TopicsView) Topic(name string) (topic *Topic, ok bool, err error) {
	v.look(partTopic, name)
	t := v.s.topics.get(name)
	if t == nil || !t.unread {
		return t, t != nil, nil
	}
	v.store.await(v.watch, v.err)
	if v.err != nil {
		return nil, false, v.err
	}
	return nil, false, ErrPending
}

// Topics returns all topics in the order of their names. One that was written
// and not read since has only its name.
func (v *TopicsView) Topics() []*Topic {
	v.look(partTopics, "")
	return v.s.topics.all()
}
