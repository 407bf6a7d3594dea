// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"

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
	// serversAccount runs OpenBao servers, in a process of its own.
	serversAccount = "bailiwick-servers"
	// serversNamespaceRole is bound to that account by a person, in single namespaces.
	serversNamespaceRole = "bailiwick-servers-namespace"
	// serverRole is bound by that account to those of servers.
	serverRole   = "bailiwick-openbao-server"
	openBaoGroup = "openbao.org/"
	aivenGroup   = "aiven.io/"
	// mint begins the rights to make tokens.
	mint = "/serviceaccounts/token "
)

func rules() []rule {
	// Those of which the second process is a part, and those without.
	apart := []string{"base", "overlays_debug", "overlays_default-token", "overlays_namespaced", "overlays_openbao-only"}
	operators := append([]string{"overlays_aiven-only", "overlays_one-process"}, apart...)
	optional := []string{
		"rbac_optional", "rbac_optional_delete_migration_secrets", "rbac_optional_prove-identities", "rbac_optional_prove-identities_restore",
	}
	roles := append(append([]string{"rbac"}, optional...), operators...)
	return []rule{
		{roles, grantsWhatIsUsed},
		{roles, writesAreLimited},
		{roles, bindingsFit},
		{[]string{"rbac_optional_run-servers"}, bindsServers},
		{operators, startsTheOperator},
		{operators, limitsTheOperator},
		{apart, hasServers(true)},
		{[]string{"overlays_aiven-only", "overlays_one-process"}, hasServers(false)},
		{append([]string{"overlays_one-process"}, apart...), limitsServers(true)},
		{[]string{"overlays_aiven-only"}, limitsServers(false)},
		{[]string{"rbac", "base", "overlays_debug"}, hasRoles(without()...)},
		{[]string{"overlays_default-token"}, hasRoles(append(without("ClusterRole bailiwick-read-secrets"), "Role bailiwick-default-token")...)},
		{[]string{"overlays_aiven-only"}, hasRoles(without(append(serversRoles, "ClusterRole bailiwick-issuer", "ClusterRole bailiwick-openbao",
			"ClusterRole bailiwick-openbao-init", "Role bailiwick-mint", "Role bailiwick-openbao-records")...)...)},
		{[]string{"overlays_openbao-only"}, hasRoles(without("ClusterRole bailiwick-aiven", "ClusterRole bailiwick-publish-secrets")...)},
		{[]string{"overlays_one-process"}, hasRoles(without("Role bailiwick-mint-servers", "Role bailiwick-servers-leader-election")...)},
		{[]string{"overlays_namespaced"}, hasRoles("Role bailiwick", "Role bailiwick-leader-election", "Role bailiwick-mint", "Role bailiwick-openbao-records",
			"Role bailiwick-servers", "Role bailiwick-mint-servers", "Role bailiwick-servers-endpoints", "Role bailiwick-servers-leader-election",
			"ClusterRole "+serversNamespaceRole, "ClusterRole "+serverRole)},
		{[]string{"rbac_optional_prove-identities"}, hasRoles("Role bailiwick-mint-demo-bao")},
		{[]string{"rbac_optional_prove-identities_restore"}, hasRoles("Role bailiwick-restore-demo-bao")},
		{[]string{"base", "overlays_namespaced", "overlays_one-process"}, hasKinds(true, true)},
		{[]string{"overlays_aiven-only"}, hasKinds(true, false)},
		{[]string{"overlays_openbao-only"}, hasKinds(false, true)},
		{[]string{"overlays_aiven-only"}, hasAccounts(false)},
		{append([]string{"overlays_one-process"}, apart...), hasAccounts(true)},
		{[]string{"samples-all"}, samplePerKind},
	}
}

// limitsTheOperator finds limits of the operator's accounts that an overlay leaves
// out: all have all of them, whatever they grant.
func limitsTheOperator(r *rendering) []string {
	return hasObjects(true, policiesOf(
		"configmaps", "events", "leases", "objects", "openbao-records", "secrets", "servers", "servers-pods",
		"servers-rolebindings", "servers-secrets", "servers-selectors", "servers-statefulsets", "token-audiences")...)(r)
}

// limitsServers finds the limits of OpenBao servers, and of what may be said of them,
// where they are missing or left over.
func limitsServers(wanted bool) func(*rendering) []string {
	return hasObjects(wanted, policiesOf("openbao-server", "openbaocluster-profiles")...)
}

func policiesOf(limits ...string) []string {
	var names []string
	for _, limit := range limits {
		names = append(names, "ValidatingAdmissionPolicy /bailiwick-"+limit, "ValidatingAdmissionPolicyBinding /bailiwick-"+limit)
	}
	return names
}

// hasServers finds what the process that runs OpenBao servers consists of, where it is
// missing or left over.
func hasServers(wanted bool) func(*rendering) []string {
	var names []string
	for _, kind := range []string{"ServiceAccount", "Deployment", "PodDisruptionBudget", "NetworkPolicy"} {
		names = append(names, kind+" "+operatorNamespace+"/"+serversAccount)
	}
	return hasObjects(wanted, names...)
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

// holders returns the accounts that may have a role. Nothing that the operator's account
// has is also given to the one that creates pods, but for what names no object.
func holders(r *rendering, role string) []string {
	switch {
	case !r.runsServersApart():
		return []string{operatorAccount}
	case role == "bailiwick-events" || role == "bailiwick-issuer":
		return []string{operatorAccount, serversAccount}
	case role == "bailiwick-mint-servers" || role == serversAccount || strings.HasPrefix(role, serversAccount+"-"):
		return []string{serversAccount}
	}
	return []string{operatorAccount}
}

// bindingsFit finds roles without a binding, bindings without a role, and
// bindings to anybody but the account of the operator that the role is for.
func bindingsFit(r *rendering) []string {
	var out []string
	// These two are bound in namespaces with servers.
	bound := map[string]bool{"ClusterRole /" + serversNamespaceRole: true, "ClusterRole /" + serverRole: true}
	for _, b := range r.bindings {
		meta := b.ObjectMeta
		meta.Name = b.RoleRef.Name
		target := nameOf(b.RoleRef.Kind, meta)
		if target == "ClusterRole /"+serversNamespaceRole || target == "ClusterRole /"+serverRole {
			out = append(out, fmt.Sprintf("%s grants %s in all namespaces", nameOf(b.Kind, b.ObjectMeta), target))
		}
		if !slices.Contains(r.names, target) {
			out = append(out, fmt.Sprintf("%s names %s, which is not there", nameOf(b.Kind, b.ObjectMeta), target))
		}
		bound[target] = true
		for _, s := range b.Subjects {
			if s.Kind != "ServiceAccount" || s.Namespace != operatorNamespace || !slices.Contains(holders(r, b.RoleRef.Name), s.Name) {
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

// bindsServers finds anything but the one binding that lets the operator run servers in a
// namespace.
func bindsServers(r *rendering) []string {
	if len(r.names) != 1 || len(r.bindings) != 1 {
		return []string{fmt.Sprintf("has %q, want one binding", r.names)}
	}
	b := r.bindings[0]
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: serversNamespaceRole}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: serversAccount, Namespace: operatorNamespace}}
	if b.Kind != "RoleBinding" || b.RoleRef != ref || !slices.Equal(b.Subjects, subjects) {
		return []string{fmt.Sprintf("%s binds %s %s to %v", nameOf(b.Kind, b.ObjectMeta), b.RoleRef.Kind, b.RoleRef.Name, b.Subjects)}
	}
	return nil
}

// startsTheOperator finds flags that the operator would not accept, and processes that run
// under another account than the one that they are named after.
func startsTheOperator(r *rendering) []string {
	want := []string{operatorAccount}
	if r.runsServersApart() {
		want = append(want, serversAccount)
	}
	var out, got []string
	for _, d := range r.deployments {
		got = append(got, d.Name)
		pod := d.Spec.Template.Spec
		if pod.ServiceAccountName != d.Name {
			out = append(out, d.Name+" runs as "+pod.ServiceAccountName)
		}
		env := map[string]string{"POD_NAMESPACE": operatorNamespace, "POD_SERVICE_ACCOUNT": pod.ServiceAccountName}
		if err := app.ValidateFlags(pod.Containers[0].Args, env); err != nil {
			out = append(out, fmt.Sprintf("flags of %s: %v", d.Name, err))
		}
		for _, other := range r.deployments {
			if selector := labels.SelectorFromSet(other.Spec.Selector.MatchLabels); other.Name != d.Name && selector.Matches(labels.Set(d.Spec.Template.Labels)) {
				out = append(out, fmt.Sprintf("%s selects the pods of %s", other.Name, d.Name))
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		out = append(out, fmt.Sprintf("the Deployments are %q, want %q", got, want))
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
