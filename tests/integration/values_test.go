// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// kindsOfServices are the kinds that are services themselves.
func kindsOfServices() []string {
	var kinds []string
	for kind, c := range kindCases {
		if c.remote == "service" {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// note waits until an object is Ready with a note that has these words, and says
// nothing else; none means no note.
func (e *env) note(kind, name string, words ...string) {
	e.Helper()
	e.eventually("the note of "+kind+" "+name, func() error {
		_, conditions, err := e.conditions(kind, name)()
		if err != nil {
			return err
		}
		for _, c := range conditions {
			if c.Type != "Ready" || c.Status != metav1.ConditionTrue || c.ObservedGeneration != e.get(kind, name).GetGeneration() {
				continue
			}
			_, note, noted := strings.Cut(c.Message, "side. ")
			if noted != (len(words) > 0) {
				break
			}
			for _, word := range words {
				if !strings.Contains(note, word) {
					return fmt.Errorf("the note lacks %q: %s", word, note)
				}
			}
			return nil
		}
		return fmt.Errorf("conditions are %+v", conditions)
	})
}

// still fails the test if check fails within a while in which the operator looks
// several times.
func (e *env) still(what string, check func() error) {
	e.Helper()
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := check(); err != nil {
			e.Fatalf("%s: %v", what, err)
		}
	}
}

// quickPoll has the operator look at everything often.
func quickPoll(o *app.Options) { o.PollInterval = 300 * time.Millisecond }

// An IP filter without entries lets nobody in. It must never become none, which lets
// everybody in: on creation, on change, after a restart, and whoever else writes.
func TestEmptyIPFilterStaysClosed(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsOfServices() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			e.start()
			filter := func(want ...any) {
				t.Helper()
				e.eventually(fmt.Sprintf("the filter %v", want), func() error {
					sv, _ := e.serviceOf(kind)
					if got := fmt.Sprint(sv.UserConfig["ip_filter"]); got != fmt.Sprintf("%v", want) {
						return fmt.Errorf("it is %s", got)
					}
					return nil
				})
			}
			never := func() error {
				sv, ok := e.serviceOf(kind)
				if entries := fmt.Sprint(sv.UserConfig["ip_filter"]); ok && strings.Contains(entries, "/0") {
					return fmt.Errorf("the service is open: %s", entries)
				}
				return nil
			}
			e.create(e.object(kind, "x", set("userConfig", map[string]any{"ip_filter": []any{}})))
			e.ready(kind, "x")
			filter()
			e.note(kind, "x")

			t.Log("From a filter to an empty one, and back")
			e.patch(kind, "x", `{"spec":{"userConfig":{"ip_filter":[{"network":"10.0.0.0/8"}]}}}`)
			filter(map[string]any{"network": "10.0.0.0/8"})
			e.patch(kind, "x", `{"spec":{"userConfig":{"ip_filter":[]}}}`)
			filter()
			e.still("an empty filter", never)

			t.Log("Others open it")
			e.outside(e.sim.Outside(project, "x").UpdateService(map[string]any{"user_config": map[string]any{"ip_filter": nil}}))
			filter()
			e.ready(kind, "x")

			t.Log("While the operator is down")
			e.stopOperator()
			e.patch(kind, "x", `{"spec":{"userConfig":{"ip_filter":[{"network":"10.0.0.0/8"}]}}}`)
			e.patch(kind, "x", `{"spec":{"userConfig":{"ip_filter":[]},"maintenanceWindowDow":"monday"}}`)
			e.start()
			e.eventually("the change", func() error {
				if sv, _ := e.serviceOf(kind); sv.Maintenance.Dow != "monday" {
					return fmt.Errorf("not made")
				}
				return nil
			})
			filter()

			t.Log("Without a filter the service is open, and says so until there is one again")
			e.patch(kind, "x", `{"spec":{"userConfig":{"ip_filter":null}}}`)
			filter("0.0.0.0/0", "::/0")
			e.note(kind, "x", "userConfig.ip_filter was removed", "every address")
			e.patch(kind, "x", `{"spec":{"userConfig":{"ip_filter":[{"network":"10.0.0.0/8"}]}}}`)
			filter(map[string]any{"network": "10.0.0.0/8"})
			e.note(kind, "x")
		})
	}
}

// What the API server makes of null is the same as nothing; an empty value stays what
// it is. The operator never says null on creation.
func TestNullInAManifest(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.start()
	e.create(e.object("PostgreSQL", "x", set("tags", map[string]any{}), set("technicalEmails", []any{}), set("userConfig", map[string]any{
		"ip_filter": nil, "backup_hour": int64(0), "static_ips": false, "pg": map[string]any{}, "additional_backup_regions": []any{}, "pglookout": nil,
	})))
	e.ready("PostgreSQL", "x")
	spec, _, _ := unstructured.NestedMap(e.get("PostgreSQL", "x").Object, "spec")
	config, _ := spec["userConfig"].(map[string]any)
	if _, ok := config["ip_filter"]; ok {
		t.Errorf("the API server keeps null: %v", config)
	}
	for field, value := range map[string]any{"tags": spec["tags"], "technicalEmails": spec["technicalEmails"], "pg": config["pg"], "additional_backup_regions": config["additional_backup_regions"]} {
		if text := fmt.Sprint(value); text != "[]" && text != "map[]" {
			t.Errorf("the API server makes %s of an empty %s", text, field)
		}
	}
	for _, r := range e.sim.Requests(aivensim.ByOperation("ServiceCreate")) {
		for _, want := range []string{`"tags":{}`, `"tech_emails":[]`, `"backup_hour":0`, `"static_ips":false`, `"pg":{}`, `"additional_backup_regions":[]`} {
			if !strings.Contains(string(r.Body), want) {
				t.Errorf("the request lacks %s: %s", want, r.Body)
			}
		}
		if strings.Contains(strings.ReplaceAll(string(r.Body), `"project_vpc_id":null`, ""), "null") {
			t.Errorf("the request says null: %s", r.Body)
		}
	}
}

// What the spec does not name is not the operator's. What it names is repaired, and
// what has left it goes back to its default once.
func TestWhatTheSpecDoesNotName(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.change = append(e.change, quickPoll)
	e.start()
	e.create(e.object("PostgreSQL", "x"))
	e.ready("PostgreSQL", "x")
	e.sim.ResetRequests()
	x := e.sim.Outside(project, "x")
	console := func() {
		t.Helper()
		e.outside(x.SetTags(map[string]string{"console": "1"}))
		e.outside(x.SetTechEmails("console@example.com"))
		e.outside(x.UpdateService(map[string]any{
			"termination_protection": true, "maintenance": map[string]any{"dow": "friday"},
			"user_config": map[string]any{"backup_hour": 5, "ip_filter": []any{"10.0.0.0/8"}},
		}))
	}
	settings := func() []any {
		sv, _ := e.serviceOf("PostgreSQL")
		return []any{sv.Tags, sv.TechEmails, sv.TerminationProtection, sv.Maintenance.Dow, fmt.Sprint(sv.UserConfig["backup_hour"]), fmt.Sprint(sv.UserConfig["ip_filter"])}
	}
	console()
	want := fmt.Sprint(settings())
	e.still("what the console set", func() error {
		if got := fmt.Sprint(settings()); got != want {
			return fmt.Errorf("it is %s, not %s", got, want)
		}
		return nil
	})
	if n := e.sim.Count(aivensim.Mutating); n != 0 {
		t.Errorf("%d changes were sent", n)
	}
	e.note("PostgreSQL", "x")

	t.Log("A service that was turned off elsewhere stays off, and says why")
	e.outside(x.UpdateService(map[string]any{"termination_protection": false}))
	e.outside(x.SetPower(false))
	if message := e.unready("PostgreSQL", "x", "NotReady"); !strings.Contains(message, "spec.powered") {
		t.Errorf("the message is %q", message)
	}
	e.still("power", func() error {
		if sv, _ := e.serviceOf("PostgreSQL"); sv.Powered {
			return fmt.Errorf("the service was turned on")
		}
		return nil
	})
	e.patch("PostgreSQL", "x", `{"spec":{"powered":true}}`)
	e.ready("PostgreSQL", "x")

	t.Log("What the spec names is repaired")
	e.patch("PostgreSQL", "x", `{"spec":{"tags":{"spec":"1"},"technicalEmails":[{"email":"spec@example.com"}],"terminationProtection":false}}`)
	e.ready("PostgreSQL", "x")
	console()
	shared := func(tags map[string]string, emails []string) {
		t.Helper()
		e.eventually("tags and emails", func() error {
			if sv, _ := e.serviceOf("PostgreSQL"); !maps.Equal(sv.Tags, tags) || !slices.Equal(sv.TechEmails, emails) || sv.TerminationProtection {
				return fmt.Errorf("they are %v and %v, protected %t", sv.Tags, sv.TechEmails, sv.TerminationProtection)
			}
			return nil
		})
	}
	shared(map[string]string{"spec": "1"}, []string{"spec@example.com"})
	e.ready("PostgreSQL", "x")

	t.Log("What leaves it goes back to its default, also after a restart, and is nobody's then")
	e.stopOperator()
	e.patch("PostgreSQL", "x", `{"spec":{"tags":null,"technicalEmails":null,"powered":null,"terminationProtection":null}}`)
	e.start()
	shared(nil, nil)
	e.ready("PostgreSQL", "x")
	e.eventually("the record to be cleared", func() error {
		if got, _, _ := unstructured.NestedStringSlice(e.get("PostgreSQL", "x").Object, "status", "settings"); !slices.Equal(got, []string{"cloudName"}) {
			return fmt.Errorf("it has %v", got)
		}
		return nil
	})
	console()
	e.still("what the console set", func() error {
		if got := fmt.Sprint(settings()); got != want {
			return fmt.Errorf("it is %s, not %s", got, want)
		}
		return nil
	})

	t.Log("Empty is named: it means none")
	e.patch("PostgreSQL", "x", `{"spec":{"tags":{},"technicalEmails":[],"terminationProtection":false}}`)
	shared(nil, nil)
	e.outside(x.SetTags(map[string]string{"console": "1"}))
	shared(nil, nil)
}

// An object that is only observed gives its remote nothing, so what leaves its spec is
// nothing to reset later.
func TestObservedSettingsAreNotGiven(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.change = append(e.change, quickPoll)
	e.hostOf("pg")
	host := e.sim.Outside(project, "host")
	e.outside(host.SetTags(map[string]string{"team": "a"}))
	e.outside(host.UpdateService(map[string]any{"user_config": map[string]any{"ip_filter": []any{"10.0.0.0/8"}}}))
	obj := e.object("PostgreSQL", "host", set("tags", map[string]any{"team": "a"}), set("userConfig", map[string]any{"ip_filter": []any{map[string]any{"network": "10.0.0.0/8"}}}))
	obj.SetAnnotations(map[string]string{"bailiwick.dev/management-policy": "Observe"})
	e.start()
	e.create(obj)
	e.wantCondition("Synced", metav1.ConditionTrue, "InSync", e.conditions("PostgreSQL", "host"))
	e.patch("PostgreSQL", "host", `{"spec":{"tags":null,"userConfig":null}}`)
	e.wantCondition("Synced", metav1.ConditionTrue, "InSync", e.conditions("PostgreSQL", "host"))
	e.patch("PostgreSQL", "host", `{"metadata":{"annotations":{"bailiwick.dev/management-policy":null}}}`)
	e.ready("PostgreSQL", "host")
	e.still("tags and filter", func() error {
		sv, _ := e.sim.Project(project).Service("host")
		if filter := fmt.Sprint(sv.UserConfig["ip_filter"]); sv.Tags["team"] != "a" || filter != "[10.0.0.0/8]" {
			return fmt.Errorf("they are %v and %s", sv.Tags, filter)
		}
		return nil
	})
}

// What leaves a spec and can't be reset keeps its value, and Ready says so until the
// spec names it again, also after a restart.
func TestRemovedKeysThatStay(t *testing.T) {
	t.Parallel()
	t.Run("KafkaTopic", func(t *testing.T) {
		t.Parallel()
		e := lifecycleEnv(t, aivensim.Options{})
		e.host("KafkaTopic")
		e.start()
		e.create(e.object("KafkaTopic", "x", set("tags", []any{map[string]any{"key": "team", "value": "a"}}),
			set("config", map[string]any{"retention_ms": int64(604800001), "cleanup_policy": "compact"})))
		e.ready("KafkaTopic", "x")
		e.note("KafkaTopic", "x")
		e.stopOperator()
		e.patch("KafkaTopic", "x", `{"spec":{"tags":null,"config":{"retention_ms":null}}}`)
		e.start()
		e.note("KafkaTopic", "x", "spec.config.retention_ms was removed", "604800001")
		topic := func() *aivensim.Topic {
			sv, _ := e.serviceOf("KafkaTopic")
			return sv.Topics[0]
		}
		if got := topic(); len(got.Tags) > 0 || got.Config["retention_ms"] != any(float64(604800001)) || got.Config["cleanup_policy"] != "compact" {
			t.Errorf("the topic has tags %v and %v", got.Tags, got.Config)
		}
		e.outside(e.sim.Outside(project, "host").UpdateTopic("x", map[string]any{"tags": []any{map[string]any{"key": "console", "value": "1"}}}))
		e.patch("KafkaTopic", "x", `{"spec":{"config":{"retention_ms":1000}}}`)
		e.note("KafkaTopic", "x")
		if got := topic(); len(got.Tags) != 1 || fmt.Sprint(got.Config["retention_ms"]) != "1000" {
			t.Errorf("the topic has tags %v and %v", got.Tags, got.Config)
		}
	})
	t.Run("KafkaSchema", func(t *testing.T) {
		t.Parallel()
		e := lifecycleEnv(t, aivensim.Options{})
		e.host("KafkaSchema")
		e.start()
		e.create(e.object("KafkaSchema", "x", set("compatibilityLevel", "FULL")))
		e.ready("KafkaSchema", "x")
		e.patch("KafkaSchema", "x", `{"spec":{"compatibilityLevel":null}}`)
		e.note("KafkaSchema", "x", "spec.compatibilityLevel was removed", "FULL")
		e.patch("KafkaSchema", "x", `{"spec":{"compatibilityLevel":"BACKWARD"}}`)
		e.note("KafkaSchema", "x")
	})
	t.Run("ServiceUser", func(t *testing.T) {
		t.Parallel()
		e := lifecycleEnv(t, aivensim.Options{})
		e.host("ServiceUser")
		e.start()
		e.create(e.object("ServiceUser", "x", set("accessControl", map[string]any{"valkeyAclKeys": []any{"k*"}, "valkeyAclCategories": []any{"+@read"}})))
		e.ready("ServiceUser", "x")
		e.patch("ServiceUser", "x", `{"spec":{"accessControl":null}}`)
		e.note("ServiceUser", "x", "spec.accessControl was removed")
		sv, _ := e.serviceOf("ServiceUser")
		if u, _ := sv.User("x"); u.AccessControl == nil || fmt.Sprint(*u.AccessControl.ValkeyACLKeys) != "[k*]" {
			t.Errorf("the user may do %+v", u.AccessControl)
		}
	})
	t.Run("projectVPCRef", func(t *testing.T) {
		t.Parallel()
		e := lifecycleEnv(t, aivensim.Options{})
		e.start()
		e.create(e.object("ProjectVPC", "net"))
		e.create(e.object("Grafana", "x", set("projectVPCRef", map[string]any{"name": "net"}), set("cloudName", "google-europe-west1")))
		e.ready("Grafana", "x")
		sv, _ := e.serviceOf("Grafana")
		id := sv.ProjectVPCID
		e.patch("Grafana", "x", `{"spec":{"projectVPCRef":null,"projectVpcId":"","cloudName":null}}`)
		e.note("Grafana", "x", "stays in the VPC "+id, "spec.cloudName was removed", "google-europe-west1")
		e.patch("Grafana", "x", `{"spec":{"maintenanceWindowDow":"monday"}}`)
		e.note("Grafana", "x", "stays in the VPC "+id)
		if sv, _ = e.serviceOf("Grafana"); sv.ProjectVPCID != id || sv.Maintenance.Dow != "monday" {
			t.Errorf("the service is in %q", sv.ProjectVPCID)
		}
		e.patch("Grafana", "x", `{"spec":{"projectVpcId":"`+id+`","cloudName":"google-europe-west1"}}`)
		e.note("Grafana", "x")
	})
}

// How a MySQL user proves its password is set when it is created, or together with
// the password; where it can't be, the user says so.
func TestAuthenticationOfUsers(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.hostOf("mysql")
	e.passwordSecret("source", "chosen-password")
	e.start()
	native := set("authentication", "mysql_native_password")
	source := set("connInfoSecretSource", map[string]any{"name": "source", "passwordKey": "password"})
	user := func(name string) aivensim.User {
		t.Helper()
		sv, _ := e.sim.Project(project).Service("host")
		u, ok := sv.User(name)
		if !ok {
			t.Fatalf("no user %s", name)
		}
		return u
	}
	e.create(e.object("ServiceUser", "new", native))
	e.ready("ServiceUser", "new")
	e.note("ServiceUser", "new")
	if got := user("new").Authentication; got != "mysql_native_password" {
		t.Errorf("a new user has %s", got)
	}
	e.create(e.object("ServiceUser", "changed", source))
	e.ready("ServiceUser", "changed")
	e.patch("ServiceUser", "changed", `{"spec":{"authentication":"mysql_native_password"}}`)
	e.eventually("the change", func() error {
		if u := user("changed"); u.Authentication != "mysql_native_password" || u.Password != "chosen-password" {
			return fmt.Errorf("it has %s", u.Authentication)
		}
		return nil
	})
	e.note("ServiceUser", "changed")
	e.create(e.object("ServiceUser", "kept"))
	e.ready("ServiceUser", "kept")
	e.sim.ResetRequests()
	e.patch("ServiceUser", "kept", `{"spec":{"authentication":"mysql_native_password"}}`)
	e.note("ServiceUser", "kept", "spec.authentication is not applied", "connInfoSecretSource")
	if n := e.sim.Count(aivensim.Mutating); n != 0 {
		t.Errorf("%d changes were sent", n)
	}
}

// A plan that Aiven's autoscaler chose stays, and the condition says so until the
// autoscaler is gone.
func TestAutoscaledPlan(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.change = append(e.change, quickPoll)
	e.start()
	e.create(e.object("PostgreSQL", "x", set("disk_space", "100GiB")))
	e.ready("PostgreSQL", "x")
	outside := e.sim.OutsideProject(project)
	endpoint, err := outside.CreateEndpoint(map[string]any{"endpoint_name": "scale", "endpoint_type": "autoscaler_service", "user_config": map[string]any{}})
	e.outside(err)
	integration, err := outside.CreateIntegration(map[string]any{"integration_type": "autoscaler_service", "source_service": "x", "dest_endpoint_id": endpoint})
	e.outside(err)
	e.note("PostgreSQL", "x")
	e.sim.ResetRequests()
	e.outside(e.sim.Autoscale(project, "x", "business-8", 0))
	e.note("PostgreSQL", "x", "spec.plan is not applied", "business-8", "spec.disk_space is not applied")
	e.still("the plan", func() error {
		if sv, _ := e.serviceOf("PostgreSQL"); sv.Plan != "business-8" {
			return fmt.Errorf("it is %s", sv.Plan)
		}
		return nil
	})
	if n := e.sim.Count(aivensim.Mutating); n != 0 {
		t.Errorf("%d changes were sent", n)
	}

	t.Log("The rest of the spec counts, the plan does not")
	e.patch("PostgreSQL", "x", `{"spec":{"plan":"startup-8","maintenanceWindowDow":"monday"}}`)
	e.note("PostgreSQL", "x", "spec.plan is not applied", "business-8")
	if sv, _ := e.serviceOf("PostgreSQL"); sv.Plan != "business-8" || sv.Maintenance.Dow != "monday" {
		t.Errorf("the service has plan %s", sv.Plan)
	}

	t.Log("Without the autoscaler the spec counts again")
	e.patch("PostgreSQL", "x", `{"spec":{"disk_space":"400GiB"}}`)
	e.outside(outside.DeleteIntegration(integration))
	e.eventually("the plan of the spec", func() error {
		if sv, _ := e.serviceOf("PostgreSQL"); sv.Plan != "startup-8" {
			return fmt.Errorf("it is %s", sv.Plan)
		}
		return nil
	})
	e.note("PostgreSQL", "x")
}

// What the guide says for those who come from the aiven-operator: every object is
// observed first, and handed over later, with one command each.
func TestObserveFirst(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.hostOf("pg")
	e.outside(e.sim.Outside(project, "host").SetTags(map[string]string{"console": "1"}))
	e.create(e.object("PostgreSQL", "host", set("plan", "startup-8")))
	e.create(e.object("Database", "x"))
	run := func(args ...string) {
		t.Helper()
		if out, err := kubectl(e.ctx, shared, append(args, "--namespace", e.ns)...); err != nil {
			t.Fatalf("kubectl %v: %v: %s", args, err, out)
		}
	}
	run("annotate", "aiven", "--all", "bailiwick.dev/management-policy=Observe")
	e.start()
	e.wantCondition("Synced", metav1.ConditionFalse, "Drifted", e.conditions("PostgreSQL", "host"))
	e.wantCondition("Synced", metav1.ConditionFalse, "NotFound", e.conditions("Database", "x"))
	e.eventually("an event of the drift", func() error {
		events, err := e.kube.CoreV1().Events(e.ns).List(e.ctx, metav1.ListOptions{FieldSelector: "reason=Drifted"})
		if err == nil && (len(events.Items) != 1 || !strings.Contains(events.Items[0].Message, "Differs at Aiven: plan.")) {
			err = fmt.Errorf("events are %+v", events.Items)
		}
		return err
	})
	if n := e.sim.Count(aivensim.Mutating); n != 0 {
		t.Errorf("%d changes were sent", n)
	}
	run("annotate", "aiven", "--all", "bailiwick.dev/management-policy-")
	// It was Ready before, too, as somebody else's.
	e.eventually("the plan of the spec", func() error {
		if sv, _ := e.sim.Project(project).Service("host"); sv.Plan != "startup-8" || sv.Tags["console"] != "1" {
			return fmt.Errorf("the service has plan %s and tags %v", sv.Plan, sv.Tags)
		}
		return nil
	})
	e.ready("PostgreSQL", "host")
	e.ready("Database", "x")
}
