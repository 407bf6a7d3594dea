// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package aiven is the operator's access to the Aiven API.
//
// A Transport sends requests: it authenticates them, keeps each token within
// its own rate and concurrency, asks the leadership gate before every change,
// and gives every failure a Class. It never retries and never sleeps longer
// than its MaxWait.
//
// A Store is what an informer is for the Kubernetes API. Aiven has no watch,
// so the Store polls: per token it holds one snapshot of each thing that
// objects read (a service, the topics of a service, the CA of a project),
// refreshes it once per poll interval, sooner while it changes or when the
// project's event log names it, and notifies just those subscribers whose part
// of it differs from what they last saw.
//
// A Client is one object's access for the length of one reconcile: it is the
// doer of the typed handlers of github.com/aiven/go-client-codegen, and its
// reads come from the Store without ever waiting for the network.
package aiven
