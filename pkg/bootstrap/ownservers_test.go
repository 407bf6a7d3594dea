// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1ac "github.com/bailiwick-operator/bailiwick/generated/applyconfiguration/openbao/v1alpha1"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// activeAddress is that of the active one of the servers that Bailiwick runs for the
// object prod.
const activeAddress = "https://prod-active.ns.svc:8200"

// describesServers makes an object one whose servers Bailiwick runs.
func describesServers(c *openbaov1alpha1.OpenBaoCluster) {
	c.Spec.Authorization = nil
	c.Spec.Version, c.Spec.Profile, c.Spec.Replicas = "2.6.2", openbaov1alpha1.ProfileDevelopment, new(int32(3))
	c.Spec.Storage, c.Spec.TLS = &openbaov1alpha1.StorageSpec{Size: "1Gi"}, &openbaov1alpha1.TLSSpec{Enabled: true}
}

// ownServers returns a fixture with the object prod, whose servers have not started.
func ownServers(t *testing.T, mutate ...func(*openbaov1alpha1.OpenBaoCluster)) *fixture {
	t.Helper()
	f := newFixture(t)
	f.accounts["bailiwick-system/bailiwick-servers"] = nil
	f.create("prod", 0, append([]func(*openbaov1alpha1.OpenBaoCluster){describesServers}, mutate...)...)
	return f
}

// serversReport is what the process that runs the servers writes to the status, which
// always is all that it owns.
func (f *fixture) serversReport(change func(*openbaov1alpha1.OpenBaoClusterStatus)) {
	f.t.Helper()
	live := f.get("prod").Status
	owned := openbaov1alpha1.OpenBaoClusterStatus{Initialized: live.Initialized, ClusterID: live.ClusterID}
	for _, c := range live.Conditions {
		if slices.Contains(summaries, c.Type) && c.Reason != ReasonServersNotRun {
			owned.Conditions = append(owned.Conditions, c)
		}
	}
	change(&owned)
	raw, err := json.Marshal(owned)
	if err != nil {
		f.t.Fatal(err)
	}
	status := openbaov1alpha1ac.OpenBaoClusterStatus()
	if err := json.Unmarshal(raw, status); err != nil {
		f.t.Fatal(err)
	}
	updated, err := f.clusters.OpenBaoV1alpha1().OpenBaoClusters("ns").ApplyStatus(f.t.Context(),
		openbaov1alpha1ac.OpenBaoCluster("prod", "ns").WithStatus(status), metav1.ApplyOptions{FieldManager: "bailiwick-servers", Force: true})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.informer.GetIndexer().Update(updated); err != nil {
		f.t.Fatal(err)
	}
}

// summaries are the conditions that sum up everything.
var summaries = []string{openbaov1alpha1.ConditionReady, openbaov1alpha1.ConditionClusterLifecycle}

// says sets the conditions that sum up everything.
func says(status metav1.ConditionStatus, reason string) func(*openbaov1alpha1.OpenBaoClusterStatus) {
	return func(s *openbaov1alpha1.OpenBaoClusterStatus) {
		for _, conditionType := range summaries {
			meta.SetStatusCondition(&s.Conditions, metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: "Said by who runs the servers.", ObservedGeneration: 1})
		}
	}
}

// firstStart has the servers of prod initialize themselves with the contract.
func (f *fixture) firstStart() {
	f.t.Helper()
	srv := newServer("id-own")
	f.servers[activeAddress] = srv
	f.secret("prod-tls-server", map[string]string{"ca.crt": testCA})
	contract, err := authz.Desired(f.get("prod"), authz.Inputs{
		Issuer: f.issuer.URL, Keys: f.issuer.Keys, Audience: f.audienceOf("prod"), RunsServers: true,
		OperatorSubject:     authz.ServiceAccountSubject("bailiwick-system", "bailiwick"),
		ServersSubject:      authz.ServiceAccountSubject("bailiwick-system", "bailiwick-servers"),
		BootstrapperSubject: authz.ServiceAccountSubject("bailiwick-system", "bootstrapper"),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	srv.tokens["first-start"] = true
	root := &client{fakeServer: srv, token: "first-start"}
	for _, r := range authz.Requests(contract) {
		switch r.Kind {
		case authz.KindMount:
			err = root.EnableAuth(f.t.Context(), contract.Mount.Path, openbao.Mount{Type: contract.Mount.Type, Description: contract.Mount.Description})
		case authz.KindConfig:
			err = root.WriteConfig(f.t.Context(), contract.Mount.Path, r.Data)
		case authz.KindPolicy:
			text, _ := r.Data["policy"].(string)
			err = root.WritePolicy(f.t.Context(), r.Name, text, nil)
		case authz.KindRole:
			err = root.WriteRole(f.t.Context(), contract.Mount.Path, r.Name, r.Data)
		}
		if err != nil {
			f.t.Fatalf("%s %s: %v", r.Kind, r.Name, err)
		}
	}
	root.Close()
	delete(srv.tokens, "first-start")
	srv.takeWrites()
	srv.takeLog()
}

func (f *fixture) condition(conditionType string) metav1.Condition {
	f.t.Helper()
	found := meta.FindStatusCondition(f.get("prod").Status.Conditions, conditionType)
	if found == nil {
		f.t.Fatalf("there is no condition %s", conditionType)
	}
	return *found
}

// waits fails unless the sync before asked nobody for anything.
func (f *fixture) waits() {
	f.t.Helper()
	if got := f.condition(openbaov1alpha1.ConditionAuthorizationReady); got.Status != metav1.ConditionFalse || got.Reason != ReasonServersStarting {
		f.t.Errorf("AuthorizationReady is %s, %s: %s", got.Status, got.Reason, got.Message)
	}
	if len(f.opts) > 0 || f.minted > 0 {
		f.t.Errorf("made %d clients of servers and %d tokens before the servers are initialized", len(f.opts), f.minted)
	}
}

// TestOwnServersAreWaitedFor: nothing is asked of servers before their first start, and
// nothing is written to them after it, since it has written the contract.
func TestOwnServersAreWaitedFor(t *testing.T) {
	for name, mutate := range map[string]func(*openbaov1alpha1.OpenBaoCluster){
		"initialize themselves": selfInit,
		"are initialized":       func(*openbaov1alpha1.OpenBaoCluster) {},
	} {
		t.Run(name, func(t *testing.T) {
			f := ownServers(t, mutate)
			// Servers that are there already show that it is the status which counts.
			f.firstStart()
			f.sync("prod")
			f.waits()
			for _, conditionType := range summaries {
				if got := f.condition(conditionType); got.Status != metav1.ConditionFalse || got.Reason != ReasonServersNotRun ||
					!strings.Contains(got.Message, "kubectl -n bailiwick-system get deployment bailiwick-servers") {
					t.Errorf("%s is %s, %s: %s", conditionType, got.Status, got.Reason, got.Message)
				}
			}
			if f.init() != nil {
				t.Error("the requests of the first start are in a ConfigMap, which is for servers of somebody else")
			}

			f.serversReport(says(metav1.ConditionFalse, "Starting"))
			f.serversReport(func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.ClusterID, s.Initialized = "id-own", new(false) })
			f.sync("prod")
			f.waits()
			for _, conditionType := range summaries {
				if got := f.condition(conditionType); got.Reason != "Starting" {
					t.Errorf("%s of who runs the servers was replaced with %s", conditionType, got.Reason)
				}
			}

			f.serversReport(func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.Initialized = new(true) })
			f.sync("prod")
			if got := f.condition(openbaov1alpha1.ConditionAuthorizationReady); got.Status != metav1.ConditionTrue || got.Reason != ReasonApplied {
				t.Fatalf("AuthorizationReady is %s, %s: %s", got.Status, got.Reason, got.Message)
			}
			for _, o := range f.opts {
				if o.Address != activeAddress || strings.TrimSpace(string(o.CABundle)) != strings.TrimSpace(testCA) {
					t.Errorf("asked %s, with the CA %q", o.Address, o.CABundle)
				}
			}
			if got := f.servers[activeAddress].takeWrites(); len(got) > 0 {
				t.Errorf("wrote %q to servers that hold the contract since their first start", got)
			}
			roles := map[string]openbaov1alpha1.ProofState{}
			for _, i := range f.get("prod").Status.Authorization.Identities {
				roles[i.Role] = i.State
			}
			for _, role := range []string{"openbao-operator", "bailiwick-membership"} {
				if roles[role] != openbaov1alpha1.Proved {
					t.Errorf("the identity of role %s is %q, want %s", role, roles[role], openbaov1alpha1.Proved)
				}
			}
			if got := f.condition(openbaov1alpha1.ConditionReady); got.Reason != "Starting" {
				t.Errorf("Ready of who runs the servers was replaced with %s", got.Reason)
			}
		})
	}
}

// TestWhoRunsTheServers: only an object that describes its servers, and gives no address
// of others, has servers of Bailiwick's; and only by a schema of Bailiwick's.
func TestWhoRunsTheServers(t *testing.T) {
	address := func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization = &openbaov1alpha1.AuthorizationSpec{Address: address, CASecretRef: &openbaov1alpha1.CASecretReference{Name: "ca"}}
	}
	for name, tc := range map[string]struct {
		mutate  func(*openbaov1alpha1.OpenBaoCluster)
		foreign bool
		want    bool
	}{
		"all of it":             {func(*openbaov1alpha1.OpenBaoCluster) {}, false, true},
		"authorization settled": {func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization = &openbaov1alpha1.AuthorizationSpec{} }, false, true},
		"an address":            {address, false, false},
		"no version":            {func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Version = "" }, false, false},
		"no storage":            {func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Storage = nil }, false, false},
		"no TLS":                {func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.TLS = nil }, false, false},
		"another schema":        {func(*openbaov1alpha1.OpenBaoCluster) {}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.foreign = tc.foreign
			f.create("prod", 0, describesServers, tc.mutate)
			task, err := f.controller.newTask(t.Context(), f.get("prod"))
			if err != nil {
				t.Fatal(err)
			}
			if task.runsServers != tc.want {
				t.Errorf("Bailiwick runs the servers: %t, want %t", task.runsServers, tc.want)
			}
			f.sync("prod")
			waits := false
			for _, c := range f.get("prod").Status.Conditions {
				waits = waits || c.Reason == ReasonServersStarting
				if !tc.want && c.Reason == ReasonServersNotRun {
					t.Errorf("%s waits for who runs servers", c.Type)
				}
			}
			if waits != tc.want {
				t.Errorf("waits for the first start: %t, want %t", waits, tc.want)
			}
		})
	}
}

// TestWhoSumsUp: the conditions that sum up everything have one author at any time.
func TestWhoSumsUp(t *testing.T) {
	for name, tc := range map[string]struct {
		mutate    func(*openbaov1alpha1.OpenBaoCluster)
		lifecycle string
		foreign   bool
		want      bool
	}{
		"nobody's yet":                        {describesServers, "", false, true},
		"those of somebody else's servers":    {describesServers, ReasonNotManaged, false, true},
		"its own":                             {describesServers, ReasonServersNotRun, false, true},
		"of who starts the servers":           {describesServers, "Starting", false, false},
		"of who runs the servers":             {describesServers, "Running", false, false},
		"somebody else's servers":             {func(*openbaov1alpha1.OpenBaoCluster) {}, "Running", false, true},
		"another schema":                      {describesServers, "", true, false},
		"another schema, of its own operator": {func(*openbaov1alpha1.OpenBaoCluster) {}, "Running", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.foreign = tc.foreign
			f.create("prod", 0, tc.mutate, func(c *openbaov1alpha1.OpenBaoCluster) {
				if tc.lifecycle != "" {
					c.Status.Conditions = []metav1.Condition{{Type: openbaov1alpha1.ConditionClusterLifecycle, Status: metav1.ConditionFalse, Reason: tc.lifecycle}}
				}
			})
			task, err := f.controller.newTask(t.Context(), f.get("prod"))
			if err != nil {
				t.Fatal(err)
			}
			if got := task.sumsUp(); got != tc.want {
				t.Errorf("sums up: %t, want %t", got, tc.want)
			}
		})
	}
}

// TestFirstStartWakes: the object waits for what the other process writes, and for
// nothing else of it.
func TestFirstStartWakes(t *testing.T) {
	for name, tc := range map[string]struct {
		mutate func(*openbaov1alpha1.OpenBaoClusterStatus)
		want   int
	}{
		"initialized":     {func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.Initialized = new(true) }, 1},
		"not initialized": {func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.Initialized = new(false) }, 0},
		"a cluster":       {func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.ClusterID = "id-2" }, 1},
		"more servers":    {func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.ReadyReplicas = new(int32(2)) }, 0},
		"a condition":     {says(metav1.ConditionFalse, "Starting"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := ownServers(t)
			changed := f.get("prod").DeepCopy()
			tc.mutate(&changed.Status)
			f.controller.handlers().OnUpdate(f.get("prod"), changed)
			if got := f.controller.loop.Len(); got != tc.want {
				t.Errorf("%d objects are queued, want %d", got, tc.want)
			}
		})
	}
}
