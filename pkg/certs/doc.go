// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package certs decides and makes the certificates of an OpenBao cluster.
//
// With the TLS mode OperatorManaged, [Next] computes what the Secrets of the CA
// and of the servers must hold now. A CA is replaced in three steps, so that no
// running server ever meets a certificate that it cannot verify:
//
//   - publish: the next CA joins the bundle, the certificate stays as it is
//   - switch: once every pod has loaded that bundle, the next CA signs
//   - finish: once every pod serves a certificate of it, and the overlap has
//     passed, the old CA leaves the bundle
//
// What pods have loaded is for the caller to prove, see [Proven]. A step may be
// lost, or reach only one of the two Secrets: the next call continues from what
// they hold. A person who wants another CA deletes the Secret of the CA, or writes
// their own into it: it goes through the same steps.
//
// With the TLS mode External, [CheckExternal] checks what an issuer has
// delivered.
//
// Everything here is a pure function of its arguments and of the random source.
// No error and no String method contains a private key.
package certs
