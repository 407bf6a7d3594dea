ui                                  = false
cluster_name                        = "main"
log_level                           = "debug"
log_format                          = "json"
log_file                            = "/bao/data/logs/server.log"
log_rotate_duration                 = "24h"
log_rotate_bytes                    = 1048576
log_rotate_max_files                = 3
pid_file                            = "/tmp/bao.pid"
default_lease_ttl                   = "12h"
max_lease_ttl                       = "30d"
cache_size                          = 5000
disable_cache                       = false
detect_deadlocks                    = "statelock,quotas,expiration"
raw_storage_endpoint                = true
introspection_endpoint              = true
imprecise_lease_role_tracking       = true
unsafe_allow_api_audit_creation     = true
allow_audit_log_prefixing           = true
enable_response_header_hostname     = true
enable_response_header_raft_node_id = true
plugin_directory                    = "/openbao/plugins"
plugin_file_uid                     = 1000
plugin_file_permissions             = "0755"
plugin_auto_download                = true
plugin_auto_register                = true

listener "tcp" {
  address                 = "[::]:8200"
  cluster_address         = "[::]:8201"
  tls_cert_file           = "/etc/bao/tls/tls.crt"
  tls_key_file            = "/etc/bao/tls/tls.key"
  max_request_duration    = "90s"
  proxy_protocol_behavior = "use_always"
  telemetry {
    disallow_metrics = true
  }
}

listener "tcp" {
  address       = "[::]:8202"
  tls_cert_file = "/etc/bao/tls/tls.crt"
  tls_key_file  = "/etc/bao/tls/tls.key"
  telemetry {
    metrics_only                   = true
    unauthenticated_metrics_access = true
  }
}

storage "raft" {
  path                   = "/bao/data"
  performance_multiplier = 3
  retry_join {
    leader_api_addr       = "https://main-0.main.vault.svc:8200"
    leader_ca_cert_file   = "/etc/bao/tls/ca.crt"
    leader_tls_servername = "main-0.main.vault.svc"
  }
  retry_join {
    leader_api_addr       = "https://main-1.main.vault.svc:8200"
    leader_ca_cert_file   = "/etc/bao/tls/ca.crt"
    leader_tls_servername = "main-1.main.vault.svc"
  }
  retry_join {
    leader_api_addr       = "https://main-2.main.vault.svc:8200"
    leader_ca_cert_file   = "/etc/bao/tls/ca.crt"
    leader_tls_servername = "main-2.main.vault.svc"
  }
  retry_join {
    leader_api_addr       = "https://main-3.main.vault.svc:8200"
    leader_ca_cert_file   = "/etc/bao/tls/ca.crt"
    leader_tls_servername = "main-3.main.vault.svc"
  }
  retry_join {
    leader_api_addr       = "https://main-4.main.vault.svc:8200"
    leader_ca_cert_file   = "/etc/bao/tls/ca.crt"
    leader_tls_servername = "main-4.main.vault.svc"
  }
  retry_join {
    leader_api_addr       = "https://main-5.main.vault.svc:8200"
    leader_ca_cert_file   = "/etc/bao/tls/ca.crt"
    leader_tls_servername = "main-5.main.vault.svc"
  }
  retry_join {
    leader_api_addr       = "https://main-6.main.vault.svc:8200"
    leader_ca_cert_file   = "/etc/bao/tls/ca.crt"
    leader_tls_servername = "main-6.main.vault.svc"
  }
  retry_join {
    leader_api_addr       = "https://main-7.main.vault.svc:8200"
    leader_ca_cert_file   = "/etc/bao/tls/ca.crt"
    leader_tls_servername = "main-7.main.vault.svc"
  }
  retry_join {
    leader_api_addr       = "https://main-8.main.vault.svc:8200"
    leader_ca_cert_file   = "/etc/bao/tls/ca.crt"
    leader_tls_servername = "main-8.main.vault.svc"
  }
}

service_registration "kubernetes" {}

audit "file" "stdout" {
  description = "to the log of the pod"
  options {
    elide_list_responses = "true"
    file_path            = "stdout"
    log_raw              = "false"
    prefix               = "audit: "
  }
}

audit "socket" "socket" {
  options {
    address       = "collector:9000"
    socket_type   = "udp"
    write_timeout = "2s"
  }
}

plugin "secret" "aws" {
  image       = "ghcr.io/openbao/openbao-plugin-secrets-aws"
  version     = "v1.0.0"
  binary_name = "aws"
  sha256sum   = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
  args        = ["-x", "a b"]
}
