// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestReach(t *testing.T) {
	away, wrong := errors.New("away"), errors.New("wrong")
	for name, test := range map[string]struct {
		// there is when somebody is reached, and answer what they say.
		there   time.Duration
		answer  error
		want    error
		took    time.Duration
		endless bool
	}{
		"at once":           {want: nil},
		"refused at once":   {answer: wrong, want: wrong},
		"after a while":     {there: 5 * time.Second, took: 5 * time.Second},
		"refused later":     {there: 5 * time.Second, answer: wrong, want: wrong, took: 5 * time.Second},
		"never":             {there: time.Hour, want: away, took: 29 * time.Second},
		"told to end, away": {there: time.Hour, want: away, took: 10 * time.Second, endless: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				o := Options{Patience: NetworkPatience}
				if test.endless {
					ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
					o.Patience = time.Hour
				}
				defer cancel()
				began := time.Now()
				got := o.reach(ctx, func(err error) bool { return errors.Is(err, away) }, func() error {
					if time.Since(began) < test.there {
						return away
					}
					return test.answer
				})
				if !errors.Is(got, test.want) || time.Since(began) != test.took {
					t.Errorf("got %v after %s, want %v after %s", got, time.Since(began), test.want, test.took)
				}
			})
		})
	}
}
