// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command chart writes the templates of the Helm chart that say the same as the
// manifests: CRDs, rights and admission policies. Its arguments are the folder of
// the manifests and the one to write, which it replaces.
//
// Each file becomes the template of the same name. What an installation chooses is
// replaced in its text (names, the namespace, the account), and each object is put
// under the condition of its file in sources. The rules of each ClusterRole become a
// named template, so that the hand-written templates/namespaced.yaml can grant the
// same rules in single namespaces.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// source is a file, or all files of a folder.
type source struct {
	// path is a pattern below manifests, and to a folder below the output.
	path, to string
	// when is the condition of its objects, as arguments of the function and. Those
	// of rights have a further one, and those of rights everywhere a third.
	when string
	// inNamespaces says that its ClusterRoles are bound in single namespaces only, and so
	// are there with watchNamespaces, too.
	inNamespaces bool
	// replace is what to replace in this file only, in pairs.
	replace []string
}

func sources() []source {
	const (
		aiven   = "$.Values.aiven.enabled"
		openBao = "$.Values.openbao.enabled"
		servers = openBao + " $.Values.servers.enabled"
	)
	return []source{
		{path: "crds/aiven.io_*.yaml", to: "crds", when: "$.Values.crds.install " + aiven},
		{path: "crds/openbao.org_*.yaml", to: "crds", when: "$.Values.crds.install " + openBao},

		{path: "rbac/leader_election.yaml", to: "rbac", when: `(include "bailiwick.leaderElection" $)`,
			replace: []string{"resourceNames: [bailiwick]", "resourceNames: [" + fullname + "]"}},
		{path: "rbac/events.yaml", to: "rbac"},
		{path: "rbac/aiven.yaml", to: "rbac", when: aiven},
		{path: "rbac/publish_secrets.yaml", to: "rbac", when: aiven + " $.Values.rbac.publishSecrets"},
		{path: "rbac/read_secrets.yaml", to: "rbac", when: "$.Values.rbac.readSecrets"},
		{path: "rbac/openbao.yaml", to: "rbac", when: openBao},
		{path: "rbac/openbao_init.yaml", to: "rbac", when: openBao},
		{path: "rbac/openbao_records.yaml", to: "rbac", when: openBao},
		{path: "rbac/openbao_identities.yaml", to: "rbac", when: openBao,
			replace: []string{"[bailiwick, bailiwick-servers, bailiwick-bootstrapper, bailiwick-decoy]",
				"[" + account + "{{ if $.Values.servers.enabled }}, " + fullname + "-servers{{ end }}, " + fullname + "-bootstrapper, " + fullname + "-decoy]"}},
		{path: "rbac/servers.yaml", to: "rbac", when: servers,
			replace: []string{"resourceNames: [bailiwick-servers]", "resourceNames: [" + fullname + "-servers]"}},
		{path: "rbac/servers_leader_election.yaml", to: "rbac", when: servers + ` (include "bailiwick.leaderElection" $)`,
			replace: []string{"resourceNames: [bailiwick-servers]", "resourceNames: [" + fullname + "-servers]"}},
		{path: "rbac/servers_namespace.yaml", to: "rbac", when: servers, inNamespaces: true,
			replace: []string{"--clusterrole=bailiwick-servers-namespace", "--clusterrole=" + fullname + "-servers-namespace",
				"--serviceaccount=bailiwick-system:bailiwick-servers", "--serviceaccount=" + namespace + ":" + fullname + "-servers"}},
		// Its name is the same everywhere.
		{path: "rbac/openbao_server.yaml", to: "rbac", when: servers + " $.Values.servers.clusterRole", inNamespaces: true,
			replace: []string{"\n  name: bailiwick-openbao-server", "\n  name: bailiwick-openbao-server"}},
		{path: "rbac/optional/watch_secrets.yaml", to: "rbac", when: aiven + " $.Values.rbac.watchSecrets"},
		{path: "rbac/optional/delete_migration_secrets.yaml", to: "rbac", when: aiven + " $.Values.rbac.deleteMigrationSecrets"},
		{path: "overlays/default-token/role.yaml", to: "rbac", when: "$.Values.defaultTokenSecret.name",
			replace: []string{"[aiven-token]", "[{{ $.Values.defaultTokenSecret.name }}]"}},

		{path: "admission/open_balance.yaml", to: "admission", when: aiven},
		{path: "admission/termination_protection.yaml", to: "admission", when: aiven},
		{path: "admission/configmaps.yaml", to: "admission"},
		{path: "admission/events.yaml", to: "admission",
			replace: []string{"in ['bailiwick', 'bailiwick-servers']", "in ['" + fullname + "', '" + fullname + "-servers']"}},
		{path: "admission/leases.yaml", to: "admission",
			replace: []string{"? 'bailiwick-servers' : 'bailiwick'", "? '" + fullname + "-servers' : '" + fullname + "'"}},
		{path: "admission/objects.yaml", to: "admission"},
		{path: "admission/openbao_records.yaml", to: "admission"},
		{path: "admission/openbao_server.yaml", to: "admission", when: servers},
		{path: "admission/openbaocluster_profiles.yaml", to: "admission", when: servers},
		{path: "admission/secrets.yaml", to: "admission"},
		{path: "admission/servers.yaml", to: "admission"},
		{path: "admission/servers_*.yaml", to: "admission"},
		{path: "admission/token_audiences.yaml", to: "admission",
			replace: []string{`expression: "[]"`, `expression: {{ include "bailiwick.legacyAudiences" $ | quote }}`}},
	}
}

const (
	fullname  = `{{ include "bailiwick.fullname" $ }}`
	account   = `{{ include "bailiwick.serviceAccountName" $ }}`
	namespace = `{{ $.Release.Namespace }}`

	separator = "\n---\n"
)

// installation is what differs between installations, in all files.
func installation() []string {
	return []string{
		"{{", `{{ "{{" }}`,
		"  labels:\n    app.kubernetes.io/name: bailiwick\n", "  labels:\n    {{- include \"bailiwick.labels\" $ | nindent 4 }}\n",
		// The accounts, as users of the API server and as subjects of bindings.
		"system:serviceaccount:bailiwick-system:bailiwick-servers'", "system:serviceaccount:" + namespace + ":" + fullname + "-servers'",
		"kind: ServiceAccount\n    name: bailiwick-servers\n", "kind: ServiceAccount\n    name: " + fullname + "-servers\n",
		"system:serviceaccount:bailiwick-system:bailiwick'", "system:serviceaccount:" + namespace + ":" + account + "'",
		"kind: ServiceAccount\n    name: bailiwick\n", "kind: ServiceAccount\n    name: " + account + "\n",
		"bailiwick-system", namespace,
		// Of the object, of the role that is bound, and of the policy.
		"\n  name: bailiwick", "\n  name: " + fullname,
		"\n  policyName: bailiwick", "\n  policyName: " + fullname,
	}
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: chart MANIFESTS FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func write(manifests, out string) error {
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	for _, s := range sources() {
		files, err := filepath.Glob(filepath.Join(manifests, s.path))
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("no file %s in %s", s.path, manifests)
		}
		if err := os.MkdirAll(filepath.Join(out, s.to), 0o755); err != nil {
			return err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(manifests, file)
			if err != nil {
				return err
			}
			to := filepath.Join(out, s.to, filepath.Base(file))
			if filepath.Dir(name) == "overlays/default-token" {
				to = filepath.Join(out, s.to, "default_token.yaml")
			}
			rendered, err := s.template(string(text))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			header := "{{- /* Written by make generate from manifests/" + filepath.ToSlash(name) + ". */}}\n"
			if err := os.WriteFile(to, []byte(header+rendered), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// template returns the template of a manifest.
func (s source) template(manifest string) (string, error) {
	for i := 0; i < len(s.replace); i += 2 {
		if !strings.Contains(manifest, s.replace[i]) {
			return "", fmt.Errorf("%q is not there to be replaced", s.replace[i])
		}
	}
	replacer := strings.NewReplacer(append(append([]string{}, s.replace...), installation()...)...)
	var named, out strings.Builder
	for _, object := range strings.Split(strings.TrimPrefix(manifest, "---\n"), separator) {
		kind := field(object, "\nkind: ")
		if kind == "" {
			return "", fmt.Errorf("an object without a kind")
		}
		when := []string{}
		if s.when != "" {
			when = append(when, s.when)
		}
		text := replacer.Replace(strings.TrimSuffix(object, "\n"))
		switch kind {
		case "ClusterRole":
			// The name of a ClusterRole tells its rules.
			name := "bailiwick.rules." + strings.TrimPrefix(field(object, "\n  name: "), "bailiwick-")
			head, rules, found := strings.Cut(text, "\nrules:\n")
			if !found {
				return "", fmt.Errorf("a ClusterRole without rules")
			}
			fmt.Fprintf(&named, "{{- define %q }}\n%s\n{{- end }}\n", name, rules)
			text = fmt.Sprintf("%s\nrules:\n{{- template %q }}", head, name)
		case "CustomResourceDefinition":
			const annotations = "\n  annotations:\n"
			if strings.Count(text, annotations) != 1 {
				return "", fmt.Errorf("a CustomResourceDefinition without annotations")
			}
			text = strings.Replace(text, annotations, annotations+"    helm.sh/resource-policy: keep\n", 1)
		}
		if strings.HasPrefix(field(object, "\napiVersion: "), "rbac.authorization.k8s.io/") {
			when = append(when, "$.Values.rbac.create")
		}
		if strings.HasPrefix(kind, "ClusterRole") && !s.inNamespaces {
			when = append(when, `(not (include "bailiwick.watchNamespaces" $))`)
		}
		if len(when) > 0 {
			fmt.Fprintf(&out, "{{- if and %s }}\n---\n%s\n{{- end }}\n", strings.Join(when, " "), text)
		} else {
			fmt.Fprintf(&out, "---\n%s\n", text)
		}
	}
	return named.String() + out.String(), nil
}

// field returns the rest of the first line that begins with a prefix.
func field(text, prefix string) string {
	_, rest, _ := strings.Cut("\n"+text, prefix)
	value, _, _ := strings.Cut(rest, "\n")
	return value
}
