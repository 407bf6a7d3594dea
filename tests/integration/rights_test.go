// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// The audit log holds what the operator's account did, and nothing else.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: Metadata
    users: ["system:serviceaccount:` + operatorNamespace + `:` + operatorAccount + `"]
  - level: None
`

// auditArgs are the API server's arguments for an audit log, in one file: at
// 100 MB it would begin another.
func auditArgs(log string) ([]string, error) {
	policy := log + ".policy.yaml"
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, err
	}
	return []string{"--audit-policy-file=" + policy, "--audit-log-path=" + log, "--audit-log-maxsize=10000"}, nil
}

// audited are the arguments with which what the operator does on a test's own API
// server counts as use of its rights.
func audited(t testing.TB) []string {
	t.Helper()
	args, err := auditArgs(filepath.Join(auditLogs, strings.ReplaceAll(t.Name(), "/", "_")+".log"))
	if err != nil {
		t.Fatal(err)
	}
	return args
}

// right is one verb on one kind of thing.
type right struct {
	verb string
	// resource is "resource.group", with "/subresource" if there is one, or a path.
	resource string
}

func (r right) String() string { return r.verb + " " + r.resource }

// unusedOnPurpose says why a right is granted that is not used here, if it is.
func unusedOnPurpose(r right) string {
	if r.verb == "list" {
		return "an API server without WatchList is asked for a list"
	}
	return ""
}

// optional are rights that a component in rbac/optional grants. Without it the
// operator tries, and says in a condition what is missing.
var optional = []right{{"delete", "secrets"}, {"get", "serviceaccounts"}}

// checkRights compares what the manifests in a folder let the operator do with
// what it did while all tests ran, by the audit logs in another folder: no admission
// policy of ours was in its way, it uses every right, and tried nothing else.
func checkRights(folder, logs string) error {
	files, err := filepath.Glob(filepath.Join(logs, "*.log"))
	if err != nil {
		return err
	}
	used, refused := map[right]bool{}, map[right]string{}
	var problems []error
	for _, file := range files {
		usedHere, refusedHere, err := usedIn(file, 0)
		if err != nil {
			return err
		}
		maps.Copy(used, usedHere)
		maps.Copy(refused, refusedHere)
		denied, err := deniedIn(file, 0)
		if err != nil {
			return err
		}
		for _, message := range denied {
			problems = append(problems, fmt.Errorf("an admission policy was in the way: %s", message))
		}
	}
	// A part of the tests uses a part of the rights.
	if flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" {
		return errors.Join(problems...)
	}
	granted, err := grantedBy(folder)
	if err != nil {
		return err
	}
	for _, r := range slices.SortedFunc(maps.Keys(granted), compareRights) {
		if !used[r] && unusedOnPurpose(r) == "" {
			problems = append(problems, fmt.Errorf("%s is granted and was never used", r))
		}
	}
	for _, r := range slices.SortedFunc(maps.Keys(refused), compareRights) {
		// What was allowed at another time is granted by Kubernetes itself, once its
		// API server knows its own roles.
		if !granted[r] && !used[r] && !slices.Contains(optional, r) {
			problems = append(problems, fmt.Errorf("%s is not granted and was tried: %s", r, refused[r]))
		}
	}
	return errors.Join(problems...)
}

func compareRights(a, b right) int {
	return cmp.Or(cmp.Compare(a.resource, b.resource), cmp.Compare(a.verb, b.verb))
}

// grantedBy returns the rights in the ClusterRoles and Roles that a kustomization binds to
// the operator's account.
func grantedBy(folder string) (map[right]bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rendered, err := kubectl(ctx, shared, "kustomize", folder)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, rendered)
	}
	documents := strings.Split(rendered, "\n---\n")
	bound := map[rbacv1.RoleRef]bool{}
	for _, document := range documents {
		var binding rbacv1.ClusterRoleBinding
		if err := yaml.Unmarshal([]byte(document), &binding); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(binding.Subjects, func(s rbacv1.Subject) bool { return s.Name == operatorAccount }) {
			bound[rbacv1.RoleRef{Kind: binding.RoleRef.Kind, Name: binding.RoleRef.Name}] = true
		}
	}
	granted := map[right]bool{}
	for _, document := range documents {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			return nil, err
		}
		if !bound[rbacv1.RoleRef{Kind: role.Kind, Name: role.Name}] {
			continue
		}
		for _, rule := range role.Rules {
			for _, verb := range rule.Verbs {
				for _, path := range rule.NonResourceURLs {
					granted[right{verb, path}] = true
				}
				for _, group := range rule.APIGroups {
					for _, resource := range rule.Resources {
						granted[rightOn(verb, group, resource)] = true
					}
				}
			}
		}
	}
	return granted, nil
}

func rightOn(verb, group, resource string) right {
	resource, subresource, _ := strings.Cut(resource, "/")
	r := right{verb, schema.GroupResource{Group: group, Resource: resource}.String()}
	if subresource != "" {
		r.resource += "/" + subresource
	}
	return r
}

// auditEvent is what is needed of an event of audit.k8s.io/v1.
type auditEvent struct {
	Verb, RequestURI string
	ObjectRef        *struct{ APIGroup, Resource, Subresource string }
	ResponseStatus   struct{ Message string }
	Annotations      map[string]string
}

// usedIn returns the rights that an audit log shows in use, and an example of
// each request that the API server refused for lack of a right.
// What came before an offset is left out.
func usedIn(log string, offset int64) (used map[right]bool, refused map[right]string, err error) {
	used, refused = map[right]bool{}, map[right]string{}
	err = eventsIn(log, offset, func(event auditEvent) {
		r := right{event.Verb, event.RequestURI}
		if ref := event.ObjectRef; ref != nil {
			resource := ref.Resource
			if ref.Subresource != "" {
				resource += "/" + ref.Subresource
			}
			r = rightOn(event.Verb, ref.APIGroup, resource)
		}
		if event.Annotations["authorization.k8s.io/decision"] == "forbid" {
			refused[r] = event.RequestURI
		} else {
			used[r] = true
		}
	})
	return used, refused, err
}

// deniedIn returns the refusals by our own admission policies in an audit log. What
// came before an offset is left out.
func deniedIn(log string, offset int64) (denied []string, err error) {
	err = eventsIn(log, offset, func(event auditEvent) {
		if strings.Contains(event.ResponseStatus.Message, "ValidatingAdmissionPolicy 'bailiwick-") {
			denied = append(denied, event.Verb+" "+event.RequestURI+": "+event.ResponseStatus.Message)
		}
	})
	return denied, err
}

// eventsIn calls a function for each event of an audit log behind an offset.
func eventsIn(log string, offset int64, do func(auditEvent)) error {
	file, err := os.Open(log)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	for reader := bufio.NewReader(file); ; {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var event auditEvent
		if err := json.Unmarshal(bytes.TrimSpace(line), &event); err != nil {
			return fmt.Errorf("parse the audit log: %w", err)
		}
		do(event)
	}
}
