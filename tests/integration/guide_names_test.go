// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
)

// notOurs are the names in the guide that are those of OpenBao, Kubernetes or another
// program, by whose they are.
var notOurs = map[string][]string{
	"OpenBao": {
		"allowed_parameters", "default", "initialize", "jwt_supported_algs", "promote", "demote", "sys/", "sys/health",
		"token_max_ttl", "token_no_default_policy=false", "unsafe_allow_api_audit_creation", "identity/", "auth/token/",
		"auth/token/create", "sudo",
	},
	"Kubernetes":           {"automountServiceAccountToken", "kubectl"},
	"the command bao":      {"bao"},
	"the openbao-operator": {"OpenBaoRestore", "OpenBaoTenant"},
	"the reader": {
		"admin.hcl", "ca.pem", "name/key", "namespace/name", "null", "0s", "team/sub", "https://<name>.<namespace>.svc:8200",
		"{eval_type: string, eval_source: env, env_var: NAME}",
	},
}

// guideNames knows which names exist.
type guideNames struct {
	// literals are the texts in the code, and source all that the operator and its
	// manifests consist of.
	literals map[string]bool
	source   string
	hasFlag  func(name string) bool
	// schema is that of OpenBaoCluster. fields are all names in it, and columns those
	// that kubectl prints.
	schema  map[string]any
	fields  map[string]bool
	columns []string
}

func newGuideNames(t testing.TB) *guideNames {
	t.Helper()
	g := &guideNames{literals: map[string]bool{}, fields: map[string]bool{}}
	flags := app.NewCommand().Flags()
	g.hasFlag = func(name string) bool { return flags.Lookup(name) != nil }
	for _, folder := range []string{"../../pkg", manifests} {
		if err := filepath.WalkDir(folder, g.readSource); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(manifests + "/crds/openbao.org_openbaoclusters.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				AdditionalPrinterColumns []struct{ Name string } `yaml:"additionalPrinterColumns"`
				Schema                   struct {
					OpenAPIV3Schema map[string]any `yaml:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	version := crd.Spec.Versions[0]
	g.schema = version.Schema.OpenAPIV3Schema
	for _, column := range version.AdditionalPrinterColumns {
		g.columns = append(g.columns, strings.ToUpper(column.Name))
	}
	g.collectFields(g.schema)
	return g
}

func (g *guideNames) readSource(path string, entry fs.DirEntry, err error) error {
	if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".md") {
		return err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	g.source += string(raw)
	if !strings.HasSuffix(path, ".go") {
		return nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, raw, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				g.literals[text] = true
			}
		}
		return true
	})
	return nil
}

// properties returns the fields of a schema, of its items if it is a list.
func properties(schema map[string]any) map[string]any {
	if items, ok := schema["items"].(map[string]any); ok {
		schema = items
	}
	fields, _ := schema["properties"].(map[string]any)
	return fields
}

func (g *guideNames) collectFields(schema map[string]any) {
	for name, field := range properties(schema) {
		g.fields[name] = true
		if field, ok := field.(map[string]any); ok {
			g.collectFields(field)
		}
	}
}

// hasField reports whether a path exists, from the top or from one of the blocks that
// the guide speaks of. <job> is every job.
func (g *guideNames) hasField(path string) bool {
	if strings.Contains(path, "<job>") {
		return !slices.ContainsFunc([]string{"backup", "restore", "upgrade"}, func(job string) bool {
			return !g.hasField(strings.ReplaceAll(path, "<job>", job))
		})
	}
	return slices.ContainsFunc([]string{"", "spec.", "spec.authorization.", "status.authorization."}, func(top string) bool {
		schema := g.schema
		for name := range strings.SplitSeq(top+strings.ReplaceAll(path, "[]", ""), ".") {
			field, ok := properties(schema)[name].(map[string]any)
			if !ok {
				return false
			}
			schema = field
		}
		return true
	})
}

const manifestsPrefix = "manifests/"

var (
	// codeSpan is a name in the text of a guide.
	codeSpan = regexp.MustCompile("`([^`]+)`")
	// constant is a reason, a type of condition, a state or another value.
	constant = regexp.MustCompile(`^[A-Z][a-z]+[A-Za-z]*$`)
	// manifestPath is a path in a command.
	manifestPath = regexp.MustCompile(`manifests/[A-Za-z0-9/_.-]*[A-Za-z0-9]`)
	// fieldName is one that can be nothing but a field.
	fieldName   = regexp.MustCompile(`^[a-z]+[A-Z][A-Za-z]*$`)
	placeholder = regexp.MustCompile(`<[^>]*>`)
)

// exists reports whether there is what a name of the guide names.
func (g *guideNames) exists(name string) bool {
	if flag, ok := strings.CutPrefix(name, "--"); ok {
		flag, _, _ = strings.Cut(flag, "=")
		return g.hasFlag(flag)
	}
	if field, value, ok := strings.Cut(name, ": "); ok && g.hasField(field) {
		return value == "{}" || value == "true" || g.literals[value]
	}
	if condition, status, ok := strings.Cut(name, "="); ok && constant.MatchString(condition) {
		return g.literals[condition] && (status == "True" || status == "False")
	}
	if label, value, ok := strings.Cut(name, "="); ok {
		// A label of a metric and its value.
		return g.literals[label] && g.literals[value]
	}
	switch {
	case g.hasField(name), g.fields[name], slices.Contains(g.columns, name):
		return true
	case strings.HasPrefix(name, "spec."), strings.HasPrefix(name, "status."), strings.Contains(name, "[]"), fieldName.MatchString(name):
		return false
	case constant.MatchString(name):
		return g.literals[name]
	case strings.HasPrefix(name, manifestsPrefix):
		_, err := os.Stat("../../" + name)
		return err == nil
	}
	if metric, ok := strings.CutPrefix(name, "bailiwick_"); ok {
		return slices.ContainsFunc([]string{"", "openbao_", "openbao_backup_"}, func(subsystem string) bool {
			name, ok := strings.CutPrefix(metric, subsystem)
			return ok && g.literals[name]
		})
	}
	// The name of something else, perhaps composed: every part of it is in the code or in
	// the manifests, as a whole word.
	parts := placeholder.Split(name, -1)
	for i, part := range parts {
		if !g.inSource(part, i == 0, i == len(parts)-1) {
			return false
		}
	}
	return true
}

// inSource reports whether the code or the manifests have a text, where a word starts or
// ends if that is asked for.
func (g *guideNames) inSource(text string, start, end bool) bool {
	rest := g.source
	for last := byte(0); ; {
		at := strings.Index(rest, text)
		if at < 0 {
			return false
		}
		if at > 0 {
			last = rest[at-1]
		}
		next := byte(0)
		if at+len(text) < len(rest) {
			next = rest[at+len(text)]
		}
		if (!start || !inWord(last)) && (!end || !inWord(next)) {
			return true
		}
		last, rest = rest[at], rest[at+1:]
	}
}

func inWord(c byte) bool {
	return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Every field, reason, flag, annotation, metric, policy, account and path that the guide
// names exists, so that a change of one of them changes the guide.
func TestGuideNames(t *testing.T) {
	t.Parallel()
	g := newGuideNames(t)
	for name, want := range map[string]bool{
		"spec.authorization.mode": true, "spec.authorization.mod": false, "mode": true, "spec.<job>.jwtAuthRole": true,
		"spec.<job>.schedule": false, "identities[].alsoAccepts": true, "identities[].alsoAccept": false,
		"AdminTokenRequired": true, "AudienceClaimed": false, "AuthorizationReady=False": true, "AuthorizationReady=No": false,
		"--poll-interval": true, "--openbao-poll": false, "bailiwick.dev/refresh": true, "bailiwick.dev/refreshes": false,
		"bailiwick-decoy": true, "bailiwick-deco": false, "<name>-backup-serviceaccount": true, "<name>-copy-serviceaccount": false,
		"bailiwick_openbao_drift": true, "bailiwick_openbao_proved": false, "manifests/baze": false,
		"spec.authorization.profile: Document": true, "spec.authorization.profile: Documents": false, "PROVED": true, "PROVEN": false,
	} {
		if got := g.exists(name); got != want {
			t.Errorf("%s exists: %t, want %t", name, got, want)
		}
	}

	found, text := fences(t, openBaoGuide)
	more, rest := fences(t, openBaoReference)
	found, text = append(found, more...), text+rest
	used := map[string]bool{}
	var strange []string
	for _, names := range notOurs {
		strange = append(strange, names...)
	}
	commands := ""
	for _, match := range codeSpan.FindAllStringSubmatch(text, -1) {
		name := strings.ReplaceAll(match[1], "\n", " ")
		switch {
		case slices.Contains(strange, name):
			used[name] = true
		case strings.Contains(name, "kubectl ") || strings.HasPrefix(name, "bao "):
			commands += name + "\n"
		case !g.exists(name):
			t.Errorf("There is no %s", name)
		}
	}
	for _, name := range strange {
		if !used[name] {
			t.Errorf("%s is not in the guide any more", name)
		}
	}
	for _, block := range found {
		commands += block.Code
	}
	for _, path := range manifestPath.FindAllString(commands, -1) {
		if _, err := os.Stat("../../" + path); err != nil {
			t.Errorf("A command names what is not there: %v", err)
		}
	}
	for _, name := range regexp.MustCompile(`bailiwick\.dev/[a-z-]+`).FindAllString(commands, -1) {
		if !g.exists(name) {
			t.Errorf("A command names %s, which does not exist", name)
		}
	}
}

// Every link of the guides within the repository leads to a file and a heading.
func TestGuideLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range allGuides(t) {
		_, text := fences(t, page)
		// What looks like a link within code, a pattern for instance, is none.
		text = codeSpan.ReplaceAllString(text, "")
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			path, heading, _ := strings.Cut(match[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if heading != "" && !slices.Contains(anchors(t, target), heading) {
				t.Errorf("%s: %s has no heading %s", page, target, heading)
			}
		}
	}
}

// anchors are the headings of a file, as links name them.
func anchors(t testing.TB, path string) []string {
	t.Helper()
	_, text := fences(t, path)
	var found []string
	seen := map[string]int{}
	for line := range strings.SplitSeq(text, "\n") {
		title := strings.TrimLeft(line, "#")
		if title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		title = regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
		anchor := strings.ReplaceAll(title, " ", "-")
		if n := seen[anchor]; n > 0 {
			found = append(found, fmt.Sprintf("%s-%d", anchor, n))
		} else {
			found = append(found, anchor)
		}
		seen[anchor]++
	}
	return found
}
