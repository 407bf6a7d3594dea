// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/openbao/openbao/api/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

func TestExpectations(t *testing.T) {
	cluster := &openbaov1alpha1.OpenBaoCluster{}
	cluster.Namespace, cluster.Name = "ns", "bao"
	cluster.Spec.Authorization = &openbaov1alpha1.AuthorizationSpec{}
	cluster.Spec.Backup = &openbaov1alpha1.BackupSpec{JWTAuthRole: "Nightly"}
	cluster.Spec.Upgrade = &openbaov1alpha1.UpgradeSpec{Strategy: openbaov1alpha1.UpgradeBlueGreen}
	summary := func() (out []string) {
		for _, e := range expectations(cluster) {
			out = append(out, e.policy+" "+e.role+" "+e.account.String())
		}
		return out
	}
	want := []string{
		"openbao-operator openbao-operator bailiwick-system/bailiwick",
		"openbao-operator-backup nightly ns/bao-backup-serviceaccount",
		"openbao-operator-upgrade openbao-operator-upgrade ns/bao-upgrade-serviceaccount",
	}
	if got := summary(); !slices.Equal(got, want) {
		t.Errorf("expectations %q, want %q", got, want)
	}
	upgrade := func() map[string][]string { return expectations(cluster)[2].capabilities }
	if !slices.Equal(upgrade()["sys/storage/raft/promote"], []string{"update"}) || upgrade()["sys/step-down"] == nil {
		t.Errorf("the rights of a blue/green upgrade are %v", upgrade())
	}
	cluster.Spec.Upgrade.Strategy = openbaov1alpha1.UpgradeRollingUpdate
	if upgrade()["sys/storage/raft/promote"] != nil {
		t.Errorf("the rights of a rolling upgrade are %v", upgrade())
	}
	cluster.Spec.Authorization.OperatorServiceAccount = &openbaov1alpha1.ServiceAccountReference{Name: "other"}
	if got := expectations(cluster)[0].account; got != (account{"ns", "other"}) {
		t.Errorf("the operator is %s", got)
	}
}

func TestCatalogueHasEveryRight(t *testing.T) {
	paths := catalogue()
	for _, rights := range []map[string][]string{operatorRights, backupRights, restoreRights, rollingUpgradeRights, blueGreenRights} {
		for path, capabilities := range rights {
			if !slices.Contains(paths, path) {
				t.Errorf("%s is not in the catalogue", path)
			}
			if !slices.IsSorted(capabilities) {
				t.Errorf("the capabilities on %s are not sorted", path)
			}
		}
	}
	for _, path := range readable {
		if !slices.Contains(paths, path) {
			t.Errorf("%s is read and not in the catalogue", path)
		}
	}
}

// baoClient returns a client of a server that answers as handle does.
func baoClient(t *testing.T, handle http.HandlerFunc) *api.Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	config := api.NewConfig()
	config.DisableEnvironment = true
	config.Address = server.URL
	config.MaxRetries = 0
	client, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// grants returns a server's handler for a token with some rights.
func grants(t *testing.T, rights map[string][]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/v1/")
		if path != "sys/capabilities-self" {
			if !slices.Contains(rights[path], "read") {
				w.WriteHeader(http.StatusForbidden)
			}
			return
		}
		var in struct{ Paths []string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		data := map[string]any{}
		for _, path := range in.Paths {
			data[path] = []string{"deny"}
			if capabilities := rights[path]; capabilities != nil {
				// The server's order is not ours.
				capabilities = slices.Clone(capabilities)
				slices.Reverse(capabilities)
				data[path] = capabilities
			}
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"data": data}); err != nil {
			t.Error(err)
		}
	}
}

func TestCheckRights(t *testing.T) {
	e := expectation{capabilities: rollingUpgradeRights}
	for name, tc := range map[string]struct {
		path         string
		capabilities []string
		wantRights   string
		wantReads    string
	}{
		"exact":          {},
		"one missing":    {snapshot, nil, `"deny"] on sys/storage/raft/snapshot`, "reading sys/storage/raft/snapshot"},
		"less":           {"sys/step-down", []string{"update"}, `"update"] on sys/step-down`, ""},
		"one more":       {"sys/seal", []string{"sudo", "update"}, "on sys/seal", ""},
		"more to read":   {autopilotConfig, []string{"read"}, "on sys/storage/raft/autopilot/configuration", "it read sys/storage/raft/autopilot/configuration"},
		"more on a path": {snapshot, []string{"read", "update"}, "on sys/storage/raft/snapshot", ""},
	} {
		t.Run(name, func(t *testing.T) {
			rights := map[string][]string{}
			for path, capabilities := range rollingUpgradeRights {
				rights[path] = capabilities
			}
			if tc.path != "" {
				rights[tc.path] = tc.capabilities
			}
			client := baoClient(t, grants(t, rights))
			wantError(t, checkCapabilities(t.Context(), client, e), tc.wantRights)
			given, err := tryReads(t.Context(), client, e)
			wantError(t, err, tc.wantReads)
			if tc.wantReads == "" && !slices.Equal(given, []string{autopilotState, snapshot}) {
				t.Errorf("it read %q", given)
			}
		})
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

func TestWantRefusal(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"logged in": {nil, "succeeded"},
		"refused":   {&api.ResponseError{StatusCode: http.StatusBadRequest}, ""},
		"forbidden": {&api.ResponseError{StatusCode: http.StatusForbidden}, ""},
		"broken":    {&api.ResponseError{StatusCode: http.StatusInternalServerError}, "not refused"},
		"no answer": {errors.New("connection refused"), "not refused"},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, wantRefusal(nil, tc.err), tc.want) })
	}
}
