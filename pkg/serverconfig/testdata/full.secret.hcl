seal "transit" {
  address    = "https://keys.example.com:8200"
  key_name   = "main"
  mount_path = "transit"
  token      = "secret-token"
}

audit "http" "collector" {
  options {
    headers = "{\"Authorization\":[\"Bearer secret-header\"],\"X-A\":[\"1\",\"2\"]}"
    uri     = "https://collector.example.com/secret-path"
  }
}

plugin "auth" "own" {
  command     = "own"
  version     = "v2.0.0"
  binary_name = "own"
  sha256sum   = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
  env         = ["PASSWORD=secret-env"]
}

telemetry {
  usage_gauge_period        = "none"
  maximum_gauge_cardinality = 100
  disable_hostname          = true
  enable_hostname_label     = true
  metrics_prefix            = "bao"
  prometheus_retention_time = "30s"
  dogstatsd_addr            = "dogstatsd:8125"
  dogstatsd_tags            = ["team:a"]
  circonus_api_token        = "secret-circonus"
}
