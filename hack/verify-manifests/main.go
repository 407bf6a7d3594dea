// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command verify-manifests checks rendered manifests: that the operator is
// granted what it uses and nothing else, each of its accounts its own part, that an
// admission policy limits what they may write, that overlays leave out what they promise
// to, and that its Deployments start it with flags that it accepts.
// Its argument is the folder that hack/verify-manifests.sh renders into.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: verify-manifests FOLDER")
		os.Exit(2)
	}
	if err := verify(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// rendering is what one kustomization makes.
type rendering struct {
	// names are "Kind namespace/name".
	names          []string
	roles          []role
	bindings       []binding
	deployments    []appsv1.Deployment
	policies       []policy
	policyBindings []policyBinding
}

type (
	policy        = admissionregistrationv1.ValidatingAdmissionPolicy
	policyBinding = admissionregistrationv1.ValidatingAdmissionPolicyBinding
)

// role is a Role, or a ClusterRole, which has no namespace.
type role struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Rules             []rbacv1.PolicyRule `json:"rules"`
}

// binding is a RoleBinding or a ClusterRoleBinding.
type binding struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	RoleRef           rbacv1.RoleRef   `json:"roleRef"`
	Subjects          []rbacv1.Subject `json:"subjects"`
}

// runsServersApart reports whether the account of the process that runs OpenBao servers
// is there. Where it is not, the operator's account has its rights, if anybody does.
func (r *rendering) runsServersApart() bool {
	return slices.Contains(r.names, "ServiceAccount "+operatorNamespace+"/"+serversAccount)
}

func nameOf(kind string, m metav1.ObjectMeta) string {
	return kind + " " + m.Namespace + "/" + m.Name
}

func load(path string) (*rendering, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := &rendering{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if err := out.add(doc); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
}

func (r *rendering) add(doc []byte) error {
	var object metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(doc, &object); err != nil {
		return err
	}
	r.names = append(r.names, nameOf(object.Kind, object.ObjectMeta))
	switch object.Kind {
	case "Role", "ClusterRole":
		var v role
		if err := yaml.UnmarshalStrict(doc, &v); err != nil {
			return err
		}
		r.roles = append(r.roles, v)
	case "RoleBinding", "ClusterRoleBinding":
		var v binding
		if err := yaml.UnmarshalStrict(doc, &v); err != nil {
			return err
		}
		r.bindings = append(r.bindings, v)
	case "Deployment":
		var v appsv1.Deployment
		if err := yaml.UnmarshalStrict(doc, &v); err != nil {
			return err
		}
		r.deployments = append(r.deployments, v)
	case "ValidatingAdmissionPolicy":
		var v policy
		if err := yaml.UnmarshalStrict(doc, &v); err != nil {
			return err
		}
		r.policies = append(r.policies, v)
	case "ValidatingAdmissionPolicyBinding":
		var v policyBinding
		if err := yaml.UnmarshalStrict(doc, &v); err != nil {
			return err
		}
		r.policyBindings = append(r.policyBindings, v)
	}
	return nil
}

// verify returns all that is wrong, one line each.
func verify(dir string) error {
	renderings := map[string]*rendering{}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		r, err := load(file)
		if err != nil {
			return err
		}
		renderings[strings.TrimSuffix(filepath.Base(file), ".yaml")] = r
	}
	// What is applied on its own is applied where the operator is installed.
	if limits := renderings["admission"]; limits != nil {
		for name, r := range renderings {
			if strings.HasPrefix(name, "rbac") {
				r.policies = append(r.policies, limits.policies...)
				r.policyBindings = append(r.policyBindings, limits.policyBindings...)
			}
		}
	}
	var problems []error
	for _, rule := range rules() {
		for _, name := range rule.in {
			r := renderings[name]
			if r == nil {
				problems = append(problems, fmt.Errorf("%s: not rendered", name))
				continue
			}
			for _, p := range rule.check(r) {
				problems = append(problems, fmt.Errorf("%s: %s", name, p))
			}
		}
	}
	return errors.Join(problems...)
}
