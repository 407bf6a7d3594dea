ui           = true
cluster_name = "main"

listener "tcp" {
  address              = "[::]:8200"
  cluster_address      = "[::]:8201"
  tls_cert_file        = "/etc/bao/tls/tls.crt"
  tls_key_file         = "/etc/bao/tls/tls.key"
  max_request_duration = "90s"
}

seal "static" {
  current_key    = "file:///etc/bao/unseal/key"
  current_key_id = "operator-generated-v1"
}

storage "raft" {
  path                   = "/bao/data"
  performance_multiplier = 2
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
