// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// writeKey is a kind of write to the API server: the verb as its metrics name
// it, and the resource with its subresource.
type writeKey struct{ verb, resource string }

// writes counts writes to the API server.
type writes map[writeKey]int

// minus returns the counts that are larger than those of other, less them.
func (w writes) minus(other writes) writes {
	out := maps.Clone(w)
	for key, n := range other {
		out[key] -= n
	}
	maps.DeleteFunc(out, func(_ writeKey, n int) bool { return n <= 0 })
	return out
}

// total adds up the counts that which selects.
func (w writes) total(which func(writeKey) bool) int {
	n := 0
	for key, count := range w {
		if which(key) {
			n += count
		}
	}
	return n
}

// String lists the counts, the largest first.
func (w writes) String() string {
	keys := slices.SortedFunc(maps.Keys(w), func(a, b writeKey) int {
		if d := w[b] - w[a]; d != 0 {
			return d
		}
		return strings.Compare(a.resource+a.verb, b.resource+b.verb)
	})
	var parts []string
	for _, key := range keys {
		parts = append(parts, fmt.Sprintf("%d %s %s", w[key], key.verb, key.resource))
	}
	return strings.Join(parts, ", ")
}

func isEvent(k writeKey) bool { return k.resource == "events" }
func anyWrite(writeKey) bool  { return true }

// uncounted are resources whose writes are no work on objects: leases, and
// questions that have the form of a write and store nothing.
var uncounted = []string{"leases", "selfsubjectaccessreviews", "subjectaccessreviews", "tokenreviews", "serviceaccounts/token"}

// kubeWrites reads from the API server how many writes it has served since its
// start, those of the driver left out.
func (w *world) kubeWrites(ctx context.Context) (writes, error) {
	body, err := w.send(ctx, http.MethodGet, "/metrics", "", nil)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(onlyFamily(body, requestsMetric))
	if err != nil {
		return nil, err
	}
	out := writes{}
	for _, metric := range families[requestsMetric].GetMetric() {
		labels := labelsOf(metric)
		key := writeKey{verb: labels["verb"], resource: labels["resource"]}
		if labels["subresource"] != "" {
			key.resource += "/" + labels["subresource"]
		}
		if labels["dry_run"] != "" {
			key.verb += " (dry run)"
		}
		switch labels["verb"] {
		case "POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION":
			if !slices.Contains(uncounted, key.resource) {
				out[key] += int(metric.GetCounter().GetValue())
			}
		}
	}
	return out.minus(w.own.get()), nil
}

const requestsMetric = "apiserver_request_total"

// onlyFamily leaves the lines of one metric, a small part of all.
func onlyFamily(text []byte, name string) *bytes.Reader {
	var out []byte
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(line, []byte(name))
		if ok && rest[0] == '{' || bytes.HasPrefix(line, []byte("# TYPE "+name+" ")) {
			out = append(out, line...)
		}
	}
	return bytes.NewReader(out)
}

func labelsOf(metric *dto.Metric) map[string]string {
	out := map[string]string{}
	for _, pair := range metric.GetLabel() {
		out[pair.GetName()] = pair.GetValue()
	}
	return out
}
