// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// deputyCase is an object whose author names what is not his.
type deputyCase struct {
	kind   string
	change []func(map[string]any)
	// reason is that of Ready; empty for whatever Aiven's refusal gives.
	reason string
	words  string
}

// Whoever may create objects in a namespace gets no Secret, service or project
// that the object's own token and namespace don't give, by any field.
func TestConfusedDeputies(t *testing.T) {
	t.Parallel()
	const own = "author-project"
	e := newEnv(t, aivensim.Options{Tokens: []aivensim.Token{tokenOwn, tokenOther}, Projects: []string{own}})
	if err := e.sim.SetTokenPermissions(tokenOther.Name, []string{own}, false); err != nil {
		t.Fatal(err)
	}
	if err := e.sim.SetTokenPermissions(tokenOwn.Name, []string{project}, false); err != nil {
		t.Fatal(err)
	}
	author := e.in(shared.Kubernetes.Namespace(t))
	e.start(quickEvents)

	t.Log("What is somebody else's, and what is the author's")
	e.tokenSecret("team-token", tokenOwn.Value)
	e.passwordSecret("source", "somebody-elses-password")
	e.sourceSecret("migration", nil)
	e.create(e.object("PostgreSQL", "pg", tokenOf("team-token")))
	e.create(e.object("ProjectVPC", "net", tokenOf("team-token")))
	e.create(e.object("ServiceIntegrationEndpoint", "logs", tokenOf("team-token")))
	e.ready("PostgreSQL", "pg")
	e.ready("ProjectVPC", "net")
	e.ready("ServiceIntegrationEndpoint", "logs")
	endpoint := e.sim.Project(project).Endpoints()[0].ID
	mine := []func(map[string]any){tokenOf("mine"), set("project", own)}
	author.tokenSecret("mine", tokenOther.Value)
	author.passwordSecret("unrelated", "nobodys-business")
	if err := e.sim.Console("POST", "/v1/project/"+own+"/service", map[string]any{
		"service_name": "host", "service_type": "kafka", "plan": "startup-2", "cloud": "google-europe-west1", "user_config": map[string]any{"kafka_connect": true},
	}); err != nil {
		t.Fatal(err)
	}
	first := author.object("Valkey", "first")
	for _, f := range mine {
		f(first.Object["spec"].(map[string]any))
	}
	author.create(first)
	author.ready("Valkey", "first")
	before := e.heldIn(author.ns)

	cases := map[string]deputyCase{
		"authSecretRef":                          {"Valkey", []func(map[string]any){set("project", project), tokenOf("team-token")}, "SecretNotFound", "team-token"},
		"authSecretRef as a path":                {"Valkey", []func(map[string]any){set("project", project), tokenOf(e.ns + "/team-token")}, "", "team-token"},
		"connInfoSecretTarget, unrelated":        {"Valkey", append(mine[:2:2], set("connInfoSecretTarget", map[string]any{"name": "unrelated"})), "SecretConflict", "not touched"},
		"connInfoSecretTarget, a token":          {"Valkey", append(mine[:2:2], set("connInfoSecretTarget", map[string]any{"name": "mine"})), "SecretConflict", "not touched"},
		"connInfoSecretTarget, another object's": {"Valkey", append(mine[:2:2], set("connInfoSecretTarget", map[string]any{"name": "first"})), "SecretConflict", "Valkey first"},
		"connInfoSecretSource":                   {"ServiceUser", append(mine[:2:2], set("serviceName", "first"), set("connInfoSecretSource", map[string]any{"name": "source", "passwordKey": "password"})), "SourceSecretUnusable", "does not exist"},
		"migrationSecretSource":                  {"PostgreSQL", append(mine[:2:2], set("migrationSecretSource", map[string]any{"name": "migration"})), "SourceSecretUnusable", "does not exist"},
		"fromSecret":                             {"KafkaConnector", append(mine[:2:2], set("userConfig", map[string]any{"x": `{{ fromSecret "source" "password" }}`})), "SourceSecretUnusable", "does not exist"},
		"project":                                {"Valkey", []func(map[string]any){set("project", project), tokenOf("mine")}, "Forbidden", "Not a project member"},
		"serviceName":                            {"Database", []func(map[string]any){set("project", project), tokenOf("mine"), set("serviceName", "pg")}, "Forbidden", "Not a project member"},
		"projectVPCRef":                          {"Valkey", append(mine[:2:2], set("projectVPCRef", map[string]any{"name": "net", "namespace": e.ns})), "", "is in project"},
		"kafkaSchemaRef": {"KafkaSchema", append(mine[:2:2], set("schemaType", "JSON"), set("references", []any{
			map[string]any{"name": "r", "kafkaSchemaRef": map[string]any{"name": "schema"}},
		})), "WaitingForSchema", author.ns + "/schema, named by spec.references, does not exist"},
		"serviceIntegrations": {"PostgreSQL", append(mine[:2:2], set("serviceIntegrations", []any{
			map[string]any{"integrationType": "read_replica", "sourceServiceName": "pg"},
		})), "WaitingForService", own + "/pg does not exist at Aiven"},
		"destinationEndpointRef": {"ServiceIntegration", append(mine[:2:2], integrationTo("destinationEndpointRef", map[string]any{"name": "logs"})),
			"WaitingForEndpoint", author.ns + "/logs, named by spec.destinationEndpointRef, does not exist"},
		"destinationEndpointId": {"ServiceIntegration", append(mine[:2:2], integrationTo("destinationEndpointId", endpoint)),
			"", "Integration endpoint not found"},
		"destinationEndpointId with its project": {"ServiceIntegration", append(mine[:2:2], integrationTo("destinationEndpointId", endpoint), set("destinationProjectName", project), set("integrationType", "external_elasticsearch_logs")),
			"", "Not a project member"},
		"destinationProjectName": {"ServiceIntegration", append(mine[:2:2], integrationTo("destinationServiceName", "pg"), set("destinationProjectName", project)),
			"Forbidden", "Not a project member"},
		"sourceProjectName": {"ServiceIntegration", append(mine[:2:2], integrationTo("destinationServiceName", "host"), set("sourceServiceName", "pg"), set("sourceProjectName", project)),
			"Forbidden", "Not a project member"},
	}
	names := map[string]string{}
	for i, what := range slices.Sorted(maps.Keys(cases)) {
		c := cases[what]
		names[what] = fmt.Sprintf("case-%d", i)
		author.create(author.object(c.kind, names[what], c.change...))
	}
	for what, c := range cases {
		author.eventually(what+" to be refused", func() error {
			_, conditions, err := author.conditions(c.kind, names[what])()
			if err != nil {
				return err
			}
			ready := meta.FindStatusCondition(conditions, "Ready")
			if ready == nil || ready.Status != metav1.ConditionFalse || c.reason != "" && ready.Reason != c.reason || !strings.Contains(ready.Message, c.words) {
				return fmt.Errorf("conditions are %+v", conditions)
			}
			return nil
		})
	}

	if after := e.heldIn(author.ns); !maps.Equal(before, after) {
		t.Errorf("Secrets and remotes were\n%v\nand are\n%v", before, after)
	}
	for _, r := range e.sim.Requests() {
		if r.Token == tokenOwn.Name && r.Project == own || r.Token == tokenOther.Name && r.Project == project && r.Status < 400 {
			t.Errorf("token %s: %s %s was answered %d", r.Token, r.Method, r.Path, r.Status)
		}
	}
}

// integrationTo sends the logs of the author's service to a destination.
func integrationTo(field string, value any) func(map[string]any) {
	return func(spec map[string]any) {
		for _, other := range []string{"kafkaLogs", "destinationServiceName", "sourceServiceName"} {
			delete(spec, other)
		}
		spec["integrationType"], spec["sourceServiceName"] = "rsyslog", "host"
		spec[field] = value
	}
}

// heldIn returns what must stay as it is: all Secrets of both namespaces but for
// what is published for new objects, and all of Aiven's in the other project.
func (e *env) heldIn(namespace string) map[string]string {
	e.Helper()
	held := map[string]string{}
	for _, ns := range []string{e.ns, namespace} {
		list, err := e.kube.CoreV1().Secrets(ns).List(e.ctx, metav1.ListOptions{})
		if err != nil {
			e.Fatal(err)
		}
		for _, secret := range list.Items {
			if !strings.HasPrefix(secret.Name, "case-") {
				held[ns+"/"+secret.Name] = encode(e, secret)
			}
		}
	}
	for _, sv := range e.sim.Project(project).Services() {
		held["service "+sv.Name] = fmt.Sprintf("%s, %d users, %d databases", sv.Plan, len(sv.Users), len(sv.Databases))
	}
	return held
}
