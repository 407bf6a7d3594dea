// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	controller "github.com/bailiwick-operator/bailiwick/pkg/controller/aiven"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// The samples work as they are, applied all at once and in any order, and leave
// nothing behind. OpenBaoCluster is only taken by the API server here: it needs
// a server of its own.
func TestSamples(t *testing.T) {
	t.Parallel()
	e := newEnv(t, aivensim.Options{
		Projects: []string{"demo-project"}, Tokens: []aivensim.Token{tokenOwn},
		Timing: aivensim.Timing{ServiceBuild: 500 * time.Millisecond, TopicActive: 100 * time.Millisecond},
	})
	e.start(func(o *app.Options) { o.Controllers = []string{"*", "-OpenBaoCluster"} })
	e.tokenSecret("aiven-token", tokenOwn.Value)
	rendered, err := kubectl(e.ctx, shared, "kustomize", manifests+"/samples-all")
	if err != nil {
		t.Fatalf("%v: %s", err, rendered)
	}
	samples := filepath.Join(t.TempDir(), "samples.yaml")
	filled := strings.NewReplacer(
		"YOUR_ORGANIZATION_ID", aivensim.DefaultOrganizationID,
		"YOUR_ACCOUNT_ID", aivensim.DefaultAccountID,
		"YOUR_BILLING_GROUP_ID", aivensim.DefaultBillingGroupID,
	).Replace(rendered)
	if err := os.WriteFile(samples, []byte(filled), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := kubectl(e.ctx, shared, "apply", "-n", e.ns, "-f", samples); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// The upgrade step names a service of the project that another sample makes.
	e.eventually("the project of the staging service", func() error {
		return e.sim.Console("POST", "/v1/project/demo-staging/service", map[string]any{
			"service_name": "demo-cache", "service_type": "valkey", "plan": "startup-4", "cloud": "google-europe-west1",
		})
	})
	for _, kind := range controller.Kinds() {
		list, err := e.client(kind.Name).List(e.ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) == 0 {
			t.Errorf("there is no sample of %s", kind.Name)
		}
		for _, item := range list.Items {
			e.ready(kind.Name, item.GetName())
		}
	}
	for _, name := range []string{"demo-pg", "demo-kafka", "demo-cache", "demo-orders-pool", "demo-app", "demo-producer"} {
		if _, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, name, metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
	}
	if err := e.sim.Outside("demo-staging", "demo-cache").DeleteService(); err != nil {
		t.Fatal(err)
	}
	if out, err := kubectl(e.ctx, shared, "delete", "-n", e.ns, "-f", samples, "--wait=true", "--timeout=60s"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, o := range e.sim.Objects() {
		if o.Kind != "project" {
			t.Errorf("%s %s %s remains at the simulator", o.Kind, o.Service, o.Name)
		}
	}
}
