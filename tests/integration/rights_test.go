// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/tests/internal/grants"
)

// audited are the arguments with which what the operator does on a test's own API
// server counts as use of its rights.
func audited(t testing.TB) []string {
	t.Helper()
	args, err := grants.AuditArgs(filepath.Join(auditLogs, strings.ReplaceAll(t.Name(), "/", "_")+".log"))
	if err != nil {
		t.Fatal(err)
	}
	return args
}

// optional are rights that a component in rbac/optional grants. Without it the
// operator tries, and says in a condition what is missing.
var optional = []grants.Right{{Verb: "delete", Resource: "secrets"}, {Verb: "get", Resource: "serviceaccounts"}}

// checkRights compares what the manifests let the accounts of both processes do with
// what they did while all tests ran, by the audit logs in a folder: no admission
// policy of ours was in their way, they use every right, and tried nothing else.
func checkRights(logs string) error {
	var problems []error
	// A part of the tests uses a part of the rights.
	partly := flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != ""
	documents, err := rbacDocuments()
	if err != nil {
		return err
	}
	for account, elsewhere := range map[string][]grants.Right{operatorAccount: nil, serversAccount: grants.OnNode()} {
		granted, err := grants.Granted(documents, account)
		if err != nil {
			return err
		}
		log, err := grants.ReadAll(logs, account)
		if err != nil {
			return err
		}
		problems = append(problems, log.Hindered(account)...)
		if !partly {
			problems = append(problems, log.Lacking(account, granted, optional...)...)
			problems = append(problems, log.Unused(account, granted, elsewhere...)...)
		}
	}
	return errors.Join(problems...)
}

// rbacDocuments are the rights that an installation grants, with what a person grants in
// a namespace of servers.
func rbacDocuments() ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var documents []string
	for _, folder := range []string{"/rbac", "/rbac/optional/run-servers"} {
		rendered, err := kubectl(ctx, shared, "kustomize", manifests+folder)
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, rendered)
		}
		documents = append(documents, strings.Split(rendered, "\n---\n")...)
	}
	return documents, nil
}
