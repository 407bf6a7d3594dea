// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// operatorCondition is the match condition of a policy for the operator's account.
const operatorCondition = "request.userInfo.username == 'system:serviceaccount:" + operatorNamespace + ":" + operatorAccount + "'"

// operationOf says under which operation of admission a verb is decided. A patch may
// also create, but only where the verb create is granted.
var operationOf = map[string]admissionregistrationv1.OperationType{
	"create":           admissionregistrationv1.Create,
	"update":           admissionregistrationv1.Update,
	"patch":            admissionregistrationv1.Update,
	"delete":           admissionregistrationv1.Delete,
	"deletecollection": admissionregistrationv1.Delete,
}

// unlimited returns why a write needs no admission policy, if that is so.
func unlimited(group, resource string) string {
	if (group+"/" == aivenGroup || group+"/" == openBaoGroup) && strings.HasSuffix(resource, "/status") {
		return "what the status of our kinds says grants nothing, and nobody else writes it"
	}
	return ""
}

// writesAreLimited finds writes that a role grants and that no admission policy
// limits: RBAC knows kinds and verbs, and hardly ever which objects are meant.
func writesAreLimited(r *rendering) []string {
	var out []string
	for _, ro := range r.roles {
		name := nameOf(ro.Kind, ro.ObjectMeta)
		for _, rule := range ro.Rules {
			for _, verb := range rule.Verbs {
				if slices.Contains([]string{"get", "list", "watch"}, verb) {
					continue
				}
				operation, known := operationOf[verb]
				if !known {
					out = append(out, fmt.Sprintf("%s grants the verb %q, which no admission policy can limit", name, verb))
					continue
				}
				for _, group := range rule.APIGroups {
					for _, resource := range rule.Resources {
						if unlimited(group, resource) != "" {
							continue
						}
						if problem := r.limits(operation, group, resource); problem != "" {
							out = append(out, fmt.Sprintf("%s grants %q, which is not limited: %s", name, group+"/"+resource+" "+verb, problem))
						}
					}
				}
			}
		}
	}
	return out
}

// limits returns why no policy limits an operation of the operator's account, and
// nothing if one does.
func (r *rendering) limits(operation admissionregistrationv1.OperationType, group, resource string) string {
	why := fmt.Sprintf("no ValidatingAdmissionPolicy matches %s of %s/%s", operation, group, resource)
	for _, p := range r.policies {
		if !slices.ContainsFunc(matchedRules(p), func(rule admissionregistrationv1.RuleWithOperations) bool {
			return covers(rule.Operations, operation) && covers(rule.APIGroups, group) && covers(rule.Resources, resource)
		}) {
			continue
		}
		problem := r.holes(p)
		if problem == "" {
			return ""
		}
		why = fmt.Sprintf("ValidatingAdmissionPolicy %s %s", p.Name, problem)
	}
	return why
}

// matchedRules returns what a policy is asked about without exception.
func matchedRules(p policy) []admissionregistrationv1.RuleWithOperations {
	if p.Spec.MatchConstraints == nil {
		return nil
	}
	var out []admissionregistrationv1.RuleWithOperations
	for _, rule := range p.Spec.MatchConstraints.ResourceRules {
		if len(rule.ResourceNames) == 0 && (rule.Scope == nil || *rule.Scope == admissionregistrationv1.AllScopes) {
			out = append(out, rule.RuleWithOperations)
		}
	}
	return out
}

// covers reports whether a list of a rule has an element, or the wildcard. The
// wildcard of resources stands for no subresources.
func covers[T ~string](list []T, element T) bool {
	return slices.Contains(list, element) || slices.Contains(list, "*") && !strings.Contains(string(element), "/")
}

// holes returns a way around a policy for the operator's account.
func (r *rendering) holes(p policy) string {
	match := p.Spec.MatchConstraints
	switch {
	case p.Spec.FailurePolicy != nil && *p.Spec.FailurePolicy != admissionregistrationv1.Fail:
		return "lets everything through when it fails"
	case p.Spec.ParamKind != nil:
		return "depends on an object, which somebody may write"
	case match.NamespaceSelector != nil || match.ObjectSelector != nil || len(match.ExcludeResourceRules) > 0:
		return "leaves out some objects"
	case match.MatchPolicy != nil && *match.MatchPolicy != admissionregistrationv1.Equivalent:
		return "does not match other versions of a resource"
	case len(p.Spec.MatchConditions) != 1 || p.Spec.MatchConditions[0].Expression != operatorCondition:
		return "has other match conditions than: " + operatorCondition
	case len(p.Spec.Validations) == 0:
		return "validates nothing"
	}
	for _, v := range p.Spec.Validations {
		if strings.TrimSpace(v.Expression) == "true" {
			return "has a validation that refuses nothing"
		}
		if v.Message == "" {
			return "has a validation without a message"
		}
	}
	for _, b := range r.policyBindings {
		if b.Spec.PolicyName == p.Name && b.Spec.MatchResources == nil && b.Spec.ParamRef == nil &&
			sets.New(b.Spec.ValidationActions...).Has(admissionregistrationv1.Deny) {
			return ""
		}
	}
	return "has no binding that denies"
}
