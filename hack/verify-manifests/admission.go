// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// userOf is an account of the operator, as the API server names it, in CEL.
func userOf(account string) string {
	return "'system:serviceaccount:" + operatorNamespace + ":" + account + "'"
}

// conditionOf is the match condition of a policy for one account.
func conditionOf(account string) string { return "request.userInfo.username == " + userOf(account) }

// bothCondition is the match condition of a policy for both accounts.
func bothCondition() string {
	return "request.userInfo.username in [" + userOf(operatorAccount) + ", " + userOf(serversAccount) + "]"
}

// Where one account does everything, a further match condition divides the Secrets and
// ConfigMaps by a label: those of servers are judged by one policy, and all others by
// another. One is true exactly where the other is not.
const (
	ofServersCondition = "!(request.resource.resource in ['secrets', 'configmaps']) || " +
		"(request.operation == 'CREATE' ? [] : [oldObject]).exists(s, 'openbao.org/cluster' in s.metadata.?labels.orValue({})) || " +
		"(request.operation == 'DELETE' ? [] : [object]).exists(s, 'openbao.org/cluster' in s.metadata.?labels.orValue({}))"
	notOfServersCondition = "(request.operation == 'CREATE' ? [] : [oldObject]).all(s, !('openbao.org/cluster' in s.metadata.?labels.orValue({}))) && " +
		"(request.operation == 'DELETE' ? [] : [object]).all(s, !('openbao.org/cluster' in s.metadata.?labels.orValue({})))"
)

// part is which objects of an account a policy is about.
type part int

const (
	none part = iota
	whole
	ofServers
	notOfServers
)

// partOf returns which objects of an account a policy is about, by its match conditions.
func partOf(p policy, account string) part {
	var conditions []string
	for _, c := range p.Spec.MatchConditions {
		conditions = append(conditions, c.Expression)
	}
	if len(conditions) == 0 || conditions[0] != conditionOf(account) && conditions[0] != bothCondition() {
		return none
	}
	switch {
	case len(conditions) == 1:
		return whole
	case len(conditions) == 2 && conditions[1] == ofServersCondition:
		return ofServers
	case len(conditions) == 2 && conditions[1] == notOfServersCondition:
		return notOfServers
	}
	return none
}

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

// writesAreLimited finds writes that a role grants to an account of the operator and that
// no admission policy limits: RBAC knows kinds and verbs, and hardly ever which objects
// are meant.
func writesAreLimited(r *rendering) []string {
	var out []string
	for _, ro := range r.roles {
		for _, account := range r.accountsWith(ro) {
			for _, rule := range ro.Rules {
				for _, problem := range r.unlimitedIn(rule, account) {
					out = append(out, nameOf(ro.Kind, ro.ObjectMeta)+" grants "+problem)
				}
			}
		}
	}
	return out
}

// accountsWith returns the accounts of the operator that have a role. One that nothing
// here binds is the operator's, unless it is bound elsewhere.
func (r *rendering) accountsWith(ro role) []string {
	switch ro.Name {
	case serverRole:
		return nil
	case serversNamespaceRole:
		if r.runsServersApart() {
			return []string{serversAccount}
		}
		return []string{operatorAccount}
	}
	accounts := sets.New[string]()
	for _, b := range r.bindings {
		if b.RoleRef.Kind == ro.Kind && b.RoleRef.Name == ro.Name && (ro.Kind == "ClusterRole" || b.Namespace == ro.Namespace) {
			for _, s := range b.Subjects {
				accounts.Insert(s.Name)
			}
		}
	}
	if len(accounts) == 0 {
		accounts.Insert(operatorAccount)
	}
	return sets.List(accounts)
}

// unlimitedIn returns the writes of a rule that no policy limits for an account.
func (r *rendering) unlimitedIn(rule rbacv1.PolicyRule, account string) []string {
	var out []string
	for _, verb := range rule.Verbs {
		if slices.Contains([]string{"get", "list", "watch"}, verb) {
			continue
		}
		operation, known := operationOf[verb]
		if !known && !r.bindsOneRole(rule, verb, account) {
			out = append(out, fmt.Sprintf("the verb %q, which no admission policy can limit", verb))
		}
		if !known {
			continue
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				if unlimited(group, resource) != "" {
					continue
				}
				if problem := r.limits(account, operation, group, resource); problem != "" {
					out = append(out, fmt.Sprintf("%q to %s, which is not limited: %s", group+"/"+resource+" "+verb, account, problem))
				}
			}
		}
	}
	return out
}

// bindsOneRole reports whether a verb lets an account bind the ClusterRole of servers, and
// no other, by RoleBindings that a policy limits.
func (r *rendering) bindsOneRole(rule rbacv1.PolicyRule, verb, account string) bool {
	const group = rbacv1.GroupName
	return verb == "bind" && slices.Equal(rule.APIGroups, []string{group}) && slices.Equal(rule.Resources, []string{"clusterroles"}) &&
		slices.Equal(rule.ResourceNames, []string{serverRole}) &&
		r.limits(account, admissionregistrationv1.Create, group, "rolebindings") == "" &&
		r.limits(account, admissionregistrationv1.Update, group, "rolebindings") == ""
}

// limits returns why no policy limits an operation of an account, and nothing if one does,
// or two that together are about all objects.
func (r *rendering) limits(account string, operation admissionregistrationv1.OperationType, group, resource string) string {
	why := fmt.Sprintf("no ValidatingAdmissionPolicy matches %s of %s/%s", operation, group, resource)
	limited := sets.New[part]()
	for _, p := range r.policies {
		if !slices.ContainsFunc(matchedRules(p), func(rule admissionregistrationv1.RuleWithOperations) bool {
			return covers(rule.Operations, operation) && covers(rule.APIGroups, group) && covers(rule.Resources, resource)
		}) {
			continue
		}
		if problem := r.holes(p, account); problem != "" {
			why = fmt.Sprintf("ValidatingAdmissionPolicy %s %s", p.Name, problem)
			continue
		}
		limited.Insert(partOf(p, account))
	}
	divided := group == "" && (resource == "secrets" || resource == "configmaps")
	if limited.Has(whole) || limited.Has(ofServers) && (!divided || limited.Has(notOfServers)) {
		return ""
	}
	if len(limited) > 0 {
		return fmt.Sprintf("the ValidatingAdmissionPolicies that match %s of %s/%s are about some objects only", operation, group, resource)
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

// holes returns a way around a policy for an account of the operator.
func (r *rendering) holes(p policy, account string) string {
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
	case partOf(p, account) == none:
		return "has other match conditions than: " + conditionOf(account)
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
