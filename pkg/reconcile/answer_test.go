// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestAnswer(t *testing.T) {
	errGone, errFails := errors.New("gone"), errors.New("fails")
	for name, again := range map[string]time.Duration{"tried again with the next call": 0, "tried again later": time.Minute} {
		t.Run(name, func(t *testing.T) {
			now, asked := time.Unix(1000, 0), 0
			var fails error
			a := &Answer[int]{
				Valid: time.Minute, Again: again, Refutes: func(err error) bool { return errors.Is(err, errGone) },
				Ask: func(context.Context) (int, error) { asked++; return asked, fails },
			}
			get := func(value, times int, failure error) {
				t.Helper()
				if got, err := a.Get(t.Context(), now); got != value || !errors.Is(err, failure) || asked != times {
					t.Errorf("got %d, %v after asking %d times, want %d, %v after %d", got, err, asked, value, failure, times)
				}
			}
			fails = errFails
			get(0, 1, errFails)
			fails = nil
			get(2, 2, nil)
			get(2, 2, nil)
			now = now.Add(time.Minute)
			get(3, 3, nil)
			now, fails = now.Add(time.Minute), errFails
			get(3, 4, nil)
			times := 4
			if again == 0 {
				times++
			}
			get(3, times, nil)
			now, fails = now.Add(time.Minute), errGone
			get(0, times+1, errGone)
			fails = nil
			get(times+2, times+2, nil)
			a.Forget()
			get(times+3, times+3, nil)
		})
	}
}
