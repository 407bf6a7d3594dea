// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// driftCase says what others may change in the remote of a kind.
type driftCase struct {
	// spec is added to what kindCases has, with every field that the API shows.
	spec map[string]any
	// prepare makes what the object needs, and returns more of the spec; may be nil.
	prepare func(e *env) map[string]any
	// state is what of the remote the object decides.
	state func(e *env) any
	// changes are made one after the other, named after the field of the spec.
	changes map[string]func(e *env) error
}

// unchangeable lists the kinds whose remote can only be deleted and made again.
var unchangeable = []string{
	"ClickhouseDatabase", "ClickhouseRole", "Database", "KafkaACL", "KafkaNativeACL", "KafkaSchemaRegistryACL", "ProjectVPC",
	// Aiven never shows the password, which is all that could change.
	"ClickhouseUser",
}

// Whatever others change in what an object decides is changed back.
func TestDriftOfEveryField(t *testing.T) {
	t.Parallel()
	cases := driftCases()
	for _, kind := range slices.Sorted(maps.Keys(kindCases)) {
		c, ok := cases[kind]
		if ok == slices.Contains(unchangeable, kind) {
			t.Errorf("%s is in both lists or in none", kind)
		}
		if !ok {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			e.host(kind)
			spec := c.spec
			if c.prepare != nil {
				spec = maps.Clone(spec)
				maps.Copy(spec, c.prepare(e))
			}
			if !kindCases[kind].inService() {
				e.change = append(e.change, func(o *app.Options) { o.PollInterval = 500 * time.Millisecond })
			}
			e.start()
			e.create(e.object(kind, "x", func(s map[string]any) { maps.Copy(s, spec) }))
			e.ready(kind, "x")
			want := c.show(e)
			for _, field := range slices.Sorted(maps.Keys(c.changes)) {
				t.Log("Changing " + field)
				e.sim.ResetRequests()
				if err := c.changes[field](e); err != nil {
					t.Fatal(err)
				}
				e.eventually(field+" to be repaired", func() error {
					// The change itself is no request of the operator's.
					if e.sim.Count(aivensim.Mutating) == 0 {
						return fmt.Errorf("no write; the remote is %s, want %s", c.show(e), want)
					}
					if got := c.show(e); got != want {
						return fmt.Errorf("the remote is %s, want %s", got, want)
					}
					return nil
				})
				e.ready(kind, "x")
			}
		})
	}
}

func (c driftCase) show(e *env) string {
	e.Helper()
	raw, err := json.Marshal(c.state(e))
	if err != nil {
		e.Fatal(err)
	}
	return string(raw)
}

// ofService makes a change of the service that an object is or lives in.
func ofService(kind string, change func(o aivensim.Outside) error) func(e *env) error {
	return func(e *env) error { return change(e.sim.Outside(project, e.serviceName(kind))) }
}

func fields(kind string, fields map[string]any) func(e *env) error {
	return ofService(kind, func(o aivensim.Outside) error { return o.UpdateService(fields) })
}

// driftCaseOfService is that of a type of service. config and drifted are the same
// settings with different values.
func driftCaseOfService(kind string, otherPlan, disk string, config, drifted map[string]any) driftCase {
	c := driftCase{
		spec: map[string]any{
			"cloudName": "google-europe-west1", "maintenanceWindowDow": "monday", "maintenanceWindowTime": "10:00:00",
			"tags": map[string]any{"team": "a"}, "technicalEmails": []any{map[string]any{"email": "a@example.com"}},
			"terminationProtection": true, "powered": true, "userConfig": config,
		},
		prepare: func(e *env) map[string]any {
			id, err := e.sim.OutsideProject(project).CreateVPC("google-europe-west1", "10.9.0.0/24")
			e.outside(err)
			return map[string]any{"projectVpcId": id}
		},
		state: func(e *env) any {
			sv, _ := e.sim.Project(project).Service("x")
			return []any{
				sv.Plan, sv.Cloud, sv.ProjectVPCID, sv.Powered, sv.DiskSpaceMB, sv.TerminationProtection, sv.Maintenance, sv.Tags, sv.TechEmails, sv.UserConfig,
			}
		},
		changes: map[string]func(e *env) error{
			"plan":                  fields(kind, map[string]any{"plan": otherPlan}),
			"projectVpcId":          fields(kind, map[string]any{"project_vpc_id": nil}),
			"cloudName":             fields(kind, map[string]any{"cloud": "aws-eu-west-1", "project_vpc_id": nil}),
			"maintenanceWindowDow":  fields(kind, map[string]any{"maintenance": map[string]any{"dow": "friday"}}),
			"maintenanceWindowTime": fields(kind, map[string]any{"maintenance": map[string]any{"time": "22:00:00"}}),
			"technicalEmails":       fields(kind, map[string]any{"tech_emails": []any{map[string]any{"email": "b@example.com"}}}),
			"technicalEmails gone":  fields(kind, map[string]any{"tech_emails": []any{}}),
			"terminationProtection": fields(kind, map[string]any{"termination_protection": false}),
			"userConfig":            fields(kind, map[string]any{"user_config": drifted}),
			"tags":                  ofService(kind, func(o aivensim.Outside) error { return o.SetTags(map[string]string{"team": "b", "more": "c"}) }),
			"tags gone":             ofService(kind, func(o aivensim.Outside) error { return o.SetTags(nil) }),
			"powered": func(e *env) error {
				if err := fields(kind, map[string]any{"termination_protection": false})(e); err != nil {
					return err
				}
				// The protection comes back at any moment.
				var err error
				for range 5 {
					if err = fields(kind, map[string]any{"termination_protection": false, "powered": false})(e); err == nil {
						break
					}
				}
				return err
			},
		},
	}
	if disk != "" {
		c.spec["disk_space"] = disk
		c.changes["disk_space"] = fields(kind, map[string]any{"disk_space_mb": 800 << 10})
	}
	return c
}

func driftCases() map[string]driftCase {
	type object = map[string]any
	return map[string]driftCase{
		"PostgreSQL": driftCaseOfService("PostgreSQL", "business-8", "600GiB",
			object{"work_mem": int64(8), "pg": object{"jit": true}, "ip_filter": []any{object{"network": "10.0.0.0/8"}}},
			object{"work_mem": 9, "pg": object{"jit": false}, "ip_filter": []any{object{"network": "0.0.0.0/0"}}}),
		"MySQL": driftCaseOfService("MySQL", "business-8", "600GiB",
			object{"mysql": object{"sql_mode": "ANSI"}}, object{"mysql": object{"sql_mode": "TRADITIONAL"}}),
		"Kafka": driftCaseOfService("Kafka", "business-4", "600GiB",
			object{"kafka_rest": true, "kafka": object{"message_max_bytes": int64(2000000)}},
			object{"kafka_rest": false, "kafka": object{"message_max_bytes": 3000000}}),
		"Clickhouse": driftCaseOfService("Clickhouse", "business-32", "600GiB",
			object{"service_log": true}, object{"service_log": false}),
		"OpenSearch": driftCaseOfService("OpenSearch", "business-8", "600GiB",
			object{"index_template": object{"number_of_shards": int64(3)}}, object{"index_template": object{"number_of_shards": 4}}),
		"Valkey": driftCaseOfService("Valkey", "business-8", "",
			object{"valkey_timeout": int64(100)}, object{"valkey_timeout": 200}),
		"Grafana": driftCaseOfService("Grafana", "business-8", "",
			object{"viewers_can_edit": true}, object{"viewers_can_edit": false}),
		"Flink": driftCaseOfService("Flink", "business-8", "",
			object{"number_of_task_slots": int64(2)}, object{"number_of_task_slots": 3}),
		"KafkaConnect": driftCaseOfService("KafkaConnect", "business-8", "",
			object{"kafka_connect": object{"consumer_max_poll_records": int64(10)}}, object{"kafka_connect": object{"consumer_max_poll_records": 20}}),

		"ConnectionPool": {
			spec: object{"poolSize": int64(7), "poolMode": "session"},
			state: func(e *env) any {
				sv, _ := e.serviceOf("ConnectionPool")
				return sv.Pools
			},
			changes: map[string]func(e *env) error{
				"poolSize": ofService("ConnectionPool", func(o aivensim.Outside) error { return o.UpdatePool("x", object{"pool_size": 5}) }),
				"poolMode": ofService("ConnectionPool", func(o aivensim.Outside) error { return o.UpdatePool("x", object{"pool_mode": "statement"}) }),
				"databaseName": ofService("ConnectionPool", func(o aivensim.Outside) error {
					if err := o.CreateDatabase("other"); err != nil {
						return err
					}
					return o.UpdatePool("x", object{"database": "other"})
				}),
				"username": ofService("ConnectionPool", func(o aivensim.Outside) error {
					if err := o.CreateUser("other"); err != nil {
						return err
					}
					return o.UpdatePool("x", object{"username": "other"})
				}),
			},
		},
		"ServiceUser": {
			spec: object{
				"connInfoSecretSource": object{"name": "source", "passwordKey": "password"},
				"accessControl": object{
					"valkeyAclKeys": []any{"k*"}, "valkeyAclCommands": []any{"+get"}, "valkeyAclCategories": []any{"+@read"}, "valkeyAclChannels": []any{"c*"},
				},
			},
			prepare: func(e *env) map[string]any {
				e.passwordSecret("source", "from-the-source")
				return nil
			},
			state: func(e *env) any {
				sv, _ := e.serviceOf("ServiceUser")
				u, _ := sv.User("x")
				return []any{u.Password, u.AccessControl}
			},
			changes: map[string]func(e *env) error{
				"connInfoSecretSource": ofService("ServiceUser", func(o aivensim.Outside) error { return o.ResetUser("x", "somebody-elses") }),
				"valkeyAclKeys":        ofService("ServiceUser", func(o aivensim.Outside) error { return o.SetUserAccess("x", object{"valkey_acl_keys": []any{"*"}}) }),
				"valkeyAclCommands": ofService("ServiceUser", func(o aivensim.Outside) error {
					return o.SetUserAccess("x", object{"valkey_acl_commands": []any{"+set"}})
				}),
				"valkeyAclCategories": ofService("ServiceUser", func(o aivensim.Outside) error {
					return o.SetUserAccess("x", object{"valkey_acl_categories": []any{"+@all"}})
				}),
				"valkeyAclChannels": ofService("ServiceUser", func(o aivensim.Outside) error { return o.SetUserAccess("x", object{"valkey_acl_channels": []any{"*"}}) }),
			},
		},
		"KafkaTopic": {
			spec: object{
				"partitions": int64(3), "replication": int64(2), "tags": []any{object{"key": "team", "value": "a"}},
				"config": object{
					"retention_ms": int64(1000), "cleanup_policy": "compact", "min_cleanable_dirty_ratio": 0.25, "preallocate": true,
					"max_compaction_lag_ms": int64(9223372036854775807), "compression_type": "zstd",
				},
			},
			state: func(e *env) any {
				sv, _ := e.serviceOf("KafkaTopic")
				if len(sv.Topics) != 1 {
					return nil
				}
				topic := sv.Topics[0]
				return []any{topic.Partitions, topic.Replication, topic.Config, topic.Tags}
			},
			changes: topicChanges(map[string]object{
				"replication":                      {"replication": 3},
				"tags":                             {"tags": []any{object{"key": "team", "value": "b"}}},
				"tags gone":                        {"tags": []any{}},
				"config.retention_ms":              {"config": object{"retention_ms": 5000}},
				"config.retention_ms gone":         {"config": object{"retention_ms": nil}},
				"config.cleanup_policy":            {"config": object{"cleanup_policy": "delete"}},
				"config.min_cleanable_dirty_ratio": {"config": object{"min_cleanable_dirty_ratio": 0.3}},
				"config.preallocate":               {"config": object{"preallocate": false}},
				"config.max_compaction_lag_ms":     {"config": object{"max_compaction_lag_ms": 1}},
				"config.compression_type":          {"config": object{"compression_type": "lz4"}},
			}),
		},
		"KafkaConnector": {
			spec: object{},
			state: func(e *env) any {
				sv, _ := e.serviceOf("KafkaConnector")
				if len(sv.Connectors) != 1 {
					return nil
				}
				return sv.Connectors[0].Config
			},
			changes: connectorChanges(),
		},
		"KafkaSchema": {
			spec: object{},
			state: func(e *env) any {
				sv, _ := e.serviceOf("KafkaSchema")
				if sv.Registry == nil || len(sv.Registry.Subjects) != 1 {
					return nil
				}
				return []any{sv.Registry.Subjects[0].Level, len(sv.Registry.Subjects[0].Versions)}
			},
			changes: map[string]func(e *env) error{
				"compatibilityLevel": ofService("KafkaSchema", func(o aivensim.Outside) error { return o.SetCompatibility("s", "FULL") }),
			},
		},
		"KafkaQuota": {
			spec: object{},
			state: func(e *env) any {
				sv, _ := e.serviceOf("KafkaQuota")
				return sv.Quotas
			},
			changes: quotaChanges(map[string]object{
				"consumerByteRate":         {"consumer_byte_rate": 7},
				"requestPercentage":        {"request_percentage": 1},
				"producerByteRate appears": {"producer_byte_rate": 9},
			}),
		},
		"OpenSearchACLConfig": {
			spec: object{},
			state: func(e *env) any {
				sv, _ := e.serviceOf("OpenSearchACLConfig")
				return sv.OpenSearchACL
			},
			changes: map[string]func(e *env) error{
				"enabled": ofService("OpenSearchACLConfig", func(o aivensim.Outside) error { return o.SetOpenSearchACL(object{"enabled": false}) }),
				"acls": ofService("OpenSearchACLConfig", func(o aivensim.Outside) error {
					return o.SetOpenSearchACL(object{"acls": []any{object{"username": "mallory", "rules": []any{object{"index": "*", "permission": "admin"}}}}})
				}),
				"acls gone": ofService("OpenSearchACLConfig", func(o aivensim.Outside) error { return o.SetOpenSearchACL(object{"acls": []any{}}) }),
			},
		},
		"ClickhouseGrant": {
			spec: object{
				"privilegeGrants": []any{
					object{"grantees": []any{object{"user": "reader"}}, "privileges": []any{"SELECT", "INSERT"}, "database": "default", "withGrantOption": true},
					object{"grantees": []any{object{"role": "r"}}, "privileges": []any{"SELECT"}, "database": "default", "table": "t", "columns": []any{"c", "d"}},
				},
				"roleGrants": []any{object{"grantees": []any{object{"user": "reader"}}, "roles": []any{"r"}, "withAdminOption": true}},
			},
			prepare: func(e *env) map[string]any {
				e.outside(e.sim.Outside(project, "host").QueryClickHouse("CREATE ROLE r"))
				return nil
			},
			state: func(e *env) any {
				sv, _ := e.serviceOf("ClickhouseGrant")
				return []any{grantsOf(sv, "reader"), grantsOf(sv, "r")}
			},
			changes: map[string]func(e *env) error{
				"privileges":      query("REVOKE INSERT ON default.* FROM reader"),
				"withGrantOption": query("REVOKE GRANT OPTION FOR SELECT ON default.* FROM reader"),
				"columns":         query("REVOKE SELECT(d) ON default.t FROM r"),
				"roles":           query("REVOKE r FROM reader"),
				"withAdminOption": query("REVOKE ADMIN OPTION FOR r FROM reader"),
			},
		},
		"Project":                    projectDrifts(),
		"OrganizationProject":        organizationProjectDrifts(),
		"ServiceIntegration":         integrationDrifts(),
		"ServiceIntegrationEndpoint": endpointDrifts(),
		"UpgradePipelineStep": {
			spec: object{"autoValidationDelayDays": int64(3)},
			state: func(e *env) any {
				if steps := e.sim.UpgradeSteps(); len(steps) == 1 {
					return steps[0].AutoValidationDelayDays
				}
				return nil
			},
			changes: map[string]func(e *env) error{
				"autoValidationDelayDays": func(e *env) error {
					return e.sim.OutsideOrganization(aivensim.DefaultOrganizationID).UpdateStep(e.onlyRemote("UpgradePipelineStep"), 9)
				},
			},
		},
	}
}

func query(statement string) func(e *env) error {
	return ofService("ClickhouseGrant", func(o aivensim.Outside) error { return o.QueryClickHouse(statement) })
}

func topicChanges(changes map[string]map[string]any) map[string]func(e *env) error {
	out := map[string]func(e *env) error{}
	for name, change := range changes {
		out[name] = ofService("KafkaTopic", func(o aivensim.Outside) error { return o.UpdateTopic("x", change) })
	}
	return out
}

func quotaChanges(changes map[string]map[string]any) map[string]func(e *env) error {
	out := map[string]func(e *env) error{}
	for name, change := range changes {
		change["user"], change["client-id"] = "alice", "app"
		out[name] = ofService("KafkaQuota", func(o aivensim.Outside) error { return o.SetQuota(change) })
	}
	return out
}

// connectorChanges give the connector's configuration a wrong value, one key less
// and one more.
func connectorChanges() map[string]func(e *env) error {
	out := map[string]func(e *env) error{}
	for name, change := range map[string]func(config map[string]string){
		"userConfig":      func(config map[string]string) { config["topics"] = "other" },
		"userConfig gone": func(config map[string]string) { delete(config, "tasks.max") },
		"userConfig more": func(config map[string]string) { config["batch.size"] = "5" },
		"userConfig several": func(config map[string]string) {
			config["topics"], config["http.url"] = "b", "https://other.example.com"
		},
	} {
		out[name] = func(e *env) error {
			sv, _ := e.serviceOf("KafkaConnector")
			config := maps.Clone(sv.Connectors[0].Config)
			change(config)
			return e.sim.Outside(project, "host").UpdateConnector("x", config)
		}
	}
	return out
}
