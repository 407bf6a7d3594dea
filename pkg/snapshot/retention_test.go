// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// stored is a snapshot that is days old.
func stored(days int, change ...func(*Stored)) Stored {
	at := noon.Add(-time.Duration(days) * 24 * time.Hour)
	s := Stored{Name: fmt.Sprintf("d%d", days), Whole: true, TakenAt: at, Index: uint64(1000 - days)}
	for _, c := range change {
		c(&s)
	}
	return s
}

func upgrade(s *Stored)   { s.Upgrade, s.Name = true, "u"+s.Name }
func broken(s *Stored)    { s.Whole = false }
func published(s *Stored) { s.Published = true }
func justNow(s *Stored)   { s.Modified = noon }

func TestRetention(t *testing.T) {
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		retention Retention
		stored    []Stored
		want      string
		future    int
	}{
		"nothing is limited":                 {Retention{}, []Stored{stored(1), stored(900)}, "", 0},
		"count":                              {Retention{MaxCount: 2}, []Stored{stored(3), stored(1), stored(2), stored(4)}, "d4 d3", 0},
		"age":                                {Retention{MaxAge: 2 * day}, []Stored{stored(1), stored(2), stored(3)}, "d3", 0},
		"the newest stays":                   {Retention{MaxCount: 1, MaxAge: day}, []Stored{stored(40), stored(50)}, "d50", 0},
		"the newest that is whole":           {Retention{MaxCount: 1, MaxAge: day}, []Stored{stored(10, broken), stored(20), stored(30)}, "d30", 0},
		"none is whole":                      {Retention{MaxCount: 1, MaxAge: day}, []Stored{stored(10, broken), stored(20, broken)}, "", 0},
		"a broken one does not count":        {Retention{MaxCount: 2}, []Stored{stored(1), stored(2, broken), stored(3), stored(4)}, "d4", 0},
		"before upgrades apart":              {Retention{MaxCount: 1}, []Stored{stored(1), stored(2, upgrade), stored(3), stored(4, upgrade)}, "ud4 d3", 0},
		"a clock that was ahead":             {Retention{MaxCount: 1}, []Stored{stored(-365), stored(1), stored(0, published)}, "d1", 1},
		"forged ones ahead":                  {Retention{MaxCount: 3}, []Stored{stored(-1), stored(-2), stored(-3), stored(2), stored(1), stored(0, published)}, "", 3},
		"published by a clock that is ahead": {Retention{MaxCount: 2}, []Stored{stored(-365, published), stored(1), stored(2)}, "d2", 0},
		"published by a slow clock":          {Retention{MaxCount: 2}, []Stored{stored(365, published), stored(1), stored(2)}, "d2", 0},
		"published by a slow clock, by age":  {Retention{MaxAge: 3 * day}, []Stored{stored(365, published), stored(4), stored(2)}, "d4", 0},
		"a slow clock earlier":               {Retention{MaxAge: 3 * day}, []Stored{stored(0, published), stored(365, justNow), stored(366)}, "d366", 0},
		"only ahead":                         {Retention{MaxCount: 1}, []Stored{stored(-2), stored(-1)}, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			var names []string
			v := test.retention.Decide(test.stored, noon)
			for _, s := range v.Expired {
				names = append(names, s.Name)
			}
			if got := strings.Join(names, " "); got != test.want || v.Future != test.future {
				t.Errorf("got %q, want %q; %d ahead, want %d", got, test.want, v.Future, test.future)
			}
		})
	}
}

// Whatever is stored, what must stay does.
func TestRetentionWalk(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 14))
		var all []Stored
		for i := range random.IntN(20) {
			s := stored(random.IntN(40) - 10)
			s.Name = fmt.Sprintf("%s-%d", s.Name, i)
			for _, change := range []func(*Stored){upgrade, broken, justNow} {
				if random.IntN(4) == 0 {
					change(&s)
				}
			}
			all = append(all, s)
		}
		if len(all) > 0 && random.IntN(2) == 0 {
			all[0].Published = true
		}
		retention := Retention{MaxCount: random.IntN(4), MaxAge: time.Duration(random.IntN(10)) * 24 * time.Hour}
		gone := map[string]bool{}
		for _, s := range retention.Decide(slices.Clone(all), noon).Expired {
			gone[s.Name] = true
			if s.Published || s.TakenAt.After(noon.Add(ClockSkew)) {
				t.Fatalf("seed %d: %+v is deleted", seed, s)
			}
		}
		for _, upgrades := range []bool{false, true} {
			stay, kept := false, 0
			for _, s := range all {
				if s.Upgrade == upgrades && s.Whole && !s.TakenAt.After(noon.Add(ClockSkew)) {
					stay = true
					if !gone[s.Name] {
						kept++
					}
				}
			}
			if stay && kept == 0 && !(all[0].Published && all[0].Upgrade == upgrades) {
				t.Fatalf("seed %d: nothing is left", seed)
			}
		}
	}
}

func TestSameCluster(t *testing.T) {
	for _, test := range []struct {
		a, b Cluster
		want bool
	}{
		{Cluster{ID: "a", UID: "u"}, Cluster{ID: "a", UID: "u", Name: "n"}, true},
		{Cluster{ID: "a", UID: "u"}, Cluster{ID: "a", UID: "v"}, false},
		{Cluster{ID: "a", UID: "u"}, Cluster{ID: "b", UID: "u"}, false},
		{Cluster{ID: "a"}, Cluster{ID: "a"}, false},
		{Cluster{UID: "u"}, Cluster{UID: "u"}, false},
	} {
		if got := test.a.Same(test.b); got != test.want {
			t.Errorf("%v and %v: %v", test.a, test.b, got)
		}
	}
}

func TestNames(t *testing.T) {
	folder := Folder("/a/b/", "prod", "bao")
	if folder != "a/b/prod/bao/" || Folder("", "prod", "bao") != "prod/bao/" {
		t.Errorf("folder %q", folder)
	}
	name := Name(folder, Scheduled, noon, "op")
	if name != "a/b/prod/bao/2026-03-01T12-00-00Z-"+name[len(name)-13:len(name)-5]+".snap" || name == Name(folder, Scheduled, noon, "other") {
		t.Errorf("name %q", name)
	}
	if got := Name(folder, PreUpgrade, noon, "op"); !strings.HasPrefix(BaseName(got), "pre-upgrade-2026") {
		t.Errorf("name %q", got)
	}
	back, ok := SnapshotOf(ManifestOf(name))
	if !ok || back != name {
		t.Errorf("snapshot of its manifest: %q", back)
	}
	if _, ok := SnapshotOf("x.manifest.json"); ok {
		t.Error("x.manifest.json is the manifest of no snapshot")
	}
	if !InFolder(folder, name) || InFolder(folder, folder+"x/y.snap") || InFolder("a/b/prod/ba", name) || InFolder(folder, folder) {
		t.Error("InFolder")
	}
}

func TestReadManifest(t *testing.T) {
	m := Manifest{
		Format: Format, Snapshot: "x.snap", Digest: strings.Repeat("ab", 32), Size: 9, Index: 7, Term: 1, Kind: Manual, TakenAt: noon,
		Cluster: Cluster{ID: "c"}, Encryption: NoEncryption,
	}
	encode := func(m Manifest) string {
		data, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	got, err := ReadManifest("f/x.snap.manifest.json", strings.NewReader(encode(m)))
	if err != nil || got.Digest != m.Digest || !got.TakenAt.Equal(m.TakenAt) {
		t.Errorf("got %+v, %v", got, err)
	}
	for says, change := range map[string]func(*Manifest){
		"another snapshot": func(m *Manifest) { m.Snapshot = "y.snap" },
		"the format 2":     func(m *Manifest) { m.Format = 2 },
		"no digest":        func(m *Manifest) { m.Digest = "ABC" },
		"no size":          func(m *Manifest) { m.Size = 0 },
		"no index":         func(m *Manifest) { m.Index = 0 },
		"no cluster":       func(m *Manifest) { m.Cluster.ID = "" },
		"no time":          func(m *Manifest) { m.TakenAt = time.Time{} },
	} {
		wrong := m
		change(&wrong)
		if _, err := ReadManifest("f/x.snap.manifest.json", strings.NewReader(encode(wrong))); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want one that says %q", err, says)
		}
	}
	for _, text := range []string{"", "{", strings.Repeat(" ", manifestLimit+1)} {
		if _, err := ReadManifest("f/x.snap.manifest.json", strings.NewReader(text)); err == nil {
			t.Errorf("%d bytes are taken for a manifest", len(text))
		}
	}
}
