// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	aivencontroller "github.com/bailiwick-operator/bailiwick/pkg/controller/aiven"
)

// rule is a check of some renderings. It returns what is wrong.
type rule struct {
	in    []string
	check func(*rendering) []string
}

const (
	operatorNamespace = "bailiwick-system"
	operatorAccount   = "bailiwick"
	openBaoGroup      = "openbao.org/"
	aivenGroup        = "aiven.io/"
	// mint begins the rights to make tokens.
	mint = "/serviceaccounts/token "
)

func rules() []rule {
	operators := []string{
		"base", "overlays_aiven-only", "overlays_debug", "overlays_default-token", "overlays_namespaced", "overlays_openbao-only",
	}
	return []rule{
		{append([]string{"rbac", "rbac_optional", "rbac_optional_prove-identities"}, operators...), onlyUsedRights},
		{append([]string{"rbac", "rbac_optional_prove-identities"}, operators...), bindingsFit},
		{operators, startsTheOperator},
		{[]string{"base", "overlays_debug"}, grants(allRights()...)},
		{[]string{"base", "overlays_namespaced"}, hasKinds(true, true)},
		{[]string{"overlays_default-token"}, func(r *rendering) []string {
			return lacks(r, func(ro role, right string) bool {
				reads := slices.Contains([]string{"get", "list", "watch"}, verbOf(right)) && strings.HasPrefix(right, "/secrets ")
				return reads && (ro.Namespace != operatorNamespace || !strings.Contains(right, " of "))
			})
		}},
		{[]string{"overlays_default-token"}, grants("/secrets get of aiven-token", "/secrets create", "/secrets patch")},
		{[]string{"overlays_aiven-only"}, func(r *rendering) []string {
			return lacks(r, func(_ role, right string) bool {
				return slices.ContainsFunc([]string{openBaoGroup, "/configmaps ", mint}, func(p string) bool { return strings.HasPrefix(right, p) })
			})
		}},
		{[]string{"overlays_aiven-only"}, hasTokens(false)},
		{[]string{"base", "overlays_debug", "overlays_default-token", "overlays_namespaced", "overlays_openbao-only"}, hasTokens(true)},
		{operators, hasObjects(true, "ValidatingAdmissionPolicy /bailiwick-token-secrets", "ValidatingAdmissionPolicyBinding /bailiwick-token-secrets")},
		{[]string{"overlays_aiven-only"}, hasKinds(true, false)},
		{[]string{"overlays_openbao-only"}, func(r *rendering) []string {
			return lacks(r, func(_ role, right string) bool {
				return strings.HasPrefix(right, aivenGroup) || right == "/secrets create" || right == "/secrets patch"
			})
		}},
		{[]string{"overlays_openbao-only"}, hasKinds(false, true)},
		{[]string{"overlays_namespaced"}, func(r *rendering) []string {
			return lacks(r, func(ro role, _ string) bool { return ro.Kind == "ClusterRole" })
		}},
		{[]string{"overlays_namespaced"}, namespacesGetTheSame},
		{[]string{"samples-all"}, samplePerKind},
	}
}

// objectRights are what the operator does with objects of all namespaces, and
// what for.
func objectRights() []string {
	out := []string{
		"/events create",                           // report transitions
		"/events patch",                            // count repetitions
		"/secrets get",                             // tokens, source Secrets, owner of a published Secret
		"/secrets create",                          // publish
		"/secrets patch",                           // publish
		"openbao.org/openbaoclusters list",         // informer
		"openbao.org/openbaoclusters watch",        // informer
		"openbao.org/openbaoclusters patch",        // the record, under another operator's CRD
		"openbao.org/openbaoclusters/status patch", // server-side apply
		"/configmaps get",                          // owner of the ConfigMap for a first start
		"/configmaps create",                       // publish it
		"/configmaps patch",                        // publish it
		"/configmaps delete",                       // take it back
	}
	for _, kind := range aivencontroller.Kinds() {
		resource := aivenGroup + kind.Resource
		out = append(out,
			resource+" get",          // managed fields, which caches leave out
			resource+" list",         // informer
			resource+" watch",        // informer
			resource+" patch",        // finalizer and annotations
			resource+"/status patch", // server-side apply
		)
	}
	return out
}

func allRights() []string {
	return append(objectRights(),
		"/.well-known/openid-configuration get",                           // issuer
		"/openid/v1/jwks get",                                             // its keys
		mint+"create of bailiwick,bailiwick-bootstrapper,bailiwick-decoy", // log in to OpenBao servers
		"coordination.k8s.io/leases create",                               // leader election
		"coordination.k8s.io/leases get of bailiwick",                     // leader election
		"coordination.k8s.io/leases update of bailiwick")                  // leader election
}

// onlyUsedRights finds rights that nothing uses.
func onlyUsedRights(r *rendering) []string {
	used := append(allRights(), "/secrets get of aiven-token")
	optional := map[string][]string{
		"bailiwick-watch-secrets": {"/secrets list", "/secrets watch"},
		"bailiwick-mint-demo-bao": {
			mint + "create of demo-bao-backup-serviceaccount,demo-bao-restore-serviceaccount,demo-bao-upgrade-serviceaccount",
		},
	}
	return lacks(r, func(ro role, right string) bool {
		if rights := optional[ro.Name]; rights != nil {
			return !slices.Contains(rights, right)
		}
		return !slices.Contains(used, right)
	})
}

// hasTokens finds what the operator needs to log in to OpenBao servers, and what
// limits its tokens, where that is missing or left over.
func hasTokens(wanted bool) func(*rendering) []string {
	return hasObjects(wanted,
		"ServiceAccount "+operatorNamespace+"/bailiwick-bootstrapper",
		"ServiceAccount "+operatorNamespace+"/bailiwick-decoy",
		"Role "+operatorNamespace+"/bailiwick-mint",
		"ConfigMap "+operatorNamespace+"/bailiwick-openbao-audiences",
		"ValidatingAdmissionPolicy /bailiwick-token-audiences",
		"ValidatingAdmissionPolicyBinding /bailiwick-token-audiences")
}

// hasObjects finds objects, by Kind namespace/name, that are missing or too many.
func hasObjects(wanted bool, names ...string) func(*rendering) []string {
	return func(r *rendering) []string {
		var out []string
		for _, name := range names {
			if slices.Contains(r.names, name) != wanted {
				out = append(out, fmt.Sprintf("%s: want it %v", name, wanted))
			}
		}
		return out
	}
}

// lacks finds rights that forbidden names.
func lacks(r *rendering, forbidden func(role, string) bool) []string {
	var out []string
	for _, ro := range r.roles {
		for _, right := range ro.rights() {
			if forbidden(ro, right) {
				out = append(out, fmt.Sprintf("%s grants %q", nameOf(ro.Kind, ro.ObjectMeta), right))
			}
		}
	}
	return out
}

// grants finds rights that no role has.
func grants(rights ...string) func(*rendering) []string {
	return func(r *rendering) []string {
		var granted, out []string
		for _, ro := range r.roles {
			granted = append(granted, ro.rights()...)
		}
		for _, right := range rights {
			if !slices.Contains(granted, right) {
				out = append(out, fmt.Sprintf("nothing grants %q", right))
			}
		}
		return out
	}
}

func verbOf(right string) string {
	fields := strings.Fields(right)
	return fields[1]
}

// bindingsFit finds roles without a binding, bindings without a role, and
// bindings to anybody but the operator.
func bindingsFit(r *rendering) []string {
	var out []string
	bound := map[string]bool{}
	for _, b := range r.bindings {
		meta := b.ObjectMeta
		meta.Name = b.RoleRef.Name
		target := nameOf(b.RoleRef.Kind, meta)
		if !slices.Contains(r.names, target) {
			out = append(out, fmt.Sprintf("%s names %s, which is not there", nameOf(b.Kind, b.ObjectMeta), target))
		}
		bound[target] = true
		for _, s := range b.Subjects {
			if s.Kind != "ServiceAccount" || s.Namespace != operatorNamespace || s.Name != operatorAccount {
				out = append(out, fmt.Sprintf("%s gives rights to %s %s/%s", nameOf(b.Kind, b.ObjectMeta), s.Kind, s.Namespace, s.Name))
			}
		}
	}
	for _, ro := range r.roles {
		if name := nameOf(ro.Kind, ro.ObjectMeta); !bound[name] {
			out = append(out, name+" is bound to nobody")
		}
	}
	return out
}

// startsTheOperator finds flags that the operator would not accept, and rights
// of kinds that it is told to leave out.
func startsTheOperator(r *rendering) []string {
	if len(r.deployments) != 1 {
		return []string{fmt.Sprintf("%d Deployments, want 1", len(r.deployments))}
	}
	pod := r.deployments[0].Spec.Template.Spec
	var out []string
	if pod.ServiceAccountName != operatorAccount {
		out = append(out, "runs as "+pod.ServiceAccountName)
	}
	if err := app.ValidateFlags(pod.Containers[0].Args, map[string]string{"POD_NAMESPACE": operatorNamespace}); err != nil {
		out = append(out, fmt.Sprintf("flags: %v", err))
	}
	return out
}

// hasKinds finds CRDs that are missing or too many.
func hasKinds(aiven, openBao bool) func(*rendering) []string {
	return func(r *rendering) []string {
		want := map[string]bool{"openbaoclusters.openbao.org": openBao}
		for _, kind := range aivencontroller.Kinds() {
			want[kind.Resource+".aiven.io"] = aiven
		}
		var out []string
		for name, wanted := range want {
			if slices.Contains(r.names, "CustomResourceDefinition /"+name) != wanted {
				out = append(out, fmt.Sprintf("CustomResourceDefinition %s: want it %v", name, wanted))
			}
		}
		return out
	}
}

// namespacesGetTheSame finds namespaces whose Role is not all of objectRights.
func namespacesGetTheSame(r *rendering) []string {
	want := objectRights()
	var out []string
	for _, ro := range r.roles {
		if ro.Namespace == operatorNamespace {
			continue
		}
		got := ro.rights()
		for _, right := range want {
			if !slices.Contains(got, right) {
				out = append(out, fmt.Sprintf("%s does not grant %q", nameOf(ro.Kind, ro.ObjectMeta), right))
			}
		}
		for _, right := range got {
			if !slices.Contains(want, right) {
				out = append(out, fmt.Sprintf("%s grants %q", nameOf(ro.Kind, ro.ObjectMeta), right))
			}
		}
	}
	return out
}

// samplePerKind finds kinds that have no sample.
func samplePerKind(r *rendering) []string {
	kinds := []string{bootstrap.Kind}
	for _, kind := range aivencontroller.Kinds() {
		kinds = append(kinds, kind.Name)
	}
	var out []string
	for _, kind := range kinds {
		if !slices.ContainsFunc(r.names, func(n string) bool { return strings.HasPrefix(n, kind+" ") }) {
			out = append(out, "no sample of "+kind)
		}
	}
	return out
}
