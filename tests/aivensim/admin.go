// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// serveAdmin answers the requests of a demo that are about the simulator itself.
// State and request log hold no password and no token.
func (s *Server) serveAdmin(w http.ResponseWriter, r *http.Request) {
	out, err := s.admin(w, r)
	if err != nil {
		write(w, errorAnswer(err))
		return
	}
	body, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		write(w, errorAnswer(err))
		return
	}
	write(w, answer{status: http.StatusOK, body: append(body, '\n')})
}

func (s *Server) admin(w http.ResponseWriter, r *http.Request) (any, error) {
	switch r.Method + " " + r.URL.Path {
	case "GET /_sim/state":
		return s.stateView(), nil
	case "GET /_sim/requests":
		return s.Requests(), nil
	case "POST /_sim/console":
		var change consoleChange
		if err := decodeStrictly(w, r, &change); err != nil {
			return nil, err
		}
		return change.carryOut(s)
	case "POST /_sim/faults":
		var wanted wantedFault
		if err := decodeStrictly(w, r, &wanted); err != nil {
			return nil, err
		}
		return wanted.inject(s)
	case "DELETE /_sim/faults":
		s.ClearFaults()
		return map[string]string{"message": "no faults"}, nil
	}
	return nil, notFound("only GET /_sim/state, GET /_sim/requests, POST /_sim/console, and POST and DELETE /_sim/faults")
}

// decodeStrictly reads one JSON value, all of whose fields must be known.
func decodeStrictly(w http.ResponseWriter, r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequestBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return badRequest("the body: %v", err)
	}
	if decoder.More() {
		return badRequest("the body has more than one value")
	}
	return nil
}

// consoleChange is one operation of a person at Aiven's console; see Server.Console.
type consoleChange struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body"`
}

func (c consoleChange) carryOut(s *Server) (any, error) {
	var body any
	if len(c.Body) > 0 {
		body = c.Body
	}
	if err := s.Console(cmp.Or(c.Method, http.MethodPost), c.Path, body); err != nil {
		return nil, err
	}
	return map[string]string{"message": "done"}, nil
}

// wantedFault is a Fault as people write it. Durations are as Go writes them, "5s".
type wantedFault struct {
	Name        string  `json:"name"`
	Method      string  `json:"method"`
	Path        string  `json:"path"`
	Operation   string  `json:"operation"`
	Skip        int     `json:"skip"`
	Count       int     `json:"count"`
	Probability float64 `json:"probability"`
	Action      Action  `json:"action"`
	Apply       bool    `json:"apply"`
	Status      int     `json:"status"`
	Message     string  `json:"message"`
	RetryAfter  string  `json:"retry_after"`
}

func (f wantedFault) inject(s *Server) (any, error) {
	actions := []Action{Respond, Hang, Reset, Truncate, TruncateJSON, Slow, HTML, Huge, WrongType, UnknownEnum}
	if f.Action != "" && !slices.Contains(actions, f.Action) {
		return nil, badRequest("the action %q is none of %q", f.Action, actions)
	}
	if _, err := regexp.Compile(f.Path); err != nil {
		return nil, badRequest("the path: %v", err)
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) || f.Skip < 0 || f.Count < 0 || f.Probability < 0 || f.Probability > 1 {
		return nil, badRequest("a status is from 200 to 599, a probability from 0 to 1, and nothing is negative")
	}
	var retryAfter time.Duration
	if f.RetryAfter != "" {
		var err error
		if retryAfter, err = time.ParseDuration(f.RetryAfter); err != nil {
			return nil, badRequest("retry_after: %v", err)
		}
	}
	s.InjectFault(Fault{
		Name: f.Name, Method: f.Method, Path: f.Path, Operation: f.Operation, Skip: f.Skip, Count: f.Count, Probability: f.Probability,
		Action: f.Action, Apply: f.Apply, Status: f.Status, Message: f.Message, RetryAfter: retryAfter,
	})
	return map[string]string{"message": "injected"}, nil
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
