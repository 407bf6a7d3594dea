// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package jobs makes the Jobs that work on the volume of one server, or take its backups,
// and reads what came of them. It decides from objects, and does nothing.
//
// No Job has a token for the Kubernetes API. One that works on a volume has no other token,
// no Secret and no network. One that takes backups has a token for the servers, the
// credentials of the object store, and room for a snapshot. The program
// (cmd/bailiwick-job) reports with its exit code and its termination message.
// Nothing deletes a Job but the controller of its cluster, once the report is recorded.
package jobs
