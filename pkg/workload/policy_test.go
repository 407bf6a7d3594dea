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

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// The admission policy of OpenBaoClusters refuses by the rules of the profile Hardened, and
// with their words.
func TestPolicyHasTheRules(t *testing.T) {
	t.Parallel()
	policy := policyIn(t, "openbaocluster_profiles.yaml")
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

// policyIn reads the first object of a manifest of admission.
func policyIn(t *testing.T, name string) admissionregistrationv1.ValidatingAdmissionPolicy {
	t.Helper()
	raw, err := os.ReadFile("../../manifests/admission/" + name)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(raw, []byte("\n---\n"))
	var policy admissionregistrationv1.ValidatingAdmissionPolicy
	if err := yaml.UnmarshalStrict(first, &policy); err != nil {
		t.Fatal(err)
	}
	return policy
}

// What a spec may ask for, the admission policy of StatefulSets lets through, and the other
// way round: a cluster that was accepted would otherwise have no servers.
func TestPolicyAllowsWhatIsAccepted(t *testing.T) {
	t.Parallel()
	var text string
	for _, validation := range policyIn(t, "servers_statefulsets.yaml").Spec.Validations {
		text += validation.Expression
	}
	list := func(after string) []string {
		t.Helper()
		_, rest, found := strings.Cut(text, after+" in [")
		inside, _, closed := strings.Cut(rest, "]")
		if !found || !closed {
			t.Fatalf("the policy has no list after %q", after)
		}
		var out []string
		for _, quoted := range strings.Split(inside, ",") {
			out = append(out, strings.Trim(strings.TrimSpace(quoted), "'"))
		}
		return out
	}
	for name, test := range map[string]struct {
		allowed []string
		refused func(value string) bool
	}{
		"sysctls":  {list("s.name"), func(v string) bool { return !safeSysctl(v) }},
		"seccomp":  {list("variables.security.?seccompProfile.type.orValue('')"), func(v string) bool { return !confinedProfile(v) }},
		"AppArmor": {list("variables.security.?appArmorProfile.type.orValue('RuntimeDefault')"), func(v string) bool { return !confinedProfile(v) }},
		"SELinux": {list("variables.security.?seLinuxOptions.type.orValue('')"), func(v string) bool {
			return len(beyondRestricted(&openbaov1alpha1.PodSecurityContext{SELinuxOptions: &openbaov1alpha1.SELinuxOptions{Type: v}})) > 0
		}},
	} {
		for _, value := range test.allowed {
			if test.refused(value) {
				t.Errorf("%s: only the policy allows %q", name, value)
			}
		}
	}
	if want := safeSysctls(); !slices.Equal(slices.Sorted(slices.Values(list("s.name"))), slices.Sorted(slices.Values(want))) {
		t.Errorf("the policy allows other kernel parameters than %q", want)
	}
}
