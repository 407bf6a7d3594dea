// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/bailiwick-operator/bailiwick/pkg/reasons"
)

const troubleshootingIntro = `# Troubleshooting by reason

Every object says in its conditions what it waits for or what is wrong, in a reason and a message. Where something has to be
done, the message ends with the command for this object, with all names filled in. Run it as it is printed; replace only words
in capitals that begin with ` + "`YOUR_`" + `. This page explains each reason.

Every failure that a person must act on is in a condition. The log shows what the operator does, and is rarely needed.

## Find the reason of an Aiven object

` + "```sh" + `
%[1]s
kubectl get aiven --all-namespaces --output wide
kubectl describe "$KIND" "$NAME" --namespace "$NAMESPACE"
` + "```" + `

The message alone, ready to be copied:

` + "```sh" + `
kubectl get "$KIND" "$NAME" --namespace "$NAMESPACE" --output jsonpath='{.status.conditions[?(@.type=="Ready")].message}{"\n"}'
` + "```" + `

After you have changed a Secret that the object names, have it read again:

` + "```sh" + `
kubectl annotate "$KIND" "$NAME" --namespace "$NAMESPACE" --overwrite bailiwick.dev/refresh="$(date +%%s)"
` + "```" + `

If an object has no conditions at all, the operator does not work on it: see [no conditions](#no-conditions).

## Find the reason of an OpenBaoCluster

` + "```sh" + `
%[2]s
kubectl get openbaoclusters --all-namespaces --output wide
kubectl get openbaocluster "$CLUSTER" --namespace "$NAMESPACE" --output jsonpath='{.status.conditions[?(@.type=="AuthorizationReady")].message}{"\n"}'
` + "```" + `

## No conditions

Is the operator running, and does it hold its Lease?

` + "```sh node" + `
kubectl get pods --namespace bailiwick-system
kubectl get lease bailiwick --namespace bailiwick-system
kubectl logs deployment/bailiwick --namespace bailiwick-system --tail 100
` + "```" + `

If it runs, it may not watch this namespace or this kind: look for ` + "`--watch-namespaces` and `--controllers`" + ` in its arguments.

` + "```sh" + `
kubectl get deployment bailiwick --namespace bailiwick-system --output jsonpath='{.spec.template.spec.containers[0].args}{"\n"}'
` + "```" + `
`

// troubleshooting is the page of all reasons.
func troubleshooting(all []reasons.Of) string {
	var b strings.Builder
	fmt.Fprintf(&b, troubleshootingIntro, all[0].Preamble, all[1].Preamble)
	for _, of := range all {
		for _, section := range of.Sections {
			text := ""
			for _, entry := range section.Entries {
				text += "\n" + explain(entry)
			}
			fmt.Fprintf(&b, "\n## %s\n\n%s\n", section.Title, section.Intro)
			if strings.Contains(text, "```sh\n") {
				// Whoever arrives by a search has not read the top of the page.
				fmt.Fprintf(&b, "The commands use these variables: `%s`.\n", of.Preamble)
			}
			b.WriteString(text)
		}
	}
	return b.String()
}

func explain(e reasons.Entry) string {
	conditions := "event"
	if len(e.Conditions) > 0 {
		conditions = "`" + strings.Join(e.Conditions, "`, `") + "`"
	}
	text := fmt.Sprintf("### %s\n\n%s. %s **To do:** %s\n", e.Name, upperFirst(conditions), e.Meaning, e.Action)
	// The command that prints the message is at the top of the page, once.
	if e.Command == "" || strings.HasSuffix(e.Command, `.message}{"\n"}'`) && !strings.Contains(e.Command, "range") {
		return text
	}
	language := "sh"
	if strings.HasPrefix(e.Command, "kubectl logs ") {
		// There are no pods, and so no logs, without a node.
		language = "sh node"
	}
	return text + fmt.Sprintf("\n```%s\n%s\n```\n", language, e.Command)
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
