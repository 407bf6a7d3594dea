// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package config

// What OpenBao 2.6 knows, and what of it this server does not do. A key that is
// not listed here is an error. OpenBao itself only logs a warning for most of
// them: here a wrong configuration is to be found.
//
// The names are those of the OpenBao v2.6.2 sources: command/server/config.go,
// helper/configutil/{listener,kms,telemetry}.go and physical/raft/raft.go.

const (
	noPlugins   = "no plugins"
	noTuning    = "the core's default holds"
	noFiles     = "the log goes to standard error only"
	noACME      = "no ACME; tls_cert_file and tls_key_file are needed"
	noProxies   = "the peer's address is taken as it is"
	noEndpoint  = "the endpoint is not switched"
	noSinks     = "only the endpoint sys/metrics"
	notRestrict = "the endpoints stay open"
)

// attributes are the keys at the top of a file.
func attributes() keys {
	return keys{
		"api_addr":          {kind: text},
		"cluster_addr":      {kind: text},
		"cluster_name":      {kind: text},
		"log_level":         {kind: text},
		"log_format":        {kind: text},
		"max_lease_ttl":     {kind: duration},
		"default_lease_ttl": {kind: duration},
		// Memory is never locked, as in OpenBao, which only accepts true.
		"disable_mlock": {kind: boolean},

		"ui":                                  {kind: boolean, missing: "no web interface"},
		"plugin_directory":                    {kind: text, missing: noPlugins},
		"plugin_file_uid":                     {kind: number, missing: noPlugins},
		"plugin_file_permissions":             {kind: number, missing: noPlugins},
		"plugin_download_behavior":            {kind: text, missing: noPlugins},
		"plugin_auto_download":                {kind: boolean, missing: noPlugins},
		"plugin_auto_register":                {kind: boolean, missing: noPlugins},
		"plugin_download_max_size":            {kind: number, missing: noPlugins},
		"cache_size":                          {kind: number, missing: noTuning},
		"disable_cache":                       {kind: boolean, missing: noTuning},
		"disable_printable_check":             {kind: boolean, missing: noTuning},
		"default_max_request_duration":        {kind: duration, missing: noTuning},
		"cluster_cipher_suites":               {kind: text, missing: noTuning},
		"disable_clustering":                  {kind: boolean, missing: "raft needs clustering"},
		"disable_performance_standby":         {kind: boolean, missing: "standbys forward everything"},
		"disable_standby_reads":               {kind: boolean, missing: "standbys forward everything"},
		"disable_sealwrap":                    {kind: boolean, missing: "no seal wrapping"},
		"disable_indexing":                    {kind: boolean, missing: noTuning},
		"imprecise_lease_role_tracking":       {kind: boolean, missing: noTuning},
		"detect_deadlocks":                    {kind: text, missing: noTuning},
		"introspection_endpoint":              {kind: boolean, missing: noEndpoint},
		"raw_storage_endpoint":                {kind: boolean, missing: noEndpoint},
		"enable_response_header_hostname":     {kind: boolean, missing: "no such header"},
		"enable_response_header_raft_node_id": {kind: boolean, missing: "no such header"},
		"log_requests_level":                  {kind: text, missing: "requests are not logged"},
		"log_file":                            {kind: text, missing: noFiles},
		"log_rotate_bytes":                    {kind: number, missing: noFiles},
		"log_rotate_duration":                 {kind: text, missing: noFiles},
		"log_rotate_max_files":                {kind: number, missing: noFiles},
		"pid_file":                            {kind: text, missing: "no file is written"},
		"unsafe_cross_namespace_identity":     {kind: boolean, missing: "no namespaces"},
		"unsafe_allow_api_audit_creation":     {kind: boolean, missing: "the API can always create audit devices"},
		"allow_audit_log_prefixing":           {kind: boolean, missing: "prefixes are always possible"},
		"allow_unauthenticated_workflows":     {kind: boolean, missing: "no workflows"},
		"unsafe_relative_paths":               {kind: boolean, missing: noTuning},
	}
}

func listenerTCP() keys {
	return keys{
		"address":                            {kind: text},
		"cluster_address":                    {kind: text},
		"tls_disable":                        {kind: boolean},
		"tls_cert_file":                      {kind: text},
		"tls_key_file":                       {kind: text},
		"tls_client_ca_file":                 {kind: text},
		"tls_require_and_verify_client_cert": {kind: boolean},
		"tls_disable_client_certs":           {kind: boolean},
		"tls_min_version":                    {kind: text},
		"max_request_size":                   {kind: number},
		"max_request_duration":               {kind: duration},
		// The files are read at each handshake, whatever this says. From 2.7.
		"tls_auto_reload": {kind: boolean},

		"purpose":                                  {kind: list, missing: noTuning},
		"role":                                     {kind: text, missing: noTuning},
		"tls_max_version":                          {kind: text, missing: noTuning},
		"tls_cipher_suites":                        {kind: text, missing: noTuning},
		"max_request_json_memory":                  {kind: number, missing: noTuning},
		"max_request_json_strings":                 {kind: number, missing: noTuning},
		"require_request_header":                   {kind: boolean, missing: "the header is not demanded"},
		"http_read_timeout":                        {kind: duration, missing: noTuning},
		"http_read_header_timeout":                 {kind: duration, missing: noTuning},
		"http_write_timeout":                       {kind: duration, missing: noTuning},
		"http_idle_timeout":                        {kind: duration, missing: noTuning},
		"proxy_protocol_behavior":                  {kind: text, missing: noProxies},
		"proxy_protocol_authorized_addrs":          {kind: list, missing: noProxies},
		"x_forwarded_for_authorized_addrs":         {kind: list, missing: noProxies},
		"x_forwarded_for_hop_skips":                {kind: number, missing: noProxies},
		"x_forwarded_for_reject_not_present":       {kind: boolean, missing: noProxies},
		"x_forwarded_for_reject_not_authorized":    {kind: boolean, missing: noProxies},
		"cors_enabled":                             {kind: boolean, missing: "no CORS"},
		"cors_allowed_origins":                     {kind: list, missing: "no CORS"},
		"cors_allowed_headers":                     {kind: list, missing: "no CORS"},
		"cors_allow_credentials":                   {kind: boolean, missing: "no CORS"},
		"disable_unauthed_rekey_endpoints":         {kind: boolean, missing: notRestrict},
		"disable_unauthed_generate_root_endpoints": {kind: boolean, missing: notRestrict},
		"tls_acme_cache_path":                      {kind: text, missing: noACME},
		"tls_acme_ca_directory":                    {kind: text, missing: noACME},
		"tls_acme_ca_root":                         {kind: text, missing: noACME},
		"tls_acme_eab_key_id":                      {kind: text, missing: noACME},
		"tls_acme_eab_mac_key":                     {kind: text, missing: noACME},
		"tls_acme_key_type":                        {kind: text, missing: noACME},
		"tls_acme_email":                           {kind: text, missing: noACME},
		"tls_acme_domains":                         {kind: list, missing: noACME},
		"tls_acme_disable_http_challenge":          {kind: boolean, missing: noACME},
		"tls_acme_disable_alpn_challenge":          {kind: boolean, missing: noACME},
	}
}

func listenerTelemetry() keys {
	return keys{
		"unauthenticated_metrics_access": {kind: boolean},
		"disallow_metrics":               {kind: boolean, missing: "sys/metrics is always served"},
		"metrics_only":                   {kind: boolean, missing: "the whole API is served"},
		"metrics_path":                   {kind: text, missing: "always sys/metrics"},
	}
}

func storageRaft() keys {
	return keys{
		"path":                         {kind: text},
		"node_id":                      {kind: text},
		"apply_delay":                  {kind: text},
		"snapshot_delay":               {kind: text},
		"performance_multiplier":       {kind: number},
		"trailing_logs":                {kind: number},
		"snapshot_threshold":           {kind: number},
		"snapshot_interval":            {kind: text},
		"max_entry_size":               {kind: number},
		"autopilot_reconcile_interval": {kind: text},
		"autopilot_update_interval":    {kind: text},
		"autopilot_upgrade_version":    {kind: text},
		"retry_join_as_non_voter":      {kind: boolean},
		"max_transaction_size":         {kind: number, missing: "no transactions"},
	}
}

func retryJoin() keys {
	return keys{
		"leader_api_addr":         {kind: text},
		"leader_tls_servername":   {kind: text},
		"leader_ca_cert_file":     {kind: text},
		"leader_client_cert_file": {kind: text},
		"leader_client_key_file":  {kind: text},
		"leader_ca_cert":          {kind: text},
		"leader_client_cert":      {kind: text},
		"leader_client_key":       {kind: text},
		"auto_join":               {kind: text},
		"auto_join_scheme":        {kind: text},
		"auto_join_port":          {kind: number},
	}
}

// sealKeys returns the keys of a seal type, and false if OpenBao has no such type.
func sealKeys(sealType string) (keys, bool) {
	names, ok := map[string][]string{
		"static":        {"current_key", "current_key_id", "previous_key", "previous_key_id"},
		"transit":       {"address", "token", "key_name", "mount_path", "namespace", "key_id_prefix", "disable_renewal", "tls_ca_cert", "tls_client_cert", "tls_client_key", "tls_server_name", "tls_skip_verify"},
		"awskms":        {"region", "kms_key_id", "endpoint", "access_key", "secret_key", "session_token", "role_arn", "role_session_name", "web_identity_token_file"},
		"azurekeyvault": {"vault_name", "key_name", "tenant_id", "client_id", "client_secret", "resource", "environment", "auth_method"},
		"gcpckms":       {"project", "region", "key_ring", "crypto_key", "credentials"},
		"ocikms":        {"key_id", "crypto_endpoint", "management_endpoint", "auth_type_api_key"},
		"kmip":          {"endpoint", "kms_key_id", "client_cert", "client_key", "ca_cert", "server_name", "timeout", "encrypt_alg", "tls12_ciphers"},
		"pkcs11":        {"lib", "slot", "token_label", "pin", "key_label", "key_id", "hmac_key_label", "mechanism", "rsa_oaep_hash", "disable_software_encryption"},
	}[sealType]
	known := keys{"disabled": {kind: boolean}}
	for _, n := range names {
		known[n] = key{kind: scalar}
	}
	return known, ok
}

func serviceRegistrationKubernetes() keys {
	return keys{"namespace": {kind: text}, "pod_name": {kind: text}}
}

func telemetry() keys {
	return keys{
		"prometheus_retention_time":          {kind: duration},
		"disable_hostname":                   {kind: boolean},
		"enable_hostname_label":              {kind: boolean},
		"metrics_prefix":                     {kind: text},
		"usage_gauge_period":                 {kind: duration, missing: noTuning},
		"maximum_gauge_cardinality":          {kind: number, missing: noTuning},
		"lease_metrics_epsilon":              {kind: duration, missing: noTuning},
		"num_lease_metrics_buckets":          {kind: number, missing: noTuning},
		"add_lease_metrics_namespace_labels": {kind: boolean, missing: noTuning},
		"filter_default":                     {kind: boolean, missing: noTuning},
		"prefix_filter":                      {kind: list, missing: noTuning},
		"statsd_address":                     {kind: text, missing: noSinks},
		"statsite_address":                   {kind: text, missing: noSinks},
		"dogstatsd_addr":                     {kind: text, missing: noSinks},
		"dogstatsd_tags":                     {kind: list, missing: noSinks},
	}
}

func auditDevice() keys {
	return keys{
		"description": {kind: text},
		"options":     {kind: object},
		"local":       {kind: boolean},
	}
}

func pluginKeys() keys {
	return keys{
		"image":       {kind: text},
		"version":     {kind: text},
		"binary_name": {kind: text},
		"sha256sum":   {kind: text},
		"command":     {kind: text},
		"args":        {kind: list},
		"env":         {kind: list},
	}
}

func userLockout() keys {
	return keys{
		"lockout_threshold":     {kind: number, missing: noTuning},
		"lockout_duration":      {kind: duration, missing: noTuning},
		"lockout_counter_reset": {kind: duration, missing: noTuning},
		"disable_lockout":       {kind: boolean, missing: noTuning},
	}
}

// requestKeys are those of a request of initialize. What this server cannot do
// there is an error and not a hint: the rest of the profile depends on it.
func requestKeys() keys {
	return keys{
		"operation":     {kind: text},
		"path":          {kind: text},
		"data":          {kind: object},
		"token":         {kind: text},
		"allow_failure": {kind: boolean},
	}
}
