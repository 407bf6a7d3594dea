// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package grants compares what an account of Bailiwick is granted with what it used, by
// the audit logs of API servers.
package grants

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// The accounts of Bailiwick's two processes, in the namespace of the manifests.
const (
	Namespace = "bailiwick-system"
	Operator  = "bailiwick"
	Servers   = "bailiwick-servers"
)

// The audit log holds what the accounts of both processes did, and nothing else.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: Metadata
    users: ["system:serviceaccount:` + Namespace + `:` + Operator + `", "system:serviceaccount:` + Namespace + `:` + Servers + `"]
  - level: None
`

// AuditArgs are the arguments of an API server for an audit log, in one file: at
// 100 MB it would begin another.
func AuditArgs(log string) ([]string, error) {
	policy := log + ".policy.yaml"
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, err
	}
	return []string{"--audit-policy-file=" + policy, "--audit-log-path=" + log, "--audit-log-maxsize=10000"}, nil
}

// Right is one verb on one kind of thing.
type Right struct {
	Verb string
	// Resource is "resource.group", with "/subresource" if there is one, or a path.
	Resource string
}

// String names the right in an error.
func (r Right) String() string { return r.Verb + " " + r.Resource }

// On is a right on a resource of a group. The resource may be followed by a
// subresource.
func On(verb, group, resource string) Right {
	resource, subresource, _ := strings.Cut(resource, "/")
	r := Right{verb, schema.GroupResource{Group: group, Resource: resource}.String()}
	if subresource != "" {
		r.Resource += "/" + subresource
	}
	return r
}

// Sorted returns the rights of a map in order.
func Sorted[V any](of map[Right]V) []Right {
	return slices.SortedFunc(maps.Keys(of), func(a, b Right) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Verb, b.Verb))
	})
}

// OnNode are the rights that the servers' account uses only where servers run. The tests
// that have a node use them, and the others can't.
func OnNode() []Right {
	return []Right{
		On("create", "batch", "jobs"),
		On("create", "", "serviceaccounts/token"),
		On("delete", "batch", "jobs"),
		On("delete", "", "persistentvolumeclaims"),
		On("delete", "", "pods"),
		On("delete", "apps", "statefulsets"),
		On("list", "batch", "jobs"),
		On("patch", "openbao.org", "openbaoclusters"),
		On("patch", "", "persistentvolumeclaims"),
		On("patch", "", "pods"),
	}
}

// Granted returns the rights in the ClusterRoles and Roles that documents bind to an
// account. The verb bind is left out: it is no request of its own, and without it the
// binding that it is for is refused.
func Granted(documents []string, account string) (map[Right]bool, error) {
	bound := map[rbacv1.RoleRef]bool{}
	for _, document := range documents {
		var binding rbacv1.ClusterRoleBinding
		if err := yaml.Unmarshal([]byte(document), &binding); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(binding.Subjects, func(s rbacv1.Subject) bool { return s.Name == account }) {
			bound[rbacv1.RoleRef{Kind: binding.RoleRef.Kind, Name: binding.RoleRef.Name}] = true
		}
	}
	granted := map[Right]bool{}
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
				if verb == "bind" {
					continue
				}
				for _, path := range rule.NonResourceURLs {
					granted[Right{verb, path}] = true
				}
				for _, group := range rule.APIGroups {
					for _, resource := range rule.Resources {
						granted[On(verb, group, resource)] = true
					}
				}
			}
		}
	}
	if len(granted) == 0 {
		return nil, fmt.Errorf("nothing is granted to %s", account)
	}
	return granted, nil
}

// auditEvent is what is needed of an event of audit.k8s.io/v1.
type auditEvent struct {
	Verb, RequestURI string
	User             struct{ Username string }
	ObjectRef        *struct{ APIGroup, Resource, Subresource string }
	ResponseStatus   struct{ Message string }
	Annotations      map[string]string
}

// Log is what one account did by some audit logs.
type Log struct {
	// Used are the rights in use.
	Used map[Right]bool
	// Refused has an example of each request that the API server refused for lack of a
	// right.
	Refused map[Right]string
	// Denied are the refusals by our own admission policies.
	Denied []string
}

// Read reads what an account did by an audit log. What came before an offset is left out.
func Read(log string, offset int64, account string) (Log, error) {
	out := Log{Used: map[Right]bool{}, Refused: map[Right]string{}}
	return out, out.add(log, offset, account)
}

// ReadAll reads what an account did by all audit logs of a folder.
func ReadAll(folder, account string) (Log, error) {
	out := Log{Used: map[Right]bool{}, Refused: map[Right]string{}}
	files, err := filepath.Glob(filepath.Join(folder, "*.log"))
	if err != nil {
		return out, err
	}
	for _, file := range files {
		if err := out.add(file, 0, account); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (l *Log) add(log string, offset int64, account string) error {
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
		if event.User.Username == "system:serviceaccount:"+Namespace+":"+account {
			l.count(event)
		}
	}
}

func (l *Log) count(event auditEvent) {
	r := Right{event.Verb, event.RequestURI}
	if ref := event.ObjectRef; ref != nil {
		resource := ref.Resource
		if ref.Subresource != "" {
			resource += "/" + ref.Subresource
		}
		r = On(event.Verb, ref.APIGroup, resource)
	}
	if event.Annotations["authorization.k8s.io/decision"] == "forbid" {
		l.Refused[r] = event.RequestURI
	} else {
		l.Used[r] = true
	}
	if strings.Contains(event.ResponseStatus.Message, "ValidatingAdmissionPolicy 'bailiwick-") {
		l.Denied = append(l.Denied, event.Verb+" "+event.RequestURI+": "+event.ResponseStatus.Message)
	}
}

// Hindered returns what admission policies of ours refused to an account.
func (l Log) Hindered(account string) []error {
	var problems []error
	for _, message := range l.Denied {
		problems = append(problems, fmt.Errorf("an admission policy was in the way of %s: %s", account, message))
	}
	return problems
}

// Lacking returns the rights that an account tried to use, and that are neither granted
// nor optional.
func (l Log) Lacking(account string, granted map[Right]bool, optional ...Right) []error {
	var problems []error
	for _, r := range Sorted(l.Refused) {
		// What was allowed at another time is granted by Kubernetes itself, once its
		// API server knows its own roles.
		if !granted[r] && !l.Used[r] && !slices.Contains(optional, r) {
			problems = append(problems, fmt.Errorf("%s is not granted to %s and was tried: %s", r, account, l.Refused[r]))
		}
	}
	return problems
}

// Unused returns the rights that an account is granted and never used, but for some that
// are used elsewhere. An API server without WatchList is asked for a list.
func (l Log) Unused(account string, granted map[Right]bool, elsewhere ...Right) []error {
	var problems []error
	for _, r := range Sorted(granted) {
		if !l.Used[r] && r.Verb != "list" && !slices.Contains(elsewhere, r) {
			problems = append(problems, fmt.Errorf("%s is granted to %s and was never used", r, account))
		}
	}
	return problems
}
