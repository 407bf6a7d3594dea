// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"encoding/json"
	"net/http"
)

// serveAdmin shows the state and the request log of a demo. Neither holds a
// password or a token.
func (s *Server) serveAdmin(w http.ResponseWriter, r *http.Request) {
	var out any
	switch {
	case r.Method != http.MethodGet:
		write(w, errorAnswer(errf(http.StatusMethodNotAllowed, "only GET")))
		return
	case r.URL.Path == "/_sim/state":
		out = s.stateView()
	case r.URL.Path == "/_sim/requests":
		out = s.Requests()
	default:
		write(w, errorAnswer(notFound("only /_sim/state and /_sim/requests")))
		return
	}
	body, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		write(w, errorAnswer(err))
		return
	}
	write(w, answer{status: http.StatusOK, body: append(body, '\n')})
}

// serviceSummary is one service in the demo's state.
type serviceSummary struct {
	Project string `json:"project"`
	Service string `json:"service"`
	Type    string `json:"type"`
	Plan    string `json:"plan"`
	Cloud   string `json:"cloud"`
	State   string `json:"state"`
}

func (s *Server) stateView() any {
	objects := s.Objects()
	services := []serviceSummary{}
	for _, o := range objects {
		if o.Kind != "service" {
			continue
		}
		if sv, ok := s.Project(o.Project).Service(o.Service); ok {
			services = append(services, serviceSummary{sv.Project, sv.Name, sv.Type, sv.Plan, sv.Cloud, sv.State})
		}
	}
	return map[string]any{"objects": objects, "services": services}
}
