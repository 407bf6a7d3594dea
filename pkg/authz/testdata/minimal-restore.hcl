path "sys/storage/raft/snapshot-force" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
