// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package openbao is a narrow client for the parts of the OpenBao API that set
// up and check authorization, over the official Go client.
//
// It reads no environment variables, uses no proxy, follows no redirect, never
// waits and never retries: when to try again is its caller's business. Every
// error it returns is an [*Error] with a class, and none carries a token.
package openbao
