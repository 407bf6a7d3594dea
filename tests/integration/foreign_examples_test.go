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
	file    string
	objects []*unstructured.Unstructured
}

func newExample(t *testing.T, text string) *example {
	t.Helper()
	x := &example{file: filepath.Join(t.TempDir(), "example.yaml")}
	if err := os.WriteFile(x.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
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
	if out, err := kubectl(x.ctx, shared, "apply", "-n", x.ns, "-f", x.file); err != nil {
		x.Fatalf("%v: %s", err, out)
	}
	for _, obj := range x.objects {
		x.ready(obj.GetKind(), obj.GetName())
	}
	if out, err := kubectl(x.ctx, shared, "delete", "-n", x.ns, "-f", x.file, "--wait=true", "--timeout=60s"); err != nil {
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

// presumed makes the services that an object of the example names, unless another
// object of it is to make them.
func (x *example) presumed(obj *unstructured.Unstructured) {
	x.Helper()
	if serviceName := x.field(obj, "serviceName"); serviceName != "" {
		x.service(obj.GetKind(), x.field(obj, "project"), serviceName)
	}
	if obj.GetKind() == "UpgradePipelineStep" {
		x.service("", x.field(obj, "sourceProjectName"), x.field(obj, "sourceServiceName"))
		x.service("", x.field(obj, "destinationProjectName"), x.field(obj, "destinationServiceName"))
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
