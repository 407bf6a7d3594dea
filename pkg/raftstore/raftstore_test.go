// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package raftstore

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
)

// raftLog has the fields of raft.Log, as hashicorp/raft-boltdb stores it.
type raftLog struct {
	Index, Term uint64
	Type        uint8
	Data        []byte
	Extensions  []byte
	AppendedAt  time.Time
}

// storage writes files as a server does.
type storage struct {
	*testing.T
	dir string
	// oldTimes is how the ancestor of OpenBao, 1.14, encodes times.
	oldTimes bool
}

func newStorage(t *testing.T) *storage {
	t.Helper()
	s := &storage{T: t, dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(s.dir, raftDir), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *storage) write(file string, write func(tx *bbolt.Tx) error) {
	s.Helper()
	db, err := bbolt.Open(filepath.Join(s.dir, file), 0o600, nil)
	if err == nil {
		err = errors.Join(db.Update(write), db.Close())
	}
	if err != nil {
		s.Fatal(err)
	}
}

func (s *storage) pack(v any) []byte {
	s.Helper()
	handle := &codec.MsgpackHandle{}
	handle.TimeNotBuiltin = s.oldTimes
	var out []byte
	if err := codec.NewEncoderBytes(&out, handle).Encode(v); err != nil {
		s.Fatal(err)
	}
	return out
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// logs writes the log, with entries of one term and the current term.
func (s *storage) logs(term uint64, entries ...raftLog) {
	s.Helper()
	s.write(filepath.Join(raftDir, logFile), func(tx *bbolt.Tx) error {
		logs, err := tx.CreateBucketIfNotExists([]byte("logs"))
		if err != nil {
			return err
		}
		conf, err := tx.CreateBucketIfNotExists([]byte("conf"))
		if err != nil {
			return err
		}
		for _, e := range entries {
			e.AppendedAt = time.Now()
			if err := logs.Put(number(e.Index), s.pack(e)); err != nil {
				return err
			}
		}
		if term == 0 {
			return nil
		}
		return conf.Put([]byte("CurrentTerm"), number(term))
	})
}

// data writes what the log was applied to.
func (s *storage) data(term, index uint64, servers ...string) {
	s.Helper()
	s.write(dataFile, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists([]byte("data"))
		if err != nil {
			return err
		}
		config, err := tx.CreateBucketIfNotExists([]byte("config"))
		if err != nil || index == 0 {
			return err
		}
		position := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), term)
		position = protowire.AppendVarint(protowire.AppendTag(position, 2, protowire.VarintType), index)
		if err := config.Put([]byte("latest_indexes"), position); err != nil || len(servers) == 0 {
			return err
		}
		members := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), index)
		for _, id := range servers {
			one := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), id)
			one = protowire.AppendString(protowire.AppendTag(one, 3, protowire.BytesType), id+":8201")
			members = protowire.AppendBytes(protowire.AppendTag(members, 2, protowire.BytesType), one)
		}
		return config.Put([]byte("latest_config"), members)
	})
}

func (s *storage) configuration(index, term uint64, servers ...string) raftLog {
	var c configuration
	for _, id := range servers {
		c.Servers = append(c.Servers, struct {
			Suffrage    int
			ID, Address string
		}{0, id, id + ":8201"})
	}
	return raftLog{Index: index, Term: term, Type: logConfiguration, Data: s.pack(c)}
}

func voters(ids ...string) (out []jobstep.Server) {
	for _, id := range ids {
		out = append(out, jobstep.Server{ID: id, Address: id + ":8201", Voter: true})
	}
	return out
}

func TestRead(t *testing.T) {
	for name, tc := range map[string]struct {
		write func(s *storage)
		want  jobstep.Raft
	}{
		"nothing":                        {func(*storage) {}, jobstep.Raft{Empty: true}},
		"a server that looks for others": {func(s *storage) { s.logs(0); s.data(0, 0) }, jobstep.Raft{Empty: true}},
		"a log": {
			func(s *storage) {
				s.logs(3, s.configuration(1, 1, "a"), raftLog{Index: 2, Term: 1}, s.configuration(3, 2, "a", "b"), raftLog{Index: 300, Term: 3, Data: []byte("x")})
				s.data(2, 3, "a")
			},
			jobstep.Raft{Last: jobstep.Position{Index: 300, Term: 3}, Snapshot: jobstep.Position{Index: 3, Term: 2}, Servers: voters("a", "b")},
		},
		"a log of the ancestor": {
			func(s *storage) {
				s.oldTimes = true
				s.logs(1, s.configuration(1, 1, "a"), raftLog{Index: 2, Term: 1, Extensions: []byte("e")})
				s.data(1, 2)
			},
			jobstep.Raft{Last: jobstep.Position{Index: 2, Term: 1}, Snapshot: jobstep.Position{Index: 2, Term: 1}, Servers: voters("a")},
		},
		"after a recovery": {
			func(s *storage) { s.logs(4); s.data(3, 70, "a", "b") },
			jobstep.Raft{Last: jobstep.Position{Index: 70, Term: 3}, Snapshot: jobstep.Position{Index: 70, Term: 3}, Servers: voters("a", "b")},
		},
		"a log without its data": {
			func(s *storage) { s.logs(4, raftLog{Index: 9, Term: 4}) },
			jobstep.Raft{Problem: "vault.db is missing, and the rest of the data is there"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStorage(t)
			tc.write(s)
			before := s.files()
			got, err := Read(s.dir)
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
			if after := s.files(); !reflect.DeepEqual(before, after) {
				t.Error("reading has changed the storage")
			}
		})
	}
}

// files returns the content of all files.
func (s *storage) files() map[string]string {
	s.Helper()
	out := map[string]string{}
	if err := filepath.WalkDir(s.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		out[path] = string(raw)
		return err
	}); err != nil {
		s.Fatal(err)
	}
	return out
}

// TestDamage has each part of the files damaged. Whatever that is, it is reported and does
// not end the program.
func TestDamage(t *testing.T) {
	s := newStorage(t)
	var entries []raftLog
	for i := range uint64(400) {
		entries = append(entries, raftLog{Index: i + 1, Term: 2, Data: []byte(strings.Repeat("x", 200))})
	}
	s.logs(2, entries...)
	s.data(2, 399, "a")
	for _, file := range []string{filepath.Join(raftDir, logFile), dataFile} {
		path := filepath.Join(s.dir, file)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		problems := 0
		damaged := [][]byte{[]byte("no database"), whole[:5000], whole[:len(whole)/2]}
		for at := 0; at < len(whole); at += 8192 {
			one := append([]byte(nil), whole...)
			for i := range 256 {
				one[(at+i)%len(one)] ^= 0xa5
			}
			damaged = append(damaged, one)
		}
		for _, content := range damaged {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := Read(s.dir); err != nil {
				t.Errorf("%s: %v", file, err)
			} else if got.Problem != "" {
				problems++
			}
		}
		t.Logf("%s: %d of %d damages were found", file, problems, len(damaged))
		if problems < 3 {
			t.Errorf("%s: %d of %d damages were found", file, problems, len(damaged))
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInUse(t *testing.T) {
	s := newStorage(t)
	s.logs(1, raftLog{Index: 1, Term: 1})
	s.data(1, 1)
	db, err := bbolt.Open(filepath.Join(s.dir, dataFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := Read(s.dir); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want %v", err, ErrInUse)
	}
}

func TestRecover(t *testing.T) {
	s := newStorage(t)
	s.logs(2, s.configuration(1, 1, "a", "b", "c"), raftLog{Index: 8, Term: 2})
	s.data(2, 7)
	voter := jobstep.Voter{ID: "c-1", Address: "c-1.c.ns.svc:8201", Last: jobstep.Position{Index: 8, Term: 2}}
	peers := filepath.Join(s.dir, raftDir, peersFile)

	other := voter
	other.Last.Index = 9
	var changed *ChangedError
	if err := Recover(s.dir, other); !errors.As(err, &changed) {
		t.Errorf("got %v for another index", err)
	}
	if _, err := os.Stat(peers); !os.IsNotExist(err) {
		t.Errorf("It was written all the same: %v", err)
	}
	for range 2 {
		if err := Recover(s.dir, voter); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(peers)
		if err != nil {
			t.Fatal(err)
		}
		if want := `[{"id":"c-1","address":"c-1.c.ns.svc:8201","non_voter":false}]`; string(raw) != want {
			t.Errorf("got %s, want %s", raw, want)
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, raftDir))
	if err != nil || len(entries) != 2 {
		t.Errorf("The folder has %v, and %v", entries, err)
	}
	if err := Recover(t.TempDir(), voter); !errors.As(err, &changed) {
		t.Errorf("got %v for an empty volume", err)
	}
}
