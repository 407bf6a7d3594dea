// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"

	"github.com/aiven/go-client-codegen/handler/project"
)

// caFacet reads a project's CA certificate (GET /v1/project/{p}/kms/ca).
type caFacet struct{}

func (caFacet) fetch(ctx context.Context, d Doer, key entryKey, _ snapshot) (snapshot, error) {
	projects := project.NewHandler(d)
	ca, err := projects.ProjectKmsGetCA(ctx, key.project)
	if err != nil {
		return nil, err
	}
	return caSnapshot(ca), nil
}

func (caFacet) concerns(*write, entryKey, snapshot) bool { return false }
func (caFacet) fold(*write, []byte) change               { return nil }

// caSnapshot is the certificate in PEM.
type caSnapshot string

func (s caSnapshot) identity(part) any { return string(s) }
func (s caSnapshot) exists() bool      { return true }
func (s caSnapshot) settled() bool     { return true }
func (s caSnapshot) complete() bool    { return true }
func (s caSnapshot) adopt(snapshot)    {}
