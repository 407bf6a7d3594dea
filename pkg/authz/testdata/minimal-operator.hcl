path "sys/storage/raft/autopilot/configuration" { capabilities = ["read", "update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
