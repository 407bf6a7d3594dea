// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// deniedBy is what the API server says before the words of a policy.
const deniedBy = "denied request: "

// protected lists the kinds with a termination protection, by its field.
var protected = map[string]string{
	"Clickhouse": "terminationProtection", "Flink": "terminationProtection", "Grafana": "terminationProtection",
	"Kafka": "terminationProtection", "KafkaConnect": "terminationProtection", "MySQL": "terminationProtection",
	"OpenSearch": "terminationProtection", "PostgreSQL": "terminationProtection", "Valkey": "terminationProtection",
	"Database": "terminationProtection", "KafkaTopic": "termination_protection",
}

func refusalOf(kind string) string {
	what := kind + " service"
	if kind == "Database" || kind == "KafkaTopic" {
		what = kind
	}
	return "cannot delete " + what + ", termination protection is on"
}

// wantRefusedDelete waits until the API server refuses to delete an object: a
// policy takes a moment to be in force.
func (e *env) wantRefusedDelete(kind, name, words string) {
	e.Helper()
	e.eventually("the deletion to be refused", func() error {
		err := e.client(kind).Delete(e.ctx, name, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
		if !apierrors.IsForbidden(err) || !strings.HasSuffix(err.Error(), deniedBy+words) {
			return fmt.Errorf("deleting says %v", err) //nolint:errorlint // it may be nil
		}
		return nil
	})
	if err := e.client(kind).Delete(e.ctx, name, metav1.DeleteOptions{}); err == nil {
		e.Fatal("a protected object was deleted")
	}
}

// wantInvalid checks that the API server refuses an object or a change for one
// reason, in these words.
func (e *env) wantInvalid(err error, words string) {
	e.Helper()
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		e.Errorf("the API server says %v, want a refusal with %q", err, words)
		return
	}
	causes := status.Status().Details.Causes
	if !slices.ContainsFunc(causes, func(c metav1.StatusCause) bool { return strings.HasSuffix(c.Message, ": "+words) || c.Message == words }) {
		e.Errorf("the API server names %+v, want %q", causes, words)
	}
}

// The API server itself refuses to delete what its spec protects, in the words of
// the aiven-operator's webhook; with the protection off, it goes. No operator is
// needed for either.
func TestTerminationProtection(t *testing.T) {
	t.Parallel()
	e := newEnv(t, aivensim.Options{})
	for _, kind := range slices.Sorted(maps.Keys(protected)) {
		field := protected[kind]
		e.create(e.object(kind, "x", set(field, true)))
		e.wantRefusedDelete(kind, "x", refusalOf(kind))
		e.patch(kind, "x", fmt.Sprintf(`{"spec":{%q:false}}`, field))
		e.delete(kind, "x")
		e.gone(kind, "x")

		e.create(e.object(kind, "y"))
		e.delete(kind, "y")
		e.gone(kind, "y")
	}
	for kind := range kindCases {
		_, ok := protected[kind]
		spec := specFields(t, kind)
		if has := spec["terminationProtection"] || spec["termination_protection"]; has != ok {
			t.Errorf("%s has a termination protection: %t, and is tested: %t", kind, has, ok)
		}
	}
}

// A namespace with a protected object stays Terminating until the protection is
// off, and nothing of the protected object is lost meanwhile.
func TestNamespaceWithAProtectedObject(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.hostOf("pg")
	e.start()
	e.create(e.object("Database", "kept", set("terminationProtection", true)))
	e.create(e.object("ServiceUser", "other"))
	e.ready("Database", "kept")
	e.ready("ServiceUser", "other")
	e.wantRefusedDelete("Database", "kept", refusalOf("Database"))

	namespaces := e.kube.CoreV1().Namespaces()
	if err := namespaces.Delete(e.ctx, e.ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// The namespaces of all other tests are in the same queue.
	const turn = 2 * time.Minute
	e.within(turn, "the namespace to say what keeps it", func() error {
		namespace, err := namespaces.Get(e.ctx, e.ns, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if namespace.Status.Phase != corev1.NamespaceTerminating || !slices.ContainsFunc(namespace.Status.Conditions, func(c corev1.NamespaceCondition) bool {
			return c.Type == corev1.NamespaceDeletionContentFailure && strings.Contains(c.Message, refusalOf("Database"))
		}) {
			return fmt.Errorf("its status is %+v", namespace.Status)
		}
		return nil
	})
	e.gone("ServiceUser", "other")
	if obj := e.get("Database", "kept"); obj.GetDeletionTimestamp() != nil {
		t.Error("the protected object is being deleted")
	}
	if names := e.remotes("Database"); !slices.Equal(names, []string{"kept"}) {
		t.Errorf("at Aiven there are %v, want the protected database", names)
	}

	e.patch("Database", "kept", `{"spec":{"terminationProtection":false}}`)
	e.within(turn, "the namespace to be gone", func() error {
		_, err := namespaces.Get(e.ctx, e.ns, metav1.GetOptions{})
		if err == nil {
			return errors.New("it is still there")
		}
		return ignoreNotFound(err)
	})
	e.noRemote("Database")
}

// A project with an open balance stays. One of an account, and one whose balance
// was never seen, may go.
func TestProjectWithAnOpenBalance(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.change = append(e.change, func(o *app.Options) { o.PollInterval = time.Second })
	e.start()
	e.create(e.object("Project", "x"))
	e.create(e.object("Project", "of-account", set("accountId", aivensim.DefaultAccountID)))
	e.ready("Project", "x")
	e.ready("Project", "of-account")
	balance := func(name, want string) {
		t.Helper()
		e.outside(e.sim.SetBalance(name, want))
		e.eventually("the balance of "+name, func() error {
			if got, _, _ := unstructured.NestedString(e.get("Project", name).Object, "status", "estimatedBalance"); got != want {
				return fmt.Errorf("it is %q", got)
			}
			return nil
		})
	}
	balance("x", "12.50")
	e.wantRefusedDelete("Project", "x", "project with an open balance cannot be deleted")
	balance("of-account", "12.50")
	e.delete("Project", "of-account")
	balance("x", "0.00")
	e.delete("Project", "x")
	e.gone("Project", "x")

	e.stopOperator()
	e.create(e.object("Project", "never-seen"))
	e.delete("Project", "never-seen")
	e.gone("Project", "never-seen")
}

// What the aiven-operator's webhooks refuse to create, the API server does, in
// the same words.
func TestSchemaRefusesWhatWebhooksDid(t *testing.T) {
	t.Parallel()
	e := newEnv(t, aivensim.Options{})
	for kind, c := range kindCases {
		if c.remote != "service" {
			continue
		}
		const words = "please set ProjectVPCID or ProjectVPCRef, not both"
		ref, id := set("projectVPCRef", map[string]any{"name": "net"}), set("projectVpcId", "a")
		_, err := e.client(kind).Create(e.ctx, e.object(kind, "both", ref, id), metav1.CreateOptions{})
		e.wantInvalid(err, words)
		e.create(e.object(kind, "ref", ref, set("projectVpcId", "")))
		e.create(e.object(kind, "id", id))
		e.wantInvalid(e.tryPatch(kind, "ref", `{"spec":{"projectVpcId":"a"}}`), words)
		e.wantInvalid(e.tryPatch(kind, "id", `{"spec":{"projectVPCRef":{"name":"net"}}}`), words)
		e.patch(kind, "id", `{"spec":{"projectVpcId":null,"projectVPCRef":{"name":"net"}}}`)
	}

	blocks := map[string]struct{ words, typeField, other string }{
		"ServiceIntegration":         {"got additional configuration for integration type %q", "integrationType", "dashboard"},
		"ServiceIntegrationEndpoint": {"got additional configuration for integration endpoint type %q", "endpointType", "external_aws_s3"},
	}
	for kind, want := range blocks {
		for _, block := range configBlocks[kind] {
			name := strings.ToLower(block.field)
			words := fmt.Sprintf(want.words, block.typ)
			config := block.object(t)
			withType := func(typ string, config map[string]any) func(map[string]any) {
				return func(spec map[string]any) {
					clear(spec)
					spec["project"], spec[want.typeField] = project, typ
					if config != nil {
						spec[block.field] = config
					}
				}
			}
			_, err := e.client(kind).Create(e.ctx, e.object(kind, name, withType(want.other, config)), metav1.CreateOptions{})
			e.wantInvalid(err, words)
			e.create(e.object(kind, name, withType(want.other, nil)))
			raw, err := json.Marshal(map[string]any{"spec": map[string]any{block.field: config}})
			if err != nil {
				t.Fatal(err)
			}
			e.wantInvalid(e.tryPatch(kind, name, string(raw)), words)
			e.create(e.object(kind, name+"-right", withType(block.typ, config)))
		}
		of := 0
		for field := range specFields(t, kind) {
			if slices.ContainsFunc(configBlocks[kind], func(b configBlock) bool { return b.field == field }) {
				of++
			}
		}
		if of != len(configBlocks[kind]) {
			t.Errorf("%s has %d of the %d fields that are tested", kind, of, len(configBlocks[kind]))
		}
	}
}

// A pool without a size, or of the size zero, gets the one that the
// aiven-operator's webhook filled in.
func TestPoolSizeDefault(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(map[string]any){
		"absent": func(map[string]any) {},
		"zero":   set("poolSize", int64(0)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := lifecycleEnv(t, aivensim.Options{})
			e.host("ConnectionPool")
			e.start()
			e.create(e.object("ConnectionPool", "x", change))
			e.ready("ConnectionPool", "x")
			if sv, _ := e.serviceOf("ConnectionPool"); len(sv.Pools) != 1 || sv.Pools[0].Size != 10 {
				t.Errorf("pools are %+v", sv.Pools)
			}
		})
	}
}

// configBlock is the settings of one type of integrations or endpoints, in the
// smallest form that the schema takes.
type configBlock struct{ field, typ, smallest string }

func (b configBlock) object(t testing.TB) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(b.smallest), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

var configBlocks = map[string][]configBlock{
	"ServiceIntegration": {
		{"autoscaler", "autoscaler", `{}`},
		{"clickhouseKafka", "clickhouse_kafka", `{}`},
		{"clickhousePostgresql", "clickhouse_postgresql", `{}`},
		{"datadog", "datadog", `{}`},
		{"externalAWSCloudwatchMetrics", "external_aws_cloudwatch_metrics", `{}`},
		{"kafkaConnect", "kafka_connect", `{}`},
		{"kafkaLogs", "kafka_logs", `{"kafka_topic":"t"}`},
		{"kafkaMirrormaker", "kafka_mirrormaker", `{}`},
		{"logs", "logs", `{}`},
		{"metrics", "metrics", `{}`},
	},
	"ServiceIntegrationEndpoint": {
		{"autoscaler", "autoscaler", `{"autoscaling":[{"cap_gb":50,"type":"autoscale_disk"}]}`},
		{"datadog", "datadog", `{"datadog_api_key":"0123456789abcdef"}`},
		{"externalAWSCloudwatchLogs", "external_aws_cloudwatch_logs", `{"access_key":"AKIA0123456789ABCDEF","secret_key":"s","region":"eu-west-1"}`},
		{"externalAWSCloudwatchMetrics", "external_aws_cloudwatch_metrics", `{"access_key":"a","namespace":"n","secret_key":"s","region":"eu-west-1"}`},
		{"externalElasticsearchLogs", "external_elasticsearch_logs", `{"index_prefix":"logs","url":"https://es.example.com"}`},
		{"externalGoogleCloudBigquery", "external_google_cloud_bigquery", `{"project_id":"gcp-project","service_account_credentials":"{}"}`},
		{"externalGoogleCloudLogging", "external_google_cloud_logging", `{"log_id":"l","project_id":"gcp-project","service_account_credentials":"{}"}`},
		{"externalKafka", "external_kafka", `{"bootstrap_servers":"a:9092","security_protocol":"PLAINTEXT"}`},
		{"externalOpensearchLogs", "external_opensearch_logs", `{"index_prefix":"logs","url":"https://os.example.com"}`},
		{"externalPostgresql", "external_postgresql", `{"host":"h","port":5432,"username":"u"}`},
		{"externalSchemaRegistry", "external_schema_registry", `{"authentication":"none","url":"https://sr.example.com"}`},
		{"jolokia", "jolokia", `{}`},
		{"prometheus", "prometheus", `{}`},
		{"rsyslog", "rsyslog", `{"format":"rfc5424","port":514,"server":"logs","tls":true}`},
	},
}

// tryPatch is patch for a change that may be refused.
func (e *env) tryPatch(kind, name, body string) error {
	e.Helper()
	_, err := e.client(kind).Patch(e.ctx, name, "application/merge-patch+json", []byte(body), metav1.PatchOptions{FieldManager: "kubectl"})
	return err
}

var crdResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// definition returns the CustomResourceDefinition of a kind, and in it the schema
// of the spec.
func definition(t testing.TB, cluster *stack.Kubernetes, kind string) (crd *unstructured.Unstructured, spec map[string]any) {
	t.Helper()
	client, err := dynamic.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	crd, err = client.Resource(crdResource).Get(t.Context(), resourceOf(kind).GroupResource().String(), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	versions, _, _ := unstructured.NestedFieldNoCopy(crd.Object, "spec", "versions")
	version, _ := versions.([]any)[0].(map[string]any)
	found, ok, err := unstructured.NestedFieldNoCopy(version, "schema", "openAPIV3Schema", "properties", "spec")
	if spec, _ = found.(map[string]any); !ok || spec == nil {
		t.Fatalf("%s has no schema of a spec: %v", kind, err)
	}
	return crd, spec
}

// specFields names the fields that the spec of a kind may have.
func specFields(t testing.TB, kind string) map[string]bool {
	t.Helper()
	_, spec := definition(t, shared.Kubernetes, kind)
	properties, _ := spec["properties"].(map[string]any)
	out := map[string]bool{}
	for field := range properties {
		out[field] = true
	}
	return out
}

// An object that was there before the API server knew the rules, and breaks them,
// is still worked on, and can be deleted. Whoever changes its spec has to mend it.
func TestObjectsThatPredateTheRules(t *testing.T) {
	t.Parallel()
	cluster := stack.NewKubernetes(t, stack.KubernetesOptions{CRDs: []string{manifests + "/crds"}})
	if err := install(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	e := newEnvOn(t, cluster, cluster.Namespace(t), aivensim.Options{Tokens: []aivensim.Token{tokenDefault}})
	e.change = append(e.change, withDefault(tokenDefault.Value))
	e.hostOf("kafka")

	client, err := dynamic.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	objects := []*unstructured.Unstructured{
		e.object("ServiceIntegration", "x", set("logs", map[string]any{})),
		e.object("Valkey", "x", set("projectVpcId", "a"), set("projectVPCRef", map[string]any{"name": "net"})),
	}
	for _, obj := range objects {
		crd, spec := definition(t, cluster, obj.GetKind())
		rules := spec["x-kubernetes-validations"]
		delete(spec, "x-kubernetes-validations")
		_, err := client.Resource(crdResource).Update(t.Context(), crd, metav1.UpdateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// A definition takes a moment to be in force.
		e.eventually("an object that breaks the rules", func() error {
			_, err := e.client(obj.GetKind()).Create(e.ctx, obj, metav1.CreateOptions{})
			return err
		})
		crd, spec = definition(t, cluster, obj.GetKind())
		spec["x-kubernetes-validations"] = rules
		if _, err := client.Resource(crdResource).Update(t.Context(), crd, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		e.eventually("the rules to be in force again", func() error {
			second := obj.DeepCopy()
			second.SetName("second")
			if _, err := e.client(obj.GetKind()).Create(e.ctx, second, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); !apierrors.IsInvalid(err) {
				return fmt.Errorf("creating says %v", err) //nolint:errorlint // it may be nil
			}
			return nil
		})
	}

	e.start()
	e.ready("ServiceIntegration", "x")
	e.unready("Valkey", "x", "InvalidSpec")
	for _, obj := range objects {
		e.annotate(obj.GetKind(), "x", "example.com/note", "1")
	}
	const words = `got additional configuration for integration type "logs"`
	e.wantInvalid(e.tryPatch("ServiceIntegration", "x", `{"spec":{"kafkaLogs":{"kafka_topic":"others"}}}`), words)
	e.patch("ServiceIntegration", "x", `{"spec":{"logs":null,"kafkaLogs":{"kafka_topic":"others"}}}`)
	e.ready("ServiceIntegration", "x")
	for _, obj := range objects {
		e.delete(obj.GetKind(), "x")
		e.gone(obj.GetKind(), "x")
	}
	e.noRemote("ServiceIntegration")
}
