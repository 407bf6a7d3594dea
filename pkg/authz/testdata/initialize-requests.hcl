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

initialize "audit" {
  request "audit-request" {
    operation = "update"
    path      = "sys/audit/stdout"
    data {
      description = "to \u0024{stdout}"
      options     = {file_path = "stdout", mode = "0600"}
      type        = "file"
    }
  }
}

initialize "audit-http" {
  request "audit-http-request" {
    operation = "update"
    path      = "sys/audit/http"
    allow_failure = true
    data {
      options = {headers = "{\"X-A\":[\"1\"]}", uri = "https://log"}
      type    = "http"
    }
  }
}

initialize "people" {
  request "people-request" {
    operation = "update"
    path      = "sys/auth/userpass"
    data {
      config = {default_lease_ttl = "1h"}
      type   = "userpass"
    }
  }
}

initialize "kv" {
  request "kv-request" {
    operation = "update"
    path      = "sys/mounts/secret"
    allow_failure = false
    data {
      description = "d"
      options     = {version = "2"}
      type        = "kv"
    }
  }
}

initialize "admin-policy" {
  request "admin-policy-request" {
    operation = "update"
    path      = "sys/policies/acl/admin"
    data {
      policy = "path \"*\" {\n  capabilities = [\"sudo\"] # \u0024{x} <<EOF \\\n}"
    }
  }
}

initialize "_admin" {
  request "_admin-request" {
    operation = "create"
    path      = "auth/userpass/users/admin"
    data {
      ""       = "empty"
      "a b"    = "x\"y\\z\n\t\u0024{env.HOME}\u0000\ue123 "
      big      = 9223372036854775807
      e        = -1.5E+3
      f        = 0.5
      list     = [1, "a", [true], []]
      n        = 5
      nested   = {deep = {deeper = {n = 1}}, empty = {}, objects = [{a = 1, b = [2]}, {}]}
      password = {env_var = "PASSWORD", eval_source = "env", eval_type = "string"}
      "true"   = false
      yes      = true
    }
  }
}

initialize "look" {
  request "look-request" {
    operation = "read"
    path      = "sys/health"
  }
}

initialize "nothing" {
  request "nothing-request" {
    operation = "update"
    path      = "sys/rotate"
  }
}
