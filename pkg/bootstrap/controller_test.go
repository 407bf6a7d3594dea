// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2/ktesting"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// wait returns what arrives on c, or fails after a time that only a hang takes.
func wait[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func TestRun(t *testing.T) {
	f := newFixture(t)
	f.runs = true
	served := make(chan struct{})
	f.controller.life.Await = func(ctx context.Context, resource schema.GroupVersionResource) error {
		if resource != Resource {
			t.Errorf("waits for %s", resource)
		}
		select {
		case <-served:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	_, ctx := ktesting.NewTestContext(t)
	drain := make(chan struct{})
	done := make(chan error)
	go func() { done <- f.controller.Run(ctx, drain) }()
	if !f.controller.HasSynced() {
		t.Error("a kind that is not served holds up readiness")
	}
	f.create("prod", 0, inMode(openbaov1alpha1.AuthorizationEnforce))
	close(served)
	if event := wait(t, "the first event", f.events.Events); !strings.HasPrefix(event, "Normal Applied") {
		t.Errorf("got event %q", event)
	}
	if log := f.server().takeLog(); count(log, "Login "+bootstrapperRole) != 2 || count(log, "Logout "+bootstrapperRole) != 1 {
		t.Errorf("logins are %q, want one that is held, and one of a proof", log)
	}
	if !f.controller.HasSynced() {
		t.Error("not synced after a sync")
	}
	close(drain)
	if err := wait(t, "the end of Run", done); err != nil {
		t.Errorf("Run: %v", err)
	}
	if got := f.server().sessions; len(got) > 0 {
		t.Errorf("sessions outlive Run: %v", got)
	}
}

func TestRunEndsWhileItWaits(t *testing.T) {
	f := newFixture(t)
	f.controller.life.Await = func(ctx context.Context, _ schema.GroupVersionResource) error {
		<-ctx.Done()
		return ctx.Err()
	}
	_, ctx := ktesting.NewTestContext(t)
	drain, done := make(chan struct{}), make(chan error)
	go func() { done <- f.controller.Run(ctx, drain) }()
	close(drain)
	if err := wait(t, "the end of Run", done); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestUpdatesThatEnqueue checks that the echo of our own status is no reason to
// work, and that what a person changes is.
func TestUpdatesThatEnqueue(t *testing.T) {
	for name, tc := range map[string]struct {
		mutate func(*openbaov1alpha1.OpenBaoCluster)
		want   int
	}{
		"status": {func(c *openbaov1alpha1.OpenBaoCluster) { c.Status.ObservedGeneration = 9 }, 0},
		"kubectl's annotation": {func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
		}, 0},
		"spec": {func(c *openbaov1alpha1.OpenBaoCluster) { c.Generation++ }, 1},
		"annotation": {func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Annotations = map[string]string{reconcile.AnnotationRefresh: "1"}
		}, 1},
		"namesake":          {func(c *openbaov1alpha1.OpenBaoCluster) { c.UID = "other" }, 1},
		"a server is to go": {func(c *openbaov1alpha1.OpenBaoCluster) { c.Status.Membership = leaves("prod-2", nil) }, 1},
		"a server has gone": {func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Status.Membership = leaves("prod-2", &metav1.Time{})
		}, 0},
		"no server of it is to go": {func(c *openbaov1alpha1.OpenBaoCluster) { c.Status.Membership = leaves("other-2", nil) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) { c.Status.Initialized = new(true) })
			changed := f.get("prod").DeepCopy()
			tc.mutate(changed)
			f.controller.handlers().OnUpdate(f.get("prod"), changed)
			if got := f.controller.loop.Len(); got != tc.want {
				t.Errorf("%d objects are queued, want %d", got, tc.want)
			}
		})
	}
}

// leaves is the status of a cluster that one server leaves.
func leaves(server string, removedAt *metav1.Time) *openbaov1alpha1.MembershipStatus {
	return &openbaov1alpha1.MembershipStatus{Removing: &openbaov1alpha1.RemovingStatus{Server: server, RemovedAt: removedAt}}
}

// TestStatusOfOthersStays checks that conditions and fields of another operator
// are neither applied nor lost.
func TestStatusOfOthersStays(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Status.Conditions = []metav1.Condition{{Type: "Available", Status: metav1.ConditionTrue, Reason: "AllReplicasReady", LastTransitionTime: metav1.Now()}}
	})
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if c := meta.FindStatusCondition(f.get("prod").Status.Conditions, "Available"); c == nil || c.Status != metav1.ConditionTrue {
		t.Errorf("the condition of another is %+v", c)
	}
	applies := 0
	for _, action := range f.clusters.Actions() {
		patch, ok := action.(clienttesting.PatchActionImpl)
		if !ok {
			continue
		}
		applies++
		if patch.Subresource != "status" || strings.Contains(string(patch.Patch), "Available") || strings.Contains(string(patch.Patch), "finalizers") {
			t.Errorf("applied to %q: %s", patch.Subresource, patch.Patch)
		}
		if patch.PatchOptions.FieldManager != FieldManager || !*patch.PatchOptions.Force {
			t.Errorf("applied with %+v", patch.PatchOptions)
		}
		var body struct{ Metadata struct{ UID string } }
		if err := json.Unmarshal(patch.Patch, &body); err != nil || body.Metadata.UID != "uid-prod" {
			t.Errorf("applied without UID: %s (%v)", patch.Patch, err)
		}
	}
	if applies == 0 {
		t.Error("nothing was applied")
	}
}

func TestNamesakeIsLeftAlone(t *testing.T) {
	for name, err := range map[string]error{
		"gone": apierrors.NewNotFound(Resource.GroupResource(), "prod"),
		"other object": &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonInvalid, Details: &metav1.StatusDetails{
			Causes: []metav1.StatusCause{{Field: "metadata.uid"}},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0)
			f.clusters.PrependReactor("patch", "openbaoclusters", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, err
			})
			if outcome := f.sync("prod"); outcome != reconcile.Done() {
				t.Errorf("got outcome %+v", outcome)
			}
			if got := f.server().takeWrites(); len(got) > 0 {
				t.Errorf("wrote for an object that is gone: %q", got)
			}
		})
	}
}

func TestDeletedObjectIsLeftAlone(t *testing.T) {
	f := newFixture(t)
	now := metav1.Now()
	f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.DeletionTimestamp, c.Finalizers = &now, []string{"someone.else/finalizer"}
	})
	if outcome := f.sync("prod"); outcome != reconcile.Done() {
		t.Errorf("got outcome %+v", outcome)
	}
	if len(f.opts) > 0 || len(f.get("prod").Status.Conditions) > 0 {
		t.Error("worked on an object that is being deleted")
	}
	if outcome := f.controller.sync(t.Context(), cache.NewObjectName("ns", "absent")); outcome != reconcile.Done() {
		t.Errorf("absent: got outcome %+v", outcome)
	}
}

// TestIssuer checks that keys are read from the API server itself, whatever the
// discovery document points to.
func TestIssuer(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the jwks_uri was followed")
	}))
	defer elsewhere.Close()
	document := `{"issuer":"https://issuer.example","jwks_uri":"` + elsewhere.URL + `/keys"}`
	const jwks = `{"keys":[{"kty":"EC","kid":"k1","crv":"P-256","alg":"ES256","use":"sig",
		"x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},{"kty":"X","kid":"k2"}]}`
	for name, tc := range map[string]struct {
		document, jwks string
		status         int
		fails          bool
	}{
		"good":         {document: document, jwks: jwks},
		"no issuer":    {document: `{}`, jwks: jwks, fails: true},
		"no document":  {document: `<html>`, jwks: jwks, fails: true},
		"no keys":      {document: document, jwks: `<html>`, fails: true},
		"not allowed":  {document: document, jwks: jwks, status: http.StatusForbidden, fails: true},
		"server error": {document: document, jwks: jwks, status: http.StatusInternalServerError, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tc.status != 0 {
					w.WriteHeader(tc.status)
					return
				}
				switch r.URL.Path {
				case "/.well-known/openid-configuration":
					_, _ = w.Write([]byte(tc.document))
				case "/openid/v1/jwks":
					_, _ = w.Write([]byte(tc.jwks))
				default:
					t.Errorf("asked for %s", r.URL.Path)
				}
			}))
			defer server.Close()
			clients, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			got, err := APIServerIssuer(clients.Discovery().RESTClient())(t.Context())
			if (err != nil) != tc.fails {
				t.Fatalf("got error %v", err)
			}
			if tc.fails {
				return
			}
			if got.URL != "https://issuer.example" || len(got.Keys) != 1 || got.Keys[0].ID != "k1" || len(got.Skipped) != 1 || got.Skipped[0].ID != "k2" {
				t.Errorf("got %+v", got)
			}
		})
	}
}
