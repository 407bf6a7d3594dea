// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// connectionKey carries the number of the TCP connection in a request's context.
type connectionKey struct{}

// maxRequestBody is more than any request of the API needs, in bytes.
const maxRequestBody = 4 << 20

// answer is what the API says to one request.
type answer struct {
	status     int
	retryAfter time.Duration
	body       []byte
	applied    bool
}

// serve is the path of every request: account, delay, inject, answer.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if s.opts.Admin && strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.serveAdmin(w, r)
		return
	}
	latency, ok := s.enter()
	if !ok {
		panic(http.ErrAbortHandler)
	}
	defer s.wg.Done()
	start := time.Now()
	name, token, authErr := s.tokens.authenticate(r)
	rt, vars, status := s.router.match(r.Method, r.URL.EscapedPath())
	rec := Request{
		Time: start, Token: name, Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(),
		Project: cmp.Or(vars["project"], vars["project_id"]), Service: vars["service_name"], Unexpected: rt == nil,
	}
	rec.Connection, _ = r.Context().Value(connectionKey{}).(uint64)
	if rt != nil {
		rec.Operation, rec.Mutating = rt.operation, rt.mutating()
	}
	seq := s.ledger.begin(rec)
	var ans answer
	var fault *FaultHandle
	sent, mutating := 0, rec.Mutating
	var said []byte
	// Deferred, as cutting a connection panics with http.ErrAbortHandler.
	defer func() {
		s.ledger.end(seq, name, func(e *Request) {
			e.Status, e.Bytes, e.Applied, e.Mutating, e.Body = ans.status, sent, ans.applied, mutating, said
			if fault != nil {
				e.Fault = fault.fault.Name
			}
			e.Done, e.Duration = true, time.Since(start)
		})
	}()

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		ans = errorAnswer(badRequest("Request body cannot be read"))
		sent = write(w, ans)
		return
	}
	if mutating = rt != nil && rt.mutates(body); mutating {
		said = body
	}
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
	handle := func() answer {
		switch {
		case rt == nil:
			return errorAnswer(errf(status, "No such API route: %s %s", r.Method, r.URL.Path))
		case authErr != nil:
			return errorAnswer(authErr)
		case s.tokens.throttled(token):
			return throttledAnswer()
		}
		if err := s.tokens.authorize(token, cmp.Or(vars["project"], vars["project_id"]), mutating); err != nil {
			return errorAnswer(err)
		}
		return s.apply(rt, &call{actor: name, token: token, vars: vars, query: r.URL.Query(), body: body})
	}
	if fault = s.faults.pick(rec); fault == nil {
		ans = handle()
		sent = write(w, ans)
		return
	}
	ans, sent = s.misbehave(w, r, body, fault, handle)
	if ans.status == 0 {
		panic(http.ErrAbortHandler)
	}
}

// apply runs a handler under the state lock.
func (s *Server) apply(rt *route, c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return errorAnswer(errf(http.StatusServiceUnavailable, "The simulator is closed"))
	}
	c.server, c.now = s, time.Now()
	if c.query == nil {
		c.query = map[string][]string{}
	}
	if err := s.resolve(c); err != nil {
		return errorAnswer(err)
	}
	out, err := rt.handle(c)
	if err != nil {
		return errorAnswer(err)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return errorAnswer(err)
	}
	if rt.mutates(c.body) {
		s.wake()
	}
	return answer{status: http.StatusOK, body: body, applied: true}
}

// resolve finds the project and the service that the path names.
func (s *Server) resolve(c *call) error {
	name, ok := c.vars["project"]
	if !ok {
		return nil
	}
	c.project = s.projects[name]
	if c.project == nil && s.opts.AutoProjects {
		p, err := s.addProjectLocked(name)
		if err != nil {
			return err
		}
		c.project = p
	}
	if c.project == nil {
		return notFound("Project does not exist")
	}
	c.project.settleVPCs(c.now)
	if name, ok = c.vars["service_name"]; ok {
		if c.service = c.project.services[name]; c.service == nil {
			return notFound("Service not found")
		}
		c.service.settle(c.now)
	}
	return nil
}

func errorAnswer(err error) answer {
	var apiErr *apiError
	if !errors.As(err, &apiErr) {
		apiErr = errf(http.StatusInternalServerError, "%v", err)
	}
	// The body is made of strings and numbers, which always marshal.
	body, _ := json.Marshal(apiErr.body())
	return answer{status: apiErr.status, body: body}
}

func throttledAnswer() answer {
	ans := errorAnswer(errf(http.StatusTooManyRequests, "Too many requests"))
	ans.retryAfter = time.Second
	return ans
}

func write(w http.ResponseWriter, ans answer) int {
	setHeaders(w, ans)
	w.WriteHeader(ans.status)
	n, _ := w.Write(ans.body) // the client may be gone; its loss is accounted for
	return n
}

func setHeaders(w http.ResponseWriter, ans answer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(ans.body)))
	if ans.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(max(time.Second, ans.retryAfter.Round(time.Second)).Seconds())))
	}
}
