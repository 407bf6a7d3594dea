path "sys/policies/acl/openbao-operator" {
  capabilities = ["read"]
}
path "sys/policies/acl/openbao-operator-backup" {
  capabilities = ["read"]
}
path "sys/policies/acl/openbao-operator-restore" {
  capabilities = ["read"]
}
path "sys/policies/acl/openbao-operator-upgrade" {
  capabilities = ["read"]
}
path "sys/policies/acl/openbao-operator-claim" {
  capabilities = ["read"]
}
path "auth/jwt-operator/role/openbao-operator" {
  capabilities = ["read"]
}
path "auth/jwt-operator/role/openbao-operator-backup" {
  capabilities = ["read"]
}
path "auth/jwt-operator/role/openbao-operator-restore" {
  capabilities = ["read"]
}
path "auth/jwt-operator/role/openbao-operator-upgrade" {
  capabilities = ["read"]
}
path "auth/jwt-operator/config" {
  capabilities = ["read"]
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
