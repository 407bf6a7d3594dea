initialize "operator-bootstrap" {
  request "enable-jwt-auth" {
    operation = "update"
    path      = "sys/auth/jwt-operator"
    data {
      description = "Auth method for OpenBao Operator"
      type        = "jwt"
    }
  }

  request "config-jwt-auth" {
    operation = "update"
    path      = "auth/jwt-operator/config"
    data {
      bound_issuer           = "https://kubernetes.default.svc"
      jwt_supported_algs     = ["RS256"]
      jwt_validation_pubkeys = ["-----BEGIN PUBLIC KEY-----\nQQ==\n-----END PUBLIC KEY-----"]
    }
  }

  request "create-operator-policy" {
    operation = "update"
    path      = "sys/policies/acl/openbao-operator"
    data {
      policy = "path \"sys/health\" { capabilities = [\"read\"] }\npath \"sys/step-down\" { capabilities = [\"sudo\", \"update\"] }\npath \"sys/storage/raft/autopilot/configuration\" { capabilities = [\"read\", \"update\"] }"
    }
  }

  request "create-operator-role" {
    operation = "update"
    path      = "auth/jwt-operator/role/openbao-operator"
    data {
      bound_audiences                = ["bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod"]
      bound_claims                   = []
      bound_claims_type              = "string"
      bound_subject                  = "system:serviceaccount:bailiwick-system:bailiwick"
      claim_mappings                 = []
      clock_skew_leeway              = "60s"
      expiration_leeway              = "150s"
      groups_claim                   = ""
      not_before_leeway              = "150s"
      role_type                      = "jwt"
      token_bound_cidrs              = []
      token_explicit_max_ttl         = "0s"
      token_max_ttl                  = "3600s"
      token_no_default_policy        = false
      token_num_uses                 = "0"
      token_period                   = "0s"
      token_policies                 = ["openbao-operator"]
      token_policies_template_claims = false
      token_strictly_bind_ip         = false
      token_ttl                      = "3600s"
      token_type                     = "default"
      user_claim                     = "sub"
      user_claim_json_pointer        = false
    }
  }

  request "create-backup-policy" {
    operation = "update"
    path      = "sys/policies/acl/openbao-operator-backup"
    data {
      policy = "path \"sys/storage/raft/snapshot\" { capabilities = [\"read\"] }"
    }
  }

  request "create-backup-role" {
    operation = "update"
    path      = "auth/jwt-operator/role/openbao-operator-backup"
    data {
      bound_audiences                = ["bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod"]
      bound_claims                   = []
      bound_claims_type              = "string"
      bound_subject                  = "system:serviceaccount:vaults:prod-backup-serviceaccount"
      claim_mappings                 = []
      clock_skew_leeway              = "60s"
      expiration_leeway              = "150s"
      groups_claim                   = ""
      not_before_leeway              = "150s"
      role_type                      = "jwt"
      token_bound_cidrs              = []
      token_explicit_max_ttl         = "0s"
      token_max_ttl                  = "3600s"
      token_no_default_policy        = false
      token_num_uses                 = "0"
      token_period                   = "0s"
      token_policies                 = ["openbao-operator-backup"]
      token_policies_template_claims = false
      token_strictly_bind_ip         = false
      token_ttl                      = "3600s"
      token_type                     = "default"
      user_claim                     = "sub"
      user_claim_json_pointer        = false
    }
  }

  request "create-restore-policy" {
    operation = "update"
    path      = "sys/policies/acl/openbao-operator-restore"
    data {
      policy = "path \"sys/storage/raft/snapshot-force\" { capabilities = [\"update\"] }"
    }
  }

  request "create-restore-role" {
    operation = "update"
    path      = "auth/jwt-operator/role/openbao-operator-restore"
    data {
      bound_audiences                = ["bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod"]
      bound_claims                   = {"/kubernetes.io/serviceaccount/uid" = "99999999-8888-7777-6666-555555555555"}
      bound_claims_type              = "string"
      bound_subject                  = "system:serviceaccount:vaults:prod-restore-serviceaccount"
      claim_mappings                 = []
      clock_skew_leeway              = "60s"
      expiration_leeway              = "150s"
      groups_claim                   = ""
      not_before_leeway              = "150s"
      role_type                      = "jwt"
      token_bound_cidrs              = []
      token_explicit_max_ttl         = "0s"
      token_max_ttl                  = "3600s"
      token_no_default_policy        = false
      token_num_uses                 = "0"
      token_period                   = "0s"
      token_policies                 = ["openbao-operator-restore"]
      token_policies_template_claims = false
      token_strictly_bind_ip         = false
      token_ttl                      = "3600s"
      token_type                     = "default"
      user_claim                     = "sub"
      user_claim_json_pointer        = false
    }
  }

  request "create-upgrade-policy" {
    operation = "update"
    path      = "sys/policies/acl/openbao-operator-upgrade"
    data {
      policy = "path \"sys/health\" { capabilities = [\"read\"] }\npath \"sys/step-down\" { capabilities = [\"sudo\", \"update\"] }\npath \"sys/storage/raft/snapshot\" { capabilities = [\"read\"] }\npath \"sys/storage/raft/autopilot/state\" { capabilities = [\"read\"] }"
    }
  }

  request "create-upgrade-role" {
    operation = "update"
    path      = "auth/jwt-operator/role/openbao-operator-upgrade"
    data {
      bound_audiences                = ["bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod"]
      bound_claims                   = []
      bound_claims_type              = "string"
      bound_subject                  = "system:serviceaccount:vaults:prod-upgrade-serviceaccount"
      claim_mappings                 = []
      clock_skew_leeway              = "60s"
      expiration_leeway              = "150s"
      groups_claim                   = ""
      not_before_leeway              = "150s"
      role_type                      = "jwt"
      token_bound_cidrs              = []
      token_explicit_max_ttl         = "0s"
      token_max_ttl                  = "3600s"
      token_no_default_policy        = false
      token_num_uses                 = "0"
      token_period                   = "0s"
      token_policies                 = ["openbao-operator-upgrade"]
      token_policies_template_claims = false
      token_strictly_bind_ip         = false
      token_ttl                      = "3600s"
      token_type                     = "default"
      user_claim                     = "sub"
      user_claim_json_pointer        = false
    }
  }

  request "create-bootstrapper-policy" {
    operation = "update"
    path      = "sys/policies/acl/openbao-operator-bootstrapper"
    data {
      policy = "path \"sys/policies/acl/openbao-operator\" {\n  capabilities = [\"read\"]\n}\npath \"sys/policies/acl/openbao-operator-backup\" {\n  capabilities = [\"read\"]\n}\npath \"sys/policies/acl/openbao-operator-restore\" {\n  capabilities = [\"read\"]\n}\npath \"sys/policies/acl/openbao-operator-upgrade\" {\n  capabilities = [\"read\"]\n}\npath \"sys/policies/acl/openbao-operator-claim\" {\n  capabilities = [\"read\"]\n}\npath \"auth/jwt-operator/role/openbao-operator\" {\n  capabilities = [\"read\"]\n}\npath \"auth/jwt-operator/role/openbao-operator-backup\" {\n  capabilities = [\"read\"]\n}\npath \"auth/jwt-operator/role/openbao-operator-restore\" {\n  capabilities = [\"read\"]\n}\npath \"auth/jwt-operator/role/openbao-operator-upgrade\" {\n  capabilities = [\"read\"]\n}\npath \"auth/jwt-operator/config\" {\n  capabilities = [\"read\"]\n}\npath \"sys/policies/acl/openbao-operator-bootstrapper\" {\n  capabilities = [\"read\"]\n}\npath \"auth/jwt-operator/role/openbao-operator-bootstrapper\" {\n  capabilities = [\"read\"]\n}\npath \"sys/auth\" {\n  capabilities = [\"read\"]\n}\npath \"auth/token/lookup-self\" {\n  capabilities = [\"read\"]\n}\npath \"auth/jwt-operator/role\" {\n  capabilities = [\"list\"]\n}\npath \"auth/jwt-operator/cel/role\" {\n  capabilities = [\"list\"]\n}\npath \"auth/token/renew-self\" {\n  capabilities = [\"update\"]\n}\npath \"auth/token/revoke-self\" {\n  capabilities = [\"update\"]\n}\npath \"sys/capabilities-self\" {\n  capabilities = [\"update\"]\n}"
    }
  }

  request "create-bootstrapper-role" {
    operation = "update"
    path      = "auth/jwt-operator/role/openbao-operator-bootstrapper"
    data {
      bound_audiences                = ["bailiwick.dev/openbao/11111111-2222-3333-4444-555555555555/prod"]
      bound_claims                   = []
      bound_claims_type              = "string"
      bound_subject                  = "system:serviceaccount:bailiwick-system:bailiwick-bootstrapper"
      claim_mappings                 = []
      clock_skew_leeway              = "60s"
      expiration_leeway              = "150s"
      groups_claim                   = ""
      not_before_leeway              = "150s"
      role_type                      = "jwt"
      token_bound_cidrs              = []
      token_explicit_max_ttl         = "0s"
      token_max_ttl                  = "3600s"
      token_no_default_policy        = true
      token_num_uses                 = "0"
      token_period                   = "0s"
      token_policies                 = ["openbao-operator-bootstrapper"]
      token_policies_template_claims = false
      token_strictly_bind_ip         = false
      token_ttl                      = "3600s"
      token_type                     = "default"
      user_claim                     = "sub"
      user_claim_json_pointer        = false
    }
  }
}
