// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"net/http"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/service"
)

// fold brings in what the answers of these writes carry. Each changes only the
// thing that was written, never its siblings: the answers of writes that run
// in parallel arrive in any order, and the whole that one of them shows may lack
// what another has done.
func (serviceFacet) fold(w *write, answer []byte) change {
	switch w.operation {
	case "ServiceCreate":
		return foldServiceCreate(answer)
	case "ServiceUpdate":
		return foldServiceUpdate(answer)
	case "ServiceUserCreate":
		return foldUserCreate(answer)
	case "ServiceUserCredentialsModify", "ServiceUserCredentialsReset":
		return foldUserModify(w, answer)
	case "ServiceKafkaAclAdd":
		return foldACLAdd(w, answer)
	case "ServiceKafkaAclDelete":
		return foldACLDelete(w)
	}
	return nil
}

// serviceAnswer decodes the service in an answer, nil if there is none.
func serviceAnswer(answer []byte) *service.ServiceGetOut {
	var out struct {
		Service *service.ServiceGetOut `json:"service"`
	}
	if json.Unmarshal(answer, &out) != nil || out.Service == nil || out.Service.ServiceName == "" || out.Service.State == "" {
		return nil
	}
	return out.Service
}

// foldServiceCreate: what is new is all there is. A service that already runs
// has connection details, which the answer need not carry.
func foldServiceCreate(answer []byte) change {
	out := serviceAnswer(answer)
	if out == nil || out.State == service.ServiceStateTypeRunning {
		return nil
	}
	created := newServiceSnapshot(out)
	return func(now snapshot) (snapshot, []part) {
		if s := now.(*serviceSnapshot); s.core != nil {
			return s, nil
		}
		return created, []part{{partAny, ""}}
	}
}

// foldServiceUpdate replaces the settings. The answer of an update need not
// carry secrets, so the connection details stay as they were read.
func foldServiceUpdate(answer []byte) change {
	out := serviceAnswer(answer)
	if out == nil {
		return nil
	}
	core := coreOf(out)
	return onService(func(s *serviceSnapshot) []part {
		merged := *core
		merged.ServiceUri = s.core.ServiceUri
		merged.ServiceUriParams = s.core.ServiceUriParams
		merged.ConnectionInfo = s.core.ConnectionInfo
		merged.Tags = s.core.Tags
		s.core = adopt(&merged, s.core)
		return []part{{partCore, ""}, {partState, ""}}
	})
}

func foldUserCreate(answer []byte) change {
	var out struct {
		User *service.UserOut `json:"user"`
	}
	if json.Unmarshal(answer, &out) != nil || out.User == nil || out.User.Username == "" || out.User.Password == "" {
		return nil
	}
	return withUser(out.User)
}

// foldUserModify takes the one user out of the service that the answer shows.
func foldUserModify(w *write, answer []byte) change {
	out := serviceAnswer(answer)
	if out == nil || len(w.rest) < 2 {
		return nil
	}
	for i := range out.Users {
		if u := &out.Users[i]; u.Username == w.rest[1] && u.Password != "" {
			return withUser(u)
		}
	}
	return nil
}

func withUser(u *service.UserOut) change {
	return onService(func(s *serviceSnapshot) []part {
		s.users = s.users.with(u.Username, u)
		return []part{{partUser, u.Username}, {partUsers, ""}}
	})
}

// foldACLAdd takes the new entry out of the list that the answer shows.
func foldACLAdd(w *write, answer []byte) change {
	in, ok := w.in.(*kafka.ServiceKafkaAclAddIn)
	var out struct {
		ACL []service.AclOut `json:"acl"`
	}
	if !ok || in == nil || json.Unmarshal(answer, &out) != nil {
		return nil
	}
	added := []*service.AclOut{}
	for i := range out.ACL {
		a := &out.ACL[i]
		if a.Username == in.Username && a.Topic == in.Topic && string(a.Permission) == string(in.Permission) && a.Id != nil {
			added = append(added, a)
		}
	}
	if len(added) == 0 {
		return nil
	}
	return onService(func(s *serviceSnapshot) (parts []part) {
		for _, a := range added {
			s.acls = s.acls.with(aclName(a), a)
			s.aclIDs = s.aclIDs.with(aclID(a), a)
			parts = append(parts, aclParts(a)...)
		}
		return parts
	})
}

// foldACLDelete: the answer is the list without the entry, which is gone.
func foldACLDelete(w *write) change {
	if w.method != http.MethodDelete || len(w.rest) < 2 {
		return nil
	}
	id := w.rest[1]
	return onService(func(s *serviceSnapshot) []part {
		a := s.aclIDs.get(id)
		if a == nil {
			return nil
		}
		s.acls = s.acls.without(aclName(a))
		s.aclIDs = s.aclIDs.without(id)
		return aclParts(a)
	})
}

// aclParts are the parts that an entry is seen in.
func aclParts(a *service.AclOut) []part {
	return []part{{partACL, aclID(a)}, {partACLMatch, aclPrefix(a.Username, a.Topic, a.Permission)}, {partACLs, ""}}
}

// onService applies change, which returns the parts that it changes, to a copy
// of a service that exists.
func onService(change func(*serviceSnapshot) []part) change {
	return func(now snapshot) (snapshot, []part) {
		s := *now.(*serviceSnapshot)
		if s.core == nil {
			return now, nil
		}
		parts := change(&s)
		return &s, parts
	}
}
