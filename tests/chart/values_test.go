// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// theirValues returns all values of the aiven-operator's chart.
func theirValues() []string {
	return []string{
		"affinity", "autoscaling.enabled", "autoscaling.maxReplicas", "autoscaling.minReplicas",
		"autoscaling.targetCPUUtilizationPercentage", "autoscaling.targetMemoryUtilizationPercentage", "clusterRole.create",
		"defaultTokenSecret.key", "defaultTokenSecret.name", "extraEnvs", "fullnameOverride", "healthProbeBindAddress",
		"image.pullPolicy", "image.repository", "image.tag", "imagePullSecrets", "leaderElect", "logging.encoder", "logging.level",
		"metricsBindAddress", "nameOverride", "nodeSelector", "podAnnotations", "podSecurityContext", "replicaCount", "resources",
		"securityContext", "serviceAccount.annotations", "serviceAccount.create", "serviceAccount.name", "tolerations",
		"watchedNamespaces", "webhooks.checkCapabilities", "webhooks.containerPort", "webhooks.enabled", "webhooks.servicePort",
	}
}

// TestTheirValues takes each value of the aiven-operator's chart, or refuses it with
// the name of ours.
func TestTheirValues(t *testing.T) {
	t.Parallel()
	h := New(t)
	tested := map[string]bool{}
	for _, test := range []struct {
		// about are the values that values give.
		about  []string
		values string
		// same are values of ours that mean the same.
		same string
		// shown is what the rendered objects have then.
		shown string
		// refused are parts of the error.
		refused []string
	}{
		{about: []string{"replicaCount"}, values: "replicaCount: 3", same: "replicas: 3"},
		{about: []string{"leaderElect"}, values: "leaderElect: true", same: "leaderElection: {enabled: true}"},
		{about: []string{"leaderElect"}, values: "leaderElect: false\nreplicaCount: 1", same: "leaderElection: {enabled: false}\nreplicas: 1"},
		{about: []string{"leaderElect"}, values: "leaderElect: false", refused: []string{"leaderElect", "replicas has to be 1"}},
		{about: []string{"watchedNamespaces"}, values: "watchedNamespaces: [team-a]", same: "watchNamespaces: [team-a]"},
		{about: []string{"extraEnvs"}, values: "extraEnvs: [{name: A, value: b}]", same: "extraEnv: [{name: A, value: b}]"},
		{about: []string{"extraEnvs"}, values: "extraEnvs: [{name: DEFAULT_AIVEN_TOKEN, value: clear}]", refused: []string{"clear text", "defaultTokenSecret"}},
		{about: []string{"defaultTokenSecret.name", "defaultTokenSecret.key"}, values: "defaultTokenSecret: {name: aiven, key: k}", shown: "--default-token-secret-key=k"},
		{about: []string{"defaultTokenSecret.name", "defaultTokenSecret.key"}, values: "defaultTokenSecret: {name: '', key: token}", same: ""},
		{about: []string{"nameOverride"}, values: "nameOverride: wombat", shown: "name:bailiwick-wombat "},
		{about: []string{"fullnameOverride"}, values: "fullnameOverride: wombat", shown: "name:wombat "},
		{about: []string{"imagePullSecrets"}, values: "imagePullSecrets: [{name: pull}]", shown: "imagePullSecrets:[map[name:pull]]"},
		{about: []string{"resources"}, values: "resources: {limits: {cpu: 100m, memory: 128Mi}, requests: {cpu: 100m, memory: 128Mi}}", shown: "limits:map[cpu:100m memory:128Mi]"},
		{about: []string{"podAnnotations"}, values: "podAnnotations: {a: b}", shown: "annotations:map[a:b "},
		{about: []string{"podSecurityContext"}, values: "podSecurityContext: {runAsUser: 1234}", shown: "runAsUser:1234"},
		{about: []string{"securityContext"}, values: "securityContext: {capabilities: {drop: [KILL]}}", shown: "drop:[KILL]"},
		{about: []string{"nodeSelector"}, values: "nodeSelector: {disk: fast}", shown: "nodeSelector:map[disk:fast]"},
		{about: []string{"tolerations"}, values: "tolerations: [{key: k, operator: Exists}]", shown: "tolerations:[map[key:k operator:Exists]]"},
		{about: []string{"affinity"}, values: "affinity: {podAntiAffinity: {a: b}}", shown: "podAntiAffinity:map[a:b]"},
		{about: []string{"image.repository", "image.tag"}, values: "image: {repository: example.com/ours, tag: v2}", shown: "image:example.com/ours:v2 "},
		{about: []string{"image.pullPolicy"}, values: "image: {pullPolicy: Always}", shown: "imagePullPolicy:Always"},
		{about: []string{"image.repository"}, values: "image: {repository: aivenoy/aiven-operator}", refused: []string{"image.repository", "leave it out"}},
		{about: []string{"serviceAccount.create", "serviceAccount.name"}, values: "serviceAccount: {create: false, name: theirs}", shown: "serviceAccountName:theirs"},
		{about: []string{"serviceAccount.annotations"}, values: "serviceAccount: {create: true, annotations: {role: arn}}", shown: "annotations:map[role:arn]"},
		{about: []string{"serviceAccount.create"}, values: "serviceAccount: {create: false}", refused: []string{"serviceAccount.create", "serviceAccount.name"}},
		{about: []string{"serviceAccount.name"}, values: "serviceAccount: {create: false, name: default}", refused: []string{"serviceAccount.name", "gets no rights"}},
		{about: []string{"metricsBindAddress", "healthProbeBindAddress"}, values: "metricsBindAddress: ''\nhealthProbeBindAddress: ''", same: ""},
		{about: []string{"metricsBindAddress", "healthProbeBindAddress"}, values: "metricsBindAddress: ':8080'\nhealthProbeBindAddress: ':8081'", same: ""},
		{about: []string{"metricsBindAddress"}, values: "metricsBindAddress: ':9999'", refused: []string{"metricsBindAddress", ":8080", "metrics.enabled"}},
		{about: []string{"healthProbeBindAddress"}, values: "healthProbeBindAddress: ':9999'", refused: []string{"healthProbeBindAddress", ":8081"}},
		{
			about:  []string{"webhooks.enabled", "webhooks.checkCapabilities", "webhooks.servicePort", "webhooks.containerPort"},
			values: "webhooks: {enabled: false, checkCapabilities: true, servicePort: 443, containerPort: 10250}", same: "",
		},
		{about: []string{"webhooks.enabled"}, values: "webhooks: {enabled: true}", refused: []string{"webhooks", "webhooks.enabled=false"}},
		{about: []string{"webhooks.containerPort"}, values: "webhooks: {containerPort: 10250}", refused: []string{"webhooks", "webhooks.enabled=false"}},
		{
			about: []string{"autoscaling.enabled", "autoscaling.minReplicas", "autoscaling.maxReplicas",
				"autoscaling.targetCPUUtilizationPercentage", "autoscaling.targetMemoryUtilizationPercentage"},
			values: "autoscaling: {enabled: false, minReplicas: 1, maxReplicas: 10, targetCPUUtilizationPercentage: 80, targetMemoryUtilizationPercentage: 80}", same: "",
		},
		{about: []string{"autoscaling.enabled"}, values: "autoscaling: {enabled: true}", refused: []string{"autoscaling.enabled", "replicas=2"}},
		{about: []string{"clusterRole.create"}, values: "clusterRole: {create: true}", same: ""},
		{about: []string{"clusterRole.create"}, values: "clusterRole: {create: false}", refused: []string{"clusterRole.create", "rbac.create"}},
		{about: []string{"logging.level", "logging.encoder"}, values: "logging: {level: '', encoder: ''}", same: ""},
		{about: []string{"logging.level"}, values: "logging: {level: debug}", refused: []string{"logging.level", "logVerbosity=4"}},
		{about: []string{"logging.level"}, values: "logging: {level: error}", refused: []string{"logging.level", "logVerbosity=0"}},
		{about: []string{"logging.encoder"}, values: "logging: {encoder: console}", refused: []string{"logging.encoder", "logFormat=text"}},
	} {
		for _, value := range test.about {
			if !slices.Contains(theirValues(), value) {
				t.Errorf("that chart has no value %s", value)
			}
			tested[value] = true
		}
		t.Run(test.values, func(t *testing.T) {
			t.Parallel()
			const small = "\ncrds: {install: false}\n"
			if test.refused != nil {
				refuses(t, h, test.values, test.refused...)
				return
			}
			got := render(t, h, test.values+small)
			if test.shown == "" {
				equal(t, got, render(t, h, test.same+small))
				return
			}
			for _, object := range got {
				if strings.Contains(fmt.Sprint(object.Object), test.shown) {
					return
				}
			}
			t.Errorf("no object has %s", test.shown)
		})
	}
	for _, value := range theirValues() {
		if !tested[value] {
			t.Errorf("%s is not tested", value)
		}
	}
	readme, err := os.ReadFile(Dir + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range theirValues() {
		top, _, _ := strings.Cut(value, ".")
		if !regexp.MustCompile("`" + top + "[`.]").Match(readme) {
			t.Errorf("README.md does not say what becomes of %s", value)
		}
	}
}

// refuses expects an error, with these parts in one line of it.
func refuses(t testing.TB, h *Helm, values string, parts ...string) {
	t.Helper()
	_, err := h.Run(t.Context(), "template", "bailiwick", Dir, "--values", Values(t, values))
	if err == nil {
		t.Errorf("%q was taken", values)
		return
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		missing := slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
		if strings.HasPrefix(line, "- ") && !missing {
			return
		}
	}
	t.Errorf("%q: no line of the error has all of %q: %v", values, parts, err)
}

// TestRefusals says what is wrong with values, and where.
func TestRefusals(t *testing.T) {
	t.Parallel()
	h := New(t)
	for _, test := range []struct {
		values string
		parts  []string
	}{
		{"watchNamespace: [a]", []string{"watchNamespace", "not allowed"}},
		{"rbac: {creates: true}", []string{"/rbac", "creates", "not allowed"}},
		{"replicas: two", []string{"/replicas", "got string, want integer"}},
		{"watchNamespaces: team-a", []string{"/watchNamespaces", "got string, want array"}},
		{"watchNamespaces: [Team_A]", []string{"/watchNamespaces/0", "does not match"}},
		{"image: {digest: abc}", []string{"/image/digest", "does not match"}},
		{"logFormat: xml", []string{"/logFormat", "must be one of", "'json'"}},
		{"aiven: {url: api.aiven.io}", []string{"/aiven/url", "does not match"}},
		{"aiven: {pollInterval: 10}", []string{"/aiven/pollInterval", "want string"}},
		{"openbao: {proveIdentities: [{cluster: a}]}", []string{"/openbao/proveIdentities/0", "namespace"}},
		{"openbao: {legacyAudiences: {a/b: \"it's\"}}", []string{"/openbao/legacyAudiences/a~1b", "does not match"}},
		{"extraArgs: [profiling]", []string{"/extraArgs/0", "does not match"}},
		{"aiven: {enabled: false}\nopenbao: {enabled: false}", []string{"aiven.enabled", "openbao.enabled"}},
		{"leaderElection: {enabled: false}", []string{"leaderElection.enabled", "replicas has to be 1"}},
		{"extraArgs: [--watch-namespaces=a]", []string{"--watch-namespaces", "is watchNamespaces here"}},
		{"extraArgs: ['-v=4']", []string{"--v ", "is logVerbosity here"}},
		{"extraArgs: [--watch_namespaces=a]", []string{"--watch-namespaces", "is watchNamespaces here"}},
		{"extraArgs: ['-v6']", []string{"--v ", "is logVerbosity here"}},
		{"extraArgs: [--kubeconfig=a]", []string{"--kubeconfig", "is serviceAccount.name here"}},
		{"extraArgs: [--shutdown-timeout=10m]", []string{"--shutdown-timeout", "left out"}},
		{`extraArgs: ["--watch-namespaces=a\n"]`, []string{"/extraArgs/0", "does not match"}},
		{"serviceAccount: {name: 'null'}", []string{"serviceAccount.name", "choose another one"}},
		{"watchNamespaces: ['null']", []string{"watchNamespaces", "choose another one"}},
		{"watchNamespaces: ['123']", []string{"watchNamespaces", "choose another one"}},
		{"serviceAccount: {name: bailiwick-decoy}", []string{"serviceAccount.name", "other rights"}},
		{"watchNamespaces: [a]\nopenbao: {proveIdentities: [{namespace: b, cluster: c}]}", []string{"openbao.proveIdentities", "not one of watchNamespaces"}},
		{"openbao: {legacyAudiences: {a/b: 'https://kubernetes.default.svc'}}", []string{"openbao.legacyAudiences", "audience of the API server"}},
		{"servers: {replica: 1}", []string{"/servers", "replica", "not allowed"}},
		{"servers: {namespaces: [Team_A]}", []string{"/servers/namespaces/0", "does not match"}},
		{"servers: {namespaces: [default, 'null']}", []string{"servers.namespaces", "choose another one"}},
		{"watchNamespaces: [a]\nservers: {namespaces: [b]}", []string{"servers.namespaces", "not one of watchNamespaces"}},
		{"replicas: 1\nleaderElection: {enabled: false}\nservers: {replicas: 2}", []string{"leaderElection.enabled", "servers.replicas has to be 1"}},
		{"servers: {extraArgs: [--watch-namespaces=a]}", []string{"servers.extraArgs", "--watch-namespaces", "is watchNamespaces here"}},
		{"servers: {extraArgs: [--servers-cluster-role=a]}", []string{"servers.extraArgs", "--servers-cluster-role", "is fullnameOverride here"}},
		{"servers: {extraArgs: [--authorizer-service-account=a]}", []string{"servers.extraArgs", "--authorizer-service-account", "is serviceAccount.name here"}},
		{"serviceAccount: {name: bailiwick-servers}", []string{"serviceAccount.name", "other rights"}},
		{"podLabels: {app.kubernetes.io/instance: a}", []string{"podLabels", "pods are found"}},
		{`priorityClassName: "a\n  b"`, []string{"/priorityClassName", "does not match"}},
		{"image: {repository: 'a b'}", []string{"/image/repository", "does not match"}},
		{"aiven: {url: 'https://me:clear@api.aiven.io'}", []string{"aiven.url", "no password"}},
		{"extraEnv: [{name: HTTPS_PROXY, value: 'me:clear@proxy:3128'}]", []string{"HTTPS_PROXY", "clear text"}},
		{"extraEnv: [{name: DEFAULT_AIVEN_TOKEN, valueFrom: {configMapKeyRef: {name: a, key: b}}}]", []string{"clear text", "defaultTokenSecret"}},
		{"extraArgs: [--namespace, x]", []string{"/extraArgs/1", "does not match"}},
		{"extraEnv: [{name: DEFAULT_AIVEN_TOKEN, value: clear}]", []string{"clear text", "defaultTokenSecret"}},
		{"extraEnv: [{name: HTTPS_PROXY, value: 'http://me:clear@proxy:3128'}]", []string{"HTTPS_PROXY", "clear text", "secretKeyRef"}},
		{"extraEnv: [{name: WATCHED_NAMESPACES, value: a}]", []string{"WATCHED_NAMESPACES", "watchNamespaces"}},
		{"extraEnv: [{name: AIVEN_WEB_URL, value: a}]", []string{"AIVEN_WEB_URL", "aiven.url"}},
		{"extraEnv: [{name: POD_NAMESPACE, value: a}]", []string{"POD_NAMESPACE"}},
	} {
		t.Run(test.values, func(t *testing.T) {
			t.Parallel()
			refuses(t, h, test.values, test.parts...)
			if _, err := h.Run(t.Context(), "template", "bailiwick", Dir, "--values", Values(t, test.values)); strings.Contains(fmt.Sprint(err), "clear@") {
				t.Errorf("the error repeats the password: %v", err)
			}
		})
	}
	// What is all right about the same values.
	for _, values := range []string{
		"extraEnv: [{name: DEFAULT_AIVEN_TOKEN, valueFrom: {secretKeyRef: {name: a, key: b}}}, {name: HTTPS_PROXY, value: 'http://proxy:3128'}]",
		"extraArgs: [--profiling, --vmodule=run=4]",
		"global: {anything: goes}",
	} {
		render(t, h, values+"\ncrds: {install: false}")
	}
}

// TestSchema has a default and a description in values.yaml for every value, but for
// those that are taken from the aiven-operator's chart only.
func TestSchema(t *testing.T) {
	t.Parallel()
	type schema struct {
		AdditionalProperties any               `json:"additionalProperties"`
		Description          string            `json:"description"`
		Properties           map[string]schema `json:"properties"`
	}
	var s schema
	raw, err := os.ReadFile(Dir + "/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(Dir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	var compare func(path string, s schema, values map[string]any)
	compare = func(path string, s schema, values map[string]any) {
		if s.AdditionalProperties != false {
			t.Errorf("%s: the schema lets everything through", path)
		}
		for name, property := range s.Properties {
			_, has := values[name]
			if has == (property.Description != "") {
				t.Errorf("%s.%s: in values.yaml %v, with a description in the schema %v: want one of them", path, name, has, property.Description != "")
			}
			if nested, ok := values[name].(map[string]any); ok && property.Properties != nil {
				compare(path+"."+name, property, nested)
			}
		}
		for name := range values {
			if _, has := s.Properties[name]; !has {
				t.Errorf("%s.%s is not in the schema", path, name)
			}
		}
	}
	compare("", s, values)
}
