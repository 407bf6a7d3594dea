// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package aivensim simulates the HTTP API of Aiven for tests and for the demo.
//
// It is stateful and strict: unknown routes, unknown or mistyped request
// fields, unknown plans and invalid user configuration are refused, and every
// request is recorded so that a test can say what was sent and how often. The
// request and answer shapes are those of github.com/aiven/go-client-codegen;
// user configuration is checked against github.com/aiven/go-api-schemas.
//
// # Layout
//
// server.go owns the state and its lock; route.go, auth.go, decode.go, fault.go
// and ledger.go are the request path. Every API area is one file that returns
// its routes and holds its handlers (project.go, service.go, database.go, ...).
// A new area is one such file plus one line in (*Server).routes; a new service
// type is one entry in serviceTypes. Handlers run under the state lock and must
// not block.
//
// # Assumptions
//
// The real service's behaviour is documented only in part. Where it is not, the
// simulator takes the stricter or the more awkward reading:
//
//   - A project that does not exist is 404, one that the token may not use is
//     403 "Not a project member".
//   - A revoked token is 401 "Invalid token"; RevokeToken can choose 403 and the
//     other text, "Missing (expired) db token".
//   - During a service's first build service_uri is null and users, databases
//     and connection_info are empty. A powered-off service keeps them.
//   - Writes to the children of a service that is being built are 503, of one
//     that is powered off 409. Reads of topics follow the same rule; reads of
//     users, databases and ACLs answer from the recorded state.
//   - A change of plan, cloud or VPC goes through REBALANCING; a power-on and the
//     first build through REBUILDING.
//   - PUT of a service merges user_config deeply, arrays are replaced, and null
//     returns a key to its default; that of ip_filter is everybody, 0.0.0.0/0 and
//     ::/0. project_vpc_id null leaves the VPC, absent keeps it. tech_emails is
//     replaced as a whole.
//   - A plan, or a disk, that an autoscaler integration has is refused to the API.
//   - The users of the types in Options.HiddenPasswords show null for a password that
//     somebody chose. Null in a topic's config is refused to a token: whether Aiven
//     would take the key off is not known.
//   - The project event log lists the newest entry first and honours limit.
//   - The v2 topic list is 404 as soon as one of the named topics is unknown.
//   - A Kafka service starts with the ACL entry "default" (admin on * for
//     avnadmin). Adding an identical entry is 409.
//   - Without include_secrets=true passwords are "", keys and certificates are
//     absent and service_uri carries no password.
//   - "Service x does not exist" is never said: the stock client retries a POST
//     with that answer for a minute. The text is "Service not found".
//   - A service can be put into an ACTIVE VPC of its own cloud only. A VPC has
//     services "migrating from it" until their REBALANCING ends.
//   - PUT of an integration or endpoint merges user_config as for services. One
//     that changes nothing is 400 "User config not changed". Secure keys of
//     endpoints are absent without include_secrets=true.
//   - A quota's POST adds to the limits that are there; to take one away, the
//     quota is deleted. Deleting an absent one is 404.
//   - The schema registry answers as Karapace does: 409 for an incompatible
//     schema, 422 for an invalid one or for deleting a subject that others refer
//     to. Compatibility is checked for Avro; for the other types only a change of
//     the type itself is refused. Without schema_registry its routes are 409.
//   - ClickHouse runs statements on roles and grants and SELECT from
//     system.users, roles, databases, grants and role_grants; its errors are 400.
//     system.grants shows groups of privileges as their leaves, wider grants take
//     in narrower ones, and a part taken out of a wider grant is a row with
//     is_partial_revoke. No server speaks ClickHouse's own protocol.
//   - A project that has services, VPCs or an open balance is 403 on deletion.
//     Its event log goes with it.
package aivensim
