// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package reasons explains the reasons of conditions and events: what each means, and
// what to do about it. It is data without logic. docs/troubleshooting.md is generated
// from it, and its test compares it with the reasons in the code.
package reasons

// Entry explains one reason of the objects of one group.
type Entry struct {
	// Name is the reason.
	Name string
	// Conditions are the types of the conditions that can have it, as people see them.
	// An Entry without any is the reason of an event only.
	Conditions []string
	// Meaning says what happened, in one or two sentences.
	Meaning string
	// Action says what to do. It is "Nothing." where the operator goes on by itself.
	Action string
	// Command is for the shell, with the variables that Preamble sets. It is empty
	// where the condition's own message has the command, or where there is none.
	Command string
}

// Section is a group of entries that are read together.
type Section struct {
	// Title is the heading.
	Title string
	// Intro is the text below it.
	Intro   string
	Entries []Entry
}

// Of is what a part of the operator can report, in the order of the page.
type Of struct {
	// Packages hold the code that reports these reasons, from the root of the module.
	Packages []string
	// Preamble sets the variables that the commands use.
	Preamble string
	Sections []Section
}

// Entries returns those of all sections.
func (o Of) Entries() []Entry {
	var all []Entry
	for _, s := range o.Sections {
		all = append(all, s.Entries...)
	}
	return all
}

// Commands that several reasons share.
const (
	showMessage = `kubectl get "$KIND" "$NAME" --namespace "$NAMESPACE" --output jsonpath='{.status.conditions[?(@.type=="Ready")].message}{"\n"}'`
	showEvents  = `kubectl events --for "$KIND/$NAME" --namespace "$NAMESPACE"`
	refresh     = `kubectl annotate "$KIND" "$NAME" --namespace "$NAMESPACE" --overwrite bailiwick.dev/refresh="$(date +%s)"`
	showSpec    = `kubectl get "$KIND" "$NAME" --namespace "$NAMESPACE" --output jsonpath='{.spec}{"\n"}'`
	showAiven   = `kubectl get aiven --namespace "$NAMESPACE"`
	operatorLog = `kubectl logs deployment/bailiwick --namespace bailiwick-system --tail 100`

	showAuthorization = `kubectl get openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --output jsonpath='{.status.conditions[?(@.type=="AuthorizationReady")].message}{"\n"}'`
	showIdentities    = `kubectl get openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --output jsonpath='{range .status.authorization.identities[*]}{.role}{"\t"}{.state}{"\t"}{.message}{"\n"}{end}'`
	showClusterReady  = `kubectl get openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --output jsonpath='{.status.conditions[?(@.type=="Ready")].message}{"\n"}'`
	showServers       = `kubectl get openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --output jsonpath='{range .status.servers[*]}{.name}{"\t"}{.role}{"\t"}{.message}{"\n"}{end}'`
	showBackup        = `kubectl get openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --output jsonpath='{.status.conditions[?(@.type=="BackupReady")].message}{"\n"}{.status.backup}{"\n"}'`
	triggerBackup     = `kubectl annotate openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --overwrite openbao.org/trigger-backup="$(date +%s)"`
	showRecovery      = `kubectl get openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --output jsonpath='{.status.recovery}{"\n"}'`
	refreshCluster    = `kubectl annotate openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --overwrite bailiwick.dev/refresh="$(date +%s)"`
)

// All returns everything that the operator reports.
func All() []Of { return []Of{Aiven(), OpenBao(), Servers()} }
