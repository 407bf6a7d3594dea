// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/util/version"
)

// OpenBaoFeature is something that not every server of the OpenBao API has.
type OpenBaoFeature struct {
	name  string
	since string
}

// The features of OpenBao that the release it forked from lacks, with the
// release that brought them according to OpenBao's change log.
var (
	// FeaturePromoteDemote is sys/storage/raft/promote and demote.
	FeaturePromoteDemote = OpenBaoFeature{"raft promote and demote", "2.2.0"}
	// FeaturePolicyCAS is check-and-set for sys/policies/acl.
	FeaturePolicyCAS = OpenBaoFeature{"check-and-set for policies", "2.3.0"}
	// FeatureSelfInit is the initialize stanza of the server's configuration.
	FeatureSelfInit = OpenBaoFeature{"self-initialisation", "2.4.0"}
)

// Has tells whether the server has a feature.
func (b *OpenBao) Has(feature OpenBaoFeature) bool {
	if b.Kind != Bao {
		return false
	}
	running, err := version.ParseGeneric(b.Version)
	return err == nil && running.AtLeast(version.MustParseGeneric(feature.since))
}

// Require skips a test that needs a feature the server lacks.
func (b *OpenBao) Require(t testing.TB, feature OpenBaoFeature) {
	t.Helper()
	if !b.Has(feature) {
		t.Skip(b.lacks(feature))
	}
}

func (b *OpenBao) lacks(feature OpenBaoFeature) string {
	return fmt.Sprintf("the %s server %s has no %s; to run this test set %s to the path of bao %s or later",
		b.Kind, b.Version, feature.name, baoBin, feature.since)
}
