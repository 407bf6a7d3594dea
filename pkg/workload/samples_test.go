// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"errors"
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
		spec  string
		needs []string
	}{
		"basics/openbaocluster":          {spec: sampleDevelopment},
		"basics/openbaocluster_sentinel": {spec: sampleBase + "tls: {enabled: true, rotationPeriod: 720h}", needs: []string{"spec.profile"}},
		"basics/openbaocluster_selfinit": {spec: sampleLogFile + sampleDevelopment + `
selfInit:
  enabled: true
  requests:
    - {name: audit, operation: update, path: sys/audit/stdout, auditDevice: {type: file, fileOptions: {filePath: stdout}}}
    - {name: auth, operation: update, path: sys/auth/kubernetes, authMethod: {type: kubernetes}}
    - {name: config, operation: update, path: auth/kubernetes/config, data: {kubernetes_host: "https://kubernetes.default.svc"}}
`, needs: []string{"spec.configuration.logging.file"}},
		"basics/openbaocluster_pq_tls": {spec: strings.Replace(sampleDevelopment, "version: 2.4.4", "version: 2.7.0", 1) + "configuration: {listener: {}}"},
		"integrations/openbaocluster_gateway": {spec: sampleDevelopment + `
initContainer: {enabled: true, image: "registry.example.com/openbao-init:dev"}
gateway: {enabled: true, gatewayRef: {name: traefik-gateway, namespace: default}, hostname: bao.example.com, path: /}
`, needs: []string{"spec.gateway.enabled"}},
		"integrations/openbaocluster_ingress": {spec: sampleDevelopment + `
service: {type: ClusterIP, annotations: {traefik.ingress.kubernetes.io/service.serversscheme: https}}
ingress: {enabled: true, className: traefik, host: bao.localhost, path: /}
`, needs: []string{"spec.ingress.enabled"}},
		"production/openbaocluster_acme": {spec: sampleLogFile + strings.Replace(sampleHardened, "mode: External",
			`mode: ACME, acme: {directoryURL: "https://acme.example.com/directory", domain: openbao.example.com, email: admin@example.com}`, 1) +
			sampleAWS + sampleBackup + sampleVerification + "ingress: {enabled: true, host: openbao.example.com}",
			needs: []string{"spec.configuration.logging.file", "spec.tls.mode", "spec.ingress.enabled", "spec.imageVerification.enabled", "spec.network.egressRules"}},
		"production/openbaocluster_awskms": {spec: sampleDevelopment + sampleAWS},
		"production/openbaocluster_azure": {spec: sampleLogFile + sampleHardened + `
unseal: {type: azurekeyvault, azureKeyVault: {vaultName: my-openbao-vault, keyName: openbao-unseal-key}}
`, needs: []string{"spec.configuration.logging.file"}},
		"production/openbaocluster_backup":       {spec: sampleLogFile + sampleDevelopment + "selfInit: {enabled: true}" + sampleBackup, needs: []string{"spec.configuration.logging.file"}},
		"production/openbaocluster_external_tls": {spec: strings.Replace(sampleDevelopment, "rotationPeriod: 720h", "mode: External", 1)},
		"production/openbaocluster_full": {spec: sampleLogFile + sampleDevelopment + sampleVerification + sampleBackup + `
selfInit: {enabled: true}
gateway: {enabled: true, gatewayRef: {name: traefik-gateway, namespace: default}, hostname: bao.example.com}
network: {apiServerCIDR: 10.43.0.0/16, apiServerEndpointIPs: [192.168.166.2]}
`, needs: []string{"spec.configuration.logging.file", "spec.imageVerification.enabled", "spec.gateway.enabled"}},
		"production/openbaocluster_gcp": {spec: sampleLogFile + sampleHardened + `
unseal:
  type: gcpckms
  gcpCloudKMS: {project: my-gcp-project, region: us-central1, keyRing: openbao-keyring, cryptoKey: openbao-unseal-key}
`, needs: []string{"spec.configuration.logging.file"}},
		"production/openbaocluster_hardened": {spec: sampleLogFile + sampleHardened + sampleAWS + sampleBackup + sampleVerification,
			needs: []string{"spec.configuration.logging.file", "spec.imageVerification.enabled", "spec.network.egressRules"}},
		"production/openbaocluster_kmip": {spec: sampleLogFile + sampleHardened + `
unseal:
  type: kmip
  kmip: {address: "kmip.example.com:5696", certificate: /etc/kmip/cert.pem, key: /etc/kmip/key.pem, caCert: /etc/kmip/ca.pem}
`, needs: []string{"spec.configuration.logging.file", "spec.unseal.credentialsSecretRef"}},
		"production/openbaocluster_oci": {spec: sampleHardened + `
unseal:
  type: ocikms
  ocikms:
    keyID: ocid1.key.oc1.us-ashburn-1.example.uniqueid
    cryptoEndpoint: https://kms.us-ashburn-1.oraclecloud.com
    managementEndpoint: https://kms.us-ashburn-1.oraclecloud.com
`},
		"production/openbaocluster_pkcs11": {spec: sampleLogFile + sampleHardened + `
unseal: {type: pkcs11, pkcs11: {lib: /usr/lib/libpkcs11.so, keyLabel: vault-key}}
`, needs: []string{"spec.configuration.logging.file", "spec.image", "spec.unseal.credentialsSecretRef", "spec.unseal.pkcs11.slot"}},
		"production/openbaocluster_structured_config": {spec: sampleDevelopment + `
configuration:
  ui: true
  logging: {file: /var/log/openbao/openbao.log, pidFile: /var/run/openbao/openbao.pid, rotateBytes: 10485760, rotateMaxFiles: 7}
  listener: {proxyProtocolBehavior: deny_unauthorized}
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
  credentialsSecretRef: {name: transit-seal-token}
`, needs: []string{"spec.configuration.logging.file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &openbaov1alpha1.OpenBaoCluster{}
			c.Name, c.Namespace = "openbaocluster-sample", "default"
			if err := yaml.UnmarshalStrict([]byte(tc.spec), &c.Spec); err != nil {
				t.Fatal(err)
			}
			_, configErr := serverconfig.Render(c)
			err := errors.Join(workload.Check(c), configErr)
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
