path "sys/step-down" { capabilities = ["sudo", "update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
