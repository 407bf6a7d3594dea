// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// Known defects of the aiven-operator that no other test is about; README.md has
// the table of all.

// Every test that the table names exists where it says.
func TestDefectsHaveTests(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Za-z]+)`(?: in `([a-z/-]+)`)?").FindAllStringSubmatch(string(raw), -1)
	if len(named) < 30 {
		t.Fatalf("the table names %d tests", len(named))
	}
	for _, match := range named {
		folder := "."
		if match[2] != "" {
			folder = filepath.Join("../..", match[2])
		}
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(text), "func "+match[1]+"(")
		}) {
			t.Errorf("there is no %s in %s", match[1], folder)
		}
	}
}

// What a user changes while a request to Aiven is under way is neither undone nor
// forgotten.
func TestSpecEditsDuringASyncStay(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"PostgreSQL", "KafkaTopic"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			e.host(kind)
			e.start()
			e.create(e.object(kind, "x"))
			e.ready(kind, "x")
			operation, first, second := "ServiceUpdate", `{"spec":{"maintenanceWindowDow":"friday"}}`, kindCases[kind].edit
			if kind == "KafkaTopic" {
				operation, first = "ServiceKafkaTopicUpdate", `{"spec":{"partitions":2}}`
			}
			fault := e.sim.InjectFault(aivensim.Fault{Operation: operation, Action: aivensim.Hang, Count: 1})
			e.patch(kind, "x", first)
			if err := e.sim.WaitUntil(e.ctx, func() bool { return fault.Hits() == 1 }); err != nil {
				t.Fatal(err)
			}
			e.patch(kind, "x", second)
			want := e.get(kind, "x").Object["spec"]
			fault.Release()
			e.ready(kind, "x")
			e.eventually("the second change to reach Aiven", func() error {
				if sv, ok := e.serviceOf(kind); !ok || !kindCases[kind].edited(sv) {
					return fmt.Errorf("service is %+v", sv)
				}
				return nil
			})
			if got := e.get(kind, "x").Object["spec"]; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("the spec is %v, want %v", got, want)
			}
		})
	}
}

// Whatever goes wrong shows in the conditions, and is gone from them when it is
// over.
func TestEveryFailureShows(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault  aivensim.Fault
		reason string
	}{
		"looking is forbidden":   {aivensim.Fault{Operation: "ServiceGet", Status: 403, Message: "Not a project member"}, "Forbidden"},
		"looking fails":          {aivensim.Fault{Operation: "ServiceGet", Status: 500}, "Failed"},
		"creating is refused":    {aivensim.Fault{Operation: "ServiceKafkaTopicCreate", Status: 400, Message: "no more topics"}, "RejectedByAiven"},
		"creating fails":         {aivensim.Fault{Operation: "ServiceKafkaTopicCreate", Status: 500}, "Failed"},
		"creating is forbidden":  {aivensim.Fault{Operation: "ServiceKafkaTopicCreate", Status: 403, Message: "Not allowed"}, "Forbidden"},
		"listing topics fails":   {aivensim.Fault{Operation: "ServiceKafkaTopicListV2", Status: 500}, "Failed"},
		"listing is interrupted": {aivensim.Fault{Operation: "ServiceKafkaTopicList", Action: aivensim.Truncate}, "Failed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			e.change = append(e.change, func(o *app.Options) { o.PollInterval = 2 * time.Second })
			e.host("KafkaTopic")
			fault := e.sim.InjectFault(tt.fault)
			e.start()
			e.create(e.object("KafkaTopic", "x"))
			e.eventually("the failure to show", func() error {
				_, conditions, err := e.conditions("KafkaTopic", "x")()
				if err != nil {
					return err
				}
				for _, c := range conditions {
					if c.Type == "Ready" && c.Status == metav1.ConditionFalse && c.Reason != "" && c.Message != "" && c.Reason == tt.reason {
						return nil
					}
				}
				return fmt.Errorf("conditions are %+v after %d hits", conditions, fault.Hits())
			})
			fault.Remove()
			e.ready("KafkaTopic", "x")
			_, conditions, err := e.conditions("KafkaTopic", "x")()
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range conditions {
				if c.Type == "Error" {
					t.Errorf("the condition stays: %+v", c)
				}
			}
		})
	}
}

// A wrong project, a missing service, and a deletion that fails are said in the
// status, of services and of what lives in them.
func TestProblemsOfServicesShow(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.start()
	e.create(e.object("KafkaTopic", "wrong-project", set("project", "no-such-project")))
	e.create(e.object("Valkey", "wrong-project", set("project", "no-such-project")))
	e.create(e.object("KafkaTopic", "no-service"))
	for kind, reason := range map[string]string{"KafkaTopic": "ProjectNotFound", "Valkey": "NotFound"} {
		if message := e.unready(kind, "wrong-project", reason); !strings.Contains(message, "no-such-project") {
			t.Errorf("message is %q", message)
		}
	}
	e.unready("KafkaTopic", "no-service", "WaitingForService")

	e.create(e.object("Valkey", "x"))
	e.ready("Valkey", "x")
	fault := e.sim.InjectFault(aivensim.Fault{Operation: "ServiceDelete", Status: 403, Message: "Not allowed to delete"})
	e.delete("Valkey", "x")
	e.unready("Valkey", "x", "Forbidden")
	if cond := e.wantCondition("Error", metav1.ConditionUnknown, "Delete", e.conditions("Valkey", "x")); !strings.Contains(cond.Message, "Not allowed to delete") {
		t.Errorf("message is %q", cond.Message)
	}
	fault.Remove()
	e.annotate("Valkey", "x", "bailiwick.dev/refresh", "1")
	e.gone("Valkey", "x")
	e.noRemote("Valkey")
}

// An unknown deletion policy is said, and the object waits for a good one.
func TestInvalidDeletionPolicy(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Valkey", "KafkaTopic"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			e.host(kind)
			e.start()
			e.create(e.object(kind, "x"))
			e.ready(kind, "x")
			e.annotate(kind, "x", "controllers.aiven.io/deletion-policy", "Keep")
			e.delete(kind, "x")
			e.unready(kind, "x", "InvalidDeletionPolicy")
			e.onlyRemote(kind)
			e.annotate(kind, "x", "controllers.aiven.io/deletion-policy", "Orphan")
			e.gone(kind, "x")
			e.onlyRemote(kind)
		})
	}
}

// Two tokens ask for the topics of one service; what one may not see is not served
// to it from what the other saw.
func TestNothingIsSharedAcrossTokens(t *testing.T) {
	t.Parallel()
	stranger := aivensim.Token{Name: "stranger", Value: "stranger-value-19cc", Projects: []string{"elsewhere"}}
	e := newEnv(t, aivensim.Options{Projects: []string{"elsewhere"}, Tokens: []aivensim.Token{tokenOwn, stranger}})
	e.hostOf("kafka")
	e.tokenSecret("own", tokenOwn.Value)
	e.tokenSecret("stranger", stranger.Value)
	e.start()
	e.create(e.object("KafkaTopic", "x", tokenOf("own")))
	e.ready("KafkaTopic", "x")
	for _, name := range []string{"x", "y"} {
		e.create(e.object("KafkaTopic", "stranger-"+name, tokenOf("stranger"), set("topicName", name)))
		e.unready("KafkaTopic", "stranger-"+name, "Forbidden")
	}
	// The other way round: a failure of the stranger's is not the owner's.
	e.create(e.object("KafkaTopic", "z", tokenOf("own")))
	e.ready("KafkaTopic", "z")
	if n := e.sim.Count(aivensim.ByToken("stranger"), aivensim.Mutating); n != 0 {
		t.Errorf("%d writes with a token that may not write", n)
	}
}

// A service that is to be off from the start is made and then turned off; it can
// be turned on and off again.
func TestPower(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{Timing: aivensim.Timing{ServiceBuild: 300 * time.Millisecond, PowerOn: 300 * time.Millisecond}})
	e.start()
	powered := func(want bool) {
		t.Helper()
		e.ready("PostgreSQL", "host")
		e.eventually(fmt.Sprintf("powered %t", want), func() error {
			sv := mustService(t, e, "host")
			annotation := e.get("PostgreSQL", "host").GetAnnotations()["controllers.aiven.io/instance-is-running"]
			if sv.Powered != want || annotation != fmt.Sprint(want) {
				return fmt.Errorf("powered is %t, the annotation %q", sv.Powered, annotation)
			}
			return nil
		})
	}
	e.create(e.object("PostgreSQL", "host", set("powered", false)))
	powered(false)
	e.create(e.object("Database", "d", set("serviceName", "host")))
	if message := e.unready("Database", "d", "ServicePoweredOff"); !strings.Contains(message, project+"/host") {
		t.Errorf("message is %q", message)
	}
	e.patch("PostgreSQL", "host", `{"spec":{"powered":true}}`)
	powered(true)
	e.ready("Database", "d")
	e.patch("PostgreSQL", "host", `{"spec":{"powered":false}}`)
	powered(false)
	e.delete("Database", "d")
	e.delete("PostgreSQL", "host")
	e.gone("PostgreSQL", "host")
	e.gone("Database", "d")
}

// A topic that Aiven lists late is created once.
func TestTopicThatIsListedLate(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{Timing: aivensim.Timing{TopicVisible: 3 * time.Second, TopicActive: 4 * time.Second}})
	e.host("KafkaTopic")
	e.start()
	e.create(e.object("KafkaTopic", "x"))
	e.ready("KafkaTopic", "x")
	if n := e.sim.Count(aivensim.ByOperation("ServiceKafkaTopicCreate")); n != 1 {
		t.Errorf("%d requests to create it", n)
	}
}

// A size without a unit is one in GiB.
func TestDiskSpaceWithoutAUnit(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.start()
	e.create(e.object("MySQL", "x", set("disk_space", "600")))
	e.ready("MySQL", "x")
	if sv, _ := e.serviceOf("MySQL"); sv.DiskSpaceMB != 600<<10 {
		t.Errorf("the disk has %d MiB", sv.DiskSpaceMB)
	}
}

// The version may be named for the first time in an upgrade.
func TestUpgradeOfAnUnnamedVersion(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.outside(e.sim.Console("POST", "/v1/project/"+project+"/service", map[string]any{
		"service_name": "x", "service_type": "pg", "plan": "startup-4", "cloud": "google-europe-west1", "user_config": map[string]any{"pg_version": "16"},
	}))
	e.start()
	e.create(e.object("PostgreSQL", "x"))
	e.ready("PostgreSQL", "x")
	e.patch("PostgreSQL", "x", `{"spec":{"userConfig":{"pg_version":"17"}}}`)
	e.ready("PostgreSQL", "x")
	if sv, _ := e.serviceOf("PostgreSQL"); sv.UserConfig["pg_version"] != "17" {
		t.Errorf("the version is %v", sv.UserConfig["pg_version"])
	}
}

// A password in a source Secret is compared at each look: what changed while the
// operator was down counts, and so does what others did at Aiven.
func TestUserFollowsItsSourceSecret(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.host("ServiceUser")
	e.passwordSecret("source", "first-password")
	e.start()
	e.create(e.object("ServiceUser", "x", set("connInfoSecretSource", map[string]any{"name": "source", "passwordKey": "password"})))
	e.ready("ServiceUser", "x")
	password := func(want string) {
		t.Helper()
		e.eventually("the password at Aiven and in the Secret", func() error {
			sv, _ := e.serviceOf("ServiceUser")
			u, _ := sv.User("x")
			if got := string(e.secret("x").Data["SERVICEUSER_PASSWORD"]); u.Password != want || got != want {
				return fmt.Errorf("they are %q and %q", u.Password, got)
			}
			return nil
		})
	}
	password("first-password")
	e.stopOperator()
	e.editSecret("source", `{"stringData":{"password":"second-password"}}`)
	e.start()
	password("second-password")
	e.outside(e.sim.Outside(project, "host").ResetUser("x", "somebody-elses"))
	password("second-password")
	if got, _, _ := unstructured.NestedString(e.get("ServiceUser", "x").Object, "metadata", "annotations", "controllers.aiven.io/secret-source-updated"); got != "" {
		t.Errorf("something of the password is recorded on the object: %s", got)
	}
}
