// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig_test

import (
	"slices"
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

// TestRefusals lists what is refused, with the exact messages: one case may make
// several mistakes, which are reported together.
func TestRefusals(t *testing.T) {
	const conf = "spec.configuration."
	plugin := func(f func(*openbaov1alpha1.PluginSpec)) change {
		p := openbaov1alpha1.PluginSpec{Type: "secret", Name: "p", Version: "v1", Command: "p", BinaryName: "p", SHA256Sum: sum}
		f(&p)
		return withPlugins(p)
	}
	leases := func(usual, longest string) change {
		return configured(func(c *openbaov1alpha1.ConfigurationSpec) { c.DefaultLeaseTTL, c.MaxLeaseTTL = usual, longest })
	}
	proxy := func(b string) change {
		return configured(func(c *openbaov1alpha1.ConfigurationSpec) {
			c.Listener = &openbaov1alpha1.ListenerSpec{ProxyProtocolBehavior: b}
		})
	}
	file := func(path string) change {
		return devices(openbaov1alpha1.AuditDevice{Type: "file", Path: "f", FileOptions: &openbaov1alpha1.FileAuditOptions{FilePath: path}})
	}
	for name, c := range map[string]struct {
		changes []change
		want    []string
	}{
		"version": {[]change{version("2.3.9")}, []string{
			"spec.version: Bailiwick runs OpenBao 2.4.0 and later, not 2.3.9; set a later version",
		}},
		"version alone, with newer features": {[]change{version("nightly"), metrics, plugin(func(*openbaov1alpha1.PluginSpec) {})}, []string{
			`spec.version: "nightly" is not a version of OpenBao; set a full one, such as 2.6.2`,
		}},
		"no TLS": {[]change{configured(func(c *openbaov1alpha1.ConfigurationSpec) {
			c.Listener = &openbaov1alpha1.ListenerSpec{TLSDisable: new(true)}
		})}, []string{
			conf + "listener.tlsDisable: the servers always listen with TLS; remove it",
		}},
		"proxies that nobody names": {[]change{proxy("deny_unauthorized")}, []string{
			conf + "listener.proxyProtocolBehavior: deny_unauthorized needs the addresses of the proxies, for which there is no field; set use_always, or remove it",
		}},
		"proxies by a value that OpenBao lacks": {[]change{proxy("allow_any")}, []string{
			conf + "listener.proxyProtocolBehavior: OpenBao has no allow_any and does not start with it; set use_always, or remove it",
		}},
		"ACME": {[]change{configured(func(c *openbaov1alpha1.ConfigurationSpec) { c.ACMECARoot = "/etc/bao/ca" })}, []string{
			conf + "acmeCARoot: it belongs to spec.tls.mode ACME, which Bailiwick does not run yet; remove it",
		}},
		"log": {[]change{configured(func(c *openbaov1alpha1.ConfigurationSpec) {
			c.Logging = &openbaov1alpha1.LoggingSpec{File: "/var/log/bao.log", PIDFile: "/tmp/../run/bao.pid", RotateDuration: "daily"}
		})}, []string{
			conf + "logging.file: the servers' file system is read-only; choose a file in /bao/data or /tmp, not /var/log/bao.log",
			conf + `logging.pidFile: "/tmp/../run/bao.pid" is not the full path of a file; begin it with a slash, without . and .. in it`,
			conf + `logging.rotateDuration: "daily" is not a duration; write 90s, 12h or 30d for example`,
		}},
		"numbers": {[]change{configured(func(c *openbaov1alpha1.ConfigurationSpec) {
			c.CacheSize = new(int64(-1))
			c.Raft = &openbaov1alpha1.RaftSpec{PerformanceMultiplier: new(int32(-1))}
		}), func(s *openbaov1alpha1.OpenBaoClusterSpec) {
			s.Telemetry = &openbaov1alpha1.TelemetrySpec{MaximumGaugeCardinality: new(int32(-1))}
		}}, []string{
			conf + "cacheSize: -1 is negative; set the number of entries, or remove it",
			conf + "raft.performanceMultiplier: -1 is negative; set 1 to 10, or 0 for OpenBao's own default",
			"spec.telemetry.maximumGaugeCardinality: -1 is negative; set the number of labels, or remove it",
		}},
		"leases":                          {[]change{leases("soon", "-1h")}, []string{conf + `defaultLeaseTTL: "soon" is not a duration; write 90s, 12h or 30d for example`, conf + "maxLeaseTTL: -1h is negative; set a positive duration"}},
		"a duration that is too long":     {[]change{leases("", "200000000000d")}, []string{conf + `maxLeaseTTL: "200000000000d" is not a duration; write 90s, 12h or 30d for example`}},
		"default above the maximum":       {[]change{leases("2h", "1h")}, []string{conf + "defaultLeaseTTL: 2h is longer than maxLeaseTTL, which is 1h; raise maxLeaseTTL, or lower this"}},
		"default above the usual maximum": {[]change{leases("33d", "")}, []string{conf + "defaultLeaseTTL: 33d is longer than maxLeaseTTL, which is 768h; raise maxLeaseTTL, or lower this"}},
		"maximum below the usual default": {[]change{leases("", "24h")}, []string{conf + "defaultLeaseTTL: its default of 768h is longer than maxLeaseTTL, 24h; set both"}},
		"features of 2.5 that 2.4 lacks":  {[]change{version("2.4.4"), metrics, plugin(func(*openbaov1alpha1.PluginSpec) {}), devices(openbaov1alpha1.AuditDevice{Type: "http", Path: "h", HTTPOptions: &openbaov1alpha1.HTTPAuditOptions{URI: "https://x"}})}, []string{"spec.audit[0].type: it needs OpenBao 2.5.0 or later, and spec.version is 2.4.4; remove it, or set a later version", "spec.observability.metrics.enabled: it needs OpenBao 2.5.0 or later, and spec.version is 2.4.4; remove it, or set a later version", "spec.plugins: it needs OpenBao 2.5.0 or later, and spec.version is 2.4.4; remove it, or set a later version"}},
		"plugin settings that 2.4 lacks": {[]change{version("2.4.4"), configured(func(c *openbaov1alpha1.ConfigurationSpec) {
			c.Plugin = &openbaov1alpha1.PluginSettings{AutoDownload: new(true), AutoRegister: new(true), DownloadBehavior: "fail"}
		})}, []string{conf + "plugin.autoDownload: it needs OpenBao 2.5.0 or later, and spec.version is 2.4.4; remove it, or set a later version", conf + "plugin.autoRegister: it needs OpenBao 2.5.0 or later, and spec.version is 2.4.4; remove it, or set a later version", conf + "plugin.downloadBehavior: it needs OpenBao 2.5.0 or later, and spec.version is 2.4.4; remove it, or set a later version"}},
		"plugin settings that are mistakes": {[]change{configured(func(c *openbaov1alpha1.ConfigurationSpec) {
			c.Plugin = &openbaov1alpha1.PluginSettings{FileUID: new(int64(-5)), FilePermissions: "rwx", DownloadBehavior: "direct"}
		})}, []string{conf + "plugin.downloadBehavior: OpenBao knows fail, which is its default, and continue, but not direct; remove it", conf + `plugin.filePermissions: "rwx" are not permissions in octal digits; write 0600 for example`, conf + "plugin.fileUID: -5 is no user id; set one between 0 and 4294967295"}},

		"plugin without anything": {[]change{withPlugins(openbaov1alpha1.PluginSpec{})}, []string{
			`spec.plugins[0].binaryName: it is required; set it`, `spec.plugins[0].name: it is required; set it`,
			"spec.plugins[0].sha256sum: it must be 64 hexadecimal digits; set the output of sha256sum for the program",
			`spec.plugins[0].type: OpenBao has no plugins of the type ""; set secret, auth, database or kms`,
			`spec.plugins[0].version: it is required; set it`,
			"spec.plugins[0]: it has neither an image nor a command; set one of them",
		}},
		"plugin from two places":    {[]change{plugin(func(p *openbaov1alpha1.PluginSpec) { p.Image = "x/y" })}, []string{"spec.plugins[0]: it has an image and a command; remove one of them"}},
		"plugin image with a tag":   {[]change{plugin(func(p *openbaov1alpha1.PluginSpec) { p.Image, p.Command = "x.io/y:v1", "" })}, []string{`spec.plugins[0].image: "x.io/y:v1" is not an image without a tag; write registry.example.com/org/plugin for example`}},
		"plugin version is no tag":  {[]change{plugin(func(p *openbaov1alpha1.PluginSpec) { p.Image, p.Command, p.Version = "x.io/y", "", "v1+2" })}, []string{`spec.plugins[0].version: "v1+2" is not the tag of an image; write v1.0.0 for example`}},
		"plugin elsewhere":          {[]change{plugin(func(p *openbaov1alpha1.PluginSpec) { p.Command = "../sh" })}, []string{`spec.plugins[0].command: "../sh" is not the name of a program; the program must be in /openbao/plugins, and is named without a folder`}},
		"plugin environment":        {[]change{plugin(func(p *openbaov1alpha1.PluginSpec) { p.Env = []string{"A=b", "secret"} })}, []string{"spec.plugins[0].env[1]: it must be NAME=value; write both, with an equals sign"}},
		"plugin twice":              {[]change{plugin(func(*openbaov1alpha1.PluginSpec) {}), plugin(func(p *openbaov1alpha1.PluginSpec) { p.Command = "q" })}, []string{"spec.plugins[1]: there is another plugin with this type, name and version; remove one of them"}},
		"plugin of a seal too soon": {[]change{version("2.5.5"), plugin(func(p *openbaov1alpha1.PluginSpec) { p.Type = "kms" })}, []string{"spec.plugins[0].type: it needs OpenBao 2.6.0 or later, and spec.version is 2.5.5; remove it, or set a later version"}},

		"audit syslog": {[]change{devices(openbaov1alpha1.AuditDevice{Type: "syslog", Path: "s", SyslogOptions: &openbaov1alpha1.SyslogAuditOptions{Tag: "x"}})}, []string{
			"spec.audit[0].type: no syslog service runs in the servers' pods; use the type socket, or file with the path stdout",
		}},
		"audit types": {[]change{devices(openbaov1alpha1.AuditDevice{Type: "kafka", Path: "k"}, openbaov1alpha1.AuditDevice{
			Type: "socket", Path: "s", SocketOptions: &openbaov1alpha1.SocketAuditOptions{SocketType: "sctp", WriteTimeout: "x"}, FileOptions: &openbaov1alpha1.FileAuditOptions{FilePath: "stdout"},
		})}, []string{
			"spec.audit[0].type: OpenBao has no audit device \"kafka\"; set file, http or socket",
			"spec.audit[1].fileOptions: it has no effect with the type socket; remove it",
			"spec.audit[1].socketOptions.address: it is required; set it",
			`spec.audit[1].socketOptions.socketType: OpenBao has no socket "sctp"; set tcp, udp or unix`,
			`spec.audit[1].socketOptions.writeTimeout: "x" is not a duration; write 90s, 12h or 30d for example`,
		}},
		"audit file":        {[]change{file("/var/log/audit.log")}, []string{"spec.audit[0].fileOptions.filePath: the servers' file system is read-only; choose a file in /bao/data or /tmp, not /var/log/audit.log"}},
		"audit no file":     {[]change{devices(openbaov1alpha1.AuditDevice{Type: "file", Path: "f"})}, []string{"spec.audit[0].fileOptions.filePath: it is required; set it"}},
		"audit within":      {[]change{file("stdout"), devices(openbaov1alpha1.AuditDevice{Type: "file", Path: "f/g/", FileOptions: &openbaov1alpha1.FileAuditOptions{FilePath: "discard"}})}, []string{`spec.audit[1].path: "f/g/" is the path of another device, or within it; choose another`}},
		"audit permissions": {[]change{devices(openbaov1alpha1.AuditDevice{Type: "file", Path: "f", FileOptions: &openbaov1alpha1.FileAuditOptions{FilePath: "stdout", Mode: "888"}})}, []string{`spec.audit[0].fileOptions.mode: "888" are not permissions in octal digits; write 0600 for example`}},
		"audit options": {[]change{devices(openbaov1alpha1.AuditDevice{Type: "file", Path: "f", FileOptions: &openbaov1alpha1.FileAuditOptions{FilePath: "stdout"},
			Options: raw(`{"file_path": "discard", "format": "jsonx", "log_raw": "maybe", "prefix": "x", "list": []}`)})}, []string{
			"spec.audit[0].fileOptions.filePath: file_path is in options as well; remove one of the two",
			"spec.audit[0].options.format: OpenBao writes json, not jsonx; remove it",
			"spec.audit[0].options.list: it must be a text, a number or a boolean; write anything else as a text with JSON",
			`spec.audit[0].options.log_raw: "maybe" is neither true nor false; set one of them`,
			"spec.audit[0].options.prefix: a server allows it only with spec.configuration.allowAuditLogPrefixing; set that to true, or remove this",
		}},
		"audit options that are no object": {[]change{devices(openbaov1alpha1.AuditDevice{Type: "file", Path: "f", FileOptions: &openbaov1alpha1.FileAuditOptions{FilePath: "stdout"}, Options: raw(`["secret"]`)})}, []string{"spec.audit[0].options: it must be an object; write name: value for each member"}},
		"audit http": {[]change{devices(
			openbaov1alpha1.AuditDevice{Type: "http", Path: "a"},
			openbaov1alpha1.AuditDevice{Type: "http", Path: "b", HTTPOptions: &openbaov1alpha1.HTTPAuditOptions{URI: "https://user:secret@x:%"}},
			openbaov1alpha1.AuditDevice{Type: "http", Path: "c", HTTPOptions: &openbaov1alpha1.HTTPAuditOptions{URI: "https://x", Headers: raw(`{"A": {"secret": 1}}`)}},
		)}, []string{
			"spec.audit[0].httpOptions.uri: it is required; set it",
			"spec.audit[1].httpOptions.uri: it is not a URL; write https://collector.example.com/audit for example",
			"spec.audit[2].httpOptions.headers: the value of a header must be a text, or a list of texts, without NUL characters",
		}},

		"telemetry": {[]change{metrics, func(s *openbaov1alpha1.OpenBaoClusterSpec) {
			s.Telemetry = &openbaov1alpha1.TelemetrySpec{PrometheusRetentionTime: "0s", UsageGaugePeriod: "x", LeaseMetricsEpsilon: "-1s", CirconusSubmissionInterval: "10"}
		}}, []string{
			`spec.telemetry.circonusSubmissionInterval: "10" is not a positive duration with a unit; write 10s or 5m for example`,
			"spec.telemetry.leaseMetricsEpsilon: -1s is negative; set a positive duration",
			"spec.telemetry.prometheusRetentionTime: 0s turns off the metrics that spec.observability.metrics.enabled asks for; set a positive duration, or remove it",
			`spec.telemetry.usageGaugePeriod: "x" is not a duration; write 90s, 12h or 30d for example`,
		}},
		"texts": {[]change{func(s *openbaov1alpha1.OpenBaoClusterSpec) {
			s.Telemetry = &openbaov1alpha1.TelemetrySpec{MetricsPrefix: "a\x00b", DogStatsdTags: []string{"fine", "\xff"}}
		}}, []string{
			"spec.telemetry.dogStatsdTags[1]: a configuration file holds no NUL character and nothing but UTF-8; remove what is not",
			"spec.telemetry.metricsPrefix: a configuration file holds no NUL character and nothing but UTF-8; remove what is not",
		}},

		"seal without its block": {[]change{unseal(openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealAWSKMS, Transit: &openbaov1alpha1.TransitUnseal{}})}, []string{
			"spec.unseal.awskms: it is required with spec.unseal.type awskms; set it",
			"spec.unseal.transit: it has no effect with spec.unseal.type awskms; remove it, or set the type to transit",
		}},
		"seal of another type":   {[]change{unseal(openbaov1alpha1.UnsealSpec{KMIP: &openbaov1alpha1.KMIPUnseal{}})}, []string{"spec.unseal.kmip: it has no effect with spec.unseal.type static; remove it, or set the type to kmip"}},
		"seal that nobody knows": {[]change{unseal(openbaov1alpha1.UnsealSpec{Type: "shamir"})}, []string{`spec.unseal.type: "shamir" is no seal that Bailiwick configures; set one of those that the schema lists`}},
		"seal of a Secret without a name": {[]change{sealOf(openbaov1alpha1.UnsealAWSKMS), credentials, func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Unseal.CredentialsSecretRef.Name = "" }}, []string{
			"spec.unseal.credentialsSecretRef.name: it is required; set it",
		}},
		"static key elsewhere":         {[]change{unseal(openbaov1alpha1.UnsealSpec{Static: &openbaov1alpha1.StaticUnseal{CurrentKey: "file:///tmp/key"}})}, []string{"spec.unseal.static.currentKey: /tmp/key is not mounted into the servers; use a file in /etc/bao/unseal or, with spec.unseal.credentialsSecretRef, in /etc/bao/seal-creds"}},
		"static key by a detour":       {[]change{unseal(openbaov1alpha1.UnsealSpec{Static: &openbaov1alpha1.StaticUnseal{CurrentKey: "file:///etc/bao/unseal/../tls/tls.key"}})}, []string{`spec.unseal.static.currentKey: "/etc/bao/unseal/../tls/tls.key" is not the full path of a file; begin it with a slash, without . and .. in it`}},
		"static key without a Secret":  {[]change{sealOf(openbaov1alpha1.UnsealStatic)}, []string{"spec.unseal.static.currentKey: there is nothing in /etc/bao/seal-creds without spec.unseal.credentialsSecretRef; name the Secret with the file there"}},
		"AWS without half of a key":    {[]change{sealOf(openbaov1alpha1.UnsealAWSKMS), func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Unseal.AWSKMS.AccessKey = "a" }}, []string{"spec.unseal.awskms: accessKey and secretKey go together, and sessionToken goes with both; set what is missing, or remove them all"}},
		"Azure without anything":       {[]change{unseal(openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealAzureKeyVault, AzureKeyVault: &openbaov1alpha1.AzureKeyVaultUnseal{}})}, []string{"spec.unseal.azureKeyVault.keyName: it is required; set it", "spec.unseal.azureKeyVault.vaultName: it is required; set it"}},
		"Google file without a Secret": {[]change{sealOf(openbaov1alpha1.UnsealGCPCloudKMS)}, []string{"spec.unseal.gcpCloudKMS.credentials: there is nothing in /etc/bao/seal-creds without spec.unseal.credentialsSecretRef; name the Secret with the file there"}},
		"transit": {[]change{hardened, unseal(openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealTransit, Transit: &openbaov1alpha1.TransitUnseal{
			Address: "keys:8200", TLSCACert: "ca.crt", TLSClientKey: "/etc/bao/tls/tls.key", TLSSkipVerify: new(true),
		}})}, []string{
			"spec.unseal.credentialsSecretRef: the type transit needs a token; name a Secret that has it under the key token",
			`spec.unseal.transit.address: "keys:8200" is not the URL of a server; write https://bao.example.com:8200 for example`,
			"spec.unseal.transit.keyName: it is required; set it", "spec.unseal.transit.mountPath: it is required; set it",
			`spec.unseal.transit.tlsCACert: "ca.crt" is not the full path of a file; begin it with a slash, without . and .. in it`,
			"spec.unseal.transit.tlsClientCert: the key of a client certificate needs the certificate; set it, or remove the key",
		}},
		"kmip": {[]change{unseal(openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealKMIP, KMIP: &openbaov1alpha1.KMIPUnseal{Address: "kmip", TLSSkipVerify: new(true)}})}, []string{
			"spec.unseal.credentialsSecretRef: the type kmip needs the id of a key, for which there is no field; name a Secret that has it under the key BAO_KMIP_WRAPPER_KEY_ID",
			`spec.unseal.kmip.address: "kmip" is not a host and a port; write kmip.example.com:5696 for example`,
			"spec.unseal.kmip.certificate: it is required; set it", "spec.unseal.kmip.key: it is required; set it",
		}},
		"ocikms": {[]change{sealOf(openbaov1alpha1.UnsealOCIKMS), func(s *openbaov1alpha1.OpenBaoClusterSpec) {
			s.Unseal.OCIKMS.AuthType, s.Unseal.OCIKMS.CompartmentID = "api_key", "ocid1.compartment"
		}}, []string{
			"spec.unseal.ocikms.authType: the servers can log in as the instance that they run on, and have no file with an API key; set instance_principal, or remove it",
			"spec.unseal.ocikms.compartmentID: OpenBao finds the key by keyID and reads no compartment; remove it",
		}},
		"pkcs11": {[]change{sealOf(openbaov1alpha1.UnsealPKCS11), func(s *openbaov1alpha1.OpenBaoClusterSpec) {
			s.Unseal.PKCS11.Slot, s.Unseal.PKCS11.HMACKeyLabel, s.Unseal.PKCS11.GenerateKey = "", "h", new(true)
		}}, []string{
			"spec.image: the official image of OpenBao has neither PKCS#11 nor the library of a module; name an image of the HSM distribution that has the library",
			"spec.unseal.credentialsSecretRef: the type pkcs11 needs a PIN; name a Secret that has it under the key BAO_HSM_PIN",
			"spec.unseal.pkcs11.generateKey: OpenBao makes no key in the module; make it with the tool of the module, and remove this",
			"spec.unseal.pkcs11.hmacKeyLabel: OpenBao uses no HMAC key; remove it",
			"spec.unseal.pkcs11.slot: OpenBao needs the slot in decimal digits, since there is no field for the label of a token; set it",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := serverconfig.Render(cluster(c.changes...))
			got := refusals(t, err)
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if err != nil && (out.Public != nil || out.Secret != nil || out.Digest != "") {
				t.Error("something is rendered beside the error")
			}
			if err != nil && strings.Contains(err.Error(), "secret@") {
				t.Error("the error repeats a credential")
			}
		})
	}
}

// TestSealsThatLeft checks the seals that servers have in plugins only from 2.7 on.
func TestSealsThatLeft(t *testing.T) {
	for of := range seals() {
		if _, err := serverconfig.Render(cluster(sealOf(of), credentials, image, version("2.6.2"))); err != nil {
			t.Errorf("%s: %v", of, err)
		}
		_, err := serverconfig.Render(cluster(sealOf(of), credentials, image, version("2.7.0")))
		var want []string
		switch of {
		case openbaov1alpha1.UnsealStatic, openbaov1alpha1.UnsealTransit, openbaov1alpha1.UnsealKMIP:
		default:
			want = []string{"spec.unseal.type: OpenBao 2.7.0 has no seal " + string(of) + " built in; add its plugin to spec.plugins, with type kms and name " + string(of) + ", or set another type"}
		}
		if got := refusals(t, err); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", of, got, want)
		}
	}
}
