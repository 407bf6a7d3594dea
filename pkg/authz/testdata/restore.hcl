path "sys/storage/raft/snapshot-force" { capabilities = ["update"] }
