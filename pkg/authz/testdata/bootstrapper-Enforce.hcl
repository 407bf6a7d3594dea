path "sys/policies/acl/openbao-operator" {
  capabilities = ["read", "update", "delete"]
  allowed_parameters = {
    "cas" = []
    "policy" = ["path \"sys/health\" { capabilities = [\"read\"] }\npath \"sys/step-down\" { capabilities = [\"sudo\", \"update\"] }\npath \"sys/storage/raft/autopilot/configuration\" { capabilities = [\"read\", \"update\"] }"]
  }
}
path "sys/policies/acl/openbao-operator-backup" {
  capabilities = ["read", "update", "delete"]
  allowed_parameters = {
    "cas" = []
    "policy" = ["path \"sys/storage/raft/snapshot\" { capabilities = [\"read\"] }"]
  }
}
path "sys/policies/acl/openbao-operator-restore" {
  capabilities = ["read", "update", "delete"]
  allowed_parameters = {
    "cas" = []
    "policy" = ["path \"sys/storage/raft/snapshot-force\" { capabilities = [\"update\"] }"]
  }
}
path "sys/policies/acl/openbao-operator-upgrade" {
  capabilities = ["read", "update", "delete"]
  allowed_parameters = {
    "cas" = []
    "policy" = ["path \"sys/health\" { capabilities = [\"read\"] }\npath \"sys/step-down\" { capabilities = [\"sudo\", \"update\"] }\npath \"sys/storage/raft/snapshot\" { capabilities = [\"read\"] }\npath \"sys/storage/raft/autopilot/state\" { capabilities = [\"read\"] }", "path \"sys/health\" { capabilities = [\"read\"] }\npath \"sys/step-down\" { capabilities = [\"sudo\", \"update\"] }\npath \"sys/storage/raft/snapshot\" { capabilities = [\"read\"] }\npath \"sys/storage/raft/autopilot/state\" { capabilities = [\"read\"] }\npath \"sys/storage/raft/join\" { capabilities = [\"update\"] }\npath \"sys/storage/raft/configuration\" { capabilities = [\"read\", \"update\"] }\npath \"sys/storage/raft/remove-peer\" { capabilities = [\"update\"] }\npath \"sys/storage/raft/promote\" { capabilities = [\"update\"] }\npath \"sys/storage/raft/demote\" { capabilities = [\"update\"] }"]
  }
}
path "sys/policies/acl/openbao-operator-claim" {
  capabilities = ["read", "update"]
  allowed_parameters = {
    "cas" = []
    "policy" = ["# Bailiwick: whose this server is. It grants nothing; do not assign it to anyone.\n# audience: bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod\n# nonce: 1\npath \"openbao-operator-claim\" { capabilities = [\"deny\"] }", "# Bailiwick: whose this server is. It grants nothing; do not assign it to anyone.\n# audience: bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod\n# nonce: 2\npath \"openbao-operator-claim\" { capabilities = [\"deny\"] }", "# Bailiwick: whose this server is. It grants nothing; do not assign it to anyone.\n# audience: bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod\n# nonce: 3\npath \"openbao-operator-claim\" { capabilities = [\"deny\"] }", "# Bailiwick: whose this server is. It grants nothing; do not assign it to anyone.\n# audience: bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod\n# nonce: 4\npath \"openbao-operator-claim\" { capabilities = [\"deny\"] }", "# Bailiwick: whose this server is. It grants nothing; do not assign it to anyone.\n# audience: bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod\n# nonce: 5\npath \"openbao-operator-claim\" { capabilities = [\"deny\"] }", "# Bailiwick: whose this server is. It grants nothing; do not assign it to anyone.\n# audience: bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod\n# nonce: 6\npath \"openbao-operator-claim\" { capabilities = [\"deny\"] }", "# Bailiwick: whose this server is. It grants nothing; do not assign it to anyone.\n# audience: bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod\n# nonce: 7\npath \"openbao-operator-claim\" { capabilities = [\"deny\"] }", "# Bailiwick: whose this server is. It grants nothing; do not assign it to anyone.\n# audience: bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod\n# nonce: 8\npath \"openbao-operator-claim\" { capabilities = [\"deny\"] }"]
  }
}
path "auth/jwt-operator/role/openbao-operator" {
  capabilities = ["read", "delete"]
}
path "auth/jwt-operator/role/OPENBAO-OPERATOR" {
  capabilities = ["create", "update"]
  required_parameters = ["bound_audiences", "bound_claims", "bound_claims_type", "bound_subject", "claim_mappings", "clock_skew_leeway", "expiration_leeway", "groups_claim", "not_before_leeway", "role_type", "token_bound_cidrs", "token_explicit_max_ttl", "token_max_ttl", "token_no_default_policy", "token_num_uses", "token_period", "token_policies", "token_policies_template_claims", "token_strictly_bind_ip", "token_ttl", "token_type", "user_claim", "user_claim_json_pointer"]
  allowed_parameters = {
    "bound_audiences" = [["bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod"]]
    "bound_claims" = [[]]
    "bound_claims_type" = ["string"]
    "bound_subject" = ["system:serviceaccount:bailiwick-system:bailiwick"]
    "claim_mappings" = [[]]
    "clock_skew_leeway" = ["60s"]
    "expiration_leeway" = ["150s"]
    "groups_claim" = [""]
    "not_before_leeway" = ["150s"]
    "role_type" = ["jwt"]
    "token_bound_cidrs" = [[]]
    "token_explicit_max_ttl" = ["0s"]
    "token_max_ttl" = ["3600s"]
    "token_no_default_policy" = [false]
    "token_num_uses" = ["0"]
    "token_period" = ["0s"]
    "token_policies" = [["openbao-operator"]]
    "token_policies_template_claims" = [false]
    "token_strictly_bind_ip" = [false]
    "token_ttl" = ["3600s"]
    "token_type" = ["default"]
    "user_claim" = ["sub"]
    "user_claim_json_pointer" = [false]
  }
}
path "auth/jwt-operator/role/openbao-operator-backup" {
  capabilities = ["read", "delete"]
}
path "auth/jwt-operator/role/OPENBAO-OPERATOR-BACKUP" {
  capabilities = ["create", "update"]
  required_parameters = ["bound_audiences", "bound_claims", "bound_claims_type", "bound_subject", "claim_mappings", "clock_skew_leeway", "expiration_leeway", "groups_claim", "not_before_leeway", "role_type", "token_bound_cidrs", "token_explicit_max_ttl", "token_max_ttl", "token_no_default_policy", "token_num_uses", "token_period", "token_policies", "token_policies_template_claims", "token_strictly_bind_ip", "token_ttl", "token_type", "user_claim", "user_claim_json_pointer"]
  allowed_parameters = {
    "bound_audiences" = [["bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod"]]
    "bound_claims" = [[]]
    "bound_claims_type" = ["string"]
    "bound_subject" = ["system:serviceaccount:vaults:prod-backup-serviceaccount"]
    "claim_mappings" = [[]]
    "clock_skew_leeway" = ["60s"]
    "expiration_leeway" = ["150s"]
    "groups_claim" = [""]
    "not_before_leeway" = ["150s"]
    "role_type" = ["jwt"]
    "token_bound_cidrs" = [[]]
    "token_explicit_max_ttl" = ["0s"]
    "token_max_ttl" = ["3600s"]
    "token_no_default_policy" = [false]
    "token_num_uses" = ["0"]
    "token_period" = ["0s"]
    "token_policies" = [["openbao-operator-backup"]]
    "token_policies_template_claims" = [false]
    "token_strictly_bind_ip" = [false]
    "token_ttl" = ["3600s"]
    "token_type" = ["default"]
    "user_claim" = ["sub"]
    "user_claim_json_pointer" = [false]
  }
}
path "auth/jwt-operator/role/openbao-operator-restore" {
  capabilities = ["read", "delete"]
}
path "auth/jwt-operator/role/OPENBAO-OPERATOR-RESTORE" {
  capabilities = ["update"]
  required_parameters = ["bound_audiences", "bound_claims_type", "bound_subject", "claim_mappings", "clock_skew_leeway", "expiration_leeway", "groups_claim", "not_before_leeway", "role_type", "token_bound_cidrs", "token_explicit_max_ttl", "token_max_ttl", "token_no_default_policy", "token_num_uses", "token_period", "token_policies", "token_policies_template_claims", "token_strictly_bind_ip", "token_ttl", "token_type", "user_claim", "user_claim_json_pointer"]
  allowed_parameters = {
    "bound_audiences" = [["bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod"]]
    "bound_claims_type" = ["string"]
    "bound_subject" = ["system:serviceaccount:vaults:prod-restore-serviceaccount"]
    "claim_mappings" = [[]]
    "clock_skew_leeway" = ["60s"]
    "expiration_leeway" = ["150s"]
    "groups_claim" = [""]
    "not_before_leeway" = ["150s"]
    "role_type" = ["jwt"]
    "token_bound_cidrs" = [[]]
    "token_explicit_max_ttl" = ["0s"]
    "token_max_ttl" = ["3600s"]
    "token_no_default_policy" = [false]
    "token_num_uses" = ["0"]
    "token_period" = ["0s"]
    "token_policies" = [["openbao-operator-restore"]]
    "token_policies_template_claims" = [false]
    "token_strictly_bind_ip" = [false]
    "token_ttl" = ["3600s"]
    "token_type" = ["default"]
    "user_claim" = ["sub"]
    "user_claim_json_pointer" = [false]
  }
}
path "auth/jwt-operator/role/openbao-operator-upgrade" {
  capabilities = ["read", "delete"]
}
path "auth/jwt-operator/role/OPENBAO-OPERATOR-UPGRADE" {
  capabilities = ["create", "update"]
  required_parameters = ["bound_audiences", "bound_claims", "bound_claims_type", "bound_subject", "claim_mappings", "clock_skew_leeway", "expiration_leeway", "groups_claim", "not_before_leeway", "role_type", "token_bound_cidrs", "token_explicit_max_ttl", "token_max_ttl", "token_no_default_policy", "token_num_uses", "token_period", "token_policies", "token_policies_template_claims", "token_strictly_bind_ip", "token_ttl", "token_type", "user_claim", "user_claim_json_pointer"]
  allowed_parameters = {
    "bound_audiences" = [["bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod"]]
    "bound_claims" = [[]]
    "bound_claims_type" = ["string"]
    "bound_subject" = ["system:serviceaccount:vaults:prod-upgrade-serviceaccount"]
    "claim_mappings" = [[]]
    "clock_skew_leeway" = ["60s"]
    "expiration_leeway" = ["150s"]
    "groups_claim" = [""]
    "not_before_leeway" = ["150s"]
    "role_type" = ["jwt"]
    "token_bound_cidrs" = [[]]
    "token_explicit_max_ttl" = ["0s"]
    "token_max_ttl" = ["3600s"]
    "token_no_default_policy" = [false]
    "token_num_uses" = ["0"]
    "token_period" = ["0s"]
    "token_policies" = [["openbao-operator-upgrade"]]
    "token_policies_template_claims" = [false]
    "token_strictly_bind_ip" = [false]
    "token_ttl" = ["3600s"]
    "token_type" = ["default"]
    "user_claim" = ["sub"]
    "user_claim_json_pointer" = [false]
  }
}
path "auth/jwt-operator/config" {
  capabilities = ["read", "update"]
  allowed_parameters = {
    "bound_issuer" = ["https://kubernetes.default.svc"]
    "jwt_supported_algs" = []
    "jwt_validation_pubkeys" = []
  }
}
path "sys/policies/acl/openbao-operator-bootstrapper" {
  capabilities = ["read"]
}
path "auth/jwt-operator/role/openbao-operator-bootstrapper" {
  capabilities = ["read"]
}
path "sys/auth" {
  capabilities = ["read"]
}
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/jwt-operator/role" {
  capabilities = ["list"]
}
path "auth/jwt-operator/cel/role" {
  capabilities = ["list"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
