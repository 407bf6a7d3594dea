path "sys/health" { capabilities = ["read"] }
path "sys/step-down" { capabilities = ["sudo", "update"] }
path "sys/storage/raft/autopilot/configuration" { capabilities = ["read", "update"] }
