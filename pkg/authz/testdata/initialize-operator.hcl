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
}
