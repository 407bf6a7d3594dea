// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/bailiwick-operator/bailiwick/pkg/version"
)

type object struct{ conditions []metav1.Condition }

func (o *object) Conditions() *[]metav1.Condition { return &o.conditions }

func ready(status metav1.ConditionStatus) *object {
	return &object{[]metav1.Condition{{Type: "Error", Status: "Unknown"}, {Type: "Ready", Status: status}}}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestHandler(t *testing.T) {
	m := New(version.Info{Version: "v1.2.3", Revision: "fedcba", GoVersion: "go1.26.8"})
	m.AivenRequest("ServiceGet", 200, "", 20*time.Millisecond)
	m.AivenRequest("ServiceGet", 404, "NotFound", time.Second)
	m.AivenRequest("ServiceGet", 0, "Unknown", 10*time.Second)
	m.Leading(true)
	if err := m.Register(NewObjects(func() map[string][]any {
		return map[string][]any{"Kafka": {ready("True"), ready("False"), ready("False"), &object{}}}
	})); err != nil {
		t.Fatal(err)
	}
	secrets := m.TokenReads(fake.NewClientset(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b"}}).CoreV1())
	if _, err := secrets.Secrets("a").Get(t.Context(), "b", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.Secrets("a").Get(t.Context(), "absent", metav1.GetOptions{}); err == nil {
		t.Fatal("the error of a read was lost")
	}

	got := scrape(t, m)
	for _, want := range []string{
		`bailiwick_aiven_requests_total{code="2xx",error="",operation="ServiceGet"} 1`,
		`bailiwick_aiven_requests_total{code="4xx",error="NotFound",operation="ServiceGet"} 1`,
		`bailiwick_aiven_requests_total{code="none",error="Unknown",operation="ServiceGet"} 1`,
		`bailiwick_aiven_request_duration_seconds_count{operation="ServiceGet"} 3`,
		`bailiwick_token_secret_reads_total{result="ok"} 1`,
		`bailiwick_token_secret_reads_total{result="not_found"} 1`,
		`bailiwick_objects{kind="Kafka",ready="True"} 1`,
		`bailiwick_objects{kind="Kafka",ready="False"} 2`,
		`bailiwick_objects{kind="Kafka",ready="Unknown"} 1`,
		"\nbailiwick_leader 1\n",
		`bailiwick_build_info{go_version="go1.26.8",revision="fedcba",version="v1.2.3"} 1`,
		`go_goroutines `, // the process-wide registry is served too
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	m.Leading(false)
	if !strings.Contains(scrape(t, m), "\nbailiwick_leader 0\n") {
		t.Error("still leader")
	}
}

// A process may run the operator several times, as tests do.
func TestTwoSetsInOneProcess(t *testing.T) {
	a, b := New(version.Info{}), New(version.Info{})
	a.AivenRequest("ServiceGet", 200, "", time.Second)
	if got := scrape(t, b); strings.Contains(got, "ServiceGet") {
		t.Error("two sets of metrics share a counter")
	}
}
