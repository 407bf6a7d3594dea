path "sys/storage/raft/snapshot" { capabilities = ["read"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
