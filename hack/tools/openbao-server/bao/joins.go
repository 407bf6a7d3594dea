// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"unsafe"

	"github.com/hashicorp/vault/physical/raft"
	"github.com/hashicorp/vault/vault"
)

// joinPath is where a server that joins sends its answer to the leader's challenge.
const joinPath = "/v1/sys/storage/raft/bootstrap/answer"

// maxAnswerBytes bounds such an answer, which is a few hundred bytes long.
const maxAnswerBytes = 1 << 20

// announceJoins tells the autopilot of a server before it joins, as OpenBao does. The core
// here tells it afterwards: if the autopilot looks in between, it takes the new server
// for one that nobody knows and removes it, and that server stays sealed for good.
func announceJoins(core *vault.Core, next http.Handler) (http.Handler, error) {
	followers, err := followersOf(core)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == joinPath {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswerBytes))
			if err != nil {
				http.Error(w, "the answer cannot be read", http.StatusBadRequest)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			var answer struct {
				ServerID string `json:"server_id"`
				NonVoter bool   `json:"non_voter"`
			}
			// An answer that is not understood is the core's to refuse.
			if json.Unmarshal(body, &answer) == nil && answer.ServerID != "" {
				suffrage := "voter"
				if answer.NonVoter {
					suffrage = "non-voter"
				}
				followers.Update(&raft.EchoRequestUpdate{NodeID: answer.ServerID, DesiredSuffrage: suffrage})
			}
		}
		next.ServeHTTP(w, r)
	}), nil
}

// followersOf returns what the leader knows of the others. The core does not export it.
func followersOf(core *vault.Core) (*raft.FollowerStates, error) {
	field := reflect.ValueOf(core).Elem().FieldByName("raftFollowerStates")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*raft.FollowerStates]() {
		return nil, errors.New("the core keeps its followers elsewhere")
	}
	followers := *(**raft.FollowerStates)(unsafe.Pointer(field.UnsafeAddr()))
	if followers == nil {
		return nil, errors.New("the core knows no followers")
	}
	return followers, nil
}
