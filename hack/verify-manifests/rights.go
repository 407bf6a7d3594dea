// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	aivencontroller "github.com/bailiwick-operator/bailiwick/pkg/controller/aiven"
)

// expectedRights are the rights that each role grants, by its kind and name, with
// what the operator does with them. Servers are run by an account of its own, or not.
func expectedRights(serversApart bool) map[string][]string {
	minted := "bailiwick,bailiwick-bootstrapper,bailiwick-decoy"
	if serversApart {
		minted = "bailiwick,bailiwick-servers,bailiwick-bootstrapper,bailiwick-decoy"
	}
	const account = "demo-bao-restore-serviceaccount"
	out := map[string][]string{
		"ClusterRole bailiwick-aiven":           aivenRights(),
		"ClusterRole bailiwick-events":          eventRights(),
		"ClusterRole bailiwick-publish-secrets": publishRights(),
		"ClusterRole bailiwick-read-secrets": {
			"/secrets get", // tokens, source Secrets, owner of a published Secret
		},
		"ClusterRole bailiwick-openbao": {
			"openbao.org/openbaoclusters list",         // informer
			"openbao.org/openbaoclusters watch",        // informer
			"openbao.org/openbaoclusters patch",        // annotations, under another operator's CRD
			"openbao.org/openbaoclusters/status patch", // server-side apply
			"/namespaces get",                          // the UID, for the audience
		},
		"ClusterRole bailiwick-openbao-init": {
			"/configmaps get",    // owner of the ConfigMap for a first start
			"/configmaps create", // publish it
			"/configmaps patch",  // publish it
			"/configmaps delete", // remove it when it is not wanted any more
		},
		"ClusterRole bailiwick-issuer": {
			"/.well-known/openid-configuration get", // issuer
			"/openid/v1/jwks get",                   // its keys
		},
		// Records of objects without room for a status.
		"Role bailiwick-openbao-records": {
			"/configmaps get", "/configmaps list", "/configmaps create", "/configmaps patch", "/configmaps delete",
		},
		"Role bailiwick-mint": {
			mint + "create of " + minted, // log in to OpenBao servers
		},
		"Role bailiwick-leader-election": append(eventRights(),
			"coordination.k8s.io/leases create",
			"coordination.k8s.io/leases get of bailiwick",
			"coordination.k8s.io/leases update of bailiwick"),

		// Optional, or of an overlay.
		"Role bailiwick-default-token":                   {"/secrets get of aiven-token"},
		"ClusterRole bailiwick-watch-secrets":            {"/secrets list", "/secrets watch"},
		"ClusterRole bailiwick-delete-migration-secrets": {"/secrets delete"},
		"Role bailiwick-mint-demo-bao": {
			mint + "create of demo-bao-backup-serviceaccount,demo-bao-upgrade-serviceaccount",
		},
		"Role bailiwick-restore-demo-bao": {
			mint + "create of " + account,
			"/serviceaccounts get of " + account, // the UID, for the role on the server
		},
	}
	maps.Copy(out, serversRights())
	out["Role bailiwick"] = perNamespace(out)
	out["Role bailiwick-servers"] = append(eventRights(), out["ClusterRole bailiwick-servers"]...)
	return out
}

// serversRights are the rights of the process that runs OpenBao servers, and of these.
func serversRights() map[string][]string {
	own := []string{
		"openbao.org/openbaoclusters list",         // informer
		"openbao.org/openbaoclusters watch",        // informer
		"openbao.org/openbaoclusters patch",        // the finalizer of spec.deletionPolicy
		"openbao.org/openbaoclusters/status patch", // server-side apply
		"/namespaces get",                          // the UID, for the audience
	}
	// What belongs to a cluster wakes it.
	for _, resource := range []string{
		"/pods", "/persistentvolumeclaims", "/services", "/serviceaccounts", "apps/statefulsets", "networking.k8s.io/networkpolicies",
		"policy/poddisruptionbudgets", "rbac.authorization.k8s.io/rolebindings",
	} {
		own = append(own, resource+" list", resource+" watch")
	}
	namespace := []string{
		"/pods delete",                   // start a server again
		"/pods patch",                    // take it out of the Services for clients
		"/persistentvolumeclaims get",    // whether there is a volume, and which
		"/persistentvolumeclaims patch",  // grow
		"/persistentvolumeclaims delete", // have a server begin again without data
		"apps/statefulsets delete",       // spec.deletionPolicy
		"coordination.k8s.io/leases get", // the lock of a cluster's operations
		"coordination.k8s.io/leases create",
		"coordination.k8s.io/leases update",
		"batch/jobs create", // work on the volume of a server that does not run, or take a backup
		"batch/jobs list",   // what came of it
		"batch/jobs delete", // once that is recorded
		"rbac.authorization.k8s.io/clusterroles bind of " + serverRole,
	}
	// Create, then apply; read live before either.
	for _, resource := range []string{
		"/configmaps", "/secrets", "/serviceaccounts", "/services", "apps/statefulsets", "monitoring.coreos.com/servicemonitors",
		"networking.k8s.io/networkpolicies", "policy/poddisruptionbudgets", "rbac.authorization.k8s.io/rolebindings",
	} {
		namespace = append(namespace, resource+" get", resource+" create", resource+" patch")
	}
	for _, resource := range []string{"/secrets", "/serviceaccounts", "monitoring.coreos.com/servicemonitors", "policy/poddisruptionbudgets"} {
		namespace = append(namespace, resource+" delete") // what the spec does not ask for any more
	}
	return map[string][]string{
		"ClusterRole bailiwick-servers":       own,
		"ClusterRole " + serversNamespaceRole: namespace,
		// Of a server itself: its service registration labels its own pod.
		"ClusterRole " + serverRole: {
			"/pods get", "/pods update", "/pods patch",
			"bailiwick.dev/servers register", // by which admission/openbao_server.yaml tells it
		},
		"Role bailiwick-mint-servers": {mint + "create of bailiwick-servers"}, // log in to its servers
		"Role bailiwick-servers-endpoints": {
			"discovery.k8s.io/endpointslices get of kubernetes", // addresses of the API server, for NetworkPolicies
			"/services get of kubernetes",                       // the address of its Service
		},
		"Role bailiwick-servers-leader-election": append(eventRights(),
			"coordination.k8s.io/leases create",
			"coordination.k8s.io/leases get of bailiwick-servers",
			"coordination.k8s.io/leases update of bailiwick-servers"),
	}
}

// perNamespace are the rights in one namespace where there is none in all.
func perNamespace(expected map[string][]string) []string {
	var out []string
	for _, name := range []string{"aiven", "events", "publish-secrets", "read-secrets", "openbao", "openbao-init"} {
		out = append(out, expected["ClusterRole bailiwick-"+name]...)
	}
	return out
}

func aivenRights() []string {
	var out []string
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

func eventRights() []string {
	return []string{
		"/events create", // report transitions
		"/events patch",  // count repetitions
	}
}

func publishRights() []string {
	return []string{
		"/secrets create", // publish
		"/secrets patch",  // publish, and remove the aiven-operator's finalizer
	}
}

// baseRoles are the roles of an installation for all namespaces.
var baseRoles = []string{
	"ClusterRole bailiwick-aiven", "ClusterRole bailiwick-events", "ClusterRole bailiwick-issuer",
	"ClusterRole bailiwick-openbao", "ClusterRole bailiwick-openbao-init",
	"ClusterRole bailiwick-publish-secrets", "ClusterRole bailiwick-read-secrets",
	"Role bailiwick-leader-election", "Role bailiwick-mint", "Role bailiwick-openbao-records",
}

// serversRoles are those of the process that runs OpenBao servers, and of these.
var serversRoles = []string{
	"ClusterRole bailiwick-servers", "ClusterRole " + serversNamespaceRole, "ClusterRole " + serverRole,
	"Role bailiwick-mint-servers", "Role bailiwick-servers-endpoints", "Role bailiwick-servers-leader-election",
}

// namespaceOf returns the namespace that a Role of an installation has to be in, and
// nothing for others.
func namespaceOf(name string) string {
	switch {
	case name == "Role bailiwick-servers-endpoints":
		return "default" // where the API server's addresses are
	case slices.Contains(baseRoles, name) || slices.Contains(serversRoles, name):
		return operatorNamespace
	}
	return ""
}

// rights returns what a role grants, as "group/resource verb" or "url verb",
// with the names it is limited to. Sorted.
func (r role) rights() []string {
	var out []string
	for _, rule := range r.Rules {
		limit := ""
		if len(rule.ResourceNames) > 0 {
			limit = " of " + strings.Join(rule.ResourceNames, ",")
		}
		for _, verb := range rule.Verbs {
			for _, url := range rule.NonResourceURLs {
				out = append(out, url+" "+verb)
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					out = append(out, group+"/"+resource+" "+verb+limit)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// grantsWhatIsUsed finds rights that nothing uses, and rights that are missing.
func grantsWhatIsUsed(r *rendering) []string {
	expected := expectedRights(r.runsServersApart())
	var out []string
	for _, ro := range r.roles {
		name := nameOf(ro.Kind, ro.ObjectMeta)
		want, known := expected[ro.Kind+" "+ro.Name]
		if !known {
			out = append(out, name+" is not expected")
			continue
		}
		if want := namespaceOf(ro.Kind + " " + ro.Name); ro.Kind == "Role" && want != "" && ro.Namespace != want {
			out = append(out, name+" is not in "+want)
		}
		got := ro.rights()
		for _, right := range got {
			if !slices.Contains(want, right) {
				out = append(out, fmt.Sprintf("%s grants %q", name, right))
			}
		}
		for _, right := range want {
			if !slices.Contains(got, right) {
				out = append(out, fmt.Sprintf("%s does not grant %q", name, right))
			}
		}
	}
	return out
}

// hasRoles finds roles, by kind and name, that are missing or too many.
func hasRoles(want ...string) func(*rendering) []string {
	return func(r *rendering) []string {
		got := map[string]bool{}
		for _, ro := range r.roles {
			got[ro.Kind+" "+ro.Name] = true
		}
		var out []string
		for _, name := range want {
			if !got[name] {
				out = append(out, name+" is missing")
			}
			delete(got, name)
		}
		for _, name := range slices.Sorted(maps.Keys(got)) {
			out = append(out, name+" is too many")
		}
		return out
	}
}

// without returns the roles of an installation for all namespaces but for some.
func without(names ...string) []string {
	return slices.DeleteFunc(slices.Concat(baseRoles, serversRoles), func(name string) bool { return slices.Contains(names, name) })
}
