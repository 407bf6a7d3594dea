// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package baosim has OpenBao servers that are small enough to run by the
// hundred in one process: each with a listener, TLS, storage and tokens of its
// own.
//
// They know the paths that set up and use JWT logins: health, auth mounts,
// config and roles of a JWT mount, ACL policies, logins, capabilities, and the
// end of a token. They are strict: any other request is refused and remembered,
// JWTs are verified against the keys in the config and the claims of the role,
// and every request needs a token whose policies allow it. Policies are
// evaluated by pkg/openbao/openbaotest, which tests/authz compares with real servers.
package baosim
