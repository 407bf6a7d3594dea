// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/tests/guide"
)

// TestTokenWalk breaks the default token, finds out why with kubectl alone, and fixes it
// with what the condition says.
func TestTokenWalk(t *testing.T) {
	r := newReader(t, current)
	r.follow(
		step{"install", (*reader).installsWithDefault},
		step{"break", (*reader).breaksTheToken},
		step{"fix", (*reader).fixesTheToken},
		step{"look", (*reader).looks},
		step{"uninstall", (*reader).uninstallsAll},
	)
}

// installsWithDefault has one token for all objects.
func (r *reader) installsWithDefault() {
	r.configure(current)
	r.sh("sed --in-place 's/install.yaml/install-default-token.yaml/' " + current + "/kustomization.yaml\n" +
		"kubectl kustomize " + current + " > " + current + "/own.yaml")
	r.sh("kubectl create namespace bailiwick-system --dry-run=client --output yaml | kubectl apply -f -\n" +
		"kubectl create secret generic aiven-token --namespace bailiwick-system --from-literal=token=" + token + "\n" +
		"kubectl apply --server-side --force-conflicts -f " + releaseURL + "install.yaml\n" +
		"kubectl --namespace bailiwick-system rollout status deployment/bailiwick")
	r.service(guideService, nil)
	r.ready(guideService)
}

// breaksTheToken changes the default token to one that Aiven does not know. Nothing
// happens until the restart of which the page speaks.
func (r *reader) breaksTheToken() {
	r.setDefault("no-token-at-all")
	r.service("still-the-old-token", nil)
	r.ready("still-the-old-token")
	r.blocks("docs/tokens.md", "Renew a token", "", "kubectl create secret", "annotate")
	r.sh("kubectl --namespace bailiwick-system rollout status deployment/bailiwick")
	r.condition(guideService, "False", "TokenRejected")
}

func (r *reader) setDefault(value string) {
	r.Helper()
	r.sh("kubectl create secret generic aiven-token --namespace bailiwick-system --from-literal=token=" + value +
		" --dry-run=client --output yaml | kubectl apply -f -")
}

// fixesTheToken runs the commands of the condition as they are printed.
func (r *reader) fixesTheToken() {
	message := r.sh(`kubectl get postgresql ` + guideService + ` --output jsonpath='{.status.conditions[?(@.type=="Ready")].message}'`)
	_, commands, found := strings.Cut(message, "kubectl ")
	if !found {
		r.Fatalf("The condition names no command: %s", message)
	}
	r.ours = append([]string{"YOUR_AIVEN_API_TOKEN", newToken}, r.ours...)
	ran := 0
	for line := range strings.SplitSeq("kubectl "+commands, "\n") {
		if _, command, ok := strings.Cut(line, "kubectl "); ok {
			r.sh("kubectl " + command)
			ran++
		}
	}
	if ran == 0 {
		r.Fatalf("No line of the condition is a command: %s", message)
	}
	r.ready(guideService)
	r.ready("still-the-old-token")
	r.aiven.created(r.T, guideService, "still-the-old-token")
}

// looks runs the blocks about the operator's pods.
func (r *reader) looks() {
	// Not in the middle of the restart.
	r.sh("kubectl --namespace bailiwick-system rollout status deployment/bailiwick")
	r.readyPods(system)
	for _, block := range r.claimed {
		if r.ran[block.Place()] || block.Language != guide.Node {
			continue
		}
		if printed := r.block(block); strings.TrimSpace(printed) == "" {
			r.Errorf("%s printed nothing", block.Place())
		}
	}
	r.eventually("the logs to be those of the release", func(context.Context) error {
		printed := r.sh("kubectl logs --namespace bailiwick-system --selector app.kubernetes.io/name=bailiwick --tail -1")
		for _, secret := range []string{token, newToken} {
			if strings.Contains(printed, secret) {
				r.Fatal("A token is in the log")
			}
		}
		if !strings.Contains(printed, current) {
			return fmt.Errorf("the log does not name the version %s", current)
		}
		return nil
	})
}

// uninstallsAll deletes what Aiven has, too.
func (r *reader) uninstallsAll() {
	r.sh("kubectl delete aiven --all --timeout=3m")
	r.noneLeft()
	r.sh("kubectl delete -f " + releaseURL + "install.yaml --ignore-not-found")
	r.leaves()
	if left := r.aiven.services(); len(left) > 0 {
		r.Errorf("Aiven still has %v", left)
	}
}
