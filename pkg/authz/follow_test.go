// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// start is the moment 0 of the timelines.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }

// followed renders a result: the accepted keys, and "id first-last" in minutes.
func followed(r authz.FollowResult) (keys, status []string) {
	at := func(when *metav1.Time) string {
		if when == nil {
			return ""
		}
		return fmt.Sprint(when.Sub(start).Minutes())
	}
	for _, k := range r.Keys {
		keys = append(keys, k.ID+"="+k.PEM)
	}
	for _, s := range r.Status {
		status = append(status, fmt.Sprintf("%s=%s %s-%s", s.ID, s.PEM, at(s.FirstSeen), at(s.LastSeen)))
	}
	return keys, status
}

// TestFollowKeysTimeline carries the record from step to step, as the API server
// rotates its keys.
func TestFollowKeysTimeline(t *testing.T) {
	key := func(id, pem string) authz.Key { return authz.Key{ID: id, PEM: pem, Algorithm: "RS256"} }
	a, b, c := key("a", "A"), key("b", "B"), key("c", "C")
	var recorded []openbaov1alpha1.SigningKeyStatus
	for _, step := range []struct {
		name      string
		minute    int
		published []authz.Key
		drop      bool
		keys      []string
		status    []string
		expiry    int
	}{
		{"first look", 0, []authz.Key{a}, false, []string{"a=A"}, []string{"a=A 0-"}, -1},
		{"nothing changes", 10, []authz.Key{a}, false, []string{"a=A"}, []string{"a=A 0-"}, -1},
		{"a key is announced", 20, []authz.Key{b, a}, false, []string{"a=A", "b=B"}, []string{"a=A 0-", "b=B 20-"}, -1},
		{"the old one goes", 30, []authz.Key{b}, false, []string{"a=A", "b=B"}, []string{"a=A 0-30", "b=B 20-"}, 90},
		{"its overlap runs", 40, []authz.Key{b}, false, []string{"a=A", "b=B"}, []string{"a=A 0-30", "b=B 20-"}, 90},
		{"a look without an answer", 41, nil, true, []string{"a=A", "b=B"}, []string{"a=A 0-30", "b=B 20-"}, -1},
		{"hard rotation meanwhile", 50, []authz.Key{c}, false, []string{"a=A", "b=B", "c=C"}, []string{"a=A 0-30", "b=B 20-50", "c=C 50-"}, 90},
		{"the first comes back", 60, []authz.Key{a, c}, false, []string{"a=A", "b=B", "c=C"}, []string{"a=A 0-", "b=B 20-50", "c=C 50-"}, 110},
		{"right before the end", 109, []authz.Key{a, c}, false, []string{"a=A", "b=B", "c=C"}, []string{"a=A 0-", "b=B 20-50", "c=C 50-"}, 110},
		{"at the end", 110, []authz.Key{a, c}, false, []string{"a=A", "c=C"}, []string{"a=A 0-", "c=C 50-"}, -1},
		{"an id with another value", 120, []authz.Key{key("a", "A2"), c}, false, []string{"a=A2", "c=C"}, []string{"a=A2 120-", "c=C 50-"}, -1},
		{"both go", 130, []authz.Key{b}, false, []string{"a=A2", "b=B", "c=C"}, []string{"a=A2 120-130", "b=B 130-", "c=C 50-130"}, 190},
		{"dropped at once", 131, []authz.Key{b}, true, []string{"b=B"}, []string{"b=B 130-"}, -1},
		{"another id for a key", 132, []authz.Key{key("b2", "B")}, false, []string{"b2=B"}, []string{"b2=B 132-"}, -1},
	} {
		result := authz.FollowKeys(authz.FollowInput{
			Published: step.published, Recorded: recorded, Now: minute(step.minute), Overlap: time.Hour, DropOld: step.drop,
		})
		keys, status := followed(result)
		if !slices.Equal(keys, step.keys) {
			t.Errorf("%s: keys %q, want %q", step.name, keys, step.keys)
		}
		if !slices.Equal(status, step.status) {
			t.Errorf("%s: status %q, want %q", step.name, status, step.status)
		}
		expiry := -1
		if !result.NextExpiry.IsZero() {
			expiry = int(result.NextExpiry.Sub(start).Minutes())
		}
		if expiry != step.expiry {
			t.Errorf("%s: the next overlap ends at %d, want %d", step.name, expiry, step.expiry)
		}
		recorded = result.Status
	}
}

func TestFollowKeys(t *testing.T) {
	when := func(n int) *metav1.Time { at := metav1.NewTime(minute(n)); return &at }
	old := openbaov1alpha1.SigningKeyStatus{ID: "old", PEM: "OLD", FirstSeen: when(0)}
	now := authz.Key{ID: "new", PEM: "NEW"}
	for name, tc := range map[string]struct {
		in   authz.FollowInput
		want []string
	}{
		"no overlap": {
			authz.FollowInput{Published: []authz.Key{now}, Recorded: []openbaov1alpha1.SigningKeyStatus{old}},
			[]string{"new=NEW 10-"},
		},
		"recorded without its value": {
			authz.FollowInput{
				Published: []authz.Key{now}, Overlap: time.Hour,
				Recorded: []openbaov1alpha1.SigningKeyStatus{{ID: "old", FirstSeen: when(0)}, {ID: "new", FirstSeen: when(3)}},
			},
			[]string{"new=NEW 3-"},
		},
		"last seen in the future": {
			authz.FollowInput{
				Published: []authz.Key{now}, Overlap: time.Hour,
				Recorded: []openbaov1alpha1.SigningKeyStatus{{ID: "old", PEM: "OLD", FirstSeen: when(0), LastSeen: when(9999)}},
			},
			[]string{"new=NEW 10-", "old=OLD 0-10"},
		},
		"one id for two keys": {
			authz.FollowInput{Published: []authz.Key{{ID: "x", PEM: "2"}, {ID: "x", PEM: "1"}, {ID: "x", PEM: "1"}}},
			[]string{"x=1 10-"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.in.Now = minute(10).Add(700 * time.Millisecond)
			result := authz.FollowKeys(tc.in)
			if _, got := followed(result); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if name == "one id for two keys" && len(result.Keys) != 2 {
				t.Errorf("accepted are %v, want both keys", result.Keys)
			}
			for _, s := range result.Status {
				if s.FirstSeen.Nanosecond() != 0 || (s.LastSeen != nil && s.LastSeen.Nanosecond() != 0) {
					t.Errorf("%s: times that the API cannot hold", s.ID)
				}
			}
		})
	}
}
