// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// examplesVariable names a folder with example manifests of the same kinds, the
// aiven-operator's for instance.
const examplesVariable = "BAILIWICK_EXAMPLES"

// placeholders are what an example can't know, and what takes its place.
var placeholders = map[*regexp.Regexp]string{
	regexp.MustCompile(`(?m)^(\s*accountId:).*$`):      "$1 " + aivensim.DefaultAccountID,
	regexp.MustCompile(`(?m)^(\s*organizationId:).*$`): "$1 " + aivensim.DefaultOrganizationID,
	regexp.MustCompile(`(?m)^(\s*parentId:).*$`):       "$1 " + aivensim.DefaultOrganizationID,
	regexp.MustCompile(`(?m)^(\s*billingGroupId:).*$`): "$1 " + aivensim.DefaultBillingGroupID,
}

// Every file of a folder applies as it is, and becomes Ready once what it presumes
// to exist at Aiven does: its projects, and the services that it names and does
// not make.
func TestExamples(t *testing.T) {
	folder := os.Getenv(examplesVariable)
	if folder == "" {
		t.Skipf("%s names no folder with examples", examplesVariable)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no .yaml file: %v", folder, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text := string(raw)
			for placeholder, value := range placeholders {
				text = placeholder.ReplaceAllString(text, value)
			}
			newExample(t, text).run()
		})
	}
}

type example struct {
	*env
	text    string
	objects []*unstructured.Unstructured
}

func newExample(t *testing.T, text string) *example {
	t.Helper()
	x := &example{text: text}
	projects := map[string]bool{}
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		obj := &unstructured.Unstructured{}
		err := decoder.Decode(&obj.Object)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, ours := kindCases[obj.GetKind()]; !ours {
			continue
		}
		x.objects = append(x.objects, obj)
		for _, field := range []string{"project", "sourceProjectName", "destinationProjectName"} {
			if name := x.field(obj, field); name != "" {
				projects[name] = true
			}
		}
	}
	for _, obj := range x.objects {
		if obj.GetKind() == "Project" {
			delete(projects, obj.GetName())
		}
		delete(projects, x.field(obj, "projectId"))
	}
	x.env = newEnv(t, aivensim.Options{
		Projects: slices.Sorted(maps.Keys(projects)), Tokens: []aivensim.Token{tokenOwn},
		Timing: aivensim.Timing{ServiceBuild: 300 * time.Millisecond, TopicActive: 100 * time.Millisecond, VPCBuild: 300 * time.Millisecond},
	})
	return x
}

func (*example) field(obj *unstructured.Unstructured, name string) string {
	value, _, _ := unstructured.NestedString(obj.Object, "spec", name)
	return value
}

func (x *example) run() {
	x.start(func(o *app.Options) { o.Aiven.EventLogInterval = 200 * time.Millisecond })
	x.tokenSecret("aiven-token", tokenOwn.Value)
	for _, obj := range x.objects {
		x.presumed(obj)
	}
	file := filepath.Join(x.TempDir(), "example.yaml")
	if err := os.WriteFile(file, []byte(x.text), 0o600); err != nil {
		x.Fatal(err)
	}
	if out, err := kubectl(x.ctx, shared, "apply", "-n", x.ns, "-f", file); err != nil {
		x.Fatalf("%v: %s", err, out)
	}
	for _, obj := range x.objects {
		x.ready(obj.GetKind(), obj.GetName())
	}
	if out, err := kubectl(x.ctx, shared, "delete", "-n", x.ns, "-f", file, "--wait=true", "--timeout=60s"); err != nil {
		x.Fatalf("%v: %s", err, out)
	}
}

// hostTypes are the types of the services that children live in, by the start of
// their kind's name, the longest first.
var hostTypes = []struct {
	kinds, serviceType, plan string
	config                   map[string]any
}{
	{"Clickhouse", "clickhouse", "startup-16", nil},
	{"Kafka", "kafka", "business-4", map[string]any{"schema_registry": true, "kafka_connect": true}},
	{"OpenSearch", "opensearch", "startup-4", nil},
	{"", "pg", "startup-4", nil},
}

// presumed makes what an object of the example names at Aiven, unless another
// object of it is to make that.
func (x *example) presumed(obj *unstructured.Unstructured) {
	x.Helper()
	if serviceName := x.field(obj, "serviceName"); serviceName != "" {
		x.service(obj.GetKind(), x.field(obj, "project"), serviceName)
	}
	outside := x.sim.Outside(x.field(obj, "project"), x.field(obj, "serviceName"))
	switch obj.GetKind() {
	case "UpgradePipelineStep":
		x.service("", x.field(obj, "sourceProjectName"), x.field(obj, "sourceServiceName"))
		x.service("", x.field(obj, "destinationProjectName"), x.field(obj, "destinationServiceName"))
	case "ServiceIntegration":
		if id := x.field(obj, "destinationEndpointId"); id != "" {
			x.endpoint(x.field(obj, "project"), x.field(obj, "integrationType"), id)
		}
	case "KafkaSchema":
		references, _, _ := unstructured.NestedSlice(obj.Object, "spec", "references")
		for _, item := range references {
			if reference, ok := item.(map[string]any); ok && reference["subject"] != nil {
				x.eventually("the referenced schema", func() error {
					return outside.AddSchema(fmt.Sprint(reference["subject"]), map[string]any{"schema": presumedSchema, "schemaType": "PROTOBUF"})
				})
			}
		}
	case "ClickhouseGrant":
		x.grantees(obj, outside)
	}
}

const presumedSchema = "syntax = \"proto3\";\nmessage Money { int64 amount_cents = 1; }"

// endpoint makes the integration endpoint that a placeholder stands for.
func (x *example) endpoint(projectName, endpointType, placeholder string) {
	x.Helper()
	id, err := x.sim.OutsideProject(projectName).CreateEndpoint(map[string]any{
		"endpoint_name": "presumed", "endpoint_type": endpointType, "user_config": map[string]any{"datadog_api_key": "0123456789abcdef"},
	})
	x.outside(err)
	x.text = strings.ReplaceAll(x.text, placeholder, id)
}

// grantees makes the databases, users and roles that a grant is about.
func (x *example) grantees(obj *unstructured.Unstructured, outside aivensim.Outside) {
	x.Helper()
	missing := map[string]func(string) error{
		"ClickhouseDatabase": outside.CreateClickHouseDatabase,
		"ClickhouseUser":     outside.CreateClickHouseUser,
		"ClickhouseRole":     func(name string) error { return outside.QueryClickHouse("CREATE ROLE `" + name + "`") },
	}
	made := map[string]bool{}
	add := func(kind string, name any) {
		text, ok := name.(string)
		if key := kind + "/" + text; ok && !made[key] && !slices.ContainsFunc(x.objects, func(o *unstructured.Unstructured) bool {
			return o.GetKind() == kind && o.GetName() == text
		}) {
			made[key] = true
			x.eventually(key, func() error { return missing[kind](text) })
		}
	}
	for _, field := range []string{"privilegeGrants", "roleGrants"} {
		grants, _, _ := unstructured.NestedSlice(obj.Object, "spec", field)
		for _, item := range grants {
			grant, _ := item.(map[string]any)
			add("ClickhouseDatabase", grant["database"])
			roles, _ := grant["roles"].([]any)
			for _, role := range roles {
				add("ClickhouseRole", role)
			}
			grantees, _ := grant["grantees"].([]any)
			for _, grantee := range grantees {
				g, _ := grantee.(map[string]any)
				add("ClickhouseUser", g["user"])
				add("ClickhouseRole", g["role"])
			}
		}
	}
}

func (x *example) service(kind, projectName, name string) {
	x.Helper()
	_, made := x.sim.Project(projectName).Service(name)
	if made || slices.ContainsFunc(x.objects, func(o *unstructured.Unstructured) bool {
		return o.GetName() == name && kindCases[o.GetKind()].remote == "service"
	}) {
		return
	}
	for _, host := range hostTypes {
		if !strings.HasPrefix(kind, host.kinds) {
			continue
		}
		x.outside(x.sim.Console("POST", fmt.Sprintf("/v1/project/%s/service", projectName), map[string]any{
			"service_name": name, "service_type": host.serviceType, "plan": host.plan, "cloud": "google-europe-west1", "user_config": host.config,
		}))
		return
	}
}
