// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package serverconfig renders the configuration of the OpenBao servers of a
// cluster: two HCL files, and the environment that the seal reads.
//
// Everything here is a pure function of the object. A field of the spec is either
// rendered or refused with an [authz.SpecError]; none is accepted and ignored.
// What differs between versions of OpenBao is in one table, in version.go.
//
// The names of settings and what servers refuse are from the source of OpenBao
// v2.4.0 to v2.6.2 and of its main branch of August 2026 for v2.7: server/config.go
// in command, the folder helper/configutil, the folder builtin/audit, and the seal
// wrappers in github.com/openbao/go-kms-wrapping.
//
// [authz.SpecError]: github.com/bailiwick-operator/bailiwick/pkg/authz.SpecError
package serverconfig
