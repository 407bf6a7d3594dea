// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// planted are the secrets of objects and of Secrets that people write, by what
// they are.
var planted = map[string]string{
	"the chosen password":            chosenPassword,
	"the refused token":              "refused-value-41aa",
	"the malformed token":            "malformed-value-8e03 with-a-blank",
	"the refused admin token":        "s.refused-admin-token-7713",
	"the password of a migration":    "migration-password-2e77",
	"a connector's Secret":           `connector"secret\value-c7d1&e2`,
	"a connector's own header":       "Bearer connector-header-9b1f",
	"a connector's user info":        "registry-user:registry-password-61d0",
	"the password of an admin":       "admin-password-a55e",
	"the API key of an endpoint":     "0badc0ffee0badc0ffee0badc0ffee01",
	"the structured data of rsyslog": `rsyslog-data-token-55c2@41058 tag=\"x\"`,
	"the key of an rsyslog endpoint": "-----BEGIN PRIVATE KEY-----\nrsyslogkeyline1f00dAAAA\nrsyslogkeyline2f00dBBBB\nrsyslogkeyline3f00dCCCC\n-----END PRIVATE KEY-----\n",
	"the key of a Kafka endpoint":    "-----BEGIN RSA PRIVATE KEY-----\nkafkakeyline1cafeAAAAAA\nkafkakeyline2cafeBBBBBB\nkafkakeyline3cafeCCCCCC\n-----END RSA PRIVATE KEY-----\n",
	"the URL of an endpoint":         "https://logs:endpoint-url-password-90e4@logs.example.com",
}

// secretOf makes a Secret with one planted value.
func (e *env) secretOf(name, key, what string) {
	e.Helper()
	_, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string][]byte{key: []byte(planted[what])},
	}, metav1.CreateOptions{})
	if err != nil {
		e.Fatal(err)
	}
}

// exerciseConfigurations lets the operator handle secrets that specs hold or name,
// while Aiven refuses each first and repeats what it was sent.
func (e *env) exerciseConfigurations() {
	e.Helper()
	var echoes []*aivensim.FaultHandle
	for _, operation := range []string{
		"ServiceCreate", "ServiceIntegrationEndpointCreate", "ServiceKafkaConnectCreateConnector", "ServiceGet", "ServiceIntegrationEndpointList",
	} {
		for _, status := range []int{400, 403, 500} {
			echoes = append(echoes, e.sim.InjectFault(aivensim.Fault{Operation: operation, Status: status, Count: 1, Echo: true}))
		}
	}
	for _, action := range []aivensim.Action{aivensim.TruncateJSON, aivensim.WrongType, aivensim.Truncate, aivensim.HTML} {
		e.sim.InjectFault(aivensim.Fault{Operation: "ServiceGet", Action: action, Count: 1})
	}
	e.hostWith("kafka", map[string]any{"kafka_connect": true})
	e.secretOf("connector", "value", "a connector's Secret")
	e.secretOf("malformed", "token", "the malformed token")
	e.migrationSource("migration", planted["the password of a migration"])
	endpoint := func(name, kind string, config map[string]any, field string) {
		e.create(e.object("ServiceIntegrationEndpoint", name, func(spec map[string]any) {
			delete(spec, "rsyslog")
			spec["endpointType"], spec[field] = kind, config
		}))
	}
	e.create(e.object("Valkey", "malformed", tokenOf("malformed")))
	e.create(e.object("PostgreSQL", "migrated", set("migrationSecretSource", map[string]any{"name": "migration"})))
	e.create(e.object("PostgreSQL", "owned", set("userConfig", map[string]any{"admin_password": planted["the password of an admin"]})))
	e.create(e.object("KafkaConnector", "connector", set("userConfig", map[string]any{
		"http.url":                             "https://example.com",
		"http.headers.authorization":           planted["a connector's own header"],
		"value.converter.basic.auth.user.info": planted["a connector's user info"],
		"http.headers.additional":              `X: {{ fromSecret "connector" "value" }}`,
	})))
	endpoint("datadog", "datadog", map[string]any{"datadog_api_key": planted["the API key of an endpoint"]}, "datadog")
	endpoint("rsyslog", "rsyslog", map[string]any{
		"server": "logs.example.com", "port": int64(514), "format": "rfc5424", "tls": true,
		"key": planted["the key of an rsyslog endpoint"], "sd": planted["the structured data of rsyslog"],
	}, "rsyslog")
	endpoint("kafka", "external_kafka", map[string]any{
		"bootstrap_servers": "kafka.example.com:9092", "security_protocol": "SSL", "ssl_client_key": planted["the key of a Kafka endpoint"],
	}, "externalKafka")
	endpoint("search", "external_opensearch_logs", map[string]any{
		"url": planted["the URL of an endpoint"], "index_prefix": "logs",
	}, "externalOpensearchLogs")
	e.unready("Valkey", "malformed", "MalformedToken")
	for _, echo := range echoes {
		if err := echo.WaitHits(e.ctx, 1); err != nil {
			e.Fatal(err)
		}
	}
	e.again("PostgreSQL", "migrated", "owned")
	e.again("KafkaConnector", "connector")
	e.again("ServiceIntegrationEndpoint", "datadog", "rsyslog", "kafka", "search")
}

// again has objects looked at until they are ready.
func (e *env) again(kind string, names ...string) {
	e.Helper()
	for _, name := range names {
		n := 0
		e.eventually(kind+" "+name+" to be ready", func() error {
			_, conditions, err := e.conditions(kind, name)()
			if err != nil {
				return err
			}
			for _, c := range conditions {
				if c.Type == "Ready" && c.Status == metav1.ConditionTrue {
					return nil
				}
			}
			// What failed is tried again with backoff, or at once after a change.
			if n++; n%50 == 1 {
				e.annotate(kind, name, "example.com/again", fmt.Sprint(n))
			}
			return fmt.Errorf("conditions are %+v", conditions)
		})
	}
}

// migrationSource makes a Secret with the access to a database to migrate.
func (e *env) migrationSource(name, password string) {
	e.Helper()
	_, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		StringData: map[string]string{"host": "old.example.com", "port": "5432", "username": "u", "password": password, "ssl": "true"},
	}, metav1.CreateOptions{})
	if err != nil {
		e.Fatal(err)
	}
}

// exerciseRefusals has the API server refuse what the operator writes, with words
// that quote it.
func (e *env) exerciseRefusals() {
	e.Helper()
	allowSecrets := e.refuse("secrets", metav1.StatusReasonForbidden, "", "secrets",
		`"quoting " + (has(object.data) ? (object.data.map(k, k + "=" + string(object.data[k])).join(", ")) : "")`)
	e.create(e.object("Valkey", "quoted"))
	e.eventually("the refusal of the Secret to show", func() error {
		_, conditions, err := e.conditions("Valkey", "quoted")()
		if err == nil && !strings.Contains(fmt.Sprint(conditions), e.ns+"-secrets") {
			err = fmt.Errorf("conditions are %+v", conditions)
		}
		return err
	})
	allowSecrets()
	e.again("Valkey", "quoted")

	allowObjects := e.refuse("objects", metav1.StatusReasonInvalid, "aiven.io", "serviceintegrationendpoints",
		`"quoting " + string(object.spec.datadog.datadog_api_key)`)
	e.create(e.object("ServiceIntegrationEndpoint", "quoted", func(spec map[string]any) {
		delete(spec, "rsyslog")
		spec["endpointType"], spec["datadog"] = "datadog", map[string]any{"datadog_api_key": planted["the API key of an endpoint"]}
	}))
	e.eventually("the refusal of the object in the log", func() error {
		if !strings.Contains(e.logs.String(), e.ns+"-objects") {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	allowObjects()
	e.again("ServiceIntegrationEndpoint", "quoted")
}

// refuse makes a policy that refuses the operator's writes of a resource, and of
// ConfigMaps, in the test's namespace, and waits until it does. The result ends it.
func (e *env) refuse(name string, reason metav1.StatusReason, group, resource, message string) (allow func()) {
	e.Helper()
	name = e.ns + "-" + name
	policies, bindings := e.kube.AdmissionregistrationV1().ValidatingAdmissionPolicies(), e.kube.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings()
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	policy.Spec.MatchConstraints = &admissionv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": e.ns}},
		ResourceRules:     []admissionv1.NamedRuleWithOperations{rule(group, resource), rule("", "configmaps")},
	}
	policy.Spec.MatchConditions = []admissionv1.MatchCondition{{
		Name:       "the-operator",
		Expression: fmt.Sprintf("request.userInfo.username == 'system:serviceaccount:%s:%s'", operatorNamespace, operatorAccount),
	}}
	policy.Spec.Validations = []admissionv1.Validation{{Expression: "false", MessageExpression: message, Reason: &reason}}
	if _, err := policies.Create(e.ctx, policy, metav1.CreateOptions{}); err != nil {
		e.Fatal(err)
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: name}}
	binding.Spec.PolicyName, binding.Spec.ValidationActions = name, []admissionv1.ValidationAction{admissionv1.Deny}
	if _, err := bindings.Create(e.ctx, binding, metav1.CreateOptions{}); err != nil {
		e.Fatal(err)
	}
	allow = func() {
		e.Helper()
		if err := ignoreNotFound(bindings.Delete(e.ctx, name, metav1.DeleteOptions{})); err != nil {
			e.Error(err)
		}
		if err := ignoreNotFound(policies.Delete(e.ctx, name, metav1.DeleteOptions{})); err != nil {
			e.Error(err)
		}
	}
	e.Cleanup(allow)
	operator, err := e.cluster.ServiceAccountConfig(e.ctx, operatorNamespace, operatorAccount)
	if err != nil {
		e.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(operator)
	if err != nil {
		e.Fatal(err)
	}
	e.eventually("the policy to refuse", func() error {
		// One that nothing else refuses.
		probe := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: "probe-authorization-init", OwnerReferences: ownedBy("openbao.org/v1alpha1", "OpenBaoCluster", "probe"),
		}}
		_, err := client.CoreV1().ConfigMaps(e.ns).Create(e.ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil || !strings.Contains(err.Error(), name) {
			return fmt.Errorf("it answers %w", err)
		}
		return nil
	})
	return allow
}

func rule(group, resource string) admissionv1.NamedRuleWithOperations {
	return admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
		Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{"*"}, Resources: []string{resource}},
	}}
}

// exerciseOpenBao bootstraps a cluster while its server refuses some requests and
// repeats what it was sent, among it a token, a JWT and a policy.
func (b *baoEnv) exerciseOpenBao() {
	b.Helper()
	refused := map[string]int{"POST auth/" + mount + "/login": 2, "PUT auth/" + mount + "/login": 2, "GET sys/auth": 2, "PUT sys/policies/acl/" + backupRole: 1, "POST sys/policies/acl/" + backupRole: 1}
	b.gateway.losing(func(request string) loss {
		if refused[request] > 0 {
			refused[request]--
			return theSense
		}
		return nothing
	})
	b.setSecret("bao-admin", map[string]string{"token": planted["the refused admin token"]})
	b.cluster("bao", mode(v1alpha1.AuthorizationEnforce), func(s *v1alpha1.OpenBaoClusterSpec) { s.Backup = &v1alpha1.BackupSpec{} })
	b.eventually("the refusal of the admin token", func() error {
		_, conditions, err := b.clusterConditions("bao")()
		if err == nil && !strings.Contains(fmt.Sprint(conditions), bootstrap.ReasonAdminTokenInvalid) {
			err = fmt.Errorf("conditions are %+v", conditions)
		}
		return err
	})
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
	b.eventually("the bootstrap", func() error {
		_, conditions, err := b.clusterConditions("bao")()
		if err == nil && !strings.Contains(fmt.Sprint(conditions), bootstrap.ReasonApplied) {
			b.refresh("bao")
			err = fmt.Errorf("conditions are %+v", conditions)
		}
		return err
	})
	// The login that keeps the server is in use by now, too.
	b.remove("sys/policies/acl/" + backupRole)
	b.eventually("the repair", func() error {
		if b.policy(backupRole) == "" {
			return fmt.Errorf("the policy is gone")
		}
		return nil
	})
	b.setSecret("bao-admin", map[string]string{"token": b.adminToken("root")})
}
