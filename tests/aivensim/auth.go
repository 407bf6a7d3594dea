// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The texts with which the API refuses a token.
const (
	MessageInvalidToken = "Invalid token"
	MessageExpiredToken = "Missing (expired) db token"
)

// tokenBook holds the tokens. It has a lock of its own: requests are refused
// without waiting for the state lock.
type tokenBook struct {
	mu      sync.Mutex
	open    bool // accepts every value
	rate    float64
	burst   float64
	byValue map[string]*tokenState
	now     func() time.Time
}

type tokenState struct {
	Token
	revoked *apiError
	// bucket is the number of requests the token may send now.
	bucket   float64
	refilled time.Time
}

func newTokenBook(opts Options) (*tokenBook, error) {
	b := &tokenBook{
		open:    len(opts.Tokens) == 0,
		rate:    opts.RateLimit,
		burst:   max(1, float64(opts.RateBurst)),
		byValue: map[string]*tokenState{},
		now:     time.Now,
	}
	for _, t := range opts.Tokens {
		if err := b.add(t); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *tokenBook) add(t Token) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.Name == "" || t.Value == "" {
		return fmt.Errorf("a token needs a name and a value")
	}
	if _, ok := b.byValue[t.Value]; ok {
		return fmt.Errorf("token %q has the value of another token", t.Name)
	}
	b.byValue[t.Value] = &tokenState{Token: t, bucket: b.burst}
	return nil
}

// authenticate returns the token's name for the log, and the token or an error.
func (b *tokenBook) authenticate(r *http.Request) (string, *tokenState, *apiError) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	b.mu.Lock()
	defer b.mu.Unlock()
	if value == "" || !(strings.EqualFold(scheme, "aivenv1") || strings.EqualFold(scheme, "Bearer")) {
		return "none", nil, errf(http.StatusUnauthorized, "Missing authorization token")
	}
	t := b.byValue[value]
	if t == nil && b.open {
		t = &tokenState{Token: Token{Name: fmt.Sprintf("token-%d", len(b.byValue)+1), Value: value}, bucket: b.burst}
		b.byValue[value] = t
	}
	if t == nil {
		return "unknown", nil, errf(http.StatusUnauthorized, MessageInvalidToken)
	}
	if t.revoked != nil {
		return t.Name, nil, t.revoked
	}
	return t.Name, t, nil
}

// throttled takes one request out of the token's bucket.
func (b *tokenBook) throttled(t *tokenState) bool {
	if b.rate <= 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if !t.refilled.IsZero() {
		t.bucket = min(b.burst, t.bucket+now.Sub(t.refilled).Seconds()*b.rate)
	}
	t.refilled = now
	if t.bucket < 1 {
		return true
	}
	t.bucket--
	return false
}

// authorize checks the token's reach.
func (b *tokenBook) authorize(t *tokenState, project string, mutating bool) *apiError {
	b.mu.Lock()
	defer b.mu.Unlock()
	if project != "" && len(t.Projects) > 0 && !slices.Contains(t.Projects, project) {
		return forbidden("Not a project member")
	}
	if mutating && t.ReadOnly {
		return forbidden("Permission denied: the token is read-only")
	}
	return nil
}

func (b *tokenBook) change(name string, edit func(*tokenState)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := false
	for _, t := range b.byValue {
		if t.Name == name {
			edit(t)
			found = true
		}
	}
	if !found {
		return fmt.Errorf("no token %q", name)
	}
	return nil
}

// AddToken adds a credential.
func (s *Server) AddToken(t Token) error {
	s.tokens.mu.Lock()
	s.tokens.open = false
	s.tokens.mu.Unlock()
	return s.tokens.add(t)
}

// RevokeToken makes the API refuse a token from now on, with the status 401 or
// 403 and one of the two known texts. A zero status and an empty message mean
// 401 and MessageInvalidToken.
func (s *Server) RevokeToken(name string, status int, message string) error {
	if status == 0 {
		status = http.StatusUnauthorized
	}
	if message == "" {
		message = MessageInvalidToken
	}
	return s.tokens.change(name, func(t *tokenState) { t.revoked = errf(status, "%s", message) })
}

// RestoreToken undoes RevokeToken.
func (s *Server) RestoreToken(name string) error {
	return s.tokens.change(name, func(t *tokenState) { t.revoked = nil })
}

// ReplaceToken gives the token a new value. The old value is refused from now on
// as an unknown one, and requests with the new one are logged under the old name.
func (s *Server) ReplaceToken(name, value string) error {
	b := s.tokens
	b.mu.Lock()
	defer b.mu.Unlock()
	if value == "" || b.byValue[value] != nil {
		return fmt.Errorf("the new value of token %q is empty or in use", name)
	}
	b.open = false
	for old, t := range b.byValue {
		if t.Name == name {
			delete(b.byValue, old)
			fresh := *t
			fresh.Value, fresh.revoked = value, nil
			b.byValue[value] = &fresh
			return nil
		}
	}
	return fmt.Errorf("no token %q", name)
}

// SetTokenPermissions changes what a token may do; see Token.
func (s *Server) SetTokenPermissions(name string, projects []string, readOnly bool) error {
	return s.tokens.change(name, func(t *tokenState) {
		t.Projects, t.ReadOnly = slices.Clone(projects), readOnly
	})
}
