// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	controller "github.com/bailiwick-operator/bailiwick/pkg/controller/aiven"
)

// served are the pages of the operator's process, by the server in its log.
var served = map[string][]string{
	"metrics": {
		"/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=1", "/debug/pprof/goroutine?debug=2",
		"/debug/pprof/heap?debug=1", "/debug/pprof/allocs?debug=1", "/debug/pprof/block?debug=1", "/debug/pprof/mutex?debug=1",
		"/debug/pprof/threadcreate?debug=1", "/debug/pprof/heap", "/debug/pprof/trace?seconds=1",
	},
	"health": {"/healthz", "/readyz"},
}

// collectServed adds what the operator's process serves.
func (e *env) collectServed(shown map[string]string) {
	e.Helper()
	for server, pages := range served {
		for _, page := range pages {
			shown[page] = e.page(server, page)
		}
	}
}

// page asks the operator's process for a page, at the address that its log names.
func (e *env) page(server, page string) string {
	e.Helper()
	var address string
	e.eventually("the address of "+server+" in the log", func() error {
		for line := range strings.Lines(e.logs.String()) {
			if m := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line); m != "" && strings.Contains(line, `"Serving"`) && strings.Contains(line, server) {
				address = m
				return nil
			}
		}
		return fmt.Errorf("there is none")
	})
	request, err := http.NewRequestWithContext(e.ctx, http.MethodGet, "http://"+address+page, nil)
	if err != nil {
		e.Fatal(err)
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		e.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		e.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		e.Errorf("%s answers %d: %s", page, response.StatusCode, text)
	}
	return string(text)
}

// secrets returns everything secret that the test's objects rely on, that the
// simulator made, or that went to OpenBao, by what it is.
func (b *baoEnv) secrets() map[string]string {
	b.Helper()
	out := map[string]string{
		"the token own": tokenOwn.Value, "the token other": tokenOther.Value, "the default token": tokenDefault.Value,
		"the root token": b.bao.RootToken,
	}
	for what, value := range planted {
		out[what] = value
	}
	for i, token := range b.tokens {
		out[fmt.Sprintf("admin token %d", i)] = token
	}
	for i, credential := range b.gateway.seen() {
		out[fmt.Sprintf("credential %d at OpenBao", i)] = credential
	}
	for _, sv := range b.sim.Project(project).Services() {
		for _, u := range sv.Users {
			out["the password of "+sv.Name+"/"+u.Username] = u.Password
			if u.AccessKey != "" {
				out["the key of "+sv.Name+"/"+u.Username] = u.AccessKey
				out["the certificate of "+sv.Name+"/"+u.Username] = u.AccessCert
			}
		}
	}
	list, err := b.kube.CoreV1().Secrets(b.ns).List(b.ctx, metav1.ListOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for _, secret := range list.Items {
		if metav1.GetControllerOf(&secret) == nil {
			continue
		}
		for key, value := range secret.Data {
			if strings.HasSuffix(key, "PASSWORD") || strings.HasSuffix(key, "URI") && strings.Contains(string(value), "@") {
				out["key "+key+" of Secret "+secret.Name] = string(value)
			}
		}
	}
	return out
}

// formsOf returns how a secret may be written.
func formsOf(secret string) map[string]string {
	forms := map[string]string{
		"as it is":      secret,
		"in base64":     base64.StdEncoding.EncodeToString([]byte(secret)),
		"in a URL":      url.QueryEscape(secret),
		"in a path":     url.PathEscape(secret),
		"in URL base64": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"in JSON":       inJSON(secret),
		"in JSON again": inJSON(inJSON(secret)),
		"quoted":        strings.Trim(fmt.Sprintf("%q", secret), `"`),
	}
	switch {
	case strings.Contains(secret, "\n"):
		// PEM, whose lines may be joined in any way: one from the middle tells.
		lines := strings.Split(strings.TrimSpace(secret), "\n")
		forms["a line of it"] = lines[len(lines)/2]
	case len(secret) >= 20 && !strings.Contains(secret, "://"):
		forms["its second half"] = secret[len(secret)/2:]
	}
	return forms
}

func inJSON(text string) string {
	quoted, _ := json.Marshal(text) // a string always marshals
	return string(quoted[1 : len(quoted)-1])
}

// planting are the fields of specs in which the test itself plants secrets.
var planting = map[string][]string{
	"KafkaConnector":             {"userConfig"},
	"PostgreSQL":                 {"userConfig"},
	"ServiceIntegrationEndpoint": {"datadog", "rsyslog", "externalKafka", "externalOpensearchLogs"},
}

// collectShown adds what objects, events and the metadata of Secrets show.
func (e *env) collectShown(shown map[string]string) {
	e.Helper()
	for _, kind := range controller.Kinds() {
		list, err := e.client(kind.Name).List(e.ctx, metav1.ListOptions{})
		if err != nil {
			e.Fatal(err)
		}
		for _, item := range list.Items {
			for _, field := range planting[kind.Name] {
				unstructured.RemoveNestedField(item.Object, "spec", field)
			}
		}
		shown[kind.Resource] = encode(e, list)
	}
	clusters, err := e.api.OpenBaoV1alpha1().OpenBaoClusters(e.ns).List(e.ctx, metav1.ListOptions{})
	if err != nil {
		e.Fatal(err)
	}
	shown["openbaoclusters"] = encode(e, clusters)
	events, err := e.kube.CoreV1().Events(e.ns).List(e.ctx, metav1.ListOptions{})
	if err != nil {
		e.Fatal(err)
	}
	shown["events"] = encode(e, events)
	secrets, err := e.kube.CoreV1().Secrets(e.ns).List(e.ctx, metav1.ListOptions{})
	if err != nil {
		e.Fatal(err)
	}
	for i := range secrets.Items {
		secrets.Items[i].Data = nil
	}
	shown["the metadata of Secrets"] = encode(e, secrets)
	configMaps, err := e.kube.CoreV1().ConfigMaps(e.ns).List(e.ctx, metav1.ListOptions{})
	if err != nil {
		e.Fatal(err)
	}
	shown["configmaps"] = encode(e, configMaps)
}

// checkShown checks that there is something to find secrets in.
func (e *env) checkShown(shown map[string]string) {
	e.Helper()
	for where, parts := range map[string][]string{
		// Bodies of requests and answers, and the headers with the token.
		"log": {
			"Request Body", "Response Body", "[withheld]", "Authorization", e.ns + "/own", "serviceaccounts/bailiwick-bootstrapper/token",
			"no sense: token [redacted]", "quoting ", "Authorization: aivenv1 [redacted]",
		},
		"/metrics":                       {"bailiwick_"},
		"/debug/pprof/cmdline":           {"--profiling"},
		"/debug/pprof/goroutine?debug=2": {"goroutine "},
		"/readyz":                        {"[+]"},
		"valkeys":                        {"TokenRejected", "MalformedToken", "generation-was-processed", "managedFields"},
		"serviceusers":                   {"chosen-user"},
		"serviceintegrationendpoints":    {"rsyslog"},
		"openbaoclusters":                {"signingKeys", "Applied"},
		"events":                         {"TokenRejected"},
		"the metadata of Secrets":        {"bailiwick-publisher"},
	} {
		for _, part := range parts {
			if !strings.Contains(shown[where], part) {
				e.Errorf("%s has no %q: the test searches the wrong place", where, part)
			}
		}
	}
}
