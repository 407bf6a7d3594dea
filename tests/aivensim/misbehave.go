// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"net/http"
	"time"
)

// misbehave answers a request, whose body was read, in the way of a fault. handle
// carries the operation out; it is called at most once. A zero status means that
// the connection is to be cut.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request, body []byte, h *FaultHandle, handle func() answer) (answer, int) {
	f := h.fault
	var real answer
	applied := f.Apply
	switch f.Action {
	case Truncate, TruncateJSON, Slow, WrongType, UnknownEnum:
		applied = true
	}
	if applied {
		real = handle()
	}
	switch f.Action {
	case Hang:
		if !h.hang(r.Context(), s.ctx) {
			return answer{applied: real.applied}, 0
		}
		if !applied {
			real = handle()
		}
		return real, write(w, real)
	case Reset:
		reset(w)
		return answer{applied: real.applied}, 0
	case Truncate:
		setHeaders(w, real)
		w.WriteHeader(real.status)
		n, _ := w.Write(real.body[:len(real.body)/2])
		flush(w)
		return answer{applied: real.applied}, n
	case TruncateJSON:
		real.body = real.body[:len(real.body)/2]
		return real, write(w, real)
	case WrongType, UnknownEnum:
		real.body = garble(real.body, f.Action, s.faults.draw)
		return real, write(w, real)
	case Slow:
		return real, s.dribble(w, r, real, cmp.Or(f.Delay, 10*time.Millisecond))
	case HTML:
		page := answer{status: cmp.Or(f.Status, http.StatusBadGateway), applied: real.applied,
			body: []byte("<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n")}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(page.status)
		n, _ := w.Write(page.body)
		return page, n
	case Huge:
		huge := answer{status: cmp.Or(f.Status, http.StatusOK), applied: real.applied}
		size := cmp.Or(f.Size, 10<<20)
		head, tail := []byte(`{"message":"`), []byte(`"}`)
		huge.body = append(append(head, bytes.Repeat([]byte("x"), max(0, size-len(head)-len(tail)))...), tail...)
		return huge, write(w, huge)
	default:
		status := cmp.Or(f.Status, http.StatusInternalServerError)
		message := cmp.Or(f.Message, "An error occurred: "+http.StatusText(status))
		if f.Echo {
			message += fmt.Sprintf(" (Authorization: %s; body: %s)", r.Header.Get("Authorization"), body)
		}
		ans := errorAnswer(errf(status, "%s", message))
		ans.retryAfter, ans.applied = f.RetryAfter, real.applied
		return ans, write(w, ans)
	}
}

// dribble sends an answer in pieces.
func (s *Server) dribble(w http.ResponseWriter, r *http.Request, ans answer, delay time.Duration) int {
	setHeaders(w, ans)
	w.WriteHeader(ans.status)
	sent := 0
	const pieces = 16
	size := max(1, len(ans.body)/pieces)
	for rest := ans.body; len(rest) > 0; {
		n, err := w.Write(rest[:min(size, len(rest))])
		sent += n
		if err != nil {
			return sent
		}
		rest = rest[n:]
		flush(w)
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return sent
		case <-s.ctx.Done():
			return sent
		}
	}
	return sent
}

func flush(w http.ResponseWriter) {
	// A writer that cannot flush sends the piece when the handler ends.
	_ = http.NewResponseController(w).Flush()
}

// reset closes the connection so that the client sees a reset, not an end of
// file. Where the connection cannot be taken over, the handler's panic cuts it.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
