// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package jobs makes the Jobs that work on the volume of one server, and reads what came of
// them. It decides from objects, and does nothing.
//
// A Job has no token of a ServiceAccount, no Secret and no network, and one volume. Its
// program (cmd/bailiwick-job) reports with its exit code and its termination message.
// Nothing deletes a Job but the controller of its cluster, once the report is recorded.
package jobs
