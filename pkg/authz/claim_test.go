// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

const (
	ownAudience   = "bailiwick.dev/openbao/uid-1/prod"
	otherAudience = "bailiwick.dev/openbao/uid-2/other"
)

func TestMark(t *testing.T) {
	mark := authz.Mark{Audience: ownAudience, Nonce: "3"}
	text := mark.Text()
	for name, tc := range map[string]struct {
		text string
		want authz.Mark
		ok   bool
	}{
		"as written":         {text, mark, true},
		"other line ends":    {strings.ReplaceAll(text, "\n", "\r\n") + "\r\n", mark, true},
		"edited":             {text + "\npath \"secret/*\" { capabilities = [\"read\"] }", mark, true},
		"without a nonce":    {"# audience: " + ownAudience, authz.Mark{Audience: ownAudience}, true},
		"two audiences":      {text + "\n# audience: " + otherAudience + "\n# nonce: 1", mark, true},
		"no audience":        {"# nonce: 3", authz.Mark{Nonce: "3"}, false},
		"an author's choice": {"# audience: openbao-internal", authz.Mark{}, false},
		"no name":            {"# audience: bailiwick.dev/openbao/uid-1/", authz.Mark{}, false},
		"a rule that quotes": {`path "# audience: ` + ownAudience + `" {}`, authz.Mark{}, false},
		"something else":     {`path "x" {}`, authz.Mark{}, false},
		"nothing":            {"", authz.Mark{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := authz.ParseMark(tc.text); got != tc.want || ok != tc.ok {
				t.Errorf("got %+v, %t", got, ok)
			}
		})
	}
	if rights := authz.RightsOf(text); len(rights.On(authz.MarkPolicy)) > 0 || len(rights.On("sys/policies/acl/x")) > 0 {
		t.Error("the mark grants something")
	}
	var taken []string
	for range 8 {
		nonce, ok := authz.FreshNonce(taken...)
		if !ok || slices.Contains(taken, nonce) {
			t.Fatalf("after %q: %q, %t", taken, nonce, ok)
		}
		taken = append(taken, nonce)
	}
	if nonce, ok := authz.FreshNonce(taken...); ok {
		t.Errorf("there is a ninth: %q", nonce)
	}
}

func TestDecideClaim(t *testing.T) {
	incumbent := authz.ClaimInput{Audience: ownAudience, Nonce: "2", Incumbent: true, Identity: true}
	// Recorded by a version that wrote no mark.
	legacy := authz.ClaimInput{Audience: ownAudience, Incumbent: true}
	claimant := authz.ClaimInput{Audience: ownAudience}
	read := func(in authz.ClaimInput, audience, nonce string, mutate ...func(*authz.ClaimInput)) authz.ClaimInput {
		in.State, in.Mark, in.Exact = authz.MarkRead, authz.Mark{Audience: audience, Nonce: nonce}, true
		for _, m := range mutate {
			m(&in)
		}
		return in
	}
	state := func(in authz.ClaimInput, state authz.MarkState) authz.ClaimInput {
		in.State = state
		return in
	}
	other := func(other authz.OtherHolder) func(*authz.ClaimInput) {
		return func(in *authz.ClaimInput) { in.Other = other }
	}
	test := func(tests ...authz.CopyTest) func(*authz.ClaimInput) {
		return func(in *authz.ClaimInput) { in.Other, in.Tests = authz.OtherHolds, tests }
	}
	adminOnly := func(in *authz.ClaimInput) { in.Identity = false }
	edited := func(in *authz.ClaimInput) { in.Exact = false }
	missing := func(in authz.ClaimInput, mutate ...func(*authz.ClaimInput)) authz.ClaimInput {
		in.State = authz.MarkMissing
		for _, m := range mutate {
			m(&in)
		}
		return in
	}

	for name, tc := range map[string]struct {
		in    authz.ClaimInput
		want  authz.Claim
		write string
	}{
		"own":                             {read(incumbent, ownAudience, "2"), authz.ClaimHeld, ""},
		"own, restored":                   {read(incumbent, ownAudience, "7"), authz.ClaimHeld, "2"},
		"own, edited":                     {read(incumbent, ownAudience, "2", edited), authz.ClaimHeld, "2"},
		"own, of a namesake before":       {read(claimant, ownAudience, "7"), authz.ClaimHeld, ""},
		"own, edited, nothing recorded":   {read(claimant, ownAudience, "7", edited), authz.ClaimHeld, "1"},
		"missing, a login and a rival":    {missing(claimant, test(authz.CopyTest{}), func(in *authz.ClaimInput) { in.Identity = true }), authz.ClaimHeld, "1"},
		"missing, nobody else":            {missing(claimant), authz.ClaimHeld, "1"},
		"missing after a restore":         {missing(incumbent), authz.ClaimHeld, "2"},
		"missing, of an earlier version":  {missing(legacy), authz.ClaimHeld, "1"},
		"missing, and a rival":            {missing(incumbent, test(authz.CopyTest{})), authz.ClaimHeld, "2"},
		"missing, claimant and a rival":   {missing(claimant, test(authz.CopyTest{})), authz.ClaimTest, ""},
		"missing, the rival is asked":     {missing(claimant, test(authz.CopyTest{Asked: true})), authz.ClaimWait, ""},
		"missing, the rival has answered": {missing(claimant, test(authz.CopyTest{Asked: true, Answer: "4"})), authz.ClaimWait, ""},
		"missing, and stays so":           {missing(claimant, test(authz.CopyTest{Asked: true, Answer: "4", Settled: true})), authz.ClaimHeld, "1"},
		"missing, one of two rivals is not asked": {
			missing(claimant, test(authz.CopyTest{Asked: true, Answer: "4", Settled: true}, authz.CopyTest{})), authz.ClaimTest, "",
		},
		"missing, one of two rivals has not answered": {
			missing(claimant, test(authz.CopyTest{Asked: true, Answer: "4", Settled: true}, authz.CopyTest{Asked: true})), authz.ClaimWait, "",
		},
		"missing, both rivals have another server": {
			missing(claimant, test(authz.CopyTest{Asked: true, Answer: "4", Settled: true}, authz.CopyTest{Asked: true, Answer: "1", Settled: true})), authz.ClaimHeld, "2",
		},
		"no more missing":                {read(claimant, otherAudience, "4", test(authz.CopyTest{Asked: true, Answer: "4"})), authz.ClaimOther, ""},
		"no more missing, but otherwise": {read(claimant, otherAudience, "5", test(authz.CopyTest{Asked: true, Answer: "4", Settled: true})), authz.ClaimTest, ""},

		"other, unknown":                             {read(claimant, otherAudience, "1"), authz.ClaimUnknown, ""},
		"other, unknown, with a login":               {read(claimant, otherAudience, "1", func(in *authz.ClaimInput) { in.Identity = true }), authz.ClaimUnknown, ""},
		"other, unknown, incumbent with a login":     {read(incumbent, otherAudience, "1"), authz.ClaimHeld, "2"},
		"other, unknown, incumbent without":          {read(incumbent, otherAudience, "1", adminOnly), authz.ClaimUnknown, ""},
		"other, gone":                                {read(claimant, otherAudience, "1", other(authz.OtherGone)), authz.ClaimUnknown, ""},
		"other, gone, incumbent":                     {read(incumbent, otherAudience, "1", other(authz.OtherGone), adminOnly), authz.ClaimHeld, "2"},
		"other":                                      {read(claimant, otherAudience, "1", other(authz.OtherHolds)), authz.ClaimTest, ""},
		"other, incumbent":                           {read(incumbent, otherAudience, "1", other(authz.OtherHolds)), authz.ClaimTest, ""},
		"other, is asked":                            {read(claimant, otherAudience, "1", test(authz.CopyTest{Asked: true, Seen: "1"})), authz.ClaimWait, ""},
		"other, has answered":                        {read(claimant, otherAudience, "1", test(authz.CopyTest{Asked: true, Seen: "1", Answer: "2"})), authz.ClaimWait, ""},
		"other, the same server":                     {read(claimant, otherAudience, "2", test(authz.CopyTest{Asked: true, Seen: "1", Answer: "2"})), authz.ClaimOther, ""},
		"other, the same server, later":              {read(claimant, otherAudience, "2", test(authz.CopyTest{Asked: true, Seen: "1", Answer: "2", Settled: true})), authz.ClaimOther, ""},
		"other, a copy":                              {read(claimant, otherAudience, "1", test(authz.CopyTest{Asked: true, Seen: "1", Answer: "2", Settled: true})), authz.ClaimHeld, "3"},
		"other, a copy that was restored meanwhile":  {read(claimant, otherAudience, "6", test(authz.CopyTest{Asked: true, Seen: "1", Answer: "2", Settled: true})), authz.ClaimTest, ""},
		"other, asked again after the same":          {read(claimant, otherAudience, "3", test(authz.CopyTest{Asked: true, Seen: "1", Answer: "2", Settled: true})), authz.ClaimTest, ""},
		"denied":                                     {state(incumbent, authz.MarkDenied), authz.ClaimHeld, ""},
		"denied, of an earlier version":              {state(legacy, authz.MarkDenied), authz.ClaimHeld, ""},
		"denied, first login":                        {state(authz.ClaimInput{Audience: ownAudience, Identity: true}, authz.MarkDenied), authz.ClaimHeld, ""},
		"denied, claimant":                           {state(claimant, authz.MarkDenied), authz.ClaimUnknown, ""},
		"something else":                             {state(claimant, authz.MarkDamaged), authz.ClaimUnknown, ""},
		"something else, incumbent":                  {state(incumbent, authz.MarkDamaged), authz.ClaimHeld, "2"},
		"something else, incumbent without any mark": {state(legacy, authz.MarkDamaged), authz.ClaimUnknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got, write := authz.DecideClaim(tc.in); got != tc.want || write != tc.write {
				t.Errorf("got %d, %q; want %d, %q", got, write, tc.want, tc.write)
			}
		})
	}
}

// TestClaimsOfCopies lets objects claim servers in any order, while servers are
// restored from snapshots of each other and people delete marks. Whatever happens,
// a server that the holder of its mark still manages is never taken from it.
func TestClaimsOfCopies(t *testing.T) {
	type server struct{ audience, nonce string }
	type object struct {
		audience string
		server   *server
		// home is the server that it held last, and nonce what it recorded.
		home  *server
		nonce string
		// tests are the objects that were asked, and reachable whether it answers.
		tests     map[*object]*authz.CopyTest
		reachable bool
	}
	claims, refused := 0, 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		servers := []*server{{}, {}, {}}
		var objects []*object
		for i := range 4 {
			objects = append(objects, &object{audience: fmt.Sprintf("bailiwick.dev/openbao/uid/%d", i), server: servers[random.IntN(3)], reachable: true, tests: map[*object]*authz.CopyTest{}})
		}
		byAudience := func(audience string) *object {
			i := slices.IndexFunc(objects, func(o *object) bool { return o.audience == audience })
			if i < 0 {
				return nil
			}
			return objects[i]
		}
		sync := func(step int, o *object) {
			in := authz.ClaimInput{Audience: o.audience, Nonce: o.nonce, Incumbent: o.home == o.server, Identity: o.home == o.server}
			var others []*object
			if o.server.audience != "" {
				in.State, in.Exact = authz.MarkRead, true
				in.Mark = authz.Mark{Audience: o.server.audience, Nonce: o.server.nonce}
				if other := byAudience(o.server.audience); other != o {
					in.Other, others = authz.OtherHolds, append(others, other)
				}
			} else {
				// Without a login, copies and originals look the same.
				for _, rival := range objects {
					if rival != o && rival.home != nil {
						others = append(others, rival)
					}
				}
			}
			for _, other := range others {
				test := authz.CopyTest{}
				if asked := o.tests[other]; asked != nil {
					test = *asked
				}
				in.Tests = append(in.Tests, test)
			}
			verdict, write := authz.DecideClaim(in)
			switch verdict {
			case authz.ClaimHeld:
				for _, rival := range objects {
					if rival != o && rival.home == o.server && o.home != o.server {
						t.Fatalf("seed %d, step %d: %s takes the server of %s, which shows %+v, by %+v", seed, step, o.audience, rival.audience, *o.server, in)
					}
				}
				if write != "" {
					o.server.audience, o.server.nonce = o.audience, write
				}
				if o.home != o.server {
					claims++
				}
				o.home, o.nonce, o.tests = o.server, o.server.nonce, map[*object]*authz.CopyTest{}
			case authz.ClaimTest:
				for i, other := range others {
					if !in.Tests[i].Fits(in.Mark) {
						o.tests[other] = &authz.CopyTest{Asked: true, Seen: in.Mark.Nonce}
					}
				}
			case authz.ClaimOther:
				refused++
			}
			if verdict != authz.ClaimHeld && o.home == o.server {
				t.Fatalf("seed %d, step %d: %s loses its server, by %+v", seed, step, o.audience, in)
			}
			for _, test := range o.tests {
				test.Settled = test.Answer != ""
			}
			// It answers the others, if it can.
			if !o.reachable || o.home != o.server || o.server.audience != o.audience {
				return
			}
			taken := []string{o.server.nonce}
			var asking []*authz.CopyTest
			for _, a := range objects {
				if test := a.tests[o]; test != nil {
					taken = append(taken, test.Seen, test.Answer)
					if test.Answer == "" {
						asking = append(asking, test)
					}
				}
			}
			if nonce, ok := authz.FreshNonce(taken...); ok && len(asking) > 0 {
				o.nonce, o.server.nonce = nonce, nonce
				for _, test := range asking {
					test.Answer = nonce
				}
			}
		}
		var snapshots []server
		for step := range 400 {
			o := objects[random.IntN(len(objects))]
			s := servers[random.IntN(len(servers))]
			at := slices.IndexFunc(objects, func(o *object) bool { return o.home == s })
			tested := at >= 0 && slices.ContainsFunc(objects, func(o *object) bool { return o.tests[objects[at]] != nil })
			switch random.IntN(16) {
			case 0:
				snapshots = append(snapshots, *s)
			case 1:
				// A snapshot of any server is restored on one that nobody holds; on one that
				// is held, an older one of its own, but not right between question and answer.
				if len(snapshots) == 0 {
					continue
				}
				if from := snapshots[random.IntN(len(snapshots))]; at < 0 || !tested && (from.audience == "" || from.audience == objects[at].audience) {
					*s = from
				}
			case 2:
				o.reachable = random.IntN(3) > 0
			case 3:
				if o.home == nil && o.server != s {
					// What was compared is about the server that it asked for before.
					o.server, o.tests = s, map[*object]*authz.CopyTest{}
				}
			case 4:
				// It is withdrawn, and takes its mark along.
				if o.home != nil && random.IntN(4) == 0 {
					if o.home.audience == o.audience {
						*o.home = server{}
					}
					o.home, o.nonce = nil, ""
					for _, asking := range objects {
						delete(asking.tests, o)
					}
				}
			default:
				sync(step, o)
			}
		}
	}
	if claims < 1000 || refused < 1000 {
		t.Errorf("the walk made %d claims and refused %d", claims, refused)
	}
}
