// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// What the samples have in common.
const (
	sampleBase = `
version: 2.4.4
replicas: 3
storage: {size: 10Gi}
deletionPolicy: Retain
`
	// Most samples write logs to a file that a read-only file system does not have.
	sampleLogFile = `
configuration: {ui: true, logLevel: info, logging: {format: json, file: /var/log/openbao/openbao.log, rotateDuration: 24h}}
`
	sampleDevelopment = sampleBase + `
profile: Development
tls: {enabled: true, rotationPeriod: 720h}
`
	sampleHardened = sampleBase + `
profile: Hardened
tls: {enabled: true, mode: External}
selfInit: {enabled: true}
`
	sampleAWS = `
unseal:
  type: awskms
  awskms: {region: us-east-1, kmsKeyID: alias/openbao-unseal}
`
	sampleBackup = `
backup:
  schedule: 0 3 * * *
  target: {endpoint: "https://s3.amazonaws.com", bucket: openbao-backups, credentialsSecretRef: {name: s3}}
  jwtAuthRole: backup
  retention: {maxCount: 7, maxAge: 168h}
upgrade: {jwtAuthRole: upgrade, preUpgradeSnapshot: true}
`
	// Jobs and seals reach only what the rules allow.
	sampleEgress = `
network: {egressRules: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{protocol: TCP, port: 443}]}]}
`
	sampleRequests = `
selfInit:
  enabled: true
  oidc: {enabled: true}
  requests:
    - {name: audit, operation: update, path: sys/audit/file, auditDevice: {type: file, fileOptions: {filePath: /var/log/openbao/audit.log}}}
    - {name: admin, operation: update, path: sys/policies/acl/admin, policy: {policy: 'path "*" { capabilities = ["read", "sudo"] }'}}
`
	sampleGateway = `
gateway: {enabled: true, gatewayRef: {name: traefik-gateway, namespace: default}, hostname: bao.example.com}
`
	sampleVerification = `
imageVerification: {enabled: true, issuer: "https://issuer.example.com", subject: "https://example.com/release", failurePolicy: Block}
`
)

// The clusters that the openbao-operator shows as its samples run as they are, or the
// error names each field that has to be changed. The specs are as its samples have them,
// by their file names in config/samples.
func TestSamplesOfTheOpenBaoOperator(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		// name is that of the object, where it matters.
		name  string
		spec  string
		needs []string
		// unknown is a field that the API does not have: kubectl refuses it, and other
		// clients lose it.
		unknown string
	}{
		"basics/openbaocluster":          {spec: sampleDevelopment},
		"basics/openbaocluster_sentinel": {spec: sampleBase + "tls: {enabled: true, rotationPeriod: 720h}", needs: []string{"spec.profile"}},
		"basics/openbaocluster_selfinit": {spec: sampleLogFile + sampleDevelopment + `
selfInit:
  enabled: true
  oidc: {enabled: true}
  requests:
    - {name: audit, operation: update, path: sys/audit/stdout, auditDevice: {type: file, fileOptions: {filePath: stdout}}}
    - {name: auth, operation: update, path: sys/auth/kubernetes, authMethod: {type: kubernetes}}
    - {name: config, operation: update, path: auth/kubernetes/config, data: {kubernetes_host: "https://kubernetes.default.svc"}}
`, needs: []string{"spec.configuration.logging.file"}},
		"basics/openbaocluster_pq_tls": {spec: strings.Replace(sampleDevelopment, "version: 2.4.4", "version: 2.7.0", 1) + `
configuration: {listener: {tlsMinVersion: tls13, tlsMaxVersion: tls13, tlsKeyExchangePreferences: [X25519MLKEM768]}}
`, unknown: "tlsKeyExchangePreferences"},
		"integrations/openbaocluster_gateway": {spec: sampleLogFile + sampleDevelopment + `
initContainer: {enabled: true, image: "registry.example.com/openbao-init:dev"}
gateway: {enabled: true, gatewayRef: {name: traefik-gateway, namespace: default}, hostname: bao.example.com, path: /}
`, needs: []string{"spec.configuration.logging.file", "spec.gateway.enabled"}},
		"integrations/openbaocluster_ingress": {spec: sampleLogFile + strings.Replace(sampleDevelopment, "720h", "720h, extraSANs: [bao.localhost]", 1) + `
service: {type: ClusterIP, annotations: {traefik.ingress.kubernetes.io/service.serversscheme: https}}
ingress: {enabled: true, className: traefik, host: bao.localhost, path: /}
`, needs: []string{"spec.configuration.logging.file", "spec.ingress.enabled"}},
		"production/openbaocluster_acme": {spec: sampleLogFile + strings.NewReplacer("mode: External",
			`mode: ACME, acme: {directoryURL: "https://acme.example.com/directory", domains: [openbao.example.com], email: admin@example.com}`,
			"selfInit: {enabled: true}", sampleRequests).Replace(sampleHardened) + sampleAWS + sampleBackup + sampleVerification + sampleEgress +
			strings.Replace(sampleGateway, "enabled: true", "enabled: true, tlsPassthrough: true", 1),
			needs: []string{"spec.configuration.logging.file", "spec.tls.mode", "spec.gateway.enabled", "spec.imageVerification.enabled"}},
		"production/openbaocluster_awskms": {spec: sampleLogFile + sampleHardened + sampleAWS, needs: []string{"spec.configuration.logging.file"}},
		"production/openbaocluster_azure": {spec: sampleLogFile + sampleHardened + `
unseal: {type: azurekeyvault, azureKeyVault: {vaultName: my-openbao-vault, keyName: openbao-unseal-key}}
`, needs: []string{"spec.configuration.logging.file"}},
		// The account of its servers would be that of a backup of a cluster openbaocluster.
		"production/openbaocluster_backup": {name: "openbaocluster-backup", spec: sampleLogFile + sampleDevelopment + `
selfInit:
  enabled: true
  requests:
    - {name: jwt, operation: update, path: sys/auth/jwt, authMethod: {type: jwt}}
    - {name: config, operation: update, path: auth/jwt/config, data: {oidc_discovery_url: "https://kubernetes.default.svc"}}
    - {name: role, operation: update, path: auth/jwt/role/backup, data: {role_type: jwt, bound_audiences: [openbao-internal], token_policies: backup}}
` + sampleBackup, needs: []string{"spec.configuration.logging.file", "spec.serviceAccount.name"}},
		"production/openbaocluster_external_tls": {spec: sampleLogFile + sampleHardened + sampleGateway + `
unseal: {type: transit, transit: {address: "https://transit.example.com", keyName: openbao-unseal-key, mountPath: transit/}}
`, needs: []string{"spec.configuration.logging.file", "spec.gateway.enabled", "spec.unseal.credentialsSecretRef"}},
		"production/openbaocluster_full": {spec: strings.Replace(sampleDevelopment, "Retain", "DeleteAll", 1) + sampleVerification + sampleBackup + sampleRequests + `
workloadHardening: {appArmorEnabled: false}
initContainer: {enabled: true, image: "registry.example.com/openbao-init:1.2.4"}
gateway:
  enabled: true
  gatewayRef: {name: traefik-gateway, namespace: default}
  hostname: bao.example.com
  backendTLS: {enabled: true}
  tlsPassthrough: false
  annotations: {bao.example.com/backend-protocol: HTTPS}
network: {apiServerCIDR: 10.43.0.0/16, apiServerEndpointIPs: [192.168.166.2]}
configuration:
  logLevel: debug
  logging: {file: /var/log/openbao/openbao.log, pidFile: /var/run/openbao/openbao.pid}
  plugin: {autoDownload: true, autoRegister: false, downloadBehavior: direct, fileUID: 1000, filePermissions: "0755"}
  raft: {performanceMultiplier: 2}
`, needs: []string{
			"spec.configuration.logging.file", "spec.configuration.logging.pidFile", "spec.configuration.plugin.autoDownload",
			"spec.configuration.plugin.downloadBehavior", "spec.imageVerification.enabled", "spec.gateway.enabled",
		}},
		"production/openbaocluster_gcp": {spec: sampleLogFile + sampleHardened + `
unseal:
  type: gcpckms
  gcpCloudKMS: {project: my-gcp-project, region: us-central1, keyRing: openbao-keyring, cryptoKey: openbao-unseal-key}
`, needs: []string{"spec.configuration.logging.file"}},
		"production/openbaocluster_hardened": {spec: sampleLogFile + strings.Replace(sampleHardened, "selfInit: {enabled: true}", sampleRequests, 1) +
			sampleAWS + strings.Replace(sampleBackup, "name: s3", "name: s3, namespace: openbaocluster-hardened", 1) + sampleVerification + sampleEgress,
			needs: []string{"spec.configuration.logging.file", "spec.imageVerification.enabled"}, unknown: "namespace"},
		"production/openbaocluster_hardened, without rules": {spec: sampleHardened + sampleAWS + sampleBackup, needs: []string{"spec.network.egressRules"}},
		"production/openbaocluster_kmip": {spec: sampleLogFile + sampleHardened + `
unseal:
  type: kmip
  kmip: {address: "kmip.example.com:5696", certificate: /etc/kmip/cert.pem, key: /etc/kmip/key.pem, caCert: /etc/kmip/ca.pem}
`, needs: []string{"spec.configuration.logging.file", "spec.unseal.credentialsSecretRef"}},
		"production/openbaocluster_oci": {spec: sampleLogFile + sampleHardened + `
unseal:
  type: ocikms
  ocikms:
    keyID: ocid1.key.oc1.us-ashburn-1.example.uniqueid
    cryptoEndpoint: https://kms.us-ashburn-1.oraclecloud.com
    managementEndpoint: https://kms.us-ashburn-1.oraclecloud.com
`, needs: []string{"spec.configuration.logging.file"}},
		"production/openbaocluster_pkcs11": {spec: sampleLogFile + sampleHardened + `
unseal: {type: pkcs11, pkcs11: {lib: /usr/lib/libpkcs11.so, keyLabel: vault-key}}
`, needs: []string{"spec.configuration.logging.file", "spec.image", "spec.unseal.credentialsSecretRef", "spec.unseal.pkcs11.slot"}},
		"production/openbaocluster_structured_config": {spec: sampleDevelopment + `
configuration:
  ui: true
  logging: {file: /var/log/openbao/openbao.log, pidFile: /var/run/openbao/openbao.pid, rotateBytes: 10485760, rotateMaxFiles: 7}
  listener: {proxyProtocolBehavior: use_proxy_protocol}
  raft: {performanceMultiplier: 2}
  plugin: {fileUID: 1000, filePermissions: "0755", autoDownload: true, autoRegister: false, downloadBehavior: direct}
  defaultLeaseTTL: 720h
  maxLeaseTTL: 8760h
  cacheSize: 134217728
  disableCache: false
  detectDeadlocks: false
  rawStorageEndpoint: false
  introspectionEndpoint: false
  impreciseLeaseRoleTracking: false
  unsafeAllowAPIAuditCreation: false
  allowAuditLogPrefixing: true
  enableResponseHeaderHostname: true
  enableResponseHeaderRaftNodeID: false
`, needs: []string{
			"spec.configuration.logging.file", "spec.configuration.logging.pidFile", "spec.configuration.listener.proxyProtocolBehavior",
			"spec.configuration.plugin.autoDownload", "spec.configuration.plugin.downloadBehavior",
		}},
		"production/openbaocluster_transit": {spec: sampleLogFile + sampleHardened + `
unseal:
  type: transit
  transit:
    address: https://infra-bao.infra-bao.svc:8200
    keyName: openbao-unseal-key
    mountPath: transit/
    tlsCACert: /etc/bao/seal-creds/ca.crt
  credentialsSecretRef: {name: transit-seal-token, namespace: openbaocluster-transit}
`, needs: []string{"spec.configuration.logging.file"}, unknown: "namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &openbaov1alpha1.OpenBaoCluster{}
			c.Name, c.Namespace = cmp.Or(tc.name, "openbaocluster-sample"), "default"
			err := yaml.UnmarshalStrict([]byte(tc.spec), &c.Spec)
			if tc.unknown != "" {
				if want := fmt.Sprintf("unknown field %q", tc.unknown); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want an error with %s", err, want)
				}
				c.Spec = openbaov1alpha1.OpenBaoClusterSpec{}
				err = yaml.Unmarshal([]byte(tc.spec), &c.Spec)
			}
			if err != nil {
				t.Fatal(err)
			}
			_, configErr := serverconfig.Render(c)
			err = errors.Join(workload.Check(c), configErr)
			t.Log(err)
			got := fieldsOf(err)
			slices.Sort(tc.needs)
			if !slices.Equal(got, tc.needs) {
				t.Errorf("it needs %q, want %q", got, tc.needs)
			}
		})
	}
}

// fieldsOf returns the fields that an error names, each once.
func fieldsOf(err error) []string {
	var fields []string
	var walk func(error)
	walk = func(err error) {
		if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // What is joined is walked.
			for _, e := range joined.Unwrap() {
				walk(e)
			}
			return
		}
		var spec *authz.SpecError
		if errors.As(err, &spec) {
			fields = append(fields, spec.Field)
		}
	}
	walk(err)
	slices.Sort(fields)
	return slices.Compact(fields)
}
