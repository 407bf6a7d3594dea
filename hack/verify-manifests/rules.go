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
	optional := []string{
		"rbac_optional", "rbac_optional_delete_migration_secrets", "rbac_optional_prove-identities", "rbac_optional_prove-identities_restore",
	}
	roles := append(append([]string{"rbac"}, optional...), operators...)
	return []rule{
		{roles, grantsWhatIsUsed},
		{roles, writesAreLimited},
		{roles, bindingsFit},
		{operators, startsTheOperator},
		{operators, limitsTheOperator},
		{[]string{"rbac", "base", "overlays_debug"}, hasRoles(baseRoles...)},
		{[]string{"overlays_default-token"}, hasRoles(append(without("ClusterRole bailiwick-read-secrets"), "Role bailiwick-default-token")...)},
		{[]string{"overlays_aiven-only"}, hasRoles(without("ClusterRole bailiwick-issuer", "ClusterRole bailiwick-openbao",
			"ClusterRole bailiwick-openbao-init", "Role bailiwick-mint", "Role bailiwick-openbao-records")...)},
		{[]string{"overlays_openbao-only"}, hasRoles(without("ClusterRole bailiwick-aiven", "ClusterRole bailiwick-publish-secrets")...)},
		{[]string{"overlays_namespaced"}, hasRoles("Role bailiwick", "Role bailiwick-leader-election", "Role bailiwick-mint", "Role bailiwick-openbao-records")},
		{[]string{"rbac_optional_prove-identities"}, hasRoles("Role bailiwick-mint-demo-bao")},
		{[]string{"rbac_optional_prove-identities_restore"}, hasRoles("Role bailiwick-restore-demo-bao")},
		{[]string{"base", "overlays_namespaced"}, hasKinds(true, true)},
		{[]string{"overlays_aiven-only"}, hasKinds(true, false)},
		{[]string{"overlays_openbao-only"}, hasKinds(false, true)},
		{[]string{"overlays_aiven-only"}, hasAccounts(false)},
		{[]string{"base", "overlays_debug", "overlays_default-token", "overlays_namespaced", "overlays_openbao-only"}, hasAccounts(true)},
		{[]string{"samples-all"}, samplePerKind},
	}
}

// limitsTheOperator finds limits of the operator's account that an overlay leaves
// out: all have all of them, whatever they grant.
func limitsTheOperator(r *rendering) []string {
	var names []string
	for _, limit := range []string{"configmaps", "events", "leases", "objects", "openbao-records", "secrets", "token-audiences"} {
		names = append(names, "ValidatingAdmissionPolicy /bailiwick-"+limit, "ValidatingAdmissionPolicyBinding /bailiwick-"+limit)
	}
	return hasObjects(true, names...)(r)
}

// hasAccounts finds the accounts that log in to OpenBao servers, where they are
// missing or left over.
func hasAccounts(wanted bool) func(*rendering) []string {
	return hasObjects(wanted,
		"ServiceAccount "+operatorNamespace+"/bailiwick-bootstrapper",
		"ServiceAccount "+operatorNamespace+"/bailiwick-decoy")
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
