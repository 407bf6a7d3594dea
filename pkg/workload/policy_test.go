// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"
)

// The admission policy of OpenBaoClusters refuses by the rules of the profile Hardened, and
// with their words.
func TestPolicyHasTheRules(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../manifests/admission/openbaocluster_profiles.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(raw, []byte("\n---\n"))
	var policy admissionregistrationv1.ValidatingAdmissionPolicy
	if err := yaml.UnmarshalStrict(first, &policy); err != nil {
		t.Fatal(err)
	}
	var messages []string
	for _, validation := range policy.Spec.Validations {
		// What compares an object with its former self is no rule about one object.
		if !strings.Contains(validation.Expression, "oldStorage") {
			messages = append(messages, validation.Message)
		}
	}
	var rules []string
	for _, rule := range hardenedRules() {
		rules = append(rules, rule.Field+": "+rule.Problem)
	}
	for _, rule := range rules {
		if !slices.Contains(messages, rule) {
			t.Errorf("the policy lacks: %s", rule)
		}
	}
	for _, message := range messages {
		if !slices.Contains(rules, message) {
			t.Errorf("only the policy has: %s", message)
		}
	}
}
