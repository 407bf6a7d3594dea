// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// actor is an object of the model-based tests: what users and others may do with
// it, and how the simulator shows it.
type actor struct {
	kind, name string
	// hosts are the names of the services, actors too, that it needs.
	hosts []string
	// spec holds what the object needs beside project and token.
	spec map[string]any
	// edited holds what the spec has in a version; nil if nothing can change.
	edited func(version int) map[string]any
	// frozen is set if nothing of the spec can change, not even its token.
	frozen bool
	// remotes returns what stands for it at the simulator, in the form that Objects
	// has it.
	remotes func(e *env) []string
	// shows tells whether the only remote is as that version of the spec says; nil
	// if it can be no other.
	shows func(e *env, version int) bool
	// disturb changes the remote from outside; nil if Aiven can change nothing.
	disturb func(e *env) error
	// vanish deletes the remote from outside.
	vanish func(e *env, remote string) error
	// orphans tells whether an object made anew finds what an object with another
	// version of the spec has left behind.
	orphans bool
}

// world returns the actors: services first, and in them what depends on them.
func world() []*actor {
	all := []*actor{
		serviceActor("PostgreSQL", "pg", "startup-4"),
		serviceActor("Kafka", "kafka", "startup-2"),
		serviceActor("Valkey", "valkey", "startup-4"),
		integrationActor("pg"),
		integrationActor("valkey"),
	}
	for i := range 2 {
		all = append(all,
			databaseActor(fmt.Sprintf("database-%d", i)),
			poolActor(fmt.Sprintf("pool-%d", i)),
			userActor("pg", fmt.Sprintf("pguser-%d", i)),
			userActor("valkey", fmt.Sprintf("vkuser-%d", i)),
			quotaActor(fmt.Sprintf("quota-%d", i)),
			nativeACLActor(fmt.Sprintf("native-%d", i)),
			endpointActor(fmt.Sprintf("endpoint-%d", i)),
			vpcActor(fmt.Sprintf("vpc-%d", i), fmt.Sprintf("10.%d.0.0/24", i+1)),
		)
	}
	for i := range 4 {
		all = append(all, topicActor(fmt.Sprintf("topic-%d", i)), aclActor(fmt.Sprintf("acl-%d", i)))
	}
	return all
}

func serviceNamed(e *env, name string) aivensim.Service {
	sv, _ := e.sim.Project(project).Service(name)
	return sv
}

// matching returns the names of the items that belong to an actor.
func matching[T any](items []T, name func(T) string, belongs func(T) bool) []string {
	var out []string
	for _, item := range items {
		if belongs(item) {
			out = append(out, name(item))
		}
	}
	return out
}

func serviceActor(kind, name, plan string) *actor {
	return &actor{
		kind: kind, name: name, spec: service(plan), orphans: true,
		edited: func(version int) map[string]any {
			return map[string]any{"tags": map[string]any{"version": fmt.Sprint(version)}}
		},
		remotes: func(e *env) []string {
			if sv := serviceNamed(e, name); sv.Name != "" {
				return []string{name}
			}
			return nil
		},
		shows: func(e *env, version int) bool {
			return serviceNamed(e, name).Tags["version"] == fmt.Sprint(version)
		},
		disturb: func(e *env) error { return e.sim.Outside(project, name).SetTags(map[string]string{"version": "drift"}) },
		vanish:  func(e *env, _ string) error { return e.sim.Outside(project, name).DeleteService() },
	}
}

func databaseActor(name string) *actor {
	return &actor{
		kind: "Database", name: name, hosts: []string{"pg"}, spec: map[string]any{"serviceName": "pg"}, orphans: true,
		remotes: func(e *env) []string {
			return matching(serviceNamed(e, "pg").Databases, func(d *aivensim.Database) string { return d.Name },
				func(d *aivensim.Database) bool { return d.Name == name })
		},
		vanish: func(e *env, remote string) error { return e.sim.Outside(project, "pg").DeleteDatabase(remote) },
	}
}

func poolActor(name string) *actor {
	find := func(e *env) []*aivensim.Pool {
		var out []*aivensim.Pool
		for _, p := range serviceNamed(e, "pg").Pools {
			if p.Name == name {
				out = append(out, p)
			}
		}
		return out
	}
	return &actor{
		kind: "ConnectionPool", name: name, hosts: []string{"pg"}, orphans: true,
		spec:   map[string]any{"serviceName": "pg", "databaseName": "defaultdb", "username": "avnadmin"},
		edited: func(version int) map[string]any { return map[string]any{"poolSize": int64(10 + version)} },
		remotes: func(e *env) []string {
			return matching(find(e), func(p *aivensim.Pool) string { return p.Name }, func(*aivensim.Pool) bool { return true })
		},
		shows: func(e *env, version int) bool { p := find(e); return len(p) == 1 && p[0].Size == 10+version },
		disturb: func(e *env) error {
			return e.sim.Outside(project, "pg").UpdatePool(name, map[string]any{"pool_size": 5})
		},
		vanish: func(e *env, remote string) error { return e.sim.Outside(project, "pg").DeletePool(remote) },
	}
}

func userActor(host, name string) *actor {
	a := &actor{
		kind: "ServiceUser", name: name, hosts: []string{host}, spec: map[string]any{"serviceName": host}, orphans: true,
		remotes: func(e *env) []string {
			return matching(serviceNamed(e, host).Users, func(u *aivensim.User) string { return u.Username },
				func(u *aivensim.User) bool { return u.Username == name })
		},
		vanish: func(e *env, remote string) error { return e.sim.Outside(project, host).DeleteUser(remote) },
	}
	if host == "valkey" {
		key := func(version int) string { return fmt.Sprintf("k%d*", version) }
		a.edited = func(version int) map[string]any {
			return map[string]any{"accessControl": map[string]any{"valkeyAclKeys": []any{key(version)}}}
		}
		a.shows = func(e *env, version int) bool { return hasAccess(serviceNamed(e, host), name, key(version)) }
		a.disturb = func(e *env) error {
			return e.sim.Outside(project, host).SetUserAccess(name, map[string]any{"valkey_acl_keys": []any{"drift"}})
		}
	}
	return a
}

func quotaActor(name string) *actor {
	find := func(e *env) []*aivensim.Quota {
		var out []*aivensim.Quota
		for _, q := range serviceNamed(e, "kafka").Quotas {
			if q.User == name {
				out = append(out, q)
			}
		}
		return out
	}
	return &actor{
		kind: "KafkaQuota", name: name, hosts: []string{"kafka"}, orphans: true,
		spec:   map[string]any{"serviceName": "kafka", "user": name, "clientId": "app"},
		edited: func(version int) map[string]any { return map[string]any{"consumerByteRate": int64(1000 + version)} },
		remotes: func(e *env) []string {
			return matching(find(e), func(q *aivensim.Quota) string { return q.User + "/" + q.ClientID }, func(*aivensim.Quota) bool { return true })
		},
		shows: func(e *env, version int) bool {
			q := find(e)
			return len(q) == 1 && q[0].ConsumerByteRate != nil && *q[0].ConsumerByteRate == float64(1000+version)
		},
		disturb: func(e *env) error {
			return e.sim.Outside(project, "kafka").SetQuota(map[string]any{"user": name, "client-id": "app", "consumer_byte_rate": 7})
		},
		vanish: func(e *env, _ string) error { return e.sim.Outside(project, "kafka").DeleteQuota(name, "app") },
	}
}

func topicActor(name string) *actor {
	find := func(e *env) *aivensim.Topic {
		for _, t := range serviceNamed(e, "kafka").Topics {
			if t.Name == name {
				return t
			}
		}
		return nil
	}
	return &actor{
		kind: "KafkaTopic", name: name, hosts: []string{"kafka"}, orphans: true,
		spec: map[string]any{"serviceName": "kafka", "partitions": int64(1), "replication": int64(2)},
		edited: func(version int) map[string]any {
			return map[string]any{"config": map[string]any{"retention_ms": int64(1000 + version)}}
		},
		remotes: func(e *env) []string {
			return matching(serviceNamed(e, "kafka").Topics, func(t *aivensim.Topic) string { return t.Name },
				func(t *aivensim.Topic) bool { return t.Name == name })
		},
		shows: func(e *env, version int) bool {
			t := find(e)
			return t != nil && fmt.Sprint(t.Config["retention_ms"]) == fmt.Sprint(1000+version)
		},
		disturb: func(e *env) error {
			return e.sim.Outside(project, "kafka").UpdateTopic(name, map[string]any{"config": map[string]any{"retention_ms": 5}})
		},
		vanish: func(e *env, remote string) error { return e.sim.Outside(project, "kafka").DeleteTopic(remote) },
	}
}

func aclActor(name string) *actor {
	permissions := []string{"read", "write", "readwrite", "admin"}
	permission := func(version int) string { return permissions[version%len(permissions)] }
	find := func(e *env) []aivensim.ACL {
		var out []aivensim.ACL
		for _, a := range serviceNamed(e, "kafka").ACLs {
			if a.Username == name {
				out = append(out, a)
			}
		}
		return out
	}
	return &actor{
		kind: "KafkaACL", name: name, hosts: []string{"kafka"},
		spec:   map[string]any{"serviceName": "kafka", "topic": "t-*", "username": name},
		edited: func(version int) map[string]any { return map[string]any{"permission": permission(version)} },
		remotes: func(e *env) []string {
			return matching(find(e), func(a aivensim.ACL) string { return a.ID }, func(aivensim.ACL) bool { return true })
		},
		shows: func(e *env, version int) bool {
			a := find(e)
			return len(a) == 1 && a[0].Permission == permission(version)
		},
		vanish: func(e *env, remote string) error { return e.sim.Outside(project, "kafka").DeleteACL(remote) },
	}
}

func nativeACLActor(name string) *actor {
	return &actor{
		kind: "KafkaNativeACL", name: name, hosts: []string{"kafka"}, orphans: true, frozen: true,
		spec: map[string]any{
			"serviceName": "kafka", "resourceType": "Topic", "resourceName": "t-", "patternType": "PREFIXED",
			"principal": "User:" + name, "operation": "Read", "permissionType": "ALLOW",
		},
		remotes: func(e *env) []string {
			return matching(serviceNamed(e, "kafka").NativeACLs, func(a *aivensim.NativeACL) string { return a.ID },
				func(a *aivensim.NativeACL) bool { return a.Principal == "User:"+name })
		},
		vanish: func(e *env, remote string) error { return e.sim.Outside(project, "kafka").DeleteNativeACL(remote) },
	}
}

func endpointActor(name string) *actor {
	find := func(e *env) []aivensim.Endpoint {
		var out []aivensim.Endpoint
		for _, p := range e.sim.Project(project).Endpoints() {
			if p.Name == name {
				out = append(out, p)
			}
		}
		return out
	}
	config := func(version int) map[string]any {
		return map[string]any{"server": "logs.example.com", "port": int64(1000 + version), "format": "rfc5424", "tls": true}
	}
	a := &actor{
		kind: "ServiceIntegrationEndpoint", name: name, spec: map[string]any{"endpointType": "rsyslog"}, orphans: true,
		edited: func(version int) map[string]any { return map[string]any{"rsyslog": config(version)} },
		remotes: func(e *env) []string {
			return matching(find(e), func(p aivensim.Endpoint) string { return p.ID }, func(aivensim.Endpoint) bool { return true })
		},
		shows: func(e *env, version int) bool {
			p := find(e)
			return len(p) == 1 && fmt.Sprint(p[0].UserConfig["port"]) == fmt.Sprint(1000+version)
		},
		vanish: func(e *env, remote string) error { return e.sim.OutsideProject(project).DeleteEndpoint(remote) },
	}
	a.disturb = func(e *env) error {
		for _, id := range a.remotes(e) {
			return e.sim.OutsideProject(project).UpdateEndpoint(id, map[string]any{"port": 9})
		}
		return nil
	}
	return a
}

func integrationActor(source string) *actor {
	find := func(e *env) []*aivensim.Integration {
		var out []*aivensim.Integration
		for _, i := range serviceNamed(e, source).Integrations {
			if i.SourceService == source {
				out = append(out, i)
			}
		}
		return out
	}
	a := &actor{
		kind: "ServiceIntegration", name: "logs-" + source, hosts: []string{source, "kafka"}, orphans: true,
		spec: map[string]any{
			"integrationType": "kafka_logs", "sourceServiceName": source, "destinationServiceName": "kafka",
		},
		edited: func(version int) map[string]any {
			return map[string]any{"kafkaLogs": map[string]any{"kafka_topic": fmt.Sprintf("logs-%d", version)}}
		},
		remotes: func(e *env) []string {
			return matching(find(e), func(i *aivensim.Integration) string { return i.ID }, func(*aivensim.Integration) bool { return true })
		},
		shows: func(e *env, version int) bool {
			i := find(e)
			return len(i) == 1 && i[0].UserConfig["kafka_topic"] == fmt.Sprintf("logs-%d", version)
		},
		vanish: func(e *env, remote string) error { return e.sim.OutsideProject(project).DeleteIntegration(remote) },
	}
	a.disturb = func(e *env) error {
		for _, id := range a.remotes(e) {
			return e.sim.OutsideProject(project).UpdateIntegration(id, map[string]any{"kafka_topic": "drift"})
		}
		return nil
	}
	return a
}

func vpcActor(name, cidr string) *actor {
	return &actor{
		kind: "ProjectVPC", name: name, orphans: true,
		spec: map[string]any{"cloudName": "google-europe-west1", "networkCidr": cidr},
		remotes: func(e *env) []string {
			return matching(e.sim.Project(project).VPCs(), func(v aivensim.VPC) string { return v.ID },
				func(v aivensim.VPC) bool { return v.NetworkCIDR == cidr })
		},
		vanish: func(e *env, remote string) error { return e.sim.OutsideProject(project).DeleteVPC(remote) },
	}
}
