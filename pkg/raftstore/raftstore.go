// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package raftstore reads the raft storage of an OpenBao server that does not run, and
// prepares its recovery. Only the program of Jobs imports it.
//
// The storage is in two files (physical/raft of OpenBao, from its ancestor 1.14 to 2.6):
// raft/raft.db has the log and the current term, in the format of hashicorp/raft-boltdb;
// vault.db has the data, with the position of the last entry that is applied, and is what
// the server counts as its snapshot. A server that finds raft/peers.json when it is
// unsealed applies what is left of its log, makes the file its configuration, and deletes
// it.
package raftstore

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
)

const (
	dataFile  = "vault.db"
	raftDir   = "raft"
	logFile   = "raft.db"
	peersFile = "peers.json"

	// lockPatience is how long a server that ends may keep its files locked.
	lockPatience = 5 * time.Second
)

// ErrInUse means that another process has the storage open.
var ErrInUse = errors.New("the storage is in use")

// Read returns what is in the storage in a folder, without changing anything. What cannot
// be read is in the result, since it says something of the volume. The error is about what
// may be otherwise later.
func Read(dir string) (jobstep.Raft, error) {
	s := state{}
	for _, file := range []struct {
		name string
		read func(*bbolt.Tx) error
	}{
		{filepath.Join(raftDir, logFile), s.readLog},
		{dataFile, s.readData},
	} {
		err := view(filepath.Join(dir, file.name), file.read)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			s.missing = append(s.missing, file.name)
		case errors.Is(err, ErrInUse):
			return jobstep.Raft{}, fmt.Errorf("%s: %w", file.name, ErrInUse)
		case refused(err):
			return jobstep.Raft{}, fmt.Errorf("%s: %w", file.name, err)
		case err != nil:
			return jobstep.Raft{Problem: fmt.Sprintf("%s: %v", file.name, err)}, nil
		}
	}
	return s.result(), nil
}

// refused reports whether the system refused to open or read a file, which says nothing of
// what is in it.
func refused(err error) bool {
	var path *fs.PathError
	var number syscall.Errno
	return errors.As(err, &path) || errors.As(err, &number)
}

// state is what was found.
type state struct {
	missing                 []string
	currentTerm             uint64
	log, applied            jobstep.Position
	logServers, dataServers []jobstep.Server
	logConfig, dataConfig   uint64
}

func (s *state) result() jobstep.Raft {
	hasState := s.currentTerm > 0 || s.log.Index > 0 || s.applied.Index > 0
	switch {
	case !hasState:
		return jobstep.Raft{Empty: true}
	case len(s.missing) > 0:
		return jobstep.Raft{Problem: fmt.Sprintf("%s is missing, and the rest of the data is there", s.missing[0])}
	}
	out := jobstep.Raft{Last: s.log, Snapshot: s.applied, Servers: s.logServers}
	// As in getLastEntry of hashicorp/raft: after a recovery the log is empty.
	if s.applied.Index > s.log.Index {
		out.Last = s.applied
	}
	if s.dataConfig > s.logConfig || len(out.Servers) == 0 {
		out.Servers = s.dataServers
	}
	return out
}

// view reads a file. Damage that makes the reading panic, or the kernel refuse a page of
// the file, is an error.
func view(path string, read func(*bbolt.Tx) error) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		// A server that ends while it creates the file leaves it so.
		return fs.ErrNotExist
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if damage := recover(); damage != nil {
			err = fmt.Errorf("the file is damaged: %v", damage)
		}
	}()
	db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: lockPatience})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return ErrInUse
	}
	if err != nil {
		return err
	}
	// Nothing was written.
	defer func() { _ = db.Close() }()
	return db.View(read)
}

// entry has the fields of raft.Log that are read here.
type entry struct {
	Index, Term uint64
	Type        uint8
	Data        []byte
}

// logConfiguration is raft.LogConfiguration.
const logConfiguration = 5

// configuration is raft.Configuration.
type configuration struct {
	Servers []struct {
		Suffrage    int
		ID, Address string
	}
}

func (s *state) readLog(tx *bbolt.Tx) error {
	if conf := tx.Bucket([]byte("conf")); conf != nil {
		if term := conf.Get([]byte("CurrentTerm")); len(term) == 8 {
			s.currentTerm = binary.BigEndian.Uint64(term)
		}
	}
	logs := tx.Bucket([]byte("logs"))
	if logs == nil {
		return nil
	}
	cursor := logs.Cursor()
	for key, value := cursor.Last(); key != nil; key, value = cursor.Prev() {
		var e entry
		if err := unpack(value, &e); err != nil {
			return fmt.Errorf("entry %x: %w", key, err)
		}
		if len(key) != 8 || binary.BigEndian.Uint64(key) != e.Index {
			return fmt.Errorf("entry %x has the index %d", key, e.Index)
		}
		if s.log.Index == 0 {
			s.log = jobstep.Position{Index: e.Index, Term: e.Term}
		}
		if e.Type == logConfiguration {
			var c configuration
			if err := unpack(e.Data, &c); err != nil {
				return fmt.Errorf("the configuration in entry %d: %w", e.Index, err)
			}
			s.logConfig = e.Index
			for _, server := range c.Servers {
				s.logServers = append(s.logServers, jobstep.Server{ID: server.ID, Address: server.Address, Voter: server.Suffrage == 0})
			}
			return nil
		}
	}
	return nil
}

// unpack decodes what hashicorp/raft has encoded.
func unpack(raw []byte, into any) error {
	return codec.NewDecoderBytes(raw, &codec.MsgpackHandle{}).Decode(into)
}

func (s *state) readData(tx *bbolt.Tx) error {
	config := tx.Bucket([]byte("config"))
	if config == nil {
		return nil
	}
	err := fields(config.Get([]byte("latest_indexes")), func(number protowire.Number, value uint64, _ []byte) error {
		switch number {
		case 1:
			s.applied.Term = value
		case 2:
			s.applied.Index = value
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("the position: %w", err)
	}
	err = fields(config.Get([]byte("latest_config")), func(number protowire.Number, value uint64, raw []byte) error {
		switch number {
		case 1:
			s.dataConfig = value
		case 2:
			server := jobstep.Server{Voter: true}
			err := fields(raw, func(number protowire.Number, value uint64, raw []byte) error {
				switch number {
				case 1:
					server.Voter = value == 0
				case 2:
					server.ID = string(raw)
				case 3:
					server.Address = string(raw)
				}
				return nil
			})
			s.dataServers = append(s.dataServers, server)
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("the configuration: %w", err)
	}
	return nil
}

// fields calls a function with each field of a protobuf message (types.proto of
// physical/raft in OpenBao), which are numbers and texts.
func fields(message []byte, each func(number protowire.Number, value uint64, raw []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var value uint64
		var raw []byte
		switch kind {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			raw, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := each(number, value, raw); err != nil {
			return err
		}
	}
	return nil
}

// ChangedError means that a storage is not what the recovery was decided with.
type ChangedError struct{ Want, Have jobstep.Position }

// Error implements error.
func (e *ChangedError) Error() string {
	return fmt.Sprintf("the log ends at index %d of term %d, and not at index %d of term %d as planned", e.Have.Index, e.Have.Term, e.Want.Index, e.Want.Term)
}

// Recover has the server of a storage be the only voter when it is unsealed next. It can be
// repeated.
func Recover(dir string, voter jobstep.Voter) error {
	found, err := Read(dir)
	if err != nil {
		return err
	}
	if found.Problem != "" {
		return errors.New(found.Problem)
	}
	if found.Empty || found.Last != voter.Last {
		return &ChangedError{Want: voter.Last, Have: found.Last}
	}
	type peer struct {
		ID       string `json:"id"`
		Address  string `json:"address"`
		NonVoter bool   `json:"non_voter"`
	}
	raw, err := json.Marshal([]peer{{ID: voter.ID, Address: voter.Address}})
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(dir, raftDir, peersFile), raw)
}

// writeWhole writes a file so that it is there with all of its content, or not at all, also
// after a power failure.
func writeWhole(path string, content []byte) error {
	temporary := path + ".tmp"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
