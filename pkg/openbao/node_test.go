// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestProbeNode(t *testing.T) {
	const id = "11111111-2222-3333-4444-555555555555"
	for name, c := range map[string]struct {
		status int
		body   string
		want   Health
		class  Class
	}{
		"active":  {200, active, Health{Initialized: true, Version: "2.6.2", ClusterID: id}, ""},
		"standby": {299, `{"initialized":true,"sealed":false,"standby":true,"version":"2.6.2","cluster_id":"` + id + `"}`, Health{Initialized: true, Standby: true, Version: "2.6.2", ClusterID: id}, ""},
		"sealed":  {299, `{"initialized":true,"sealed":true,"standby":true,"version":"2.6.2"}`, Health{Initialized: true, Sealed: true, Standby: true, Version: "2.6.2"}, ""},
		"sealed, by a proxy that knows no 299": {
			503, `{"initialized":true,"sealed":true,"standby":true,"version":"2.6.2"}`, Health{Initialized: true, Sealed: true, Standby: true, Version: "2.6.2"}, "",
		},
		"uninitialized":    {299, `{"initialized":false,"sealed":true,"standby":true,"version":"2.6.2"}`, Health{Sealed: true, Standby: true, Version: "2.6.2"}, ""},
		"no health":        {404, `{"errors":[]}`, Health{}, Unknown},
		"a page":           {200, `<html>`, Health{}, Unknown},
		"half of a health": {200, `{"initialized":true,"sealed":false}`, Health{}, Unknown},
		"a cluster id that is none": {
			200, `{"initialized":true,"sealed":false,"standby":false,"cluster_id":"<script>"}`, Health{}, Unknown,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var asked string
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.String()
				answer(c.status, c.body)(w, r)
			}))
			t.Cleanup(server.Close)
			node, err := ProbeNode(t.Context(), Options{Address: server.URL, CABundle: certificateOf(server), AllowLocal: true})
			if c.class != "" {
				if ClassOf(err) != c.class {
					t.Fatalf("got class %q of %v, want %q", ClassOf(err), err, c.class)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if node.Health != c.want {
				t.Errorf("got %+v, want %+v", node.Health, c.want)
			}
			if want := server.Certificate(); node.CertificateSerial != want.SerialNumber.Text(16) || !node.NotAfter.Equal(want.NotAfter) {
				t.Errorf("got the certificate %s until %s", node.CertificateSerial, node.NotAfter)
			}
			if asked != "/v1/"+healthPath+"?"+healthCodes {
				t.Errorf("the server was asked for %s", asked)
			}
		})
	}
}

func TestProbeNodeWithoutAnswer(t *testing.T) {
	server := httptest.NewTLSServer(answer(200, active))
	other, _ := selfSigned(t, "other")
	if _, err := ProbeNode(t.Context(), Options{Address: server.URL, CABundle: other, AllowLocal: true}); ClassOf(err) != Untrusted {
		t.Errorf("with another CA: got class %q of %v", ClassOf(err), err)
	}
	if _, err := ProbeNode(t.Context(), Options{Address: server.URL, CABundle: certificateOf(server)}); err == nil {
		t.Error("a server on this machine was asked")
	}
	ca := certificateOf(server)
	server.Close()
	if _, err := ProbeNode(t.Context(), Options{Address: server.URL, CABundle: ca, AllowLocal: true}); ClassOf(err) != Unavailable {
		t.Errorf("refused: got class %q of %v", ClassOf(err), err)
	}
}

// reads serves answers by path, and fails the test for any other.
func reads(t *testing.T, path, body string) *Client {
	return start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/"+path {
			t.Errorf("the path %s was read", r.URL.Path)
		}
		answer(200, body)(w, r)
	})
}

func TestPeers(t *testing.T) {
	const path = "sys/storage/raft/configuration"
	peers, err := reads(t, path, `{"data":{"config":{"index":41,"servers":[
		{"node_id":"prod-0","address":"prod-0.prod.ns.svc:8201","leader":true,"voter":true,"protocol_version":"3"},
		{"node_id":"prod-1","address":"prod-1.prod.ns.svc:8201","leader":false,"voter":false}]}}}`).Peers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Peer{{ID: "prod-0", Address: "prod-0.prod.ns.svc:8201", Leader: true, Voter: true}, {ID: "prod-1", Address: "prod-1.prod.ns.svc:8201"}}
	if !slices.Equal(peers, want) {
		t.Errorf("got %+v, want %+v", peers, want)
	}
	if _, err := reads(t, path, `{"data":{"config":[]}}`).Peers(t.Context()); ClassOf(err) != Unknown {
		t.Errorf("garbage: got class %q of %v", ClassOf(err), err)
	}
}

func TestAutopilot(t *testing.T) {
	const path = "sys/storage/raft/autopilot/state"
	// The index is larger than a float64 can hold exactly.
	state, err := reads(t, path, `{"data":{"healthy":true,"failure_tolerance":1,"leader":"prod-0","servers":{
		"prod-0":{"healthy":true,"last_index":9007199254740993,"status":"leader"},"prod-1":{"healthy":false,"last_index":7}}}}`).Autopilot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(state.Servers, func(a, b AutopilotServer) int { return strings.Compare(a.ID, b.ID) })
	want := Autopilot{Healthy: true, FailureTolerance: 1, Servers: []AutopilotServer{
		{ID: "prod-0", Healthy: true, LastIndex: 9007199254740993}, {ID: "prod-1", LastIndex: 7},
	}}
	if !reflect.DeepEqual(state, want) {
		t.Errorf("got %+v, want %+v", state, want)
	}
	if _, err := reads(t, path, `{"data":{"servers":"none"}}`).Autopilot(t.Context()); ClassOf(err) != Unknown {
		t.Errorf("garbage: got class %q of %v", ClassOf(err), err)
	}
}

// recorded is a request that a test server received.
type recorded struct {
	method, path, token string
	body                map[string]any
}

func recording(t *testing.T, into *recorded, status int, body string) *Client {
	return startRaw(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/"+healthPath {
			answer(200, active)(w, r)
			return
		}
		raw, _ := io.ReadAll(r.Body)
		*into = recorded{method: r.Method, path: r.URL.Path, token: r.Header.Get("X-Vault-Token")}
		_ = json.Unmarshal(raw, &into.body)
		answer(status, body)(w, r)
	})
}

func TestWriteAutopilot(t *testing.T) {
	var got recorded
	if err := recording(t, &got, 204, "").WriteAutopilot(t.Context(), map[string]any{"min_quorum": 3}); err != nil {
		t.Fatal(err)
	}
	if got.path != "/v1/sys/storage/raft/autopilot/configuration" || got.token != secret || !reflect.DeepEqual(got.body, map[string]any{"min_quorum": float64(3)}) {
		t.Errorf("got the request %+v", got)
	}
}

func TestInit(t *testing.T) {
	request := InitRequest{Shares: 2, Threshold: 2, PGPKeys: []string{"a", "b"}}
	for name, c := range map[string]struct {
		status int
		body   string
		class  Class
		shares []string
	}{
		"initialized":            {200, `{"root_token":"root","recovery_keys_base64":["x","y"]}`, "", []string{"x", "y"}},
		"no root token":          {200, `{"recovery_keys_base64":["x","y"]}`, Unavailable, nil},
		"initialized before":     {400, `{"errors":["Vault is already initialized"]}`, Invalid, nil},
		"no answer that is JSON": {200, `<html>`, Unknown, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got recorded
			answer, err := recording(t, &got, c.status, c.body).Init(t.Context(), request)
			if ClassOf(err) != c.class {
				t.Fatalf("got class %q of %v, want %q", ClassOf(err), err, c.class)
			}
			if got.path != "/v1/sys/init" || got.token != "" {
				t.Errorf("the request to %s has the token %q", got.path, got.token)
			}
			want := map[string]any{"recovery_shares": float64(2), "recovery_threshold": float64(2), "recovery_pgp_keys": []any{"a", "b"}}
			for field, value := range want {
				if !reflect.DeepEqual(got.body[field], value) {
					t.Errorf("the request has %s=%v, want %v", field, got.body[field], value)
				}
			}
			var shares []string
			for _, share := range answer.Shares {
				shares = append(shares, string(share.Reveal()))
			}
			if !slices.Equal(shares, c.shares) || c.class == "" && string(answer.RootToken.Reveal()) != "root" {
				t.Errorf("got the shares %v", shares)
			}
		})
	}
}
