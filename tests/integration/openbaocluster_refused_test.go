// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// A manifest that is wrong is refused with words that lead to the field. Each is
// the least manifest with some of the spec replaced; null takes a field away.
func TestClusterManifestsRefused(t *testing.T) {
	t.Parallel()
	const (
		together = "spec.version, spec.storage and spec.tls are required together"
		whatFor  = "spec.backup.schedule and spec.backup.target are required"
	)
	clusters := clustersOf(t)
	for name, test := range map[string]struct{ change, want string }{
		"version missing":          {`version: null`, together},
		"version empty":            {`version: ""`, "spec.version"},
		"storage missing":          {`storage: null`, together},
		"tls missing":              {`tls: null`, together},
		"storage without size":     {`storage: {size: null}`, "spec.storage.size: Required"},
		"tls without enabled":      {`tls: {enabled: null}`, "spec.tls.enabled: Required"},
		"no servers":               {`replicas: 0`, "spec.replicas"},
		"replicas not a number":    {`replicas: three`, "spec.replicas"},
		"unknown field":            {`sidecars: {}`, `unknown field "spec.sidecars"`},
		"unknown field below":      {`configuration: {listener: {port: x}}`, `unknown field "spec.configuration.listener.port"`},
		"profile":                  {`profile: hardened`, "spec.profile: Unsupported value"},
		"deletion policy":          {`deletionPolicy: Delete`, "spec.deletionPolicy: Unsupported value"},
		"rotation period empty":    {`tls: {rotationPeriod: ""}`, "spec.tls.rotationPeriod"},
		"TLS mode":                 {`tls: {mode: Manual}`, "spec.tls.mode: Unsupported value"},
		"ACME without directory":   {`tls: {acme: {domains: [a]}}`, "spec.tls.acme.directoryURL: Required"},
		"ACME with both":           {`tls: {acme: {directoryURL: https://x, domain: a, domains: [b]}}`, "use only one"},
		"ACME without domains":     {`tls: {acme: {directoryURL: https://x, domains: []}}`, "spec.tls.acme.domains"},
		"gateway without Gateway":  {`gateway: {enabled: true, hostname: x}`, "spec.gateway.gatewayRef: Required"},
		"gateway without host":     {`gateway: {enabled: true, gatewayRef: {name: x}}`, "spec.gateway.hostname: Required"},
		"ingress without host":     {`ingress: {enabled: true}`, "spec.ingress.host: Required"},
		"log level":                {`configuration: {logLevel: verbose}`, "spec.configuration.logLevel: Unsupported value"},
		"log format":               {`configuration: {logging: {format: text}}`, "spec.configuration.logging.format: Unsupported value"},
		"cache size":               {`configuration: {cacheSize: -1}`, "spec.configuration.cacheSize"},
		"quorum":                   {`configuration: {raft: {autopilot: {minQuorum: 2}}}`, "minQuorum"},
		"PROXY protocol":           {`configuration: {listener: {proxyProtocolBehavior: always}}`, "proxyProtocolBehavior: Unsupported value"},
		"download behavior":        {`configuration: {plugin: {downloadBehavior: eager}}`, "downloadBehavior: Unsupported value"},
		"plugin without sum":       {`plugins: [{type: secret, name: x, version: v1, binaryName: x}]`, "spec.plugins[0].sha256sum: Required"},
		"sum too short":            {`plugins: [{type: secret, name: x, version: v1, binaryName: x, sha256sum: ab}]`, "spec.plugins[0].sha256sum"},
		"sum not hexadecimal":      {`plugins: [{type: secret, name: x, version: v1, binaryName: x, sha256sum: ` + strings.Repeat("g", 64) + `}]`, "spec.plugins[0].sha256sum"},
		"audit type":               {`audit: [{type: kafka, path: x}]`, "spec.audit[0].type: Unsupported value"},
		"audit without path":       {`audit: [{type: file}]`, "spec.audit[0].path: Required"},
		"audit file without file":  {`audit: [{type: file, path: x, fileOptions: {mode: "0600"}}]`, "fileOptions.filePath: Required"},
		"metrics without enabled":  {`imageVerification: {failurePolicy: Block}`, "spec.imageVerification.enabled: Required"},
		"image verification":       {`imageVerification: {enabled: true, failurePolicy: Ignore}`, "failurePolicy: Unsupported value"},
		"unseal type":              {`unseal: {type: shamir}`, "spec.unseal.type: Unsupported value"},
		"transit without address":  {`unseal: {type: transit, transit: {keyName: x, mountPath: x}}`, "spec.unseal.transit.address: Required"},
		"AWS without key":          {`unseal: {type: awskms, awskms: {region: x}}`, "spec.unseal.awskms.kmsKeyID: Required"},
		"hash":                     {`unseal: {type: pkcs11, pkcs11: {lib: x, keyLabel: x, rsaOAEPHash: md5}}`, "rsaOAEPHash: Unsupported value"},
		"OIDC without enabled":     {`selfInit: {enabled: true, oidc: {audience: x}}`, "spec.selfInit.oidc.enabled: Required"},
		"request name":             {`selfInit: {enabled: true, requests: [{name: a b, operation: read, path: x}]}`, "spec.selfInit.requests[0].name"},
		"request name too long":    {`selfInit: {enabled: true, requests: [{name: ` + strings.Repeat("a", 65) + `, operation: read, path: x}]}`, "spec.selfInit.requests[0].name"},
		"request operation":        {`selfInit: {enabled: true, requests: [{name: a, operation: write, path: x}]}`, "operation: Unsupported value"},
		"request without path":     {`selfInit: {enabled: true, requests: [{name: a, operation: read}]}`, "path: Required"},
		"request without text":     {`selfInit: {enabled: true, requests: [{name: a, operation: update, path: x, policy: {policy: ""}}]}`, "policy.policy"},
		"backup empty":             {`backup: {}`, whatFor},
		"backup without schedule":  {`backup: {target: {bucket: x}}`, whatFor},
		"backup without target":    {`backup: {schedule: "0 0 * * *"}`, whatFor},
		"target without bucket":    {`backup: {schedule: "0 0 * * *", target: {provider: gcs}}`, "spec.backup.target.bucket: Required"},
		"provider":                 {`backup: {schedule: "0 0 * * *", target: {provider: ftp, bucket: x}}`, "provider: Unsupported value"},
		"parts too small":          {`backup: {schedule: "0 0 * * *", target: {bucket: x, partSize: 1048576}}`, "partSize"},
		"too many parts":           {`backup: {schedule: "0 0 * * *", target: {bucket: x, concurrency: 11}}`, "concurrency"},
		"retention":                {`backup: {schedule: "0 0 * * *", target: {bucket: x}, retention: {maxCount: -1}}`, "retention.maxCount"},
		"upgrade strategy":         {`upgrade: {strategy: Recreate}`, "spec.upgrade.strategy: Unsupported value"},
		"job failures":             {`upgrade: {blueGreen: {maxJobFailures: 0}}`, "maxJobFailures"},
		"hook without image":       {`upgrade: {blueGreen: {verification: {prePromotionHook: {command: [x]}}}}`, "prePromotionHook.image: Required"},
		"network without network":  {`network: {egressRules: [{to: [{ipBlock: {}}]}]}`, "ipBlock.cidr: Required"},
		"seccomp without type":     {`securityContext: {seccompProfile: {localhostProfile: x}}`, "seccompProfile.type: Required"},
		"mode":                     {`authorization: {mode: Always}`, "spec.authorization.mode: Unsupported value"},
		"authorization profile":    {`authorization: {profile: Least}`, "spec.authorization.profile: Unsupported value"},
		"address without TLS":      {`authorization: {address: "http://bao:8200"}`, "spec.authorization.address"},
		"address with a path":      {`authorization: {address: "https://bao:8200/v1"}`, "spec.authorization.address"},
		"overlap":                  {`authorization: {signingKeyOverlap: soon}`, "spec.authorization.signingKeyOverlap"},
		"subject twice":            {`authorization: {additionalSubjects: [{role: a, identity: backup, serviceAccount: {name: x}}, {role: a, identity: restore, serviceAccount: {name: y}}]}`, "Duplicate value"},
		"subject of nothing":       {`authorization: {additionalSubjects: [{role: a, identity: admin, serviceAccount: {name: x}}]}`, "identity: Unsupported value"},
		"admin token without name": {`authorization: {adminTokenSecretRef: {key: token}}`, "adminTokenSecretRef.name: Required"},
	} {
		t.Run(name, func(t *testing.T) {
			object := clusterDocs(t, "development.yaml")[0]
			var change map[string]any
			if err := yaml.Unmarshal([]byte(test.change), &change); err != nil {
				t.Fatal(err)
			}
			merge(object["spec"].(map[string]any), change)
			_, err := clusters.Create(t.Context(), &unstructured.Unstructured{Object: object}, strictly)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q, want %q in it", err, test.want)
			}
		})
	}
	// The manifest that all of these differ from is accepted.
	if _, err := clusters.Create(t.Context(), &unstructured.Unstructured{Object: clusterDocs(t, "development.yaml")[0]}, strictly); err != nil {
		t.Error(err)
	}
}

// merge does what a JSON merge patch does.
func merge(into, change map[string]any) {
	for key, value := range change {
		below, ok := value.(map[string]any)
		old, had := into[key].(map[string]any)
		switch {
		case value == nil:
			delete(into, key)
		case ok && had:
			merge(old, below)
		default:
			into[key] = value
		}
	}
}
